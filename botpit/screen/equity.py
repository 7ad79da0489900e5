"""What the traders' equity was, from the first look on, in steps that grow with the time looked back over.

A sample is taken once a second. When there are too many, every second one is dropped and the step doubles: so a day takes
no more room than two minutes, and is always kept from its beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nlargest

FIRST_STEP_S = 1
MAX_SAMPLES = 121
"""So many, and there are half of them. It is odd, so that neither the first nor the last one goes."""
MAX_TRADERS = 200
"""Of a sample the best are kept; no screen shows more."""


class EquityHistory:
    """Equity by trader and second. Seconds are whole ones of a monotonic clock."""

    def __init__(self) -> None:
        self._samples: list[tuple[int, dict[str, float]]] = []
        self._step_s = FIRST_STEP_S

    @property
    def span_s(self) -> int:
        """From the first sample to the last."""
        return self._samples[-1][0] - self._samples[0][0] if self._samples else 0

    def is_due(self, now_s: float) -> bool:
        return not self._samples or int(now_s) >= self._samples[-1][0] + self._step_s

    def take(self, now_s: float, equity: Mapping[str, float]) -> None:
        """Take a sample; it is to be due."""
        best = nlargest(MAX_TRADERS, equity, key=equity.__getitem__)
        self._samples.append((int(now_s), {trader_id: equity[trader_id] for trader_id in best}))
        if len(self._samples) == MAX_SAMPLES:
            del self._samples[1::2]
            self._step_s *= 2

    def curve(self, trader_id: str, columns: int) -> list[float]:
        """His equity at the end of equal slots of time, oldest first, in at most `columns` of them.

        The slots begin at multiples of their length, so that a curve that is drawn again moves on and does not flicker. Those in
        which he was not seen are left out.
        """
        slot_s = self._slot_s(columns)
        closes = {second // slot_s: equity[trader_id] for second, equity in self._samples if trader_id in equity}
        return list(closes.values())

    def slots(self, columns: int) -> int:
        """How many values the longest curve in so many columns has."""
        return self._slots(self._slot_s(columns))

    def _slot_s(self, columns: int) -> int:
        slot_s = self._step_s
        while self._slots(slot_s) > max(1, columns):
            slot_s += self._step_s
        return slot_s

    def _slots(self, slot_s: int) -> int:
        return self._samples[-1][0] // slot_s - self._samples[0][0] // slot_s + 1 if self._samples else 0
