"""The brain of a bot, without sockets, clock or log: messages in, requests out, for live and simulated battles alike.

`orders.py` keeps the own open orders by the private events, `market_handle.py` is the market handle a strategy is
given, `runner.py` asks the strategy, `brain.py` holds the conversation with exchange and relay. What a bot has done is
counted by `counts.py` and `latency.py`, and `report.py` writes and reads it as JSON.
"""

from botpit.bots.brain import Brain, request_text
from botpit.bots.counts import Counts
from botpit.bots.market_handle import MarketHandle, Notice, Output
from botpit.bots.report import ReportError, counts_of, report_text

__all__ = ["Brain", "Counts", "MarketHandle", "Notice", "Output", "ReportError", "counts_of", "report_text", "request_text"]
