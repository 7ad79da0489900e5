"""The data folder of an exchange: its markets side by side, which of them is the present one, and the lock on
all.

`current` names the present market's folder and is replaced as a whole; a market that is over is never touched
again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import DamageError
from botpit.history.journal.records import Vocabulary
from botpit.history.journal.segments import begin_market, segments
from botpit.io.lock import Lock

CURRENT = "current"
LOCK = "lock"
MAX_NAME_BYTES = 1_024
"""Of `current` so much is read."""


class FolderInUse(Exception):
    """Another exchange works in the folder. The text names both, and what to do."""


def present_market(path: Path) -> Path | None:
    """The folder of the present market of the data folder at `path`; None: there was never one.

    Raises DamageError when there are markets and none of them is named as the present one, and OSError.
    """
    file = path / CURRENT
    try:
        with open(file, "rb") as opened:
            name = opened.read(MAX_NAME_BYTES)
    except FileNotFoundError:
        if any(map(_was_present, path.glob("market-*/"))):
            missing = (
                "missing, and there are markets here; it names the folder of the present one"
            )
            raise DamageError(f"{file}: {missing}") from None
        return None
    named = {f"{folder.name}\n".encode(): folder for folder in path.glob("market-*/")}
    if name not in named:
        raise DamageError(
            f"{file}, line 1, byte 0: it names {name!r}, which is not a market here"
        )
    return named[name]


def _was_present(market: Path) -> bool:
    """A market is written in only once it is the present one."""
    return len(segments(market)) > 1


class DataFolder:
    """The folder at `path`, made if need be, and ours alone until `close`. Raises FolderInUse and OSError."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self.path = path
        self._disk = disk
        disk.make_folder(path)
        self._lock = Lock(path / LOCK)
        if not self._lock.acquire():
            owner = self._lock.owner()
            self._lock.release()
            used = f"another exchange{owner} keeps its journal in {path.absolute()}"
            raise FolderInUse(f"{used}; stop it, or name another folder")

    def current(self) -> Path | None:
        """The present market's folder; None: there is none yet. Raises DamageError and OSError."""
        return present_market(self.path)

    def begin(self, vocabulary: Vocabulary[Any], opening: Any) -> Path:
        """The folder of a new market, from now on the present one, durably. Raises OSError."""
        folder = self.folder_of(opening.market_id)
        begin_market(folder, self._disk, vocabulary, opening)
        self.set_current(folder)
        return folder

    def folder_of(self, market_id: str) -> Path:
        """Where the market of that id is, or will be: a folder here, whatever the id holds."""
        return self.path / f"market-{quote(market_id, safe='')}"

    def set_current(self, folder: Path) -> None:
        """From now on this is the present market, durably. Raises OSError."""
        self._disk.replace(self.path / CURRENT, f"{folder.name}\n".encode())

    def close(self) -> None:
        self._lock.release()
