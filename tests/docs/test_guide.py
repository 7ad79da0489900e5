"""The guides: what they say is there is there, and the bots of the integration guide play as it
says, from another folder.
"""

from __future__ import annotations

import inspect
import json
import re
import signal
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bot_strategies import (
    Book,
    Market,
    OpenOrder,
    Strategy,
    StrategyContext,
    Terms,
    describe_strategy,
    load_strategy,
)
from tests.docs.page import HOUSE, SPEC, Page, code, key
from tests.processes.running import exchange, relay, running
from tests.test_examples import RunningMarket

GUIDES = ["BOT_INTEGRATION_GUIDE.md", "DEMO_GUIDE.md", "COMPETITIONS.md", "CSV_ANALYSIS.md"]
GUIDE = (HOUSE / "docs/BOT_INTEGRATION_GUIDE.md").read_text(encoding="utf-8")
PAGE = Page(GUIDE)
FAULTS = (
    "strategy crashed",
    "price off the tick",
    "slow callback",
    "Traceback",
    "invalid_price",
)


def python_files() -> dict[str, str]:
    """The blocks of code by the name of the file that each is to be saved as."""
    return dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", GUIDE, flags=re.DOTALL))


def json_files() -> dict[str, Any]:
    found = re.findall(r"`(\w+\.json)`:\n\n```json\n(.*?)```", GUIDE, flags=re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def save_files(folder: Path) -> None:
    for name, text in python_files().items():
        (folder / name).write_text(text, encoding="utf-8")


def test_every_block_of_code_has_a_name():
    assert list(python_files()) == ["hasty.py", "patient.py", "anchor.py", "everywhere.py"]
    assert list(json_files()) == ["arena.json", "both.json"]
    assert GUIDE.count("```python") == 4 and GUIDE.count("```json") == 2


def test_the_guides_bots_trade_under_the_runner_from_a_folder_of_their_own(tmp_path):
    """All of them in one battle with the guide's randoms, until each has traded; then all end well."""
    save_files(tmp_path)
    arena, both = json_files()["arena.json"]["bots"], json_files()["both.json"]["bots"]
    everywhere = {
        "trader_id": "everywhere",
        "strategy": "everywhere.py:Everywhere",
        "decision_interval": 0.1,
    }
    bots = [*arena, *(bot for bot in both if bot["trader_id"] != "random"), everywhere]
    with exchange(tmp_path) as house, relay(tmp_path, house.events) as (_, port):
        uris = {"market_data_uri": f"ws://127.0.0.1:{port}", "order_gateway_uri": house.orders}
        (tmp_path / "battle.json").write_text(
            json.dumps({**uris, "bots": bots}), encoding="utf-8"
        )
        with running(
            "bot_battle_runner.py", "--config", "battle.json", folder=tmp_path
        ) as battle:
            market = RunningMarket(house.orders, uris["market_data_uri"], house.events)
            market.wait_for_trades_of("me", "patient", "anchor", "everywhere")
            assert battle.stops(signal.SIGINT) == 0
    logs = {
        path.name: path.read_text(encoding="utf-8")
        for path in (tmp_path / "logs").glob("*.log")
    }
    assert {"me.log", "patient.log", "anchor.log", "everywhere.log"} <= logs.keys()
    assert [name for name, text in logs.items() if any(fault in text for fault in FAULTS)] == []


def test_a_parameter_out_of_bounds_is_refused_as_the_guide_shows(tmp_path):
    save_files(tmp_path)
    (said,) = re.findall(
        r"^error: both\.json: bots\[2\] \(anchor\): (.*)$", GUIDE, flags=re.MULTILINE
    )
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        load_strategy(
            "anchor.py:Anchor",
            trader_id="me",
            rng=None,
            params={"size": "0"},
            relative_to=tmp_path,
        )
    assert len(describe_strategy("anchor.py:Anchor", relative_to=tmp_path).parameters) == 4


# --------------------------------------------------------------------------------- nothing left out


def names_in(heading: str, column: str) -> list[str]:
    """The names in a table's first column, without their arguments."""
    return [
        re.match(r"\w+", word)[0] for row in PAGE.rows(heading) for word in code(row[column])
    ]


def public(kind: type) -> set[str]:
    return {name for name, member in inspect.getmembers(kind) if not name.startswith("_") and (callable(member) or
            isinstance(member, property))}  # fmt: skip


def test_every_field_of_the_context_is_there_once():
    assert names_in("The context", "field") == [each.name for each in fields(StrategyContext)]


def test_every_name_of_the_market_handle_is_there():
    assert set(names_in("The market handle", "name")) == public(Market)
    assert {each.name for each in fields(OpenOrder)} | public(Book) | set(
        Terms.__annotations__
    ) <= set(code(PAGE.under["The market handle"]))


def test_every_hook_is_there():
    assert set(names_in("The hooks", "hook")) == {
        name for name in public(Strategy) if not name.startswith("_")
    }


# --------------------------------------------------------------------------------------- all guides


@pytest.mark.parametrize("name", GUIDES)
def test_every_link_of_a_guide_leads_somewhere(name):
    text = (HOUSE / "docs" / name).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", text):
        path = HOUSE / "docs" / target if target else HOUSE / "docs" / name
        assert path.exists(), target
        if anchor:
            headings = re.findall(
                r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE
            )
            assert anchor in {
                re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
                for heading in headings
            }, anchor


def test_the_guides_commands_use_flags_that_there_are():
    """Those of the protocol page, which are the programs' own by another test."""
    tables = Page(SPEC.read_text(encoding="utf-8")).named("")
    for program, arguments in re.findall(r"python -m (\w+)((?: [^\n`|]*)?)", GUIDE):
        known = [key(row) for row in tables.get(f"{program}.py", [])]
        assert set(re.findall(r"--[\w-]+", arguments)) <= set(known), program
