"""How often something happens: events per second over the last seconds, in memory that does not grow."""

from __future__ import annotations

from collections import deque

RATE_WINDOW_S = 5.0
RATE_SLOTS = 20


class SlidingRate:
    """Events per second over the last `window_s`, counted in a fixed number of slots."""

    def __init__(self, window_s: float = RATE_WINDOW_S, slots: int = RATE_SLOTS) -> None:
        self._window_s = window_s
        self._slots = slots
        self._slot_s = window_s / slots
        self._counts: deque[tuple[int, int]] = deque(maxlen=slots)
        self._first_s: float | None = None

    def note(self, now_s: float, count: int = 1) -> None:
        slot = int(now_s // self._slot_s)
        if self._first_s is None:
            self._first_s = now_s
        if self._counts and self._counts[-1][0] == slot:
            count += self._counts.pop()[1]
        self._counts.append((slot, count))

    def per_second(self, now_s: float) -> float:
        """Until a full window has passed, the rate is over the time since the first event, at least 1 s."""
        if self._first_s is None:
            return 0.0
        oldest = int(now_s // self._slot_s) - self._slots
        recent = sum(count for slot, count in self._counts if slot > oldest)
        span_s = min(self._window_s, now_s - self._first_s)
        return recent / max(1.0, span_s)
