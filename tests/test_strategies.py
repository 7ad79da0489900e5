"""Loading a strategy by its name, its typed parameters, and what the built-in strategies do."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from bot_strategies import BUILT_IN, Polled, Strategy, StrategyContext, StrategyError, TimeInForce, load_strategy
from botpit.battle.config import parse_battle
from message_schemas import OrderRequest, OrderType, Side
from tests.bot_stage import Stage, book, snapshot

HOUSE = Path(__file__).resolve().parent.parent
OLDER_PLUGIN = """
from __future__ import annotations
import random
from bot_strategies import StrategyContext
from botpit.battle.config import parse_battle
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
    return load_strategy(name, trader_id="alice", rng=random.Random(1), params=params, relative_to=folder)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def plugin(folder: Path, body: str) -> str:
    """The name of a plugin with this class body."""
    write(folder, "plugin.py", "from __future__ import annotations\nfrom typing import Annotated\nfrom pydantic import *\n"
          f"from bot_strategies import *\nclass Mine(Strategy):\n{body}")
    return "plugin.py:Mine"


# --------------------------------------------------------------------------------------------------------------- loading


def test_a_plugin_of_the_older_framework_loads_and_trades_unchanged(tmp_path):
    write(tmp_path, "older.py", OLDER_PLUGIN)
    strategy = load("older.py:MyStrategy", tmp_path, qty=3)
    assert isinstance(strategy, Polled)
    stage = Stage(strategy).opens()
    assert stage.decides() == []
    stage.sees(book([(99.0, 4)], []))
    (order,) = stage.decides()
    assert (order.trader_id, order.side, order.order_type, order.price, order.qty) == (
        "alice", Side.BUY, OrderType.LIMIT, 99.0, 3,
    )
    assert order.client_order_id == f"alice-{stage.now}"


def test_a_plugin_of_the_older_framework_may_hand_everything_on(tmp_path):
    child = "\nclass Child(MyStrategy):\n    def __init__(self, **given):\n        super().__init__(**given)\n"
    write(tmp_path, "older.py", OLDER_PLUGIN + child)
    plugin = load("older.py:Child", tmp_path, qty=3).plugin
    assert (plugin.trader_id, plugin.qty) == ("alice", 3)


def test_a_context_can_be_made_as_the_older_framework_made_it():
    context = StrategyContext(trader_id="a", best_bid=None, best_ask=None, mid_price=100.0, spread=None, timestamp=1)
    assert (context.position, context.cash, context.last_rejection_ts, context.last_liquidation_ts) == (0, 10_000.0, 0, 0)


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
        write(tmp_path, f"{folder}/same.py", f"from bot_strategies import Strategy\nclass Mine(Strategy):\n    number = {number}")
    assert [load(f"{folder}/same.py:Mine", tmp_path).number for folder in "ab"] == [1, 2]


def test_a_file_may_import_its_neighbours_and_hides_nobody_elses(tmp_path, monkeypatch):
    write(tmp_path, "neighbour_of_a_plugin.py", "number = 3")
    write(tmp_path, "colorsys.py", "raise RuntimeError('the wrong one')")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    name = plugin(tmp_path, "    import colorsys, neighbour_of_a_plugin\n    number = neighbour_of_a_plugin.number")
    assert load(name, tmp_path).number == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mkaer", "strategy mkaer: no built-in of that name (maker, mean_reversion, momentum, random, taker)"),
        (":Mine", "strategy :Mine: no built-in"),
        ("no/such.py:Mine", "strategy no/such.py:Mine: cannot import no/such.py: FileNotFoundError"),
        ("no_such_module:Mine", "cannot import no_such_module: ModuleNotFoundError: No module named 'no_such_module'"),
        ("plugin.py:Yours", "strategy plugin.py:Yours: plugin.py has no class Yours"),
        ("broken.py:Mine", "cannot import broken.py: SyntaxError"),
        ("plugin.py:NoStrategy", "the class is no bot_strategies.Strategy and has no next_order(context)"),
        ("plugin.py:Fragile", "strategy plugin.py:Fragile: its constructor failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_cannot_be_had_is_said(tmp_path, name, text):
    plugin(tmp_path, "    pass\nclass NoStrategy:\n    pass\nclass Fragile(Strategy):\n    def __init__(self):\n        1/0\n")
    write(tmp_path, "broken.py", "def")
    with pytest.raises(StrategyError) as refused:
        load(name, tmp_path)
    assert text in str(refused.value) and "\n" not in str(refused.value)


def test_a_file_that_fails_is_read_again_when_it_is_mended(tmp_path):
    write(tmp_path, "mended.py", "1/0")
    with pytest.raises(StrategyError):
        load("mended.py:MyStrategy", tmp_path)
    write(tmp_path, "mended.py", OLDER_PLUGIN)
    assert load("mended.py:MyStrategy", tmp_path)


# ------------------------------------------------------------------------------------------------------------ parameters

TYPED = """
    def __init__(
        self, *, rng, size: Annotated[int, Field(gt=0)], edge: Annotated[float, Field(strict=True)] = 0.5, bold: bool = False,
        odd=1,
    ):
        self.rng, self.values = rng, (size, edge, bold)
"""


@pytest.mark.parametrize("params", [{"size": 3, "edge": 2, "bold": True}, {"size": "3", "edge": "2.0", "bold": "true"}])
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
    assert load(name)
    assert load(name.upper(), max_position=10).max_position == 10
    with pytest.raises(StrategyError, match="unknown parameter colour"):
        load(name, colour="red")
    with pytest.raises(StrategyError, match="parameter max_position=0"):
        load(name, max_position=0)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_a_built_in_says_its_idea_and_where_it_comes_from(name):
    assert "Idea: " in BUILT_IN[name].__doc__ and any(character.isdigit() for character in BUILT_IN[name].__doc__)


# --------------------------------------------------------------------------------------------------- built-in strategies


class Market(Stage):
    """A stage whose exchange takes every order; `tick` is 0.05, the mark 100.00."""

    def __init__(self, name: str, position: int = 0, **params: object) -> None:
        super().__init__(load(name, **params))
        self.logs_in(position=position)
        self.sees(snapshot())
        self.seq = 0

    def shows(self, bids, asks) -> None:
        self.seq += 1
        self.sees(book(bids, asks, seq=self.seq, timestamp=2_000 + self.seq))

    def accepts_all(self) -> list[str]:
        """Let it decide once and take its orders; what it did in words."""
        words = []
        for request in self.decides():
            if isinstance(request, OrderRequest):
                words.append(f"{request.side} {request.qty} at {request.price}")
                if request.time_in_force is None:
                    self.accepts(request, order_id=self.account_seq + 1)
                else:
                    self.ended(request)
            else:
                words.append(f"cancel {request.client_order_id}")
        return words

    def ended(self, request: OrderRequest) -> None:
        self.accepts(request, order_id=self.account_seq + 1)
        self.cancelled(self.desk.orders[-1], "ioc")


def test_a_maker_quotes_both_sides_of_the_mark_in_an_empty_book():
    market = Market("maker", levels=2, size=5, half_spread_ticks=2, step_ticks=3)
    assert market.accepts_all() == [
        "buy 5 at 99.9", "buy 5 at 99.75", "sell 5 at 100.1", "sell 5 at 100.25",
    ]
    assert market.accepts_all() == [], "it leaves good quotes where they are"
    assert all(request.post_only for request in market.sent if isinstance(request, OrderRequest))


def test_a_maker_leans_against_its_inventory():
    quotes = Market("maker", position=10, levels=1, half_spread_ticks=2, skew=0.5).accepts_all()
    assert quotes == ["buy 5 at 99.65", "sell 5 at 99.85"]
    quotes = Market("maker", position=-10, levels=1, half_spread_ticks=2, skew=0.5).accepts_all()
    assert quotes == ["buy 5 at 100.15", "sell 5 at 100.35"]


def test_a_maker_never_quotes_through_the_other_side():
    market = Market("maker", position=-40, levels=1, half_spread_ticks=1, skew=0.5)
    market.shows([(99.95, 3)], [(100.05, 3)])
    assert market.accepts_all()[0] == "buy 5 at 100.0"


def test_a_maker_cancels_stale_quotes_and_keeps_the_others():
    market = Market("maker", levels=2, half_spread_ticks=1, step_ticks=2, refresh=1)
    assert market.accepts_all() == ["buy 5 at 99.95", "buy 5 at 99.85", "sell 5 at 100.05", "sell 5 at 100.15"]
    ids = {f"{order.side} {order.price}": order.client_order_id for order in market.desk.orders}
    market.shows([(100.0, 9)], [(100.2, 9)])
    assert market.accepts_all() == [
        f"cancel {ids['buy 99.85']}", "buy 5 at 100.05", f"cancel {ids['sell 100.05']}", "sell 5 at 100.25",
    ]


def test_a_maker_stays_within_its_position():
    assert Market("maker", position=18, levels=3, size=5, max_position=20, skew=0).accepts_all() == [
        "buy 2 at 99.9", "sell 5 at 100.1", "sell 5 at 100.15", "sell 5 at 100.2",
    ]


def test_a_taker_works_its_orders_off_in_one_direction_and_within_its_position():
    market = Market("taker", activity=1, size=2, slices=50, max_position=4)
    market.shows([(99.0, 50)], [(101.0, 50)])
    words = [word for _ in range(8) for word in market.accepts_all()]
    assert len(words) == 8 and len({word.split()[0] for word in words}) == 1
    assert {int(word.split()[1]) for word in words} <= {1, 2, 3, 4}


def test_a_taker_with_a_full_position_turns_back():
    market = Market("taker", position=60, activity=1, slices=1, size=1, max_position=60)
    market.shows([(99.0, 50)], [(101.0, 50)])
    assert {market.strategy._draw_side(60) for _ in range(50)} == {"sell"}
    assert market.accepts_all()[0].startswith("sell")


def test_a_taker_waits_while_nobody_stands_there():
    assert Market("taker", activity=1).accepts_all() == []


def test_a_random_trader_offers_less_than_a_lot_is_worth_and_asks_for_more():
    market = Market("random", width_ticks=4, max_orders=100, max_position=10_000)
    for _ in range(100):
        market.accepts_all()
    bids = [order.price for order in market.desk.orders if order.side == "buy"]
    asks = [order.price for order in market.desk.orders if order.side == "sell"]
    assert len(bids) > 20 and sum(bids) / len(bids) < 99.95
    assert len(asks) > 20 and sum(asks) / len(asks) > 100.05


def test_a_random_trader_never_orders_more_than_it_may_hold():
    market = Market("random", max_orders=100, max_position=5, position=5)
    for _ in range(100):
        market.accepts_all()
    assert {order.side for order in market.desk.orders} == {"sell"}
    assert sum(order.qty for order in market.desk.orders) == 10


def test_a_random_trader_cancels_its_oldest_order_when_it_has_enough():
    market = Market("random", max_orders=2)
    market.accepts_all(), market.accepts_all()
    oldest = market.desk.orders[0]
    assert market.accepts_all() == [f"cancel {oldest.client_order_id}"]


def test_momentum_follows_the_trend_and_keeps_its_position_while_there_is_none():
    market = Market("momentum", fast=1, slow=3, size=3, max_position=10)
    for middle in (100.0, 100.0, 100.5):
        market.shows([(middle - 0.05, 9)], [(middle + 0.05, 9)])
        words = market.accepts_all()
    assert words == ["buy 3 at 100.55"]
    for _ in range(20):
        market.shows([(100.45, 9)], [(100.55, 9)])
        words = market.accepts_all()
    assert words == ["buy 3 at 100.55"]
    market.shows([(99.45, 9)], [(99.55, 9)])
    assert market.accepts_all() == ["sell 3 at 99.45"]


def test_mean_reversion_sells_what_stands_far_above_its_mean_and_goes_flat_on_the_way_back():
    market = Market("mean_reversion", window=4, entry=1.2, exit=0.5, size=3, position=-2)
    for middle in (200.0, 100.0, 100.0, 100.0, 102.0):
        market.shows([(middle - 0.05, 9)], [(middle + 0.05, 9)])
        words = market.accepts_all()
    assert words == ["sell 3 at 101.95"]
    for middle in (100.0, 102.0, 100.0, 101.0):
        market.shows([(middle - 0.05, 9)], [(middle + 0.05, 9)])
        words = market.accepts_all()
    assert words == ["buy 2 at 101.05"]


def test_the_first_bot_of_the_examples_has_eight_lines_and_trades():
    path = HOUSE / "examples" / "my_first_bot.py"
    text = path.read_text().split('"""')[2]
    assert len([line for line in text.splitlines() if line.strip()]) == 8
    market = Market(f"{path}:MyFirstBot")
    market.shows([(99.0, 9), (98.0, 9)], [(101.0, 10)])
    assert market.accepts_all() == ["buy 2 at None"]
    market.shows([(99.0, 9)], [(101.0, 10)])
    assert market.accepts_all() == ["sell 2 at None"]


def test_the_shipped_battle_has_bots_of_every_kind_that_can_be_made():
    made = parse_battle((HOUSE / "bots_config.json").read_text(), lambda bot: load(bot.strategy, **bot.strategy_params))
    bots = made.all_bots()
    assert len(bots) >= 8 and {bot.strategy for bot in bots} == set(BUILT_IN)
    assert len({bot.seed for bot in bots}) == len(bots)


@pytest.mark.parametrize("name", ["taker", "momentum", "mean_reversion"])
def test_takers_leave_nothing_in_the_book_and_wait_for_their_answer(name):
    quick = {"taker": {"activity": 1}, "momentum": {"fast": 1, "slow": 2}, "mean_reversion": {"window": 2, "entry": 0.5}}[name]
    market = Market(name, **quick)
    market.shows([(99.0, 9)], [(99.1, 9)])
    market.accepts_all()
    market.shows([(101.0, 9)], [(101.1, 9)])
    requests = market.decides()
    assert [request.time_in_force for request in requests] == [TimeInForce.IOC]
    assert market.decides() == []


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_the_same_seed_does_the_same(name):
    def told() -> list[str]:
        market = Market(name)
        words = []
        for step in range(60):
            market.shows([(99.9 + step % 7 * 0.05, 9)], [(100.3 + step % 7 * 0.05, 9)])
            words += market.accepts_all()
        return words

    assert told() == told() != []
