"""The brain of a bot, without sockets, clock or log: messages in, requests out, for live and simulated battles alike.

`orders.py` keeps the own open orders by the private events, `desk.py` is the market handle a strategy is given, `brain.py` holds
the conversation with exchange and relay and asks the strategy.
"""

from botpit.bots.brain import Brain, Counts, request_text
from botpit.bots.desk import Desk, Output, Trouble

__all__ = ["Brain", "Counts", "Desk", "Output", "Trouble", "request_text"]
