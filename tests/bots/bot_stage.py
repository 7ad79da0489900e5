"""A bot's brain on a stage: the test plays exchange and relay, with messages instead of sockets and
a clock that stands still.
"""

from __future__ import annotations

from typing import Any

from bot_strategies import Market, OpenOrder, OrderRequest, Strategy
from botpit.bots import Brain, Counts, Notice
from message_schemas import (
    Account,
    AccountPosition,
    AccountRequest,
    BookUpdate,
    Fill,
    LoggedIn,
    OpenOrders,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderState,
    Snapshot,
    Trade,
)
from tests.socketless import told

SIM = told.instrument(tick=0.05, min_price=0.05)


class Recorder(Strategy):
    """Notes what it is told, and does what the test says."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.next: Any = None

    def on_start(self, market):
        self.told.append("start")

    def on_book(self, market):
        self.told.append(f"book {market.book.best_bid} {market.book.best_ask}")

    def on_trade(self, market, trade):
        self.told.append(f"trade {trade.qty} at {trade.price}")

    def on_fill(self, market, fill):
        self.told.append(f"fill {fill.qty}, position {market.position}")

    def on_order(self, market, event):
        self.told.append(event.type)

    def on_timer(self, market):
        self.told.append("timer")
        if self.next is not None:
            self.next(market)

    def on_stop(self, market):
        self.told.append("stop")


class Stage:
    """Alice's bot between an exchange and a relay that say what the test lets them say.

    The clock stands at `now`, the one that measures how long things take at `clock_s`. A link takes
    whatever it is given.
    """

    def __init__(self, strategy: Strategy | None = None, counts: Counts | None = None) -> None:
        self.strategy = strategy or Recorder()
        self.clock_s = 0.0
        self.brain = Brain(
            self.strategy, trader_id="alice", clock_s=lambda: self.clock_s, counts=counts
        )
        self.now = 1_000
        self.account_seq = 0
        self.session = 0
        self.sent: list[Any] = []
        self.notices: list[Notice] = []

    @property
    def handle(self) -> Market:
        """The handle that the strategy is given."""
        return self.brain.market

    def hears(self, message: Any) -> list[Any]:
        """The gateway says something; what goes out because of it."""
        return self._keep(self.brain.gateway_message(message, self.now))

    def sees(self, message: Any) -> list[Any]:
        """The feed says something. A snapshot while there is no connection is the first word of a new one."""
        if isinstance(message, Snapshot) and not self.brain.feed.live:
            self.brain.feed_opened()
        return self._keep(self.brain.feed_message(message, self.now))

    def decides(self) -> list[Any]:
        return self._keep(self.brain.timer(self.now))

    def stops(self) -> list[Any]:
        return self._keep(self.brain.stop(self.now))

    def _keep(self, outputs: list[Any]) -> list[Any]:
        self.notices += [each for each in outputs if isinstance(each, Notice)]
        requests = [each for each in outputs if not isinstance(each, Notice)]
        for each in requests:
            if isinstance(each, OrderRequest):
                self.brain.handed_over(each)
        self.sent += requests
        return requests

    def logs_in(
        self, market_id: str = "m1", orders: list[OrderState] | None = None, position: int = 0
    ) -> None:
        (login,) = self.brain.gateway_opened(self.now)
        self.session += 1
        account, open_orders = self.hears(
            LoggedIn(
                trader_id="alice",
                scope="trade",
                account_seq=self.account_seq,
                market_id=market_id,
                session=self.session,
                instruments=[SIM],
                timestamp=self.now,
                request_id=login.request_id,
            )
        )
        self.answers_account(account, position)
        self.hears(
            OpenOrders(
                trader_id="alice",
                orders=orders or [],
                account_seq=self.account_seq,
                timestamp=self.now,
                request_id=open_orders.request_id,
            )
        )

    def answers_account(self, request: AccountRequest, position: int) -> None:
        held = AccountPosition(
            symbol="SIM",
            position=position,
            avg_entry_price=98.0,
            unrealized_pnl=0.0,
            realized_pnl=0.0,
            mark_price=100.0,
        )
        self.hears(
            Account(
                trader_id="alice",
                cash=9_000.0,
                total_equity=9_100.0,
                initial_margin=0.0,
                maintenance_margin=0.0,
                positions=[held],
                status="active",
                account_seq=self.account_seq,
                timestamp=self.now,
                request_id=request.request_id,
            )
        )

    def opens(self) -> Stage:
        self.logs_in()
        self.sees(snapshot())
        return self

    def accepts(
        self, request: OrderRequest, order_id: int = 1, queue_ahead: int = 0, **more: Any
    ) -> list[Any]:
        return self.hears(
            OrderAccepted(
                order_id=order_id,
                trader_id="alice",
                client_order_id=request.client_order_id,
                symbol="SIM",
                side=request.side.value,
                qty=request.qty,
                price=request.price,
                queue_ahead=queue_ahead,
                account_seq=self._next_seq(),
                timestamp=self.now,
                request_id=request.request_id,
                **more,
            )
        )

    def rejects(self, request: Any, reason: str, **details: Any) -> list[Any]:
        return self.hears(
            OrderRejected(
                reason=reason,
                details=details,
                trader_id="alice",
                timestamp=self.now,
                client_order_id=request.client_order_id,
                request_id=request.request_id,
            )
        )

    def fills(
        self, order: OpenOrder, qty: int, liquidity: str = "maker", fee: float = 0.0
    ) -> list[Any]:
        return self.hears(
            Fill(
                order_id=order.order_id,
                client_order_id=order.client_order_id,
                trade_id=1,
                trader_id="alice",
                symbol="SIM",
                side=order.side,
                price=order.price,
                qty=qty,
                leaves_qty=order.leaves_qty - qty,
                fee=fee,
                liquidity=liquidity,
                account_seq=self._next_seq(),
                timestamp=self.now,
            )
        )

    def cancelled(self, order: OpenOrder, reason: str = "requested") -> list[Any]:
        return self.hears(
            OrderCancelled(
                order_id=order.order_id,
                client_order_id=order.client_order_id,
                trader_id="alice",
                symbol="SIM",
                cancelled_qty=order.leaves_qty,
                leaves_qty=0,
                reason=reason,
                account_seq=self._next_seq(),
                timestamp=self.now,
            )
        )

    def _next_seq(self) -> int:
        self.account_seq += 1
        return self.account_seq


def snapshot(market_id: str = "m1", bids=(), asks=(), positions=()) -> Snapshot:
    books = {"SIM": told.book(bids, asks)}
    return told.snapshot(0, market_id, books=books, positions=positions, instruments=[SIM])


def book(bids, asks, *, timestamp: int = 2_000, seq: int = 1) -> BookUpdate:
    return told.book_update(seq, bids, asks, timestamp=timestamp)


def trade(
    qty: int, price: float, aggressor: str, number: int = 1, timestamp: int = 2_000
) -> Trade:
    """One of bob's with carol."""
    return told.trade(
        number, seq=number, price=price, qty=qty, buyer="bob", seller="carol", aggressor=aggressor, timestamp=timestamp,
    )  # fmt: skip


def state(
    client_order_id: str, order_id: int, side: str = "buy", price: float = 99.0, qty: int = 5
) -> OrderState:
    return OrderState(
        order_id=order_id,
        client_order_id=client_order_id,
        trader_id="alice",
        symbol="SIM",
        side=side,
        order_type="limit",
        price=price,
        qty=qty,
        filled_qty=0,
        leaves_qty=qty,
        cancelled_qty=0,
        status="open",
    )


def bought(
    stage: Stage, qty: int = 5, price: float | None = 99.0, **terms: Any
) -> OrderRequest:
    """Alice's strategy buys at its next decision."""
    stage.strategy.next = lambda market: market.buy(qty, price, **terms)
    requests = stage.decides()
    stage.strategy.next = None
    return requests[0]
