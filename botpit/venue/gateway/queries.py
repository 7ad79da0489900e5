"""What a trader may ask: requests that change nothing."""

from __future__ import annotations

from typing import Any

import message_schemas as wire
from botpit.core.exchange import Exchange
from botpit.venue.gateway.routes import Route
from botpit.venue.gateway.sessions import Reply, Scope, Session
from botpit.wire.account_views import AccountViews
from botpit.wire.decode import needs_an_order
from botpit.wire.encode import pong

Asked = tuple[Any, str]
"""A request, and the trader it asks about."""


class Queries:
    """Questions about one trader's account and orders, and the ping."""

    def __init__(self, exchange: Exchange, views: AccountViews) -> None:
        self._exchange = exchange
        self._views = views

    def routes(self) -> dict[type[Any], Route]:
        return {
            wire.OrderStatusRequest: Route(
                Scope.TRADE, self._order_status, "requests", self._named_order
            ),
            wire.OpenOrdersRequest: Route(Scope.TRADE, self._open_orders),
            wire.AccountRequest: Route(Scope.TRADE, self._account),
            wire.PingRequest: Route(None, self._ping, names_trader=False),
        }

    def _named_order(
        self, request: wire.OrderStatusRequest, trader: str, session: Session
    ) -> Asked:
        needs_an_order(request)
        return request, trader

    def _order_status(self, asked: Asked, now_ns: int, session: Session) -> Reply:
        request, trader = asked
        account = self._exchange.accounts.get(trader)
        record = (
            account.remembered_order(request.order_id, request.client_order_id)
            if account
            else None
        )
        named = (request.order_id, request.client_order_id)
        return self._views.order_status(trader, account, record, named, now_ns), []

    def _open_orders(self, asked: Asked, now_ns: int, session: Session) -> Reply:
        _, trader = asked
        return self._views.open_orders(trader, self._exchange.accounts.get(trader), now_ns), []

    def _account(self, asked: Asked, now_ns: int, session: Session) -> Reply:
        _, trader = asked
        return self._views.account(trader, self._exchange.accounts.get(trader), now_ns), []

    def _ping(self, asked: Asked, now_ns: int, session: Session) -> Reply:
        return pong(now_ns), []
