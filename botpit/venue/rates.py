"""A rate limit on a clock that is handed in: so many a second, with a burst of one second's worth
(a leaky bucket, in integers).
"""

from __future__ import annotations

NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000


class Bucket:
    """Takes at most `per_s` a second. `_until_ns`: what was taken is worth the time up to then."""

    __slots__ = ("_interval_ns", "_until_ns")

    def __init__(self, per_s: int) -> None:
        self._interval_ns = NS_PER_S // per_s
        self._until_ns = 0

    def take(self, now_ns: int) -> int:
        """0 when there was room, else the milliseconds after which there is."""
        until_ns = max(self._until_ns, now_ns) + self._interval_ns
        wait_ns = until_ns - now_ns - NS_PER_S
        if wait_ns > 0:
            return -(-wait_ns // _NS_PER_MS)
        self._until_ns = until_ns
        return 0
