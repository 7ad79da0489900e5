"""Numbers as block characters: bars that grow to the right, curves that grow upwards; or plain ASCII.

A block is cut into eighths: a bar of ten columns has eighty lengths, and a curve of one line has seven
heights, because the topmost eighth stays free so that a curve never touches the one above it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

EIGHTHS = 8
_LENGTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = " ▁▂▃▄▅▆▇█"
_ASCII_HEIGHTS = "_.,-=+*#"


def bar(share: float, columns: int, *, ascii_only: bool = False) -> str:
    """A bar that fills `share` (0 … 1) of `columns`; any share above zero is visible."""
    if ascii_only:
        return "#" * max(round(share * columns), share > 0)
    eighths = max(round(share * columns * EIGHTHS), share > 0)
    full, rest = divmod(eighths, EIGHTHS)
    return "█" * full + _LENGTHS[rest].strip()


def curve(values: Sequence[float], *, lines: int = 1, ascii_only: bool = False) -> list[str]:
    """A column for each value, scaled from the lowest to the highest; the topmost line first.

    ASCII has one line only.
    """
    if ascii_only:
        heights = _heights(values, len(_ASCII_HEIGHTS) - 1)
        return ["".join(_ASCII_HEIGHTS[height] for height in heights)]
    heights = [1 + height for height in _heights(values, lines * EIGHTHS - 2)]
    drawn = []
    for floor in range((lines - 1) * EIGHTHS, -1, -EIGHTHS):
        above = [min(max(height - floor, 0), EIGHTHS) for height in heights]
        drawn.append("".join(_HEIGHTS[height] for height in above))
    return drawn


def _heights(values: Sequence[float], highest: int) -> list[int]:
    """Each value's height from 0 to `highest`; all 0 when the values are equal or not all finite."""
    low = min(values, default=0.0)
    span = max(values, default=0.0) - low
    if not 0 < span < math.inf or not all(map(math.isfinite, values)):
        return [0] * len(values)
    return [round((value - low) / span * highest) for value in values]
