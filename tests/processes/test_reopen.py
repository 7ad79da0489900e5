"""The house closes a market and opens the next one, in real processes: exchange, exporter, relay,
bots, and readers of both.
"""

from __future__ import annotations

import asyncio
import csv
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.processes.client import Client, client
from tests.processes.running import (
    FREE,
    Exchange,
    Running,
    exchange,
    health,
    outcome,
    relay,
    running,
)

DOOR = ("--house-token-file", "house.token")
BOTS = {"maker": "maker", "noise": "random"}
CLOSE, REOPEN = {"type": "close"}, {"type": "reopen"}


def login(token: str | None) -> dict[str, Any]:
    return {"type": "login", "trader_id": "@house"} | (
        {} if token is None else {"token": token}
    )


class Play:
    """Two bots in one market and then in the next, as seen from outside."""

    def __init__(self, here: Exchange, relay_port: int, token: str) -> None:
        self.here, self.token = here, token
        self.relayed_uri = f"ws://127.0.0.1:{relay_port}"
        self.relayed: Client
        self.trades: list[Any] = []
        self.accounts: list[Any] = []
        self.answers: dict[str, Any] = {}
        self.market_ids: list[str] = []
        self.closed_with: list[int] = []

    async def acts(self) -> None:
        async with client(self.relayed_uri) as self.relayed:
            async with (
                client(self.here.events) as public,
                client(self.here.orders) as house,
                client(self.here.orders) as plain,
            ):
                await self._first_market(public, house, plain)
            async with client(self.here.events) as public, client(self.here.orders) as house:
                await self._second_market(public, house)

    async def _first_market(self, public: Client, house: Client, plain: Client) -> None:
        self.market_ids.append(await self._from_the_first_event(public))
        await self._trades_of_both()
        self.answers["plain"] = [
            await plain.is_answered(request) for request in (CLOSE, REOPEN)
        ]
        self.answers["login"] = await house.is_answered(login(self.token))
        self.answers["close"] = await house.is_answered(CLOSE)
        self.accounts = [
            await plain.is_answered({"type": "account", "trader_id": trader}) for trader in BOTS
        ]
        self.answers["close again"] = await house.is_answered(CLOSE)
        self.answers["reopen"] = await house.is_answered(REOPEN)
        self.closed_with = [await each.is_closed() for each in (public, house, plain)]
        self._note_trades(public)

    async def _second_market(self, public: Client, house: Client) -> None:
        await self.relayed.gets_until("snapshot")
        self.market_ids.append((await house.is_answered(login(self.token)))["market_id"])
        self.market_ids.append(await self._from_the_first_event(public))
        await self._trades_of_both()
        await house.is_answered(CLOSE)
        await public.gets_until("market_status")
        self._note_trades(public)

    async def _from_the_first_event(self, public: Client) -> str:
        """Whatever happened before we came is repeated. Returns the market's name."""
        market_id: str = (await public.gets())["market_id"]
        await public.connection.send('{"type":"resume","from_seq":1}')
        return market_id

    async def _trades_of_both(self) -> None:
        """Ten trades of the present market, as the relay tells them."""
        while (trade := await self.relayed.gets_until("trade"))["trade_id"] < 10:
            continue
        assert {trade["buy_trader_id"], trade["sell_trader_id"]} == set(BOTS)

    def _note_trades(self, public: Client) -> None:
        told = {
            message["trade_id"]: message
            for message in public.heard
            if message["type"] == "trade"
        }
        self.trades += [told[number] for number in sorted(told)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("markets")


@pytest.fixture(scope="module")
def processes() -> dict[str, Running]:
    return {}


@pytest.fixture(scope="module")
def play(folder: Path, processes: dict[str, Running]) -> Play:
    """Everything that happened, when all processes have stopped."""
    with ExitStack() as stack:
        opened = running("exchange_server.py", *FREE, *DOOR, "--csv-dir", "csv", folder=folder)
        processes["exchange"] = stack.enter_context(opened)
        here = Exchange(processes["exchange"])
        processes["relay"], port = stack.enter_context(relay(folder, here.events))
        played = Play(here, port, (folder / "house.token").read_text(encoding="ascii").strip())
        for trader, strategy in BOTS.items():
            uris = "--market-data-uri", played.relayed_uri, "--order-gateway-uri", here.orders
            flags = (
                "--trader-id",
                trader,
                "--strategy",
                strategy,
                "--decision-interval",
                "0.01",
                *uris,
            )
            processes[trader] = stack.enter_context(
                running("bot_client.py", *flags, folder=folder)
            )
        asyncio.run(played.acts())
        for name in (*BOTS, "relay", "exchange"):
            assert processes[name].stops() == 0, name
    return played


def test_after_a_close_everybody_is_flat_and_has_plain_cash(play: Play) -> None:
    closed = play.answers["close"]
    assert (closed["type"], closed["symbols"], list(closed["settlement"])) == (
        "closed",
        ["SIM"],
        ["SIM"],
    )
    assert [
        position["position"] for account in play.accounts for position in account["positions"]
    ] == [0, 0]
    assert all(account["total_equity"] == account["cash"] for account in play.accounts)
    assert round(sum(account["cash"] for account in play.accounts), 2) == 20_000.0
    assert (play.answers["close again"]["type"], play.answers["close again"]["reason"]) == (
        "error",
        "market_halted",
    )


def test_a_reopen_closes_every_socket_and_another_market_follows_on_the_same_ports(
    play: Play, processes
) -> None:
    first, told_to_operator, public = play.market_ids
    assert play.answers["reopen"] | {"timestamp": 0} == {
        "type": "reopening",
        "market_id": first,
        "timestamp": 0,
    }
    assert play.closed_with == [1012, 1012, 1012]
    assert told_to_operator == public != first
    assert processes["exchange"].logs(
        "INFO exchange closed", f"market_id={first}", "symbols=SIM"
    )
    assert processes["exchange"].logs(
        "INFO exchange reopened", f"market_id={public}", f"after={first}"
    )


def test_readers_of_the_relay_see_the_old_market_to_its_end_and_then_the_new_one(
    play: Play,
) -> None:
    heard = play.relayed.heard
    snapshots = [index for index, message in enumerate(heard) if message["type"] == "snapshot"]
    closings = [
        index for index, message in enumerate(heard) if message["type"] == "market_status"
    ]
    assert [heard[index]["market_id"] for index in snapshots][:2] == [
        play.market_ids[0],
        play.market_ids[2],
    ]
    assert snapshots[0] < closings[0] < snapshots[1]
    relayed = [message for message in heard if message["type"] == "trade"]
    assert relayed == [trade for trade in play.trades if trade in relayed]


def test_the_bots_go_on_without_a_complaint(play: Play, processes) -> None:
    for trader in BOTS:
        assert not [
            line
            for line in processes[trader].lines
            if re.search("ERROR|CRITICAL|crashed|refused|Traceback", line)
        ]


def test_the_exporter_writes_the_trades_of_both_markets(play: Play, folder: Path) -> None:
    with (folder / "csv/trades.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    keys = "timestamp", "price", "qty", "buy_trader_id", "sell_trader_id"
    told = [[str(trade[key]) for key in keys] for trade in play.trades]
    assert len(told) >= 20
    assert rows == told


def test_nobody_else_may_close_or_reopen(play: Play) -> None:
    assert [(each["type"], each["reason"]) for each in play.answers["plain"]] == [
        ("error", "unauthorized")
    ] * 2


def test_the_token_is_in_no_log(play: Play, processes, folder: Path) -> None:
    assert play.answers["login"]["scope"] == "house"
    said = [line for process in processes.values() for line in process.lines] + [
        (folder / "csv/exporter.log").read_text()
    ]
    assert not any(play.token in each for each in said)
    assert processes["exchange"].logs("made the operator's token", "file=house.token")
    assert processes["exchange"].troubles() == processes["relay"].troubles() == []


# ----------------------------------------------------------------------------------------- the door


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with exchange(tmp_path_factory.mktemp("shut")) as here:
        yield here
        assert here.process.troubles() == []


def test_without_the_flag_the_door_is_shut_and_says_what_it_says_to_any_wrong_token(
    tmp_path, shut
) -> None:
    async def answers(uri: str, *tokens: str | None) -> list[Any]:
        async with client(uri) as knocking:
            said = [await knocking.is_answered(login(token)) for token in tokens]
            assert (await knocking.is_answered({"type": "login", "trader_id": "alice"}))[
                "scope"
            ] == "trade", "it may try again"
            return [each | {"timestamp": 0} for each in said]

    guesses = None, "", "x" * 32, "0" * 64
    with exchange(tmp_path, *DOOR) as here:
        token = (tmp_path / "house.token").read_text(encoding="ascii").strip()
        heard = asyncio.run(answers(here.orders, *guesses)) + asyncio.run(
            answers(shut.orders, *guesses, token)
        )
        assert here.process.stops() == 0
    assert all(each == heard[0] for each in heard)
    assert (heard[0]["type"], heard[0]["reason"]) == ("error", "unauthorized")
    assert health(shut.order_port)["market_id"] == shut.market_id


def test_a_token_file_that_cannot_be_used_is_one_line_and_exit_2(tmp_path) -> None:
    path = tmp_path / "house.token"
    path.write_text("too short\n")
    path.chmod(0o600)
    code, said, complained = outcome(
        "exchange_server.py", *FREE, "--no-export", *DOOR, folder=tmp_path
    )
    assert (code, said, complained.count("\n")) == (2, "", 1)
    assert "house.token" in complained and "too short" not in complained
    assert path.read_text() == "too short\n"


def test_reopened_again_and_again_it_keeps_its_ports_and_its_token(tmp_path) -> None:
    async def reopened(here: Exchange, token: str) -> str:
        async with client(here.orders) as house:
            told = await house.is_answered(login(token))
            assert (await house.is_answered(REOPEN | {"request_id": 1}))["request_id"] == 1
            assert await house.is_closed() == 1012
            return told["market_id"]

    with exchange(tmp_path, *DOOR) as here:
        token = (tmp_path / "house.token").read_text(encoding="ascii").strip()
        told = []
        for number in range(5):
            told.append(asyncio.run(reopened(here, token)))
            line = here.process.logs("reopened", f"after={told[-1]}")
            [following] = re.findall(r"market_id=(\w+)", line)
            assert health(here.events_port)["market_id"] == following, number
        assert len(set(told)) == 5
        assert here.process.stops() == 0
        assert here.process.troubles() == []
