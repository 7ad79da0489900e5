"""What one trader holds: a position per instrument, the cash beside them, and the sums that margin asks for
with every order.

The state, and what holds of it between any two commands:

- A position is `lots` (signed) and `cost`, the signed sum of price x quantity x tick value of its open lots.
  This is futures style: buying takes a position and spends no cash. Closing part of it releases that share of
  the cost, rounded down, and all of it on a full close; so over all accounts cash minus cost stays what was
  paid in, to the last unit.
- Beside it stand the totals of the trader's open orders there, a side each (`OpenTotals`): kept up order by
  order, never summed anew. Only `loss` depends on the mark; it is as of `_mark_of_losses`, and whoever reads
  it at another mark renews it first.
- `Holdings` keeps what all positions come to. `gain` is exactly the sum of the positions' `gain`. Each of
  those is the unrealised PnL at the mark as of `valued_at`, a count of moves, or as of the position's last
  fill: `equity` first takes over the marks that moved since `valued_at`.
- `stake` is the sum of the positions' `stake` (margin.py works them out). It is out of date by precisely the
  positions linked from `changed`, so an order that touches one position pays for one, however many the trader
  has.

Sums are kept because an order may cost no more in an account with a thousand positions than in one with a
single position (docs/decisions/0009). The price is this rule: whatever changes lots, cost, open orders or a
mark has to note the change.

There may be a hundred thousand accounts, most of them at rest, so what only a busy one needs is made when it
is needed; until then all of them share `_NOTHING_OPEN`, which nobody writes to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from botpit.core.commands import BUY, SELL
from botpit.core.valuation import Moves, Valuation

Stake = tuple[int, int, int]
"""What a position's open orders lose at once if they fill, its initial and its maintenance margin times
10,000; account units."""


class OpenTotals:
    """One side's open orders of one position: how many, lots, value at their limits, lots by price, and loss
    if they filled at once, at the mark of `Position`."""

    __slots__ = ("loss", "lots", "orders", "qty", "value")

    def __init__(self) -> None:
        self.orders = self.qty = self.value = self.loss = 0
        self.lots: dict[int, int] = {}


_NOTHING_OPEN: Final = OpenTotals()


class Holdings:
    """An account as far as it is cash and positions. `changed`: the last position with a stale `stake`."""

    __slots__ = (
        "cash",
        "changed",
        "gain",
        "moves",
        "positions",
        "stake",
        "trader",
        "valued_at",
    )

    def __init__(self, trader: str, cash: int, moves: Moves) -> None:
        self.trader = trader
        self.cash = cash
        self.moves = moves
        self.valued_at = moves.count
        self.gain = 0
        self.stake: Stake = (0, 0, 0)
        self.changed: Position | None = None
        self.positions: dict[str, Position] = {}

    def position(self, market: Valuation) -> Position:
        """The position in that market, made if need be."""
        symbol = market.instrument.symbol
        position = self.positions.get(symbol)
        if position is None:
            position = self.positions[symbol] = Position(self, market)
        return position

    def held_positions(self) -> list[Position]:
        """Positions that are not flat, in the order of the market's instruments."""
        held = [position for position in self.positions.values() if position.lots]
        return sorted(held, key=lambda position: position.market.index)

    def equity(self) -> int:
        """Cash plus unrealised PnL over all instruments, at the present marks."""
        if self.valued_at != self.moves.count:
            self._value()
        return self.cash + self.gain

    def _value(self) -> None:
        """Take the marks as they are now, of those markets that moved."""
        moved = self.moves.since(self.valued_at)
        self.valued_at = self.moves.count
        for position in self._positions_in(moved):
            gain = position.unrealized()
            self.gain += gain - position.gain
            position.gain = gain
            if not position.is_changed:
                position.note_change()

    def _positions_in(self, markets: Iterable[Valuation] | None) -> list[Position]:
        """Those in these markets; None: in all."""
        if markets is None:
            return list(self.positions.values())
        symbols = dict.fromkeys(market.instrument.symbol for market in markets)
        return [self.positions[symbol] for symbol in symbols if symbol in self.positions]

    def pop_changed(self) -> list[Position]:
        """The positions that have changed since they were taken last."""
        taken, position = [], self.changed
        while position is not None:
            taken.append(position)
            before = position.changed_before
            position.is_changed, position.changed_before = False, None
            position = before
        self.changed = None
        return taken


class Position:
    """One account in one market. `lots` signed, `cost` and `realized` in account units; `told_mark` of its
    last update.

    `gain` and `stake` are its parts of the account's sums, as they were when those were last brought up to
    date; `changed_before` links the positions that have changed since.
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

    def __init__(self, account: Holdings, market: Valuation) -> None:
        self.account = account
        self.market = market
        self.lots = self.cost = self.realized = self.gain = 0
        self.stake: Stake = (0, 0, 0)
        self.is_changed = False
        self.changed_before: Position | None = None
        self.buys = self.sells = _NOTHING_OPEN
        self._mark_of_losses = self.told_mark = market.mark
        self.threshold_version = 0

    def sign(self) -> int:
        """+1 of a long position, -1 of a short one."""
        return 1 if self.lots > 0 else -1

    def unrealized(self) -> int:
        """PnL of the open lots at the present mark."""
        return self.lots * self.market.mark * self.market.tick_value - self.cost

    def trade(self, sign: int, qty: int, price: int) -> int:
        """Book one fill and return the PnL it realises: closing lots first, at average cost, then opening the
        rest at the price."""
        tick_value = self.market.instrument.tick_value
        closing = min(qty, max(0, -sign * self.lots))
        pnl = 0
        if closing:
            released = self._released(closing)
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

    def _released(self, closing: int) -> int:
        """The cost of so many of its lots: their share, rounded down, or all of it."""
        held = abs(self.lots)
        if closing == held:
            return self.cost
        share = abs(self.cost) * closing // held
        return share if self.lots > 0 else -share

    def note_change(self) -> None:
        """From now on the account's `stake` is out of date by this position."""
        self.is_changed, self.changed_before, self.account.changed = (
            True,
            self.account.changed,
            self,
        )

    # -------------------------------------------------------------------------------------------- open orders

    def open_totals(self, sign: int) -> OpenTotals:
        """The totals of one side, losses at the present mark."""
        if self._mark_of_losses != self.market.mark:
            self._renew_losses()
        return self.buys if sign == BUY else self.sells

    def open_count(self) -> int:
        """How many orders are open."""
        return self.buys.orders + self.sells.orders

    def loss_per_lot(self, sign: int, price: int) -> int:
        """What one lot loses at once, at the mark, when it trades at `price`; account units."""
        through = sign * (price - self.market.mark)
        return through * self.market.tick_value if through > 0 else 0

    def count_open(self, sign: int, price: int, lots: int, orders: int) -> None:
        """Count in the lots of an order that is open from now on, or count out (negative) lots that are open
        no longer.

        `orders`: +1 for an order's first lots, -1 for its last, 0 for lots of an order that stays.
        """
        market = self.market
        if self._mark_of_losses != market.mark:
            self._renew_losses()
        totals = self.buys if sign == BUY else self.sells
        if totals is _NOTHING_OPEN:
            totals = self._set_totals(sign, OpenTotals())
        totals.orders += orders
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
                self._set_totals(sign, _NOTHING_OPEN)
        if not self.is_changed:
            self.note_change()

    def _set_totals(self, sign: int, totals: OpenTotals) -> OpenTotals:
        if sign == BUY:
            self.buys = totals
        else:
            self.sells = totals
        return totals

    def _renew_losses(self) -> None:
        self._mark_of_losses = self.market.mark
        for side, totals in ((BUY, self.buys), (SELL, self.sells)):
            totals.loss = sum(
                lots * self.loss_per_lot(side, price) for price, lots in totals.lots.items()
            )

    # ---------------------------------------------------------------------------------------------- snapshots

    def capture(self) -> list[int]:
        """Its own numbers; what its open orders come to follows from them."""
        return [self.lots, self.cost, self.realized, self.told_mark]

    def restore(self, values: list[int]) -> None:
        self.lots, self.cost, self.realized, self.told_mark = values
