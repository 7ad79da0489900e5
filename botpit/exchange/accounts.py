"""Who owns what: accounts, their positions at integer average cost, and every order as the exchange remembers it.

Futures style: buying takes a position and spends no cash. A position's `cost` is the signed sum of price x quantity x tick
value of its open lots; closing part of it releases that share of the cost, rounded down, and all of it on a full close, so that
over all accounts cash minus cost stays what was paid in, to the last unit. Beside it stand the totals of the trader's own open
orders, which the initial margin asks for with every order: kept up order by order, worked out anew when the mark has moved.

An account keeps what its positions come to, so that neither an order nor an update sums them all: each position's part of a sum
is taken out and put in again when that position changes, and all of them after a move of any mark.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from botpit.exchange.commands import BUY, SELL
from botpit.exchange.events import Standing
from botpit.exchange.market import Market, Moves
from botpit.exchange.records import OrderRecord, RefusedOrder

MAX_REMEMBERED_ORDERS = 100_000
"""Closed and refused orders kept per trader; older ones are forgotten, oldest closing first."""


Stake = tuple[int, int, int]
"""What a position's open orders lose at once if they fill, its initial and its maintenance margin times 10,000; account units."""


class OpenTotals:
    """One side's open orders of one position: lots, value at their limits, lots by price, and loss if they filled at once, at
    the mark of `Position`."""

    __slots__ = ("loss", "lots", "qty", "value")

    def __init__(self) -> None:
        self.qty = self.value = self.loss = 0
        self.lots: dict[int, int] = {}


class Position:
    """One account in one market. `lots` signed, `cost` and `realized` in account units; `told_mark` of its last update.

    `gain` and `stake` are its parts of the account's sums, as they were when those were last brought up to date.
    """

    __slots__ = (
        "_mark_of_losses", "account", "cost", "gain", "lots", "market", "orders", "realized", "stake", "told_mark", "totals",
        "trigger_version",
    )

    def __init__(self, account: Account, market: Market) -> None:
        self.account = account
        self.market = market
        self.lots = self.cost = self.realized = self.gain = 0
        self.stake: Stake = (0, 0, 0)
        self.orders: dict[int, OrderRecord] = {}
        self.totals = {BUY: OpenTotals(), SELL: OpenTotals()}
        self._mark_of_losses = self.told_mark = market.mark
        self.trigger_version = 0

    def unrealized(self) -> int:
        return self.lots * self.market.mark * self.market.tick_value - self.cost

    def trade(self, sign: int, qty: int, price: int) -> int:
        """Book one fill and return the PnL it realises: closing lots first, at average cost, then opening the rest at the
        price."""
        tick_value = self.market.instrument.tick_value
        closing = min(qty, max(0, -sign * self.lots))
        pnl = 0
        if closing:
            released = self.cost if closing == abs(self.lots) else -sign * (abs(self.cost) * closing // abs(self.lots))
            pnl = -sign * closing * price * tick_value - released
            self.cost -= released
            self.realized += pnl
        self.cost += sign * (qty - closing) * price * tick_value
        self.lots += sign * qty
        gain = self.unrealized()
        self.account.gain += gain - self.gain
        self.gain = gain
        self.account.changed[self] = None
        return pnl

    def open_totals(self, sign: int) -> OpenTotals:
        """The totals of one side, losses at the present mark."""
        if self._mark_of_losses != self.market.mark:
            self._mark_of_losses = self.market.mark
            for side, totals in self.totals.items():
                totals.loss = sum(lots * self.loss_per_lot(side, price) for price, lots in totals.lots.items())
        return self.totals[sign]

    def loss_per_lot(self, sign: int, price: int) -> int:
        """What one lot loses at once, at the mark, when it trades at `price`; account units."""
        through = sign * (price - self.market.mark)
        return through * self.market.tick_value if through > 0 else 0

    def count_open(self, record: OrderRecord, lots: int) -> None:
        """`lots` more (or, negative, fewer) of this order are open."""
        sign, price = record.order.side, record.price
        totals = self.open_totals(sign)
        totals.qty += lots
        totals.value += lots * price * self.market.tick_value
        totals.loss += lots * self.loss_per_lot(sign, price)
        open_there = totals.lots.get(price, 0) + lots
        if open_there:
            totals.lots[price] = open_there
        else:
            del totals.lots[price]
        self.account.changed[self] = None


class Account:
    """One trader. `seq` counts private events, `sessions` logins; `open_sessions` maps a live login to its cancel-on-disconnect.

    `frozen`: by the margin rules, `held`: by the house; either way it may only cancel and reduce. `bankrupt`: it may only cancel.
    `gain` sums the positions' unrealised PnL, `stake` what margin.py says of each; `changed` positions are not yet in `stake` as
    they are now, and after a move of a mark (`valued_at` is another count of moves) nothing is.
    """

    __slots__ = (
        "bankrupt", "by_client_id", "cash", "changed", "forgot", "frozen", "gain", "held", "moves", "open_sessions", "orders",
        "positions", "remembered", "seq", "sessions", "stake", "trader", "valued_at",
    )

    def __init__(self, trader: str, cash: int, moves: Moves) -> None:
        self.trader = trader
        self.cash = cash
        self.moves = moves
        self.valued_at = moves.count
        self.gain = 0
        self.stake: Stake = (0, 0, 0)
        self.changed: dict[Position, None] = {}
        self.seq = self.sessions = 0
        self.frozen = self.held = self.bankrupt = False
        self.open_sessions: dict[int, bool] = {}
        self.positions: dict[str, Position] = {}
        self.orders: dict[int, OrderRecord] = {}
        self.by_client_id: dict[str, OrderRecord | RefusedOrder] = {}
        self.remembered: deque[OrderRecord | RefusedOrder] = deque()
        self.forgot = False

    def standing(self) -> Standing:
        if self.bankrupt:
            return Standing.BANKRUPT
        return Standing.FROZEN if self.frozen or self.held else Standing.ACTIVE

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def position(self, market: Market) -> Position:
        symbol = market.instrument.symbol
        position = self.positions.get(symbol)
        if position is None:
            position = self.positions[symbol] = Position(self, market)
        return position

    def equity(self) -> int:
        """Cash plus unrealised PnL over all instruments, at the present marks."""
        if self.valued_at != self.moves.count:
            self._value()
        return self.cash + self.gain

    def _value(self) -> None:
        """Take the marks as they are now, of those markets that moved."""
        moved = self.moves.since(self.valued_at)
        self.valued_at = self.moves.count
        for position in self.positions.values() if moved is None else self._positions_in(moved):
            gain = position.unrealized()
            self.gain += gain - position.gain
            position.gain = gain
            self.changed[position] = None

    def _positions_in(self, markets: Iterable[Market]) -> list[Position]:
        found = map(self.positions.get, {market.instrument.symbol: None for market in markets})
        return [position for position in found if position is not None]

    def held_positions(self) -> list[Position]:
        """Positions that are not flat, in the order of the market's instruments."""
        held = [position for position in self.positions.values() if position.lots]
        return sorted(held, key=lambda position: position.market.index)

    def open_orders(self) -> list[OrderRecord]:
        """All open orders, by order id."""
        found = [record for position in self.positions.values() for record in position.orders.values()]
        return sorted(found, key=lambda record: record.id)

    def remembered_order(self, order_id: int | None, client_order_id: str | None) -> OrderRecord | RefusedOrder | None:
        """The order, open, closed or refused, that every given id names."""
        by_id = self.orders.get(order_id) if order_id is not None else None
        if client_order_id is None:
            return by_id
        by_client_id = self.by_client_id.get(client_order_id)
        return by_client_id if order_id is None or by_client_id is by_id else None

    def enter(self, record: OrderRecord) -> None:
        """Remember an accepted order under its ids."""
        self.orders[record.id] = record
        if record.order.client_order_id is not None:
            self.by_client_id[record.order.client_order_id] = record

    def burn(self, refused: RefusedOrder) -> None:
        """Remember a refused order under its client id."""
        assert refused.order.client_order_id is not None
        self.by_client_id[refused.order.client_order_id] = refused
        self.closed(refused)

    def closed(self, entry: OrderRecord | RefusedOrder) -> None:
        """The order is over; from now on it is remembered only among the last MAX_REMEMBERED_ORDERS."""
        self.remembered.append(entry)
        if len(self.remembered) > MAX_REMEMBERED_ORDERS:
            self._forget(self.remembered.popleft())

    def _forget(self, entry: OrderRecord | RefusedOrder) -> None:
        self.forgot = True
        if isinstance(entry, OrderRecord):
            del self.orders[entry.id]
        if entry.order.client_order_id is not None:
            del self.by_client_id[entry.order.client_order_id]
