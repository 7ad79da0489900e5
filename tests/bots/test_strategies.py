"""Loading a strategy by its name, its typed parameters, the table that shows them, and the warning
about a slow one.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import bot_strategies
from bot_strategies import (
    BUILT_IN,
    Polled,
    Strategy,
    StrategyContext,
    StrategyError,
    describe_strategy,
    load_strategy,
)
from botpit.bots import Brain
from botpit.cli import bot as bot_client
from message_schemas import OrderType, Side
from tests.bots.bot_stage import Stage, book

HOUSE = Path(__file__).resolve().parents[2]
OLDER_PLUGIN = """
from __future__ import annotations
import random
from bot_strategies import StrategyContext
from message_schemas import OrderRequest, OrderType, Side

class MyStrategy:
    def __init__(self, *, trader_id: str, rng: random.Random, params: dict[str, str]) -> None:
        self.trader_id = trader_id
        self.rng = rng
        self.qty = int(params.get("qty", "1"))

    def next_order(self, context: StrategyContext) -> OrderRequest | None:
        if context.best_bid is None and context.best_ask is None:
            return None
        side = Side.BUY if self.rng.random() < 2 else Side.SELL
        return OrderRequest(
            trader_id=self.trader_id, side=side, order_type=OrderType.LIMIT, price=context.best_bid, qty=self.qty,
            client_order_id=f"{self.trader_id}-{context.timestamp}",
        )
"""


def load(name: str, folder: Path = Path(), **params: object) -> Strategy:
    return load_strategy(
        name, trader_id="alice", rng=random.Random(1), params=params, relative_to=folder
    )


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def plugin(folder: Path, body: str) -> str:
    """The name of a plugin with this class body."""
    write(
        folder,
        "plugin.py",
        "from __future__ import annotations\nfrom typing import Annotated\nfrom pydantic import *\n"
        f"from bot_strategies import *\nclass Mine(Strategy):\n{body}",
    )
    return "plugin.py:Mine"


# ------------------------------------------------------------------------------------------ loading


def test_a_plugin_of_the_older_framework_loads_and_trades_unchanged(tmp_path):
    write(tmp_path, "older.py", OLDER_PLUGIN)
    strategy = load("older.py:MyStrategy", tmp_path, qty=3)
    assert isinstance(strategy, Polled)
    stage = Stage(strategy).opens()
    assert stage.decides() == []
    stage.sees(book([(99.0, 4)], []))
    (order,) = stage.decides()
    assert (order.trader_id, order.side, order.order_type, order.price, order.qty) == (
        "alice",
        Side.BUY,
        OrderType.LIMIT,
        99.0,
        3,
    )
    assert order.client_order_id == f"alice-{stage.now}"


def test_a_plugin_of_the_older_framework_may_hand_everything_on(tmp_path):
    child = "\nclass Child(MyStrategy):\n    def __init__(self, **given):\n        super().__init__(**given)\n"
    write(tmp_path, "older.py", OLDER_PLUGIN + child)
    plugin = load("older.py:Child", tmp_path, qty=3).plugin
    assert (plugin.trader_id, plugin.qty) == ("alice", 3)


def test_a_context_can_be_made_as_the_older_framework_made_it():
    context = StrategyContext(
        trader_id="a", best_bid=None, best_ask=None, mid_price=100.0, spread=None, timestamp=1
    )
    assert (
        context.position,
        context.cash,
        context.last_rejection_ts,
        context.last_liquidation_ts,
    ) == (0, 10_000.0, 0, 0)


def test_a_file_is_found_from_the_given_folder_and_by_its_whole_path(tmp_path):
    path = write(tmp_path, "deep/one.py", OLDER_PLUGIN)
    assert load("deep/one.py:MyStrategy", tmp_path)
    assert load(f"{path}:MyStrategy")


def test_a_module_is_found_in_the_given_folder(tmp_path):
    write(tmp_path, "rooms_of_a_plugin/__init__.py", "")
    write(tmp_path, "rooms_of_a_plugin/inner.py", OLDER_PLUGIN)
    assert load("rooms_of_a_plugin.inner:MyStrategy", tmp_path)


def test_the_last_colon_parts_file_and_class(tmp_path):
    write(tmp_path, "a:b/one.py", OLDER_PLUGIN)
    assert load("a:b/one.py:MyStrategy", tmp_path)


def test_two_files_of_one_name_stay_apart(tmp_path):
    for folder, number in (("a", 1), ("b", 2)):
        write(
            tmp_path,
            f"{folder}/same.py",
            f"from bot_strategies import Strategy\nclass Mine(Strategy):\n    number = {number}",
        )
    assert [load(f"{folder}/same.py:Mine", tmp_path).number for folder in "ab"] == [1, 2]


def test_a_file_may_import_its_neighbours_and_hides_nobody_elses(tmp_path, monkeypatch):
    write(tmp_path, "neighbour_of_a_plugin.py", "number = 3")
    write(tmp_path, "colorsys.py", "raise RuntimeError('the wrong one')")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    name = plugin(
        tmp_path,
        "    import colorsys, neighbour_of_a_plugin\n    number = neighbour_of_a_plugin.number",
    )
    assert load(name, tmp_path).number == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "mkaer",
            "strategy mkaer: no built-in of that name (maker, avellaneda_stoikov, grid, ",
        ),
        (":Mine", "strategy :Mine: no built-in"),
        (
            "no/such.py:Mine",
            "strategy no/such.py:Mine: cannot import no/such.py: FileNotFoundError",
        ),
        (
            "no_such_module:Mine",
            "cannot import no_such_module: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("plugin.py:Yours", "strategy plugin.py:Yours: plugin.py has no class Yours"),
        ("broken.py:Mine", "cannot import broken.py: SyntaxError"),
        (
            "plugin.py:NoStrategy",
            "the class is not a bot_strategies.Strategy and has no next_order(context)",
        ),
        (
            "plugin.py:Fragile",
            "strategy plugin.py:Fragile: its constructor failed: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_what_cannot_be_had_is_said(tmp_path, name, text):
    plugin(
        tmp_path,
        "    pass\nclass NoStrategy:\n    pass\nclass Fragile(Strategy):\n    def __init__(self):\n        1/0\n",
    )
    write(tmp_path, "broken.py", "def")
    with pytest.raises(StrategyError) as refused:
        load(name, tmp_path)
    assert text in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(("symbols", "loads"), [("'SIM'", True), ("['SIM', 'ALT']", True), ("ALL", True), ("()", True),
                                                ("5", False), ("{'SIM': 1}", False), ("(1, 2)", False)])  # fmt: skip
def test_the_instruments_that_a_strategy_names_are_texts(tmp_path, symbols, loads):
    name = plugin(tmp_path, f"    symbols = {symbols}")
    if loads:
        assert load(name, tmp_path)
        return
    with pytest.raises(StrategyError, match="names instruments, as a list of texts"):
        load(name, tmp_path)


def test_a_plugin_is_registered_under_a_name_of_its_own_before_it_runs(tmp_path):
    write(
        tmp_path,
        "plugin.py",
        "from __future__ import annotations\nimport sys\nfrom dataclasses import dataclass\n"
        "from bot_strategies import Strategy\nregistered = sys.modules[__name__].__file__\n"
        "@dataclass(kw_only=True)\nclass Mine(Strategy):\n    size: Lots = 2\nLots = int\n",
    )
    strategy = load("plugin.py:Mine", tmp_path, size="3")
    module = sys.modules[type(strategy).__module__]
    assert strategy.size == 3 and module.registered == str(tmp_path / "plugin.py")
    assert module.__name__ != "plugin" and "plugin" not in sys.modules


def test_a_module_on_pythons_path_is_found_from_any_folder(tmp_path, monkeypatch):
    write(tmp_path / "on_the_path", "a_plugin_on_the_path.py", OLDER_PLUGIN)
    monkeypatch.syspath_prepend(tmp_path / "on_the_path")
    assert load("a_plugin_on_the_path:MyStrategy", tmp_path)


def test_a_plugin_may_build_on_a_dataclass_of_another_file(tmp_path):
    write(tmp_path, "mine.py", "from __future__ import annotations\nfrom dataclasses import dataclass\n"
          "from bot_strategies import Maker\n"
          "Lots = str\n@dataclass(kw_only=True)\nclass Mine(Maker):\n    colour: Lots = 'red'\n")  # fmt: skip
    strategy = load("mine.py:Mine", tmp_path, size="3", colour="4")
    assert (strategy.size, strategy.colour) == (3, "4")


def test_a_plugin_is_read_once_whatever_way_it_is_named(tmp_path):
    write(tmp_path, "once.py", OLDER_PLUGIN)
    first, second = (
        load("once.py:MyStrategy", tmp_path),
        load(f"{tmp_path}/../{tmp_path.name}/once.py:MyStrategy"),
    )
    assert type(first.plugin) is type(second.plugin)


def test_a_file_that_fails_is_read_again_when_it_is_mended(tmp_path):
    write(tmp_path, "mended.py", "1/0")
    with pytest.raises(StrategyError):
        load("mended.py:MyStrategy", tmp_path)
    write(tmp_path, "mended.py", OLDER_PLUGIN)
    assert load("mended.py:MyStrategy", tmp_path)


# --------------------------------------------------------------------------------------- parameters

TYPED = """
    def __init__(
        self, *, rng, size: Annotated[int, Field(gt=0)], edge: Annotated[float, Field(strict=True)] = 0.5, bold: bool = False,
        odd=1,
    ):
        self.rng, self.values = rng, (size, edge, bold)
"""


@pytest.mark.parametrize(
    "params",
    [{"size": 3, "edge": 2, "bold": True}, {"size": "3", "edge": "2.0", "bold": "true"}],
)
def test_parameters_mean_the_same_as_text_and_as_values(tmp_path, params):
    strategy = load(plugin(tmp_path, TYPED), tmp_path, **params)
    assert strategy.values == (3, 2.0, True) and isinstance(strategy.values[1], float)
    assert isinstance(strategy.rng, random.Random)


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "parameter size is missing"),
        ({"size": 0}, "parameter size=0: Input should be greater than 0"),
        ({"size": "many"}, "parameter size=many: Input should be a valid integer"),
        ({"size": 1.5}, "parameter size=1.5: Input should be a valid integer"),
        ({"size": 1, "sice": 2}, "unknown parameter sice; it knows size, edge, bold, odd"),
        ({"size": 1, "rng": 2}, "unknown parameter rng"),
        ({"size": 1, "odd": 2}, "parameter odd has no type; annotate it in the constructor"),
    ],
)
def test_a_parameter_that_is_wrong_is_refused_by_name(tmp_path, params, text):
    with pytest.raises(StrategyError, match=r"^strategy plugin.py:Mine: ") as refused:
        load(plugin(tmp_path, TYPED), tmp_path, **params)
    assert text in str(refused.value)


MODELLED = """
    class Parameters(BaseModel):
        size: int = Field(gt=0)
        edge: float = 0.5
    def __init__(self, params: Mine.Parameters, trader_id: str):
        self.params, self.trader_id = params, trader_id
"""


def test_parameters_may_be_a_pydantic_model(tmp_path):
    name = plugin(tmp_path, MODELLED)
    strategy = load(name, tmp_path, size="3")
    assert (strategy.params.size, strategy.params.edge, strategy.trader_id) == (3, 0.5, "alice")
    with pytest.raises(StrategyError, match="parameter size: Input should be greater than 0"):
        load(name, tmp_path, size=-1)
    with pytest.raises(StrategyError, match="unknown parameter sice; it knows size, edge"):
        load(name, tmp_path, size=1, sice=1)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_built_in_refuses_what_it_does_not_know(name):
    first = describe_strategy(name).parameters[0]
    assert load(name.upper(), **{first.name: first.default})
    with pytest.raises(StrategyError, match="unknown parameter colour"):
        load(name, colour="red")


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_each_parameter_of_a_built_in_has_a_default_within_its_bounds_and_holds_them(name):
    for parameter in describe_strategy(name).parameters:
        assert parameter.default is not None and parameter.bounds, parameter
        assert load(name, **{parameter.name: parameter.default})
        for beyond in ("-1", "1e300", "some"):
            with pytest.raises(StrategyError, match=f"parameter {parameter.name}={beyond}"):
                load(name, **{parameter.name: beyond})


def test_the_built_in_classes_can_be_had_from_the_vocabulary():
    assert isinstance(load("bot_strategies:Maker", levels=3), bot_strategies.Maker)
    with pytest.raises(AttributeError, match="module bot_strategies has no attribute Shaker"):
        _ = bot_strategies.Shaker


# ---------------------------------------------------------------------------------------- the table


def shown(*flags: str, folder: Path = HOUSE) -> subprocess.CompletedProcess[str]:
    """What the program says without a terminal."""
    return subprocess.run(
        [sys.executable, str(HOUSE / "bot_strategies.py"), *flags], cwd=folder, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, env={key: value for key, value in os.environ.items() if key != "COLUMNS"},
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_built_in_says_its_idea_and_where_it_comes_from(name):
    told = describe_strategy(name)
    assert told.idea.endswith(".") and not told.idea.startswith("Source")
    assert any(character.isdigit() for character in told.source)


def test_the_table_shows_every_built_in_with_its_parameters_in_plain_lines():
    table = shown()
    assert (table.returncode, table.stderr) == (0, "")
    lines = table.stdout.splitlines()
    assert "\x1b" not in table.stdout and max(map(len, lines)) <= 130
    assert [line.split()[0] for line in lines[1:] if line[:1].strip()] == list(BUILT_IN)
    assert "  levels: int = 5 (1 … 50)  " in table.stdout
    assert "  side: text = buy (buy, sell)  " in table.stdout
    assert "  Source: Gode and Sunder, " in table.stdout


def test_the_table_fits_a_narrow_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert bot_strategies.main([]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


PLAIN = '''
class Plain(Strategy):
    """Waits
    and sees.

    Source: nobody.
    """
    def __init__(self, *, rng, edge: float, size: Annotated[int, Field(gt=0)] = 3, odd: slice = None, bare=1): ...
'''


def test_the_table_shows_a_plugin_from_another_folder(tmp_path):
    name = plugin(tmp_path, MODELLED + PLAIN)
    lines = shown(name, folder=tmp_path).stdout.splitlines()
    assert lines[2:5] == ["plugin.py:Mine", "  size: int (> 0)", "  edge: float = 0.5"]
    told = describe_strategy("plugin.py:Plain", relative_to=tmp_path)
    assert (told.idea, told.source) == ("Waits and sees.", "nobody.")
    assert [str(each) for each in told.parameters] == [
        "edge: float",
        "size: int = 3 (> 0)",
        "odd: value = None",
        "bare: value = 1",
    ]


def test_a_plugin_that_says_nothing_is_shown_by_its_name(tmp_path):
    bare = "from dataclasses import dataclass\n@dataclass\nclass Bare:\n    size: int = 1\n"
    write(tmp_path, "older.py", OLDER_PLUGIN + bare)
    assert describe_strategy(
        "older.py:MyStrategy", relative_to=tmp_path
    ) == bot_strategies.Description("older.py:MyStrategy", "", "", [])
    assert describe_strategy("older.py:Bare", relative_to=tmp_path).idea == "", (
        "the signature is no idea"
    )


def test_the_table_names_what_it_cannot_show():
    refused = shown("mkaer")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("error: strategy mkaer: no built-in of that name")


def test_the_table_explains_itself():
    assert "example: python bot_strategies.py" in shown("--help").stdout
    assert shown("--version").stdout.startswith("botpit ")


# ----------------------------------------------------------------------------------- slow callbacks


class Ponderous(Strategy):
    """Thinks as long as the test says, on a clock that nobody else moves."""

    now_s = 0.0
    thinks_s = 0.0

    def on_book(self, market):
        self.now_s += self.thinks_s
        if self.thinks_s > 5:
            raise RuntimeError("too much")


def on_stage(strategy: Strategy, clock_s) -> Stage:
    stage = Stage(strategy)
    stage.brain = Brain(strategy, trader_id="alice", clock_s=clock_s)
    return stage.opens()


def test_a_callback_longer_than_a_second_is_told_by_the_strategys_and_the_hooks_name():
    strategy = Ponderous()
    stage = on_stage(strategy, lambda: strategy.now_s)
    for seq, strategy.thinks_s in enumerate((0.0, 1.0, 1.25, 6.0), start=1):
        stage.sees(book([(99.0, seq)], [], seq=seq))
    assert [(trouble.what, trouble.details) for trouble in stage.notices] == [
        ("slow callback", {"strategy": "Ponderous", "hook": "on_book", "took_s": 1.25}),
        ("strategy crashed", {"hook": "on_book"}),
        ("slow callback", {"strategy": "Ponderous", "hook": "on_book", "took_s": 6.0}),
    ]
    assert not any(trouble.routine for trouble in stage.notices), "it is a warning"


def test_a_slow_plugin_of_the_older_framework_is_told_by_its_own_name(tmp_path):
    write(tmp_path, "older.py", OLDER_PLUGIN)
    ticks = itertools.count(step=2.0)
    stage = on_stage(load("older.py:MyStrategy", tmp_path), lambda: next(ticks))
    stage.decides()
    assert stage.notices[-1].details == {
        "strategy": "MyStrategy",
        "hook": "next_order",
        "took_s": 2.0,
    }


def test_the_bots_process_hands_its_clock_in():
    bot = bot_client.make_bot(bot_client.arguments(["--trader-id", "alice"]))
    assert bot.brain.clock_s is time.monotonic
