"""The events files of a market, written: lines in order, one file after another, cut back to what a snapshot knows of.

A file is `events-<seq>.jsonl`: no public event with a smaller `seq` stands in it or in a later one. What was written after a
snapshot is written again by whoever goes on from it, so it is taken away first.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from botpit.history.journal.disk import AppendOnly, Disk

FILE_BYTES = 64 * 2**20
"""An events file that has grown to this is followed by the next one."""
WAITING_BYTES = 2**20
"""Lines are written when so much of them waits."""
_NAME = re.compile(r"events-(\d{12})\.jsonl")


def events_name(first_seq: int) -> str:
    """The name of the file that begins with this event."""
    return f"events-{first_seq:012d}.jsonl"


def events_files(folder: Path) -> list[tuple[int, Path]]:
    """(first seq, path) of all files, oldest first. Raises OSError."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in named if match)


def are_there(folder: Path, sizes: dict[str, int]) -> bool:
    """Whether all that was written so far is still in the folder. Raises OSError."""
    found = {path.name: os.path.getsize(path) for _, path in events_files(folder)}
    return all(found.get(name, -1) >= size for name, size in sizes.items())


class EventsFiles:
    """One market's files. `sizes`: file name to bytes, of what stays; the rest is cut off. Every method raises OSError."""

    def __init__(self, folder: Path, disk: Disk, sizes: dict[str, int], file_bytes: int = FILE_BYTES) -> None:
        self._folder = folder
        self._disk = disk
        self._file_bytes = file_bytes
        self._sizes = dict(sizes)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._cut()
        self._name = max(sizes, default=events_name(1))
        self._file: AppendOnly | None = disk.append_to(folder / self._name) if sizes else None

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
            lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
            self._file.write(b"".join(lines))

    def sync(self) -> dict[str, int]:
        """Make everything durable; the sizes from which to continue."""
        self.flush()
        if self._file is not None:
            self._file.sync()
            self._sizes[self._name] = self._file.size
        return dict(self._sizes)

    def close(self) -> None:
        """What still waits is not written."""
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
