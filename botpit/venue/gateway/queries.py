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


class Queries:
    """Questions about one trader's account and orders, and the ping."""

    def __init__(self, exchange: Exchange, views: AccountViews) -> None:
        self._exchange = exchange
        self._views = views

    def routes(self) -> dict[type[Any], Route]:
        return {
            wire.OrderStatusRequest: Route(Scope.TRADE, self._order_status, "requests", self._named_order),
            wire.OpenOrdersRequest: Route(Scope.TRADE, self._open_orders),
            wire.AccountRequest: Route(Scope.TRADE, self._account),
            wire.PingRequest: Route(None, self._ping, names_trader=False),
        }

    def _named_order(self, request: wire.OrderStatusRequest, trader: str, session: Session) -> wire.OrderStatusRequest:
        needs_an_order(request)
        return request

    def _order_status(self, session: Session, request: wire.OrderStatusRequest, trader: str, now_ns: int) -> Reply:
        account = self._exchange.accounts.get(trader)
        record = account.remembered_order(request.order_id, request.client_order_id) if account else None
        asked = (request.order_id, request.client_order_id)
        return self._views.order_status(trader, account, record, asked, now_ns), []

    def _open_orders(self, session: Session, request: wire.OpenOrdersRequest, trader: str, now_ns: int) -> Reply:
        return self._views.open_orders(trader, self._exchange.accounts.get(trader), now_ns), []

    def _account(self, session: Session, request: wire.AccountRequest, trader: str, now_ns: int) -> Reply:
        return self._views.account(trader, self._exchange.accounts.get(trader), now_ns), []

    def _ping(self, session: Session, request: wire.PingRequest, trader: str, now_ns: int) -> Reply:
        return pong(now_ns), []
