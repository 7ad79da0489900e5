"""The house's door without sockets: who gets through it, what may be asked behind it, and what a
close tells everybody.
"""

from __future__ import annotations

import pytest

from botpit.core.commands import Close, Halt
from message_schemas import LoginRequest
from tests.socketless.market import START_MS
from tests.socketless.requests import order
from tests.socketless.rules import TWO_MARKETS
from tests.socketless.venue import SocketlessVenue

TOKEN = "a-token-of-thirty-two-characters"
LOGIN = {"type": "login", "trader_id": "@house", "token": TOKEN}
PING, CLOSE, REOPEN = {"type": "ping"}, {"type": "close"}, {"type": "reopen"}
ALICE = {"trader_id": "alice"}
SLOW = "[market]\nmax_requests_per_s = 5\n"
GUESSES = {
    "wrong": "another-token-of-32-characters-x", "nearly": TOKEN[:-1], "more": TOKEN + "x", "empty": "", "missing": None,
    "no ascii": "höchst geheim", "long": "x" * 256,
}  # fmt: skip


def venue_with_a_door(toml: str = "") -> SocketlessVenue:
    return SocketlessVenue(toml, token=TOKEN)


def house_of(venue: SocketlessVenue):
    client = venue.client()
    assert client.logs_in("@house", token=TOKEN)["scope"] == "house"
    return client


def bought(
    venue: SocketlessVenue, qty: int = 5, symbol: str = "SIM", price: float = 100.0
) -> None:
    """Alice is long, bob short, and each has an order that rests."""
    client = venue.client()
    for side, trader, at in (
        ("sell", "bob", price),
        ("buy", "alice", price),
        ("buy", "alice", price - 1),
    ):
        assert (
            client.asks(order(trader, side, qty, at, symbol=symbol))["type"] == "order_accepted"
        )


# -------------------------------------------------------------------------------------------- login


def test_the_token_opens_the_door():
    venue = venue_with_a_door()
    first, second = venue.client(), venue.client()
    answer = first.asks(LOGIN | {"request_id": 1, "market_id": "m1"})
    assert answer | {"instruments": ()} == {
        "type": "logged_in", "trader_id": "@house", "scope": "house", "account_seq": 0, "market_id": "m1", "session": 1,
        "instruments": (), "timestamp": START_MS, "request_id": 1,
    }  # fmt: skip
    assert answer["instruments"] == venue.client().logs_in("alice")["instruments"]
    assert second.logs_in("@house", token=TOKEN)["session"] == 2


@pytest.mark.parametrize("guess", GUESSES)
def test_whoever_does_not_know_it_hears_the_same_with_a_door_and_without(guess):
    login = LOGIN | {"token": GUESSES[guess]}
    answers = []
    for venue in (venue_with_a_door(), SocketlessVenue()):
        before, client = venue.state(), venue.client()
        answers += client.sends_raw(login)
        assert client.asks(CLOSE)["reason"] == "unauthorized"
        assert venue.state() == before
    assert answers[0] == answers[1] == SocketlessVenue().client().sends_raw(LOGIN)[0]
    assert answers[0].startswith(b'{"type":"error","reason":"unauthorized","details":{"error":')


@pytest.mark.parametrize("login", [
    LOGIN | {"token": "wrong"}, LOGIN | {"last_seq": 0}, LOGIN | {"market_id": "another"}, LOGIN | {"spare": 1},
])  # fmt: skip
def test_after_a_refused_login_it_may_be_tried_again(login):
    venue = venue_with_a_door()
    client, other = venue.client(), venue.client()
    assert client.asks(login)["type"] == other.asks(login)["type"] == "error"
    assert client.logs_in("@house", token=TOKEN)["session"] == 1
    assert other.logs_in("alice")["scope"] == "trade"


def test_guesses_are_no_faster_than_other_requests_and_a_right_one_must_wait_too():
    venue = venue_with_a_door(SLOW)
    client = venue.client()
    answers = [client.asks(LOGIN | {"token": f"guess {n}"})["reason"] for n in range(6)]
    assert answers == ["unauthorized"] * 5 + ["rate_limited"]
    limited = client.asks(LOGIN)
    assert (limited["type"], limited["reason"]) == ("error", "rate_limited")
    venue.passes(limited["details"]["retry_after_ms"] / 1_000)
    client.logs_in("@house", token=TOKEN)


@pytest.mark.parametrize(
    "name",
    [
        "@fees",
        "@insurance",
        "@House",
        "@HOUSE",
        "@house ",
        "@house2",
        "@",
        " @house",
        "@house\n",
    ],
)
def test_no_other_name_of_the_house_is_taken(name):
    answer = venue_with_a_door().client().asks(LOGIN | {"trader_id": name})
    assert (answer["type"], answer["reason"]) == ("error", "invalid_message")
    assert answer["details"]["error"].startswith("trader_id:")


@pytest.mark.parametrize(
    "spare", [{"last_seq": 0}, {"cancel_on_disconnect": False}, {"cancel_on_disconnect": True}]
)
def test_the_house_has_neither_events_nor_orders_to_come_back_to(spare):
    [field] = spare
    for venue in (venue_with_a_door(SLOW), SocketlessVenue(SLOW)):
        client = venue.client()
        answers = [client.asks(LOGIN | spare | {"token": "whatever"}) for _ in range(9)]
        assert {each["reason"] for each in answers} == {"invalid_message"}, "it costs nothing"
        assert answers[0]["details"]["error"].startswith(f"{field}:")


def test_it_logs_in_first_and_once_like_everybody():
    venue = venue_with_a_door()
    late, alice, house = venue.client(), venue.client(), house_of(venue)
    late.asks(PING), alice.logs_in("alice")
    for client, login in (
        (late, LOGIN),
        (alice, LOGIN),
        (house, LOGIN),
        (house, {"type": "login", **ALICE}),
    ):
        answer = client.asks(login)
        assert (answer["type"], answer["reason"]) == ("error", "unauthorized")
    assert house.asks([LOGIN])[0]["reason"] == "invalid_message"
    assert house.asks(CLOSE)["type"] == "closed"


def test_another_market_is_told_to_whoever_knows_the_token_only():
    venue = venue_with_a_door()
    assert venue.client().asks(LOGIN | {"market_id": "m0"})["reason"] == "other_market"
    assert (
        venue.client().asks(LOGIN | {"market_id": "m0", "token": "wrong"})["reason"]
        == "unauthorized"
    )


def test_the_token_is_in_no_answer_and_in_no_picture_of_the_request():
    client = venue_with_a_door().client()
    for login in (
        LOGIN,
        LOGIN | {"spare": 1},
        LOGIN | {"token": TOKEN * 9},
        LOGIN | {"last_seq": 1},
        [LOGIN],
    ):
        assert TOKEN.encode() not in client.sends_raw(login)[0]
    assert TOKEN not in repr(LoginRequest(trader_id="@house", token=TOKEN))


# ------------------------------------------------------------------------ a session without account


def test_the_house_is_no_account_and_its_sessions_are_no_commands():
    venue = venue_with_a_door("[market]\nmax_accounts = 1")
    leaving, lost = house_of(venue), house_of(venue)
    assert leaving.asks(PING | {"request_id": 2}) == {
        "type": "pong",
        "timestamp": START_MS,
        "request_id": 2,
    }
    assert leaving.asks({"type": "logout", "request_id": 3}) == {
        "type": "logged_out", "trader_id": "@house", "account_seq": 0, "timestamp": START_MS, "request_id": 3,
    }  # fmt: skip
    lost.is_lost()
    assert leaving.session.ended and venue.gateway.sessions() == 0
    assert not venue.exchange.accounts and not venue.journal.commands
    assert venue.client().logs_in("alice")["session"] == 1


def test_it_hears_no_private_events_but_heartbeats():
    venue = venue_with_a_door()
    house = house_of(venue)
    bought(venue)
    venue.passes(1)
    venue.gateway.heartbeats(venue.now_ns)
    assert house.takes() == [
        {"type": "heartbeat", "account_seq": 0, "timestamp": START_MS + 1_000}
    ]


@pytest.mark.parametrize("request_", [
    order("alice"), order(), {"type": "cancel", **ALICE, "order_id": 1}, {"type": "cancel_all", **ALICE},
    {"type": "replace", **ALICE, "order_id": 1, "qty": 2}, {"type": "account", **ALICE}, {"type": "open_orders"},
    {"type": "order_status", **ALICE, "order_id": 1},
])  # fmt: skip
def test_it_may_not_trade_nor_look_into_accounts(request_):
    venue = venue_with_a_door(SLOW)
    house = house_of(venue)
    bought(venue)
    before = venue.state()
    for _ in range(9):
        answer = house.asks(request_ | {"request_id": "r"})
        assert (answer["type"], answer["reason"], answer["request_id"]) == (
            "error",
            "unauthorized",
            "r",
        )
    assert venue.state() == before


@pytest.mark.parametrize("request_", [CLOSE, CLOSE | {"symbol": "SIM"}, REOPEN])
def test_nobody_else_may_close_or_reopen(request_):
    venue = venue_with_a_door()
    plain, alice = venue.client(), venue.client()
    alice.logs_in("alice")
    before = venue.state()
    for client in (plain, alice):
        for answer in (
            client.asks(request_ | {"request_id": 7}),
            *client.asks([request_ | {"request_id": 7}]),
        ):
            assert (answer["type"], answer["reason"], answer["request_id"]) == (
                "error",
                "unauthorized",
                7,
            )
    assert venue.state() == before and venue.operator.told == []


def test_what_it_asks_is_limited_like_the_requests_of_others():
    venue = venue_with_a_door(SLOW)
    house = house_of(venue)
    answers = [
        house.asks(request)
        for request in (PING, CLOSE, CLOSE | {"symbol": "NONE"}, PING, REOPEN, CLOSE)
    ]
    assert [each.get("reason") for each in answers] == [
        None,
        None,
        "unknown_symbol",
        None,
        "rate_limited",
        "rate_limited",
    ]
    assert venue.operator.told == [["SIM"]]


# -------------------------------------------------------------------------------------------- close


def test_a_close_settles_everybody_and_is_told_to_all():
    venue = venue_with_a_door()
    bought(venue)
    house, alice, public = house_of(venue), venue.client(), venue.listener()
    alice.logs_in("alice"), venue.ends_turn(), public.takes()
    assert house.asks(CLOSE | {"request_id": 1}) == {
        "type": "closed", "symbols": ["SIM"], "settlement": {"SIM": 100.0}, "timestamp": START_MS, "request_id": 1,
    }  # fmt: skip
    [cancelled] = alice.takes()
    assert (cancelled["type"], cancelled["reason"], cancelled["account_seq"]) == (
        "order_cancelled",
        "closed",
        4,
    )
    venue.ends_turn()
    told = public.takes()
    assert told[0]["type"] == "market_status" and (told[0]["status"], told[0]["reason"]) == (
        "closed",
        "close",
    )
    assert {
        each["trader_id"]: each["position"]
        for each in told
        if each["type"] == "position_update"
    } == {"alice": 0, "bob": 0}
    assert [account.positions["SIM"].lots for account in venue.exchange.accounts.values()] == [
        0,
        0,
    ]
    assert isinstance(venue.journal.commands[-1], Close)
    assert venue.operator.told == [["SIM"]]


def test_a_close_without_a_symbol_takes_what_is_open_or_halted_and_prices_are_as_people_write_them():
    venue = venue_with_a_door(TWO_MARKETS)
    bought(venue, symbol="ALT", price=20.05)
    venue.exchange.apply(Halt("ALT"), venue.now_ns)
    house = house_of(venue)
    assert house.asks(CLOSE)["settlement"] == {"SIM": 100.0, "ALT": 20.0}
    answer = house.asks(CLOSE)
    assert (answer["type"], answer["reason"], answer["details"]) == (
        "error",
        "market_halted",
        {},
    )


def test_instruments_are_closed_one_by_one_where_they_are_named():
    venue = venue_with_a_door(TWO_MARKETS)
    house, plain = house_of(venue), venue.client()
    assert house.asks(CLOSE | {"symbol": "ALT"})["symbols"] == ["ALT"]
    assert plain.asks(order("alice"))["type"] == "order_accepted"
    assert plain.asks(order("alice", price=20.0, symbol="ALT"))["reason"] == "market_halted"
    assert house.asks(CLOSE | {"symbol": "ALT"})["reason"] == "market_halted"
    assert house.asks(CLOSE | {"symbol": "NONE"})["reason"] == "unknown_symbol"
    assert house.asks(CLOSE)["symbols"] == ["SIM"]
    assert venue.operator.told == [["ALT"], ["SIM"]]


# ------------------------------------------------------------------------------------------- reopen


def test_a_reopen_is_answered_closes_what_is_open_and_is_passed_on():
    venue = venue_with_a_door(TWO_MARKETS)
    bought(venue)
    house = house_of(venue)
    house.asks(CLOSE | {"symbol": "ALT"})
    assert house.asks(REOPEN | {"request_id": 1}) == {
        "type": "reopening", "market_id": "m1", "timestamp": START_MS, "request_id": 1,
    }  # fmt: skip
    assert [account.positions["SIM"].lots for account in venue.exchange.accounts.values()] == [
        0,
        0,
    ]
    assert venue.operator.told == [["ALT"], ["SIM"], "reopen"]
    assert house.asks([REOPEN, PING])[0]["type"] == "reopening"
    assert venue.operator.told[3:] == ["reopen"], "there was nothing left to close"
