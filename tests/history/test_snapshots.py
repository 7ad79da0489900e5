"""Snapshots and the way back from them: the newest good one and the rest of the journal are all of
the journal.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import msgspec
import pytest

from botpit.core.exchange import Exchange
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import DamageError
from botpit.history.journal.records import FORMAT
from botpit.history.journal.recovery import recover
from botpit.history.journal.segments import Durability, segment_name, segments
from botpit.history.journal.snapshots import (
    KEPT,
    Snapshot,
    good_snapshots,
    read_snapshot,
    snapshots,
    write_snapshot,
)
from botpit.history.replay import Replay
from botpit.history.vocabulary import EXCHANGE
from tests.kept_market import archive, fail, restored, states, stream_of, write_journal
from tests.laws.streams import Stream, opening

RECORDS, EVERY = 1_500, 200
BEGUN, COMMANDS = stream_of(5, RECORDS)


@pytest.fixture(scope="module")
def kept_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market with snapshots of records 1,400 and 1,500."""
    folder = tmp_path_factory.mktemp("once") / "market"
    write_journal(folder, BEGUN, COMMANDS, segment_bytes=30_000)
    archive(folder, snapshot_records=EVERY)
    assert [number for number, _ in snapshots(folder)] == [1_500, 1_400]
    return folder


@pytest.fixture(scope="module")
def last_state(kept_once: Path) -> str:
    return states(kept_once, [RECORDS])[RECORDS]


@pytest.fixture
def market(kept_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept_once, tmp_path / "market"))


# ------------------------------------------------------------------------------------- the way back


def test_from_every_snapshot_the_rest_of_the_journal_leads_to_the_same(tmp_path):
    folder = tmp_path / "market"
    write_journal(folder, BEGUN, COMMANDS, segment_bytes=30_000)
    after = states(folder, range(0, RECORDS + 1, EVERY))
    exchange = Exchange(BEGUN)
    for number, (command, now_ns) in enumerate(COMMANDS, start=1):
        exchange.apply(command, now_ns)
        if number % EVERY == 0:
            snapshot = Snapshot.of(EXCHANGE, exchange, number, {})
            assert snapshot.state_hash() == after[number]
            write_snapshot(folder, Disk(), EXCHANGE, snapshot)
            found = restored(folder)
            assert (found.snapshot, found.number, found.dropped) == (number, RECORDS, 0)
            assert found.state == states(folder, [RECORDS])[RECORDS]


def test_a_way_back_without_any_snapshot_is_the_journal_alone(market, last_state):
    for _, path in snapshots(market):
        path.unlink()
    found = restored(market)
    assert (found.snapshot, found.number, found.state) == (0, RECORDS, last_state)


def test_the_tail_and_what_was_kept_beside_are_handed_over(market):
    machine = recover(market, Disk(), EXCHANGE, fail).machine
    write_snapshot(
        market, Disk(), EXCHANGE, Snapshot.of(EXCHANGE, machine, RECORDS, {"mine": [1, "a"]})
    )
    market_again = recover(market, Disk(), EXCHANGE, fail)
    assert (market_again.number, market_again.beside, list(market_again.tail())) == (
        RECORDS,
        {"mine": [1, "a"]},
        [],
    )
    snapshots(market)[0][1].unlink()
    market_again = recover(market, Disk(), EXCHANGE, fail)
    assert [record.number for record in market_again.tail()] == list(range(1_401, RECORDS + 1))
    assert (market_again.last_number, market_again.torn) == (RECORDS, None)


def test_a_torn_end_is_told_and_cut_off(market):
    last = segments(market)[-1]
    whole = last.read_bytes()
    last.write_bytes(whole + b"15")
    recovered = recover(market, Disk(), EXCHANGE, fail)
    assert list(recovered.tail()) == []
    assert (
        str(recovered.torn) == f"{last}: dropped a torn end, 2 bytes from byte {len(whole)} on"
    )
    recovered.go_on(Durability.OS).close()
    assert last.read_bytes() == whole
    assert segments(market)[-1].name == segment_name(RECORDS + 1)
    assert restored(market).number == RECORDS


def test_a_damaged_record_before_the_snapshot_is_refused_too(market):
    path = segments(market)[2]
    path.write_bytes(path.read_bytes().replace(b"SIM", b"SIN", 1))
    with pytest.raises(DamageError, match=f"{path}, line "):
        restored(market)


def test_a_journal_that_ends_before_the_snapshot_is_refused(market):
    last = segments(market)[-1]
    whole = last.read_bytes()
    last.write_bytes(whole[:-1])
    place = rf"{last}, line {whole.count(bytes([10]))}, byte \d+"
    with pytest.raises(
        DamageError,
        match=f"{place}: record 1500 is missing, and there is a snapshot of record 1500",
    ):
        restored(market)
    last.unlink()
    with pytest.raises(
        DamageError,
        match=r"line \d+, byte \d+: record \d+ is missing, and there is a snapshot of record 1500",
    ):
        restored(market)


# ------------------------------------------------------------------------------ what is passed over


def assert_passed_over(market: Path, why: str, last_state: str, snapshot: int = 1_400) -> None:
    complaints: list[str] = []
    found = restored(market, complaints)
    assert (found.snapshot, found.number, found.state) == (snapshot, RECORDS, last_state)
    assert len(complaints) == (1 if snapshot else 2)
    assert all(
        f"{market}/snapshot-" in complaint and why in complaint for complaint in complaints
    ), complaints


def test_a_snapshot_with_a_flipped_bit_anywhere_is_passed_over_with_a_complaint(
    market, last_state
):
    path, rng = snapshots(market)[0][1], random.Random(3)
    whole = path.read_bytes()
    for place in [
        0,
        1,
        3,
        whole.index(b"\n"),
        len(whole) - 1,
        *(rng.randrange(len(whole)) for _ in range(15)),
    ]:
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        assert_passed_over(market, "not used", last_state)


@pytest.mark.parametrize("size", [0, 1, 50, 100, 2_000, -1])
def test_a_snapshot_that_was_cut_short_is_passed_over(market, last_state, size):
    path = snapshots(market)[0][1]
    path.write_bytes(path.read_bytes()[:size])
    assert_passed_over(market, "not used", last_state)


def test_when_none_is_good_all_of_the_journal_is_played(market, last_state):
    for _, path in snapshots(market):
        path.write_bytes(b"\xff\xfe")
    assert_passed_over(market, "its first line cannot be read", last_state, snapshot=0)


def test_a_snapshot_under_another_number_is_passed_over(market, last_state):
    path = snapshots(market)[0][1]
    path.rename(path.with_name("snapshot-000000001499.json"))
    assert_passed_over(market, "the checksum is another", last_state)


def test_a_snapshot_of_another_market_is_passed_over(market, last_state):
    exchange = Exchange(opening(6))
    stream = Stream(exchange, 6)
    for _ in range(100):
        exchange.apply(*stream.next())
    write_snapshot(market, Disk(), EXCHANGE, Snapshot.of(EXCHANGE, exchange, RECORDS, {}))
    assert_passed_over(market, "it is of market 'laws-6'", last_state)


@pytest.mark.parametrize(
    "version", [(FORMAT + 1, EXCHANGE.rules_version), (FORMAT, EXCHANGE.rules_version + 1)]
)
def test_a_snapshot_of_another_version_is_passed_over_by_name(market, last_state, version):
    path = snapshots(market)[0][1]
    head, _, rest = path.read_bytes().partition(b"\n")
    path.write_bytes(
        msgspec.json.encode([*version, *msgspec.json.decode(head)[2:]]) + b"\n" + rest
    )
    assert_passed_over(
        market,
        f"it is of format {version[0]} and rules {version[1]}, this program knows",
        last_state,
    )


def test_a_snapshot_that_goes_while_one_looks_is_no_trouble(market):
    good = good_snapshots(market, BEGUN.market_id, EXCHANGE, fail)
    next(good)
    snapshots(market)[1][1].unlink()
    assert list(good) == []


# ---------------------------------------------------------------------------------------- the files


def test_only_the_newest_are_kept(market):
    snapshot = read_snapshot(snapshots(market)[0][1], RECORDS, BEGUN.market_id, EXCHANGE)
    for number in (1_600, 1_700):
        write_snapshot(
            market, Disk(), EXCHANGE, Snapshot(number, snapshot.opening, {}, snapshot.state)
        )
    assert [number for number, _ in snapshots(market)] == [1_700, 1_600]
    assert KEPT == 2


def test_one_that_was_not_finished_is_none(market, last_state):
    """What a process leaves that is killed while it writes one, and what it does when it comes back."""
    newest = snapshots(market)[0][1]
    draft = newest.with_name(f".{newest.name}.draft")
    draft.write_bytes(newest.read_bytes()[:1_000])
    newest.unlink()
    found = restored(market)
    assert (found.snapshot, found.state) == (1_400, last_state)
    archive(market)
    assert snapshots(market)[0] == (RECORDS, newest)
    assert not draft.exists()


def test_the_same_state_is_the_same_text_whoever_comes_to_it(market):
    """Accounts are listed by name, not by when they came."""
    played = Replay(BEGUN)
    for number, (command, now_ns) in enumerate(COMMANDS, start=1):
        played.exchange.apply(command, now_ns)
        if number == 1_400:
            break
    snapshot = read_snapshot(snapshots(market)[1][1], 1_400, BEGUN.market_id, EXCHANGE)
    assert snapshot.state_hash() == played.state_hash()
    again = snapshot.restored(EXCHANGE)
    assert Snapshot.of(EXCHANGE, again, 1_400, {}).state == snapshot.state
    assert list(msgspec.json.decode(snapshot.state)["accounts"]) == sorted(
        played.exchange.accounts
    )
