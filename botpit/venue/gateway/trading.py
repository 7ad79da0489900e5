"""What a trader may do: requests that become commands of the engine."""

from __future__ import annotations

from typing import Any

import message_schemas as wire
from botpit.core.commands import Cancel, CancelAll, Order, Replace
from botpit.core.entry import find_order
from botpit.core.exchange import Exchange
from botpit.venue.gateway.routes import Perform, Route
from botpit.venue.gateway.sessions import Scope, Session
from botpit.wire.decode import Decoder


class Trading:
    """Orders, cancels and replaces."""

    def __init__(self, exchange: Exchange, perform: Perform) -> None:
        self._exchange = exchange
        self._perform = perform
        self._decoder = Decoder(
            tuple(market.instrument for market in exchange.markets.values())
        )

    def routes(self) -> dict[type[Any], Route]:
        trade, act = Scope.TRADE, self._perform
        return {
            wire.OrderRequest: Route(trade, act, "requests", self._order),
            wire.PlaceOrderRequest: Route(trade, act, "requests", self._order),
            wire.ReplaceRequest: Route(trade, act, "requests", self._replace),
            wire.CancelRequest: Route(trade, act, "cancels", self._cancel),
            wire.CancelAllRequest: Route(trade, act, "cancels", self._cancel_all),
        }

    def _order(
        self, request: wire.OrderRequest | wire.PlaceOrderRequest, trader: str, session: Session
    ) -> Order:
        return self._decoder.order(request, trader, session.number)

    def _cancel(self, request: wire.CancelRequest, trader: str, session: Session) -> Cancel:
        return self._decoder.cancel(request, trader)

    def _cancel_all(
        self, request: wire.CancelAllRequest, trader: str, session: Session
    ) -> CancelAll:
        return self._decoder.cancel_all(request, trader)

    def _replace(self, request: wire.ReplaceRequest, trader: str, session: Session) -> Replace:
        account = self._exchange.accounts.get(trader)
        record = (
            find_order(account, request.order_id, request.client_order_id) if account else None
        )
        return self._decoder.replace(request, trader, record.order.symbol if record else None)
