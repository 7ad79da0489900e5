"""The way back: the newest good snapshot, and the records after it.

Whoever recovers applies those records itself, because it makes more of them than the state alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic

from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import DamageError, Reading, Torn
from botpit.history.journal.records import M, Record, Vocabulary
from botpit.history.journal.segments import Durability, Journal
from botpit.history.journal.snapshots import Snapshot, good_snapshots

Wanted = Callable[[Snapshot], bool]


class Recovered(Generic[M]):
    """A machine as of record `number`: that of a snapshot with what is kept `beside` it, or a new one."""

    def __init__(
        self, reading: Reading, disk: Disk, vocabulary: Vocabulary[M], snapshot: Snapshot | None
    ) -> None:
        self.reading = reading
        self._disk = disk
        self._vocabulary = vocabulary
        self.number = 0
        self.beside: dict[str, Any] = {}
        if snapshot is None:
            self.machine = vocabulary.start(reading.opening)
        else:
            self.number, self.beside = snapshot.number, snapshot.beside
            self.machine = snapshot.restored(vocabulary)

    def tail(self) -> Iterator[Record]:
        """The records still to be applied, in order. Raises what `Reading` raises."""
        return (record for record in self.news() if record is not None)

    def news(self) -> Iterator[Record | None]:
        """The same, with None whenever a follower has all there is for now."""
        yield from self.reading.news(self.number)
        if self.last_number < self.number:
            missing = f"{self.reading.end}: record {self.last_number + 1} is missing"
            raise DamageError(f"{missing}, and there is a snapshot of record {self.number}")

    @property
    def last_number(self) -> int:
        """The last record there is, once all of `tail` was read."""
        return self.reading.last_number

    @property
    def torn(self) -> Torn | None:
        """An end that is no record, once all of `tail` was read."""
        return self.reading.torn

    def go_on(self, durability: Durability) -> Journal:
        """The journal behind its last record, once all of `tail` was read; takes the torn end off the disk.
        Raises OSError."""
        self.reading.cut_off()
        return Journal(
            self.reading.folder,
            self._disk,
            self._vocabulary,
            market_id=self.reading.opening.market_id,
            next_number=self.last_number + 1,
            durability=durability,
        )


def recover(
    folder: Path,
    disk: Disk,
    vocabulary: Vocabulary[M],
    complain: Callable[[str], None],
    *,
    following: bool = False,
    wanted: Wanted = lambda snapshot: True,
) -> Recovered[M]:
    """The machine in `folder`, from the newest snapshot that is good and `wanted`; `complain` gets a line for
    each bad one.

    Raises DamageError and OtherFormat when there is no opening to be read, and OSError.
    """
    reading = Reading(folder, disk, vocabulary, following=following)
    good = good_snapshots(folder, reading.opening.market_id, vocabulary, complain)
    return Recovered(reading, disk, vocabulary, next(filter(wanted, good), None))
