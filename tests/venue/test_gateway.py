"""Sessions without sockets: who may do what, one answer to each request, and private events to
those they belong to.
"""

from __future__ import annotations

import random
from operator import itemgetter

import pytest

from botpit.core.commands import Login, Logout, SessionLost
from tests.socketless.market import START_MS
from tests.socketless.messages import PRIVATE, types
from tests.socketless.requests import ALICE, LOGIN, PING, order, status
from tests.socketless.rules import RICH, TWO_MARKETS
from tests.socketless.venue import SocketlessVenue

# ----------------------------------------------------------------------------------- plain sessions


def test_a_plain_session_names_any_trader_and_is_told_answers_only():
    venue = SocketlessVenue()
    client = venue.client()
    sent = [
        order("bob", "sell", 5, 100.0),
        order("alice", "buy", 5, 100.0),
        {"type": "cancel_all", "trader_id": "bob"},
    ]
    received = [client.sends(each) for each in sent]
    assert [types(each) for each in received] == [
        ["order_accepted"],
        ["order_accepted"],
        ["all_cancelled"],
    ]
    assert [each[0]["trader_id"] for each in received] == ["bob", "alice", "bob"]
    assert not client.takes()


def test_a_plain_session_hears_nothing_of_the_makers_it_named():
    venue = SocketlessVenue()
    bobs, alices = venue.client(), venue.client()
    bobs.sends(order("bob", "sell", 5, 100.0))
    alices.sends(order("alice", "buy", 5, 100.0))
    venue.passes(60)
    venue.gateway.heartbeats(venue.now_ns)
    assert bobs.takes() == alices.takes() == []


def test_a_request_that_names_nobody_needs_a_login():
    client = SocketlessVenue().client()
    for request in (
        order(),
        {"type": "cancel", "order_id": 1},
        {"type": "open_orders"},
        {"type": "account"},
        {"type": "cancel_all"},
    ):
        answer = client.asks(request)
        assert (answer["reason"], answer["details"]["error"].partition(":")[0]) == (
            "invalid_message",
            "trader_id",
        )
    assert client.asks(PING) == {"type": "pong", "timestamp": START_MS}


def test_every_request_has_one_answer_in_the_order_sent():
    rng = random.Random(7)
    venue = SocketlessVenue()
    client = venue.client()
    kinds = [PING, order("alice"), order("bob", "sell"), {"type": "account", **ALICE}, {"type": "cancel", **ALICE, "order_id": 3},
             "nonsense", {"type": "cancel_all", **ALICE},
             {"type": "logout"}, LOGIN, {"type": "open_orders", **ALICE}]  # fmt: skip
    sent = [rng.choice(kinds) for _ in range(300)]
    for number, request in enumerate(sent):
        client.deliver(
            request if isinstance(request, str) else request | {"request_id": number}
        )
    answers = client.takes()
    assert len(answers) == len(sent)
    for number, (request, answer) in enumerate(zip(sent, answers, strict=True)):
        assert answer.get("request_id") == (None if isinstance(request, str) else number)


# ------------------------------------------------------------------------------- logged-in sessions


def test_logged_in_the_trader_may_be_left_out_and_events_come():
    venue = SocketlessVenue()
    venue.quotes("bob", "carol")
    alice = venue.client()
    assert alice.logs_in("alice") | {"instruments": ()} == {
        "type": "logged_in", "trader_id": "alice", "scope": "trade", "account_seq": 0, "market_id": "m1", "session": 1,
        "instruments": (), "timestamp": START_MS,
    }  # fmt: skip
    told = alice.sends(order(side="buy", qty=12, price=100.0))
    assert types(told) == ["order_accepted", "fill", "fill"]
    assert [each["account_seq"] for each in told] == [1, 2, 3]
    assert told[0]["trader_id"] == "alice"


def test_the_answer_comes_before_what_it_caused_and_all_before_the_next_answer():
    venue = SocketlessVenue()
    venue.quotes("bob")
    alice = venue.client()
    alice.logs_in("alice")
    alice.deliver(order(side="buy", qty=8, price=100.0, request_id=1, client_order_id="c"))
    alice.deliver({"type": "cancel", "client_order_id": "c", "request_id": 2})
    alice.deliver(order(side="buy", qty=3, price=99.0, request_id=3, client_order_id="d"))
    alice.deliver({"type": "replace", "client_order_id": "d", "qty": 2, "request_id": 4})
    alice.deliver({"type": "cancel_all", "request_id": 5})
    told = alice.takes()
    assert [(each["type"], each["account_seq"], each.get("request_id")) for each in told] == [
        ("order_accepted", 1, 1), ("fill", 2, None), ("order_cancelled", 3, 2), ("order_accepted", 4, 3),
        ("order_replaced", 5, 4),
        ("all_cancelled", 6, 5), ("order_cancelled", 6, None),
    ]  # fmt: skip


def test_cancel_all_names_the_last_number_it_causes_and_cancels_in_order_of_entry():
    venue = SocketlessVenue(TWO_MARKETS)
    alice = venue.client()
    alice.logs_in("alice")
    alice.sends(
        [
            order(price=99.0),
            order(price=20.0, symbol="ALT"),
            order(price=98.0),
            order(side="sell", price=101.0),
        ]
    )
    answer, *cancels = alice.sends({"type": "cancel_all", "side": "buy"})
    assert (answer["count"], answer["account_seq"]) == (3, 7)
    assert [(each["order_id"], each["account_seq"], each["reason"]) for each in cancels] == [
        (1, 5, "requested"), (2, 6, "requested"), (3, 7, "requested"),
    ]  # fmt: skip
    assert alice.asks({"type": "cancel_all", "symbol": "ALT"}) == answer | {"count": 0}


def test_of_an_array_the_answer_comes_first_as_a_whole_and_its_events_follow():
    venue = SocketlessVenue()
    venue.quotes("bob")
    alice = venue.client()
    alice.logs_in("alice")
    answer, *events = alice.sends(
        [
            order(qty=2, request_id="a"),
            PING,
            order(qty=2, request_id="b"),
            {"type": "cancel_all", "request_id": "c"},
        ]
    )
    assert [(each["type"], each.get("account_seq")) for each in answer] == [
        ("order_accepted", 1), ("pong", None), ("order_accepted", 3), ("all_cancelled", 4),
    ]  # fmt: skip
    assert [(each["type"], each["account_seq"]) for each in events] == [
        ("fill", 2),
        ("fill", 4),
    ]
    assert all("request_id" not in each for each in events)


def test_an_array_is_not_atomic():
    venue = SocketlessVenue()
    answer = venue.client().asks([order("alice", price=100.001), order("alice", price=99.0)])
    assert types(answer) == ["order_rejected", "order_accepted"]


def test_two_sessions_of_a_trader_are_both_told_each_event_once():
    venue = SocketlessVenue()
    venue.quotes("bob")
    first, second = venue.client(), venue.client()
    assert (first.logs_in("alice")["session"], second.logs_in("alice")["session"]) == (1, 2)
    asking = first.sends(order(qty=5, request_id=1))
    other = second.takes()
    assert types(asking) == types(other) == ["order_accepted", "fill"]
    assert asking[0].pop("request_id") == 1
    assert asking == other
    assert types(second.sends({"type": "open_orders"})) == ["open_orders"]
    assert first.takes() == []


def test_events_reach_the_sessions_of_a_trader_whose_plain_or_passive_orders_trade():
    venue = SocketlessVenue()
    bob, carol = venue.client(), venue.client()
    bob.logs_in("bob"), carol.logs_in("carol")
    venue.quotes("bob")
    assert types(bob.takes()) == ["order_accepted"]
    venue.client().sends(order("alice", qty=2))
    [fill] = bob.takes()
    assert (fill["type"], fill["account_seq"], fill["liquidity"], fill["leaves_qty"]) == (
        "fill",
        2,
        "maker",
        3,
    )
    assert carol.takes() == []


def test_refusals_and_results_are_answers_only():
    venue = SocketlessVenue()
    first, second = venue.client(), venue.client()
    first.logs_in("alice"), second.logs_in("alice")
    for request in (
        order(price=500.0),
        {"type": "cancel", "order_id": 9},
        {"type": "replace", "order_id": 9, "qty": 1},
        {"type": "account"},
    ):
        assert "account_seq" not in first.asks(request) or request["type"] == "account"
    assert second.takes() == []
    assert venue.exchange.accounts["alice"].seq == 0


@pytest.mark.parametrize("seed", range(6))
def test_law_account_seq_has_no_holes_and_no_session_is_told_twice(seed):
    rng = random.Random(seed)
    venue = SocketlessVenue(RICH)
    crowd, plain = venue.crowd(seed), venue.client()
    sessions = [
        (trader, venue.client(), []) for trader in ("alice", "bob", "carol") for _ in range(2)
    ]
    for trader, client, _ in sessions:
        client.logs_in(trader)
    for _ in range(300):
        trader, client, _ = rng.choice(sessions)
        requests = [crowd.request(trader) for _ in range(rng.choice([1, 1, 1, 4]))]
        (client if rng.random() < 0.7 else plain).deliver(
            requests if len(requests) > 1 else requests[0]
        )
        crowd.acts()
        for _, each, heard in sessions:
            flat = [
                message
                for frame in each.takes()
                for message in (frame if isinstance(frame, list) else [frame])
            ]
            heard += [message for message in flat if message["type"] in PRIVATE]
    for trader, _, heard in sessions:
        assert sorted(message["account_seq"] for message in heard) == list(
            range(1, venue.exchange.accounts[trader].seq + 1)
        )
        assert {message["trader_id"] for message in heard} == {trader}
    for (_, _, one), (_, _, other) in zip(sessions[::2], sessions[1::2], strict=True):
        assert sorted(one, key=itemgetter("account_seq")) == sorted(
            other, key=itemgetter("account_seq")
        )


@pytest.mark.parametrize("seed", range(4))
def test_law_frames_come_in_account_seq_order_on_a_logged_in_socket(seed):
    rng = random.Random(seed)
    venue = SocketlessVenue(RICH)
    crowd, alice, other = venue.crowd(seed), venue.client(), venue.client()
    alice.logs_in("alice"), other.logs_in("alice")
    for _ in range(200):
        crowd.acts()
        rng.choice([alice, other]).deliver(crowd.request("alice"))
    for session in (alice, other):
        numbered = [each["account_seq"] for each in session.takes() if each["type"] in PRIVATE]
        assert len(numbered) > 100
        assert numbered == list(range(1, len(numbered) + 1))


# -------------------------------------------------------------------------------------------- login


def test_a_second_login_is_unauthorized_and_changes_nothing():
    venue = SocketlessVenue()
    alice = venue.client()
    alice.logs_in("alice")
    before = venue.state()
    for trader in ("alice", "bob"):
        answer = alice.asks({"type": "login", "trader_id": trader, "request_id": 5})
        assert (answer["type"], answer["reason"], answer["request_id"]) == (
            "error",
            "unauthorized",
            5,
        )
    assert venue.state() == before
    assert alice.asks({"type": "account"})["trader_id"] == "alice"


@pytest.mark.parametrize(
    "first", [PING, order("alice"), {"type": "account", **ALICE}, order("alice", price=500.0)]
)
def test_a_login_after_another_request_is_unauthorized(first):
    venue = SocketlessVenue()
    client = venue.client()
    client.sends(first)
    before = venue.state()
    assert client.asks(LOGIN)["reason"] == "unauthorized"
    assert venue.state() == before
    assert client.asks(order("bob", price=99.0))["trader_id"] == "bob", "still a plain session"


@pytest.mark.parametrize("refused", [
    LOGIN | {"market_id": "another"}, LOGIN | {"last_seq": 1}, LOGIN | {"last_seq": -1}, {"type": "login"},
    LOGIN | {"trader_id": "@fees"}, LOGIN | {"cancel_on_disconnect": 1},
])  # fmt: skip
def test_after_a_refused_login_it_may_be_tried_again(refused):
    venue = SocketlessVenue()
    client = venue.client()
    assert client.asks(refused)["type"] == "error"
    assert not venue.journal.commands and not venue.exchange.accounts
    assert client.logs_in("alice")["session"] == 1


def test_another_market_is_refused_by_its_name():
    venue = SocketlessVenue(market_id="m2")
    answer = venue.client().asks(LOGIN | {"market_id": "m1"})
    assert (answer["type"], answer["reason"], answer["details"]) == (
        "error",
        "other_market",
        {"market_id": "m2"},
    )
    assert venue.client().logs_in("alice", market_id="m2")["market_id"] == "m2"


def test_a_login_beyond_the_last_account_is_an_error():
    venue = SocketlessVenue("[market]\nmax_accounts = 1")
    client = venue.client()
    venue.client().logs_in("bob")
    assert client.asks(LOGIN)["reason"] == "too_many_accounts"
    assert client.asks(LOGIN)["type"] == "error", "it is not logged in"
    assert client.logs_in("bob")["session"] == 2
    assert venue.client().asks(order("carol"))["reason"] == "too_many_accounts"


# -------------------------------------------------------------------------- other people's business


@pytest.mark.parametrize(("request_", "answer_type"), [
    (order("bob"), "order_rejected"),
    ({"type": "place_order", "trader_id": "bob", "side": "BUY", "price": 1, "quantity": 1}, "order_rejected"),
    ({"type": "cancel", "trader_id": "bob", "client_order_id": "quote"}, "cancel_rejected"),
    ({"type": "cancel", "trader_id": "nobody", "client_order_id": "quote"}, "cancel_rejected"),
    ({"type": "cancel_all", "trader_id": "bob"}, "cancel_rejected"),
    ({"type": "replace", "trader_id": "bob", "client_order_id": "quote", "qty": 1}, "replace_rejected"),
    (status(trader_id="bob", client_order_id="quote"), "error"),
    ({"type": "open_orders", "trader_id": "bob"}, "error"),
    ({"type": "account", "trader_id": "bob"}, "error"),
    ({"type": "account", "trader_id": "nobody"}, "error"),
])  # fmt: skip
def test_a_logged_in_session_acts_for_its_trader_alone(request_, answer_type):
    venue = SocketlessVenue()
    venue.quotes("bob")
    alice = venue.client()
    alice.logs_in("alice")
    before = venue.state()
    for answer in (alice.asks(request_), alice.asks([request_])[0]):
        assert (answer["type"], answer["reason"]) == (answer_type, "unauthorized")
    assert venue.state() == before


def test_another_traders_order_cannot_be_named_as_ones_own():
    venue = SocketlessVenue()
    venue.quotes("bob")
    alice = venue.client()
    alice.logs_in("alice")
    assert alice.asks({"type": "cancel", "order_id": 1})["reason"] == "unknown_order"
    assert alice.asks({"type": "replace", "order_id": 1, "qty": 1})["reason"] == "unknown_order"
    assert alice.asks(status(order_id=1))["status"] == "unknown"


# ---------------------------------------------------------------------------------- logout, the end


def test_logout_is_answered_and_is_the_end():
    venue = SocketlessVenue()
    alice, other = venue.client(), venue.client()
    alice.logs_in("alice", cancel_on_disconnect=True), other.logs_in("alice")
    alice.sends(order(price=99.0))
    other.takes()
    answer = alice.asks({"type": "logout", "request_id": 1})
    assert answer == {
        "type": "logged_out",
        "trader_id": "alice",
        "account_seq": 1,
        "timestamp": START_MS,
        "request_id": 1,
    }
    assert alice.session.ended
    assert alice.sends(PING) == [], "nothing after the end"
    alice.is_lost()
    assert [type(each) for each in venue.journal.commands[-1:]] == [Logout]
    assert len(other.asks({"type": "open_orders"})["orders"]) == 1, (
        "its orders stay, whatever cancel_on_disconnect said"
    )


def test_a_plain_session_has_nothing_to_log_out_of():
    client = SocketlessVenue().client()
    answer = client.asks({"type": "logout"})
    assert answer["type"] == "error"
    assert not client.session.ended and client.asks(PING)


def test_a_lost_session_takes_its_own_orders_with_it_if_it_said_so():
    venue = SocketlessVenue()
    careful, careless, plain = venue.client(), venue.client(), venue.client()
    careful.logs_in("alice", cancel_on_disconnect=True), careless.logs_in("alice")
    careful.sends(
        [order(price=99.0, client_order_id="a"), order(price=98.0, client_order_id="b")]
    )
    careless.sends(order(price=97.0, client_order_id="c"))
    plain.sends(order("alice", price=96.0, client_order_id="d"))
    careless.takes()
    careful.is_lost()
    assert venue.journal.commands[-1] == SessionLost("alice", 1)
    assert [(each["type"], each["client_order_id"], each["reason"]) for each in careless.takes()] == [
        ("order_cancelled", "a", "disconnect"), ("order_cancelled", "b", "disconnect"),
    ]  # fmt: skip
    careless.is_lost()
    plain.is_lost()
    open_orders = venue.client().asks({"type": "open_orders", **ALICE})["orders"]
    assert [each["client_order_id"] for each in open_orders] == ["c", "d"]
    assert venue.gateway.sessions() == 0


def test_logins_are_counted_and_journaled():
    venue = SocketlessVenue()
    first, second = venue.client(), venue.client()
    first.logs_in("alice", cancel_on_disconnect=True)
    second.logs_in("bob")
    assert venue.journal.commands == [Login("alice", True), Login("bob", False)]
    assert venue.gateway.sessions() == 2


# --------------------------------------------------------------------------------------- heartbeats


def test_a_heartbeat_follows_each_second_without_another_message():
    venue = SocketlessVenue()
    alice, plain = venue.client(), venue.client()
    alice.logs_in("alice")
    plain.sends(order("alice", price=99.0))
    alice.takes()
    for elapsed, beats in ((0.9, 0), (0.1, 1), (0.5, 0), (0.5, 1), (0.4, 0)):
        venue.passes(elapsed)
        venue.gateway.heartbeats(venue.now_ns)
        got = alice.takes()
        assert types(got) == ["heartbeat"] * beats
        assert all(each["account_seq"] == 1 and "seq" not in each for each in got)
    alice.sends(PING)
    venue.passes(0.9)
    venue.gateway.heartbeats(venue.now_ns)
    assert alice.takes() == []
    assert plain.takes() == []
