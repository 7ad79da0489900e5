"""Writing a market's events files: lines in order, file after file, cut back to a snapshot's state.

A file is `events-<seq>.jsonl`: no public event with a smaller `seq` is in it or in a later one. An archivist
that continues from a snapshot writes everything after it again, so it first removes what was written after
the snapshot.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from botpit.history.journal.disk import AppendOnly, Disk

FILE_BYTES = 64 * 2**20
"""An events file of this size is followed by the next one."""
WAITING_BYTES = 2**20
"""Lines are written when this much waits."""
_NAME = re.compile(r"events-(\d{12})\.jsonl")


def events_name(first_seq: int) -> str:
    """The name of the file that begins with this event."""
    return f"events-{first_seq:012d}.jsonl"


def events_files(folder: Path) -> list[tuple[int, Path]]:
    """(first seq, path) of all files, oldest first. Raises OSError."""
    found = []
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match:
            found.append((int(match[1]), path))
    return sorted(found)


def are_there(folder: Path, sizes: dict[str, int]) -> bool:
    """Whether the folder still has files of at least these sizes. Raises OSError."""
    found = {path.name: os.path.getsize(path) for _, path in events_files(folder)}
    return all(found.get(name, -1) >= size for name, size in sizes.items())


class EventsFiles:
    """One market's files, cut to `sizes` (file name -> bytes that stay). Every method raises OSError."""

    def __init__(
        self, folder: Path, disk: Disk, sizes: dict[str, int], file_bytes: int = FILE_BYTES
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._file_bytes = file_bytes
        self._sizes = dict(sizes)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._cut()
        self._name = max(sizes, default=events_name(1))
        self._file: AppendOnly | None = None
        if sizes:
            self._file = disk.append_to(folder / self._name)

    def keep(self, seq: int, line: bytes) -> None:
        """Keep a line; no public event before `seq` comes after it."""
        if self._file is None or self._file.size + self._waiting_bytes >= self._file_bytes:
            self._next_file(seq)
        self._waiting.append(line)
        self._waiting_bytes += len(line)
        if self._waiting_bytes >= WAITING_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._file is not None and self._waiting:
            lines = self._waiting
            self._waiting = []
            self._waiting_bytes = 0
            self._file.write(b"".join(lines))

    def sync(self) -> dict[str, int]:
        """Make everything durable; return the sizes from which to continue."""
        self.flush()
        if self._file is not None:
            self._file.sync()
            self._sizes[self._name] = self._file.size
        return dict(self._sizes)

    def close(self) -> None:
        """Close the file without writing what still waits."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _next_file(self, seq: int) -> None:
        self.sync()
        self.close()
        self._name = events_name(seq)
        self._file = self._disk.append_to(self._folder / self._name)

    def _cut(self) -> None:
        for _, path in events_files(self._folder):
            size = self._sizes.get(path.name)
            if size is None:
                self._disk.remove(path)
            elif os.path.getsize(path) > size:
                self._disk.cut(path, size)
