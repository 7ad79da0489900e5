"""The exporter with a fault in it, which a proof has to find: on a disk that is not as it should be.

    python proofs/harness/faulty_exporter.py record-first --dir FOLDER ...

Run in place of `exporter.py`, with the fault's name before the exporter's own flags.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from botpit.cli import export
from botpit.runs.export.disk import Disk

NONE = "none"


def with_sizes_found(record: bytes, folder: Path) -> bytes:
    """The record, with the bytes that its files have now."""
    state = json.loads(record)
    for file in state["sizes"]:
        path = folder / file
        state["sizes"][file] = path.stat().st_size if path.exists() else 0
    return json.dumps(state).encode()


class NoCut(Disk):
    """Says that the files have the bytes that are recorded, so that nothing is cut back."""

    def read(self, path: Path) -> bytes:
        return with_sizes_found(super().read(path), path.parent)


class RecordFirst(Disk):
    """Keeps rows back until their record is written."""

    def __init__(self) -> None:
        self._kept: list[tuple[Path, int, bytes]] = []

    async def append(self, path: Path, size: int, data: bytes) -> int:
        self._kept.append((path, size, data))
        return size

    async def replace(self, path: Path, data: bytes) -> None:
        await super().replace(path, with_sizes_found(data, path.parent))
        kept, self._kept = self._kept, []
        for rows in kept:
            await super().append(*rows)
        await super().replace(path, data)


class NoRecord(Disk):
    """Has lost the record of every earlier run."""

    def read(self, path: Path) -> bytes:
        raise FileNotFoundError(path)


FAULTS: dict[str, type[Disk]] = {
    NONE: Disk,
    "no-cut": NoCut,
    "record-first": RecordFirst,
    "no-record": NoRecord,
}
"""An exporter that cuts nothing back; one that records before it writes; one that forgets its past."""


def command(fault: str) -> tuple[str, str]:
    """This program and its first argument."""
    return str(Path(__file__).resolve()), fault


if __name__ == "__main__":
    sys.exit(export.main(sys.argv[2:], disk=FAULTS[sys.argv[1]]()))
