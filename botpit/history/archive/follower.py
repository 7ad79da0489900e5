"""The archivist: follows a journal at its own pace, keeps what the market said, and takes snapshots on the way.

It replays with the exchange's own machine, in a process of its own, so that neither encoding what nobody reads nor writing a
snapshot ever delays an order. A snapshot names how long each file was at that record: an archivist that comes back cuts the files
to those lengths and goes on, as if it had never been away.
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
from botpit.wire.sequence_numbers import SequenceNumbers
from botpit.wire.sequencer import Sequencer

SNAPSHOT_RECORDS = 100_000
"""A snapshot is taken each time so many records have been replayed since the last."""
ORDERS_PER_RECORD = 4
"""It holds every order that is known, so in a large market it comes later: a record pays for writing out at most so many."""


class Archivist:
    """One market's archive, brought up to date record by record. Raises what `Reading` raises, and OSError.

    `complain` is told of snapshots that cannot be used. `number` is that of the last record.
    """

    def __init__(
        self, folder: Path, disk: Disk, *, following: bool, complain: Callable[[str], None],
        snapshot_records: int = SNAPSHOT_RECORDS, file_bytes: int = FILE_BYTES,
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._snapshot_records = snapshot_records
        self._recovered = recover(folder, disk, EXCHANGE, complain, following=following, wanted=self._has_files_of)
        self.number = self._kept = self._recovered.number
        self.exchange = self._recovered.machine
        numbers = SequenceNumbers(self.exchange.markets)
        if "numbers" in self._recovered.beside:
            numbers.restore(self._recovered.beside["numbers"])
        self.sequencer = Sequencer(self.exchange, numbers)
        self._orders_kept = _orders(self.exchange)
        self._files = EventsFiles(folder, disk, self._recovered.beside.get("events", {}), file_bytes)

    def news(self) -> Iterator[Record | None]:
        """The records still to be taken; None whenever a follower has all there is for now. Raises what `Reading` raises."""
        return self._recovered.news()

    def take(self, record: Record) -> None:
        """Replay a record and keep what it said."""
        _, private, public = self.sequencer.apply(record.command, record.now_ns)
        for seq, line in lines_of(private, public):
            self._files.keep(seq, line)
        self.number = record.number
        if self.number - self._kept >= max(self._snapshot_records, self._orders_kept // ORDERS_PER_RECORD):
            self.take_snapshot()

    def flush(self) -> None:
        """Write what waits. Raises OSError."""
        self._files.flush()

    def take_snapshot(self) -> None:
        """Make durable what led here, then the state itself. Raises OSError."""
        sizes = self._files.sync()
        if self.number == self._kept:
            return
        for path in segments(self._folder, since=self._kept):
            self._disk.sync_file(path)
        beside = {"numbers": self.sequencer.numbers.capture(), "events": sizes}
        self._orders_kept = _orders(self.exchange)
        write_snapshot(self._folder, self._disk, EXCHANGE, Snapshot.of(EXCHANGE, self.exchange, self.number, beside))
        self._kept = self.number

    def close(self) -> None:
        """Keep everything, with a snapshot. Raises OSError."""
        self.take_snapshot()
        self._files.close()

    def _has_files_of(self, snapshot: Snapshot) -> bool:
        return are_there(self._folder, snapshot.beside["events"])


def _orders(exchange: Exchange) -> int:
    """How many orders are remembered, open, closed and refused."""
    return sum(map(Account.order_count, exchange.accounts.values()))
