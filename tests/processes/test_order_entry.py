"""Order entry of the real exchange process, by an independent WebSocket client; how processes
start, refuse to, and end.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from botpit import __version__
from tests.processes.client import client
from tests.processes.running import FREE, Exchange, exchange, health, outcome, relay
from tests.socketless.requests import order

FAST = "[market]\nmax_requests_per_s = 1000000\nmax_cancels_per_s = 1000000\nmax_open_orders = 100000\n"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with exchange(tmp_path_factory.mktemp("market"), config=FAST) as running:
        yield running
        assert running.process.is_up()
        assert running.process.troubles() == []


# ------------------------------------------------------------------------------------ plain clients


def test_a_client_that_sends_only_orders_gets_one_answer_frame_each_in_order_and_nothing_else(
    market,
):
    async def story() -> None:
        async with client(market.orders) as plain:
            sent = [
                order(
                    "only-orders",
                    "buy" if n % 2 else "sell",
                    1 + n % 3,
                    100 + (n % 5) / 100,
                    client_order_id=f"c{n}",
                )
                for n in range(300)
            ]
            sent[7]["price"], sent[11]["qty"] = 500.0, 0
            await plain.sends(*sent)
            answers = [await plain.gets() for _ in sent]
            assert [each["client_order_id"] for each in answers] == [
                each["client_order_id"] for each in sent
            ]
            assert {each["type"] for each in answers} == {"order_accepted", "order_rejected"}
            assert (answers[7]["reason"], answers[11]["reason"]) == (
                "price_band",
                "invalid_qty",
            )
            assert all("request_id" not in each for each in answers)
            async with client(market.orders) as other:
                await other.asks(order("somebody", "sell", 9, 99.0))
                await other.asks({"type": "cancel_all", "trader_id": "only-orders"})
                await other.asks({"type": "cancel_all", "trader_id": "somebody"})
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.3):
                    await plain.gets()

    asyncio.run(story())


def test_a_flood_on_one_socket_is_answered_whole_and_does_not_hold_up_another(market):
    async def story() -> None:
        async with client(market.orders) as flood, client(market.orders) as other:
            count = 5_000
            sending = asyncio.create_task(
                flood.sends(*({"type": "ping", "request_id": n} for n in range(count)))
            )
            others = [await other.asks({"type": "ping", "request_id": n}) for n in range(20)]
            answers = [(await flood.gets())["request_id"] for _ in range(count)]
            await sending
            assert answers == list(range(count))
            assert [each["request_id"] for each in others] == list(range(20))

    asyncio.run(story())


def test_the_same_order_on_many_connections_at_once_is_one_order(market):
    async def attempt(number: int) -> Any:
        async with client(market.orders) as each:
            return await each.asks(
                order("again", price=95.0, client_order_id="the-one", request_id=number)
            )

    async def story() -> None:
        answers = await asyncio.gather(*map(attempt, range(20)))
        assert (
            len({each["order_id"] for each in answers})
            == len({each["account_seq"] for each in answers})
            == 1
        )
        assert sum("repeated" not in each for each in answers) == 1
        assert sorted(each["request_id"] for each in answers) == list(range(20))
        async with client(market.orders) as asking:
            orders = (await asking.asks({"type": "open_orders", "trader_id": "again"}))[
                "orders"
            ]
            assert [each["client_order_id"] for each in orders] == ["the-one"]

    asyncio.run(story())


# -------------------------------------------------------------------------------- logged-in clients


def test_a_login_gets_events_after_answers_and_heartbeats_between(market):
    async def story() -> None:
        async with client(market.orders) as maker, client(market.orders) as taker:
            assert (await maker.asks({"type": "login", "trader_id": "maker"}))[
                "market_id"
            ] == market.market_id
            accepted = await maker.asks(order("maker", "sell", 5, 101.0))
            await taker.asks(order("taker", "buy", 2, 101.0))
            fill = await maker.gets()
            assert (fill["type"], fill["order_id"], fill["account_seq"]) == (
                "fill",
                accepted["order_id"],
                2,
            )
            beat = await maker.gets()
            assert (beat["type"], beat["account_seq"]) == ("heartbeat", 2)
            assert (await maker.asks({"type": "cancel_all"}))["type"] == "all_cancelled"

    asyncio.run(story())


def test_after_a_reconnect_nothing_is_missing(market):
    async def story() -> None:
        async with client(market.orders) as first:
            await first.asks({"type": "login", "trader_id": "comes-back"})
            told = [await first.asks(order("comes-back", price=95.0)) for _ in range(3)]
        async with client(market.orders) as plain:
            told += [await plain.asks(order("comes-back", price=95.0)) for _ in range(3)]
        async with client(market.orders) as again:
            await again.asks(
                {
                    "type": "login",
                    "trader_id": "comes-back",
                    "last_seq": 1,
                    "market_id": market.market_id,
                }
            )
            assert [await again.gets() for _ in range(5)] == told[1:]

    asyncio.run(story())


def test_logout_is_answered_and_closes_with_1000_and_orders_stay(market):
    async def story() -> None:
        async with client(market.orders) as leaving:
            await leaving.asks(
                {"type": "login", "trader_id": "leaves", "cancel_on_disconnect": True}
            )
            await leaving.asks(order("leaves", price=95.0))
            assert (await leaving.asks({"type": "logout"}))["type"] == "logged_out"
            with pytest.raises(ConnectionClosed) as closed:
                await leaving.gets()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1000
        async with client(market.orders) as asking:
            assert (
                len(
                    (await asking.asks({"type": "open_orders", "trader_id": "leaves"}))[
                        "orders"
                    ]
                )
                == 1
            )

    asyncio.run(story())


@pytest.mark.parametrize("how", ["cut", "closed"])
def test_a_lost_session_has_its_orders_cancelled(market, how):
    async def story() -> None:
        async with client(market.orders) as watching, client(market.orders) as lost:
            await watching.asks({"type": "login", "trader_id": f"lost-{how}"})
            await lost.asks(
                {"type": "login", "trader_id": f"lost-{how}", "cancel_on_disconnect": True}
            )
            accepted = await lost.asks(order(f"lost-{how}", price=95.0))
            if how == "cut":
                lost.connection.transport.abort()
            else:
                await lost.connection.close()
            cancelled = await watching.gets_until("order_cancelled")
            assert (cancelled["order_id"], cancelled["reason"]) == (
                accepted["order_id"],
                "disconnect",
            )

    asyncio.run(story())


# -------------------------------------------------------------------------------- events and health


def test_what_is_traded_is_told_on_the_event_stream(market):
    async def story() -> None:
        async with client(market.events) as reader, client(market.orders) as plain:
            snapshot = await reader.gets()
            assert (snapshot["type"], snapshot["market_id"]) == ("snapshot", market.market_id)
            await plain.asks(order("public-1", "sell", 3, 100.5))
            await plain.asks(order("public-2", "buy", 2, 100.5))
            trade = await reader.gets_until("trade")
            assert (
                trade["buy_trader_id"],
                trade["sell_trader_id"],
                trade["price"],
                trade["qty"],
            ) == (
                "public-2",
                "public-1",
                100.5,
                2,
            )
            assert trade["channel_seq"] == snapshot["channel_seq"]["trades"].get("SIM", 0) + 1
            await plain.asks({"type": "cancel_all", "trader_id": "public-1"})

    asyncio.run(story())


def test_a_book_that_changed_again_too_soon_is_told_when_it_may_be(market):
    async def story() -> None:
        async with client(market.events) as reader, client(market.orders) as plain:
            await reader.gets()
            for qty in range(1, 6):
                assert (await plain.asks(order("view", price=95.01, qty=qty)))[
                    "type"
                ] == "order_accepted"
            while [95.01, 15] not in (await reader.gets_until("book_update"))["bids"]:
                continue
            await plain.asks({"type": "cancel_all", "trader_id": "view"})

    asyncio.run(story())


def test_health_is_told_on_both_ports(market):
    for port in (market.order_port, market.events_port):
        told = health(port)
        assert (told["market_id"], told["state"]) == (market.market_id, "open")
        assert set(told) == {"uptime_s", "seq", "sessions", "market_id", "state"}


# ------------------------------------------------------------------------------------ start and end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_says_goodbye_to_everybody_and_exits_0(tmp_path, number):
    async def story(running: Exchange) -> list[int | None]:
        codes = []
        async with client(running.orders) as orders, client(running.events) as events:
            await orders.asks(order("alice"))
            running.process.popen.send_signal(number)
            for each in (orders, events):
                with pytest.raises(ConnectionClosed) as closed:
                    while True:
                        await each.gets()
                codes.append(closed.value.rcvd and closed.value.rcvd.code)
        return codes

    with exchange(tmp_path) as running:
        assert asyncio.run(story(running)) == [1001, 1001]
        assert running.process.ends() == 0
        assert f"why={number.name}" in running.process.logs("stopped")
        assert running.process.troubles() == []


def test_what_was_sent_before_the_end_is_answered_before_it(tmp_path):
    async def story(running: Exchange) -> None:
        async with client(running.orders) as plain:
            await plain.asks({"type": "ping"})
            await plain.sends(*({"type": "ping", "request_id": n} for n in range(50)))
            first = await plain.gets()
            running.process.popen.send_signal(signal.SIGINT)
            got = [first["request_id"]]
            with pytest.raises(ConnectionClosed):
                while True:
                    got.append((await plain.gets())["request_id"])
            assert got == list(range(len(got)))

    with exchange(tmp_path) as running:
        asyncio.run(story(running))
        assert running.process.ends() == 0


@pytest.mark.parametrize(("program", "flag"), [
    ("exchange_server.py", "--order-port"), ("exchange_server.py", "--events-port"), ("market_data_server.py", "--port"),
])  # fmt: skip
def test_a_port_in_use_is_one_line_and_exit_2(tmp_path, program, flag):
    ports = (
        dict(zip(FREE[::2], FREE[1::2], strict=True)) if program == "exchange_server.py" else {}
    )
    with socket.create_server(("127.0.0.1", 0)) as holder:
        ports[flag] = str(holder.getsockname()[1])
        code, said, complained = outcome(
            program, *(word for pair in ports.items() for word in pair), folder=tmp_path
        )
    assert (code, said) == (2, "")
    assert complained.count("\n") == 1
    assert ports[flag] in complained and flag in complained
    assert list(tmp_path.iterdir()) == [], "nothing was begun"


BAD = {
    "unknown key": ("[market]\nspare = 1", "market.spare"), "bad value": ("[market]\ntick_ms = 0", "market.tick_ms"),
    "no toml": ("[market", "TOML"), "unsafe": ("[market]\nprice_band_bps = 5000", "price_band_bps"),
    "no text": ("\udcff", "utf-8"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_config_is_one_line_and_exit_2(tmp_path, name):
    config, named = BAD[name]
    path = tmp_path / "bad.toml"
    path.write_text(config, encoding="utf-8", errors="surrogateescape")
    code, said, complained = outcome(
        "exchange_server.py", *FREE, "--no-export", "--config", str(path), folder=tmp_path
    )
    assert (code, said) == (2, "")
    assert complained.count("\n") == 1
    assert named in complained and "bad.toml" in complained


def test_a_missing_config_is_one_line_and_exit_2(tmp_path):
    code, _, complained = outcome(
        "exchange_server.py", *FREE, "--config", "nowhere.toml", folder=tmp_path
    )
    assert (code, complained.count("\n")) == (2, 1)
    assert "nowhere.toml" in complained


@pytest.mark.parametrize(
    "flags",
    [
        ["--spare"],
        ["--order-port", "x"],
        ["--log-level", "loud"],
        ["--order-port", "70000"],
        ["--order-port", "-1"],
    ],
)
def test_a_bad_flag_is_exit_2_without_a_traceback(tmp_path, flags):
    code, _, complained = outcome(
        "exchange_server.py", "--events-port", "0", "--no-export", *flags, folder=tmp_path
    )
    assert code == 2
    assert "error" in complained and "Traceback" not in complained


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9002", "nonsense", ""])
def test_a_bad_upstream_is_one_line_and_exit_2(tmp_path, uri):
    code, _, complained = outcome(
        "market_data_server.py", "--port", "0", "--upstream-uri", uri, folder=tmp_path
    )
    assert (code, complained.count("\n")) == (2, 1)
    assert "--upstream-uri" in complained


@pytest.mark.parametrize("program", ["exchange_server.py", "market_data_server.py"])
def test_help_and_version(tmp_path, program):
    code, said, complained = outcome(program, "--version", folder=tmp_path)
    assert (code, said.strip(), complained) == (0, f"botpit {__version__}", "")
    code, said, complained = outcome(program, "--help", folder=tmp_path)
    assert (code, complained) == (0, "")
    assert f"example: python {program}" in said


def test_the_config_in_the_folder_is_taken_and_told_at_login(tmp_path):
    async def story(uri: str) -> Any:
        async with client(uri) as each:
            return await each.asks({"type": "login", "trader_id": "alice"})

    with exchange(
        tmp_path, config='[[instruments]]\nsymbol = "OIL"\ntick = 0.25\nmax_order_qty = 7\n'
    ) as running:
        [instrument] = asyncio.run(story(running.orders))["instruments"]
    assert (instrument["symbol"], instrument["tick"], instrument["max_order_qty"]) == (
        "OIL",
        0.25,
        7,
    )


# ---------------------------------------------------------------------------------------- the relay


def test_the_relay_waits_for_the_exchange_serves_and_stops(tmp_path):
    async def story(port: int, running: Exchange) -> None:
        async with client(f"ws://127.0.0.1:{port}") as reader, client(running.orders) as plain:
            snapshot = await reader.gets()
            assert (snapshot["type"], snapshot["market_id"]) == ("snapshot", running.market_id)
            await plain.asks(order("bob", "sell", 3, 100.5))
            await plain.asks(order("alice", "buy", 2, 100.5))
            assert (await reader.gets_until("trade"))["qty"] == 2
            told = health(port)
            assert (told["upstream"], told["market_id"], told["seq"]) == (
                "connected",
                running.market_id,
                health(running.events_port)["seq"],
            )

    with exchange(tmp_path) as running:
        with relay(tmp_path, running.events) as (process, port):
            asyncio.run(story(port, running))
            assert process.stops(signal.SIGTERM) == 0
            assert process.troubles() == []
        assert running.process.stops() == 0
        assert running.process.troubles() == []
