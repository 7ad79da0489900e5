"""Reading the archive: the public events from any number on, and the last private ones.

Files are found by their names, a place in a file by halving, and only what is asked for is read: a reader
takes slices, so that none waits for another's past. The archive may be deleted or damaged anywhere: what is
returned has no hole, or it ends before the hole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from botpit.history.archive.files import events_files
from botpit.history.archive.lines import Line, read_line
from botpit.wire.outgoing import Outgoing, relayed

MAX_LINE_BYTES = 65_536
"""Longer than any event's line."""
NEAR_BYTES = 65_536
"""Within this distance lines are read one by one."""


class Past:
    """One market's archive, which may grow meanwhile. It ends at a line that cannot be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def span(self) -> tuple[int, int]:
        """The first and the last public event without a hole between them, by the files' ends; (1, 0) without
        any.

        Raises OSError.
        """
        newest, oldest = 0, 1
        for first, path in reversed(events_files(self._folder)):
            last = _last_seq(path)
            if newest and last != oldest - 1:
                break
            newest = newest or last  # the newest file may have just been begun, and be empty
            oldest = first
        return oldest, newest

    def since(self, seq: int) -> Iterator[Outgoing]:
        """Public events with this `seq` or a later one, in order, up to a hole. Raises OSError."""
        files = events_files(self._folder)
        started = [number for number, (first, _) in enumerate(files) if first <= seq]
        for first, path in files[max(started, default=0) :]:
            offset = _place_of(path, seq) if first < seq else 0
            for line in _lines(path, offset):
                if line.trader or line.seq < seq:
                    continue
                if line.seq > seq:
                    return
                yield relayed(
                    line.channel, line.symbol, line.seq, bytes(line.message), bytes(line.full)
                )
                seq += 1

    def private(self, most: int, wanted: Callable[[Line], bool]) -> list[Line]:
        """The last `most` private events wanted, oldest first, back to a hole. Raises OSError."""
        found: list[Line] = []
        following: int | None = None
        for first, path in reversed(events_files(self._folder)):
            here = []
            last = 0
            for line in _lines(path, 0):
                last = line.seq
                if line.trader and wanted(line):
                    here.append(line)
            if following is not None and last != following - 1:
                break
            found = (here + found)[-most:]
            following = first
            if len(found) >= most:
                break
        return found


def _lines(path: Path, offset: int) -> Iterator[Line]:
    with open(path, "rb") as file:
        file.seek(offset)
        while (text := file.readline(MAX_LINE_BYTES)).endswith(b"\n"):
            try:
                yield read_line(text)
            except msgspec.MsgspecError:
                return


def _last_seq(path: Path) -> int:
    """The `seq` of the file's last readable line; 0 when there is none."""
    seq = 0
    near_the_end = max(0, os.path.getsize(path) - NEAR_BYTES)
    for line in _lines(path, _line_at(path, near_the_end)):
        seq = line.seq
    return seq


def _place_of(path: Path, seq: int) -> int:
    """A byte at which a line begins, not far before the first one with this `seq`."""
    low, high = 0, os.path.getsize(path)
    while high - low > NEAR_BYTES:
        middle = (low + high) // 2
        place = _line_at(path, middle)
        line = next(_lines(path, place), None)
        if line is None or line.seq >= seq:
            high = middle
        else:
            low = place
    return low


def _line_at(path: Path, offset: int) -> int:
    """The byte at which a line begins: 0, or the next one after `offset`."""
    if offset == 0:
        return 0
    with open(path, "rb") as file:
        file.seek(offset)
        file.readline(MAX_LINE_BYTES)
        return file.tell()
