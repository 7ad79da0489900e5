"""The bot's process: its flags, and its main against an exchange and a relay of this test's own."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

import bot_client
from bot_strategies import Strategy
from botpit.bots import Brain
from botpit.net.sparingly import Sparingly
from tests.bot_stage import SIM

PATIENCE_S = 20.0
INSTRUMENT = {name: getattr(SIM, name) for name in SIM.__dataclass_fields__}
BOOK = {"bids": [], "asks": [], "best_bid": None, "best_ask": None, "book_seq": 0, "last_trade": None, "mark_price": 100.0,
        "status": "open"}
SNAPSHOT = {"type": "snapshot", "seq": 0, "market_id": "m1", "channel_seq": {}, "instruments": [INSTRUMENT],
            "books": {"SIM": BOOK}, "positions": [], "timestamp": 1}
ANSWERS = {
    "login": {"type": "logged_in", "scope": "trade", "market_id": "m1", "session": 1, "instruments": [INSTRUMENT]},
    "account": {"type": "account", "cash": 10_000, "total_equity": 10_000, "initial_margin": 0, "maintenance_margin": 0,
                "positions": [], "status": "active"},
    "open_orders": {"type": "open_orders", "orders": []},
    "order": {"type": "order_accepted", "order_id": 1, "symbol": "SIM", "side": "buy", "qty": 1, "price": 99.0},
    "cancel_all": {"type": "all_cancelled", "count": 1},
    "logout": {"type": "logged_out"},
}


class Exchange:
    """A gateway that takes everything and a feed that tells one snapshot; notes the types of what it hears."""

    def __init__(self, answers: dict[str, dict] = ANSWERS) -> None:
        self.heard: list[str] = []
        self.answers = answers
        self.first_order = asyncio.Event()

    async def gateway(self, connection: ServerConnection) -> None:
        async for text in connection:
            request = json.loads(text)
            self.heard.append(request["type"])
            common = {"trader_id": "alice", "account_seq": 0, "timestamp": 1, "request_id": request["request_id"]}
            await connection.send(json.dumps(common | {"client_order_id": request.get("client_order_id")}
                                             | self.answers[request["type"]]))
            if request["type"] == "order":
                self.first_order.set()

    async def feed(self, connection: ServerConnection) -> None:
        await connection.send(json.dumps(SNAPSHOT))
        await connection.wait_closed()

    @asynccontextmanager
    async def bot(self, strategy: Strategy):
        async with serve(self.gateway, "127.0.0.1", 0) as orders, serve(self.feed, "127.0.0.1", 0) as events:
            gateway_uri, feed_uri = (f"ws://127.0.0.1:{each.sockets[0].getsockname()[1]}" for each in (orders, events))
            brain = Brain(strategy, trader_id="alice")
            yield bot_client.Bot(brain, gateway_uri=gateway_uri, feed_uri=feed_uri, decision_interval_s=0.001)


class OneOrder(Strategy):
    def on_start(self, market):
        market.buy(1, 99.0)


def play(monkeypatch, strategy: Strategy, answers: dict[str, dict] = ANSWERS) -> tuple[int, list[str]]:
    """Run the bot, tell it to stop after its first order; its exit code and what the exchange heard."""

    async def story() -> tuple[int, list[str]]:
        exchange = Exchange(answers)

        async def until_told_to_stop() -> str:
            await exchange.first_order.wait()
            return "SIGTERM"

        monkeypatch.setattr(bot_client, "until_told_to_stop", until_told_to_stop)
        async with exchange.bot(strategy) as bot:
            code = await asyncio.wait_for(bot_client.main(bot), PATIENCE_S)
        return code, exchange.heard

    return asyncio.run(story())


def own_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "bot"]


def test_it_trades_and_when_told_to_stop_cancels_everything_and_logs_out(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    assert play(monkeypatch, OneOrder()) == (0, ["login", "account", "open_orders", "order", "cancel_all", "logout"])
    assert own_lines(caplog)[-1].startswith("stopped accepted=1 fills=0 lots=0 position=0 equity=10000.00 rejected=0")


def test_a_strategy_that_crashes_ten_times_in_a_row_is_exit_3_after_a_goodbye(monkeypatch, caplog):
    class Broken(Strategy):
        def on_timer(self, market):
            raise RuntimeError("what a\nmess")

    code, heard = play(monkeypatch, Broken())
    assert (code, heard) == (3, ["login", "account", "open_orders", "cancel_all", "logout"])
    crashes = [record for record in caplog.records if record.getMessage() == "strategy crashed hook=on_timer"]
    assert crashes and "what a" in str(crashes[0].exc_info[1])


def test_a_rejection_is_logged_whatever_its_details_are_called(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    refused = {"type": "order_rejected", "reason": "invalid_message", "details": {"error": "price: no", "level": 1, "text": "x"}}
    code, _ = play(monkeypatch, OneOrder(), ANSWERS | {"order": refused})
    assert code == 0
    assert 'order_rejected error="price: no" level=1 text=x reason=invalid_message' in own_lines(caplog)
    assert "rejected=1 rejected_invalid_message=1" in own_lines(caplog)[-1]


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([], "--trader-id"),
        (["--trader-id", "@fees"], "'@fees' is not 1"),
        (["--trader-id", "alice", "--decision-interval", "0"], "0 is not above 0"),
        (["--trader-id", "alice", "--strategy-param", "levels"], "'levels' is not NAME=VALUE"),
        (["--trader-id", "alice", "--log-level", "loud"], "--log-level"),
        (["--trader-id", "alice", "--strategy", "mkaer"], "error: strategy mkaer: no built-in of that name"),
        (["--trader-id", "alice", "--strategy", "maker", "--strategy-param", "levels=many"], "parameter levels=many"),
        (["--trader-id", "alice", "--order-gateway-uri", "127.0.0.1:9001"], "'127.0.0.1:9001' is no WebSocket address"),
    ],
)
def test_what_cannot_be_used_is_named_and_exit_2(monkeypatch, capsys, flags, text):
    monkeypatch.setattr("sys.argv", ["bot_client.py", *flags])
    monkeypatch.setattr(bot_client, "configure_logging", lambda *_: None)
    try:
        code = bot_client.entry()
    except SystemExit as refused:
        code = refused.code
    assert code == 2
    assert text in capsys.readouterr().err.strip().splitlines()[-1]


def test_flags_reach_the_strategy(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from bot_strategies import Strategy\nclass Mine(Strategy):\n"
        "    def __init__(self, *, rng, size: int, name: str):\n        self.values = rng.random(), size, name\n"
    )
    flags = ["--trader-id", "alice", "--strategy", "mine.py:Mine", "--strategy-dir", str(tmp_path), "--seed", "7",
             "--strategy-param", "size=3", "--strategy-param", "name=a=b"]
    bot = bot_client.make_bot(bot_client.parse_options(flags))
    assert bot.brain._strategy.values == (bot_client.random.Random(7).random(), 3, "a=b")


def test_a_flood_of_lines_is_counted(monkeypatch, caplog):
    now_s = 0.0
    monkeypatch.setattr("botpit.net.sparingly.time.monotonic", lambda: now_s)
    log = Sparingly(logging.getLogger("flood"), per_s=2)
    for number in range(5):
        log.say(logging.WARNING, "again", {"number": number})
    assert caplog.messages == ["again number=0", "again number=1"]
    now_s = 1.0
    log.say(logging.WARNING, "again", {"number": 5})
    assert caplog.messages[2:] == ["lines left out count=3", "again number=5"]
