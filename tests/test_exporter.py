"""The exporter: every row once whatever happens to the connection, cells that no spreadsheet runs, files that go on."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

import exporter
from botpit.intake import Intake
from botpit.net.processes import Child
from message_schemas import parse_messages

HOUSE = Path(__file__).resolve().parent.parent
DEADLINE_S = 20.0
TRADES_HEADER = "timestamp,price,qty,buy_trader,sell_trader"
Message = dict[str, Any]
PERFORMANCE_HEADER = "timestamp,trader_id,position,cash,realized_pnl,total_equity"
LIQUIDATIONS_HEADER = "timestamp,trader_id,reason,side,qty,price"
INSURANCE_HEADER = "timestamp,cash"


# --------------------------------------------------------------------------------------------------- a market to write down


@dataclass
class Exchange:
    """What an exchange would say: numbered events, snapshots, repeats of the last `kept` events."""

    market_id: str = "m1"
    symbols: tuple[str, ...] = ("SIM",)
    kept: int = 1_000
    events: list[Message] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def seq(self) -> int:
        return len(self.events)

    def trade(self, buyer: str = "alice", *, price: float = 100.0, qty: int = 1, symbol: str = "") -> Message:
        sides = {"buy_trader_id": buyer, "sell_trader_id": "bob"}
        return self._event("trades", {"type": "trade", "trade_id": self.seq + 1, "price": price, "qty": qty, **sides}, symbol)

    def position(self, trader: str, position: int, cash: float, realized_pnl: float = 0.0, symbol: str = "") -> Message:
        money = {"cash": cash, "realized_pnl": realized_pnl, "unrealized_pnl": 0.5, "total_equity": cash + 0.5}
        prices = {"avg_entry_price": 100.0, "mark_price": 100.5}
        event = {"type": "position_update", "trader_id": trader, "position": position, **money, **prices}
        return self._event("positions", event, symbol)

    def liquidation(self, trader: str = "carol", *, reason: str = "bankruptcy", symbol: str = "") -> Message:
        closed = {"reason": reason, "qty": 3, "side": "sell", "price": 99.5}
        return self._event("liquidations", {"type": "liquidation", "trader_id": trader, **closed}, symbol)

    def insurance(self, cash: float) -> Message:
        return self._event("liquidations", {"type": "insurance_update", "cash": cash}, None)

    def status(self, trader: str = "carol", status: str = "frozen") -> Message:
        return self._event("liquidations", {"type": "account_status", "trader_id": trader, "status": status}, None)

    def _event(self, channel: str, event: Message, symbol: str | None) -> Message:
        """`symbol` empty: the first; None: an event that has none."""
        if symbol is not None:
            event["symbol"] = symbol = symbol or self.symbols[0]
        key = channel, symbol or ""
        self.counts[key] = number = self.counts.get(key, 0) + 1
        event |= {"timestamp": 1_000 + self.seq, "channel_seq": number, "seq": self.seq + 1}
        self.events.append(event)
        return event

    def snapshot(self) -> Message:
        counts: dict[str, dict[str, int]] = {}
        for (channel, symbol), number in self.counts.items():
            counts.setdefault(channel, {})[symbol] = number
        instruments = [INSTRUMENT | {"symbol": symbol} for symbol in self.symbols]
        told = {"seq": self.seq, "market_id": self.market_id, "channel_seq": counts, "instruments": instruments}
        return {"type": "snapshot", **told, "books": {}, "positions": [], "timestamp": 1}

    def answer(self, request: Message) -> list[Message]:
        """The feed's answer to a request, as WIRE.md has it."""
        echo = {"timestamp": 1, "request_id": request.get("request_id")}
        if request["type"] == "subscribe":
            subscribed = {"type": "subscribed", "channels": request["channels"], "symbols": [], "batch": True}
            return [subscribed | echo, self.snapshot()]
        first, reason, details = request["from_seq"], None, {}
        if request.get("market_id") not in (None, self.market_id):
            reason = "other_market"
        elif first > self.seq + 1:
            reason = "seq_ahead"
        elif first <= self.seq - self.kept:
            reason, details = "too_old", {"oldest_seq": self.seq - self.kept + 1}
        if reason:
            return [{"type": "error", "reason": reason, "details": details, **echo}]
        return [{"type": "resumed", "from_seq": first, **echo}, *self.events[first - 1 :], self.snapshot()]


INSTRUMENT = {
    "tick": 0.01, "lot": 1.0, "reference_price": 100.0, "min_price": 0.01, "max_price": 1e6, "min_qty": 1, "max_qty": 1000,
    "maker_fee_bps": 0, "taker_fee_bps": 0, "liquidation_fee_bps": 0, "initial_margin_bps": 2000, "maintenance_margin_bps": 1000,
    "price_band_bps": 1000, "mark_move_bps": 100, "max_open_orders": 200, "max_order_qty": 1000, "max_order_notional": 1e6,
    "max_position": 0,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------- intake: each event once


class Reader:
    """An intake on a connection that a test makes and loses. `taken` are the seqs of the events it took."""

    def __init__(self, exchange: Exchange, from_seq: int | None = None) -> None:
        self.exchange = exchange
        self.complaints: list[str] = []
        self.taken: list[int] = []
        self._asked: list[str] = []
        self.intake = Intake(from_seq, self._send, self.complaints.append)

    def connect(self, *, meanwhile: Callable[[], object] = lambda: None) -> None:
        """As the wire has it: a snapshot at once, live events of the default set, then the answers."""
        self._asked = self.intake.requests()
        self.hear(self.exchange.snapshot())
        before = self.exchange.seq
        meanwhile()
        self.hear(*self.exchange.events[before:])
        self.answered()

    def answered(self) -> None:
        while self._asked:
            self.hear(*self.exchange.answer(json.loads(self._asked.pop(0))))

    @property
    def requests_waiting(self) -> int:
        return len(self._asked)

    def hear(self, *messages: Message) -> None:
        for message in parse_messages(json.dumps(list(messages))):
            event = self.intake.take(message)
            self.taken += [event.seq] if event else []

    def _send(self, text: str) -> bool:
        self._asked.append(text)
        return True


def test_nothing_is_doubled_between_the_default_set_and_the_subscription() -> None:
    exchange = Exchange()
    exchange.trade()
    reader = Reader(exchange)
    reader.connect(meanwhile=exchange.trade)
    reader.hear(exchange.trade(), exchange.position("alice", 1, 10_000.0))
    assert reader.taken == [2, 3, 4]
    assert reader.complaints == []


def test_after_a_lost_connection_the_lost_events_come_first_and_once() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade())
    exchange.trade()
    exchange.position("alice", 2, 10_000.0)
    reader.connect(meanwhile=exchange.trade)
    reader.hear(exchange.trade())
    assert reader.taken == [1, 2, 3, 4, 5]
    assert reader.intake.missing_events == 0


def test_liquidations_and_the_fund_come_once_too_and_what_makes_no_row_is_only_counted() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.liquidation(), exchange.status(), exchange.insurance(-5.0))
    exchange.status(status="bankrupt")
    exchange.liquidation(reason="auto_deleverage")
    reader.connect(meanwhile=lambda: exchange.insurance(0.0))
    reader.hear(exchange.status(status="active"), exchange.insurance(7.5))
    assert reader.taken == [1, 3, 5, 6, 8]
    assert (reader.intake.missing_events, reader.complaints) == (0, [])


@pytest.mark.parametrize("lost", [Exchange.liquidation, Exchange.status, lambda exchange: exchange.insurance(1.0)])
def test_a_hole_among_the_liquidations_is_counted(lost: Callable[[Exchange], Message]) -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    lost(exchange)
    reader.hear(exchange.liquidation(), exchange.insurance(2.0))
    assert reader.intake.missing_events == 1
    assert "1 events of channel liquidations" in reader.complaints[0]


def test_a_child_that_starts_late_has_the_market_from_its_first_event() -> None:
    exchange = Exchange()
    exchange.trade()
    exchange.trade()
    reader = Reader(exchange, from_seq=1)
    reader.connect(meanwhile=exchange.trade)
    assert reader.taken == [1, 2, 3]


def test_what_the_exchange_no_longer_keeps_is_counted_and_the_rest_is_taken() -> None:
    exchange = Exchange(kept=2)
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade())
    for _ in range(5):
        exchange.trade()
    reader.connect(meanwhile=exchange.trade)
    reader.hear(exchange.trade())
    assert reader.taken == [1, 6, 7, 8]
    assert reader.intake.missing_events == 4
    assert any("too_old" in each for each in reader.complaints) and any("4 events" in each for each in reader.complaints)


def test_another_market_is_taken_from_its_beginning() -> None:
    reader = Reader(Exchange())
    reader.connect()
    reader.hear(reader.exchange.trade(), reader.exchange.trade())
    reader.exchange = Exchange(market_id="m2")
    reader.exchange.trade()
    reader.connect()
    reader.hear(reader.exchange.trade())
    assert reader.taken == [1, 2, 1, 2]
    assert any("m2" in each for each in reader.complaints)


def test_another_market_behind_a_connection_that_never_broke_is_taken_from_its_beginning_too() -> None:
    reader = Reader(Exchange())
    reader.connect()
    reader.hear(reader.exchange.trade())
    reader.exchange = Exchange(market_id="m2")
    reader.exchange.trade()
    reader.hear(reader.exchange.snapshot(), reader.exchange.trade())
    reader.answered()
    assert reader.taken == [1, 1, 2]


def test_a_market_that_lost_its_end_goes_on_from_where_it_stands() -> None:
    reader = Reader(Exchange())
    reader.connect()
    reader.hear(*(reader.exchange.trade() for _ in range(3)))
    reader.exchange.events.pop()
    reader.exchange.counts["trades", "SIM"] = 2
    reader.connect()
    reader.hear(reader.exchange.trade())
    assert reader.taken == [1, 2, 3, 3]
    assert any("seq_ahead" in each for each in reader.complaints)


def test_a_hole_in_a_live_stream_is_counted() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade())
    exchange.trade()
    reader.hear(exchange.trade())
    assert reader.intake.missing_events == 1
    exchange.position("alice", 1, 10_000.0)
    reader.hear(exchange.snapshot())
    assert reader.intake.missing_events == 2


def test_a_feed_that_repeats_nothing_is_read_live_after_a_bounded_number_of_attempts() -> None:
    exchange = Exchange(kept=-10)
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade())
    exchange.trade()
    reader.connect()
    reader.hear(exchange.trade())
    assert reader.taken == [1, 3]
    assert reader.intake.missing_events == 1


def test_an_event_that_is_told_twice_is_taken_once() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade(), *exchange.events, exchange.position("alice", 1, 10_000.0), *exchange.events)
    assert reader.taken == [1, 2]
    assert reader.intake.missing_events == 0


def test_a_quiet_feed_s_heartbeats_keep_the_past_that_we_would_ask_for_short() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade(), {"type": "heartbeat", "seq": 500, "timestamp": 1})
    assert reader.intake.next_seq == 501


def test_a_pause_for_a_slow_disk_loses_nothing() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade())
    reader.intake.pause()
    reader.hear(exchange.trade(), exchange.trade())
    assert reader.taken == [1]
    reader.intake.catch_up()
    reader.answered()
    assert reader.taken == [1, 2, 3]
    reader.intake.catch_up()
    assert reader.requests_waiting == 0


# ---------------------------------------------------------------------------------------------------------- rows and files


@pytest.mark.parametrize("evil", ["=HYPERLINK(1)", "+1", "-1+1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_a_text_that_a_spreadsheet_would_run_is_only_text(evil: str) -> None:
    text = exporter.line([1, evil, -2.5])
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["1", "'" + evil, "-2.5"]]


@pytest.mark.parametrize("name", ['quo"te', "com,ma", "new\nline", "cr\rx", "ünïcödé", "plain", "spaced ", ""])
def test_every_other_field_comes_back_as_it_was(name: str) -> None:
    assert list(csv.reader(io.StringIO(exporter.line([name, -7, 100.0, name]), newline=""))) == [[name, "-7", "100.0", name]]


def test_numbers_are_written_as_on_the_wire() -> None:
    exchange = Exchange()
    exchange.trade(price=100, qty=3)
    exchange.trade(price=0.1, qty=1)
    exchange.position("alice", -4, 9999.99, realized_pnl=-0.01)
    exchange.liquidation(reason="maintenance_margin_breach")
    exchange.insurance(-0.5)
    rows = [exporter.row(event) for event in parse_messages(json.dumps(exchange.events))]
    assert rows == [
        ("trades.csv", "1000,100.0,3,alice,bob\n"),
        ("trades.csv", "1001,0.1,1,alice,bob\n"),
        ("performance.csv", "1002,alice,-4,9999.99,-0.01,10000.49\n"),
        ("liquidations.csv", "1003,carol,maintenance_margin_breach,sell,3,99.5\n"),
        ("insurance.csv", "1004,-0.5\n"),
    ]


def flushed(folder: Path, exchange: Exchange) -> None:
    sheets = exporter.Sheets(folder)
    sheets.lay_out(exchange.symbols)
    for event in parse_messages(json.dumps(exchange.events or [exchange.snapshot()])):
        if exchange.events:
            sheets.add(event)
    asyncio.run(sheets.flush())


def test_a_market_without_a_trade_leaves_files_with_their_headers(tmp_path: Path) -> None:
    flushed(tmp_path, Exchange())
    flushed(tmp_path, Exchange())
    assert (tmp_path / "trades.csv").read_text() == TRADES_HEADER + "\n"
    assert (tmp_path / "performance.csv").read_text() == PERFORMANCE_HEADER + "\n"
    assert (tmp_path / "liquidations.csv").read_text() == LIQUIDATIONS_HEADER + "\n"
    assert (tmp_path / "insurance.csv").read_text() == INSURANCE_HEADER + "\n"
    assert (tmp_path / "trades.csv").stat().st_mode & 0o777 == 0o600


def test_a_second_run_appends_under_the_first_header(tmp_path: Path) -> None:
    (tmp_path / "trades.csv").touch()
    for _ in range(2):
        exchange = Exchange()
        exchange.trade()
        flushed(tmp_path, exchange)
    assert (tmp_path / "trades.csv").read_text().splitlines() == [TRADES_HEADER, *2 * ["1000,100.0,1,alice,bob"]]


def test_rows_never_join_the_torn_last_line_of_a_killed_run(tmp_path: Path) -> None:
    (tmp_path / "trades.csv").write_text(f"{TRADES_HEADER}\n999,100.0,1,al")
    exchange = Exchange()
    exchange.trade()
    flushed(tmp_path, exchange)
    assert (tmp_path / "trades.csv").read_text().splitlines() == [TRADES_HEADER, "999,100.0,1,al", "1000,100.0,1,alice,bob"]


def test_each_of_several_instruments_has_a_folder_of_its_own_below_ours(tmp_path: Path) -> None:
    exchange = Exchange(symbols=("SIM", "BTC/USD", ".."))
    for symbol in exchange.symbols:
        exchange.trade(buyer=f"buyer-of-{symbol}", symbol=symbol)
        exchange.position("alice", 1, 10_000.0, symbol=symbol)
        exchange.liquidation(f"late-in-{symbol}", symbol=symbol)
    exchange.insurance(12.5)
    ours = tmp_path / "ours"
    ours.mkdir()
    flushed(ours, exchange)
    files = sorted(str(path.relative_to(ours)) for path in tmp_path.rglob("*.csv"))
    folders = ["%2E.", "BTC%2FUSD", "SIM"]
    names = ("liquidations.csv", "performance.csv", "trades.csv")
    assert files == sorted(["insurance.csv", *(f"{folder}/{name}" for folder in folders for name in names)])
    assert rows_of(ours / "BTC%2FUSD/trades.csv") == [TRADES_HEADER, "1003,100.0,1,buyer-of-BTC/USD,bob"]
    assert rows_of(ours / "SIM/liquidations.csv") == [LIQUIDATIONS_HEADER, "1002,late-in-SIM,bankruptcy,sell,3,99.5"]
    assert rows_of(ours / "insurance.csv") == [INSURANCE_HEADER, "1009,12.5"]


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "trades.csv").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError):
        flushed(tmp_path, Exchange())
    assert (tmp_path / "precious").read_text() == "precious"


# --------------------------------------------------------------------------------------------------------- the real process


class Feed:
    """An exchange's event port, spoken by the `websockets` server."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.connection: ServerConnection | None = None
        self.resumed = asyncio.Event()
        self.resumes = 0
        self.uri = ""

    async def tell(self, *events: Message) -> None:
        assert self.connection is not None
        await self.connection.send(json.dumps(events))

    async def serve_one(self, connection: ServerConnection) -> None:
        await connection.send(json.dumps(self.exchange.snapshot()))
        self.connection = connection
        try:
            async for text in connection:
                request = json.loads(text)
                await connection.send(json.dumps(self.exchange.answer(request)))
                if request["type"] == "resume":
                    self.resumes += 1
                    self.resumed.set()
        except ConnectionClosed:
            return


@asynccontextmanager
async def feed_of(exchange: Exchange) -> AsyncIterator[Feed]:
    feed = Feed(exchange)
    async with serve(feed.serve_one, "127.0.0.1", 0) as server:
        feed.uri = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield feed


async def launch(feed: Feed, folder: Path, *flags: str, program: Path = HOUSE / "exporter.py") -> Child:
    command = [sys.executable, str(program), "--uri", feed.uri, "--dir", str(folder), "--from-seq", "1", *flags]
    return await Child.start("exporter", command, folder / "exporter.log")


async def start_exporter(feed: Feed, folder: Path, *flags: str, program: Path = HOUSE / "exporter.py") -> Child:
    """The exporter, when it is live."""
    child = await launch(feed, folder, *flags, program=program)
    async with asyncio.timeout(DEADLINE_S):
        await feed.resumed.wait()
        feed.resumed.clear()
    return child


def rows_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not happened():
            await asyncio.sleep(0.01)


def test_a_told_row_is_on_disk_without_anybody_stopping_the_exporter(tmp_path: Path) -> None:
    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await start_exporter(feed, tmp_path, "--flush-ms", "10")
            try:
                await feed.tell(feed.exchange.trade())
                await until(lambda: len(rows_of(tmp_path / "trades.csv")) == 2)
            finally:
                assert await child.stop(DEADLINE_S) == 0

    asyncio.run(story())


def test_a_child_writes_everything_the_exchange_said_before_it_closed(tmp_path: Path) -> None:
    """Told to stop first, it still takes what comes until the exchange closes the socket with 1001."""

    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await start_exporter(feed, tmp_path, "--flush-ms", "60000")
            os.kill(child.pid, signal.SIGTERM)
            await until(lambda: "told to stop" in (tmp_path / "exporter.log").read_text())
            for _ in range(50):
                trades = [feed.exchange.trade() for _ in range(20)]
                rest = feed.exchange.position("alice", 1, 10_000.0), feed.exchange.liquidation(), feed.exchange.insurance(1.0)
                await feed.tell(*trades, *rest)
            assert feed.connection is not None
            await feed.connection.close(1001)
            assert await child.stop(DEADLINE_S) == 0

    asyncio.run(story())
    assert len(rows_of(tmp_path / "trades.csv")) == 1 + 50 * 20
    assert all(len(rows_of(tmp_path / name)) == 1 + 50 for name in ("performance.csv", "liquidations.csv", "insurance.csv"))
    assert "missing_events=0" in (tmp_path / "exporter.log").read_text()


def test_a_lost_connection_neither_loses_nor_doubles_a_row(tmp_path: Path) -> None:
    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await start_exporter(feed, tmp_path)
            for _ in range(3):
                await feed.tell(feed.exchange.trade())
                assert feed.connection is not None
                feed.connection.transport.abort()
                feed.exchange.trade()
                feed.exchange.liquidation()
                async with asyncio.timeout(DEADLINE_S):
                    await feed.resumed.wait()
                feed.resumed.clear()
            await feed.connection.close(1001)
            assert await child.stop(DEADLINE_S) == 0

    asyncio.run(story())
    stamps = [int(row.split(",")[0]) for row in rows_of(tmp_path / "trades.csv")[1:]]
    assert stamps == [1_000, 1_001, 1_003, 1_004, 1_006, 1_007]
    assert [row.split(",")[0] for row in rows_of(tmp_path / "liquidations.csv")[1:]] == ["1002", "1005", "1008"]


def test_rows_that_wait_for_a_slow_disk_are_bounded_and_none_is_lost(tmp_path: Path) -> None:
    program = tmp_path / "small.py"
    program.write_text(f"import sys; sys.path.insert(0, {str(HOUSE)!r}); import exporter; exporter.MAX_WAITING_ROWS = 10\n"
                       "sys.exit(exporter.main())")  # fmt: skip

    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await start_exporter(feed, tmp_path, "--flush-ms", "50", program=program)
            for _ in range(30):
                await feed.tell(feed.exchange.trade())
            try:
                await until(lambda: len(rows_of(tmp_path / "trades.csv")) == 31)
                assert feed.resumes > 1
            finally:
                assert await child.stop(DEADLINE_S) == 0

    asyncio.run(story())
    assert [int(row.split(",")[0]) for row in rows_of(tmp_path / "trades.csv")[1:]] == list(range(1_000, 1_030))


def test_the_end_of_its_parent_ends_it_with_everything_written(tmp_path: Path) -> None:
    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            flags = ["--uri", feed.uri, "--dir", str(tmp_path), "--from-seq", "1", "--flush-ms", "60000"]
            command = [sys.executable, "exporter.py", *flags]
            environment = os.environ | {"BOTPIT_LIFELINE": "1"}
            process = await asyncio.create_subprocess_exec(*command, cwd=HOUSE, env=environment, stdin=asyncio.subprocess.PIPE)
            async with asyncio.timeout(DEADLINE_S):
                await feed.resumed.wait()
                await feed.tell(feed.exchange.trade())
                assert feed.connection is not None and process.stdin is not None
                feed.connection.transport.close()
                process.stdin.close()
                assert await process.wait() == 0

    asyncio.run(story())
    assert len(rows_of(tmp_path / "trades.csv")) == 2


def test_a_failed_write_is_exit_5_and_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "trades.csv").mkdir()

    async def story() -> None:
        async with feed_of(Exchange()) as feed:
            child = await launch(feed, tmp_path, "--flush-ms", "10")
            async with asyncio.timeout(DEADLINE_S):
                assert await child.wait() == 5

    asyncio.run(story())
    (line,) = [line for line in (tmp_path / "exporter.log").read_text().splitlines() if "ERROR" in line]
    assert "trades.csv" in line and "Is a directory" in line


@pytest.mark.parametrize("flags", [["--uri", "nowhere"], ["--flush-ms", "0"], ["--dir", "{file}/below"]])
def test_a_wrong_flag_is_said_and_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]) -> None:
    (tmp_path / "file").touch()
    try:
        code = exporter.main([flag.format(file=tmp_path / "file") for flag in flags])
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]
