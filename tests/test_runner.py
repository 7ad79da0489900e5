"""The battle runner as a process: nobody is left behind, who fails may come back, and its report is what feed and bots told."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import struct
import termios
from contextlib import suppress
from pathlib import Path

import pytest

from tests.battle_stage import (
    DEADLINE_S,
    HOUSE,
    Stage,
    alive,
    bury,
    ended,
    forced,
    logs,
    of_the_house,
    play,
    position,
    says,
    trade,
    until,
)

Report = tuple[int, str, str]
"""Exit code, stdout, stderr."""


def table(out: str) -> list[list[str]]:
    """The rows of the last standings, as words."""
    lines = [line for line in out.splitlines() if not re.match(r"\d+ s: ", line)]
    begin = next(at for at, line in enumerate(lines) if line.split()[:2] == ["rank", "trader"])
    return [line.split() for line in lines[begin + 1 :] if re.match(r" *\d+  ", line)]


# ---------------------------------------------------------------------------------------------------------- start and end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_the_runner_stops_its_bots_and_reports(tmp_path: Path, number: signal.Signals) -> None:
    stage = Stage(tmp_path, "alice", "bob", "crash/1")
    stage.market.looks["at the end"] = [position("alice", 9_900.0, lots=2, unrealized=-50.0), position("carol", 10_100.0)]

    async def story() -> Report:
        async with stage.market.feed():
            runner = await stage.run()
            pids = await stage.bots_up("alice", "bob", "crash%2F1")
            await logs(runner, "WARNING runner ended by itself name=crash/1 exit_code=3")
            async with asyncio.timeout(DEADLINE_S):
                await stage.market.subscribed.wait()
            assert alive(pids[0]) and alive(pids[1]), "one bot's end never stops the others"
            runner.send_signal(number)
            await until(lambda: stage.log("alice")[-1] == stage.log("bob")[-1] == "told SIGTERM")
            with suppress(ProcessLookupError):
                runner.send_signal(signal.SIGINT)
            report = await ended(runner)
            try:
                assert not any(map(alive, pids))
            finally:
                bury(*pids)
        return report

    code, out, err = play(story())
    assert code == 0
    assert "\x1b" not in out + err
    assert [row[:4] for row in table(out)] == [["1", "carol", "10,100.00", "0.00"], ["2", "alice", "9,900.00", "-100.00"]]
    assert out.splitlines()[-1] == "results: results.json"
    results = stage.results()
    (battle,) = results["rounds"]
    assert results["ended_by"] == battle["ended_by"] == number.name
    assert [(each["rank"], each["trader_id"], each["total_equity"], each["positions"]) for each in battle["standings"]] == [
        (1, "carol", 10_100.0, {"SIM": 0}), (2, "alice", 9_900.0, {"SIM": 2}),
    ]  # fmt: skip
    bots = [(each["bot"]["trader_id"], each["exit_code"], each["stopped"], each["log"]) for each in battle["bots"]]
    assert bots == [
        ("alice", 0, True, "logs/alice.log"), ("bob", 0, True, "logs/bob.log"), ("crash/1", 3, False, "logs/crash%2F1.log"),
    ]  # fmt: skip


def test_a_battle_ends_after_its_duration_and_never_writes_over_results(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("an older battle")
    (tmp_path / "logs" / "reports").mkdir(parents=True)
    stage = Stage(tmp_path, "alice")

    async def story() -> Report:
        async with stage.market.feed():
            return await ended(await stage.run("--duration", "0.3"))

    code, out, _ = play(story())
    assert code == 0
    assert out.splitlines()[-1] == "results: results-2.json"
    assert (tmp_path / "results.json").read_text() == "an older battle"
    results = stage.results("results-2.json")
    assert (results["ended_by"], results["settings"]["duration_s"]) == ("duration", 0.3)
    assert stage.told("alice")["report"] == "logs/reports-2/alice.json", "no bot goes on from an older battle's report"
    assert {"botpit", "python", "platform", "websockets"} <= results["versions"].keys()


def test_when_every_bot_has_failed_the_battle_is_over_with_exit_3(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "crash-1", "crash-2")

    async def story() -> Report:
        async with stage.market.feed():
            return await ended(await stage.run("--duration", "3600"))

    assert play(story())[0] == 3
    assert stage.results()["ended_by"] == "all bots ended"


def test_a_feed_that_is_not_there_yet_is_said_and_waited_for(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")

    async def story() -> None:
        async with stage.market.feed():
            port = int(stage.market.feed_uri.rpartition(":")[2])
        runner = await stage.run()
        assert "still trying" in await says(runner, "no market data from ws://127.0.0.1")
        async with stage.market.feed(port):
            await says(runner, "1 trader, alice leads with 0.00")
            runner.terminate()
            assert (await ended(runner))[0] == 0

    play(story())


def test_kill_9_of_the_runner_leaves_no_bot(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice", "bob")

    async def story() -> None:
        async with stage.market.feed():
            runner = await stage.run()
            pids = await stage.bots_up("alice", "bob")
            runner.kill()
            await ended(runner)
            try:
                await until(lambda: not any(map(alive, pids)))
            finally:
                bury(*pids)
        assert stage.log("alice")[-1] == "told parent gone"

    play(story())


def test_results_that_cannot_be_written_are_exit_5(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")
    (tmp_path / "out").mkdir()

    async def story() -> Report:
        async with stage.market.feed():
            runner = await stage.run("--results", "out/results.json", "--log-dir", "logs")
            await stage.bots_up("alice")
            (tmp_path / "out").rmdir()
            runner.terminate()
            return await ended(runner)

    code, _, err = play(story())
    assert code == 5
    assert "the results cannot be written" in err.splitlines()[-1]


def test_a_battle_whose_reader_has_left_goes_on_to_its_results(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")

    async def story() -> int:
        reading, writing = os.pipe()
        async with stage.market.feed():
            runner = await asyncio.create_subprocess_exec(*stage.command("--duration", "0.3"), cwd=tmp_path, stdout=writing)
            os.close(writing)
            os.close(reading)
            return await runner.wait()

    assert play(story()) == 0
    assert stage.results()["ended_by"] == "duration"


def test_starts_are_so_far_apart_and_an_order_to_stop_does_not_wait_for_the_next(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice", "bob")

    async def story() -> Report:
        async with stage.market.feed():
            runner = await stage.run("--stagger-ms", "60000")
            await stage.bots_up("alice")
            await says(runner, "s: starting, ")
            runner.terminate()
            return await ended(runner)

    assert play(story())[0] == 0
    assert stage.log("bob") == []
    told = {each["bot"]["trader_id"]: (each["exit_code"], each["stopped"]) for each in stage.results()["rounds"][0]["bots"]}
    assert told == {"alice": (0, True), "bob": (None, False)}


# -------------------------------------------------------------------------------------------------------------------- bots


def test_a_bot_is_started_with_what_its_configuration_says(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice", limits={"cpu_s": 60, "memory_mb": 2_048, "open_files": 64})

    async def story() -> None:
        async with stage.market.feed():
            runner = await stage.run("--log-level", "warning")
            await stage.bots_up("alice")
            runner.terminate()
            await ended(runner)

    play(story())
    flags = stage.told("alice")
    assert flags["program"] == str(HOUSE / "bot_client.py")
    assert flags["strategy-dir"] == str(tmp_path)
    assert (flags["strategy"], flags["seed"], flags["log-level"]) == ("maker", "1", "warning")
    assert (flags["max-cpu-s"], flags["max-memory-mb"], flags["max-open-files"]) == ("60", "2048", "64")
    assert flags["report"] == "logs/reports/alice.json"
    assert stage.results()["config"]["limits"] == {"cpu_s": 60, "memory_mb": 2_048, "open_files": 64}


def test_bots_that_fail_come_back_with_the_same_words_and_results_account_for_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice", "once", "weak", "usage", restart="on-failure")
    stage.market.standings = [position("alice", 10_000.0), position("once", 10_001.0)]

    async def story() -> Report:
        async with stage.market.feed():
            runner = await stage.run()
            await stage.bots_up("alice", "once", "weak", "usage")
            await logs(runner, "ERROR runner given up name=weak restarts=5")
            await until(lambda: len(stage.log("once")) == 2)
            runner.terminate()
            return await ended(runner)

    code, out, _ = play(story())
    assert code == 0
    first, second = (json.loads(line) for line in stage.log("once")[:2])
    assert first.pop("pid") != second.pop("pid") and first == second
    (battle,) = stage.results()["rounds"]
    bots = {each["bot"]["trader_id"]: each for each in battle["bots"]}
    restarts = {name: [(one["exit_code"], one["backoff_s"]) for one in bot["restarts"]] for name, bot in bots.items()}
    assert restarts == {"alice": [], "once": [(-9, 0.01)], "weak": 5 * [(-9, 0.01)], "usage": []}
    assert {name for name, bot in bots.items() if bot["gave_up"]} == {"weak"}
    assert [bots[name]["exit_code"] for name in ("alice", "once", "weak", "usage")] == [0, 0, -9, 2]
    assert {row["trader_id"]: row["restarts"] for row in battle["standings"]} == {"once": 1, "alice": 0}
    assert re.search(r"^ +\d+  once .* 1 +- +-$", out, re.MULTILINE), "restarts, and no latencies"


def test_what_the_bots_report_is_in_the_results_and_what_is_no_report_is_not(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice", "bob", "carol")
    latency = {"count": 12, "p50": 800.0, "p99": 2_100.5, "max": 2_500.0, "buckets": []}
    report = {"format": 1, "trader_id": "alice", "rejected": {"price_band": 3}, "fees": -1.25, "latency_us": latency}
    (tmp_path / "alice.says").write_text(json.dumps(report))
    (tmp_path / "bob.says").write_text("{")
    (tmp_path / "carol.says").write_text(json.dumps(report))
    stage.market.standings.append(position("bob", 9_990.0))

    async def story() -> Report:
        async with stage.market.feed():
            runner = await stage.run()
            await stage.bots_up("alice", "bob", "carol")
            runner.terminate()
            return await ended(runner)

    code, out, err = play(story())
    assert code == 0
    assert "alice: refused 3: price_band 3" in out.splitlines()
    assert "a report cannot be read name=bob" in err
    assert "name=carol report=logs/reports/carol.json reason=\"it is the report of alice\"" in err
    (battle,) = stage.results()["rounds"]
    rows = {row["trader_id"]: (row["fees"], row["rejects"], row["latency_us"]) for row in battle["standings"]}
    assert rows == {
        "alice": (-1.25, {"price_band": 3}, {"p50": 800.0, "p99": 2_100.5, "count": 12}),
        "bob": (None, {}, {"p50": None, "p99": None, "count": None}),
    }
    assert [each["report"] for each in battle["bots"]] == [f"logs/reports/{name}.json" for name in ("alice", "bob", "carol")]


# ----------------------------------------------------------------------------------------------------------------- figures


def test_the_report_tells_who_was_liquidated_who_is_bankrupt_and_what_the_fund_has(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")
    stage.market.looks["at the end"] = [position("alice", 0.0), position("bob", 10_100.0)]
    bankrupt = of_the_house("account_status", 1, trader_id="alice", status="bankrupt")
    fund = of_the_house("insurance_update", 2, cash=-40.0)

    async def story() -> Report:
        async with stage.market.feed():
            runner = await stage.run()
            await says(runner, "s: trading, 0 trades, ")
            await stage.market.tell(forced(1, "alice"), forced(2, "bob", "auto_deleverage"), bankrupt, fund)
            await says(runner, "1 liquidation, 1 deleveraging, insurance -40.00, alice leads")
            runner.terminate()
            return await ended(runner)

    code, out, _ = play(story())
    assert code == 0
    remarks = ["bob: 1 deleveraging", "alice: bankrupt, 1 liquidation", "1 liquidation, 1 deleveraging, insurance -40.00"]
    assert out.splitlines()[-4:-1] == remarks
    (battle,) = stage.results()["rounds"]
    rows = [[each[name] for name in ("trader_id", "status", "liquidations", "deleveragings")] for each in battle["standings"]]
    assert rows == [["bob", "active", 0, 1], ["alice", "bankrupt", 1, 0]]
    market = {"liquidations": 1, "deleveragings": 1, "unseen_liquidations": 0, "insurance_cash": -40.0}
    assert market.items() <= battle["market"].items()


def test_gains_count_from_the_end_of_the_warm_up_and_from_what_there_was_before(tmp_path: Path) -> None:
    """Alice had 12,000 when the battle began, 12,500 after the warm-up, and has 12,400; bob, who is no bot, begins in between."""
    stage = Stage(tmp_path, "alice", "idle")
    stage.market.accounts = {"alice": 12_000.0}
    stage.market.standings = [position("alice", 12_000.0)]
    stage.market.looks["after the warm-up"] = [position("alice", 12_500.0)]
    stage.market.looks["at the end"] = [position("alice", 12_400.0), position("bob", 10_030.0)]

    async def story() -> Report:
        async with stage.market.feed(), stage.market.orders():
            runner = await stage.run("--warm-up", "0.3", "--duration", "3600")
            await says(runner, "s: warm-up, ")
            await stage.market.tell(trade(1), trade(2))
            await says(runner, "s: trading, 2 trades, 2 traders, alice leads with 0.00")
            runner.terminate()
            return await ended(runner)

    code, out, _ = play(story())
    assert code == 0
    (battle,) = stage.results()["rounds"]
    rows = [(row["rank"], row["trader_id"], row["gain"], row["max_drawdown"]) for row in battle["standings"]]
    assert rows == [(1, "bob", 30.0, 0.0), (2, "idle", 0.0, 0.0), (3, "alice", -100.0, 100.0)]
    assert [row[1:3] for row in table(out)] == [["bob", "10,030.00"], ["idle", "10,000.00"], ["alice", "12,400.00"]]
    assert {each["type"] for each in stage.market.requests} == {"subscribe", "resume"}
    assert (battle["market"]["trades"], battle["market"]["trades_before"], battle["market"]["unseen_trades"]) == (2, 0, 0)


def test_in_the_cool_down_nobody_trades_and_an_order_to_stop_ends_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")

    async def story() -> Report:
        async with stage.market.feed():
            runner = await stage.run("--duration", "0.2", "--cool-down", "3600")
            await says(runner, "s: cool-down, ")
            assert stage.log("alice")[-1] == "told SIGTERM", "the bots have left"
            assert stage.market.requests[-1]["request_id"] != "at the end"
            runner.terminate()
            return await ended(runner)

    assert play(story())[0] == 0
    assert stage.market.requests[-1]["request_id"] == "at the end"
    assert stage.results()["ended_by"] == "duration"


# ------------------------------------------------------------------------------------------------------------------ rounds

ROUNDS = ("--rounds", "2", "--duration", "0.2", "--house-token", "token")


def test_each_round_has_a_market_of_its_own_and_ends_in_plain_cash(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")
    stage.market.door = True
    stage.market.standings = [position("alice", 10_050.0, lots=5, unrealized=50.0), position("bob", 9_950.0, lots=-5)]
    stage.market.accounts = {"alice": 10_000.0}

    async def story() -> Report:
        async with stage.market.feed(), stage.market.orders():
            return await ended(await stage.run(*ROUNDS))

    code, out, err = play(story())
    assert code == 0, err
    assert [each for each in stage.market.asked if each != "account"] == [
        "login", "login", "close", "login", "reopen", "login", "close",
    ]  # fmt: skip
    results = stage.results()
    first, second = results["rounds"]
    assert [each["market"]["market_id"] for each in (first, second)] == ["m1", "m1+"]
    assert [each["market"]["settlement"] for each in (first, second)] == [{"SIM": 101.5}, {"SIM": 101.5}]
    assert [(row["trader_id"], row["gain"], row["positions"]) for row in first["standings"]] == [
        ("alice", 50.0, {"SIM": 0}), ("bob", 0.0, {"SIM": 0}),
    ]  # fmt: skip
    assert [(row["trader_id"], row["gain"]) for row in second["standings"]] == [("alice", 0.0)]
    assert [bot["bot"]["seed"] for each in (first, second) for bot in each["bots"]] == [1, 1_000_004]
    totals = [(row["trader_id"], row["gain"], row["rounds_won"]) for row in results["totals"]]
    assert totals == [("alice", 50.0, 2), ("bob", 0.0, 0)]
    for number in (1, 2):
        told = stage.told(f"round-{number}/alice")
        assert (told["seed"], told["report"]) == (str(1 + (number - 1) * 1_000_003), f"logs/reports/round-{number}/alice.json")
    for words in ("standings after round 1 of 2", "standings after round 2 of 2", "totals of 2 rounds"):
        assert out.count(f"{words}\n") == 1
    assert " s: round 2 of 2, trading, " in out


def test_a_market_that_an_earlier_battle_closed_is_begun_anew_first(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")
    stage.market.door, stage.market.status = True, "closed"

    async def story() -> Report:
        async with stage.market.feed(), stage.market.orders():
            return await ended(await stage.run(*ROUNDS))

    assert play(story())[0] == 0
    assert [each["market"]["market_id"] for each in stage.results()["rounds"]] == ["m1+", "m1++"]


def test_a_door_that_does_not_open_is_said_before_anything_starts(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")

    async def story() -> Report:
        async with stage.market.feed(), stage.market.orders():
            return await ended(await stage.run(*ROUNDS))

    code, out, err = play(story())
    assert (code, out) == (2, "")
    assert re.fullmatch(r"error: --house-token: the exchange's door at ws://\S+ does not open: unauthorized\n", err)
    assert not (tmp_path / "logs").exists() and not (tmp_path / "results.json").exists()


def test_a_market_that_cannot_be_closed_ends_the_battle_and_the_round_is_in_the_results(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")
    stage.market.door = True

    async def story() -> Report:
        async with stage.market.feed(), stage.market.orders():
            runner = await stage.run(*ROUNDS)
            await stage.bots_up("round-1/alice")
            stage.market.door = False
            return await ended(runner)

    code, out, err = play(story())
    assert code == 1
    results = stage.results()
    assert results["ended_by"] == "the market could not be closed: unauthorized"
    assert [each["ended_by"] for each in results["rounds"]] == ["duration"]
    assert "the market could not be closed: unauthorized" in err and "standings after round 1 of 2" in out


def test_told_to_stop_in_a_round_it_settles_this_one_and_plays_no_other(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")
    stage.market.door = True

    async def story() -> Report:
        async with stage.market.feed(), stage.market.orders():
            runner = await stage.run("--rounds", "3", "--duration", "3600", "--house-token", "token")
            await stage.bots_up("round-1/alice")
            runner.terminate()
            return await ended(runner)

    assert play(story())[0] == 0
    results = stage.results()
    assert [(each["ended_by"], each["market"]["settlement"]) for each in results["rounds"]] == [("SIGTERM", {"SIM": 101.5})]
    assert stage.market.asked[-1] == "close"


# ---------------------------------------------------------------------------------------------------------------- terminal


def test_on_a_terminal_the_leaders_are_drawn_the_log_stays_whole_and_ctrl_c_gives_it_back(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice", "crash", restart="never")
    stage.market.looks["at the end"] = [position("alice", 10_012.5)]

    async def story() -> tuple[int, str]:
        async with stage.market.feed():
            return await asyncio.to_thread(on_a_terminal, stage.command(), tmp_path, "alice leads", "exit_code=3", columns=220)

    code, out = play(story())
    assert code == 0
    assert "\x1b[?1049h" not in out, "what was there before stays"
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") == 1
    assert "trading, 0 trades, 1 trader, alice leads with 0.00" in out
    left = screen(out)
    assert not any("leads" in line for line in left), "the live table has left"
    log = re.compile(r"\d{4}-\d\d-\d\dT\S+Z (INFO|WARNING) runner \S.*")
    report = left.index("final standings")
    assert any(log.fullmatch(line) and "ended by itself name=crash exit_code=3 log=logs/crash.log" in line for line in left)
    assert all(log.fullmatch(line) for line in left[:report])
    assert any(re.search(r"alice +│ +10,012.50 +│", line) for line in left[report:])
    assert left[-1] == "results: results.json"


def screen(written: str) -> list[str]:
    """What a terminal of boundless height shows in the end, without empty lines."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", written):
        match part[0], part[-1]:
            case "\n", _:
                row += 1
                lines += [""] * (row == len(lines))
            case "\r", _:
                column = 0
            case "\x1b", "A":
                row -= int(part[2:-1])
            case "\x1b", "K":
                lines[row] = ""
            case "\x1b", _:
                continue
            case _:
                lines[row] = lines[row].ljust(column)[:column] + part + lines[row][column + len(part) :]
                column += len(part)
    return [line.rstrip() for line in lines if line.strip()]


def on_a_terminal(command: list[str], folder: Path, *said: str, columns: int) -> tuple[int, str]:
    """Run on a terminal so wide, press Ctrl-C when all was said and a table stands there; the exit code and all that was written.

    (Pressed within a table, the terminal would drop what of it is still to come.)
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(command[0], command, os.environ | {"TERM": "xterm-256color", "COLUMNS": "", "LINES": ""})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    out = b""
    with suppress(OSError):
        while not (out.endswith("┘".encode()) and all(words.encode() in out for words in said)):
            out += os.read(terminal, 65_536)
        os.write(terminal, b"\x03")
        while True:
            out += os.read(terminal, 65_536)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), out.decode()
