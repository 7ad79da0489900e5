"""Markets on disk for tests: a seeded stream of commands in a journal, archived, and what the
market was after any record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from botpit.core.commands import Command, Open
from botpit.core.exchange import Exchange
from botpit.history.archive.follower import Archivist
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import Reading
from botpit.history.journal.recovery import Recovered, recover
from botpit.history.journal.segments import Durability, Journal, begin_market
from botpit.history.journal.snapshots import state_text
from botpit.history.replay import Replay
from botpit.history.vocabulary import EXCHANGE
from tests.laws.streams import Stream, opening

LINES_PER_TURN = 7


def stream_of(seed: object, count: int) -> tuple[Open, list[tuple[Command, int]]]:
    """A market's opening, and commands for it with their times."""
    begun = opening(seed)
    exchange = Exchange(begun)
    stream, commands = Stream(exchange, seed), []
    for _ in range(count):
        commands.append(stream.next())
        exchange.apply(*commands[-1])
    return begun, commands


def begin_journal(
    folder: Path, opening: Open, *, disk: Disk | None = None, **how: Any
) -> Journal:
    """The journal of a new market, as an exchange begins it; `how` as for `new_journal`."""
    disk = disk or Disk()
    begin_market(folder, disk, EXCHANGE, opening)
    return new_journal(folder, opening, disk=disk, **how)


def new_journal(
    folder: Path,
    opening: Open,
    *,
    disk: Disk,
    segment_bytes: int = 2**30,
    durability: Durability = Durability.OS,
) -> Journal:
    """That of a market which has just begun, in its folder."""
    return Journal(
        folder,
        disk,
        EXCHANGE,
        market_id=opening.market_id,
        next_number=1,
        durability=durability,
        segment_bytes=segment_bytes,
    )


def write_journal(
    folder: Path, begun: Open, commands: Iterable[tuple[Command, int]], **how: Any
) -> None:
    """The market's journal (`how` it is begun), written turn by turn as an exchange does."""
    journal = begin_journal(folder, begun, **how)
    write_turns(journal, commands)
    journal.close()


def write_turns(journal: Journal, commands: Iterable[tuple[Command, int]]) -> None:
    """Append the commands, and write and sync as a market does that has some of them in each turn."""
    for number, (command, now_ns) in enumerate(commands, start=1):
        journal.append(command, now_ns)
        if number % LINES_PER_TURN == 0:
            journal.write()
            if journal.holds:
                journal.sync()
    journal.write()


def fail(why: str) -> None:
    """A complaint about a snapshot where none is expected."""
    raise AssertionError(why)


def archive(
    folder: Path, *, snapshot_records: int = 2**30, file_bytes: int = 2**30, until: int = 2**30
) -> Archivist:
    """Bring the archive up to date, or to a record; at the very end there is a snapshot, at a
    record before it not.
    """
    archivist = Archivist(
        folder,
        Disk(),
        following=False,
        complain=fail,
        snapshot_records=snapshot_records,
        file_bytes=file_bytes,
    )
    for record in archivist.news():
        assert record is not None
        if record.number > until:
            archivist.flush()
            return archivist
        archivist.apply(record)
    archivist.close()
    return archivist


def states(folder: Path, numbers: Iterable[int]) -> dict[int, str]:
    """The state hash after each of these records, by replay from the very beginning."""
    reading, wanted = Reading(folder, Disk(), EXCHANGE), set(numbers)
    played = Replay(reading.opening)
    found = {0: played.state_hash()} if 0 in wanted else {}
    for record in reading.records():
        played.apply(record)
        if record.number in wanted:
            found[record.number] = played.state_hash()
    return found


@dataclass
class Restored:
    """What a recovery came to: the state after record `number`, `dropped` bytes of a torn end,
    going on from `snapshot`.
    """

    number: int
    state: str
    dropped: int
    snapshot: int


def restored(
    folder: Path,
    complaints: list[str] | None = None,
    *,
    recover: Callable[..., Recovered[Exchange]] = recover,
) -> Restored:
    """Recover as an exchange does, or by another way. Raises DamageError."""
    market = recover(
        folder, Disk(), EXCHANGE, fail if complaints is None else complaints.append
    )
    for record in market.tail():
        market.machine.apply(record.command, record.now_ns)
    state = sha256(state_text(EXCHANGE, market.machine)).hexdigest()
    return Restored(
        market.last_number, state, market.torn.dropped if market.torn else 0, market.number
    )
