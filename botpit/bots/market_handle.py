"""The market handle a strategy is given: `bot_strategies.Market` in the flesh, and nothing else.

It is a thin front of what the bot knows (`state.py`) and of how it acts (`order_entry.py`), for one
instrument. The brain has these two by themselves, so that no strategy finds the wires behind its handle by
the names it offers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from bot_strategies import OpenOrder, StrategyContext, Terms
from botpit.bots.book import BookHandle
from botpit.bots.order_entry import OrderEntry, to_tick
from botpit.bots.state import BotState
from message_schemas import InstrumentInfo, OrderRequest, OrderType, Side, SideWord


class MarketHandle:
    """One instrument's market in a bot's hands. `markets` are all of the bot's handles, by symbol."""

    __slots__ = ("_book", "_entry", "_markets", "_state", "_symbol")

    def __init__(
        self,
        symbol: str,
        state: BotState,
        entry: OrderEntry,
        markets: Mapping[str, MarketHandle],
    ) -> None:
        self._symbol = symbol
        self._book = BookHandle(symbol, state)
        self._state = state
        self._entry = entry
        self._markets = markets

    # --------------------------------------------------------------------------------------- which instrument

    @property
    def symbol(self) -> str:
        return self._symbol

    @property
    def symbols(self) -> tuple[str, ...]:
        return self._state.symbols

    def of(self, symbol: str) -> MarketHandle:
        if symbol not in self._markets:
            raise ValueError(
                f"this bot trades {', '.join(self.symbols)}, not {symbol!r}: name it in the class's `symbols`"
            )
        return self._markets[symbol]

    # ------------------------------------------------------------------------------- what a strategy may read

    @property
    def timestamp(self) -> int:
        return self._state.now_ms

    @property
    def instrument(self) -> InstrumentInfo:
        return self._state.instruments[self._symbol]

    @property
    def book(self) -> BookHandle:
        return self._book

    @property
    def mid_price(self) -> float:
        return self._state.mid_price(self._symbol)

    @property
    def position(self) -> int:
        return self._state.positions[self._symbol]

    @property
    def equity(self) -> float:
        return self._state.equity()

    @property
    def orders(self) -> list[OpenOrder]:
        return self._state.orders.open(self._symbol)

    @property
    def context(self) -> StrategyContext:
        return self._state.context(self._symbol)

    def to_tick(self, price: float, side: SideWord) -> float:
        return to_tick(price, self.instrument.tick, side)

    # --------------------------------------------------------------------------------- what a strategy may do

    def buy(self, qty: int, price: float | None = None, **terms: Unpack[Terms]) -> str | None:
        return self._order(Side.BUY, qty, price, terms)

    def sell(self, qty: int, price: float | None = None, **terms: Unpack[Terms]) -> str | None:
        return self._order(Side.SELL, qty, price, terms)

    def cancel(self, order: OpenOrder) -> bool:
        return self._entry.cancel(order)

    def replace(
        self, order: OpenOrder, *, price: float | None = None, qty: int | None = None
    ) -> bool:
        return self._entry.replace(order, price, qty)

    def cancel_all(self, side: SideWord | None = None, *, symbol: str | None = None) -> bool:
        return self._entry.cancel_all(self.of(symbol or self._symbol).symbol, side)

    def _order(self, side: Side, qty: int, price: float | None, terms: Terms) -> str | None:
        order_type = OrderType.MARKET if price is None else OrderType.LIMIT
        request = OrderRequest(side=side, qty=qty, order_type=order_type, price=price, **terms)
        return self._entry.place(request, self.of(request.symbol or self._symbol).symbol)
