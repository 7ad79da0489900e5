"""How things stand in the market: its instruments, its books, and who holds what. Snapshots and the
views of a book are these.

A view is taken between commands and carries the `seq` of the last event that it includes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from zlib import crc32

from msgspec import Raw, defstruct

import message_schemas as wire
from botpit.core.book import Book
from botpit.core.commands import BUY
from botpit.core.exchange import Exchange
from botpit.core.instrument import Instrument
from botpit.core.market import Market
from botpit.core.positions import Position
from botpit.wire.forms import SIDES, form_of, json_text
from botpit.wire.numbers import PriceScale, milliseconds
from botpit.wire.units import Units

DEPTH = 10
"""Levels a side of `book_update`, of a snapshot's books and of a checksum."""
Levels = dict[tuple[int, int], None]
"""(side, price) of levels of one book, in order of first change."""
_BookUpdate = form_of(wire.BookUpdate, "public")
_BookDelta = form_of(wire.BookDelta, "public")
_PositionState = defstruct(
    "PositionState",
    [
        "trader_id",
        "symbol",
        "position",
        "avg_entry_price",
        "unrealized_pnl",
        "realized_pnl",
        "mark_price",
        "cash",
        "total_equity",
        "timestamp",
    ],
)
_SAME_OUTSIDE = (
    "min_qty",
    "max_qty",
    "maker_fee_bps",
    "taker_fee_bps",
    "liquidation_fee_bps",
    "initial_margin_bps",
    "maintenance_margin_bps",
    "price_band_bps",
    "mark_move_bps",
    "max_open_orders",
    "max_order_qty",
    "max_position",
)
"""What of an instrument is the same number inside and outside."""


class MarketViews:
    """What everybody may see of this market."""

    def __init__(self, exchange: Exchange, units: Units) -> None:
        self._exchange = exchange
        self._units = units

    def instruments(self) -> list[dict[str, Any]]:
        return instruments(self._exchange, self._units)

    # ------------------------------------------------------------------------------------- one book

    def book_update(self, symbol: str, seq: int, now_ns: int) -> bytes:
        book, scale = self._exchange.markets[symbol].book, self._units.scales[symbol]
        bids, asks = book.bids.top(DEPTH), book.asks.top(DEPTH)
        best_bid, best_ask = _best(scale, bids), _best(scale, asks)
        times = (seq, milliseconds(now_ns))
        return json_text(
            _BookUpdate(
                symbol, best_bid, best_ask, _levels(scale, bids), _levels(scale, asks), *times
            )
        )

    def book_delta(
        self, symbol: str, levels: Levels, book_seq: int, seq: int, now_ns: int
    ) -> bytes:
        """What one command changed: of each of these levels the quantity that it has now."""
        book, scale = self._exchange.markets[symbol].book, self._units.scales[symbol]
        bids = [(price, book.bids.qty_at(price)) for side, price in levels if side == BUY]
        asks = [(price, book.asks.qty_at(price)) for side, price in levels if side != BUY]
        changes = (_levels(scale, bids), _levels(scale, asks))
        times = (seq, milliseconds(now_ns))
        return json_text(
            _BookDelta(symbol, book_seq, book_seq - 1, *changes, checksum(book), *times)
        )

    def book_state(self, symbol: str, depth: int | None, book_seq: int) -> dict[str, Any]:
        """One book of a snapshot; `depth` None: all levels."""
        market, scale = self._exchange.markets[symbol], self._units.scales[symbol]
        book = market.book
        if depth is None:
            depth = max(len(book.bids.ranks), len(book.asks.ranks))
        bids, asks = book.bids.top(depth), book.asks.top(depth)
        return {
            "bids": _levels(scale, bids),
            "asks": _levels(scale, asks),
            "best_bid": _best(scale, bids),
            "best_ask": _best(scale, asks),
            "book_seq": book_seq,
            "last_trade": _last_trade(market, scale),
            "mark_price": scale.price(market.mark),
            "status": market.status,
        }

    def resting_orders(self, symbol: str, *, full: bool) -> list[dict[str, Any]]:
        """Every resting order in order of priority, bids first; `full` names the traders."""
        book, scale = self._exchange.markets[symbol].book, self._units.scales[symbol]
        shown: list[dict[str, Any]] = []
        for side in (book.bids, book.asks):
            for level in side:
                price = scale.price(level.price)
                for record in level:
                    fields = {
                        "order_id": record.id,
                        "side": SIDES[side.sign],
                        "price": price,
                        "qty": record.leaves,
                    }
                    if full:
                        fields["trader_id"] = record.order.trader
                    shown.append(fields)
        return shown

    # ------------------------------------------------------------------------------------ positions

    def position_state(self, position: Position, now_ns: int) -> bytes:
        """One position of a snapshot, which may have tens of thousands."""
        account, market, units = position.account, position.market, self._units
        symbol, money = market.instrument.symbol, self._units.money
        average = units.average_entry(symbol, position.cost, position.lots)
        state = _PositionState(
            account.trader,
            symbol,
            position.lots,
            average,
            position.unrealized() / money,
            position.realized / money,
            units.scales[symbol].raw(market.mark),
            account.cash / money,
            account.equity() / money,
            milliseconds(now_ns),
        )
        return json_text(state)


def instruments(exchange: Exchange, units: Units) -> list[dict[str, Any]]:
    """Every instrument of the market with its rules."""
    return [_instrument(market.instrument, units) for market in exchange.markets.values()]


def _instrument(each: Instrument, units: Units) -> dict[str, Any]:
    symbol = each.symbol
    prices = ("reference_price", "min_price", "max_price")
    return {
        "symbol": symbol,
        "tick": units.price(symbol, 1),
        "lot": Raw(each.lot.encode()),
        **{key: units.price(symbol, getattr(each, key)) for key in prices},
        **{key: getattr(each, key) for key in _SAME_OUTSIDE},
        "max_order_notional": each.max_order_notional / units.money,
    }


def _levels(scale: PriceScale, levels: Iterable[tuple[int, int]]) -> Raw:
    """(price, qty) as people write them; the cost of a market's views is mostly here."""
    text = scale.text
    return Raw(
        "[{}]".format(",".join([f"[{text(price)},{qty}]" for price, qty in levels])).encode()
    )


def _best(scale: PriceScale, levels: list[tuple[int, int]]) -> float | None:
    return scale.price(levels[0][0]) if levels else None


def _last_trade(market: Market, scale: PriceScale) -> dict[str, Any] | None:
    if market.last_trade is None:
        return None
    price = scale.price(market.last_trade)
    return {
        "price": price,
        "qty": market.last_qty,
        "timestamp": milliseconds(market.last_time_ns),
    }


def checksum(book: Book) -> int:
    """CRC-32 of the ten best bids, then the ten best asks, as `price:qty|…` in ticks and lots
    (API_SPEC.md, `book_delta`).
    """
    levels = [*book.bids.top(DEPTH), *book.asks.top(DEPTH)]
    return crc32("|".join(f"{price}:{qty}" for price, qty in levels).encode())
