"""What a battle asks of the order port: what accounts are worth, and the house's door; of a server
that speaks the protocol.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from websockets.asyncio.server import ServerConnection

from botpit.io import order_port
from botpit.io.order_port import Operator, OrderPortError, Refused, equities
from tests.processes.fake_exchange import TOKEN, Market
from tests.processes.fake_port import fake_port

T = TypeVar("T")
NOBODY = "ws://127.0.0.1:1"


def with_market(market: Market, story: Callable[[str], Awaitable[T]]) -> T:
    async def play() -> T:
        async with market.orders():
            return await story(market.orders_uri)

    return asyncio.run(asyncio.wait_for(play(), 30))


def with_server(
    answers: Callable[[dict[str, object]], str], story: Callable[[str], Awaitable[T]]
) -> T:
    """A server that says this to each request."""

    async def one(connection: ServerConnection) -> None:
        async for text in connection:
            await connection.send(answers(json.loads(text)))

    async def play() -> T:
        async with fake_port(one) as uri:
            return await story(uri)

    return asyncio.run(asyncio.wait_for(play(), 30))


# ----------------------------------------------------------------------------------------- accounts


def test_accounts_are_asked_for_and_so_is_the_cash_of_a_new_one() -> None:
    market = Market()
    market.accounts = {"alice": 12_345.5}
    assert with_market(market, lambda uri: equities(uri, ["alice", "bob"])) == (
        {"alice": 12_345.5, "bob": 10_000.0},
        10_000.0,
    )


def test_of_an_exchange_that_is_not_there_nothing_is_known() -> None:
    assert asyncio.run(equities(NOBODY, ["alice"])) == ({}, None)


def test_of_an_exchange_that_refuses_nothing_is_known() -> None:
    def refusal(request: dict[str, object]) -> str:
        return '{"type":"error","reason":"unauthorized","details":{},"timestamp":1}'

    assert with_server(refusal, lambda uri: equities(uri, ["alice"])) == ({}, None)


def test_an_exchange_that_says_nothing_is_not_waited_for_longer_than_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order_port, "ACCOUNTS_WITHIN_S", 0.05)
    heartbeat = '{"type":"heartbeat","account_seq":0,"timestamp":1}'
    assert with_server(lambda request: heartbeat, lambda uri: equities(uri, ["alice"])) == (
        {},
        None,
    )


# -------------------------------------------------------------------------------------------- house


def test_the_house_closes_and_begins_anew() -> None:
    market = Market()
    market.door = True

    async def story(uri: str) -> dict[str, float]:
        house = Operator(uri, TOKEN)
        await house.knock()
        prices = await house.close()
        await house.reopen()
        return prices

    assert with_market(market, story) == {"SIM": 101.5}
    assert market.asked == ["login", "login", "close", "login", "reopen"]
    assert (market.market_id, market.status) == ("m1+", "open")


@pytest.mark.parametrize(("door", "token"), [(True, "wrong"), (False, TOKEN)])
def test_a_door_that_stays_shut_is_a_refusal(door: bool, token: str) -> None:
    market = Market()
    market.door = door

    async def story(uri: str) -> None:
        for request in (
            Operator(uri, token).knock,
            Operator(uri, token).close,
            Operator(uri, token).reopen,
        ):
            with pytest.raises(Refused, match="unauthorized"):
                await request()

    with_market(market, story)
    assert (market.market_id, market.status) == ("m1", "open")


def test_a_market_in_which_all_is_closed_already_has_no_prices_to_tell() -> None:
    def answer(request: dict[str, object]) -> str:
        if request["type"] == "login":
            return '{"type":"logged_in","trader_id":"@house","timestamp":1}'
        return '{"type":"error","reason":"market_halted","details":{},"timestamp":1}'

    assert with_server(answer, lambda uri: Operator(uri, TOKEN).close()) == {}


def test_nobody_there_is_waited_for_a_while_and_then_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order_port, "OPERATOR_WITHIN_S", 0.05)
    with pytest.raises(OrderPortError, match="Connect call failed"):
        asyncio.run(Operator(NOBODY, TOKEN).knock())


@pytest.mark.parametrize("nonsense", ["nonsense", "[]", '"text"'])
def test_an_answer_that_is_none_is_no_answer(
    nonsense: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_port, "OPERATOR_WITHIN_S", 0.05)

    async def story(uri: str) -> None:
        with pytest.raises(OrderPortError):
            await Operator(uri, TOKEN).close()

    with_server(lambda request: nonsense, story)
