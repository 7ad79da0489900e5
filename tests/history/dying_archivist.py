"""An archivist as a process that kills itself (SIGKILL) at a chosen call to the disk: `FOLDER CALL COUNT`.

CALL is what it does then, or `any`; COUNT 0: it lives to the end. Half of what a fatal write was to
write is written. On stdout stands what it did last, or, of one that lived, how many calls there
were.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from botpit.history.archive.follower import Archivist
from botpit.history.journal.disk import AppendOnly, Disk

SNAPSHOT_RECORDS, FILE_BYTES = 100, 100_000


class DyingDisk(Disk):
    def __init__(self, call: str, count: int) -> None:
        self.call = call
        self.left = count

    def lives(self, doing: str) -> bool:
        self.left -= self.call in (doing, "any")
        if self.left == 0 and self.call in (doing, "any"):
            print(doing, flush=True)
            return False
        return True

    def step(self, doing: str) -> None:
        if not self.lives(doing):
            os.kill(os.getpid(), signal.SIGKILL)

    def append_to(self, path: Path) -> AppendOnly:
        self.step("open")
        return _DyingFile(path, self)

    def sync_folder(self, path: Path) -> None:
        self.step(
            "sync_folder"
        )  # of a snapshot: it has its name, and the old ones are still there

    def remove(self, path: Path) -> None:
        self.step("remove")
        super().remove(path)

    def cut(self, path: Path, size: int) -> None:
        self.step("cut")
        super().cut(path, size)

    def sync_file(self, path: Path) -> None:
        self.step("sync_file")


class _DyingFile(AppendOnly):
    def __init__(self, path: Path, disk: DyingDisk) -> None:
        super().__init__(path)
        self._disk, self._is_draft = disk, path.name.endswith(".draft")

    def write(self, data: bytes) -> None:
        if not self._disk.lives("write draft" if self._is_draft else "write"):
            super().write(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super().write(data)

    def sync(self) -> None:
        self._disk.step("sync draft" if self._is_draft else "sync")


def main(folder: str, call: str, count: str) -> None:
    disk = DyingDisk(call, int(count))
    archivist = Archivist(
        Path(folder),
        disk,
        following=False,
        complain=sys.exit,
        snapshot_records=SNAPSHOT_RECORDS,
        file_bytes=FILE_BYTES,
    )
    for record in archivist.news():
        assert record is not None
        archivist.apply(record)
    archivist.close()
    print(-disk.left)


if __name__ == "__main__":
    main(*sys.argv[1:])
