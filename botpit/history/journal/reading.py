"""The segments of a market, read: every line checked, a torn end distinguished from damage.

A process that is killed, or a machine that loses power, leaves half of what it was writing. Nobody was
promised that half, so it is dropped, and reported (`torn`). A bad line that somebody was promised is damage,
and nothing is built on it (`DamageError`). So everything here serves one question: was record n promised?
What is held while reading, and what holds:

- `last_number` is the last good record. Records count without holes, within a segment and across segments, so
  the next one is always `last_number + 1`; any other number is a bad line. Only a good record moves it.
- `_durability` is that of the present segment, by its first note (`#segment`); `_noted` says that this note
  has been read, and a record before it is a bad line. The very first segment begins with the opening instead
  and is under `os`.
- Under `os` every whole line was promised: the bytes of one process reach its file in order, so only the last
  line can be cut short. A bad line with an end is damage.
- Under `batch` a promise is what a later note says was synced: `#synced n` covers all up to n, and `#segment
  n` all before n. Without such a note the disk may have kept later bytes and lost earlier ones, so a bad line
  may have good lines behind it and still be torn; therefore all lines behind it are looked through for a note
  that covers it.
- Under either, whatever lies in a segment that another one follows was promised: the writer began the next
  one after it.
- A follower reads what is still being written: a line without an end is not there yet, and the end is never
  reached. Whether a later segment exists is looked up before the lines of this one are read: if so, its
  writer was done with it by then.

After the last record has been read, `last_number`, `torn` and `end` say where the records end; reading twice
needs a second Reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botpit.history.journal.disk import Disk
from botpit.history.journal.lines import Lines, lines_of
from botpit.history.journal.records import (
    MAX_LINE_BYTES,
    Damaged,
    Note,
    OtherFormat,
    Record,
    Vocabulary,
    checked,
    read_note,
)
from botpit.history.journal.segments import Durability, segment_name, segments

MAX_REASON_CHARS = 200
READ_TOGETHER = 200
"""Records are decoded so many at a time: their reader's own work then finds them, and itself, in the
processor's cache."""


Bad = tuple[int, ValueError]
"""The index of a bad line among others, and what is wrong with it."""


class DamageError(Exception):
    """The journal cannot be trusted from here on. The text names file, line, offset and reason."""


@dataclass(frozen=True, slots=True)
class Torn:
    """An end that nobody was promised: `dropped` bytes of `path` from `offset` on."""

    path: Path
    offset: int
    dropped: int

    def __str__(self) -> str:
        return (
            f"{self.path}: dropped a torn end, {self.dropped} bytes from byte {self.offset} on"
        )


class Reading:
    """One market's records, to be gone through once. `opening` is how it began. When all have been read:
    `last_number`, `torn`, and `end`, the place where the records end.

    `following`: somebody is still writing; a line without an end is not there yet, and the end is never
    reached. Raises DamageError when there is no opening to be read, OtherFormat when it is of another
    version, OSError.
    """

    def __init__(
        self, folder: Path, disk: Disk, vocabulary: Vocabulary[Any], *, following: bool = False
    ) -> None:
        self.folder = folder
        self._disk = disk
        self._decoded = vocabulary.decoded
        self._following = following
        self._durability = Durability.OS
        self._noted = True
        self.torn: Torn | None = None
        self.end = ""
        self.last_number = 0
        first = self._first_lines()
        try:
            self.opening, self._seed = vocabulary.read_opening(first.texts[0])
        except ValueError as reason:
            raise _trouble(first, 0, reason) from reason
        self._lines = self._all_lines(first.path, first.offset_of(1))

    def records(self, after: int = 0) -> Iterator[Record]:
        """The records whose number is above `after`, in order; those before are only checked. Raises
        DamageError, OtherFormat."""
        return (record for record in self.news(after) if record is not None)

    def news(self, after: int = 0) -> Iterator[Record | None]:
        """The same, with None whenever a follower has all there is. Raises DamageError, OtherFormat."""
        for lines in self._lines:
            if lines is None:
                yield None
                continue
            for start in range(0, len(lines.texts), READ_TOGETHER):
                records, bad = self._read_some(lines, start, after)
                yield from records
                if bad is not None:
                    return self._take_as_torn(lines, *bad)

    def cut_off(self) -> None:
        """Take the torn end off the disk. Raises OSError."""
        if self.torn is not None:
            self._disk.cut(self.torn.path, self.torn.offset)

    # ----------------------------------------------------------------------------------------------- one line

    def _read_some(
        self, lines: Lines, start: int, after: int
    ) -> tuple[list[Record], Bad | None]:
        """The records of some lines, and the index of a bad one with the reason if they end before it."""
        records: list[Record] = []
        for index, text in enumerate(lines.texts[start : start + READ_TOGETHER], start):
            try:
                if not lines.ended:
                    raise Damaged("the line has no end")
                record = self._read(text, after)
            except ValueError as reason:
                return records, (index, reason)
            if record is not None:
                records.append(record)
        return records, None

    def _read(self, text: bytes, after: int) -> Record | None:
        """Raises Damaged, OtherFormat."""
        if text.startswith(b"#"):
            self._take(read_note(text, self._seed))
            return None
        number, now_ns, kind, values = checked(text, self._seed)
        if not self._noted:
            raise Damaged("the segment does not begin with its note")
        if number != self.last_number + 1:
            raise Damaged(f"record {self.last_number + 1} is expected here, not {number}")
        record = None
        if number > after:
            record = self._decoded(number, now_ns, kind, values)
        self.last_number = number
        return record

    def _take(self, note: Note) -> None:
        """Raises Damaged."""
        if note.word != "segment":
            return
        if note.number != self.last_number + 1:
            expected = f"record {self.last_number + 1} is expected here"
            raise Damaged(f"{expected}, but this segment begins with {note.number}")
        try:
            self._durability = Durability(note.durability)
        except ValueError as error:
            raise Damaged(str(error)) from error
        self._noted = True

    # ---------------------------------------------------------------------------------------- torn or damaged

    def _take_as_torn(self, bad: Lines, index: int, reason: ValueError) -> None:
        """Raises DamageError when the bad line or one after it was promised."""
        missing, until = self.last_number + 1, bad.after
        self.end = _place_of(bad, index)
        if (
            self._following
            or isinstance(reason, OtherFormat)
            or self._promises(bad, index, missing)
        ):
            raise _trouble(bad, index, reason) from reason
        for lines in filter(None, self._lines):
            if lines.path != bad.path or self._promises(lines, 0, missing):
                raise _trouble(bad, index, reason) from reason
            until = lines.after
        self.torn = Torn(bad.path, bad.offset_of(index), until - bad.offset_of(index))

    def _promises(self, lines: Lines, index: int, number: int) -> bool:
        """Whether these lines, from that index on, show that record `number` was promised."""
        if self._durability is Durability.OS:
            return lines.ended
        return lines.ended and any(self._synced(text) >= number for text in lines.texts[index:])

    def _synced(self, text: bytes) -> int:
        """Up to which record this line promises that all is there; 0 when it promises nothing."""
        # a lost end of line may have joined the note to the line before it
        found = text[text.rfind(b"#") :]
        try:
            note = read_note(found, self._seed)
        except Damaged:
            return 0
        if note.word == "synced":
            return note.number
        return note.number - 1

    # ---------------------------------------------------------------------------------------------- all lines

    def _first_lines(self) -> Lines:
        """Raises DamageError when there are none."""
        path = self.folder / segment_name(0)
        try:
            first = next(lines_of(self._disk, path), None)
        except FileNotFoundError:
            first = None
        if first is None or not first.ended:
            raise DamageError(f"{_place(path, 1, 0)}: the opening of the market is missing")
        return first

    def _all_lines(self, path: Path, offset: int) -> Iterator[Lines | None]:
        """From the second line of the first segment on."""
        number = 2
        while True:
            # before the lines are read
            later = [each for each in segments(self.folder) if each > path]
            for lines in lines_of(self._disk, path, number, offset):
                if self._following and not later and _may_still_grow(lines):
                    break
                yield lines
                number, offset = lines.number + len(lines.texts), lines.after
            if later:
                path, number, offset, self._noted = later[0], 1, 0, False
            elif self._following:
                yield None
            else:
                self.end = self.end or _place(path, number, offset)
                return


def _may_still_grow(lines: Lines) -> bool:
    """Whether its writer may be at work on the last line."""
    return not lines.ended and len(lines.texts[0]) <= MAX_LINE_BYTES


def _trouble(lines: Lines, index: int, reason: ValueError) -> DamageError | OtherFormat:
    """The reason with the place of the line."""
    kind = OtherFormat if isinstance(reason, OtherFormat) else DamageError
    return kind(f"{_place_of(lines, index)}: {str(reason)[:MAX_REASON_CHARS]}")


def _place_of(lines: Lines, index: int) -> str:
    return _place(lines.path, lines.number + index, lines.offset_of(index))


def _place(path: Path, number: int, offset: int) -> str:
    return f"{path}, line {number}, byte {offset}"
