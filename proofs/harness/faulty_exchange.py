"""The exchange with a fault in it, which a proof has to find: with a faulty part in place of its own.

    python proofs/harness/faulty_exchange.py ack-first none --order-port 0 ...

Run in place of `exchange_server.py`, with two names before the exchange's own flags: the fault of the
exchange, and that of the exporter which it starts (proofs/harness/faulty_exporter.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from botpit.cli import exchange
from botpit.cli.exchange import REAL_PARTS, Parts
from botpit.core.commands import Order
from botpit.history.journal.disk import AppendOnly, Disk
from botpit.history.journal.folder import DataFolder
from botpit.history.journal.records import Record
from botpit.history.journal.segments import Durability
from botpit.history.journal.snapshots import snapshots
from botpit.io.child import command_of
from botpit.settings import Settings
from botpit.venue.loader import LoadedMarket, MarketLoader
from proofs.harness import faulty_exporter

NONE = faulty_exporter.NONE


class LateFile(AppendOnly):
    """Keeps back what it is handed until it is handed more."""

    kept = b""

    def write(self, data: bytes) -> None:
        if self.size:
            data, self.kept = self.kept, data
        super().write(data)

    def close(self) -> None:
        super().write(self.kept)
        super().close()


class LateDisk(Disk):
    def append_to(self, path: Path) -> AppendOnly:
        return LateFile(path)


class Skipping(MarketLoader):
    """Recovers without one order of the journal, and from its beginning, so that the order counts."""

    def __init__(
        self,
        settings: Settings,
        data: DataFolder | None,
        durability: Durability,
        disk: Disk,
        **names: Any,
    ) -> None:
        super().__init__(settings, data, durability, disk, track=without_one_order)
        folder = data.current() if data else None
        for _, path in snapshots(folder) if folder else ():
            disk.remove(path)


def without_one_order(records: Iterable[Record]) -> Iterable[Record]:
    kept = list(records)
    orders = [record for record in kept if isinstance(record.command, Order)]
    if orders:
        kept.remove(orders[len(orders) // 2])
    return kept


class Forgetful(MarketLoader):
    """Recovers no client's ids."""

    def first(self, *, fresh: bool, reconfigure: bool) -> LoadedMarket:
        market = super().first(fresh=fresh, reconfigure=reconfigure)
        for account in market.live.exchange.accounts.values():
            account.by_client_id.clear()
        return market


FAULTS: dict[str, Parts] = {
    NONE: REAL_PARTS,
    "ack-first": Parts(disk=LateDisk()),
    "skip-fill": Parts(loader=Skipping),
    "forget-ids": Parts(loader=Forgetful),
}
"""Answers that leave before the journal is written; a recovery without one order; clients' ids forgotten."""


def command(fault: str = NONE, *, exporter: str = NONE) -> tuple[str, str, str]:
    """This program and its first two arguments."""
    return str(Path(__file__).resolve()), fault, exporter


def other_command_of(exporter: str, program: str, *flags: str) -> list[str]:
    """That of the faulty exporter where the exchange asks for its exporter's."""
    if program == "export":
        return [sys.executable, *faulty_exporter.command(exporter), *flags]
    return command_of(program, *flags)


def main(fault: str, exporter: str, *flags: str) -> int:
    parts = replace(FAULTS[fault], command_of=partial(other_command_of, exporter))
    return exchange.main(flags, parts=parts)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
