"""The battle runner as a process: nobody is left behind, who fails may come back, and its report is
what feed and bots told.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.battle.battle_stage import (
    DEADLINE_S,
    HOUSE,
    Report,
    Stage,
    ended,
    logs,
    play,
    says,
    until,
)
from tests.processes.feed_messages import forced, of_the_house, position, trade
from tests.processes.left_over import alive, bury


def table(out: str) -> list[list[str]]:
    """The rows of the last standings, as words."""
    lines = [line for line in out.splitlines() if not re.match(r"\d+ s: ", line)]
    begin = next(at for at, line in enumerate(lines) if line.split()[:2] == ["rank", "trader"])
    return [line.split() for line in lines[begin + 1 :] if re.match(r" *\d+  ", line)]


# ------------------------------------------------------------------------------------ start and end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_the_runner_stops_its_bots_and_reports(
    tmp_path: Path, number: signal.Signals
) -> None:
    stage = Stage(tmp_path, "alice", "bob", "crash/1")
    stage.market.looks["at the end"] = [
        position("alice", 9_900.0, lots=2, unrealized=-50.0),
        position("carol", 10_100.0),
    ]

    async def story() -> Report:
        async with stage.market.feed():
            runner = await stage.run()
            pids = await stage.bots_up("alice", "bob", "crash%2F1")
            await logs(runner, "WARNING runner ended by itself name=crash/1 exit_code=3")
            async with asyncio.timeout(DEADLINE_S):
                await stage.market.subscribed.wait()
            assert alive(pids[0]) and alive(pids[1]), "one bot's end never stops the others"
            runner.send_signal(number)
            await until(
                lambda: stage.log("alice")[-1] == stage.log("bob")[-1] == "told SIGTERM"
            )
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
    assert [row[:4] for row in table(out)] == [
        ["1", "carol", "10,100.00", "0.00"],
        ["2", "alice", "9,900.00", "-100.00"],
    ]
    assert out.splitlines()[-1] == "results: results.json"
    results = stage.results()
    (battle,) = results["rounds"]
    assert results["ended_by"] == battle["ended_by"] == number.name
    assert [(each["rank"], each["trader_id"], each["total_equity"], each["positions"]) for each in battle["standings"]] == [
        (1, "carol", 10_100.0, {"SIM": 0}), (2, "alice", 9_900.0, {"SIM": 2}),
    ]  # fmt: skip
    bots = [
        (each["bot"]["trader_id"], each["exit_code"], each["stopped"], each["log"])
        for each in battle["bots"]
    ]
    assert bots == [
        ("alice", 0, True, "logs/alice.log"), ("bob", 0, True, "logs/bob.log"), ("crash/1", 3, False, "logs/crash%2F1.log"),
    ]  # fmt: skip


def test_a_battle_ends_after_its_duration_and_never_writes_over_results(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("an older battle")
    (tmp_path / "logs" / "reports").mkdir(parents=True)
    stage = Stage(tmp_path, "alice")

    async def story() -> Report:
        async with stage.market.feed():
            return await ended(await stage.run("--duration", "1"))

    code, out, _ = play(story())
    assert code == 0
    assert out.splitlines()[-1] == "results: results-2.json"
    assert (tmp_path / "results.json").read_text() == "an older battle"
    results = stage.results("results-2.json")
    assert (results["ended_by"], results["settings"]["duration_s"]) == ("duration", 1.0)
    assert stage.told("alice")["report"] == "logs/reports-2/alice.json", (
        "no bot goes on from an older battle's report"
    )
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
            runner = await asyncio.create_subprocess_exec(
                *stage.command("--duration", "0.3"), cwd=tmp_path, stdout=writing
            )
            os.close(writing)
            os.close(reading)
            return await runner.wait()

    assert play(story()) == 0
    assert stage.results()["ended_by"] == "duration"


def test_starts_are_so_far_apart_and_an_order_to_stop_does_not_wait_for_the_next(
    tmp_path: Path,
) -> None:
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
    told = {
        each["bot"]["trader_id"]: (each["exit_code"], each["stopped"])
        for each in stage.results()["rounds"][0]["bots"]
    }
    assert told == {"alice": (0, True), "bob": (None, False)}


# --------------------------------------------------------------------------------------------- bots


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
    assert flags["program"] == ["-P", str(HOUSE / "botpit" / "__main__.py"), "bot"]
    assert flags["strategy-dir"] == str(tmp_path)
    assert (flags["strategy"], flags["seed"], flags["log-level"]) == ("maker", "1", "warning")
    assert (flags["max-cpu-s"], flags["max-memory-mb"], flags["max-open-files"]) == (
        "60",
        "2048",
        "64",
    )
    assert flags["report"] == "logs/reports/alice.json"
    assert stage.results()["config"]["limits"] == {
        "cpu_s": 60,
        "memory_mb": 2_048,
        "open_files": 64,
    }


def test_bots_that_fail_come_back_with_the_same_words_and_results_account_for_it(
    tmp_path: Path,
) -> None:
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
    restarts = {
        name: [(one["exit_code"], one["backoff_s"]) for one in bot["restarts"]]
        for name, bot in bots.items()
    }
    assert restarts == {
        "alice": [],
        "once": [(-9, 0.01)],
        "weak": 5 * [(-9, 0.01)],
        "usage": [],
    }
    assert {name for name, bot in bots.items() if bot["gave_up"]} == {"weak"}
    assert [bots[name]["exit_code"] for name in ("alice", "once", "weak", "usage")] == [
        0,
        0,
        -9,
        2,
    ]
    assert {row["trader_id"]: row["restarts"] for row in battle["standings"]} == {
        "once": 1,
        "alice": 0,
    }
    assert re.search(r"^ +\d+  once .* 1 +- +-$", out, re.MULTILINE), (
        "restarts, and no latencies"
    )


def test_what_the_bots_report_is_in_the_results_and_what_is_no_report_is_not(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path, "alice", "bob", "carol")
    latency = {"count": 12, "p50": 800.0, "p99": 2_100.5, "max": 2_500.0, "buckets": []}
    report = {
        "format": 1,
        "trader_id": "alice",
        "rejected": {"price_band": 3},
        "fees": -1.25,
        "latency_us": latency,
    }
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
    assert 'name=carol report=logs/reports/carol.json reason="it is the report of alice"' in err
    (battle,) = stage.results()["rounds"]
    rows = {
        row["trader_id"]: (row["fees"], row["rejects"], row["latency_us"])
        for row in battle["standings"]
    }
    assert rows == {
        "alice": (-1.25, {"price_band": 3}, {"p50": 800.0, "p99": 2_100.5, "count": 12}),
        "bob": (None, {}, {"p50": None, "p99": None, "count": None}),
    }
    assert [each["report"] for each in battle["bots"]] == [
        f"logs/reports/{name}.json" for name in ("alice", "bob", "carol")
    ]


# ------------------------------------------------------------------------------------------ figures


def test_the_report_tells_who_was_liquidated_who_is_bankrupt_and_what_the_fund_has(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path, "alice")
    stage.market.looks["at the end"] = [position("alice", 0.0), position("bob", 10_100.0)]
    bankrupt = of_the_house("account_status", 1, trader_id="alice", status="bankrupt")
    fund = of_the_house("insurance_update", 2, cash=-40.0)

    async def story() -> Report:
        async with stage.market.feed():
            runner = await stage.run()
            await says(runner, "s: trading, 0 trades, ")
            await stage.market.tell(
                forced(1, "alice"), forced(2, "bob", "auto_deleverage"), bankrupt, fund
            )
            await says(runner, "1 liquidation, 1 deleveraging, insurance -40.00, alice leads")
            runner.terminate()
            return await ended(runner)

    code, out, _ = play(story())
    assert code == 0
    remarks = [
        "bob: 1 deleveraging",
        "alice: bankrupt, 1 liquidation",
        "1 liquidation, 1 deleveraging, insurance -40.00",
    ]
    assert out.splitlines()[-4:-1] == remarks
    (battle,) = stage.results()["rounds"]
    rows = [
        [each[name] for name in ("trader_id", "status", "liquidations", "deleveragings")]
        for each in battle["standings"]
    ]
    assert rows == [["bob", "active", 0, 1], ["alice", "bankrupt", 1, 0]]
    market = {
        "liquidations": 1,
        "deleveragings": 1,
        "unseen_liquidations": 0,
        "insurance_cash": -40.0,
    }
    assert market.items() <= battle["market"].items()


def test_gains_count_from_the_end_of_the_warm_up_and_from_what_there_was_before(
    tmp_path: Path,
) -> None:
    """Alice had 12,000 when the battle began, 12,500 after the warm-up, and has 12,400; bob, who is
    no bot, begins in between.
    """
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
    rows = [
        (row["rank"], row["trader_id"], row["gain"], row["max_drawdown"])
        for row in battle["standings"]
    ]
    assert rows == [(1, "bob", 30.0, 0.0), (2, "idle", 0.0, 0.0), (3, "alice", -100.0, 100.0)]
    assert [row[1:3] for row in table(out)] == [
        ["bob", "10,030.00"],
        ["idle", "10,000.00"],
        ["alice", "12,400.00"],
    ]
    assert {each["type"] for each in stage.market.requests} == {"subscribe", "resume"}
    assert (
        battle["market"]["trades"],
        battle["market"]["trades_before"],
        battle["market"]["unseen_trades"],
    ) == (2, 0, 0)


def test_in_the_cool_down_nobody_trades_and_an_order_to_stop_ends_it(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")

    async def story() -> Report:
        async with stage.market.feed():
            runner = await stage.run("--duration", "1.0", "--cool-down", "3600")
            await says(runner, "s: cool-down, ")
            assert stage.log("alice")[-1] == "told SIGTERM", "the bots have left"
            assert stage.market.requests[-1]["request_id"] != "at the end"
            runner.terminate()
            return await ended(runner)

    assert play(story())[0] == 0
    assert stage.market.requests[-1]["request_id"] == "at the end"
    assert stage.results()["ended_by"] == "duration"
