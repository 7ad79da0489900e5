"""Which accounts a Tick has to look at, so that the safe ones cost nothing.

An account's excess (equity - maintenance margin) is split evenly over its open positions; each share buys its position a
distance that the mark may travel against it. Where that ends stands the position's trigger. While no trigger is crossed, no
share is used up, so the account is not in breach. A crossed trigger, or any change of cash or position, only makes the account
*suspect*: it is then checked exactly, and gets new triggers when it has passed a few times (RULES.md, Maintenance margin).
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from botpit.core.accounts import Account, Position
from botpit.core.commands import BUY, SELL
from botpit.core.market import Market
from botpit.core.risk.margin import BPS, excess_times_bps

LOOKS_BEFORE_THRESHOLDS = 3
"""An account that changes all the time is looked at all the time, which costs less than triggers for all its positions."""
Entry = tuple[int, int, Position, int]
"""(rank, tie, position, version): crossed when the market's rank is at or above it; stale when the position's version is
another."""


class MarginWatch:
    """Two heaps per market: longs are hurt when the mark falls, shorts when it rises. A heap is looked at when its mark moved or
    a trigger came to it (the market is `stirred`)."""

    def __init__(self, markets: Iterable[Market]) -> None:
        self._heaps: dict[tuple[Market, int], list[Entry]] = {(market, sign): [] for market in markets for sign in (BUY, SELL)}
        self._compact_above = dict.fromkeys(self._heaps, 1_000)
        self._stirred: dict[Market, None] = {}
        self._due_for_check: dict[Account, int] = {}
        self._pushed = 0

    def invalidate(self, account: Account) -> None:
        """Its cash or a position of it changed."""
        self._due_for_check[account] = 0

    def mark_moved(self, market: Market) -> None:
        """It may have crossed triggers."""
        self._stirred[market] = None

    def due_for_check(self) -> list[Account]:
        """Every account that may be in breach, each once."""
        for market in self._stirred:
            for sign in (BUY, SELL):
                self._cross(self._heaps[market, sign], -sign * market.mark)
        self._stirred = {}
        return list(self._due_for_check)

    def _cross(self, heap: list[Entry], rank: int) -> None:
        while heap and heap[0][0] <= rank:
            _, _, position, version = heappop(heap)
            if position.trigger_version == version:
                self._due_for_check.setdefault(position.account, 0)

    def found_safe(self, account: Account) -> None:
        """It has just been found safe. When that was so each time for a while, it gets new triggers and is suspect no longer."""
        self._due_for_check[account] += 1
        if self._due_for_check[account] == LOOKS_BEFORE_THRESHOLDS:
            del self._due_for_check[account]
            self._set(account)

    def _set(self, account: Account) -> None:
        held = []
        for position in account.positions.values():
            position.trigger_version += 1
            if position.lots:
                held.append(position)
        if held:
            excess = excess_times_bps(account)
            for position in held:
                self._push(position, excess, len(held))

    def _push(self, position: Position, excess: int, parts: int) -> None:
        market, sign = position.market, (BUY if position.lots > 0 else SELL)
        instrument = market.instrument
        per_tick = abs(position.lots) * instrument.tick_value * (BPS - sign * instrument.maintenance_margin_bps)
        trigger = market.mark - sign * (excess // (parts * per_tick))
        heap = self._heaps[market, sign]
        self._stirred[market] = None  # a trigger may stand where the mark is already
        self._pushed += 1
        heappush(heap, (-sign * trigger, self._pushed, position, position.trigger_version))
        if len(heap) > self._compact_above[market, sign]:
            self._compact(market, sign)

    def _compact(self, market: Market, sign: int) -> None:
        """Drop what is stale once that may be half of the heap."""
        heap = [entry for entry in self._heaps[market, sign] if entry[2].trigger_version == entry[3]]
        heapify(heap)
        self._heaps[market, sign] = heap
        self._compact_above[market, sign] = 2 * len(heap) + 1_000
