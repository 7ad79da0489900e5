"""Which accounts a Tick has to look at, so that the safe ones cost nothing.

An account's excess (equity - maintenance margin) is split evenly over its open positions; each share buys its
position a distance that the mark may travel against it. Where that ends stands the position's threshold.
While no threshold is crossed, no share is used up, so the account is not in breach. A crossed threshold, or
any change of cash or position, only makes the account due for a check: an exact one, and when it has passed a
few of them it gets new thresholds (SYSTEM_DESIGN.md, Maintenance margin).
"""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from botpit.core.commands import BUY, SELL
from botpit.core.positions import Holdings, Position
from botpit.core.risk.margin import BPS, excess_times_bps
from botpit.core.valuation import Valuation

LOOKS_BEFORE_THRESHOLDS = 3
"""An account that changes all the time is looked at all the time, which costs less than thresholds for all
its positions."""
Entry = tuple[int, int, Position, int]
"""(rank, tie, position, version): crossed when the market's rank is at or above it; stale when the position
has another version."""


class MarginWatch:
    """Two heaps per market: longs are hurt when the mark falls, shorts when it rises. A heap is looked at
    when its mark moved or a threshold came to it (the market is `stirred`)."""

    def __init__(self, markets: Iterable[Valuation]) -> None:
        self._heaps: dict[tuple[Valuation, int], list[Entry]] = {}
        for market in markets:
            self._heaps[market, BUY], self._heaps[market, SELL] = [], []
        self._compact_above = dict.fromkeys(self._heaps, 1_000)
        self._stirred: dict[Valuation, None] = {}
        self._due_for_check: dict[Holdings, int] = {}
        self._pushed = 0

    def invalidate(self, account: Holdings) -> None:
        """Its cash or a position of it changed: its thresholds mean nothing any more."""
        self._due_for_check[account] = 0

    def mark_moved(self, market: Valuation) -> None:
        """It may have crossed thresholds."""
        self._stirred[market] = None

    def due_for_check(self) -> list[Holdings]:
        """Every account that may be in breach, each once."""
        for market in self._stirred:
            for sign in (BUY, SELL):
                self._cross(self._heaps[market, sign], -sign * market.mark)
        self._stirred = {}
        return list(self._due_for_check)

    def _cross(self, heap: list[Entry], rank: int) -> None:
        while heap and heap[0][0] <= rank:
            _, _, position, version = heappop(heap)
            if position.threshold_version == version:
                self._due_for_check.setdefault(position.account, 0)

    def found_safe(self, account: Holdings) -> None:
        """It has just been found safe. When that was so each time for a while, it gets new thresholds and is
        due no longer."""
        self._due_for_check[account] += 1
        if self._due_for_check[account] == LOOKS_BEFORE_THRESHOLDS:
            del self._due_for_check[account]
            self._set(account)

    def _set(self, account: Holdings) -> None:
        held = []
        for position in account.positions.values():
            position.threshold_version += 1
            if position.lots:
                held.append(position)
        if held:
            excess = excess_times_bps(account)
            for position in held:
                self._push(position, excess, len(held))

    def _push(self, position: Position, excess: int, parts: int) -> None:
        market, sign = position.market, position.sign()
        eaten_bps = BPS - sign * market.instrument.maintenance_margin_bps
        per_tick = abs(position.lots) * market.tick_value * eaten_bps
        threshold = market.mark - sign * (excess // (parts * per_tick))
        heap = self._heaps[market, sign]
        self._stirred[market] = None  # a threshold may stand where the mark is already
        self._pushed += 1
        heappush(heap, (-sign * threshold, self._pushed, position, position.threshold_version))
        if len(heap) > self._compact_above[market, sign]:
            self._compact(market, sign)

    def _compact(self, market: Valuation, sign: int) -> None:
        """Drop what is stale once that may be half of the heap."""
        heap = [
            entry
            for entry in self._heaps[market, sign]
            if entry[2].threshold_version == entry[3]
        ]
        heapify(heap)
        self._heaps[market, sign] = heap
        self._compact_above[market, sign] = 2 * len(heap) + 1_000
