"""What time brings, by the journaled Tick: expiries, marks, thaws, liquidation, mark-to-market, in this order.

A Tick that would change nothing is not applied; `next_due_ns` says when one would.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from botpit.core.accounts import Account
from botpit.core.events import CancelReason
from botpit.core.ledger import Floor
from botpit.core.market import Market
from botpit.core.orders import OrderRecord
from botpit.core.risk.liquidation import liquidate, would_act
from botpit.core.risk.margin import in_breach

MAX_MARKED_ACCOUNTS = 500
"""Accounts whose positions one Tick marks to market; the next Tick goes on."""
NS_PER_MS = 1_000_000


class Clock:
    """What waits for its time: gtd orders, and the round of marking positions to market.

    `marked_ns`: when a Tick last told a mark. `marked_until`: the last trader of an unfinished round.
    """

    def __init__(self) -> None:
        self.marked_ns = 0
        self.marked_until: str | None = None
        self._expiries: list[tuple[int, int, OrderRecord]] = []
        self._compact_above = 1_000

    def expire_later(self, record: OrderRecord, expires_at_ns: int) -> None:
        heappush(self._expiries, (expires_at_ns, record.id, record))
        if len(self._expiries) > self._compact_above:
            self._expiries = [entry for entry in self._expiries if entry[2].leaves]
            heapify(self._expiries)
            self._compact_above = 2 * len(self._expiries) + 1_000

    def expired(self, now_ns: int) -> list[OrderRecord]:
        """The open orders whose time has come, by id."""
        due = []
        while self._expiries and self._expiries[0][0] <= now_ns:
            record = heappop(self._expiries)[2]
            if record.leaves:
                due.append(record)
        return sorted(due, key=lambda record: record.id)

    def next_expiry_ns(self) -> int | None:
        while self._expiries and not self._expiries[0][2].leaves:
            heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else None


def tick(floor: Floor, clock: Clock) -> None:
    """All but the mark-to-market, which comes after the updates of what moved."""
    for record in clock.expired(floor.now_ns):
        floor.take_off(record, CancelReason.EXPIRED)
    for market in _moving(floor):
        floor.set_mark(market, market.next_mark())
    for account in _thawing(floor):
        floor.thaw(account)
    liquidate(floor)


def _moving(floor: Floor) -> list[Market]:
    """The markets whose mark the next Tick moves. Where it stands right, nothing is looked at again until something happens."""
    moving = [market for market in floor.restless if market.next_mark() != market.mark]
    floor.restless = dict.fromkeys(moving)
    return moving


def _thawing(floor: Floor) -> list[Account]:
    return [floor.accounts[trader] for trader in sorted(floor.frozen) if not in_breach(floor.accounts[trader])]


def mark_to_market(floor: Floor, clock: Clock) -> None:
    """Tell the positions whose mark moved since they were last told, so that no equity curve has a gap."""
    if clock.marked_until is None and not _round_due(floor, clock):
        return
    told = 0
    traders = sorted(trader for trader in floor.accounts if clock.marked_until is None or trader > clock.marked_until)
    clock.marked_until = None
    for trader in traders:
        moved = [held for held in floor.accounts[trader].held_positions() if held.told_mark != held.market.mark]
        for position in moved:
            floor.tell_position(position)
        told += bool(moved)
        if told == MAX_MARKED_ACCOUNTS:
            clock.marked_until = trader
            break
    if told:
        clock.marked_ns = floor.now_ns


def _round_due(floor: Floor, clock: Clock) -> bool:
    return floor.now_ns >= _next_round_ns(floor, clock) and any(market.untold for market in floor.markets.values())


def _next_round_ns(floor: Floor, clock: Clock) -> int:
    return clock.marked_ns + floor.rules.mark_to_market_ms * NS_PER_MS


def next_due_ns(floor: Floor, clock: Clock, now_ns: int) -> int | None:
    """When a Tick may next change something, given no other command: at once, later, or (None) never."""
    if (
        _moving(floor)
        or clock.marked_until is not None
        or _thawing(floor)
        or would_act(floor)
    ):
        return now_ns
    later = [clock.next_expiry_ns(), _next_marking_ns(floor, clock, now_ns)]
    return min((time for time in later if time is not None), default=None)


def _next_marking_ns(floor: Floor, clock: Clock, now_ns: int) -> int | None:
    """When the next round of marking may tell something. All positions are only looked at when its time has come."""
    moved = [market for market in floor.markets.values() if market.untold]
    if not moved:
        return None
    round_ns = _next_round_ns(floor, clock)
    if round_ns <= now_ns and not _any_untold(floor):
        for market in moved:
            market.untold = False
        return None
    return round_ns


def _any_untold(floor: Floor) -> bool:
    return any(
        held.told_mark != held.market.mark
        for account in floor.accounts.values() for held in account.positions.values() if held.lots
    )
