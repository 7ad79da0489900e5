"""The file system as the journal uses it: every call that may fail goes through here, so that a test can make
it fail.

Only these few operations exist, each with the guarantee that the journal builds on: bytes appended in order,
a file replaced as a whole, a name that is there after `sync_folder`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

READ_BYTES = 2**20
"""Read at a time."""
_NOT_A_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class AppendOnly:
    """An open file that only grows. Every method but `close` raises OSError."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NOT_A_LINK, 0o600)
        self.size = os.fstat(self._fd).st_size

    def write(self, data: bytes) -> None:
        """Hand all of `data` to the operating system, where it outlives this process."""
        done = os.write(self._fd, data)
        while done < len(data):
            done += os.write(self._fd, data[done:])
        self.size += done

    def sync(self) -> None:
        """Return when what was written outlives a loss of power."""
        os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class Disk:
    """The real one. Every method raises OSError."""

    def append_to(self, path: Path) -> AppendOnly:
        return AppendOnly(path)

    def make_folder(self, path: Path) -> None:
        """Make it with its parents, for its owner only, if it is not there."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sync_folder(path.parent)

    def sync_folder(self, path: Path) -> None:
        """Return when the names in the folder outlive a loss of power."""
        if os.name == "nt":
            return
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def replace(self, path: Path, data: bytes) -> None:
        """Put `data` under this name, all of it or nothing, and return when that outlives a loss of power."""
        draft = path.with_name(f".{path.name}.draft")
        draft.unlink(missing_ok=True)
        file = self.append_to(draft)
        try:
            file.write(data)
            file.sync()
        finally:
            file.close()
        os.replace(draft, path)
        self.sync_folder(path.parent)

    def cut(self, path: Path, size: int) -> None:
        """Shorten a file to `size` bytes and make that durable."""
        fd = os.open(path, os.O_WRONLY | _NOT_A_LINK)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_file(self, path: Path) -> None:
        """Return when the file as it is now outlives a loss of power."""
        fd = os.open(path, os.O_RDWR | _NOT_A_LINK)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def remove(self, path: Path) -> None:
        """Take the file away, if it is there."""
        path.unlink(missing_ok=True)

    def pieces(self, path: Path, offset: int = 0) -> Iterator[bytes]:
        """What is in the file from a byte on, READ_BYTES at a time."""
        with open(path, "rb", buffering=0) as file:
            file.seek(offset)
            while piece := file.read(READ_BYTES):
                yield piece
