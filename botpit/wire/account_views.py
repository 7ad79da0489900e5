"""How things stand with one trader: the answers to its questions, and to its login.

Events say what happened; this says what is. An order is described by one function wherever it is shown.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import astuple

import message_schemas as wire
from botpit.core.accounts import Account
from botpit.core.events import LoggedIn
from botpit.core.exchange import Exchange
from botpit.core.orders import OrderRecord, RefusedOrder
from botpit.core.positions import Position
from botpit.core.risk.margin import BPS, initial_times_bps, maintenance_times_bps
from botpit.wire.forms import SIDES, form_of, json_text
from botpit.wire.market_views import instruments
from botpit.wire.numbers import milliseconds
from botpit.wire.units import Units, order_type

_OrderState = form_of(wire.OrderState, "own")
_OrderStatus = form_of(wire.OrderStatus, "own")
_NOTHING_KNOWN = (None,) * 8
"""Symbol, side, type, price and the four quantities of an order that is unknown."""


class AccountViews:
    """What a trader of this market may see of itself."""

    def __init__(self, exchange: Exchange, units: Units) -> None:
        self._exchange = exchange
        self._units = units

    def logged_in(self, e: LoggedIn, scope: str) -> bytes:
        fields = {
            "type": "logged_in",
            "trader_id": e.trader,
            "scope": scope,
            "account_seq": e.account_seq,
            "market_id": self._exchange.market_id,
            "session": e.session,
            "instruments": instruments(self._exchange, self._units),
            "timestamp": milliseconds(e.now_ns),
        }
        return json_text(fields)

    def order_status(
        self,
        trader: str,
        account: Account | None,
        record: OrderRecord | RefusedOrder | None,
        asked: tuple[int | None, str | None],
        now_ns: int,
    ) -> bytes:
        """`asked`: the ids in the question, for an order that is not known."""
        if record is None:
            state = _OrderState(*asked, trader, *_NOTHING_KNOWN, "unknown", UNSET)
        else:
            state = self._order_state(record)
        complete = account is None or not account.forgot
        return json_text(
            _OrderStatus(*astuple(state), complete, _seq(account), milliseconds(now_ns))
        )

    def open_orders(self, trader: str, account: Account | None, now_ns: int) -> bytes:
        records = account.open_orders() if account else ()
        orders = list(map(self._order_state, records))
        return json_text(
            {
                "type": "open_orders",
                "trader_id": trader,
                "orders": orders,
                **_stamp(account, now_ns),
            }
        )

    def _order_state(self, record: OrderRecord | RefusedOrder) -> Any:
        order = record.order
        named = (
            order.client_order_id,
            order.trader,
            order.symbol,
            SIDES[order.side],
            order_type(order),
        )
        if isinstance(record, RefusedOrder):
            price = self._units.asked_price(order)
            return _OrderState(
                None, *named, price, order.qty, 0, 0, 0, "rejected", record.answer.reason
            )
        price = None
        if order.price is not None:
            price = self._units.scales[order.symbol].raw(record.price)
        quantities = (record.qty, record.filled, record.leaves, record.cancelled)
        return _OrderState(record.id, *named, price, *quantities, _status(record), UNSET)

    def account(self, trader: str, account: Account | None, now_ns: int) -> bytes:
        """An unknown trader's account looks like a new one."""
        money = self._units.money
        shown = account or Account(
            trader, self._exchange.rules.starting_cash, self._exchange.moves
        )
        fields = {
            "type": "account",
            "trader_id": trader,
            "cash": shown.cash / money,
            "total_equity": shown.equity() / money,
            "initial_margin": self._margin(initial_times_bps(shown)),
            "maintenance_margin": self._margin(maintenance_times_bps(shown)),
            "positions": [self._position(each) for each in shown.positions.values()],
            "status": shown.state(),
            **_stamp(account, now_ns),
        }
        return json_text(fields)

    def _margin(self, times_bps: int) -> float:
        """Rounded up to an account unit, for display."""
        return -(-times_bps // BPS) / self._units.money

    def _position(self, position: Position) -> dict[str, Any]:
        market, units = position.market, self._units
        symbol = market.instrument.symbol
        return {
            "symbol": symbol,
            "position": position.lots,
            "avg_entry_price": units.average_entry(symbol, position.cost, position.lots),
            "unrealized_pnl": position.unrealized() / units.money,
            "realized_pnl": position.realized / units.money,
            "mark_price": units.price(symbol, market.mark),
        }


def _status(record: OrderRecord) -> str:
    if record.leaves:
        return "open"
    if record.cancelled:
        return "cancelled"
    return "filled"


def _seq(account: Account | None) -> int:
    return account.seq if account else 0


def _stamp(account: Account | None, now_ns: int) -> dict[str, int]:
    return {"account_seq": _seq(account), "timestamp": milliseconds(now_ns)}
