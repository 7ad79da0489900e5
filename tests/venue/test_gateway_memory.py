"""What the exchange still knows: queries, orders sent again, and the private events that a login missed."""

from __future__ import annotations

import json
import random

import pytest

from botpit.core.commands import BUY, SELL, Order, SelfTradePrevention, TimeInForce
from botpit.core.events import (
    AccountState,
    AccountStatus,
    CancelReason,
    Fill,
    Liquidation,
    LiquidationReason,
    Liquidity,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    Reason,
)
from botpit.venue.gateway import private
from botpit.venue.gateway.private import PrivateEventBuffer
from botpit.wire.channels import PRIVATE_MESSAGES
from botpit.wire.packed import PastMessage
from tests.socketless.market import START_MS
from tests.socketless.requests import ALICE, LOGIN, order, status
from tests.socketless.rules import RICH, TWO_MARKETS
from tests.socketless.venue import SocketlessVenue

# ------------------------------------------------------------------------------------------ queries


def test_an_unknown_trader_is_shown_as_a_new_one_and_not_created():
    venue = SocketlessVenue()
    client = venue.client()
    assert client.asks({"type": "account", **ALICE}) == {
        "type": "account", **ALICE, "cash": 10_000.0, "total_equity": 10_000.0, "initial_margin": 0.0, "maintenance_margin": 0.0,
        "positions": [], "status": "active", "account_seq": 0, "timestamp": START_MS,
    }  # fmt: skip
    assert client.asks({"type": "open_orders", **ALICE}) == {
        "type": "open_orders", **ALICE, "orders": [], "account_seq": 0, "timestamp": START_MS,
    }  # fmt: skip
    assert client.asks(status(**ALICE, order_id=7, client_order_id="c"))["status"] == "unknown"
    assert not venue.exchange.accounts and not venue.journal.commands


def test_an_unknown_order_is_the_ids_asked_for_and_nothing_else():
    nothing = dict.fromkeys(
        (
            "symbol",
            "side",
            "order_type",
            "price",
            "qty",
            "filled_qty",
            "leaves_qty",
            "cancelled_qty",
        )
    )
    answer = SocketlessVenue().client().asks(status(**ALICE, client_order_id="c"))
    assert answer == {
        "type": "order_status", **ALICE, "order_id": None, "client_order_id": "c", **nothing, "status": "unknown",
        "complete": True,
        "account_seq": 0, "timestamp": START_MS,
    }  # fmt: skip


def test_what_became_of_an_order():
    venue = SocketlessVenue()
    venue.quotes("bob")
    client = venue.client()
    client.sends(order("alice", qty=7, client_order_id="c"))
    shown = {
        "type": "order_status", **ALICE, "order_id": 2, "client_order_id": "c", "symbol": "SIM", "side": "buy",
        "order_type": "limit",
        "price": 100.0, "qty": 7, "filled_qty": 5, "leaves_qty": 2, "cancelled_qty": 0, "status": "open", "complete": True,
        "account_seq": 2, "timestamp": START_MS,
    }  # fmt: skip
    assert client.asks(status(**ALICE, order_id=2)) == shown
    assert client.asks(status(**ALICE, client_order_id="c")) == shown
    assert client.asks(status(**ALICE, order_id=2, client_order_id="c")) == shown
    assert client.asks({"type": "open_orders", **ALICE})["orders"] == [
        {
            key: value
            for key, value in shown.items()
            if key not in ("type", "complete", "account_seq", "timestamp")
        }
    ]
    client.sends({"type": "replace", **ALICE, "order_id": 2, "price": 99.5, "qty": 9})
    assert client.asks(status(**ALICE, order_id=2)) == shown | {
        "price": 99.5,
        "qty": 9,
        "leaves_qty": 4,
        "account_seq": 3,
    }
    client.sends({"type": "cancel", **ALICE, "order_id": 2})
    cancelled = shown | {
        "price": 99.5,
        "qty": 9,
        "leaves_qty": 0,
        "cancelled_qty": 4,
        "status": "cancelled",
        "account_seq": 4,
    }
    assert client.asks(status(**ALICE, order_id=2)) == cancelled
    bobs = client.asks(status(trader_id="bob", order_id=1))
    assert (bobs["status"], bobs["filled_qty"], bobs["leaves_qty"]) == ("filled", 5, 0)
    assert client.asks({"type": "open_orders", **ALICE})["orders"] == []


def test_both_ids_must_name_one_order():
    venue = SocketlessVenue()
    client = venue.client()
    (
        client.sends(order("alice", price=99.0, client_order_id="a")),
        client.sends(order("alice", price=98.0, client_order_id="b")),
    )
    assert client.asks(status(**ALICE, order_id=1, client_order_id="b"))["status"] == "unknown"
    for request in ({"type": "cancel"}, {"type": "replace", "qty": 1}):
        assert (
            client.asks(request | {**ALICE, "order_id": 1, "client_order_id": "b"})["reason"]
            == "unknown_order"
        )
    assert (
        client.asks({"type": "cancel", **ALICE, "order_id": 1, "client_order_id": "a"})["type"]
        == "order_cancelled"
    )


@pytest.mark.parametrize(("sent", "shown", "reason"), [
    (order("alice", price=500.0), {"price": 500.0, "order_type": "limit"}, Reason.PRICE_BAND),
    (order("alice", price=100.001), {"price": 100.001}, Reason.INVALID_PRICE),
    (order("alice", price=1e30), {"price": 1e30}, Reason.INVALID_PRICE),
    (order("alice", price=99.0, symbol="NONE"), {"price": 99.0, "symbol": "NONE"}, Reason.UNKNOWN_SYMBOL),
    (order("alice", "sell", 10**39), {"qty": 10**39, "side": "sell"}, Reason.INVALID_QTY),
    (order("alice", price=None), {"price": None, "order_type": "market"}, Reason.NO_LIQUIDITY),
])  # fmt: skip
def test_a_refused_order_is_shown_as_it_was_sent(sent, shown, reason):
    client = SocketlessVenue().client()
    assert client.asks(sent | {"client_order_id": "c"})["reason"] == reason
    answer = client.asks(status(**ALICE, client_order_id="c"))
    expected = {
        "order_id": None,
        "status": "rejected",
        "reason": reason,
        "client_order_id": "c",
        "complete": True,
        **shown,
    }
    assert {key: answer[key] for key in expected} == expected
    assert answer["qty"] == sent["qty"]


def test_an_account_shows_positions_at_the_mark():
    venue = SocketlessVenue(TWO_MARKETS)
    venue.quotes("bob", qty=5, price=101.0)
    client = venue.client()
    client.sends(order("alice", qty=5, price=101.0))
    account = client.asks({"type": "account", **ALICE})
    assert account["positions"] == [
        {
            "symbol": "SIM",
            "position": 5,
            "avg_entry_price": 101.0,
            "unrealized_pnl": -5.0,
            "realized_pnl": 0.0,
            "mark_price": 100.0,
        }
    ]
    assert (
        account["cash"],
        account["total_equity"],
        account["initial_margin"],
        account["maintenance_margin"],
    ) == (
        10_000,
        9_995,
        100,
        50,
    )


# -------------------------------------------------------------------------------------- idempotency


@pytest.mark.parametrize("times", [2, 100])
def test_the_same_order_again_has_the_first_answer(times):
    venue = SocketlessVenue()
    venue.quotes("bob")
    plain, alice = venue.client(), venue.client()
    alice.logs_in("alice")
    sent = order("alice", qty=8, client_order_id="c")
    first = plain.asks(sent | {"request_id": 0})
    alice.takes()
    for number in range(1, times):
        venue.passes(1)
        client = (plain, alice, venue.client())[number % 3]
        assert client.asks(sent | {"request_id": number}) == first | {
            "repeated": True,
            "request_id": number,
        }
        assert alice.takes() == []
    assert venue.exchange.accounts["alice"].seq == 2
    assert len(plain.asks({"type": "open_orders", **ALICE})["orders"]) == 1


def test_it_is_the_same_order_however_it_is_spelt():
    client = SocketlessVenue().client()
    first = client.asks(order("alice", price=99.0, client_order_id="c"))
    spelt = {"type": "place_order", **ALICE, "side": "BUY", "quantity": 1, "price": 99.0, "client_order_id": "c", "symbol": "SIM",
             "order_type": "Limit", "time_in_force": "GTC", "post_only": False, "stp": None}  # fmt: skip
    assert client.asks(spelt) == first | {"repeated": True}


def test_a_closed_order_is_answered_as_when_it_was_new():
    venue = SocketlessVenue()
    client = venue.client()
    first = client.asks(order("alice", price=99.0, client_order_id="c"))
    client.sends({"type": "cancel", **ALICE, "client_order_id": "c"})
    assert client.asks(order("alice", price=99.0, client_order_id="c")) == first | {
        "repeated": True
    }


@pytest.mark.parametrize("change", [
    {"qty": 2}, {"price": 98.0}, {"side": "sell"}, {"symbol": "ALT"}, {"post_only": True}, {"stp": "cancel_both"},
    {"time_in_force": "ioc"}, {"reduce_only": True},
])  # fmt: skip
def test_another_order_under_the_same_id_is_refused_and_the_first_stays(change):
    client = SocketlessVenue(TWO_MARKETS).client()
    client.sends(order("alice", price=99.0, client_order_id="c"))
    before = client.asks({"type": "open_orders", **ALICE})
    answer = client.asks(order("alice", price=99.0, client_order_id="c") | change)
    assert (answer["type"], answer["reason"]) == ("order_rejected", "duplicate_client_order_id")
    assert client.asks({"type": "open_orders", **ALICE}) == before


def test_a_refusal_of_the_engine_burns_the_id_and_is_repeated():
    venue = SocketlessVenue()
    client = venue.client()
    refused = order("alice", price=500.0, client_order_id="c")
    first = client.asks(refused)
    venue.passes(5)
    assert client.asks(refused) == first
    assert client.asks(refused | {"price": 99.0})["reason"] == "duplicate_client_order_id"


def test_a_refusal_of_the_gateway_does_not():
    venue = SocketlessVenue()
    alice = venue.client()
    alice.logs_in("alice")
    bob = order("bob", price=99.0, client_order_id="c")
    assert alice.asks(bob)["reason"] == "unauthorized"
    assert venue.client().asks(bob | {"qty": 1.5})["reason"] == "invalid_message"
    assert venue.client().asks(bob)["type"] == "order_accepted"


def test_two_traders_may_use_the_same_id():
    client = SocketlessVenue().client()
    for trader in ("alice", "bob"):
        assert "repeated" not in client.asks(order(trader, price=99.0, client_order_id="c"))


def test_nor_does_too_many_accounts_burn_it():
    venue = SocketlessVenue("[market]\nmax_accounts = 1")
    client = venue.client()
    client.sends(order("bob", price=99.0))
    assert client.asks(order("alice", client_order_id="c"))["reason"] == "too_many_accounts"
    assert "alice" not in venue.exchange.accounts


# ------------------------------------------------------------------------------ what a login missed


def history(venue: SocketlessVenue) -> list[bytes]:
    """Private events of alice as a session of hers was told them, byte for byte."""
    watcher = venue.client()
    watcher.logs_in("alice")
    venue.quotes("bob", "carol")
    asking = venue.client()
    asking.sends(order("alice", qty=7, request_id=1, client_order_id="c"))
    asking.sends(order("alice", qty=6, client_order_id="d", request_id="r"))
    asking.sends({"type": "replace", **ALICE, "client_order_id": "d", "price": 99.0})
    asking.sends({"type": "cancel", **ALICE, "client_order_id": "d"})
    told = watcher.takes_raw()
    watcher.is_lost()
    assert [json.loads(each)["account_seq"] for each in told] == list(range(1, 8))
    return told


@pytest.mark.parametrize("last_seq", range(8))
def test_a_login_gets_what_it_missed_byte_for_byte_and_then_what_comes(last_seq):
    venue = SocketlessVenue()
    told = history(venue)
    venue.passes(3_600)
    client = venue.client()
    answer = client.logs_in("alice", last_seq=last_seq, market_id="m1", request_id="again")
    assert (answer["account_seq"], answer["request_id"]) == (7, "again")
    assert client.takes_raw() == told[last_seq:]
    assert client.asks(order(price=98.0))["account_seq"] == 8


def test_a_login_without_last_seq_gets_nothing_of_the_past():
    venue = SocketlessVenue()
    history(venue)
    client = venue.client()
    client.logs_in("alice")
    assert client.takes_raw() == []


@pytest.mark.parametrize(
    ("last_seq", "reason"),
    [
        (8, "seq_ahead"),
        (2**53 - 1, "seq_ahead"),
        (-1, "invalid_message"),
        (2**60, "invalid_message"),
    ],
)
def test_a_last_seq_that_never_was_is_refused(last_seq, reason):
    venue = SocketlessVenue()
    history(venue)
    client = venue.client()
    answer = client.asks(LOGIN | {"last_seq": last_seq})
    assert (answer["type"], answer["reason"]) == ("error", reason)
    assert venue.exchange.accounts["alice"].sessions == 1
    assert client.asks({"type": "account"})["reason"] == "invalid_message", (
        "not logged in: it has to name a trader"
    )


def test_an_unknown_trader_has_missed_nothing():
    assert SocketlessVenue().client().logs_in("alice", last_seq=0)["account_seq"] == 0
    assert SocketlessVenue().client().asks(LOGIN | {"last_seq": 1})["reason"] == "seq_ahead"


def test_what_is_no_longer_kept_is_too_old_and_never_a_silent_hole():
    venue = SocketlessVenue(RICH)
    alice = venue.client()
    alice.logs_in("alice")
    for _ in range(120):
        alice.deliver([order(price=99.0)] * 100)
    told = [message for answers in alice.takes() for message in answers]
    assert [each["account_seq"] for each in told] == list(range(1, 12_001))
    kept = 0
    for last_seq in (0, 500, 1_000, 1_500, 2_000, 2_500, 5_000, 11_999):
        client = venue.client()
        answer, *missed = client.sends(LOGIN | {"last_seq": last_seq})
        kept += answer["type"] == "logged_in"
        assert (answer["type"], answer.get("reason"), missed) in (
            ("logged_in", None, told[last_seq:]), ("error", "too_old", []),
        )  # fmt: skip
    assert 0 < kept < 8


@pytest.mark.parametrize("page", [1, 4, 32])
@pytest.mark.parametrize("seed", range(5))
def test_law_the_tape_gives_the_exact_tail_or_nothing(seed, page, monkeypatch):
    monkeypatch.setattr(private, "PAGE", page)
    rng = random.Random(seed)
    encoder = SocketlessVenue().encoder
    tape = PrivateEventBuffer(encoder, per_trader=20, in_all=50)
    told: dict[str, list[bytes]] = {trader: [] for trader in ("alice", "bob", "carol", "dave")}
    in_order: list[str] = []
    for number in range(600):
        trader = rng.choice(list(told)) if number < 500 else "alice"
        event = OrderCancelled(
            number, None, trader, "SIM", 1, CancelReason.REQUESTED, len(told[trader]) + 1, 0
        )
        told[trader].append(encoder.event(event, "own"))
        in_order.append(trader)
        tape.append(trader, event)
        asked = rng.choice(list(told))
        everything = told[asked]
        surely_kept = min(20, in_order[-50:].count(asked))
        for missing in range(len(everything) + 1):
            got = tape.after(asked, len(everything) - missing, len(everything))
            assert got is None if missing > 20 else got is not None or missing > surely_kept
            assert got in (None, everything[len(everything) - missing :])
    assert tape.after("alice", len(told["alice"]) - 20, len(told["alice"])) is not None
    for trader in ("bob", "carol", "dave"):
        assert tape.after(trader, len(told[trader]) - page, len(told[trader])) is None, (
            "a page all of which is old"
        )


ORDER = Order(
    "alice",
    "SIM",
    BUY,
    5,
    9_900,
    TimeInForce.GTD,
    "c",
    True,
    False,
    SelfTradePrevention.CANCEL_BOTH,
    10**18,
    3,
)
KINDS = [
    OrderAccepted(1, ORDER, 7, 1, 10**18),
    OrderAccepted(2, Order("alice", "SIM", SELL, 5, None, TimeInForce.IOC), 0, 2, 10**18),
    OrderReplaced(1, None, "alice", "SIM", 9_901, 6, 4, False, 3, 10**18),
    OrderCancelled(1, "c", "alice", "SIM", 4, CancelReason.EXPIRED, 4, 10**18),
    Fill(2, None, 9, "alice", "SIM", SELL, 9_900, 5, 0, -12, Liquidity.TAKER, 5, 10**18),
    Fill(None, None, None, "alice", "SIM", SELL, 9_900, 5, 0, 0, Liquidity.ADL, 6, 10**18),
    Liquidation("alice", "SIM", LiquidationReason.BANKRUPTCY, BUY, 5, 9_900, 7, 10**18),
    AccountStatus("alice", AccountState.BANKRUPT, 8, 10**18),
    PastMessage("alice", 9, b'{"type":"fill"}'),
]
BEYOND_64_BITS = [
    OrderAccepted(
        1,
        Order(
            "alice", "SIM", BUY, 5, 9_900, TimeInForce.GTD, expires_at_ns=(2**53 - 1) * 10**6
        ),
        7,
        10,
        10**18,
    ),
    Fill(2, None, 9, "alice", "SIM", SELL, 9_900, 5, 0, -(10**20), Liquidity.MAKER, 11, 10**18),
]


@pytest.mark.parametrize(
    "events",
    [KINDS, KINDS + BEYOND_64_BITS, BEYOND_64_BITS],
    ids=["kinds", "both", "beyond 64 bits"],
)
@pytest.mark.parametrize("page", [1, 2, 100])
def test_every_kind_of_event_comes_back_as_it_was_told_packed_or_not(events, page, monkeypatch):
    monkeypatch.setattr(private, "PAGE", page)
    encoder = SocketlessVenue().encoder
    tape = PrivateEventBuffer(encoder)
    for event in events:
        tape.append("alice", event)
    told = [
        event.message if isinstance(event, PastMessage) else encoder.event(event, "own")
        for event in events
    ]
    assert tape.after("alice", 0, len(events)) == told


def test_private_is_all_that_is_numbered():
    assert {type(event) for event in KINDS} - {PastMessage} == PRIVATE_MESSAGES.keys()
