"""What people see: state in, rich renderables and plain lines out.

A part reads no clock, socket or terminal: it gets the market's picture, the time and the room it may fill,
and every word that came over the wire is made harmless before it is shown. Reading order: text, standings,
leaderboard, watch, monitor, then the parts that it puts in their places: header, ladder, tape, traders,
liquidations. `battle_board` draws on the terminal while a battle runs.
"""
