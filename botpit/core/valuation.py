"""What a position in one instrument is worth: the instrument's terms, its mark price, and where the mark
stood before.

Positions know this much of their market and no more: not its book, whose orders know positions in turn.
"""

from __future__ import annotations

from collections import deque
from itertools import islice

from botpit.core.instrument import Instrument

MAX_RECENT_MOVES = 1_000


class Moves:
    """The markets whose marks or terms have changed, in order: who has worked something out from them renews
    only those.

    `count` of all changes so far; the markets of the last MAX_RECENT_MOVES are known.
    """

    __slots__ = ("_recent", "count")

    def __init__(self) -> None:
        self.count = 0
        self._recent: deque[Valuation] = deque(maxlen=MAX_RECENT_MOVES)

    def note(self, market: Valuation) -> None:
        self.count += 1
        self._recent.append(market)

    def since(self, count: int) -> list[Valuation] | None:
        """The markets that changed after that many changes, the last one first; None: it is too long ago."""
        number = self.count - count
        if number > len(self._recent):
            return None
        return list(islice(reversed(self._recent), number))


class Valuation:
    """The mark only moves at Ticks, so every command between two Ticks sees one mark
    (SYSTEM_DESIGN.md, The mark).

    `marks` is where the mark stood and since when, as far back as a settlement may ask; `index` its place
    among the instruments; `unpublished` is false once an update of every position has shown this mark.
    `moves` is one for all markets.
    """

    __slots__ = (
        "band_high",
        "band_low",
        "index",
        "instrument",
        "mark",
        "marks",
        "moves",
        "tick_value",
        "unpublished",
    )

    def __init__(self, instrument: Instrument, index: int, moves: Moves) -> None:
        self.instrument = instrument
        self.moves = moves
        self.tick_value = instrument.tick_value
        self.index = index
        self.marks: deque[tuple[int, int]] = deque()
        self._put_mark(instrument.reference_price)
        self.unpublished = False

    def _put_mark(self, mark: int) -> None:
        self.mark = mark
        self.moves.note(self)
        self.unpublished = True
        self.band_low, self.band_high = self.instrument.band(mark)

    def set_terms(self, instrument: Instrument) -> None:
        """The same instrument on other terms."""
        self.instrument = instrument
        self.moves.note(self)
        self.band_low, self.band_high = instrument.band(self.mark)

    def set_mark(self, mark: int, now_ns: int, keep_ns: int) -> None:
        """Move the mark, and forget where it stood until `keep_ns` ago."""
        self._put_mark(mark)
        self.marks.append((now_ns, mark))
        while len(self.marks) > 1 and self.marks[1][0] <= now_ns - keep_ns:
            self.marks.popleft()

    def restore_marks(self, mark: int, marks: list[list[int]]) -> None:
        """Put the mark and its past where they were."""
        self._put_mark(mark)
        self.marks = deque((since_ns, past) for since_ns, past in marks)

    def mean_mark(self, now_ns: int, window_ns: int) -> int:
        """The mark's mean over the window, or over what there is of it, weighted by time and rounded down to
        a tick."""
        until_ns, area, length_ns = now_ns, 0, 0
        for since_ns, mark in reversed(self.marks):
            since_ns = max(since_ns, now_ns - window_ns)
            area += mark * (until_ns - since_ns)
            length_ns += until_ns - since_ns
            until_ns = since_ns
        return area // length_ns if length_ns else self.mark
