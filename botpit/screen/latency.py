"""How late the feed is: what our clock said when a frame came, less the time that the exchange wrote on its newest event.

Both are whole milliseconds since the Unix epoch, so that two floors are compared and a feed without delay has 0. What is kept is
bounded by time and by number; times are handed in.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median_low

WINDOW_S = 10.0
MAX_SAMPLES = 2_000
"""A feed of more frames than this in a window is judged by its newest."""


@dataclass(slots=True, frozen=True)
class Latency:
    """Milliseconds. Below zero the two clocks differ: the exchange's is ahead of ours by so much and the way's length besides."""

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
        return Latency(median_low(recent), max(recent)) if recent else None
