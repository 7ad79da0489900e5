"""One instrument's book as a strategy is given it: `bot_strategies.Book` in the flesh, to be looked at only.

The view behind it may be that of a thousand bots, so what a strategy gets are its own copies.
"""

from __future__ import annotations

from botpit.bots.state import BotState
from botpit.clients.mirror import Level
from message_schemas import LastTrade


class BookHandle:
    """The best levels as last published, whatever the view behind it is by then."""

    __slots__ = ("_state", "_symbol")

    def __init__(self, symbol: str, state: BotState) -> None:
        self._symbol = symbol
        self._state = state

    @property
    def bids(self) -> tuple[Level, ...]:
        return tuple(self._state.book(self._symbol).bids)

    @property
    def asks(self) -> tuple[Level, ...]:
        return tuple(self._state.book(self._symbol).asks)

    @property
    def best_bid(self) -> float | None:
        return self._state.book(self._symbol).best_bid

    @property
    def best_ask(self) -> float | None:
        return self._state.book(self._symbol).best_ask

    @property
    def mark_price(self) -> float:
        return self._state.book(self._symbol).mark_price

    @property
    def status(self) -> str:
        return self._state.book(self._symbol).status

    @property
    def last_trade(self) -> LastTrade | None:
        return self._state.book(self._symbol).last_trade
