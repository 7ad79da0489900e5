"""The battle runner: nothing starts from a bad configuration, nobody is left behind, its report is what the feed told."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import textwrap
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

import bot_battle_runner
from botpit.battle.config import BattleConfigError, parse_battle
from botpit.battle.spectator import Spectator

HOUSE = Path(__file__).resolve().parent.parent
DEADLINE_S = 30.0
MAKER = {"trader_id": "alice", "strategy": "maker"}


# ----------------------------------------------------------------------------------------------------------- configuration


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[str]]:
    """What the runner says to a configuration that it refuses, without the file's name."""

    def lines(text: str) -> list[str]:
        (tmp_path / "bots.json").write_text(text)
        path = str(tmp_path / "bots.json")
        assert bot_battle_runner.main(["--config", path, "--results", str(tmp_path / "out" / "results.json")]) == 2
        assert not (tmp_path / "out").exists(), "nothing is made or started"
        said = capsys.readouterr()
        assert said.out == ""
        return [line.removeprefix(f"error: {path}: ") for line in said.err.splitlines()]

    return lines


def battle_of(*bots: dict[str, Any], **more: Any) -> str:
    return json.dumps({"bots": bots, **more})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (battle_of(MAKER | {"sped": 5}), ["bots[0].sped: unknown key"]),
        (battle_of(MAKER, uri="ws://x"), ["uri: unknown key"]),
        (battle_of(MAKER, MAKER), ["bots: trader_id alice is there 2 times"]),
        (battle_of(MAKER | {"count": 2}, MAKER | {"trader_id": "alice-2"}), ["bots: trader_id alice-2 is there 2 times"]),
        (battle_of(MAKER | {"strategy": "makre"}), ["bots[0] (alice): strategy makre"]),
        (battle_of(MAKER | {"strategy": "gone.py:Bot"}), ["bots[0] (alice): strategy gone.py:Bot: cannot import gone.py"]),
        (battle_of(MAKER | {"strategy_params": {"levles": 3}}), ["bots[0] (alice): strategy maker: unknown parameter levles"]),
        (battle_of(MAKER | {"strategy_params": {"levels": "many"}}), ["bots[0] (alice): strategy maker: parameter levels=many"]),
        (battle_of(MAKER | {"strategy_params": {"levels": [3]}}), ["bots[0].strategy_params.levels: a parameter is a text"]),
        (battle_of(MAKER | {"seed": "7"}), ["bots[0].seed: "]),
        (battle_of(MAKER | {"decision_interval": 0}), ["bots[0].decision_interval: "]),
        (battle_of(MAKER | {"trader_id": "@fees"}), ["bots[0].trader_id: "]),
        (battle_of(MAKER | {"trader_id": 64 * "a", "count": 1}), [f"bots[0].trader_id: {64 * 'a'}-1 is longer"]),
        (battle_of(MAKER | {"order_gateway_uri": "http://127.0.0.1"}), ["bots[0].order_gateway_uri: "]),
        (battle_of({"strategy": "maker"}), ["bots[0].trader_id: is missing"]),
        (battle_of(), ["bots: "]),
        ('{"bots": [{"trader_id": "alice", "trader_id": "bob"}]}', ["not valid JSON: the key 'trader_id' is there twice"]),
        ("[]", ["the file: must be an object"]),
        ("{", ["not valid JSON: "]),
        (100_000 * "[", ["not valid JSON: "]),
        (battle_of(MAKER | {"seed": 1.5}, {"trader_id": "bob", "strategi": "x"}),
         ["bots[0].seed: ", "bots[1].strategy: is missing", "bots[1].strategi: unknown key"]),
        (battle_of(MAKER | {"strategy": "a"}, MAKER | {"strategy": "b"}),
         ["bots: trader_id alice", "bots[0] (alice)", "bots[1] (alice)"]),
    ],
)  # fmt: skip
def test_each_problem_of_a_configuration_is_one_line(refused: Callable[[str], list[str]], text: str, words: list[str]) -> None:
    lines = refused(text)
    assert len(lines) == len(words)
    for line, beginning in zip(lines, words, strict=True):
        assert line.startswith(beginning)


def test_a_strategy_that_fails_with_many_lines_is_still_one_line(refused: Callable[[str], list[str]], tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("class Bot:\n    def __init__(self, *, params):\n        raise ValueError('a\\nb')")
    (line,) = refused(battle_of(MAKER | {"strategy": "loud.py:Bot"}))
    assert "its constructor failed: ValueError: a\\nb" in line


def test_a_configuration_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bot_battle_runner.main(["--config", str(tmp_path / "none.json")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "none.json" in line


@pytest.mark.parametrize("flags", [["--duration", "0"], ["--duration", "nan"], ["--python", "/nowhere/python"]])
def test_a_wrong_flag_exits_2(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bot_battle_runner.main(flags)
    assert ended.value.code == 2
    assert flags[0] in capsys.readouterr().err.splitlines()[-1]


def test_one_entry_makes_many_bots_each_with_a_seed_and_addresses() -> None:
    parameters = {"size": 3, "calm": True, "x": 0.5}
    crowd = {"trader_id": "noise", "strategy": "random", "seed": 40, "count": 2, "strategy_params": parameters}
    lone = {"trader_id": "bob", "strategy": "taker", "market_data_uri": "ws://127.0.0.1:2/"}
    text = battle_of(crowd, lone, market_data_uri="ws://127.0.0.1:1", order_gateway_uri="ws://127.0.0.1:3")
    bots = parse_battle(text, lambda bot: None).all_bots()
    assert [(bot.trader_id, bot.seed) for bot in bots] == [("noise-1", 40), ("noise-2", 41), ("bob", 3)]
    assert bots[1].flags() == [
        "--trader-id=noise-2", "--strategy=random", "--seed=41", "--decision-interval=0.5", "--market-data-uri=ws://127.0.0.1:1",
        "--order-gateway-uri=ws://127.0.0.1:3", "--strategy-param=size=3", "--strategy-param=calm=true", "--strategy-param=x=0.5",
    ]  # fmt: skip
    assert "--market-data-uri=ws://127.0.0.1:2/" in bots[2].flags()


def test_a_battle_never_has_more_than_a_thousand_bots() -> None:
    with pytest.raises(BattleConfigError, match="1001 are too many"):
        parse_battle(battle_of(MAKER | {"count": 1_000}, MAKER), lambda bot: None)


# --------------------------------------------------------------------------------------------------------------- spectator


def position(trader: str, equity: float, *, lots: int = 0, unrealized: float = 0.0) -> dict[str, Any]:
    cash = equity - unrealized
    money = {"cash": cash, "realized_pnl": cash - 10_000.0, "unrealized_pnl": unrealized, "total_equity": equity}
    prices = {"avg_entry_price": 100.0, "mark_price": 100.0}
    return {"trader_id": trader, "symbol": "SIM", "position": lots, **money, **prices, "timestamp": 1}


def snapshot(*positions: dict[str, Any], trades: int = 0, market_id: str = "m1") -> dict[str, Any]:
    counted = {"seq": trades, "channel_seq": {"trades": {"SIM": trades}}}
    state = {"instruments": [], "books": {}, "positions": positions}
    return {"type": "snapshot", "market_id": market_id, **counted, **state, "timestamp": 1}


def subscribed(request_id: str | None = None) -> dict[str, Any]:
    return {"type": "subscribed", "channels": [], "symbols": [], "batch": True, "timestamp": 1, "request_id": request_id}


def trade(number: int) -> dict[str, Any]:
    return {"type": "trade", "trade_id": number, "price": 100.0, "qty": 2, "buy_trader_id": "alice", "sell_trader_id": "bob",
            "symbol": "SIM", "seq": number, "channel_seq": number, "timestamp": 1}  # fmt: skip


def forced(number: int, trader: str, reason: str = "bankruptcy") -> dict[str, Any]:
    closed = {"reason": reason, "qty": 2, "side": "sell", "symbol": "SIM", "price": 90.0}
    return of_the_house("liquidation", number, trader_id=trader, **closed)


def of_the_house(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    return {"type": kind, **fields, "seq": number, "channel_seq": number, "timestamp": 1}


def told(*messages: dict[str, Any]) -> bytes:
    return json.dumps(messages).encode()


def test_trades_that_nobody_told_us_are_counted_as_unseen() -> None:
    spectator = Spectator()
    assert spectator.received(told(snapshot(trades=10), trade(11)))
    assert not spectator.received(told(trade(13)))
    assert spectator.received(told(snapshot(trades=15), trade(16)))
    result = spectator.result()
    assert (result.trades, result.unseen_trades, result.volume, result.market_id) == (6, 3, 6, "m1")


def test_a_market_that_takes_the_place_of_another_is_counted_from_its_beginning() -> None:
    spectator = Spectator()
    spectator.received(told(snapshot(trades=10), trade(11)))
    spectator.received(told(snapshot(trades=4, market_id="m2"), trade(5)))
    result = spectator.result()
    assert (result.trades, result.unseen_trades, result.market_id) == (5, 4, "m2")


def test_liquidations_deleveragings_and_the_fund_are_in_the_result_and_so_are_those_that_nobody_told_us() -> None:
    spectator = Spectator()
    channels = json.loads(spectator.last_request)["channels"]
    assert channels == ["trades", "positions", "liquidations"]
    before, after = ({"channel_seq": {"liquidations": {"SIM": number, "": 50}}} for number in (10, 16))
    spectator.received(told(snapshot() | before, forced(11, "alice"), forced(12, "bob", "auto_deleverage"), forced(13, "alice")))
    spectator.received(told(of_the_house("insurance_update", 51, cash=-7.5), snapshot() | after))
    result = spectator.result()
    assert (result.liquidations, result.deleveragings, result.unseen_liquidations, result.insurance_cash) == (2, 1, 3, -7.5)
    spectator.received(told(snapshot(market_id="m2") | before))
    result = spectator.result()
    assert (result.liquidations, result.deleveragings, result.unseen_liquidations, result.insurance_cash) == (0, 0, 10, None)


def test_only_the_snapshot_after_the_last_request_is_the_last_one() -> None:
    spectator = Spectator()
    spectator.received(told(snapshot(), subscribed("first"), snapshot()))
    assert not spectator.has_last_snapshot
    spectator.received(told(subscribed(json.loads(spectator.last_request)["request_id"]), trade(1)))
    assert not spectator.has_last_snapshot
    spectator.received(told(snapshot()))
    assert spectator.has_last_snapshot


# ------------------------------------------------------------------------------------------------------------ real battles

BOT = f"""#!{sys.executable}
import json, os, sys
sys.path.insert(0, {str(HOUSE)!r})
from botpit.net.processes import run, until_told_to_stop
flags = dict(flag.removeprefix("--").split("=", 1) for flag in sys.argv[2:])
async def main():
    print(json.dumps(flags | {{"program": sys.argv[1], "pid": os.getpid()}}), flush=True)
    if flags["trader-id"].startswith("crash"):
        return 3
    print("told", await until_told_to_stop(), flush=True)
    return 0
sys.exit(run(main))
"""
"""Stands in for the interpreter that `--python` names: notes what it was told, and lives until told to stop."""

RUNNER = f"""
import sys
sys.path.insert(0, {str(HOUSE)!r})
import bot_battle_runner
bot_battle_runner.PROGRESS_S = 0.1
sys.exit(bot_battle_runner.main())
"""


class Stage:
    """A folder with a configuration, in which a runner runs; `feed` is what it can watch."""

    def __init__(self, folder: Path, *trader_ids: str) -> None:
        self.folder = folder
        self.uri = "ws://127.0.0.1:1"
        self.standings = [position("alice", 10_000.0)]
        self.last_standings = self.standings
        self.events: list[dict[str, Any]] = []
        self.counts: dict[str, int] = {}
        self.subscribed = asyncio.Event()
        self._trader_ids = trader_ids
        (folder / "bot").write_text(BOT)
        (folder / "bot").chmod(0o755)
        (folder / "runner.py").write_text(textwrap.dedent(RUNNER))

    async def run(self, *flags: str) -> asyncio.subprocess.Process:
        bots = [{"trader_id": trader_id, "strategy": "maker"} for trader_id in self._trader_ids]
        (self.folder / "bots.json").write_text(battle_of(*bots, market_data_uri=self.uri))
        command = [sys.executable, "runner.py", "--config", "bots.json", "--python", "./bot", *flags]
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        return await asyncio.create_subprocess_exec(*command, cwd=self.folder, stdin=nothing, stdout=pipe, stderr=pipe)

    @asynccontextmanager
    async def feed(self, port: int = 0) -> AsyncIterator[None]:
        async with serve(self._serve_one, "127.0.0.1", port) as server:
            self.uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield

    async def _serve_one(self, connection: ServerConnection) -> None:
        await connection.send(json.dumps(snapshot(*self.standings)))
        async for text in connection:
            request = json.loads(text)
            positions = self.last_standings if request["request_id"] == "last" else self.standings
            before = snapshot(*positions) | {"channel_seq": {"liquidations": self.counts}}
            await connection.send(told(subscribed(request["request_id"]), before, *self.events).decode())
            self.events, self.counts = [], dict(Counter(each.get("symbol", "") for each in self.events) + Counter(self.counts))
            self.subscribed.set()

    def log(self, trader_id: str) -> list[str]:
        path = self.folder / "logs" / f"{trader_id}.log"
        return path.read_text().splitlines() if path.exists() else []

    async def bots_up(self, *trader_ids: str) -> list[int]:
        """The processes of these bots, when they all have said that they live."""
        await until(lambda: all(self.log(trader_id) for trader_id in trader_ids))
        return [json.loads(self.log(trader_id)[0])["pid"] for trader_id in trader_ids]


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not happened():
            await asyncio.sleep(0.01)


async def ended(runner: asyncio.subprocess.Process) -> tuple[int, str, str]:
    async with asyncio.timeout(DEADLINE_S):
        out, err = await runner.communicate()
    assert runner.returncode is not None
    return runner.returncode, out.decode(), err.decode()


def bury(*pids: int) -> None:
    """Whoever a broken program left behind."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_the_runner_stops_its_bots_and_reports(tmp_path: Path, number: signal.Signals) -> None:
    async def story() -> tuple[int, str, str]:
        stage = Stage(tmp_path, "alice", "bob", "crash/1")
        stage.last_standings = [position("alice", 9_900.0, lots=2, unrealized=-50.0), position("carol", 10_100.0)]
        async with stage.feed():
            runner = await stage.run()
            assert runner.stderr is not None
            pids = await stage.bots_up("alice", "bob", "crash%2F1")
            async with asyncio.timeout(DEADLINE_S):
                while b"WARNING runner ended by itself name=crash/1 exit_code=3" not in await runner.stderr.readline():
                    pass
                await stage.subscribed.wait()
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

    code, out, err = asyncio.run(story())
    assert code == 0
    assert "\x1b" not in out + err
    table = [line.split()[:3] for line in out.splitlines() if " s: " not in line]
    assert table[1:] == [["1", "carol", "10,100.00"], ["2", "alice", "9,900.00"], ["results:", "results.json"]]
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["ended_by"] == number.name
    assert [(each["rank"], each["trader_id"], each["total_equity"], each["positions"]) for each in results["standings"]] == [
        (1, "carol", 10_100.0, {"SIM": 0}),
        (2, "alice", 9_900.0, {"SIM": 2}),
    ]
    assert [(each["bot"]["trader_id"], each["exit_code"], each["stopped"]) for each in results["bots"]] == [
        ("alice", 0, True),
        ("bob", 0, True),
        ("crash/1", 3, False),
    ]


def test_the_report_tells_who_was_liquidated_who_is_bankrupt_and_what_the_fund_has(tmp_path: Path) -> None:
    async def story() -> tuple[int, str, str]:
        stage = Stage(tmp_path, "alice")
        stage.last_standings = [position("alice", 0.0), position("bob", 10_100.0)]
        stage.events = [forced(1, "alice"), forced(2, "bob", "auto_deleverage")]
        stage.events += [of_the_house("account_status", 1, trader_id="alice", status="bankrupt")]
        stage.events += [of_the_house("insurance_update", 2, cash=-40.0)]
        async with stage.feed(), asyncio.timeout(DEADLINE_S):
            runner = await stage.run()
            assert runner.stdout is not None
            while b"1 liquidation, 1 deleveraging, insurance -40.00, alice leads" not in await runner.stdout.readline():
                pass
            runner.terminate()
            return await ended(runner)

    code, out, _ = asyncio.run(story())
    assert code == 0
    *table, house, _ = (line for line in out.splitlines() if " s: " not in line)
    traders = [re.split(r" {2,}", line.strip())[1] for line in table[1:]]
    assert traders == ["bob (1 deleveraging)", "alice (bankrupt, 1 liquidation)"]
    assert house == "1 liquidation, 1 deleveraging, insurance -40.00"
    results = json.loads((tmp_path / "results.json").read_text())
    names = ("trader_id", "status", "liquidations", "deleveragings")
    rows = [[each[name] for name in names] for each in results["standings"]]
    assert rows == [["bob", "active", 0, 1], ["alice", "bankrupt", 1, 0]]
    market = {"liquidations": 1, "deleveragings": 1, "unseen_liquidations": 0, "insurance_cash": -40.0}
    assert market.items() <= results["market"].items()


def test_a_bot_is_started_with_what_its_configuration_says(tmp_path: Path) -> None:
    async def story() -> dict[str, str]:
        stage = Stage(tmp_path, "alice")
        async with stage.feed():
            runner = await stage.run("--log-level", "warning")
            await stage.bots_up("alice")
            runner.terminate()
            await ended(runner)
        return json.loads(stage.log("alice")[0])

    flags = asyncio.run(story())
    assert flags["program"] == str(HOUSE / "bot_client.py")
    assert flags["strategy-dir"] == str(tmp_path)
    assert (flags["strategy"], flags["seed"], flags["log-level"]) == ("maker", "1", "warning")


def test_a_battle_ends_after_its_duration_and_never_writes_over_results(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("an older battle")

    async def story() -> tuple[int, str, str]:
        stage = Stage(tmp_path, "alice")
        async with stage.feed():
            return await ended(await stage.run("--duration", "0.3"))

    code, out, _ = asyncio.run(story())
    assert code == 0
    assert out.splitlines()[-1] == "results: results-2.json"
    assert (tmp_path / "results.json").read_text() == "an older battle"
    assert json.loads((tmp_path / "results-2.json").read_text())["ended_by"] == "duration"


def test_when_every_bot_has_failed_the_battle_is_over_with_exit_3(tmp_path: Path) -> None:
    async def story() -> tuple[int, str, str]:
        stage = Stage(tmp_path, "crash-1", "crash-2")
        async with stage.feed():
            return await ended(await stage.run("--duration", "3600"))

    assert asyncio.run(story())[0] == 3
    assert json.loads((tmp_path / "results.json").read_text())["ended_by"] == "all bots ended"


def test_a_feed_that_is_not_there_yet_is_said_and_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, "alice")
        async with stage.feed():
            port = int(stage.uri.rpartition(":")[2])
        runner = await stage.run()
        assert runner.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            assert b"no market data from ws://127.0.0.1" in await runner.stdout.readline()
            async with stage.feed(port):
                while b"1 traders, alice leads with 10,000.00" not in await runner.stdout.readline():
                    pass
                runner.terminate()
                assert (await ended(runner))[0] == 0

    asyncio.run(story())


def test_kill_9_of_the_runner_leaves_no_bot(tmp_path: Path) -> None:
    async def story() -> None:
        stage = Stage(tmp_path, "alice", "bob")
        async with stage.feed():
            runner = await stage.run()
            pids = await stage.bots_up("alice", "bob")
            runner.kill()
            await ended(runner)
            try:
                await until(lambda: not any(map(alive, pids)))
            finally:
                bury(*pids)
        assert stage.log("alice")[-1] == "told parent gone"

    asyncio.run(story())


def test_results_that_cannot_be_written_are_exit_5(tmp_path: Path) -> None:
    async def story() -> tuple[int, str, str]:
        stage = Stage(tmp_path, "alice")
        (tmp_path / "out").mkdir()
        async with stage.feed():
            runner = await stage.run("--results", "out/results.json", "--log-dir", "logs")
            await stage.bots_up("alice")
            (tmp_path / "out").rmdir()
            runner.terminate()
            return await ended(runner)

    code, _, err = asyncio.run(story())
    assert code == 5
    assert "the results cannot be written" in err.splitlines()[-1]
