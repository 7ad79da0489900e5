"""What the gateway refuses before the engine is asked: message rates, and which of several faults is told."""

from __future__ import annotations

import json

from tests.socketless.client import Client
from tests.socketless.requests import order
from tests.socketless.venue import SocketlessVenue

PING = {"type": "ping"}
LOGIN = {"type": "login", "trader_id": "alice"}
ALICE = {"trader_id": "alice"}
EVENTS = {"order_accepted", "order_replaced", "order_cancelled", "fill"}


# ------------------------------------------------------------------------------------ message rates

SLOW = "[market]\nmax_requests_per_s = 5\nmax_cancels_per_s = 20"


def test_a_traders_requests_are_limited_over_all_its_sessions():
    venue = SocketlessVenue(SLOW)
    sessions = [venue.client() for _ in range(3)]
    for each in sessions:
        each.logs_in("alice")
    venue.passes(10)
    answers = [sessions[n % 3].asks(order(price=500.0, request_id=n)) for n in range(8)]
    assert [each["reason"] for each in answers] == ["price_band"] * 5 + ["rate_limited"] * 3
    limited = answers[-1]
    assert (limited["type"], limited["request_id"]) == ("order_rejected", 7)
    assert 0 < limited["details"]["retry_after_ms"] <= 1_000


def spent(venue: SocketlessVenue) -> Client:
    """A session of alice that has just used up her requests."""
    client = venue.client()
    client.logs_in("alice")
    venue.passes(10)
    assert client.asks([order(price=500.0)] * 6)[-1]["reason"] == "rate_limited"
    return client


def test_after_retry_after_ms_and_not_before_there_is_room():
    venue = SocketlessVenue(SLOW)
    client = spent(venue)
    wait_ms = client.asks(order("alice"))["details"]["retry_after_ms"]
    venue.passes((wait_ms - 1) / 1_000)
    assert client.asks(order("alice"))["reason"] == "rate_limited"
    venue.passes(0.001)
    assert client.asks(order("alice"))["type"] == "order_accepted"


def test_a_limited_request_is_no_command_and_burns_no_id():
    venue = SocketlessVenue(SLOW)
    client = spent(venue)
    before = venue.state()
    assert client.asks(order("alice", client_order_id="c"))["reason"] == "rate_limited"
    assert venue.state() == before
    venue.passes(1)
    assert client.asks(order("alice", client_order_id="c"))["type"] == "order_accepted"


def test_cancels_have_their_own_larger_bucket():
    venue = SocketlessVenue(SLOW)
    client = venue.client()
    client.logs_in("alice")
    venue.passes(10)
    client.sends([order(price=500.0)] * 6)
    cancels = [client.asks({"type": "cancel", "order_id": 1})["reason"] for _ in range(10)]
    cancels += [
        client.asks({"type": "cancel_all"}).get("reason", "unknown_order") for _ in range(12)
    ]
    assert cancels == ["unknown_order"] * 20 + ["rate_limited"] * 2
    venue.passes(0.2)
    assert (
        client.asks({"type": "replace", "order_id": 1, "qty": 1})["reason"] == "unknown_order"
    ), "one more request, but of the others"
    assert client.asks({"type": "account"})["reason"] == "rate_limited"


def test_an_array_costs_one_for_each_of_its_elements_in_order():
    venue = SocketlessVenue(SLOW)
    client = venue.client()
    client.logs_in("alice")
    venue.passes(10)
    answers = client.asks(
        [
            PING,
            order(price=500.0),
            {"type": "cancel", "order_id": 1},
            PING,
            PING,
            PING,
            order(price=500.0),
            PING,
        ]
    )
    reasons = [each.get("reason") for each in answers]
    assert reasons == [
        None,
        "price_band",
        "unknown_order",
        None,
        None,
        None,
        "rate_limited",
        "rate_limited",
    ]
    assert [each["type"] for each in answers[6:]] == ["order_rejected", "error"]


def test_one_traders_flood_leaves_the_others_alone():
    venue = SocketlessVenue(SLOW)
    venue.client().logs_in("bob")
    assert spent(venue).asks({"type": "account"})["reason"] == "rate_limited"
    assert venue.client().asks(order("alice"))["reason"] == "rate_limited"
    assert venue.client().asks(order("bob", price=99.0))["type"] == "order_accepted"


def test_a_socket_cannot_pass_its_rate_with_ever_new_names():
    venue = SocketlessVenue(SLOW)
    client = venue.client()
    answers = [
        client.asks({"type": "account", "trader_id": f"t{n}"}).get("reason") for n in range(20)
    ]
    assert answers.count(None) <= 5


def test_a_login_may_be_too_soon_and_tried_again():
    venue = SocketlessVenue(SLOW)
    spent(venue)
    late = venue.client()
    answer = late.asks(LOGIN)
    assert (answer["type"], answer["reason"]) == ("error", "rate_limited")
    venue.passes(answer["details"]["retry_after_ms"] / 1_000)
    assert late.logs_in("alice")["session"] == 2


# ----------------------------------------------------------------------------- which fault is first


def test_the_faults_are_looked_for_in_their_order():
    venue = SocketlessVenue(SLOW)
    alice = venue.client()
    alice.logs_in("alice")
    venue.passes(10)
    alice.sends([PING] * 5)
    for_bob = order("bob")
    for request, reason in (
        (json.dumps(for_bob)[:-1] + ', "qty": true, "spare": NaN}', "invalid_json"),
        (for_bob | {"qty": True}, "invalid_message"),
        (for_bob | {"post_only": True, "time_in_force": "ioc"}, "invalid_message"),
        (for_bob, "unauthorized"),
        (order("alice"), "rate_limited"),
    ):
        assert alice.asks(request)["reason"] == reason
    venue.passes(1)
    assert alice.asks(order("alice", price=500.0))["reason"] == "price_band", (
        "last the engine's own"
    )
