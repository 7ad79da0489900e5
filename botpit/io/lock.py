"""One process per folder: a lock that ends with its process, however the process ends.

The system holds the lock, so a file that a killed process leaves behind locks nobody out. It is `flock`; on
Windows it is a lock of one byte far behind the file's end, because others cannot read a locked byte.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from botpit.io.files import open_private

MAX_PID_BYTES = 20
LOCKED_BYTE = 2**30


class Lock:
    """The lock in file `path`, made if need be. Raises OSError when the file cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._fd = open_private(str(path), os.O_RDWR | os.O_CREAT)

    def acquire(self) -> bool:
        """Hold it until `release` or this process ends. False: another process holds it. Raises OSError."""
        try:
            self._take()
        except (BlockingIOError, PermissionError):
            return False
        os.lseek(self._fd, 0, os.SEEK_SET)
        os.ftruncate(self._fd, 0)
        os.write(self._fd, b"%d\n" % os.getpid())
        return True

    def owner(self) -> str:
        """` (pid 123)` of the process that holds it, empty when unknown."""
        os.lseek(self._fd, 0, os.SEEK_SET)
        pid = os.read(self._fd, MAX_PID_BYTES).strip()
        if not pid.isdigit():
            return ""
        return f" (pid {int(pid)})"

    def release(self) -> None:
        os.close(self._fd)

    def _take(self) -> None:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(self._fd, LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(self._fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
