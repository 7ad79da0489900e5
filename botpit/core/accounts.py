"""Who owns what: accounts, their positions at integer average cost, and every order as the exchange remembers it.

Futures style: buying takes a position and spends no cash. A position's `cost` is the signed sum of price x quantity x tick
value of its open lots; closing part of it releases that share of the cost, rounded down, and all of it on a full close, so that
over all accounts cash minus cost stays what was paid in, to the last unit. Beside it stand the totals of the trader's own open
orders, which the initial margin asks for with every order: kept up order by order, worked out anew when the mark has moved.

An account keeps what its positions come to, so that neither an order nor an update sums them all: each position's part of a sum
is taken out and put in again when that position changes, and all of them after a move of any mark.

There may be a hundred thousand accounts, most of them at rest, so what only a busy one needs is made when it is needed. Until
then something empty stands in its place, the same for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any, Final

from botpit.core.commands import BUY, SELL
from botpit.core.events import AccountState
from botpit.core.market import Market, Moves
from botpit.core.orders import OrderRecord, RefusedOrder

MAX_REMEMBERED_ORDERS = 100_000
"""Closed and refused orders kept per trader; older ones are forgotten, oldest closing first."""

_EMPTY: Final[dict[Any, Any]] = {}
"""Stands where nothing is kept yet; what is to be kept goes into a new dict."""
_BY_ID = attrgetter("id")

Stake = tuple[int, int, int]
"""What a position's open orders lose at once if they fill, its initial and its maintenance margin times 10,000; account units."""


class OpenTotals:
    """One side's open orders of one position: how many, lots, value at their limits, lots by price, and loss if they filled at
    once, at the mark of `Position`."""

    __slots__ = ("loss", "lots", "orders", "qty", "value")

    def __init__(self) -> None:
        self.orders = self.qty = self.value = self.loss = 0
        self.lots: dict[int, int] = {}


_NOTHING_OPEN: Final = OpenTotals()


class Position:
    """One account in one market. `lots` signed, `cost` and `realized` in account units; `told_mark` of its last update.

    `gain` and `stake` are its parts of the account's sums, as they were when those were last brought up to date; `changed_before`
    links the positions that have changed since.
    """

    __slots__ = (
        "_mark_of_losses",
        "account",
        "buys",
        "changed_before",
        "cost",
        "gain",
        "is_changed",
        "lots",
        "market",
        "realized",
        "sells",
        "stake",
        "threshold_version",
        "told_mark",
    )

    def __init__(self, account: Account, market: Market) -> None:
        self.account = account
        self.market = market
        self.lots = self.cost = self.realized = self.gain = 0
        self.stake: Stake = (0, 0, 0)
        self.is_changed = False
        self.changed_before: Position | None = None
        self.buys = self.sells = _NOTHING_OPEN
        self._mark_of_losses = self.told_mark = market.mark
        self.threshold_version = 0

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
        if not self.is_changed:
            self.note_change()
        return pnl

    def note_change(self) -> None:
        """From now on the account's `stake` is out of date by this position."""
        self.is_changed, self.changed_before, self.account.changed = True, self.account.changed, self

    def open_totals(self, sign: int) -> OpenTotals:
        """The totals of one side, losses at the present mark."""
        if self._mark_of_losses != self.market.mark:
            self._renew_losses()
        return self.buys if sign == BUY else self.sells

    def _renew_losses(self) -> None:
        self._mark_of_losses = self.market.mark
        for side, totals in ((BUY, self.buys), (SELL, self.sells)):
            totals.loss = sum(lots * self.loss_per_lot(side, price) for price, lots in totals.lots.items())

    def loss_per_lot(self, sign: int, price: int) -> int:
        """What one lot loses at once, at the mark, when it trades at `price`; account units."""
        through = sign * (price - self.market.mark)
        return through * self.market.tick_value if through > 0 else 0

    def open_count(self) -> int:
        """How many orders are open."""
        return self.buys.orders + self.sells.orders

    def open_orders(self) -> list[OrderRecord]:
        """All open orders here, by order id."""
        return [record for record in self.account.open_orders() if record.position is self]

    def count_open(self, record: OrderRecord, lots: int) -> None:
        """An open order is counted in, with all of its leaves; or (negative) so many lots of it are gone, if all, so is the
        order."""
        sign, price, market = record.order.side, record.price, self.market
        if self._mark_of_losses != market.mark:
            self._renew_losses()
        totals = self.buys if sign == BUY else self.sells
        if lots > 0:
            if totals is _NOTHING_OPEN:
                totals = self._first_open(sign)
            totals.orders += 1
            self.account.resting[record.id] = record
        elif lots == -record.leaves:
            totals.orders -= 1
            del self.account.resting[record.id]
        totals.qty += lots
        totals.value += lots * price * market.tick_value
        if sign * (price - market.mark) > 0:
            totals.loss += lots * self.loss_per_lot(sign, price)
        open_there = totals.lots.get(price, 0) + lots
        if open_there:
            totals.lots[price] = open_there
        else:
            del totals.lots[price]
            if not totals.lots:
                self._last_gone(sign)
        if not self.is_changed:
            self.note_change()

    def _first_open(self, sign: int) -> OpenTotals:
        if not self.account.resting:
            self.account.resting = {}
        return self._set_totals(sign, OpenTotals())

    def _last_gone(self, sign: int) -> None:
        if not self.account.resting:
            self.account.resting = _EMPTY
        self._set_totals(sign, _NOTHING_OPEN)

    def _set_totals(self, sign: int, totals: OpenTotals) -> OpenTotals:
        if sign == BUY:
            self.buys = totals
        else:
            self.sells = totals
        return totals


class Account:
    """One trader. `seq` counts private events, `sessions` logins; `open_sessions` maps a live login to its cancel-on-disconnect.

    `frozen`: by the margin rules, `held`: by the operator; either way it may only cancel and reduce. `bankrupt`: only
    cancel.
    `gain` sums the positions' unrealised PnL, `stake` what margin.py says of each; positions from `changed` on are not yet in
    `stake` as they are now, and after a move of a mark (`valued_at` is another count of moves) nothing is. `resting`: the open
    orders by id.
    """

    __slots__ = (
        "_closed_by_id", "_closed_count", "_first_closed", "_last_closed", "bankrupt", "by_client_id", "cash", "changed",
        "forgot", "frozen", "gain", "held", "moves", "open_sessions", "positions", "resting", "seq", "sessions", "stake",
        "trader", "valued_at",
    )

    def __init__(self, trader: str, cash: int, moves: Moves) -> None:
        self.trader = trader
        self.cash = cash
        self.moves = moves
        self.valued_at = moves.count
        self.gain = 0
        self.stake: Stake = (0, 0, 0)
        self.changed: Position | None = None
        self.seq = self.sessions = 0
        self.frozen = self.held = self.bankrupt = False
        self.open_sessions: dict[int, bool] = _EMPTY
        self.positions: dict[str, Position] = {}
        self.resting: dict[int, OrderRecord] = _EMPTY
        self.by_client_id: dict[str, OrderRecord | RefusedOrder] = _EMPTY
        self._first_closed: OrderRecord | RefusedOrder | None = None
        self._last_closed: OrderRecord | RefusedOrder | None = None
        self._closed_count = 0
        self._closed_by_id: dict[int, OrderRecord] | None = None
        self.forgot = False

    def state(self) -> AccountState:
        if self.bankrupt:
            return AccountState.BANKRUPT
        return AccountState.FROZEN if self.frozen or self.held else AccountState.ACTIVE

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
            if not position.is_changed:
                position.note_change()

    def take_changed(self) -> list[Position]:
        """The positions that have changed since they were taken last."""
        taken, position = [], self.changed
        while position is not None:
            taken.append(position)
            before = position.changed_before
            position.is_changed, position.changed_before = False, None
            position = before
        self.changed = None
        return taken

    def _positions_in(self, markets: Iterable[Market]) -> list[Position]:
        found = map(self.positions.get, {market.instrument.symbol: None for market in markets})
        return [position for position in found if position is not None]

    def held_positions(self) -> list[Position]:
        """Positions that are not flat, in the order of the market's instruments."""
        held = [position for position in self.positions.values() if position.lots]
        return sorted(held, key=lambda position: position.market.index)

    def log_in(self, *, cancel_on_disconnect: bool) -> int:
        """Begin a session and return its number."""
        self.sessions += 1
        if not self.open_sessions:
            self.open_sessions = {}
        self.open_sessions[self.sessions] = cancel_on_disconnect
        return self.sessions

    def log_out(self, session: int) -> bool:
        """End a session; whether its orders were to be cancelled had it been lost."""
        cancel_on_disconnect = self.open_sessions.pop(session)
        if not self.open_sessions:
            self.open_sessions = _EMPTY
        return cancel_on_disconnect

    # -------------------------------------------------------------------------------------------------------------- orders

    def open_orders(self) -> list[OrderRecord]:
        """All open orders, by order id."""
        return sorted(self.resting.values(), key=_BY_ID)

    def closed_orders(self) -> list[OrderRecord | RefusedOrder]:
        """The closed and refused orders that are remembered, in the order in which they closed."""
        found, entry = [], self._first_closed
        while entry is not None:
            found.append(entry)
            entry = entry.next
        return found

    def known_orders(self) -> list[OrderRecord]:
        """The accepted orders that are remembered, open or closed, by order id."""
        closed = [entry for entry in self.closed_orders() if isinstance(entry, OrderRecord)]
        return sorted([*closed, *self.resting.values()], key=_BY_ID)

    def order_count(self) -> int:
        """How many orders are remembered, open, closed and refused."""
        return len(self.resting) + self._closed_count

    def remembered_order(self, order_id: int | None, client_order_id: str | None) -> OrderRecord | RefusedOrder | None:
        """The order, open, closed or refused, that every given id names."""
        if client_order_id is None:
            return self._accepted_order(order_id) if order_id is not None else None
        named = self.by_client_id.get(client_order_id)
        return named if order_id is None or (isinstance(named, OrderRecord) and named.id == order_id) else None

    def _accepted_order(self, order_id: int) -> OrderRecord | None:
        """Closed ones are looked for by id by few traders, so they are sorted by it for the first who does."""
        found = self.resting.get(order_id)
        if found is not None:
            return found
        if self._closed_by_id is None:
            self._closed_by_id = {entry.id: entry for entry in self.closed_orders() if isinstance(entry, OrderRecord)}
        return self._closed_by_id.get(order_id)

    def enter(self, entry: OrderRecord | RefusedOrder) -> None:
        """Remember an order under its client id, if it has one."""
        client_order_id = entry.order.client_order_id
        if client_order_id is not None:
            if not self.by_client_id:
                self.by_client_id = {}
            self.by_client_id[client_order_id] = entry

    def burn(self, refused: RefusedOrder) -> None:
        """Remember a refused order under its client id."""
        assert refused.order.client_order_id is not None
        self.enter(refused)
        self.closed(refused)

    def closed(self, entry: OrderRecord | RefusedOrder) -> None:
        """The order is over; from now on it is remembered only among the last MAX_REMEMBERED_ORDERS."""
        if self._last_closed is None:
            self._first_closed = entry
        else:
            self._last_closed.next = entry
        self._last_closed = entry
        self._closed_count += 1
        if self._closed_by_id is not None and isinstance(entry, OrderRecord):
            self._closed_by_id[entry.id] = entry
        if self._closed_count > MAX_REMEMBERED_ORDERS:
            self._forget_first()

    def _forget_first(self) -> None:
        entry = self._first_closed
        assert entry is not None
        self.forgot = True
        self._first_closed, entry.next = entry.next, None
        self._closed_count -= 1
        if self._closed_by_id is not None and isinstance(entry, OrderRecord):
            del self._closed_by_id[entry.id]
        if entry.order.client_order_id is not None:
            del self.by_client_id[entry.order.client_order_id]
