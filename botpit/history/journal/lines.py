"""The lines of a segment, read in large pieces, with the place of each.

Lines come many at a time, because a journal is read by the million; where one of them stood is worked out
only when somebody asks. Memory stays bounded whatever is in the file: a line that is too long comes in pieces
that are not lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from botpit.history.journal.disk import Disk
from botpit.history.journal.records import MAX_LINE_BYTES


class Lines(NamedTuple):
    """Lines of `path` without their ends, the first of them line `number` at byte `offset`. Not `ended`: one
    without an end."""

    path: Path
    number: int
    offset: int
    texts: list[bytes]
    ended: bool

    def offset_of(self, index: int) -> int:
        """The byte at which the line begins."""
        offset = self.offset + sum(map(len, self.texts[:index]))
        if self.ended:
            offset += index  # so many ends of lines
        return offset

    @property
    def after(self) -> int:
        """The byte after the last line."""
        return self.offset_of(len(self.texts))


def lines_of(disk: Disk, path: Path, number: int = 1, offset: int = 0) -> Iterator[Lines]:
    """The file's lines from a byte on; what stands after the last end comes last. Raises OSError."""
    rest = b""
    for piece in disk.pieces(path, offset):
        *texts, rest = (rest + piece).split(b"\n")
        if texts:
            lines = Lines(path, number, offset, texts, ended=True)
            yield lines
            number, offset = number + len(texts), lines.after
        if len(rest) > MAX_LINE_BYTES:
            yield Lines(path, number, offset, [rest], ended=False)
            offset, rest = offset + len(rest), b""
    if rest:
        yield Lines(path, number, offset, [rest], ended=False)
