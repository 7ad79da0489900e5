"""The exporter's files: cells that no spreadsheet runs, files that go on, each row once wherever
their writer is killed.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from botpit.clients.feed_session import Checkpoint
from botpit.runs.export.errors import Damaged, Unusable, WriteFailed
from botpit.runs.export.lock import locked
from botpit.runs.export.rows import line, row
from botpit.runs.export.sheets import MAX_MARKETS, Sheets
from botpit.runs.export.state import STATE_FILE, State
from message_schemas import parse_messages
from tests.docs.page import SPEC, Page, key
from tests.processes.told_market import Exchange

TRADES_HEADER = "timestamp,price,qty,buy_trader,sell_trader"
PERFORMANCE_HEADER = "timestamp,trader_id,position,cash,realized_pnl,total_equity"
LIQUIDATIONS_HEADER = "timestamp,trader_id,reason,side,qty,price"
INSURANCE_HEADER = "timestamp,cash"

# --------------------------------------------------------------------------------------------- rows


@pytest.mark.parametrize(
    "evil", ["=HYPERLINK(1)", "+1", "-1+1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"]
)
def test_a_text_that_a_spreadsheet_would_run_is_only_text(evil: str) -> None:
    text = line([1, evil, -2.5])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["1", "'" + evil, "-2.5"]]


@pytest.mark.parametrize(
    "name", ['quo"te', "com,ma", "new\nline", "cr\rx", "ünïcödé", "plain", "spaced ", ""]
)
def test_every_other_field_comes_back_as_it_was(name: str) -> None:
    assert list(csv.reader(io.StringIO(line([name, -7, 100.0, name]), newline=""))) == [
        [name, "-7", "100.0", name]
    ]


def test_numbers_are_written_as_on_the_wire() -> None:
    exchange = Exchange()
    exchange.trade(price=100, qty=3)
    exchange.trade(price=0.1, qty=1)
    exchange.position("alice", -4, 9999.99, realized_pnl=-0.01)
    exchange.liquidation(reason="maintenance_margin_breach")
    exchange.insurance(-0.5)
    rows = [row(event) for event in parse_messages(json.dumps(exchange.events))]
    assert rows == [
        ("trades.csv", "1000,100.0,3,alice,bob\n"),
        ("trades.csv", "1001,0.1,1,alice,bob\n"),
        ("performance.csv", "1002,alice,-4,9999.99,-0.01,10000.49\n"),
        ("liquidations.csv", "1003,carol,maintenance_margin_breach,sell,3,99.5\n"),
        ("insurance.csv", "1004,-0.5\n"),
    ]


# -------------------------------------------------------------------------------------------- files


def bookmark_at(exchange: Exchange, seq: int) -> Checkpoint:
    counts: dict[tuple[str, str], int] = {}
    for event in exchange.events[:seq]:
        channel = {"trade": "trades", "position_update": "positions"}.get(
            event["type"], "liquidations"
        )
        counts[channel, event.get("symbol", "")] = event["channel_seq"]
    return Checkpoint(exchange.market_id, seq, counts)


def export(folder: Path, exchange: Exchange, *, flush_every: int = 1_000) -> None:
    """What an exporter does that hears the whole market: go on after what is recorded, and flush
    every so many events.
    """

    async def all_of_it() -> None:
        sheets = Sheets(folder)
        known = (
            sheets.checkpoint is not None and sheets.checkpoint.market_id == exchange.market_id
        )
        begin = sheets.checkpoint.seq if known and sheets.checkpoint else 0
        sheets.lay_out(bookmark_at(exchange, begin), exchange.symbols)
        events = parse_messages(json.dumps(exchange.events)) if exchange.events else []
        for first in range(begin, max(begin + 1, exchange.seq), flush_every):
            for event in events[first : first + flush_every]:
                sheets.add(event)
            await sheets.flush(bookmark_at(exchange, min(first + flush_every, exchange.seq)))

    asyncio.run(all_of_it())


def busy_exchange(
    symbols: tuple[str, ...] = ("SIM",), market_id: str = "m1", rounds: int = 4
) -> Exchange:
    exchange = Exchange(symbols=symbols, market_id=market_id)
    for number in range(rounds):
        for symbol in symbols:
            exchange.trade(f"buyer-{number}", symbol=symbol)
            exchange.position(f"buyer-{number}", 1, 10_000.0, symbol=symbol)
        exchange.liquidation(f"late-{number}", symbol=symbols[-1])
        exchange.insurance(float(number))
    return exchange


def files_of(folder: Path) -> dict[str, str]:
    """Every CSV file, and the record of them."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in [*folder.rglob("*.csv"), folder / STATE_FILE]
    }


def state_of(folder: Path) -> dict[str, object]:
    state: dict[str, object] = json.loads((folder / STATE_FILE).read_text())
    return state


def test_a_market_without_a_trade_leaves_files_with_their_headers(tmp_path: Path) -> None:
    export(tmp_path, Exchange())
    export(tmp_path, Exchange())
    assert (tmp_path / "trades.csv").read_text() == TRADES_HEADER + "\n"
    assert (tmp_path / "performance.csv").read_text() == PERFORMANCE_HEADER + "\n"
    assert (tmp_path / "liquidations.csv").read_text() == LIQUIDATIONS_HEADER + "\n"
    assert (tmp_path / "insurance.csv").read_text() == INSURANCE_HEADER + "\n"
    assert {
        path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()
    } == dict.fromkeys(
        ["trades.csv", "performance.csv", "liquidations.csv", "insurance.csv", STATE_FILE],
        0o600,
    )


def test_the_record_says_how_far_the_files_are(tmp_path: Path) -> None:
    exchange = Exchange(symbols=("SIM", "B/C"))
    exchange.trade(symbol="B/C")
    exchange.trade(symbol="SIM")
    exchange.trade(symbol="B/C")
    exchange.insurance(1.0)
    export(tmp_path, exchange, flush_every=2)
    files = {name: text for name, text in files_of(tmp_path).items() if name != STATE_FILE}
    assert len(files) == 7
    assert state_of(tmp_path) == {
        "format": 1, "market_id": "m1", "seq": 4,
        "counts": [["trades", "B/C", 2], ["trades", "SIM", 1], ["liquidations", "", 1]],
        "sizes": {name: len(text) for name, text in files.items()},
        "markets": [{"market_id": "m1", "began": {}}],
    }  # fmt: skip


def test_the_record_is_documented_field_by_field() -> None:
    documented = [
        key(row) for row in Page(SPEC.read_text(encoding="utf-8")).rows("The exporter's record")
    ]
    assert documented == [field.name for field in fields(State)]


def test_another_market_is_appended_and_the_record_says_where_it_begins(tmp_path: Path) -> None:
    first, second = Exchange(), Exchange(market_id="m2", symbols=("SIM", "ALT"))
    first.trade()
    second.trade("eve", symbol="SIM")
    second.insurance(2.0)
    export(tmp_path, first)
    sizes = {name: len(text) for name, text in files_of(tmp_path).items() if name != STATE_FILE}
    export(tmp_path, second)
    assert state_of(tmp_path)["markets"] == [
        {"market_id": "m1", "began": {}},
        {"market_id": "m2", "began": sizes},
    ]
    assert (tmp_path / "trades.csv").read_text().splitlines() == [
        TRADES_HEADER,
        "1000,100.0,1,alice,bob",
    ]
    assert (tmp_path / "SIM/trades.csv").read_text().splitlines() == [
        TRADES_HEADER,
        "1000,100.0,1,eve,bob",
    ]
    assert (tmp_path / "insurance.csv").read_text().splitlines() == [
        INSURANCE_HEADER,
        "1001,2.0",
    ]


def test_what_two_markets_told_between_two_flushes_is_told_apart(tmp_path: Path) -> None:
    old, new = Exchange(), Exchange(market_id="m2")

    async def both_at_once() -> None:
        sheets = Sheets(tmp_path)
        for exchange in (old, new):
            sheets.lay_out(bookmark_at(exchange, 0), exchange.symbols)
            (event,) = parse_messages(
                json.dumps([exchange.trade(f"buyer of {exchange.market_id}")])
            )
            sheets.add(event)
        await sheets.flush(bookmark_at(new, 1))

    asyncio.run(both_at_once())
    text = (tmp_path / "trades.csv").read_text()
    assert text.splitlines() == [
        TRADES_HEADER,
        "1000,100.0,1,buyer of m1,bob",
        "1000,100.0,1,buyer of m2,bob",
    ]
    (m1, m2) = state_of(tmp_path)["markets"]
    assert (m1["began"], m2["began"]["trades.csv"]) == (
        {},
        text.index("1000,100.0,1,buyer of m2"),
    )
    assert (state_of(tmp_path)["market_id"], state_of(tmp_path)["seq"]) == ("m2", 1)


def test_instruments_that_a_market_gets_later_have_files_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "ALT").mkdir()
    (tmp_path / "ALT/trades.csv").write_text(f"{TRADES_HEADER}\n1,2,3,a,b\n")
    exchange = busy_exchange(rounds=1)
    export(tmp_path, exchange)
    exchange.symbols = ("SIM", "ALT")
    exchange.trade("eve", symbol="ALT")
    export(tmp_path, exchange)
    assert (tmp_path / "ALT/trades.csv").read_text().splitlines() == [
        TRADES_HEADER,
        "1,2,3,a,b",
        "1004,100.0,1,eve,bob",
    ]
    assert (tmp_path / "SIM/trades.csv").read_text().splitlines() == [TRADES_HEADER]
    began = {"ALT/trades.csv": len(TRADES_HEADER) + 11}
    assert state_of(tmp_path)["markets"] == [{"market_id": "m1", "began": began}]


def test_files_of_an_earlier_version_are_appended_to(tmp_path: Path) -> None:
    (tmp_path / "trades.csv").write_text(f"{TRADES_HEADER}\n999,100.0,1,al,bo\n")
    (tmp_path / "performance.csv").touch()
    export(tmp_path, busy_exchange(rounds=1))
    assert (tmp_path / "trades.csv").read_text().splitlines() == [
        TRADES_HEADER,
        "999,100.0,1,al,bo",
        "1000,100.0,1,buyer-0,bob",
    ]
    assert (tmp_path / "performance.csv").read_text().splitlines()[0] == PERFORMANCE_HEADER
    assert state_of(tmp_path)["markets"] == [
        {"market_id": "m1", "began": {"trades.csv": len(TRADES_HEADER) + 19}}
    ]


def test_rows_never_join_the_torn_last_line_of_a_file_that_is_not_recorded(
    tmp_path: Path,
) -> None:
    (tmp_path / "trades.csv").write_text(f"{TRADES_HEADER}\n999,100.0,1,al")
    export(tmp_path, busy_exchange(rounds=1))
    assert (tmp_path / "trades.csv").read_text().splitlines() == [
        TRADES_HEADER,
        "999,100.0,1,al",
        "1000,100.0,1,buyer-0,bob",
    ]


def test_each_of_several_instruments_has_a_folder_of_its_own_below_ours(tmp_path: Path) -> None:
    exchange = Exchange(symbols=("SIM", "BTC/USD", ".."))
    for symbol in exchange.symbols:
        exchange.trade(buyer=f"buyer-of-{symbol}", symbol=symbol)
        exchange.position("alice", 1, 10_000.0, symbol=symbol)
        exchange.liquidation(f"late-in-{symbol}", symbol=symbol)
    exchange.insurance(12.5)
    ours = tmp_path / "ours"
    ours.mkdir()
    for _ in range(2):
        export(ours, exchange)
    files = sorted(str(path.relative_to(ours)) for path in tmp_path.rglob("*.csv"))
    folders = ["%2E.", "BTC%2FUSD", "SIM"]
    names = ("liquidations.csv", "performance.csv", "trades.csv")
    assert files == sorted(
        ["insurance.csv", *(f"{folder}/{name}" for folder in folders for name in names)]
    )
    assert (ours / "BTC%2FUSD/trades.csv").read_text().splitlines() == [
        TRADES_HEADER,
        "1003,100.0,1,buyer-of-BTC/USD,bob",
    ]
    assert (ours / "SIM/liquidations.csv").read_text().splitlines()[1:] == [
        "1002,late-in-SIM,bankruptcy,sell,3,99.5"
    ]
    assert (ours / "insurance.csv").read_text().splitlines() == [INSURANCE_HEADER, "1009,12.5"]


# ----------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", ["trades.csv", STATE_FILE + ".new", STATE_FILE])
def test_a_symbolic_link_is_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / name).symlink_to(tmp_path / "precious")
    with pytest.raises((WriteFailed, Damaged), match=name.removesuffix(".new")):
        export(tmp_path, Exchange())
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize(
    "text",
    [
        "date,price\n",
        TRADES_HEADER.upper(),
        "timestamp,pri",
        TRADES_HEADER + "\r\n1,2,3,a,b\r\n",
    ],
)
def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "trades.csv").write_bytes(text.encode())
    with pytest.raises(Unusable, match=r"trades\.csv does not begin with 'timestamp,"):
        export(tmp_path, busy_exchange())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "trades.csv": text.encode()
    }


STATE = {
    "format": 1, "market_id": "m1", "seq": 4, "counts": [["trades", "SIM", 4]], "sizes": {"trades.csv": 0},
    "markets": [{"market_id": "m1", "began": {}}],
}  # fmt: skip


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def rewrite(path: Path) -> None:
    path.write_text(path.read_text().replace("timestamp", "TIMESTAMP"))


def replace_by_a_table_of_mine(path: Path) -> None:
    path.write_text("date,price\n" * 1_000)


def join_lines(path: Path) -> None:
    """As long as before, and one byte more; but no line ends where the recorded ones did."""
    path.write_text(path.read_text()[:-1] + "00\n")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (cut, r"has only \d+ bytes"), (Path.unlink, "has only 0 bytes"),
        (rewrite, "was changed in its first line"), (replace_by_a_table_of_mine, "was changed in its first line"),
        (join_lines, "was changed at its end"),
    ],
)  # fmt: skip
def test_files_other_than_recorded_are_refused_untouched(
    tmp_path: Path, harm: Callable[[Path], None], reason: str
) -> None:
    export(tmp_path, busy_exchange())
    with (tmp_path / "trades.csv").open("a") as longer:
        longer.write("1004,1")
    harm(tmp_path / "performance.csv")
    before = files_of(tmp_path)
    with pytest.raises(Damaged, match=rf"performance\.csv {reason}: .*choose another folder"):
        Sheets(tmp_path)
    assert files_of(tmp_path) == before


def test_a_table_of_mine_is_not_cut_to_nothing_either(tmp_path: Path) -> None:
    """When a kill left a record of files that were not begun, and somebody put his own there since."""
    (tmp_path / STATE_FILE).write_text(json.dumps(STATE))
    replace_by_a_table_of_mine(tmp_path / "trades.csv")
    before = files_of(tmp_path)
    with pytest.raises(Damaged, match=r"trades\.csv was changed in its first line"):
        Sheets(tmp_path)
    assert files_of(tmp_path) == before


def test_a_file_that_somebody_changes_while_we_write_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        sheets = Sheets(tmp_path)
        exchange = Exchange()
        sheets.lay_out(bookmark_at(exchange, 0), exchange.symbols)
        await sheets.flush(bookmark_at(exchange, 0))
        with (tmp_path / "trades.csv").open("a") as theirs:
            theirs.write("a note of mine\n")
        (event,) = parse_messages(json.dumps([exchange.trade()]))
        sheets.add(event)
        with pytest.raises(Damaged, match="changed by somebody else"):
            await sheets.flush(bookmark_at(exchange, 1))

    asyncio.run(story())
    assert (tmp_path / "trades.csv").read_text().splitlines() == [
        TRADES_HEADER,
        "a note of mine",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{" * 10_000, "not JSON"),
        ("\ud800", "not JSON"),
        (json.dumps(STATE | {"format": 2, "new": 1}), "format: "),
        (json.dumps({key: value for key, value in STATE.items() if key != "seq"}), "seq: "),
        (json.dumps(STATE | {"seq": -1}), "seq: "),
        (json.dumps(STATE | {"seq": "4"}), "seq: "),
        (json.dumps(STATE | {"counts": [["trades", 4]]}), "counts"),
        (json.dumps(STATE | {"sizes": {"trades.csv": -1}}), "sizes"),
        (json.dumps(STATE | {"sizes": {"../trades.csv": 0}}), "sizes"),
        (json.dumps(STATE | {"sizes": {"/trades.csv": 0}}), "sizes"),
        (json.dumps(STATE | {"sizes": {"a/b/trades.csv": 0}}), "sizes"),
        (json.dumps(STATE | {"sizes": {"passwd": 0}}), "sizes"),
        (json.dumps(STATE | {"markets": []}), "market_id: "),
        (json.dumps(STATE | {"market_id": "m2"}), "market_id: "),
    ],
)
def test_a_record_that_cannot_be_believed_is_refused_by_name(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / STATE_FILE).write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(Damaged) as refusal:
        Sheets(tmp_path)
    assert str(refusal.value).startswith(f"{tmp_path / STATE_FILE} cannot be used ({reason}")


def test_the_record_that_all_those_are_made_of_is_believed(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_text(json.dumps(STATE))
    assert Sheets(tmp_path).checkpoint == Checkpoint("m1", 4, {("trades", "SIM"): 4})
    (tmp_path / STATE_FILE).write_text(json.dumps(STATE | {"counts": None}))
    assert Sheets(tmp_path).checkpoint == Checkpoint("m1", 4, None)


def test_a_market_that_was_left_for_another_is_not_written_twice(tmp_path: Path) -> None:
    export(tmp_path, busy_exchange())
    export(tmp_path, busy_exchange(market_id="m2"))
    before = files_of(tmp_path)
    with pytest.raises(Unusable, match="has rows of market m1, and of another one after it"):
        export(tmp_path, busy_exchange())
    assert files_of(tmp_path) == before


def test_there_is_an_end_to_the_markets_of_one_folder(tmp_path: Path) -> None:
    markets = [{"market_id": f"m{number}", "began": {}} for number in range(MAX_MARKETS)]
    state = STATE | {"sizes": {}, "market_id": markets[-1]["market_id"], "markets": markets}
    (tmp_path / STATE_FILE).write_text(json.dumps(state))
    with pytest.raises(Unusable, match=f"has rows of {MAX_MARKETS} markets"):
        export(tmp_path, Exchange(market_id="one more"))


# ------------------------------------------------------------------------------------------- killed


def run_killed_at(step: int, work: Callable[[], None]) -> bool:
    """Do the work in a process that is killed -9 just before it opens, renames or makes its step-th
    file. False: it had ended.
    """
    pid = os.fork()
    if pid == 0:
        steps = iter(range(step))

        def count(event: str, _: object) -> None:
            if event in ("open", "os.rename", "os.mkdir") and next(steps, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        work()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def every_step(
    seed_of_second: int,
    base: Path,
    prepare: Callable[[Path], None],
    work: Callable[[Path], None],
) -> Iterator[Path]:
    """Folders in which the work was killed at each of its steps in turn, and the next attempt at a
    random one.
    """
    rng = random.Random(seed_of_second)
    for step in range(1_000):
        folder = base / str(step)
        folder.mkdir()
        prepare(folder)
        if not run_killed_at(step, lambda folder=folder: work(folder)):
            assert step > 10
            return
        run_killed_at(rng.randrange(20), lambda folder=folder: work(folder))
        yield folder


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("earlier", ["nothing", "another market", "files that nobody recorded"])
def test_wherever_it_is_killed_the_next_run_leaves_each_row_once(
    tmp_path: Path, earlier: str
) -> None:
    exchange = busy_exchange(rounds=2)

    def prepare(folder: Path) -> None:
        if earlier == "another market":
            export(folder, busy_exchange(market_id="m0", rounds=1))
        elif earlier == "files that nobody recorded":
            (folder / "trades.csv").write_text(f"{TRADES_HEADER}\n1,2,3")

    def work(folder: Path) -> None:
        export(folder, exchange, flush_every=5)

    whole = tmp_path / "whole"
    whole.mkdir()
    prepare(whole)
    work(whole)
    for folder in every_step(1, tmp_path, prepare, work):
        work(folder)
        assert files_of(folder) == files_of(whole), folder


@pytest.mark.parametrize(
    "flush", ["the first one", "a later one", "the first one of another market"]
)
def test_wherever_in_a_flush_its_bytes_end_the_next_run_leaves_each_row_once(
    tmp_path: Path, flush: str
) -> None:
    """The bytes of four files, written one after the other, without the record that would follow them."""
    before, after, folder = tmp_path / "before", tmp_path / "after", tmp_path / "killed"
    before.mkdir()
    if flush == "the first one":
        files = dict.fromkeys(
            ("trades.csv", "performance.csv", "liquidations.csv", "insurance.csv"), 0
        )
        (before / STATE_FILE).write_text(
            json.dumps(STATE | {"seq": 0, "counts": [], "sizes": files})
        )
        for file in files:
            (before / file).touch()
    else:
        export(before, busy_exchange(rounds=1))
    shutil.copytree(before, after)
    exchange = busy_exchange(
        rounds=2, market_id="m1" if flush != "the first one of another market" else "m2"
    )
    export(after, exchange)
    shutil.copytree(before, folder)
    whole = files_of(after)
    for file in json.loads(whole[STATE_FILE])["sizes"]:
        for size in range((before / file).stat().st_size, len(whole[file]) + 1, 3):
            killed = tmp_path / f"{size}-{file}"
            shutil.copytree(folder, killed)
            (killed / file).write_text(whole[file][:size])
            export(killed, exchange)
            assert files_of(killed) == whole, (file, size)
        (folder / file).write_text(whole[file])


def test_what_is_cut_off_is_said_and_a_leftover_draft_is_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    export(tmp_path, busy_exchange())
    whole = files_of(tmp_path)
    (tmp_path / (STATE_FILE + ".new")).write_text("half a rec")
    with (tmp_path / "trades.csv").open("a") as longer:
        longer.write("1004,100")
    export(tmp_path, busy_exchange())
    assert files_of(tmp_path) == whole
    assert [record.getMessage() for record in caplog.records] == [
        f"cut back to what is recorded file={tmp_path / 'trades.csv'} bytes=8 size={len(whole['trades.csv'])}"
    ]


# --------------------------------------------------------------------------------------------- lock


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    async def story() -> None:
        async with locked(tmp_path):
            with pytest.raises(Unusable, match=rf"\(pid {os.getpid()}\) writes to {tmp_path}"):
                async with locked(tmp_path):
                    pass
        async with locked(tmp_path):
            pass

    asyncio.run(story())
    assert (tmp_path / ".export-lock").stat().st_mode & 0o777 == 0o600


def test_who_is_patient_gets_it_from_a_predecessor_who_ends(tmp_path: Path) -> None:
    async def story() -> None:
        waiting = None
        async with locked(tmp_path):
            patient = locked(tmp_path, 60.0)
            waiting = asyncio.create_task(patient.__aenter__())
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting
        await patient.__aexit__(None, None, None)

    asyncio.run(story())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_killed_holder_locks_nobody_out(tmp_path: Path) -> None:
    async def hold_and_die() -> None:
        async with locked(tmp_path):
            os.kill(os.getpid(), signal.SIGKILL)

    async def hold() -> None:
        async with locked(tmp_path):
            pass

    assert run_killed_at(1_000, lambda: asyncio.run(hold_and_die()))
    asyncio.run(hold())
