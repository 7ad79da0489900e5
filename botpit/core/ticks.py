"""What time brings, by the journaled Tick: expiries, marks, thaws, liquidation, mark-to-market, in this
order.

A Tick that would change nothing is not applied; `next_due_ns` says when one would.
"""

from __future__ import annotations

from botpit.core.accounts import Account
from botpit.core.commands import Tick
from botpit.core.events import CancelReason
from botpit.core.ledger import Ledger
from botpit.core.market import Market
from botpit.core.risk.liquidation import liquidate, would_act
from botpit.core.risk.margin import in_breach

MAX_MARKED_ACCOUNTS = 500
"""Accounts whose positions one Tick marks to market; the next Tick continues."""
NS_PER_MS = 1_000_000


def tick(ledger: Ledger, command: Tick) -> None:
    """All but the mark-to-market, which comes after the updates of what moved."""
    for record in ledger.timers.expired(ledger.now_ns):
        ledger.remove(record, CancelReason.EXPIRED)
    for market in _moving(ledger):
        ledger.set_mark(market, market.next_mark())
    for account in _thawing(ledger):
        ledger.thaw(account)
    liquidate(ledger)


def _moving(ledger: Ledger) -> list[Market]:
    """The markets whose mark the next Tick moves. Where it stands right, nothing is looked at again until
    something happens."""
    moving = [market for market in ledger.restless if market.next_mark() != market.mark]
    ledger.restless = dict.fromkeys(moving)
    return moving


def _thawing(ledger: Ledger) -> list[Account]:
    frozen = [ledger.accounts[trader] for trader in sorted(ledger.frozen)]
    return [account for account in frozen if not in_breach(account)]


def mark_to_market(ledger: Ledger) -> None:
    """Publish the positions whose mark moved since their last update, so that no equity curve has a gap."""
    timers = ledger.timers
    after = timers.marked_until
    if after is None and not _round_due(ledger):
        return
    marked, timers.marked_until = 0, None
    for trader in sorted(each for each in ledger.accounts if after is None or each > after):
        held = ledger.accounts[trader].held_positions()
        moved = [position for position in held if position.told_mark != position.market.mark]
        for position in moved:
            ledger.emit_position(position)
        marked += bool(moved)
        if marked == MAX_MARKED_ACCOUNTS:
            timers.marked_until = trader
            break
    if marked:
        timers.marked_ns = ledger.now_ns


def _round_due(ledger: Ledger) -> bool:
    is_time = ledger.now_ns >= _next_round_ns(ledger)
    return is_time and any(market.unpublished for market in ledger.markets.values())


def _next_round_ns(ledger: Ledger) -> int:
    return ledger.timers.marked_ns + ledger.rules.mark_to_market_ms * NS_PER_MS


def next_due_ns(ledger: Ledger, now_ns: int) -> int | None:
    """When a Tick may next change something, given no other command: at once, later, or (None) never."""
    timers = ledger.timers
    if (
        _moving(ledger)
        or timers.marked_until is not None
        or _thawing(ledger)
        or would_act(ledger)
    ):
        return now_ns
    later = [timers.next_expiry_ns(), _next_marking_ns(ledger, now_ns)]
    return min((time for time in later if time is not None), default=None)


def _next_marking_ns(ledger: Ledger, now_ns: int) -> int | None:
    """When the next round of marking may publish something; it looks at all positions only when it is due."""
    moved = [market for market in ledger.markets.values() if market.unpublished]
    if not moved:
        return None
    round_ns = _next_round_ns(ledger)
    if round_ns <= now_ns and not _any_unpublished(ledger):
        for market in moved:
            market.unpublished = False
        return None
    return round_ns


def _any_unpublished(ledger: Ledger) -> bool:
    for account in ledger.accounts.values():
        for position in account.positions.values():
            if position.lots and position.told_mark != position.market.mark:
                return True
    return False
