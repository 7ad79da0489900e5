"""The battle runner over several rounds: each in a market of its own, which the house closes and begins anew."""

from __future__ import annotations

import re
from pathlib import Path

from tests.battle.battle_stage import Report, Stage, ended, play
from tests.processes.feed_messages import position

ROUNDS = ("--rounds", "2", "--duration", "0.2", "--house-token", "token")


def test_each_round_has_a_market_of_its_own_and_ends_in_plain_cash(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")
    stage.market.door = True
    stage.market.standings = [
        position("alice", 10_050.0, lots=5, unrealized=50.0),
        position("bob", 9_950.0, lots=-5),
    ]
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
    assert [each["market"]["settlement"] for each in (first, second)] == [
        {"SIM": 101.5},
        {"SIM": 101.5},
    ]
    assert [(row["trader_id"], row["gain"], row["positions"]) for row in first["standings"]] == [
        ("alice", 50.0, {"SIM": 0}), ("bob", 0.0, {"SIM": 0}),
    ]  # fmt: skip
    assert [(row["trader_id"], row["gain"]) for row in second["standings"]] == [("alice", 0.0)]
    assert [bot["bot"]["seed"] for each in (first, second) for bot in each["bots"]] == [
        1,
        1_000_004,
    ]
    totals = [(row["trader_id"], row["gain"], row["rounds_won"]) for row in results["totals"]]
    assert totals == [("alice", 50.0, 2), ("bob", 0.0, 0)]
    for number in (1, 2):
        told = stage.told(f"round-{number}/alice")
        assert (told["seed"], told["report"]) == (
            str(1 + (number - 1) * 1_000_003),
            f"logs/reports/round-{number}/alice.json",
        )
    for words in (
        "standings after round 1 of 2",
        "standings after round 2 of 2",
        "totals of 2 rounds",
    ):
        assert out.count(f"{words}\n") == 1
    assert " s: round 2 of 2, trading, " in out


def test_a_market_that_an_earlier_battle_closed_is_begun_anew_first(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")
    stage.market.door, stage.market.status = True, "closed"

    async def story() -> Report:
        async with stage.market.feed(), stage.market.orders():
            return await ended(await stage.run(*ROUNDS))

    assert play(story())[0] == 0
    assert [each["market"]["market_id"] for each in stage.results()["rounds"]] == [
        "m1+",
        "m1++",
    ]


def test_a_door_that_does_not_open_is_said_before_anything_starts(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")

    async def story() -> Report:
        async with stage.market.feed(), stage.market.orders():
            return await ended(await stage.run(*ROUNDS))

    code, out, err = play(story())
    assert (code, out) == (2, "")
    assert re.fullmatch(
        r"error: --house-token: the exchange's door at ws://\S+ does not open: unauthorized\n",
        err,
    )
    assert not (tmp_path / "logs").exists() and not (tmp_path / "results.json").exists()


def test_a_market_that_cannot_be_closed_ends_the_battle_and_the_round_is_in_the_results(
    tmp_path: Path,
) -> None:
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
    assert (
        "the market could not be closed: unauthorized" in err
        and "standings after round 1 of 2" in out
    )


def test_told_to_stop_in_a_round_it_settles_this_one_and_plays_no_other(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "alice")
    stage.market.door = True

    async def story() -> Report:
        async with stage.market.feed(), stage.market.orders():
            runner = await stage.run(
                "--rounds", "3", "--duration", "3600", "--house-token", "token"
            )
            await stage.bots_up("round-1/alice")
            runner.terminate()
            return await ended(runner)

    assert play(story())[0] == 0
    results = stage.results()
    assert [(each["ended_by"], each["market"]["settlement"]) for each in results["rounds"]] == [
        ("SIGTERM", {"SIM": 101.5})
    ]
    assert stage.market.asked[-1] == "close"
