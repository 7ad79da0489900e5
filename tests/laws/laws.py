"""The laws that hold after every command, each checked from the outside: an own picture is folded
from the events alone.

The picture knows nothing of the engine's structures: queues are plain lists, positions plain sums.
What the events say must add up, and what the engine holds must be what the events say.
"""

from collections import defaultdict

from botpit.core.commands import BUY, SELL
from botpit.core.events import (
    AccountStatus,
    Event,
    Fill,
    Liquidation,
    LiquidationReason,
    Liquidity,
    LoggedIn,
    MarketStatus,
    OrderAccepted,
    OrderAdded,
    OrderCancelled,
    OrderReduced,
    OrderRemoved,
    OrderReplaced,
    PositionUpdate,
    Trade,
    TradingStatus,
)
from botpit.core.exchange import Exchange
from botpit.core.risk.liquidation import breached
from botpit.core.risk.margin import in_breach

Queue = list[list[int]]
"""[order id, lots] at one price, first come first."""


class Laws:
    """Feed it every command's events; it raises AssertionError at the first that breaks a law."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.queues: dict[str, dict[int, dict[int, Queue]]] = {
            symbol: {BUY: defaultdict(list), SELL: defaultdict(list)}
            for symbol in exchange.markets
        }
        self.positions: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.account_seq: defaultdict[str, int] = defaultdict(int)
        self.closed: set[str] = set()
        self.trades = 0
        self.counts: defaultdict[str, int] = defaultdict(int)

    def check(self, events: list[Event]) -> None:
        for event in events:
            self._fold(event)
        self._money_is_conserved()
        self._books_are_not_crossed()
        self._nobody_is_ruined_by_another(events)

    # ------------------------------------------------------------------------ the picture of events

    def _fold(self, event: Event) -> None:
        self.counts[
            type(event).__name__ + (f" {event.reason}" if hasattr(event, "reason") else "")
        ] += 1
        match event:
            case AccountStatus():
                self.counts[f"AccountStatus {event.status}"] += 1
                self._counts_without_holes(event.trader, event.account_seq)
            case Trade():
                self._trade_is_fair(event)
            case OrderAdded():
                self.queues[event.symbol][event.side][event.price].append(
                    [event.order_id, event.qty]
                )
            case OrderReduced() | OrderRemoved():
                self._take(event, gone=isinstance(event, OrderRemoved))
            case MarketStatus(status=TradingStatus.CLOSED):
                self.closed.add(event.symbol)
            case PositionUpdate() if event.symbol in self.closed:
                assert event.position == 0, event
                self.positions[event.trader, event.symbol] = 0
            case PositionUpdate():
                assert self.positions[event.trader, event.symbol] == event.position, event
            case OrderAccepted() if not event.repeated:
                self._counts_without_holes(event.order.trader, event.account_seq)
                self._queue_ahead_is_true(event)
            case Fill():
                self.counts[f"Fill {event.liquidity}"] += 1
                self.positions[event.trader, event.symbol] += event.side * event.qty
                self._counts_without_holes(event.trader, event.account_seq)
            case OrderCancelled() | OrderReplaced() | Liquidation():
                self._counts_without_holes(event.trader, event.account_seq)
            case LoggedIn():
                assert event.account_seq == self.account_seq[event.trader], event

    def _counts_without_holes(self, trader: str, seq: int) -> None:
        self.account_seq[trader] += 1
        assert seq == self.account_seq[trader], (trader, seq, self.account_seq[trader])

    def _queue_ahead_is_true(self, event: OrderAccepted) -> None:
        order = event.order
        if event.queue_ahead:
            waiting = sum(
                lots for _, lots in self.queues[order.symbol][order.side].get(order.price, [])
            )
            assert event.queue_ahead == waiting, event

    def _best(self, symbol: str, side: int) -> int | None:
        prices = [price for price, queue in self.queues[symbol][side].items() if queue]
        return max(prices, key=lambda price: side * price, default=None)

    def _trade_is_fair(self, event: Trade) -> None:
        """Never with oneself, always at the best price, always with the first in the queue."""
        self.trades += 1
        assert event.trade_id == self.trades, event
        assert event.buyer != event.seller, event
        maker_side, maker_id = (
            (SELL, event.sell_order_id) if event.aggressor == BUY else (BUY, event.buy_order_id)
        )
        assert event.price == self._best(event.symbol, maker_side), (
            event,
            self._best(event.symbol, maker_side),
        )
        first_id, lots = self.queues[event.symbol][maker_side][event.price][0]
        assert first_id == maker_id and event.qty <= lots, (event, first_id, lots)

    def _take(self, event: OrderReduced | OrderRemoved, *, gone: bool) -> None:
        queue = self.queues[event.symbol][event.side][event.price]
        entry = next(each for each in queue if each[0] == event.order_id)
        entry[1] -= event.qty
        assert (entry[1] == 0) == gone, (event, entry)
        if gone:
            queue.remove(entry)
            if not queue:
                del self.queues[event.symbol][event.side][event.price]

    # -------------------------------------------------------------------------- after every command

    def _money_is_conserved(self) -> None:
        exchange = self.exchange
        accounts = exchange.accounts.values()
        cash = sum(account.cash for account in accounts) + exchange.fees + exchange.insurance
        cost = sum(
            position.cost for account in accounts for position in account.positions.values()
        )
        assert cash - cost == exchange.paid_in, (cash, cost, exchange.paid_in)

    def _books_are_not_crossed(self) -> None:
        for market in self.exchange.markets.values():
            bid, ask = market.book.bids.best(), market.book.asks.best()
            assert bid is None or ask is None or bid < ask, (bid, ask)

    def _nobody_is_ruined_by_another(self, events: list[Event]) -> None:
        """Whoever was deleveraged for another's sake, and whose own orders did not trade as well,
        owes nothing.
        """
        traded = {
            event.trader
            for event in events
            if isinstance(event, Fill) and event.liquidity is not Liquidity.ADL
        }
        for event in events:
            if (
                isinstance(event, Liquidation)
                and event.reason is LiquidationReason.AUTO_DELEVERAGE
            ):
                assert (
                    event.trader in traded or self.exchange.accounts[event.trader].equity() >= 0
                ), event

    # ------------------------------------------------------------------------- slower, now and then

    def check_structures(self) -> None:
        """What the engine holds is what the events said, and every total it keeps is what it would
        be worked out anew.
        """
        self._books_are_the_picture()
        self._positions_sum_to_zero()
        self._breaches_are_suspected()
        for account in self.exchange.accounts.values():
            for record in account.known_orders():
                assert min(record.filled, record.leaves, record.cancelled) >= 0, record.id
                assert not (record.leaves and record.cancelled), record.id
            for position in account.positions.values():
                self._totals_are_true(position)

    def _books_are_the_picture(self) -> None:
        for symbol, market in self.exchange.markets.items():
            for side in (BUY, SELL):
                held = {
                    level.price: [[record.id, record.leaves] for record in level]
                    for level in market.book.side(side)
                }
                assert held == dict(self.queues[symbol][side]), symbol
                for level in market.book.side(side):
                    assert level.qty == sum(record.leaves for record in level) > 0

    def _breaches_are_suspected(self) -> None:
        """No account in breach has an uncrossed threshold: the next Tick will look at it."""
        found = breached(self.exchange)
        for account in self.exchange.accounts.values():
            assert not in_breach(account) or account in found, account.trader

    def _positions_sum_to_zero(self) -> None:
        for symbol in self.exchange.markets:
            held = {
                a.trader: a.positions[symbol].lots
                for a in self.exchange.accounts.values()
                if symbol in a.positions
            }
            assert sum(held.values()) == 0, held
            assert all(
                self.positions[trader, symbol] == lots for trader, lots in held.items()
            ), held

    def _totals_are_true(self, position) -> None:
        market = position.market
        tick_value = market.instrument.tick_value
        for side in (BUY, SELL):
            orders = [
                record
                for record in position.account.open_orders(market.instrument.symbol)
                if record.order.side == side
            ]
            totals = position.open_totals(side)
            assert totals.qty == sum(record.leaves for record in orders)
            assert (
                totals.value
                == sum(record.leaves * record.price for record in orders) * tick_value
            )
            loss = (
                sum(
                    record.leaves * max(0, side * (record.price - market.mark))
                    for record in orders
                )
                * tick_value
            )
            assert totals.loss == loss, (totals.loss, loss)
