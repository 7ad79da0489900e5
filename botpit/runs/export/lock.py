"""One exporter per folder: another one waits until the first is done, or is refused with its name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from botpit.io.lock import Lock
from botpit.runs.export.errors import Unusable, writing

LOCK_FILE = ".export-lock"
TRY_AGAIN_S = 0.05


@asynccontextmanager
async def locked(folder: Path, patience_s: float = 0.0) -> AsyncIterator[None]:
    """Hold the folder while the context lasts.

    Raises Unusable when another process still does after `patience_s` seconds; WriteFailed, OSError when
    nothing can be written.
    """
    path, clock = folder / LOCK_FILE, asyncio.get_running_loop().time
    lock, until_s = Lock(path), clock() + patience_s
    try:
        while not _taken(lock, path):
            if clock() >= until_s:
                owner = lock.owner()
                where = f"another exporter{owner} writes to {folder.absolute()}"
                raise Unusable(f"{where}; stop it, or choose another folder")
            await asyncio.sleep(TRY_AGAIN_S)
        yield
    finally:
        lock.release()


def _taken(lock: Lock, path: Path) -> bool:
    with writing(path):
        return lock.acquire()
