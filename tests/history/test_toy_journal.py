"""A journal of another machine than the exchange: a till that takes coins, in a vocabulary of three words.

The journal knows no exchange. It is handed what it has to know about a machine, so anything that
has commands and a state can be recorded, recovered and snapshotted with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import DamageError, Reading
from botpit.history.journal.records import OtherFormat, Vocabulary
from botpit.history.journal.recovery import recover
from botpit.history.journal.segments import Durability, Journal, begin_market, segments
from botpit.history.journal.snapshots import Snapshot, snapshots, state_text, write_snapshot


class Till(Struct):
    """A till opens empty."""

    market_id: str
    coin: int


class Put(Struct):
    coins: int


class Take(Struct):
    """It lies in a line in its own way: what it takes first, and who takes it after that."""

    who: str
    coins: int

    def values(self) -> tuple[Any, ...]:
        return self.coins, self.who

    @staticmethod
    def of(coins: int, who: str) -> Take:
        return Take(who, coins)


class Machine:
    """What is in the till, and who took something from it, in order."""

    def __init__(self, opening: Till) -> None:
        self.opening = opening
        self.coins = 0
        self.takers: list[str] = []

    def apply(self, command: Put | Take) -> None:
        if isinstance(command, Put):
            self.coins += command.coins
        else:
            self.coins -= command.coins
            self.takers.append(command.who)


def restored(opening: Till, state: dict[str, Any]) -> Machine:
    machine = Machine(opening)
    machine.coins, machine.takers = state["coins"], state["takers"]
    return machine


def vocabulary(
    rules_version: int = 7, kinds: tuple[type, ...] = (Put, Take)
) -> Vocabulary[Machine]:
    return Vocabulary(
        opening=Till,
        kinds=kinds,
        rules_version=rules_version,
        start=Machine,
        capture=lambda machine: {"coins": machine.coins, "takers": machine.takers},
        restore=restored,
        opening_of=lambda machine: machine.opening,
    )


WORDS = vocabulary()
OPENING = Till("till-1", 5)
COMMANDS = [Put(10), Take("ann", 3), Put(1), Take("bob", 2), Take("ann", 1)]


def nobody_complains(why: str) -> None:
    raise AssertionError(why)


def play(market: Any) -> Machine:
    for record in market.tail():
        market.machine.apply(record.command)
    return market.machine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The journal of a till, with a snapshot of record 2."""
    path = tmp_path / "till"
    begin_market(path, Disk(), WORDS, OPENING)
    journal = Journal(
        path,
        Disk(),
        WORDS,
        market_id="till-1",
        next_number=1,
        durability=Durability.OS,
        segment_bytes=60,
    )
    machine = Machine(OPENING)
    for number, command in enumerate(COMMANDS, start=1):
        journal.append(command, 100 * number)
        journal.write()
        machine.apply(command)
        if number == 2:
            write_snapshot(
                path, Disk(), WORDS, Snapshot.of(WORDS, machine, 2, {"beside": [number]})
            )
    journal.close()
    return path


def test_its_commands_are_read_as_they_were(folder):
    reading = Reading(folder, Disk(), WORDS)
    assert reading.opening == OPENING
    assert [(each.number, each.now_ns, each.command) for each in reading.records()] == [
        (number, 100 * number, command) for number, command in enumerate(COMMANDS, start=1)
    ]
    assert len(segments(folder)) > 2


def test_a_kind_may_lie_in_a_line_in_its_own_way(folder):
    written = b"".join(path.read_bytes() for path in segments(folder))
    assert b'2 200 Take [3,"ann"] ' in written and b'0 0 Open [1,7,"till-1",5] ' in written


@pytest.mark.parametrize("snapshot", [2, 0])
def test_it_is_recovered_with_and_without_a_snapshot(folder, snapshot):
    market = recover(
        folder, Disk(), WORDS, nobody_complains, wanted=lambda each: each.number == snapshot
    )
    assert (market.number, market.beside) == (snapshot, {"beside": [2]} if snapshot else {})
    machine = play(market)
    assert (machine.coins, machine.takers, market.last_number) == (5, ["ann", "bob", "ann"], 5)
    assert state_text(WORDS, machine) == b'{"coins":5,"takers":["ann","bob","ann"]}'


def test_it_continues_behind_its_last_record(folder):
    market = recover(folder, Disk(), WORDS, nobody_complains)
    play(market)
    journal = market.go_on(Durability.OS)
    journal.append(Take("eve", 5), 600)
    journal.write()
    journal.close()
    again = recover(folder, Disk(), WORDS, nobody_complains)
    assert (play(again).takers[-1], again.last_number) == ("eve", 6)


def test_a_torn_end_is_dropped_and_damage_is_refused(folder):
    last = segments(folder)[-1]
    whole = last.read_bytes()
    with last.open("ab") as file:
        file.write(b"6 600 Pu")
    market = recover(folder, Disk(), WORDS, nobody_complains)
    play(market)
    assert market.torn is not None and market.torn.dropped == 8
    last.write_bytes(whole.replace(b'"ann"', b'"bob"'))
    with pytest.raises(DamageError, match="the checksum is another"):
        play(recover(folder, Disk(), WORDS, nobody_complains))


@pytest.mark.parametrize(("other", "why"), [
    (vocabulary(rules_version=8), "version 1 and 7, this program knows 1 and 8"),
    (vocabulary(kinds=(Put,)), "record 2 is a command of kind b'Take', which this program does not know"),
], ids=["other rules", "an unknown kind"])  # fmt: skip
def test_another_vocabulary_refuses_it_by_name(folder, other, why):
    for _, path in snapshots(folder):
        path.unlink()
    with pytest.raises(OtherFormat, match=why):
        play(recover(folder, Disk(), other, nobody_complains))
