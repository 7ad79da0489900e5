"""The whole state of an exchange as plain values, and back: going on from a restored state gives the same events as going on.

Only what cannot be worked out is kept: the totals of open orders, thresholds, expiries and ids are made anew. The values are
numbers, texts, booleans, lists and dicts with text keys, so any text format can hold them.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from msgspec.structs import fields

from botpit.core.accounts import Account
from botpit.core.book import BookSide
from botpit.core.commands import Open, Order, SelfTradePrevention, TimeInForce
from botpit.core.events import Reason, Rejected, Request, TradingStatus
from botpit.core.exchange import Exchange
from botpit.core.market import Market
from botpit.core.orders import OrderRecord, RefusedOrder, packed, unpacked

_ORDER_VALUES = attrgetter(*(field.name for field in fields(Order)))
_COUNTERS = ("now_ns", "last_order_id", "last_trade_id", "fees", "insurance", "paid_in")
_MARKET_FIELDS = ("last_trade", "last_qty", "last_time_ns")
_ACCOUNT_FIELDS = ("cash", "seq", "sessions", "frozen", "held", "bankrupt", "forgot")
_POSITION_FIELDS = ("lots", "cost", "realized", "told_mark")
_RECORD_FIELDS = ("id", "price", "qty", "leaves", "filled")
_RECORD_VALUES = attrgetter(*_RECORD_FIELDS, "cancelled")


def opening_of(exchange: Exchange) -> Open:
    """The market as it would be opened now: its name, rules and instruments."""
    return Open(exchange.market_id, exchange.rules, tuple(market.instrument for market in exchange.markets.values()))


def capture(exchange: Exchange) -> dict[str, Any]:
    """The state between two commands."""
    return {
        **{name: getattr(exchange, name) for name in _COUNTERS},
        "markets": {symbol: _market(market) for symbol, market in exchange.markets.items()},
        "accounts": {trader: _account(account) for trader, account in exchange.accounts.items()},
        "marked_ns": exchange.timers.marked_ns,
        "marked_until": exchange.timers.marked_until,
    }


def restore(opening: Open, state: dict[str, Any]) -> Exchange:
    """The exchange of that opening, in that state."""
    exchange = Exchange(opening)
    for name in _COUNTERS:
        setattr(exchange, name, state[name])
    exchange.emitted_insurance = exchange.insurance
    exchange.timers.marked_ns, exchange.timers.marked_until = state["marked_ns"], state["marked_until"]
    for symbol, values in state["markets"].items():
        _restore_market(exchange.markets[symbol], values)
    for trader, values in state["accounts"].items():
        _restore_account(exchange, trader, values)
    for symbol, values in state["markets"].items():
        for side in (exchange.markets[symbol].book.bids, exchange.markets[symbol].book.asks):
            _restore_queue(exchange, side, values["bids" if side.sign > 0 else "asks"])
    return exchange


# ------------------------------------------------------------------------------------------------------------------ markets


def _market(market: Market) -> dict[str, Any]:
    return {
        **{name: getattr(market, name) for name in _MARKET_FIELDS},
        "status": market.status.value, "mark": market.mark, "marks": [list(each) for each in market.marks],
        "bids": _queue(market.book.bids), "asks": _queue(market.book.asks),
    }


def _queue(side: BookSide) -> list[list[Any]]:
    """[trader, order id] in order of priority."""
    return [[record.order.trader, record.id] for level in side for record in level]


def _restore_market(market: Market, values: dict[str, Any]) -> None:
    for name in _MARKET_FIELDS:
        setattr(market, name, values[name])
    market.status = TradingStatus(values["status"])
    market.restore_marks(values["mark"], [(since_ns, mark) for since_ns, mark in values["marks"]])


def _restore_queue(exchange: Exchange, side: BookSide, queue: list[list[Any]]) -> None:
    for trader, order_id in queue:
        record = exchange.accounts[trader].resting[order_id]
        side.add(record)
        record.position.count_open(record, record.leaves)
        if record.order.expires_at_ns is not None:
            exchange.timers.expire_later(record, record.order.expires_at_ns)


# ----------------------------------------------------------------------------------------------------------------- accounts


def _account(account: Account) -> dict[str, Any]:
    return {
        **{name: getattr(account, name) for name in _ACCOUNT_FIELDS},
        "open_sessions": [[session, cancel] for session, cancel in account.open_sessions.items()],
        "positions": {symbol: [getattr(each, name) for name in _POSITION_FIELDS] for symbol, each in account.positions.items()},
        "orders": [_record(record) for record in account.known_orders()],
        "remembered": [each.id if isinstance(each, OrderRecord) else _refused(each) for each in account.closed_orders()],
    }


def _record(record: OrderRecord) -> list[Any]:
    """Its numbers, the order as it was asked, the answer that it gets again: an array, for there may be a million."""
    named = record.order.client_order_id is not None
    accepted = unpacked(record.acceptance) if named else None
    return [_RECORD_VALUES(record), _ORDER_VALUES(record.order), accepted]


def _refused(refused: RefusedOrder) -> dict[str, Any]:
    answer = refused.answer
    order = _ORDER_VALUES(refused.order)
    return {"order": order, "reason": answer.reason.value, "now_ns": answer.now_ns, "details": answer.details}


def _restore_account(exchange: Exchange, trader: str, values: dict[str, Any]) -> None:
    account = exchange.accounts[trader] = Account(trader, values["cash"], exchange.moves)
    for name in _ACCOUNT_FIELDS:
        setattr(account, name, values[name])
    account.open_sessions = dict(values["open_sessions"])
    for symbol, numbers in values["positions"].items():
        position = account.position(exchange.markets[symbol])
        for name, number in zip(_POSITION_FIELDS, numbers, strict=True):
            setattr(position, name, number)
    account.valued_at = -1  # its sums are still those of an account without positions
    records = {}
    for recorded in values["orders"]:
        record = _restored_record(account, recorded)
        records[record.id] = record
        account.enter(record)
    for entry in values["remembered"]:
        if isinstance(entry, int):
            account.closed(records.pop(entry))
        else:
            account.burn(_restored_refusal(entry))
    if records:
        account.resting = records  # the open ones: counted when they are in the book again
    if account.frozen:
        exchange.frozen.add(trader)
    exchange.margin_watch.invalidate(account)


def _restored_record(account: Account, values: list[Any]) -> OrderRecord:
    numbers, asked, accepted = values
    order = _restored_order(asked)
    order.trader = account.trader
    record = OrderRecord(0, order, 0, account.positions[order.symbol], 0, 0)
    for name, number in zip(_RECORD_FIELDS, numbers, strict=False):
        setattr(record, name, number)
    if accepted is not None:
        record.acceptance = packed(*accepted)
    return record


def _restored_refusal(values: dict[str, Any]) -> RefusedOrder:
    order = _restored_order(values["order"])
    answer = Rejected(
        Request.ORDER, Reason(values["reason"]), order.trader, values["now_ns"], order.symbol, None, order.client_order_id,
        values["details"],
    )
    return RefusedOrder(order, answer)


def _restored_order(values: list[Any]) -> Order:
    order = Order(*values)
    order.time_in_force = TimeInForce(order.time_in_force)
    if order.self_trade_prevention is not None:
        order.self_trade_prevention = SelfTradePrevention(order.self_trade_prevention)
    return order
