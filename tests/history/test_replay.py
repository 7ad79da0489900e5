"""`botpit replay`: fingerprints that are the same everywhere, every past state, and a clear word
about what is wrong.
"""

from __future__ import annotations

import gc
import os
import random
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from botpit.cli.replay import main
from botpit.core.commands import BUY, SELL, Deposit, Login, Open, Order
from botpit.core.events import OrderReduced, OrderRemoved
from botpit.history.archive.files import events_files
from botpit.history.archive.lines import read_line
from botpit.history.journal.disk import Disk
from botpit.history.journal.folder import CURRENT, DataFolder
from botpit.history.journal.reading import Reading
from botpit.history.journal.segments import Durability, Journal, segments
from botpit.history.journal.snapshots import Snapshot, read_snapshot, snapshots, write_snapshot
from botpit.history.replay import Replay
from botpit.history.vocabulary import EXCHANGE
from botpit.settings import parse_settings
from tests.kept_market import archive, states, stream_of, write_journal

HOUSE = Path(__file__).resolve().parents[2]
RECORDS = 1_000
BEGUN, COMMANDS = stream_of(9, RECORDS)
SECOND_NS = 1_000_000_000
COMMAND = "import sys; from botpit.cli.replay import main; sys.exit(main())"


class Told:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        found = dict(re.findall(r"(state|events) +([0-9a-f]{64})", out))
        self.state, self.events = found.get("state"), found.get("events")


@pytest.fixture
def replay(capsys):
    """Runs the command and hears what it says."""

    def run(*argv: object) -> Told:
        code = main(list(map(str, argv)))
        return Told(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def kept_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("once") / "market"
    write_journal(folder, BEGUN, COMMANDS, segment_bytes=30_000)
    archive(folder, snapshot_records=300)
    return folder


@pytest.fixture
def market(kept_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept_once, tmp_path / "market"))


# ------------------------------------------------------------------------------------- fingerprints


def test_it_tells_the_state_and_the_events_by_their_hashes(replay, kept_once):
    told = replay(kept_once)
    assert (told.code, told.err) == (0, "")
    assert (
        told.out.splitlines()[0]
        == f"market  {BEGUN.market_id}, 1,000 records, {last_seq(kept_once):,} public events,"
        " until 1970-01-01T00:00:37Z"
    )
    assert told.state == states(kept_once, [RECORDS])[RECORDS]
    assert told.events is not None
    assert len(told.out.splitlines()) == 3


def last_seq(folder: Path) -> int:
    return read_line(events_files(folder)[-1][1].read_bytes().splitlines()[-1]).seq


def test_other_commands_other_hashes(replay, tmp_path, kept_once):
    first = replay(kept_once)
    write_journal(tmp_path / "m", BEGUN, COMMANDS[:-1])
    assert (
        replay(tmp_path / "m").events != first.events
        or replay(tmp_path / "m").state != first.state
    )
    changed = [
        (command, now_ns + (number == 5)) for number, (command, now_ns) in enumerate(COMMANDS)
    ]
    write_journal(tmp_path / "n", BEGUN, changed)
    assert replay(tmp_path / "n").events != first.events


def test_two_kinds_of_events_with_the_same_integers_are_told_apart():
    hashes = set()
    for kind in (OrderReduced, OrderRemoved):
        played = Replay(BEGUN)
        played.hash([kind(1, "SIM", "alice", BUY, 100, 5, 1)])
        hashes.add(played.events_hash())
    assert len(hashes) == 2


def test_the_same_hashes_in_every_process_whatever_its_hash_seed(kept_once, replay):
    rng, here = random.Random(), replay(kept_once)
    seeds = ["0", str(rng.randrange(2**32)), str(rng.randrange(2**32))]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, kept_once], cwd=HOUSE, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "TZ": "Asia/Kathmandu"},
        )
        for seed in seeds
    ]  # fmt: skip
    assert {process.communicate()[0] for process in running} == {here.out}, seeds


def test_a_data_folder_stands_for_its_present_market(replay, tmp_path, kept_once):
    data = DataFolder(tmp_path / "data", Disk())
    shutil.copytree(kept_once, data.folder_of("old"))
    folder = data.begin(EXCHANGE, BEGUN)
    assert "0 records, 0 public events" in replay(tmp_path / "data").out
    data.set_current(data.folder_of("old"))
    assert replay(tmp_path / "data").out == replay(kept_once).out
    assert replay(folder).out != replay(kept_once).out
    data.close()


def test_nothing_is_written_where_it_reads(replay, market):
    before = {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in [market, *market.iterdir()]
    }
    replay(market, "--verify")
    assert {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in [market, *market.iterdir()]
    } == before


# ------------------------------------------------------------------------------------------- verify


def test_verify_holds_the_replay_against_every_snapshot(replay, kept_once):
    told = replay(kept_once, "--verify")
    assert (told.code, told.out.splitlines()[-1]) == (0, "snapshots that agree: 2")


def test_a_snapshot_that_does_not_agree_is_named(replay, market):
    snapshot = read_snapshot(snapshots(market)[1][1], 900, BEGUN.market_id, EXCHANGE)
    state = snapshot.state.replace(b'"fees":', b'"fees":1', 1)
    write_snapshot(market, Disk(), EXCHANGE, Snapshot(900, BEGUN, {}, state))
    told = replay(market, "--verify")
    assert (told.code, told.out) == (4, "")
    assert (
        told.err
        == "error: the snapshot of record 900 is not the state that the journal leads to\n"
    )
    assert replay(market).code == 0


def test_a_damaged_snapshot_is_named(replay, market):
    path = snapshots(market)[0][1]
    path.write_bytes(path.read_bytes()[:-5])
    told = replay(market, "--verify")
    assert (told.code, told.err) == (4, f"error: {path}: not used: the checksum is another\n")


def test_a_snapshot_of_what_the_journal_has_lost_is_named(replay, market):
    path = segments(market)[-1]
    path.write_bytes(path.read_bytes()[:-5])
    told = replay(market, "--verify")
    assert told.code == 4
    lost = "the journal ends before record 1000, of which there is a snapshot"
    assert re.fullmatch(rf"error: {path}, line \d+, byte \d+: {lost}\n", told.err)


def test_money_from_nowhere_is_noticed(replay, market, monkeypatch):
    monkeypatch.setattr(
        "botpit.core.ledger.Ledger.deposit",
        lambda self, account, amount: self.pay(account, amount),
    )
    assert any(isinstance(command, Deposit) and command.amount for command, _ in COMMANDS)
    for _, path in snapshots(market):
        path.unlink()
    told = replay(market, "--verify")
    assert told.code == 4
    assert re.fullmatch(
        r"error: after record 1000 \d+ units of money are not accounted for\n", told.err
    )


# -------------------------------------------------------------------------------------------- until


def test_until_an_event(replay, kept_once):
    """The last record is the one that brought the event."""
    reading = Reading(kept_once, Disk(), EXCHANGE)
    played = Replay(reading.opening)
    seqs = [
        0,
        *(played.seq for record in reading.records() if played.apply(record) is not None),
    ]
    for seq in (1, 499, 500, 501):
        records = next(number for number, reached in enumerate(seqs) if reached >= seq)
        told = replay(kept_once, "--until", seq, "--verify")
        assert f", {records} records, {seqs[records]} public events" in told.out
        assert told.state == states(kept_once, [records])[records]
        assert "snapshots" not in told.out


@pytest.mark.parametrize(
    "text",
    ["1970-01-01T00:00:09.25Z", "1970-01-01T00:00:09.250", "1970-01-01T01:00:09.25+01:00"],
)
def test_until_a_time(replay, kept_once, text):
    until_ns = 9 * SECOND_NS + SECOND_NS // 4
    expected = sum(now_ns < until_ns for _, now_ns in COMMANDS)
    assert 0 < expected < RECORDS
    told = replay(kept_once, "--until", text)
    assert f", {expected} records, " in told.out
    assert told.state == states(kept_once, [expected])[expected]


def test_a_record_of_that_very_time_is_no_longer_part_of_it(replay, tmp_path):
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    begin_ns = int(at.timestamp()) * SECOND_NS
    write_journal(
        tmp_path / "m",
        BEGUN,
        [(Login("alice"), begin_ns + step) for step in (-1, 0, 1, 999, 1_000)],
    )
    assert ", 1 records, " in replay(tmp_path / "m", "--until", "2026-01-31T12:00:00Z").out
    assert (
        ", 4 records, " in replay(tmp_path / "m", "--until", "2026-01-31T12:00:00.000001Z").out
    )


def test_snapshots_after_the_end_are_not_asked(replay, kept_once):
    told = replay(kept_once, "--verify", "--until", last_seq(kept_once) - 20)
    assert (told.code, told.out.splitlines()[-1]) == (0, "snapshots that agree: 1")


@pytest.mark.parametrize("text", ["", "yesterday", "-5", "1.5", "2026-13-01", "\u0665\u00b2"])
def test_what_is_no_moment_is_refused(replay, kept_once, text, capsys):
    with pytest.raises(SystemExit) as ended:
        replay(kept_once, "--until", text)
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


# ------------------------------------------------------------------------------------------- events


def test_the_events_are_those_of_the_archive(replay, kept_once, tmp_path):
    assert replay(kept_once, "--events", tmp_path / "all.jsonl").code == 0
    assert (tmp_path / "all.jsonl").read_bytes() == b"".join(
        path.read_bytes() for _, path in events_files(kept_once)
    )
    assert replay(kept_once, "--events", tmp_path / "some.jsonl", "--until", 300).code == 0
    some = (tmp_path / "some.jsonl").read_bytes()
    assert (tmp_path / "all.jsonl").read_bytes().startswith(some) and read_line(
        some.splitlines()[-1]
    ).seq >= 300


def test_a_file_that_is_there_stays_as_it_is(replay, kept_once, tmp_path):
    (tmp_path / "mine").write_text("dear diary")
    told = replay(kept_once, "--events", tmp_path / "mine")
    assert (told.code, told.err) == (
        2,
        f"error: {tmp_path}/mine exists already; name a new file\n",
    )
    assert (tmp_path / "mine").read_text() == "dear diary"


def test_a_folder_that_is_not_there_is_named(replay, kept_once, tmp_path):
    told = replay(kept_once, "--events", tmp_path / "no" / "events")
    assert told.code == 2
    assert "no/events" in told.err


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="this system has no disk that is always full"
)
def test_a_full_disk_is_told(replay, kept_once, tmp_path, monkeypatch):
    full_disk = lambda path, mode: open("/dev/full", "wb")  # noqa: E731, SIM115
    monkeypatch.setattr("botpit.cli.replay.open", full_disk, raising=False)
    told = replay(kept_once, "--events", tmp_path / "events")
    assert (told.code, told.err) == (5, f"error: {tmp_path}/events: No space left on device\n")


# ------------------------------------------------------------------------------------------- faults


def test_a_torn_end_is_told(replay, market):
    for _, path in snapshots(market):
        path.unlink()
    path = segments(market)[-1]
    path.write_bytes(path.read_bytes() + b"1001 5")
    told = replay(market, "--verify")
    size = path.stat().st_size - 6
    assert (told.code, told.out.splitlines()[-1]) == (
        0,
        f"torn end: 6 bytes of {path.name} from byte {size} on are not a record",
    )


def test_damage_is_told_with_its_place(replay, market):
    path = segments(market)[2]
    path.write_bytes(path.read_bytes()[:-5])
    told = replay(market)
    assert (told.code, told.out) == (4, "")
    assert re.fullmatch(rf"error: {path}, line \d+, byte \d+: the line has no end\n", told.err)


def test_what_the_damage_holds_does_not_reach_the_terminal(replay, market):
    path = segments(market)[0]
    path.write_bytes(path.read_bytes().replace(b"laws-9", b"\x1b[2J\x1b"))
    (market / "x\x1b[2J").mkdir()
    for told in (replay(market), replay(market / "x\x1b[2J")):
        assert told.code in (2, 4) and told.err.count("\n") == 1 and told.err.isascii()
        assert told.err.rstrip("\n").isprintable()


def test_what_a_stranger_s_journal_holds_does_not_either(replay, tmp_path):
    commands = [
        (Order(f"\x1b[2J{trader}\n", "SIM", BUY, 1, 9_000, client_order_id="\r\x9b"), 1)
        for trader in ("alice", "bob")
    ]
    write_journal(tmp_path / "m", Open("\x1b]0;", BEGUN.rules, BEGUN.instruments), commands)
    for show in ("accounts", "orders", "book"):
        assert all(
            line.isprintable()
            for line in replay(tmp_path / "m", "--show", show).out.split("\n")
        )


def test_a_folder_without_a_journal_is_told(replay, tmp_path):
    told = replay(tmp_path)
    assert (told.code, told.err) == (
        2, f"error: {tmp_path}: there is no journal here; name an exchange's --data-dir or a market's folder\n"
    )  # fmt: skip
    assert replay(tmp_path / "nowhere").code == 2
    (tmp_path / CURRENT).write_text("market-x\n")
    assert replay(tmp_path).code == 4


# ------------------------------------------------------------------------------------ what is shown


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Alice bought five of bob's seven; carol bids below."""
    settings = parse_settings("[market]\ntaker_fee_bps = 10")
    opening = Open("small", settings.rules(), settings.engine_instruments())
    orders = [
        Order("bob", "SIM", SELL, 7, 10_000, client_order_id="b1"), Order("alice", "SIM", BUY, 5, 10_000),
        Order("carol", "SIM", BUY, 2, 9_950, client_order_id="c1"), Order("carol", "SIM", BUY, 3, 9_950),
        Order("carol", "SIM", BUY, 1, 9_900),
    ]  # fmt: skip
    write_journal(
        tmp_path / "small",
        opening,
        [(order, 10**18 + number) for number, order in enumerate(orders)],
    )
    return tmp_path / "small"


def test_show_book(replay, small):
    assert replay(small, "--show", "book").out.splitlines()[4:] == [
        "SIM: open, mark 100.0",
        "side  price  lots  orders", "ask   100.0  2     1", "bid   99.5   5     2", "bid   99.0   1     1",
    ]  # fmt: skip


def test_show_accounts(replay, small):
    assert replay(small, "--show", "accounts").out.splitlines()[4:] == [
        "trader  status  cash      equity    positions", "bob     active  10000.00  10000.00  -5 SIM",
        "alice   active  9999.50   9999.50   +5 SIM", "carol   active  10000.00  10000.00  0",
        "@fees 0.50, @insurance 0.00",
    ]  # fmt: skip


def test_show_orders(replay, small):
    assert replay(small, "--show", "orders").out.splitlines()[4:] == [
        "order  trader  symbol  side  price  leaves  qty  client order", "1      bob     SIM     sell  100.0  2       7    b1",
        "3      carol   SIM     buy   99.5   2       2    c1", "4      carol   SIM     buy   99.5   3       3    -",
        "5      carol   SIM     buy   99.0   1       1    -",
    ]  # fmt: skip


def test_a_market_in_which_nothing_happened(replay, tmp_path):
    write_journal(tmp_path / "m", BEGUN, [])
    told = replay(tmp_path / "m", "--verify", "--show", "orders")
    assert (
        told.code,
        ", 0 records, 0 public events, until 1970-01-01T00:00:00Z" in told.out,
    ) == (0, True)


def test_a_time_that_no_calendar_has(replay, tmp_path):
    write_journal(tmp_path / "m", BEGUN, [(Login("alice"), 10**40)])
    assert f" until {10**40} ns\n" in replay(tmp_path / "m").out


def test_a_market_makes_no_garbage_that_is_not_freed_at_once(kept_once):
    """So that millions of records may be played without looking for it."""
    reading = Reading(kept_once, Disk(), EXCHANGE)
    played = Replay(reading.opening)
    gc.collect()
    gc.disable()
    try:
        for record in reading.records():
            played.apply(record)
        assert gc.collect() < 20
    finally:
        gc.enable()


def test_a_market_that_is_being_traded_may_be_looked_at(replay, market):
    journal = Journal(
        market,
        Disk(),
        EXCHANGE,
        market_id=BEGUN.market_id,
        next_number=RECORDS + 1,
        durability=Durability.OS,
    )
    journal.append(Login("alice"), COMMANDS[-1][1])
    journal.write()
    told = replay(market, "--verify")
    assert (told.code, ", 1,001 records, " in told.out) == (0, True)
    journal.close()
