"""A battle of real bots, one of which is killed: it comes back and all is accounted for; see
proofs/battle_kills.py.
"""

import asyncio
import json
import random
from dataclasses import replace

import pytest

from bot_strategies import load_strategy
from botpit.battle.config import parse_battle
from proofs.battle_kills import BATTLE, victims, watch


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    bots = [
        {"trader_id": "maker", "strategy": "maker", "decision_interval": 0.05},
        {"trader_id": "taker", "strategy": "taker", "count": 2, "decision_interval": 0.05},
    ]
    (folder / "bots.json").write_text(json.dumps({"restart": "on-failure", "bots": bots}))
    return asyncio.run(watch(1, 0.2, 3, folder / "bots.json", folder, "--stagger-ms", "0"))


def test_the_killed_bot_comes_back_the_others_trade_on_and_every_figure_is_what_was_recorded(
    outcome,
):
    assert [kill.trader_id for kill in outcome.kills] == ["taker-1"]
    assert list(outcome.differences()) == []
    assert len(outcome.reports) == 3, "a bot's report goes on over its deaths"


def test_what_results_json_leaves_out_is_a_difference(outcome):
    before, (kill,) = outcome.results, outcome.kills
    try:
        outcome.kills = [kill, replace(kill, trader_id="maker")]
        assert any("maker was killed 1 times" in each for each in outcome.differences())
        outcome.kills = [replace(kill, at_s=kill.at_s + 60)]
        assert any("was killed at" in each for each in outcome.differences())
        outcome.kills = [replace(kill, trades=len(outcome.recorder.trades))]
        assert "nobody traded after taker-1 was killed" in outcome.differences()
        outcome.kills = [kill]
        outcome.results = json.loads(json.dumps(before).replace('"volume": ', '"volume": 1'))
        assert any("trades, lots, lots as maker are" in each for each in outcome.differences())
    finally:
        outcome.kills, outcome.results = [kill], before


def try_out(bot):
    load_strategy(
        bot.strategy,
        trader_id=bot.trader_id,
        rng=random.Random(bot.seed),
        params=bot.strategy_params,
    )


def test_the_battle_of_twenty_is_of_eight_kinds_and_everybody_is_killed_once_before_anybody_twice():
    bots = parse_battle(BATTLE.read_text(), try_out).all_bots()
    assert (len(bots), len({bot.strategy for bot in bots}), {bot.restart for bot in bots}) == (
        20,
        8,
        {"on-failure"},
    )
    killed = victims(BATTLE, 40, seed=1)
    assert len(set(killed[:20])) == 20 and killed[20:] == killed[:20]
    assert killed != victims(BATTLE, 40, seed=2)
