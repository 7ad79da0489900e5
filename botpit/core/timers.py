"""What time brings, by the journaled Tick: expiries, marks, thaws, liquidation, mark-to-market, in this order.

A Tick that would change nothing is not applied; `next_due_ns` says when one would.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from botpit.core.accounts import Account
from botpit.core.events import CancelReason
from botpit.core.ledger import Ledger
from botpit.core.market import Market
from botpit.core.orders import OrderRecord
from botpit.core.risk.liquidation import liquidate, would_act
from botpit.core.risk.margin import in_breach

MAX_MARKED_ACCOUNTS = 500
"""Accounts whose positions one Tick marks to market; the next Tick goes on."""
NS_PER_MS = 1_000_000


class Timers:
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


def tick(ledger: Ledger, timers: Timers) -> None:
    """All but the mark-to-market, which comes after the updates of what moved."""
    for record in timers.expired(ledger.now_ns):
        ledger.take_off(record, CancelReason.EXPIRED)
    for market in _moving(ledger):
        ledger.set_mark(market, market.next_mark())
    for account in _thawing(ledger):
        ledger.thaw(account)
    liquidate(ledger)


def _moving(ledger: Ledger) -> list[Market]:
    """The markets whose mark the next Tick moves. Where it stands right, nothing is looked at again until something happens."""
    moving = [market for market in ledger.restless if market.next_mark() != market.mark]
    ledger.restless = dict.fromkeys(moving)
    return moving


def _thawing(ledger: Ledger) -> list[Account]:
    return [ledger.accounts[trader] for trader in sorted(ledger.frozen) if not in_breach(ledger.accounts[trader])]


def mark_to_market(ledger: Ledger, timers: Timers) -> None:
    """Tell the positions whose mark moved since they were last told, so that no equity curve has a gap."""
    if timers.marked_until is None and not _round_due(ledger, timers):
        return
    told = 0
    traders = sorted(trader for trader in ledger.accounts if timers.marked_until is None or trader > timers.marked_until)
    timers.marked_until = None
    for trader in traders:
        moved = [held for held in ledger.accounts[trader].held_positions() if held.told_mark != held.market.mark]
        for position in moved:
            ledger.emit_position(position)
        told += bool(moved)
        if told == MAX_MARKED_ACCOUNTS:
            timers.marked_until = trader
            break
    if told:
        timers.marked_ns = ledger.now_ns


def _round_due(ledger: Ledger, timers: Timers) -> bool:
    return ledger.now_ns >= _next_round_ns(ledger, timers) and any(market.unpublished for market in ledger.markets.values())


def _next_round_ns(ledger: Ledger, timers: Timers) -> int:
    return timers.marked_ns + ledger.rules.mark_to_market_ms * NS_PER_MS


def next_due_ns(ledger: Ledger, timers: Timers, now_ns: int) -> int | None:
    """When a Tick may next change something, given no other command: at once, later, or (None) never."""
    if (
        _moving(ledger)
        or timers.marked_until is not None
        or _thawing(ledger)
        or would_act(ledger)
    ):
        return now_ns
    later = [timers.next_expiry_ns(), _next_marking_ns(ledger, timers, now_ns)]
    return min((time for time in later if time is not None), default=None)


def _next_marking_ns(ledger: Ledger, timers: Timers, now_ns: int) -> int | None:
    """When the next round of marking may tell something. All positions are only looked at when its time has come."""
    moved = [market for market in ledger.markets.values() if market.unpublished]
    if not moved:
        return None
    round_ns = _next_round_ns(ledger, timers)
    if round_ns <= now_ns and not _any_unpublished(ledger):
        for market in moved:
            market.unpublished = False
        return None
    return round_ns


def _any_unpublished(ledger: Ledger) -> bool:
    return any(
        held.told_mark != held.market.mark
        for account in ledger.accounts.values() for held in account.positions.values() if held.lots
    )
