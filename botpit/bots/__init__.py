"""The brain of a bot, without sockets, clock or log: messages in, requests out, live or simulated.

`brain.py` folds what exchange and relay say into what the bot knows (`state.py`, with the own open orders in
`orders.py`) and asks the strategy (`runner.py`), which is given a `market_handle.py` and acts through
`order_entry.py`. What a bot has done is counted by `counts.py` and `latency.py`, and `report.py` writes and
reads it as JSON.
"""

from botpit.bots.brain import Brain, request_text
from botpit.bots.counts import Counts
from botpit.bots.market_handle import MarketHandle
from botpit.bots.notice import Notice, Output
from botpit.bots.report import ReportError, counts_of, report_text

__all__ = [
    "Brain",
    "Counts",
    "MarketHandle",
    "Notice",
    "Output",
    "ReportError",
    "counts_of",
    "report_text",
    "request_text",
]
