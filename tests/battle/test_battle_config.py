"""A battle's configuration and the runner's flags: every problem named before anything starts,
every default filled in.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from botpit.battle.config import (
    BattleConfig,
    BattleConfigError,
    BotConfig,
    Limits,
    parse_battle,
)
from botpit.cli import battle as bot_battle_runner
from tests.docs.page import SPEC, Page, differences, key

MAKER = {"trader_id": "alice", "strategy": "maker"}


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], list[str]]:
    """What the runner says to a configuration that it refuses, without the file's name."""

    def lines(text: str) -> list[str]:
        (tmp_path / "bots.json").write_text(text)
        path = str(tmp_path / "bots.json")
        assert (
            bot_battle_runner.main(
                ["--config", path, "--results", str(tmp_path / "out" / "results.json")]
            )
            == 2
        )
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
        (battle_of(MAKER, MAKER), ["bots: trader_id alice is used 2 times"]),
        (battle_of(MAKER | {"count": 2}, MAKER | {"trader_id": "alice-2"}), ["bots: trader_id alice-2 is used 2 times"]),
        (battle_of(MAKER | {"strategy": "makre"}), ["bots[0] (alice): strategy makre"]),
        (battle_of(MAKER | {"strategy": "gone.py:Bot"}), ["bots[0] (alice): strategy gone.py:Bot: cannot import gone.py"]),
        (battle_of(MAKER | {"strategy_params": {"levles": 3}}), ["bots[0] (alice): strategy maker: unknown parameter levles"]),
        (battle_of(MAKER | {"strategy_params": {"levels": "many"}}), ["bots[0] (alice): strategy maker: parameter levels=many"]),
        (battle_of(MAKER | {"strategy_params": {"levels": [3]}}), ["bots[0].strategy_params.levels: a parameter is a text"]),
        (battle_of(MAKER | {"seed": "7"}), ["bots[0].seed: "]),
        (battle_of(MAKER | {"decision_interval": 0}), ["bots[0].decision_interval: "]),
        (battle_of(MAKER | {"symbol": "@fees"}), ["bots[0].symbol: "]),
        (battle_of(MAKER | {"trader_id": "@fees"}), ["bots[0].trader_id: "]),
        (battle_of(MAKER | {"trader_id": 64 * "a", "count": 1}), [f"bots[0].trader_id: {64 * 'a'}-1 is longer"]),
        (battle_of(MAKER | {"order_gateway_uri": "http://127.0.0.1"}), ["bots[0].order_gateway_uri: "]),
        (battle_of({"strategy": "maker"}), ["bots[0].trader_id: is missing"]),
        (battle_of(), ["bots: "]),
        (battle_of(MAKER, restart="always"), ["restart: "]),
        (battle_of(MAKER | {"restart": True}), ["bots[0].restart: "]),
        (battle_of(MAKER, limits={"cpu": 5}), ["limits.cpu: unknown key"]),
        (battle_of(MAKER | {"limits": {"memory_mb": "512"}}), ["bots[0].limits.memory_mb: "]),
        (battle_of(MAKER | {"limits": {"cpu_s": 0, "open_files": 1.5}}),
         ["bots[0].limits.cpu_s: ", "bots[0].limits.open_files: "]),
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
def test_each_problem_of_a_configuration_is_one_line(
    refused: Callable[[str], list[str]], text: str, words: list[str]
) -> None:
    lines = refused(text)
    assert len(lines) == len(words)
    for line, beginning in zip(lines, words, strict=True):
        assert line.startswith(beginning)


def test_a_strategy_that_fails_with_many_lines_is_still_one_line(
    refused: Callable[[str], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "loud.py").write_text(
        "class Bot:\n    def __init__(self, *, params):\n        raise ValueError('a\\nb')"
    )
    (line,) = refused(battle_of(MAKER | {"strategy": "loud.py:Bot"}))
    assert "its constructor failed: ValueError: a\\nb" in line


def test_a_configuration_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bot_battle_runner.main(["--config", str(tmp_path / "none.json")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "none.json" in line


@pytest.mark.parametrize(
    "flags", [["--duration", "0"], ["--duration", "nan"], ["--python", "/nowhere/python"]]
)
def test_a_wrong_flag_exits_2(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bot_battle_runner.main(flags)
    assert ended.value.code == 2
    assert flags[0] in capsys.readouterr().err.splitlines()[-1]


def test_one_entry_makes_many_bots_each_with_a_seed_and_addresses() -> None:
    parameters = {"size": 3, "calm": True, "x": 0.5}
    crowd = {
        "trader_id": "noise",
        "strategy": "random",
        "seed": 40,
        "count": 2,
        "strategy_params": parameters,
    }
    lone = {"trader_id": "bob", "strategy": "taker", "market_data_uri": "ws://127.0.0.1:2/"}
    text = battle_of(
        crowd, lone, market_data_uri="ws://127.0.0.1:1", order_gateway_uri="ws://127.0.0.1:3"
    )
    bots = parse_battle(text, lambda bot: None).all_bots()
    assert [(bot.trader_id, bot.seed) for bot in bots] == [
        ("noise-1", 40),
        ("noise-2", 41),
        ("bob", 3),
    ]
    assert bots[1].flags() == [
        "--trader-id=noise-2", "--strategy=random", "--seed=41", "--decision-interval=0.5", "--market-data-uri=ws://127.0.0.1:1",
        "--order-gateway-uri=ws://127.0.0.1:3", "--strategy-param=size=3", "--strategy-param=calm=true", "--strategy-param=x=0.5",
    ]  # fmt: skip
    assert "--market-data-uri=ws://127.0.0.1:2/" in bots[2].flags()


def test_a_bot_trades_the_instrument_that_its_entry_names() -> None:
    text = battle_of(MAKER | {"symbol": "ALT"}, MAKER | {"trader_id": "bob"})
    alice, bob = parse_battle(text, lambda bot: None).all_bots()
    assert "--symbol=ALT" in alice.flags() and not any(
        flag.startswith("--symbol") for flag in bob.flags()
    )


def test_a_battle_never_has_more_than_a_thousand_bots() -> None:
    with pytest.raises(BattleConfigError, match="1001 are too many"):
        parse_battle(battle_of(MAKER | {"count": 1_000}, MAKER), lambda bot: None)


def test_rounds_without_a_token_say_which_file_is_wanted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        bot_battle_runner.main(["--rounds", "2", "--duration", "5"])
    assert (
        "--house-token FILE, the file of exchange_server.py --house-token-file"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), ("\n", "is empty"), ("\u00e4", "ascii")]
)
def test_a_token_that_is_none_is_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str
) -> None:
    config, token = tmp_path / "bots.json", tmp_path / "token"
    config.write_text(battle_of(MAKER))
    if content is not None:
        token.write_text(content, encoding="utf-8")
    flags = [
        "--config",
        str(config),
        "--rounds",
        "2",
        "--duration",
        "5",
        "--house-token",
        str(token),
    ]
    assert bot_battle_runner.main([*flags, "--results", str(tmp_path / "results.json")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and words in line


def test_restarts_and_limits_are_the_battle_s_unless_a_bot_has_its_own() -> None:
    strict = MAKER | {"restart": "never", "limits": {"memory_mb": 512}}
    text = battle_of(
        MAKER,
        strict | {"trader_id": "bob"},
        restart="on-failure",
        limits={"cpu_s": 60, "open_files": 64},
    )
    alice, bob = parse_battle(text, lambda bot: None).all_bots()
    assert (alice.restart, bob.restart) == ("on-failure", "never")
    assert alice.flags()[-2:] == ["--max-cpu-s=60", "--max-open-files=64"]
    assert bob.flags()[-1] == "--max-memory-mb=512", (
        "its limits replace the battle's as a whole"
    )
    assert not any(flag.startswith(("--max-cpu", "--max-open")) for flag in bob.flags())


def test_each_round_has_other_seeds_and_the_first_those_of_the_configuration() -> None:
    crowd = {"trader_id": "noise", "strategy": "random", "seed": 40, "count": 1_000}
    bots = parse_battle(battle_of(crowd), lambda bot: None).all_bots()
    seeds = [{bot.in_round(number).seed for bot in bots} for number in (1, 2, 3)]
    assert seeds[0] == set(range(40, 1_040))
    assert bots[0].in_round(2).seed == 40 + 1_000_003
    assert not seeds[0] & seeds[1] and not seeds[1] & seeds[2]


# --------------------------------------------------------------------------------------------- docs


def test_every_key_is_documented_with_its_default() -> None:
    page = Page(SPEC.read_text(encoding="utf-8"))
    for heading, model in {
        "A battle's configuration": BattleConfig,
        "A bot of it": BotConfig,
        "Its limits": Limits,
    }.items():
        rows = page.rows(heading)
        assert list(differences(heading, map(key, rows), model.model_fields)) == []
        for row in rows:
            default = model.model_fields[key(row)].get_default(call_default_factory=True)
            written = (
                ""
                if default is PydanticUndefined or default in (None, {}, Limits())
                else str(default)
            )
            assert row["default"] == written, key(row)
