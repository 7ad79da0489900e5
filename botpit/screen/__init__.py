"""What people see: state in, rich renderables and plain lines out.

No part reads a clock, a socket or a terminal. Each is given the market's picture, the time and the room it
may fill, and makes every word from the wire harmless before it is shown. Reading order: text, standings,
leaderboard, watch, monitor, then the parts of the monitor's screen: header, ladder, tape, traders,
liquidations. `battle_board` draws while a battle runs.
"""
