"""Every bot of examples/ trades: as real processes against a real exchange, each until the feed has
told a trade of its own.

The bots are run as their docstrings say, from another folder than the repository. What trades is
read off the exchange's own events, so that the wire itself is the witness and no bot's word is
taken for it.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from bot_strategies import StrategyError, describe_strategy
from tests.bots.test_builtin_strategies import Market, load
from tests.processes.running import HOUSE, PATIENCE_S, exchange, relay, running, running_command
from tests.socketless.rules import TWO_MARKETS

EXAMPLES = HOUSE / "examples"
QUIET = {"NODE_NO_WARNINGS": "1"}
MAX_BYTES = 16 * 2**20


class RunningMarket:
    """An exchange and a relay with two makers and a taker, so that whoever comes finds somebody to
    trade with.
    """

    def __init__(self, gateway_uri: str, feed_uri: str, events_uri: str) -> None:
        self.uris = (f"--order-gateway-uri={gateway_uri}", f"--market-data-uri={feed_uri}")
        self.gateway_uri, self.feed_uri, self.events_uri = gateway_uri, feed_uri, events_uri

    def wait_for_trades_of(self, *traders: str) -> None:
        missing = set(traders)
        with connect(self.events_uri, max_size=MAX_BYTES) as events:
            while missing:
                message = json.loads(events.recv(timeout=PATIENCE_S))
                if message["type"] == "trade":
                    missing -= {message["buy_trader_id"], message["sell_trader_id"]}

    def symbols_traded_by(self, trader: str, count: int) -> set[str]:
        """The first so many instruments that it trades."""
        symbols: set[str] = set()
        with connect(self.events_uri, max_size=MAX_BYTES) as events:
            while len(symbols) < count:
                message = json.loads(events.recv(timeout=PATIENCE_S))
                if trader in (message.get("buy_trader_id"), message.get("sell_trader_id")):
                    symbols.add(message["symbol"])
        return symbols

    def bot(
        self,
        trader_id: str,
        strategy: str,
        *params: str,
        folder: Path,
        symbol: str | None = None,
    ):
        flags = [
            f"--trader-id={trader_id}",
            f"--strategy={strategy}",
            "--decision-interval=0.05",
            *self.uris,
        ]
        flags += [f"--symbol={symbol}"] if symbol else []
        return running(
            "bot_client.py",
            *flags,
            *(f"--strategy-param={each}" for each in params),
            folder=folder,
        )


@pytest.fixture(scope="module")
def running_market(tmp_path_factory) -> Iterator[RunningMarket]:
    folder = tmp_path_factory.mktemp("running_market")
    with (
        exchange(folder) as house,
        relay(folder, house.events) as (_, port),
        contextlib.ExitStack() as bots,
    ):
        running_market = RunningMarket(house.orders, f"ws://127.0.0.1:{port}", house.events)
        bots.enter_context(running_market.bot("maker", "maker", folder=folder))
        bots.enter_context(running_market.bot("taker", "taker", "activity=1", folder=folder))
        bots.enter_context(running_market.bot("noise", "random", folder=folder))
        running_market.wait_for_trades_of("maker", "taker")
        yield running_market


@pytest.mark.parametrize(
    "name",
    [
        "my_first_bot.py:MyFirstBot",
        "event_driven_maker.py:EventDrivenMaker",
        "parameter_model.py:ChannelTrader",
    ],
)
def test_an_example_bot_trades_and_stops_cleanly(running_market, tmp_path, name):
    with running_market.bot(name, str(EXAMPLES / name), folder=tmp_path) as bot:
        running_market.wait_for_trades_of(name)
        assert bot.stops(signal.SIGINT) == 0
    faults = ("strategy crashed", "price off the tick", "slow callback", "Traceback")
    assert not [line for line in bot.lines if any(fault in line for fault in faults)], bot.lines


def test_the_pairs_trader_trades_both_instruments_of_a_running_market(tmp_path):
    """Beside built-in bots, each started with the instrument that it trades."""
    with contextlib.ExitStack() as bots:
        house = bots.enter_context(exchange(tmp_path, config=TWO_MARKETS))
        _, port = bots.enter_context(relay(tmp_path, house.events))
        market = RunningMarket(house.orders, f"ws://127.0.0.1:{port}", house.events)
        for name, strategy in (("maker", "maker"), ("noise", "random")):
            for symbol in ("SIM", "ALT"):
                bots.enter_context(
                    market.bot(f"{name}-{symbol}", strategy, symbol=symbol, folder=tmp_path)
                )
        pairs = str(EXAMPLES / "pairs_trader.py") + ":PairsTrader"
        bot = bots.enter_context(
            market.bot("pairs", pairs, "window=5", "entry=0.5", folder=tmp_path)
        )
        assert market.symbols_traded_by("pairs", 2) == {"SIM", "ALT"}
        assert bot.stops(signal.SIGINT) == 0
    faults = ("strategy crashed", "price off the tick", "slow callback", "Traceback")
    assert not [line for line in bot.lines if any(fault in line for fault in faults)], bot.lines


def test_the_bot_without_our_library_trades(running_market, tmp_path):
    flags = ("--trader-id=plain", *running_market.uris)
    with running("examples/plain_websockets.py", *flags, folder=tmp_path) as bot:
        running_market.wait_for_trades_of("plain")
        assert (bot.stops(signal.SIGINT), bot.lines) == (0, [])


def test_the_bot_without_our_library_imports_nothing_of_ours():
    imported = re.findall(
        r"^(?:from|import) (\w+)", (EXAMPLES / "plain_websockets.py").read_text(), re.MULTILINE
    )
    ours = {path.stem for path in HOUSE.glob("*.py")} | {"botpit"}
    assert "websockets" in imported and not ours & set(imported)


def node() -> list[str]:
    """The command that runs Node with a WebSocket; skips where there is none."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is not installed")
    version = subprocess.run(
        [program, "--version"], capture_output=True, text=True, timeout=PATIENCE_S
    ).stdout.strip()
    major = int(version.lstrip("v").split(".")[0])
    if major < 20:
        pytest.skip(f"Node {version} has no WebSocket: 20 or newer is needed")
    return [program] if major >= 22 else [program, "--experimental-websocket"]


def test_the_bot_in_javascript_trades(running_market, tmp_path):
    script = str(EXAMPLES / "javascript_bot.mjs")
    uris = running_market.gateway_uri, running_market.feed_uri
    with running_command(
        *node(), script, "javascript", *uris, folder=tmp_path, environment=QUIET
    ) as bot:
        running_market.wait_for_trades_of("javascript")
        assert bot.stops(signal.SIGINT) == 0
    assert not [line for line in bot.lines if not line.startswith("refused: ")], bot.lines


def test_a_javascript_bot_that_reaches_nobody_says_so(tmp_path):
    argv = (*node(), str(EXAMPLES / "javascript_bot.mjs"), "x", *["ws://127.0.0.1:1"] * 2)
    with running_command(*argv, folder=tmp_path, environment=QUIET) as bot:
        assert "error: no connection to ws://127.0.0.1:1" in bot.logs("no connection")
        assert bot.ends() == 1


def test_plugins_beside_a_config_in_another_folder_trade_under_the_runner(
    running_market, tmp_path
):
    """By file, by module, by module of a package: `tmp_path/battle` has the config, the runner
    works in `tmp_path`.
    """
    folder = tmp_path / "battle"
    (folder / "rooms").mkdir(parents=True)
    for name in ("my_first_bot.py", "event_driven_maker.py", "parameter_model.py"):
        shutil.copy(EXAMPLES / name, folder / "rooms" / name)
    shutil.copy(EXAMPLES / "parameter_model.py", folder / "beside_the_config.py")
    names = {
        "by-file": "rooms/my_first_bot.py:MyFirstBot",
        "by-package": "rooms.event_driven_maker:EventDrivenMaker",
        "by-module": "beside_the_config:ChannelTrader",
        "built-in": "value",
    }
    bots = [
        {"trader_id": trader, "strategy": strategy, "decision_interval": 0.05}
        for trader, strategy in names.items()
    ]
    uris = {
        "market_data_uri": running_market.feed_uri,
        "order_gateway_uri": running_market.gateway_uri,
    }
    (folder / "bots.json").write_text(json.dumps({**uris, "bots": bots}))
    with running(
        "bot_battle_runner.py", "--config", "battle/bots.json", folder=tmp_path
    ) as battle:
        running_market.wait_for_trades_of(*names)
        assert battle.stops(signal.SIGINT) == 0
    (played,) = json.loads((tmp_path / "results.json").read_text())["rounds"]
    assert {each["exit_code"] for each in played["bots"]} == {0}


# -------------------------------------------------------------------------- what each example shows


def test_the_first_bot_has_eight_lines_and_sides_with_the_heavier_half():
    path = EXAMPLES / "my_first_bot.py"
    text = path.read_text().split('"""')[2]
    assert len([line for line in text.splitlines() if line.strip()]) == 8
    market = Market(f"{path}:MyFirstBot")
    market.shows([(99.0, 9), (98.0, 9)], [(101.0, 10)])
    assert market.accepts_all() == ["buy 2 at None"]
    market.shows([(99.0, 9)], [(101.0, 10)])
    assert market.accepts_all() == ["sell 2 at None"]


def test_the_event_driven_maker_acts_on_the_book_and_on_its_fills():
    market = Market(f"{EXAMPLES / 'event_driven_maker.py'}:EventDrivenMaker", lots_per_tick=1)
    assert market.accepts_all() == [], "no timer"
    market.answers(market.sent[-2:])  # what it did at the start
    assert [(order.side, order.price) for order in market.handle.orders] == [
        ("buy", 99.85),
        ("sell", 100.15),
    ]
    assert market.shows([(99.5, 9)], [(100.5, 9)]) == ["replace by 99.55", "replace by 100.45"]
    bid = market.handle.orders[0]
    words = market.answers(market.fills(bid, 2))
    assert words == ["buy 2 at 99.45"], "two lots held: two ticks lower"


def test_the_channel_trader_buys_low_and_sells_high_and_knows_its_parameters():
    name = f"{EXAMPLES / 'parameter_model.py'}:ChannelTrader"
    market = Market(name, window=2, size=3)
    for middle in (100.0, 101.0, 100.5):
        market.shows([(middle - 0.5, 9)], [(middle + 0.5, 9)])
        assert market.accepts_all() == []
    market.shows([(99.0, 9)], [(100.0, 9)])
    assert market.accepts_all() == ["buy 3 at None"]
    assert str(describe_strategy(name).parameters[0]) == "window: int = 10 (2 … 1000)"
    with pytest.raises(StrategyError, match="size 30 is more than max_position 20"):
        load(name, size=30)
