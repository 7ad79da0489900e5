"""The archive as its readers use it: the public events from any number on, and the last private ones.

Files are found by their names, a place in a file by halving, and only what is asked for is read: a reader takes slices, so that
nobody waits for somebody else's past. The archive may be deleted or damaged at any place: what is given is without a hole, or it
ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from botpit.history.archive.files import events_files
from botpit.history.archive.lines import Line, read_line
from botpit.wire.outgoing import Outgoing, relayed

MAX_LINE_BYTES = 65_536
"""Longer than any event's line."""
_NEAR_BYTES = 65_536
"""Closer than this, lines are read instead of halved."""


class Past:
    """One market's archive, while somebody may be adding to it. A line that cannot be read ends what is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def span(self) -> tuple[int, int]:
        """The first and the last public event of what is there without a hole, as the files' ends tell; (1, 0) when nothing is.

        Raises OSError.
        """
        newest, oldest = 0, 1
        for first, path in reversed(events_files(self._folder)):
            last = _last_seq(path)
            if newest and last != oldest - 1:
                break
            newest, oldest = newest or last, first  # the newest file may have just been begun: then it tells nothing
        return oldest, newest

    def since(self, seq: int) -> Iterator[Outgoing]:
        """Public events with this `seq` or a later one, in order and as far as there is no hole. Raises OSError."""
        files = events_files(self._folder)
        started = [number for number, (first, _) in enumerate(files) if first <= seq]
        for first, path in files[max(started, default=0) :]:
            for line in _lines(path, _place_of(path, seq) if first < seq else 0):
                if line.trader or line.seq < seq:
                    continue
                if line.seq > seq:
                    return
                yield relayed(line.channel, line.symbol, line.seq, bytes(line.message), bytes(line.full))
                seq += 1

    def private(self, most: int, wanted: Callable[[Line], bool]) -> list[Line]:
        """The last `most` private events among those wanted, oldest first, as far back as there is no hole. Raises OSError."""
        found: list[Line] = []
        following: int | None = None
        for first, path in reversed(events_files(self._folder)):
            here, last = [], 0
            for line in _lines(path, 0):
                last = line.seq
                if line.trader and wanted(line):
                    here.append(line)
            if following is not None and last != following - 1:
                break
            found, following = (here + found)[-most:], first
            if len(found) >= most:
                break
        return found


def _lines(path: Path, offset: int) -> Iterator[Line]:
    with open(path, "rb") as file:
        file.seek(offset)
        for text in iter(partial(file.readline, MAX_LINE_BYTES), b""):
            try:
                yield read_line(text if text.endswith(b"\n") else b"")
            except msgspec.MsgspecError:
                return


def _last_seq(path: Path) -> int:
    """Of the file's last line that can be read; 0 when none can."""
    seq = 0
    for line in _lines(path, _line_at(path, max(0, os.path.getsize(path) - _NEAR_BYTES))):
        seq = line.seq
    return seq


def _place_of(path: Path, seq: int) -> int:
    """A byte at which a line begins, not far before the first one with this `seq`."""
    low, high = 0, os.path.getsize(path)
    while high - low > _NEAR_BYTES:
        middle = _line_at(path, (low + high) // 2)
        line = next(_lines(path, middle), None)
        if line is None or line.seq >= seq:
            high = (low + high) // 2
        else:
            low = middle
    return low


def _line_at(path: Path, offset: int) -> int:
    """Where a line begins: at 0, or the next one after `offset`."""
    if offset == 0:
        return 0
    with open(path, "rb") as file:
        file.seek(offset)
        file.readline(MAX_LINE_BYTES)
        return file.tell()
