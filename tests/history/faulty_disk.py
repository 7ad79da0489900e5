"""Disks that fail as disks do: a call that raises, half a write, and a loss of power that keeps any
part of what was not synced.

Both are the real disk with a fault in front: files really lie in a folder, and are read back by the real one.
"""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

from botpit.history.journal.disk import AppendOnly, Disk

BLOCK_BYTES = 512
"""A disk writes so much at once, or not at all."""


class FailingDisk(Disk):
    """Fails at call `fail_at` (from 1; 0: never) and at every one after it, as a full or broken
    disk does; or, with `once`, at that one alone, as a disk that says that it is well again. A
    short write hands over `part` of its bytes and then fails.

    `calls`: names of all calls so far that may fail.
    """

    def __init__(
        self, fail_at: int = 0, code: int = errno.EIO, *, part: float = 0.0, once: bool = False
    ) -> None:
        self.fail_at = fail_at
        self.code = code
        self.part = part
        self.once = once
        self.calls: list[str] = []

    def passes(self, name: str) -> None:
        self.calls.append(name)
        if self.fail_at and (
            len(self.calls) == self.fail_at
            or (len(self.calls) > self.fail_at and not self.once)
        ):
            raise OSError(self.code, os.strerror(self.code))

    @property
    def failed(self) -> bool:
        return 0 < self.fail_at <= len(self.calls)

    def append_to(self, path: Path) -> AppendOnly:
        self.passes("open")
        return _FailingFile(path, self)

    def sync_folder(self, path: Path) -> None:
        self.passes("sync_folder")
        super().sync_folder(path)

    def sync_file(self, path: Path) -> None:
        self.passes("sync_file")
        super().sync_file(path)

    def cut(self, path: Path, size: int) -> None:
        self.passes("cut")
        super().cut(path, size)


class _FailingFile(AppendOnly):
    def __init__(self, path: Path, disk: FailingDisk) -> None:
        super().__init__(path)
        self._disk = disk

    def write(self, data: bytes) -> None:
        try:
            self._disk.passes("write")
        except OSError:
            super().write(data[: int(len(data) * self._disk.part)])
            raise
        super().write(data)

    def sync(self) -> None:
        self._disk.passes("sync")
        super().sync()


class PowerLost(Exception):
    """In the middle of a call to the disk."""


class ForgetfulDisk(Disk):
    """Knows what was synced, and leaves anything that a loss of power may leave of the rest.

    Power is lost at the call with which `calls_left` becomes 0: after it has written, before it has synced.
    """

    def __init__(self) -> None:
        self.calls_left = -1
        self._synced: dict[Path, bytes] = {}
        self._named: set[Path] = set()

    def live(self) -> None:
        self.calls_left -= 1
        if self.calls_left == 0:
            raise PowerLost

    def append_to(self, path: Path) -> AppendOnly:
        self.live()
        return ForgetfulFile(path, self)

    def sync_file(self, path: Path) -> None:
        self.live()
        self.remember(path)

    def cut(self, path: Path, size: int) -> None:
        os.truncate(path, size)
        self.live()
        self.remember(path)

    def sync_folder(self, path: Path) -> None:
        self.live()
        self._named |= set(path.iterdir())

    def found(self, folder: Path) -> None:
        """What is in the folder now has outlived the loss."""
        self._named |= set(folder.iterdir())
        for path in self._named & set(folder.iterdir()):
            self.remember(path)

    def remember(self, path: Path) -> None:
        self._synced[path] = path.read_bytes()

    def lose_power(self, folder: Path, rng: random.Random) -> int:
        """Leave the folder as it may be found. Returns how many blocks and names were lost."""
        lost = 0
        for path in sorted(folder.iterdir()):
            if path not in self._named and rng.random() < 0.5:
                path.unlink()
                lost += 1
            else:
                left, blocks = _what_is_left(
                    path.read_bytes(), self._synced.get(path, b""), rng
                )
                path.write_bytes(left)
                lost += blocks
        return lost


class ForgetfulFile(AppendOnly):
    """Of a ForgetfulDisk."""

    def __init__(self, path: Path, disk: ForgetfulDisk) -> None:
        super().__init__(path)
        self._path, self._disk = path, disk

    def write(self, data: bytes) -> None:
        super().write(data)
        self._disk.live()

    def sync(self) -> None:
        self._disk.live()
        self._disk.remember(self._path)


def _what_is_left(written: bytes, synced: bytes, rng: random.Random) -> tuple[bytes, int]:
    """Any of the blocks that were not synced, at any length of the file that was one: what is
    missing between is zeros.
    """
    left, lost = bytearray(written), 0
    share = rng.choice([0.0, 0.1, 0.5, 0.9])
    for start in range(len(synced) // BLOCK_BYTES * BLOCK_BYTES, len(written), BLOCK_BYTES):
        if rng.random() < share:
            end = min(start + BLOCK_BYTES, len(written))
            left[start:end] = synced[start:end].ljust(end - start, b"\0")
            lost += 1
    size = rng.choice([len(written), rng.randrange(len(synced), len(written) + 1)])
    return bytes(left[:size]), lost + (size < len(written))
