"""How long something took, many times over: counts in logarithmic buckets.

Buckets and no samples, because a bounded number of them holds any number of latencies, each to 5 %, and
because the buckets of several processes, or of one process and its successor, can be added up; their
percentiles could not.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from math import ceil

BUCKETS_PER_DOUBLING = 15
DOUBLINGS = 26
UPPER_US = tuple(
    round(2 ** (step / BUCKETS_PER_DOUBLING), 3)
    for step in range(DOUBLINGS * BUCKETS_PER_DOUBLING + 1)
)
"""The upper bounds of all buckets, each less than 5 % above the one before: 1 µs (or less) … 67 s."""

Bucket = tuple[float, int]
"""Upper bound in microseconds (it belongs to the bucket), how many."""


class LatencyHistogram:
    """Latencies in microseconds. `max_us` is the longest one exactly, None while there is none."""

    def __init__(self) -> None:
        self.count = 0
        self.max_us: float | None = None
        self._counts: Counter[int] = Counter()

    def add(self, latency_us: float) -> None:
        self.merge([(latency_us, 1)], round(latency_us, 3))

    def merge(self, buckets: Iterable[Bucket], max_us: float | None) -> None:
        """Add another histogram's `buckets` and `max_us`. A foreign bound counts where it lies among ours."""
        for upper_us, count in buckets:
            self._counts[min(bisect_left(UPPER_US, upper_us), len(UPPER_US) - 1)] += count
            self.count += count
        if max_us is not None:
            self.max_us = max(max_us, self.max_us or 0.0)

    def buckets(self) -> list[Bucket]:
        """Those that are not empty, shortest first."""
        return [
            (UPPER_US[index], count) for index, count in sorted(self._counts.items()) if count
        ]

    def quantile(self, share: float) -> float | None:
        """How many microseconds this share (0 < share <= 1) took at most, to a bucket's upper bound."""
        rank, seen = ceil(share * self.count), 0
        for upper_us, count in self.buckets():
            seen += count
            if seen >= rank:
                return upper_us if self.max_us is None else min(upper_us, self.max_us)
        return None
