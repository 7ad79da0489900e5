"""The traders' equity since the watch began, in samples whose distance grows with the time they cover.

A sample is taken once a second. When there are too many, every second one is dropped and the step doubles: a
day takes no more room than two minutes, and its beginning is always kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nlargest

FIRST_STEP_S = 1
MAX_SAMPLES = 121
"""At this many samples every second one is dropped.

The number is odd, so that the first and the last one stay.
"""
MAX_TRADERS = 200
"""A sample keeps only the best; no screen shows more."""


class EquityHistory:
    """Equity by trader and second. Seconds are whole ones of a monotonic clock."""

    def __init__(self) -> None:
        self._samples: list[tuple[int, dict[str, float]]] = []
        self._step_s = FIRST_STEP_S

    @property
    def span_s(self) -> int:
        """From the first sample to the last."""
        if not self._samples:
            return 0
        return self._samples[-1][0] - self._samples[0][0]

    def is_due(self, now_s: float) -> bool:
        if not self._samples:
            return True
        last_s, _ = self._samples[-1]
        return int(now_s) >= last_s + self._step_s

    def add(self, now_s: float, equity: Mapping[str, float]) -> None:
        """Take a sample, which must be due."""
        best = nlargest(MAX_TRADERS, equity, key=equity.__getitem__)
        sample = {trader_id: equity[trader_id] for trader_id in best}
        self._samples.append((int(now_s), sample))
        if len(self._samples) == MAX_SAMPLES:
            del self._samples[1::2]
            self._step_s *= 2

    def curve(self, trader_id: str, columns: int) -> list[float]:
        """The trader's equity at the end of equal slots of time, oldest first, in at most `columns` of them.

        Slots begin at multiples of their length, so that a redrawn curve moves on without flicker. Slots
        without a sample of this trader are left out.
        """
        slot_s = self._slot_s(columns)
        closes = {}
        for second, equity in self._samples:
            if trader_id in equity:
                closes[second // slot_s] = equity[trader_id]
        return list(closes.values())

    def slots(self, columns: int) -> int:
        """How many values the longest curve in at most `columns` has."""
        return self._slots(self._slot_s(columns))

    def _slot_s(self, columns: int) -> int:
        slot_s = self._step_s
        while self._slots(slot_s) > max(1, columns):
            slot_s += self._step_s
        return slot_s

    def _slots(self, slot_s: int) -> int:
        if not self._samples:
            return 0
        first_slot = self._samples[0][0] // slot_s
        last_slot = self._samples[-1][0] // slot_s
        return last_slot - first_slot + 1
