"""The segments of a market, written: records are appended in memory, handed over once per turn, and made
durable as asked.

A segment is `journal-<first number>.log`. It begins with a note of how durable its records are meant to be,
by which a reader distinguishes a torn end from damage (reading.py). Whatever fails here is final: nothing is
tried again, the caller stops.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any

from botpit.history.journal.disk import AppendOnly, Disk
from botpit.history.journal.records import Vocabulary, seed_of, written_note

SEGMENT_BYTES = 64 * 2**20
"""A segment that has grown to this is followed by the next one."""
_NAME = re.compile(r"journal-\d{12}\.log")


class Durability(StrEnum):
    """What an answer promises. OS: the command survives this process. BATCH: also a loss of power."""

    OS = "os"
    BATCH = "batch"


class DiscardingJournal:
    """Keeps nothing: a market under it lives as long as its process."""

    holds = False
    written = synced = 0

    def append(self, command: Any, now_ns: int) -> None:
        """Take a command at its time, nanoseconds since the Unix epoch."""

    def write(self) -> None:
        """Nothing waits."""

    def sync(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing is left."""


def segment_name(first: int) -> str:
    return f"journal-{first:012d}.log"


def segments(folder: Path, since: int = -1) -> list[Path]:
    """All segments, or those that may hold records after `since`, in order. Raises OSError."""
    paths = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    begun = sum(path.name <= segment_name(since + 1) for path in paths)
    return paths[max(0, begun - 1) :]


def begin_market(folder: Path, disk: Disk, vocabulary: Vocabulary[Any], opening: Any) -> None:
    """A folder with the first segment of a new market, which holds its opening; durable when this returns.

    Raises FileExistsError when there is a market in it, and OSError.
    """
    disk.make_folder(folder)
    if segments(folder):
        raise FileExistsError(f"{folder}: there is a market here")
    file = disk.append_to(folder / segment_name(0))
    try:
        file.write(vocabulary.written_opening(opening))
        file.sync()
    finally:
        file.close()
    disk.sync_folder(folder)


class Journal:
    """Records from `next_number` on, in a market's folder. Not for two at a time: the caller holds the lock.

    `written` and `synced`: the last record that outlives this process, and that outlives a loss of power.
    Making one raises OSError.
    """

    def __init__(
        self,
        folder: Path,
        disk: Disk,
        vocabulary: Vocabulary[Any],
        *,
        market_id: str,
        next_number: int,
        durability: Durability,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._vocabulary = vocabulary
        self._seed = seed_of(market_id)
        self._durability = durability
        self._segment_bytes = segment_bytes
        self._waiting: list[tuple[int, Any]] = []
        self._failed = False
        self._in_use = Lock()
        self.number = self.written = self.synced = self._noted = next_number - 1
        for path in segments(folder):
            # what a killed process left is in memory only, and from now on promised
            disk.sync_file(path)
        self._file = self._begin_segment()

    def append(self, command: Any, now_ns: int) -> None:
        """Take a command at its time, nanoseconds since the Unix epoch; `write` makes it safe."""
        self.number += 1
        self._waiting.append((now_ns, command))

    def write(self) -> None:
        """Hand over what was appended. When it returns, that survives this process. Raises OSError."""
        if not self._waiting:
            return
        self._assert_whole()
        waiting, self._waiting = self._waiting, []
        lines = []
        if self._noted < self.synced:
            self._noted = self.synced
            lines.append(written_note("synced", self._noted, seed=self._seed))
        number, seed, written = self.number - len(waiting), self._seed, self._vocabulary.written
        for now_ns, command in waiting:
            number += 1
            lines.append(written(number, now_ns, command, seed))
        try:
            self._file.write(b"".join(lines))
            self.written = self.number
            if self._file.size >= self._segment_bytes:
                self._next_segment()
        except OSError:
            self._failed = True
            raise

    @property
    def holds(self) -> bool:
        """Whether something was written that nobody may be told of before it is synced."""
        return self._durability is Durability.BATCH and self.synced < self.written

    def sync(self) -> None:
        """Make durable what was written so far; may run in another thread than the rest. Raises OSError."""
        with self._in_use:
            self._assert_whole()
            written = self.written
            try:
                self._file.sync()
            except OSError:
                self._failed = True
                raise
            self.synced = written

    def close(self) -> None:
        """The end: sync what was written, unless writing has failed. What was only appended is dropped.
        Raises OSError."""
        try:
            if not self._failed:
                self.sync()
        finally:
            self._file.close()

    def _assert_whole(self) -> None:
        """After a failure nobody knows what the disk holds: more of the same would bury the gap."""
        assert not self._failed, "the journal has failed and takes no more"

    def _next_segment(self) -> None:
        """Unless a `sync` is just under way: then the segment grows on for a moment."""
        if self._in_use.acquire(blocking=False):
            try:
                if self._durability is Durability.BATCH:
                    self._file.sync()
                    self.synced = self.written
                full, self._file = self._file, self._begin_segment()
                full.close()
            finally:
                self._in_use.release()

    def _begin_segment(self) -> AppendOnly:
        """Its first note says what its records promise, so it is there before them."""
        file = self._disk.append_to(self._folder / segment_name(self.number + 1))
        try:
            file.write(
                written_note("segment", self.number + 1, self._durability, seed=self._seed)
            )
            if self._durability is Durability.BATCH:
                file.sync()
                self._disk.sync_folder(self._folder)
        except OSError:
            file.close()
            raise
        return file
