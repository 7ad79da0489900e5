"""Where the rules lie on both sides of the border: what burns an id, makes an account, is
remembered, or becomes a command.

The gateway's own rules (sessions, rates, which fields go together) have their tests in
test_gateway.py and test_wire.py.
"""

from __future__ import annotations

import pytest

from botpit.core import accounts
from botpit.core.commands import Order, Tick
from tests.socketless.market import NS_PER_MS, START_MS
from tests.socketless.requests import order
from tests.socketless.venue import SocketlessVenue

NAMED = {"price": 99.0, "client_order_id": "a"}


@pytest.fixture
def venue():
    return SocketlessVenue()


@pytest.fixture
def client(venue):
    return venue.client()


def test_the_door_comes_before_the_engine():
    client = SocketlessVenue("[market]\nmax_requests_per_s = 2").client()
    client.logs_in("alice")
    first = client.asks(order(**NAMED))
    assert client.asks(order(**NAMED)) == first | {"repeated": True}
    assert client.asks(order(**NAMED))["reason"] == "rate_limited"


@pytest.mark.parametrize(
    "refused",
    [{"expires_at": START_MS}, {"qty": "5"}, {"side": "hold"}, {"trader_id": "@fees"}],
)
def test_a_refusal_at_the_door_makes_no_account_and_burns_no_id(venue, client, refused):
    assert client.asks(order("alice", **NAMED) | refused)["reason"] == "invalid_message"
    assert (venue.exchange.accounts, venue.journal.commands) == ({}, [])
    assert client.asks(order("alice", **NAMED))["type"] == "order_accepted"


def test_a_refusal_by_the_engine_makes_an_account(venue, client):
    assert client.asks(order("alice", price=200.0))["reason"] == "price_band"
    assert list(venue.exchange.accounts) == ["alice"]


@pytest.mark.parametrize(
    "question",
    [
        {"type": "account"},
        {"type": "open_orders"},
        {"type": "order_status", "order_id": 1},
        {"type": "cancel_all"},
    ],
)
def test_asking_makes_none(venue, client, question):
    client.asks(question | {"trader_id": "alice"})
    assert venue.exchange.accounts == {}


def test_of_each_open_order_the_list_says_what_its_status_says(client):
    for more in (
        {"price": 99.0, "client_order_id": "a"},
        {"price": 101.0, "side": "sell"},
        {"price": 98.0, "qty": 9},
    ):
        client.asks(order("alice", **{"side": "buy", **more}))
    client.asks(
        {"type": "replace", "trader_id": "alice", "order_id": 1, "price": 99.5, "qty": 7}
    )
    client.asks(order("bob", "sell", price=99.5, qty=2))
    listed = client.asks({"type": "open_orders", "trader_id": "alice"})["orders"]
    assert [
        (each["order_id"], each["price"], each["filled_qty"], each["qty"])
        for each in listed[:1]
    ] == [(1, 99.5, 2, 7)]
    for each in listed:
        status = client.asks(
            {"type": "order_status", "trader_id": "alice", "order_id": each["order_id"]}
        )
        assert list(each.items()) == [item for item in status.items() if item[0] in each]
        assert set(status) - set(each) == {"type", "complete", "account_seq", "timestamp"}


def test_the_houses_accounts_do_not_count():
    venue = SocketlessVenue("[market]\nmax_accounts = 2\ntaker_fee_bps = 10")
    client = venue.client()
    for trader, side in (("alice", "sell"), ("bob", "buy")):
        assert client.asks(order(trader, side))["type"] == "order_accepted"
    assert venue.exchange.fees > 0
    assert client.asks(order("carol"))["reason"] == "too_many_accounts"


# -------------------------------------------------------------------------------------- idempotency


@pytest.mark.parametrize("price", [99.005, 98.999999, 1e-9, 1e30])
def test_an_off_tick_price_burns_the_id_for_every_other_price(client, price):
    refused = client.asks(order("alice", price=price, client_order_id="a"))
    assert refused["reason"] == "invalid_price"
    assert client.asks(order("alice", price=price, client_order_id="a")) == refused
    for other in (price * 2, 0, 99.0):
        assert (
            client.asks(order("alice", price=other, client_order_id="a"))["reason"]
            == "duplicate_client_order_id"
        )


def test_the_price_counts_though_the_symbol_is_unknown(client):
    refused = client.asks(order("alice", symbol="GOLD", **NAMED))
    assert refused["reason"] == "unknown_symbol"
    assert client.asks(order("alice", symbol="GOLD", **NAMED)) == refused
    assert (
        client.asks(order("alice", symbol="GOLD", **NAMED | {"price": 98.0}))["reason"]
        == "duplicate_client_order_id"
    )


def test_a_market_order_is_the_same_order_with_ioc_or_gtc_or_nothing(client):
    client.asks(order("bob", "sell"))
    first = client.asks(order("alice", price=None, client_order_id="a"))
    for in_force in ("ioc", "gtc"):
        again = client.asks(
            order("alice", price=None, client_order_id="a", time_in_force=in_force)
        )
        assert again == first | {"repeated": True}
    other = client.asks(order("alice", price=None, client_order_id="a", time_in_force="fok"))
    assert other["reason"] == "duplicate_client_order_id"


def test_the_status_of_a_forgotten_order_is_unknown_and_says_that_something_was_forgotten(
    client, monkeypatch
):
    monkeypatch.setattr(accounts, "MAX_REMEMBERED_ORDERS", 1)

    def status(client_order_id):
        answer = client.asks(
            {"type": "order_status", "trader_id": "alice", "client_order_id": client_order_id}
        )
        return answer["status"], answer["cancelled_qty"], answer["complete"]

    assert status("a") == ("unknown", None, True)
    client.asks(order("alice", time_in_force="ioc", client_order_id="a"))
    assert status("a") == ("cancelled", 1, True)
    client.asks(order("alice", price=200.0, client_order_id="b"))
    assert status("a") == ("unknown", None, False)
    assert status("b") == ("rejected", 0, False)


# -------------------------------------------------------------------------------------------- ticks


def test_a_tick_that_would_change_nothing_is_neither_applied_nor_journaled(venue, client):
    client.asks(order("alice", time_in_force="gtd", expires_at=START_MS + 500))
    for passed_ms in (0, 100, 499, 500, 501):
        venue.gateway.tick((START_MS + passed_ms) * NS_PER_MS)
        assert [type(each) for each in venue.journal.commands] == (
            [Order] if passed_ms < 500 else [Order, Tick]
        )
