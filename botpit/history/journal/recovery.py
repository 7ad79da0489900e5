"""The way back: the newest good snapshot, and the records after it.

Whoever recovers applies those records himself, because he makes more of them than the state alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from botpit.core.exchange import Exchange
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import DamageError, Reading, Torn
from botpit.history.journal.records import Record
from botpit.history.journal.segments import Durability, Journal
from botpit.history.journal.snapshots import Snapshot, good_snapshots

Wanted = Callable[[Snapshot], bool]


class Recovered:
    """A market as of record `number`: that of a snapshot with what was kept `beside` it, or 0 and nothing beside."""

    def __init__(self, reading: Reading, disk: Disk, snapshot: Snapshot | None) -> None:
        self.reading = reading
        self._disk = disk
        self.number = snapshot.number if snapshot else 0
        self.exchange = snapshot.exchange() if snapshot else Exchange(reading.opening)
        self.beside: dict[str, Any] = snapshot.beside if snapshot else {}

    def tail(self) -> Iterator[Record]:
        """The records still to be applied, in order. Raises what `Reading` raises."""
        return (record for record in self.news() if record is not None)

    def news(self) -> Iterator[Record | None]:
        """The same, with None whenever a follower has all there is for now."""
        yield from self.reading.news(self.number)
        if self.last_number < self.number:
            missing = f"record {self.last_number + 1} is missing, and there is a snapshot of record {self.number}"
            raise DamageError(f"{self.reading.end}: {missing}")

    @property
    def last_number(self) -> int:
        """Once the tail has been gone through: the last record there is."""
        return self.reading.last_number

    @property
    def torn(self) -> Torn | None:
        """Once the tail has been gone through: an end that is no record."""
        return self.reading.torn

    def go_on(self, durability: Durability) -> Journal:
        """Once the tail has been gone through: the journal behind its last record, the torn end taken off the disk.

        Raises OSError.
        """
        self.reading.cut_off()
        return Journal(
            self.reading.folder, self._disk, market_id=self.reading.opening.market_id, next_number=self.last_number + 1,
            durability=durability,
        )


def recover(
    folder: Path, disk: Disk, complain: Callable[[str], None], *, following: bool = False, wanted: Wanted = lambda snapshot: True
) -> Recovered:
    """The market in `folder`, from the newest snapshot that is good and `wanted`; `complain` is told of those that are bad.

    Raises DamageError and OtherFormat when there is no opening to be read, and OSError.
    """
    reading = Reading(folder, disk, following=following)
    good = good_snapshots(folder, reading.opening.market_id, complain)
    return Recovered(reading, disk, next(filter(wanted, good), None))
