"""The archive: all that a market said, byte for byte as it was sent, whatever happened to the
archivist in between.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from botpit.history.archive import reader as past_module
from botpit.history.archive.files import events_files
from botpit.history.archive.follower import Archivist
from botpit.history.archive.lines import read_line
from botpit.history.archive.reader import Past
from botpit.history.journal.disk import Disk
from botpit.history.journal.segments import segments
from botpit.history.journal.snapshots import snapshots
from tests.history.faulty_disk import FailingDisk
from tests.kept_market import (
    archive,
    begin_journal,
    fail,
    restored,
    states,
    stream_of,
    write_journal,
)
from tests.socketless.market import SocketlessMarket

RECORDS = 1_500
BEGUN, COMMANDS = stream_of(7, RECORDS)


def told() -> tuple[list[tuple[int, bytes, bytes]], dict[str, list[bytes]]]:
    """What an exchange says to everybody (seq, message, with the trader named), and to each trader."""
    market, private = SocketlessMarket(BEGUN), dict[str, list[bytes]]()
    for command, market.now_ns in COMMANDS:
        _, own, _ = market.does(command)
        for event in own:
            private.setdefault(event.trader, []).append(event.bytes("own"))
    return [
        (event.seq, event.bytes("public"), event.bytes("observer"))
        for event in market.feed.since(1)
    ], private


PUBLIC, PRIVATE = told()


def all_lines(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for _, path in events_files(folder))


@pytest.fixture(scope="module")
def kept_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market whose archive is complete, in several files."""
    folder = tmp_path_factory.mktemp("once") / "market"
    write_journal(folder, BEGUN, COMMANDS, segment_bytes=30_000)
    archive(folder, snapshot_records=400, file_bytes=100_000)
    assert len(events_files(folder)) > 3
    return folder


@pytest.fixture
def market(kept_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept_once, tmp_path / "market"))


# ------------------------------------------------------------------------------------- what is kept


def test_it_holds_every_public_event_as_it_was_sent(kept_once):
    kept = [read_line(text) for text in all_lines(kept_once).splitlines()]
    public = [
        (line.seq, bytes(line.message), bytes(line.full)) for line in kept if not line.trader
    ]
    assert public == PUBLIC
    assert {line.channel for line in kept if not line.trader} == {
        "trades",
        "orders",
        "positions",
        "liquidations",
        "status",
    }


def test_it_holds_every_private_event_as_it_was_sent_in_its_place(kept_once):
    seq, found = 0, dict[str, list[bytes]]()
    for text in all_lines(kept_once).splitlines():
        line = read_line(text)
        assert line.seq == (seq if line.trader else seq + 1)
        seq = line.seq
        if line.trader:
            found.setdefault(line.trader, []).append(bytes(line.message))
            assert line.account_seq == len(found[line.trader])
    assert found == PRIVATE


# ----------------------------------------------------------------------------------- who comes back


def test_an_archivist_that_is_ended_anywhere_comes_back_as_if_it_had_never_been_away(
    market, kept_once
):
    """Whatever it had written since its last snapshot is cut off and written again."""
    rng = random.Random(5)
    for path in [path for _, path in [*events_files(market), *snapshots(market)]]:
        path.unlink()
    number = 0
    while number < RECORDS:
        number += rng.randrange(1, 300)
        archive(market, snapshot_records=100, file_bytes=100_000, until=number)
        for _, path in events_files(market)[-1:]:
            with open(path, "ab") as file:
                file.write(b'{"seq":1,"mess'[: rng.randrange(15)])
    archive(market, snapshot_records=100, file_bytes=100_000)
    assert [path.name for _, path in events_files(market)] == [
        path.name for _, path in events_files(kept_once)
    ]
    assert all_lines(market) == all_lines(kept_once)


@pytest.mark.parametrize(
    "lost", ["the first file", "the last file", "every file", "an end", "every snapshot"]
)
def test_what_is_deleted_is_made_again(market, kept_once, lost):
    files = [path for _, path in events_files(market)]
    if lost == "an end":
        files[-1].write_bytes(files[-1].read_bytes()[:-10])
    gone = {"the first file": files[:1], "the last file": files[-1:], "every file": files,
            "every snapshot": [path for _, path in snapshots(market)]}.get(lost, [])  # fmt: skip
    for path in gone:
        path.unlink()
    archive(market, snapshot_records=400, file_bytes=100_000)
    assert all_lines(market) == all_lines(kept_once)
    assert restored(market).snapshot == RECORDS


def test_the_state_is_never_taken_from_it(market):
    state = restored(market).state
    for _, path in events_files(market):
        path.write_bytes(b"nonsense\n")
    assert restored(market).state == state == states(market, [RECORDS])[RECORDS]


def test_it_follows_a_journal_that_is_being_written(tmp_path, kept_once):
    folder = tmp_path / "market"
    journal = begin_journal(folder, BEGUN, segment_bytes=30_000)
    archivist = Archivist(
        folder, Disk(), following=True, complain=fail, snapshot_records=400, file_bytes=100_000
    )
    news = archivist.news()
    for number, (command, now_ns) in enumerate(COMMANDS, start=1):
        journal.append(command, now_ns)
        if number % 25 == 0 or number == RECORDS:
            journal.write()
            while (record := next(news)) is not None:
                archivist.apply(record)
            archivist.flush()
            assert (archivist.number, Past(folder).span()[1]) == (
                number,
                archivist.sequencer.numbers.seq,
            )
    archivist.close()
    journal.close()
    assert all_lines(folder) == all_lines(kept_once)


def test_what_a_snapshot_stands_on_is_durable_before_it(tmp_path):
    folder, disk = tmp_path / "market", FailingDisk()
    write_journal(folder, BEGUN, COMMANDS[:200], segment_bytes=3_000)
    keeper = Archivist(folder, disk, following=False, complain=fail)
    for record in keeper.news():
        keeper.apply(record)
    disk.calls.clear()
    keeper.close()
    synced = ["sync_file"] * (
        len(segments(folder)) - 1
    )  # the first has been since the market was begun
    assert disk.calls == ["write", "sync", *synced, "open", "write", "sync", "sync_folder"]


def test_an_archivist_killed_while_it_writes_leaves_the_older_snapshot(market, kept_once):
    """A real process that kills itself: half a draft written, not synced, named but the old ones
    still there, and so on.
    """
    for path in [path for _, path in [*events_files(market), *snapshots(market)]]:
        path.unlink()
    state, begun = states(market, [RECORDS])[RECORDS], [0]
    for call, count in (
        ("write draft", 2),
        ("sync draft", 2),
        ("remove", 1),
        ("sync_folder", 2),
        ("write", 5),
    ):
        died = archivist(market, call, count)
        assert (died.returncode, died.stdout) == (-signal.SIGKILL, f"{call}\n"), died
        found = restored(market)
        begun.append(found.snapshot)
        assert (found.number, found.state) == (RECORDS, state)
    assert begun[:-1] == [0, 100, 200, 300, 500] and begun[-1] > 500
    assert archivist(market, "any", 0).returncode == 0
    assert all_lines(market) == all_lines(kept_once)
    assert not list(market.glob(".*.draft"))


def archivist(folder: Path, call: str, count: int) -> subprocess.CompletedProcess[str]:
    argv = [
        sys.executable,
        str(Path(__file__).with_name("dying_archivist.py")),
        str(folder),
        call,
        str(count),
    ]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


# ------------------------------------------------------------------------------------- what is read


def test_the_past_from_any_event_on(kept_once, monkeypatch):
    monkeypatch.setattr(past_module, "NEAR_BYTES", 1_000)
    past, last = Past(kept_once), PUBLIC[-1][0]
    assert past.span() == (1, last)
    for seq in [
        1,
        2,
        *(first + step for first, _ in events_files(kept_once)[1:] for step in (-1, 0, 1)),
        last,
        last + 1,
    ]:
        assert [(each.seq, each.public, each.observer) for each in past.since(seq)] == PUBLIC[
            seq - 1 :
        ]


@pytest.mark.parametrize("most", [1, 10, 700, 10**6])
def test_the_last_private_events(kept_once, most):
    found = Past(kept_once).private(most, lambda line: line.trader in ("alice", "bob"))
    every = [read_line(text) for text in all_lines(kept_once).splitlines()]
    assert found == [line for line in every if line.trader in ("alice", "bob")][-most:]


def test_an_archive_that_has_not_begun_has_no_past(tmp_path):
    past = Past(tmp_path)
    assert (past.span(), list(past.since(1)), past.private(5, lambda line: True)) == (
        (1, 0),
        [],
        [],
    )
    (tmp_path / "events-000000000001.jsonl").touch()
    assert (past.span(), list(past.since(1)), past.private(5, lambda line: True)) == (
        (1, 0),
        [],
        [],
    )


def test_a_file_that_has_just_begun_hides_nothing(market):
    (market / f"events-{PUBLIC[-1][0] + 1:012d}.jsonl").touch()
    assert Past(market).span() == (1, PUBLIC[-1][0])
    assert len(list(Past(market).since(1))) == len(PUBLIC)
    assert (
        Past(market).private(10**6, lambda line: True)
        == Past(market).private(10**7, lambda line: True)
        != []
    )


def test_a_missing_file_is_a_hole_over_which_nothing_is_told(market):
    first, path = events_files(market)[1]
    following = events_files(market)[2][0]
    path.unlink()
    past = Past(market)
    assert past.span() == (following, PUBLIC[-1][0])
    assert [line.seq for line in past.since(1)] == list(range(1, first))
    assert [line.seq for line in past.since(following)] == list(
        range(following, PUBLIC[-1][0] + 1)
    )
    assert list(past.since(first)) == []
    assert min(line.seq for line in past.private(10**6, lambda line: True)) >= following - 1


def test_a_line_that_cannot_be_read_ends_what_is_told(market):
    (first, path), (following, _) = events_files(market)[1:3]
    texts = path.read_bytes().splitlines(keepends=True)
    bad = read_line(texts[5]).seq
    path.write_bytes(b"".join([*texts[:5], b"\0" * 200_000, *texts[5:]]))
    past = Past(market)
    assert [line.seq for line in past.since(first)] == list(range(first, bad)) or bad == first
    assert min(line.seq for line in past.private(10**6, lambda line: True)) >= following - 1


def test_half_a_line_at_the_end_is_not_there_yet(market):
    path = events_files(market)[-1][1]
    with open(path, "ab") as file:
        file.write(PUBLIC[-1][1][:-20])
    assert Past(market).span() == (1, PUBLIC[-1][0])
    assert len(list(Past(market).since(1))) == len(PUBLIC)


def test_a_large_market_is_written_out_less_often(tmp_path):
    """With 400 orders known, a snapshot each 20 records would write out 20 orders for each record
    that is replayed.
    """
    write_journal(tmp_path, BEGUN, COMMANDS)
    archivist = Archivist(tmp_path, Disk(), following=False, complain=fail, snapshot_records=20)
    taken, orders = [0], []
    for record in archivist.news():
        archivist.apply(record)
        if len(snapshots(tmp_path)) and snapshots(tmp_path)[-1][0] > taken[-1]:
            taken.append(record.number)
            orders.append(
                sum(account.order_count() for account in archivist.exchange.accounts.values())
            )
    archivist.close()
    distances = [after - before for before, after in pairwise(taken)]
    assert distances[0] == 20 and distances[-1] > 20
    assert all(later >= known // 4 for known, later in zip(orders, distances[1:], strict=False))
