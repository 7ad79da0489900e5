"""What people see: state in, rich renderables and plain lines out.

Nothing here reads a clock, a socket or a terminal: a part gets the market's picture, the time and the room it may fill, and every
word that came over the wire is made harmless before it is shown. Reading order: text, standings, leaderboard, watch, monitor,
then the parts that it puts in their places: header, ladder, tape, traders, liquidations.
"""
