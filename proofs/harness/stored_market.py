"""A seeded market on disk (tests/laws/streams.py) to be damaged and recovered, and the states it had.

It is written turn by turn, with snapshots, and restarted before its last thousand commands, so that these are
a segment of their own.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from botpit.core import accounts
from botpit.history.journal.disk import Disk
from botpit.history.journal.segments import Durability, Journal
from botpit.history.vocabulary import EXCHANGE
from tests.kept_market import archive, states, stream_of, write_journal, write_turns

REMEMBERED_ORDERS = 100
"""A trader's closed orders that the market remembers, so that its state is hashed in milliseconds."""
PLACE = re.compile(r".*/journal-\d{12}\.log, line \d+, byte \d+: .+")
"""How a journal that is refused says where."""


@dataclass(frozen=True)
class StoredMarket:
    """`expected`: the state hash after each record of the last segment, and after the one before it."""

    folder: Path
    snapshot: int
    expected: dict[int, str]


def make_market(
    folder: Path, seed: int, commands: int, durability: Durability = Durability.OS
) -> StoredMarket:
    """Its last segment, of that durability, holds a tenth of the commands, at most a thousand.

    The newest snapshot is just before it.
    """
    last = commands - min(1_000, commands // 10)
    begun, stream = stream_of(seed, commands)
    write_journal(folder, begun, stream[:last], segment_bytes=last * 110 // 5)
    archive(folder, snapshot_records=last // 4)
    journal = Journal(
        folder,
        Disk(),
        EXCHANGE,
        market_id=begun.market_id,
        next_number=last + 1,
        durability=durability,
    )
    write_turns(journal, stream[last:])
    journal.close()
    return StoredMarket(folder, last, states(folder, range(last, commands + 1)))


@contextmanager
def remembering_little() -> Iterator[None]:
    before = accounts.MAX_REMEMBERED_ORDERS
    accounts.MAX_REMEMBERED_ORDERS = REMEMBERED_ORDERS
    try:
        yield
    finally:
        accounts.MAX_REMEMBERED_ORDERS = before


@contextmanager
def copy_of(market: StoredMarket) -> Iterator[StoredMarket]:
    """A copy to damage, of this process alone, which remembers little."""
    with tempfile.TemporaryDirectory() as temporary, remembering_little():
        yield replace(
            market, folder=Path(shutil.copytree(market.folder, Path(temporary) / "market"))
        )
