"""How late the feed is: our clock when a frame came, less the exchange's timestamp on its newest event.

Both are whole milliseconds since the Unix epoch, so that two floors are compared and a feed without delay has
0. The samples are bounded by age and by number; times are handed in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median_low

WINDOW_S = 10.0
MAX_SAMPLES = 2_000
"""When a window holds more frames than this, the newest are measured."""


@dataclass(slots=True, frozen=True)
class Latency:
    """Milliseconds.

    A value below zero means that the exchange's clock is ahead of ours by at least that much.
    """

    p50: int
    max: int


class FeedLatency:
    """The latencies of the frames of the last `WINDOW_S` seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque(maxlen=MAX_SAMPLES)

    def note(self, now_s: float, latency_ms: int) -> None:
        self._samples.append((now_s, latency_ms))

    def recent(self, now_s: float) -> Latency | None:
        """None when no event came within the window."""
        recent = [latency_ms for at_s, latency_ms in self._samples if at_s > now_s - WINDOW_S]
        if not recent:
            return None
        return Latency(median_low(recent), max(recent))
