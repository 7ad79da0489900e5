"""Messages of an exchange as a test writes them itself: short, with the numbers that matter, the rest as usual.

Each is a struct; `fields_of` makes of it what a port writes as JSON.
"""

from __future__ import annotations

from typing import Any
from zlib import crc32

import msgspec

from message_schemas import (
    AccountStatus,
    BookDelta,
    BookState,
    BookUpdate,
    InstrumentInfo,
    InsuranceUpdate,
    Liquidation,
    PositionUpdate,
    Snapshot,
    Trade,
)


def fields_of(message: Any) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(message)
    return fields


def instrument(symbol="SIM", tick=0.01, **terms):
    usual = {
        "lot": 1.0, "reference_price": 100.0, "min_price": 0.01, "max_price": 1e6, "min_qty": 1, "max_qty": 10**6,
        "maker_fee_bps": 0, "taker_fee_bps": 0, "liquidation_fee_bps": 50, "initial_margin_bps": 2000, "maintenance_margin_bps": 1000,
        "price_band_bps": 1000, "mark_move_bps": 100, "max_open_orders": 200, "max_order_qty": 10**4, "max_order_notional": 1e6, "max_position": 0,
    }  # fmt: skip
    return InstrumentInfo(symbol=symbol, tick=tick, **usual | terms)


def book(bids=(), asks=(), book_seq=0, status="open"):
    """A book in a snapshot."""
    best_bid, best_ask = bids[0][0] if bids else None, asks[0][0] if asks else None
    return BookState(
        bids=list(bids), asks=list(asks), best_bid=best_bid, best_ask=best_ask, book_seq=book_seq, last_trade=None,
        mark_price=100.0, status=status,
    )  # fmt: skip


def snapshot(
    seq=10,
    market_id="m1",
    channel_seq=None,
    books=None,
    positions=(),
    timestamp=1_000,
    instruments=None,
):
    """`instruments`: those that are not the usual ones, for the books there are."""
    books = books or {"SIM": book()}
    return Snapshot(
        seq=seq, market_id=market_id, channel_seq=channel_seq or {},
        instruments=instruments or [instrument(symbol) for symbol in books],
        books=books, positions=list(positions), timestamp=timestamp,
    )  # fmt: skip


def trade(
    number,
    *,
    symbol="SIM",
    seq=None,
    price=100.0,
    qty=5,
    buyer="alice",
    seller="bob",
    aggressor="buy",
    timestamp=None,
):
    return Trade(
        trade_id=number, price=price, qty=qty, buy_trader_id=buyer, sell_trader_id=seller, symbol=symbol,
        aggressor_side=aggressor, seq=seq or 100 + number, channel_seq=number, timestamp=timestamp or 2_000 + number,
    )  # fmt: skip


def position(
    number,
    trader="alice",
    *,
    symbol="SIM",
    lots=5,
    cash=10_000.0,
    equity=10_000.0,
    mark=100.0,
    cls=PositionUpdate,
    **more,
):
    numbered = {"seq": 100 + number, "channel_seq": number} if cls is PositionUpdate else {}
    usual = dict(
        trader_id=trader, symbol=symbol, position=lots, cash=cash, avg_entry_price=100.0, realized_pnl=0.0,
        unrealized_pnl=equity - cash, total_equity=equity, mark_price=mark, timestamp=2_000 + number, **numbered,
    )  # fmt: skip
    return cls(**usual | more)


def delta(book_seq, prev, bids=(), asks=(), text=""):
    return BookDelta(
        symbol="SIM", book_seq=book_seq, prev_book_seq=prev, bids=list(bids), asks=list(asks), checksum=crc32(text.encode()),
        seq=100 + book_seq, timestamp=3_000,
    )  # fmt: skip


def book_update(seq, bids=(), asks=(), *, timestamp=3_000):
    best_bid, best_ask = bids[0][0] if bids else None, asks[0][0] if asks else None
    return BookUpdate(
        symbol="SIM", best_bid=best_bid, best_ask=best_ask, bids=list(bids), asks=list(asks), seq=seq, timestamp=timestamp,
    )  # fmt: skip


def view(seq, bid):
    """A book with one bid of one lot."""
    return book_update(seq, [(bid, 1)])


def forced(number, reason, trader="bob", symbol="SIM", **more):
    usual = {
        "qty": 3,
        "side": "sell",
        "price": 90.0,
        "seq": 100 + number,
        "channel_seq": number,
        "timestamp": 5,
    }
    return Liquidation(trader_id=trader, reason=reason, symbol=symbol, **usual | more)


def insurance(number, cash):
    return InsuranceUpdate(cash=cash, seq=100 + number, channel_seq=number, timestamp=5)


def account_status(number, trader, status):
    return AccountStatus(
        trader_id=trader, status=status, seq=100 + number, channel_seq=number, timestamp=5
    )
