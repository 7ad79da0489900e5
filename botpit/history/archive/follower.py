"""The archivist: follows a journal at its own pace, keeps the market's events, takes snapshots.

It replays with the exchange's own machine, in a process of its own, so that neither encoding unread events
nor writing a snapshot ever delays an order. A snapshot records how long each file was at its record: a
restarted archivist cuts the files to those lengths and continues, as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from botpit.core.accounts import Account
from botpit.core.exchange import Exchange
from botpit.history.archive.files import FILE_BYTES, EventsFiles, are_there
from botpit.history.archive.lines import lines_of
from botpit.history.journal.disk import Disk
from botpit.history.journal.records import Record
from botpit.history.journal.recovery import recover
from botpit.history.journal.segments import segments
from botpit.history.journal.snapshots import Snapshot, write_snapshot
from botpit.history.vocabulary import EXCHANGE
from botpit.wire.sequencer import Sequencer

SNAPSHOT_RECORDS = 100_000
"""Records replayed between two snapshots."""
ORDERS_PER_RECORD = 4
"""A snapshot holds every known order, so a large market takes fewer: a record pays for at most so many."""


class Archivist:
    """One market's archive, brought up to date record by record. Raises what `Reading` raises, and OSError.

    `complain` hears of snapshots that cannot be used. `number` is that of the last record.
    """

    def __init__(
        self,
        folder: Path,
        disk: Disk,
        *,
        following: bool,
        complain: Callable[[str], None],
        snapshot_records: int = SNAPSHOT_RECORDS,
        file_bytes: int = FILE_BYTES,
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._snapshot_records = snapshot_records
        self._recovered = recover(
            folder, disk, EXCHANGE, complain, following=following, wanted=self._has_files_of
        )
        self.number = self._kept = self._recovered.number
        self.exchange = self._recovered.machine
        self.sequencer = Sequencer(self.exchange)
        if "numbers" in self._recovered.beside:
            self.sequencer.numbers.restore(self._recovered.beside["numbers"])
        self._orders_kept = _orders(self.exchange)
        self._files = EventsFiles(
            folder, disk, self._recovered.beside.get("events", {}), file_bytes
        )

    def news(self) -> Iterator[Record | None]:
        """The records still to take; None each time a follower has them all. Raises what `Reading` raises."""
        return self._recovered.news()

    def apply(self, record: Record) -> None:
        """Replay a record and keep its events."""
        _, private, public = self.sequencer.apply(record.command, record.now_ns)
        for seq, line in lines_of(private, public):
            self._files.keep(seq, line)
        self.number = record.number
        snapshot_records = max(self._snapshot_records, self._orders_kept // ORDERS_PER_RECORD)
        if self.number - self._kept >= snapshot_records:
            self.take_snapshot()

    def flush(self) -> None:
        """Write what waits. Raises OSError."""
        self._files.flush()

    def take_snapshot(self) -> None:
        """Make the journal and the events durable, then the state. Raises OSError."""
        sizes = self._files.sync()
        if self.number == self._kept:
            return
        for path in segments(self._folder, since=self._kept):
            self._disk.sync_file(path)
        beside = {"numbers": self.sequencer.numbers.capture(), "events": sizes}
        self._orders_kept = _orders(self.exchange)
        write_snapshot(
            self._folder,
            self._disk,
            EXCHANGE,
            Snapshot.of(EXCHANGE, self.exchange, self.number, beside),
        )
        self._kept = self.number

    def close(self) -> None:
        """Keep everything, with a snapshot. Raises OSError."""
        self.take_snapshot()
        self._files.close()

    def _has_files_of(self, snapshot: Snapshot) -> bool:
        return are_there(self._folder, snapshot.beside["events"])


def _orders(exchange: Exchange) -> int:
    """How many orders the accounts remember: open, closed and refused."""
    return sum(map(Account.order_count, exchange.accounts.values()))
