"""The whole state of an exchange as plain values, and back: a restored exchange continues with the same
events.

Only what cannot be worked out is kept: the totals of open orders, thresholds, expiries and ids are made anew.
The values are numbers, texts, booleans, lists and dicts with text keys, so any text format can hold them.
Every class knows its own values (`capture`, `restore`); here they are put together, and in order: markets,
accounts with their orders, then the books, whose queues hold those orders.
"""

from __future__ import annotations

from typing import Any

from botpit.core.accounts import Account
from botpit.core.commands import Open
from botpit.core.exchange import Exchange

_COUNTERS = ("now_ns", "last_order_id", "last_trade_id", "fees", "insurance", "paid_in")


def opening_of(exchange: Exchange) -> Open:
    """The market as it would be opened now: its name, rules and instruments."""
    instruments = tuple(market.instrument for market in exchange.markets.values())
    return Open(exchange.market_id, exchange.rules, instruments)


def capture(exchange: Exchange) -> dict[str, Any]:
    """The state between two commands."""
    return {
        **{name: getattr(exchange, name) for name in _COUNTERS},
        "markets": {symbol: market.capture() for symbol, market in exchange.markets.items()},
        "accounts": {
            trader: account.capture() for trader, account in exchange.accounts.items()
        },
        **exchange.timers.capture(),
    }


def restore(opening: Open, state: dict[str, Any]) -> Exchange:
    """The exchange of that opening, in that state."""
    exchange = Exchange(opening)
    for name in _COUNTERS:
        setattr(exchange, name, state[name])
    exchange.emitted_insurance = exchange.insurance
    exchange.timers.restore(state["marked_ns"], state["marked_until"])
    for symbol, values in state["markets"].items():
        exchange.markets[symbol].restore(values)
    for trader, values in state["accounts"].items():
        _restore_account(exchange, trader, values)
    for values in state["markets"].values():
        for trader, order_id in [*values["bids"], *values["asks"]]:
            _restore_open_order(exchange, trader, order_id)
    return exchange


def _restore_account(exchange: Exchange, trader: str, values: dict[str, Any]) -> None:
    account = exchange.accounts[trader] = Account(trader, values["cash"], exchange.moves)
    account.restore(values, exchange.markets)
    if account.frozen:
        exchange.frozen.add(trader)
    exchange.margin_watch.invalidate(account)


def _restore_open_order(exchange: Exchange, trader: str, order_id: int) -> None:
    """Let it rest again, last in its queue: queues are kept in order of priority."""
    record = exchange.accounts[trader].resting[order_id]
    exchange.put_in_book(record)
    if record.order.expires_at_ns is not None:
        exchange.timers.expire_later(record, record.order.expires_at_ns)
