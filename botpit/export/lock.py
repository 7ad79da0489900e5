"""One exporter per folder: a lock that ends with its process, however that ends.

The lock is the system's (`flock`), so a file that a killed process leaves behind locks nobody out. Where there is none (Windows)
nobody is kept away, and the log says so.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

from botpit.export.troubles import Unusable, writing
from botpit.net.files import open_private

LOCK_FILE = ".export-lock"
TRY_AGAIN_S = 0.05
MAX_PID_BYTES = 20

_log = logging.getLogger(__name__)


@asynccontextmanager
async def locked(folder: Path, patience_s: float = 0.0) -> AsyncIterator[None]:
    """Hold the folder while the context lasts.

    Raises Unusable when another process still does after `patience_s` seconds; WriteFailed or OSError when nothing can be
    written there.
    """
    path, clock = folder / LOCK_FILE, asyncio.get_running_loop().time
    with open(path, "a+b", buffering=0, opener=open_private) as file:
        until_s = clock() + patience_s
        while not _taken(file):
            if clock() >= until_s:
                raise Unusable(f"another exporter{_owner(file)} writes to {folder.absolute()}; stop it, or choose another folder")
            await asyncio.sleep(TRY_AGAIN_S)
        with writing(path):
            file.truncate(0)
            file.write(b"%d\n" % os.getpid())
        yield


def _taken(file: IO[bytes]) -> bool:
    if sys.platform == "win32":
        _log.warning("this system has no flock: a second exporter on the same folder would not be noticed")
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(file: IO[bytes]) -> str:
    file.seek(0)
    pid = file.read(MAX_PID_BYTES).strip()
    return f" (pid {int(pid)})" if pid.isdigit() else ""
