"""The bot's process: its flags, and its main against an exchange and a relay of this test's own."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection

from bot_strategies import Strategy
from botpit.bots import Brain, Counts, report_text
from botpit.cli import bot as bot_client
from botpit.io.rate_limited_log import RateLimitedLog
from botpit.io.state_file import StateFile
from tests.bots.bot_stage import SIM, snapshot
from tests.processes.fake_port import fake_port
from tests.socketless.told import fields_of

PATIENCE_S = 20.0
OF_NOTHING = report_text("alice", Counts())
INSTRUMENT = fields_of(SIM)
SNAPSHOT = fields_of(snapshot())
ANSWERS = {
    "login": {
        "type": "logged_in",
        "scope": "trade",
        "market_id": "m1",
        "session": 1,
        "instruments": [INSTRUMENT],
    },
    "account": {
        "type": "account",
        "cash": 10_000,
        "total_equity": 10_000,
        "initial_margin": 0,
        "maintenance_margin": 0,
        "positions": [],
        "status": "active",
    },
    "open_orders": {"type": "open_orders", "orders": []},
    "order": {
        "type": "order_accepted",
        "order_id": 1,
        "symbol": "SIM",
        "side": "buy",
        "qty": 1,
        "price": 99.0,
    },
    "cancel_all": {"type": "all_cancelled", "count": 1},
    "logout": {"type": "logged_out"},
}


class Exchange:
    """A gateway that takes everything and a feed that tells one snapshot; notes the types of what it hears.

    `events`: what follows the answer to a request. With a `report` it notes what stood there at
    each order; `login` is the last.
    """

    def __init__(
        self,
        answers: dict[str, dict] = ANSWERS,
        events: dict[str, dict] | None = None,
        report: Path | None = None,
    ) -> None:
        self.heard: list[str] = []
        self.answers = answers
        self.events = events or {}
        self.first_order = asyncio.Event()
        self.accepted_one_reported = asyncio.Event()
        self.report = report
        self.reports: list[dict] = []
        self.login: dict = {}

    async def gateway(self, connection: ServerConnection) -> None:
        async for text in connection:
            request = json.loads(text)
            self.heard.append(request["type"])
            if request["type"] == "login":
                self.login = request
            if request["type"] == "order" and self.report is not None:
                self.reports.append(json.loads(self.report.read_text()))
                if self.reports[-1]["accepted"]:
                    self.accepted_one_reported.set()
            common = {
                "trader_id": "alice",
                "account_seq": 0,
                "timestamp": 1,
                "request_id": request["request_id"],
            }
            await connection.send(
                json.dumps(
                    common
                    | {"client_order_id": request.get("client_order_id")}
                    | self.answers[request["type"]]
                )
            )
            if request["type"] in self.events:
                event = {"trader_id": "alice", "account_seq": 1, "timestamp": 1} | self.events[
                    request["type"]
                ]
                await connection.send(json.dumps(event))
            if request["type"] == "order":
                self.first_order.set()

    async def feed(self, connection: ServerConnection) -> None:
        """The snapshot comes after the bot has said what it wants."""
        self.subscribed = json.loads(await connection.recv())
        await connection.send(json.dumps([SNAPSHOT]))
        await connection.wait_closed()

    @asynccontextmanager
    async def bot(self, strategy: Strategy):
        async with fake_port(self.gateway) as gateway_uri, fake_port(self.feed) as feed_uri:
            report = None if self.report is None else StateFile(self.report)
            brain = Brain(
                strategy,
                trader_id="alice",
                clock_s=time.monotonic,
                counts=bot_client.counts_so_far(report, "alice"),
            )
            yield bot_client.Bot(
                brain,
                gateway_uri=gateway_uri,
                feed_uri=feed_uri,
                decision_interval_s=0.001,
                report=report,
            )


class OneOrder(Strategy):
    def on_start(self, market):
        market.buy(1, 99.0)


def test_a_bot_begins_by_saying_what_it_wants_of_the_feed(monkeypatch):
    exchange = Exchange()
    play(monkeypatch, OneOrder(), exchange)
    assert exchange.subscribed == {
        "type": "subscribe", "channels": ["book", "positions", "trades", "status"], "batch": True
    }  # fmt: skip


def play(
    monkeypatch,
    strategy: Strategy,
    exchange: Exchange | None = None,
    until: str = "first_order",
) -> tuple[int, list[str]]:
    """Run the bot, tell it to stop after its first order or another event; its exit code and what
    the exchange heard.
    """
    exchange = exchange or Exchange()

    async def story() -> tuple[int, list[str]]:

        async def until_told_to_stop() -> str:
            await getattr(exchange, until).wait()
            return "SIGTERM"

        monkeypatch.setattr(bot_client, "until_told_to_stop", until_told_to_stop)
        async with exchange.bot(strategy) as bot:
            code = await asyncio.wait_for(bot_client.traded(bot), PATIENCE_S)
        return code, exchange.heard

    return asyncio.run(story())


def own_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "bot"]


def test_it_trades_and_when_told_to_stop_cancels_everything_and_logs_out(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    assert play(monkeypatch, OneOrder()) == (
        0,
        ["login", "account", "open_orders", "order", "cancel_all", "logout"],
    )
    assert own_lines(caplog)[-1].startswith(
        "stopped accepted=1 fills=0 lots=0 position=0 equity=10000.00 rejected=0"
    )


def test_a_strategy_that_crashes_ten_times_in_a_row_is_exit_3_after_a_goodbye(
    monkeypatch, caplog
):
    class Broken(Strategy):
        def on_timer(self, market):
            raise RuntimeError("what a\nmess")

    code, heard = play(monkeypatch, Broken())
    assert (code, heard) == (3, ["login", "account", "open_orders", "cancel_all", "logout"])
    crashes = [
        record
        for record in caplog.records
        if record.getMessage() == "strategy crashed hook=on_timer"
    ]
    assert crashes and "what a" in str(crashes[0].exc_info[1])


def test_a_bot_whose_instrument_is_not_there_is_exit_3_and_says_so(monkeypatch, caplog):
    class Elsewhere(OneOrder):
        symbols = ("GOLD",)

    code, heard = play(monkeypatch, Elsewhere())
    assert code == 3 and "order" not in heard
    assert 'stopping reason="symbol GOLD is not traded here, only SIM"' in own_lines(caplog)


def test_a_rejection_is_logged_whatever_its_details_are_called(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    refused = {
        "type": "order_rejected",
        "reason": "invalid_message",
        "details": {"error": "price: no", "level": 1, "text": "x"},
    }
    code, _ = play(monkeypatch, OneOrder(), Exchange(ANSWERS | {"order": refused}))
    assert code == 0
    assert (
        'order_rejected error="price: no" level=1 text=x reason=invalid_message'
        in own_lines(caplog)
    )
    assert "rejected=1 rejected_invalid_message=1" in own_lines(caplog)[-1]


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ([], "--trader-id"),
        (["--trader-id", "@fees"], "'@fees' is not 1"),
        (["--trader-id", "alice", "--symbol", "@fees"], "argument --symbol: '@fees' is not 1"),
        (["--trader-id", "alice", "--decision-interval", "0"], "0 is not above 0"),
        (["--trader-id", "alice", "--strategy-param", "levels"], "'levels' is not NAME=VALUE"),
        (["--trader-id", "alice", "--log-level", "loud"], "--log-level"),
        (
            ["--trader-id", "alice", "--strategy", "mkaer"],
            "error: strategy mkaer: no built-in of that name",
        ),
        (
            ["--trader-id", "alice", "--strategy", "maker", "--strategy-param", "levels=many"],
            "parameter levels=many",
        ),
        (
            ["--trader-id", "alice", "--order-gateway-uri", "127.0.0.1:9001"],
            "'127.0.0.1:9001' is not a WebSocket address",
        ),
        (
            ["--trader-id", "alice", "--report", "/dev/null"],
            "error: --report /dev/null: is not a regular file",
        ),
        (
            ["--trader-id", "alice", "--max-cpu-s", "0"],
            "error: --max-cpu-s 0: a bot needs at least 1",
        ),
        (
            ["--trader-id", "alice", "--max-memory-mb", "1.5"],
            "argument --max-memory-mb: invalid int value: '1.5'",
        ),
        (
            ["--trader-id", "alice", "--max-memory-mb", "63", "--strategy", "nowhere:No"],
            "--max-memory-mb 63: a bot needs",
        ),
    ],
)
def test_what_cannot_be_used_is_named_and_exit_2(monkeypatch, capsys, flags, text):
    monkeypatch.setattr("sys.argv", ["bot_client.py", *flags])
    monkeypatch.setattr("botpit.cli.program.configure_logging", lambda *_: None)
    try:
        code = bot_client.main()
    except SystemExit as refused:
        code = refused.code
    assert code == 2
    assert text in capsys.readouterr().err.strip().splitlines()[-1]


# --------------------------------------------------------------------------------------- the report


def test_the_report_is_there_before_the_first_order_and_whole_at_the_end(monkeypatch, tmp_path):
    exchange = Exchange(report=tmp_path / "alice.json")
    assert play(monkeypatch, OneOrder(), exchange)[0] == 0
    (before,) = exchange.reports
    assert (before["market_id"], before["account_seq"], before["accepted"]) == ("m1", 0, 0)
    after = json.loads(exchange.report.read_text())
    assert (
        after["trader_id"],
        after["sent"],
        after["accepted"],
        after["latency_us"]["count"],
    ) == ("alice", 1, 1, 1)
    assert after["latency_us"]["p50"] > 0


def test_the_report_is_brought_up_to_date_while_the_bot_trades(monkeypatch, tmp_path):
    class Busy(Strategy):
        def on_timer(self, market):
            market.buy(1, 99.0)

    assert (
        play(
            monkeypatch,
            Busy(),
            Exchange(report=tmp_path / "alice.json"),
            until="accepted_one_reported",
        )[0]
        == 0
    )


def test_a_report_that_is_there_is_gone_on_from(monkeypatch, tmp_path):
    for _ in range(2):
        exchange = Exchange(report=tmp_path / "alice.json")
        assert play(monkeypatch, OneOrder(), exchange)[0] == 0
    assert (exchange.login["last_seq"], exchange.login["market_id"]) == (0, "m1")
    report = json.loads(exchange.report.read_text())
    assert (report["sent"], report["accepted"], report["latency_us"]["count"]) == (2, 2, 2)


def test_a_bot_whose_report_cannot_be_written_trades_on(monkeypatch, tmp_path, caplog):
    exchange = Exchange(report=tmp_path / "nowhere" / "alice.json")
    strategy = OneOrder()

    async def order_heard() -> str:
        await exchange.first_order.wait()
        return "SIGTERM"

    async def story() -> int:
        async with exchange.bot(strategy) as bot:
            exchange.report = None  # nobody reads it
            (tmp_path / "nowhere").rmdir()
            return await asyncio.wait_for(bot_client.traded(bot), PATIENCE_S)

    monkeypatch.setattr(bot_client, "until_told_to_stop", order_heard)
    assert asyncio.run(story()) == 0
    assert exchange.heard[-3:] == ["order", "cancel_all", "logout"]
    assert [
        record.getMessage().split(" file=")[0]
        for record in caplog.records
        if record.levelname == "ERROR"
    ] == ["cannot be written"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nonsense", "JSON is malformed"),
        (report_text("b\x1bob", Counts()), "this is the report of 'b\\x1bob', not of 'alice'"),
        (OF_NOTHING.replace('"sent":0', '"sent":"0"'), "Expected `int`, got `str` - at `$.sent`"),
        (OF_NOTHING.replace('"rejected":{}', '"rejected":{"\x1b[2J":"0"}', 1), "JSON is malformed: invalid character"),
        (OF_NOTHING.replace('"rejected":{}', '"rejected":{"\\u001b[2J":"0"}', 1), "Expected `int`, got `str` - at `$.rejected["),
    ],
    ids=["no JSON", "bob's", "a text for a number", "a control character", "an escaped one"],
)  # fmt: skip
def test_a_report_that_cannot_be_gone_on_from_is_exit_2_and_stays_as_it_is(
    monkeypatch, capsys, tmp_path, text, sentence
):
    file = tmp_path / "report.json"
    file.write_text(text)
    monkeypatch.setattr(
        "sys.argv", ["bot_client.py", "--trader-id", "alice", "--report", str(file)]
    )
    monkeypatch.setattr("botpit.cli.program.configure_logging", lambda *_: None)
    assert bot_client.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --report {file}: {sentence}")
    assert file.read_text() == text


def test_the_last_line_tells_maker_share_fees_and_latency(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    fill = {
        "type": "fill",
        "order_id": 1,
        "trade_id": 1,
        "symbol": "SIM",
        "side": "buy",
        "price": 99.0,
        "qty": 1,
        "leaves_qty": 0,
        "fee": 0.07,
        "liquidity": "maker",
    }
    assert play(monkeypatch, OneOrder(), Exchange(events={"order": fill}))[0] == 0
    assert "rejected=0 maker_share=1.00 fees=0.07 p50_us=" in own_lines(caplog)[-1]


# ----------------------------------------------------------------------------------------- the rest


def test_flags_reach_the_strategy(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from bot_strategies import Strategy\nclass Mine(Strategy):\n"
        "    def __init__(self, *, rng, size: int, name: str):\n        self.values = rng.random(), size, name\n"
    )
    flags = [
        "--trader-id",
        "alice",
        "--strategy",
        "mine.py:Mine",
        "--strategy-dir",
        str(tmp_path),
        "--seed",
        "7",
        "--strategy-param",
        "size=3",
        "--strategy-param",
        "name=a=b",
    ]
    bot = bot_client.make_bot(bot_client.arguments(flags))
    assert bot.brain.strategy.values == (bot_client.random.Random(7).random(), 3, "a=b")


def test_a_flood_of_lines_is_counted(monkeypatch, caplog):
    now_s = 0.0
    monkeypatch.setattr("botpit.io.rate_limited_log.time.monotonic", lambda: now_s)
    log = RateLimitedLog(logging.getLogger("flood"), per_s=2)
    for number in range(5):
        log.say(logging.WARNING, "again", {"number": number})
    assert caplog.messages == ["again number=0", "again number=1"]
    now_s = 1.0
    log.say(logging.WARNING, "again", {"number": 5})
    assert caplog.messages[2:] == ["lines left out count=3", "again number=5"]
