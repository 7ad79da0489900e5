"""The feed without sockets: what a reader is told first, what it may ask for, and how events and
views are numbered and told.
"""

from __future__ import annotations

import asyncio
import json
import random
from itertools import pairwise
from time import monotonic_ns, time_ns

import pytest

from botpit.history.journal.segments import DiscardingJournal
from botpit.venue.server import OrderPort
from botpit.venue.turn import Turns
from tests.socketless.market import START_MS
from tests.socketless.messages import channel, types
from tests.socketless.requests import DEFAULT, EVERYTHING, Message, order, text
from tests.socketless.rules import BOTH, RICH, TWO_MARKETS
from tests.socketless.truth import engine_levels
from tests.socketless.venue import SocketlessVenue

# ------------------------------------------------------------------------ what comes without asking


def test_the_snapshot_comes_first_and_then_the_default_set():
    venue = SocketlessVenue()
    reader = venue.listener()
    venue.rests(order("bob", "sell", 5, 100.0), order("alice", "buy", 2, 100.0))
    venue.ends_turn()
    told = reader.takes()
    assert types(told) == [
        "snapshot",
        "trade",
        "position_update",
        "position_update",
        "book_update",
    ]
    assert told[0] == {
        "type": "snapshot", "seq": 0, "market_id": "m1", "timestamp": START_MS, "instruments": told[0]["instruments"],
        "channel_seq": told[0]["channel_seq"], "positions": [],
        "books": {"SIM": {
            "bids": [], "asks": [], "best_bid": None, "best_ask": None, "book_seq": 0, "last_trade": None, "mark_price": 100.0,
            "status": "open",
        }},
    }  # fmt: skip
    assert told[1] == {
        "type": "trade", "trade_id": 1, "price": 100.0, "qty": 2, "buy_trader_id": "alice", "sell_trader_id": "bob",
        "symbol": "SIM",
        "aggressor_side": "buy", "buy_order_id": 2, "sell_order_id": 1, "seq": 2, "channel_seq": 1, "timestamp": START_MS,
    }  # fmt: skip
    assert told[-1] == {
        "type": "book_update", "symbol": "SIM", "best_bid": None, "best_ask": 100.0, "bids": [], "asks": [[100.0, 3]], "seq": 5,
        "timestamp": START_MS,
    }  # fmt: skip


def test_a_snapshot_is_the_market_as_of_its_seq():
    venue = SocketlessVenue(TWO_MARKETS)
    sells = [order("bob", "sell", 5, 100 + 0.01 * n) for n in range(12)]
    venue.rests(
        *sells,
        order("alice", "buy", 7, 100.01),
        order("alice", "buy", 1, 19.95, symbol="ALT"),
    )
    venue.passes(1)
    [snapshot] = venue.listener().takes()
    sim, alt = snapshot["books"]["SIM"], snapshot["books"]["ALT"]
    assert sim["asks"] == [[100.01, 3], *([round(100 + 0.01 * n, 2), 5] for n in range(2, 11))]
    assert (sim["best_bid"], sim["best_ask"], sim["last_trade"]) == (
        None,
        100.01,
        {"price": 100.01, "qty": 2, "timestamp": START_MS},
    )
    assert (alt["bids"], alt["best_bid"], alt["last_trade"], alt["mark_price"]) == (
        [[19.95, 1]],
        19.95,
        None,
        20.0,
    )
    assert "orders" not in sim
    positions = {
        (each["trader_id"], each["symbol"]): each["position"] for each in snapshot["positions"]
    }
    assert {key: lots for key, lots in positions.items() if lots} == {
        ("bob", "SIM"): -7,
        ("alice", "SIM"): 7,
    }
    assert (
        {each["timestamp"] for each in snapshot["positions"]}
        == {snapshot["timestamp"]}
        == {START_MS + 1_000}
    )
    assert snapshot["seq"] == venue.feed.seq
    assert snapshot["channel_seq"]["trades"] == {"SIM": 2}


def test_readers_of_deltas_get_all_levels_and_readers_of_orders_the_queue():
    venue = SocketlessVenue()
    venue.rests(
        *(order("bob", "sell", 5, 100 + 0.01 * n) for n in range(12)),
        order("carol", "sell", 2, 100.0),
        order("alice", "buy", 6, 100.0),
    )
    for channels, levels, queue in (
        (["book_delta"], 12, None), (["orders"], 10, [(13, 1, None), (2, 5, None)]),
        (["orders_full", "orders"], 10, [(13, 1, "carol"), (2, 5, "bob")]),
    ):  # fmt: skip
        [_, _, snapshot] = reading_all(venue, channels)
        book = snapshot["books"]["SIM"]
        assert len(book["asks"]) == levels
        shown = book.get("orders")
        assert (
            shown is None
            if queue is None
            else [(each["order_id"], each["qty"], each.get("trader_id")) for each in shown[:2]]
            == queue
        )


def reading_all(venue: SocketlessVenue, channels: list[str]) -> list[Message]:
    listener = venue.listener()
    return listener.asks(type="subscribe", channels=channels)


def test_flat_positions_are_told_while_the_snapshot_stays_under_512_kib_and_open_ones_always():
    venue = SocketlessVenue(RICH)
    client = venue.client()
    for n in range(900):
        client.deliver(
            [
                order(f"maker-with-a-rather-long-name-{n}", "sell", 1, 100.0),
                order(f"taker-with-a-rather-long-name-{n}", "buy", 1, 100.0),
            ]
        )
    client.takes_raw()
    reader = venue.listener()
    [frame] = reader.takes_frames()
    assert len(json.loads(frame)["positions"]) == 1_800
    for n in range(900):
        client.deliver(
            [
                order(f"maker-with-a-rather-long-name-{n}", "buy", 1, 100.0),
                order(f"flat-with-a-rather-long-name-{n}", "sell", 1, 100.0),
            ]
        )
    client.takes_raw()
    [frame] = venue.listener().takes_frames()
    positions = json.loads(frame)["positions"]
    assert sum(each["position"] != 0 for each in positions) == 1_800
    flat = sum(each["position"] == 0 for each in positions)
    assert 0 < flat < 900, "as many as there is room for"
    assert 512 * 1_024 - 1_000 < len(frame) <= 512 * 1_024


# ---------------------------------------------------------------------------------------- subscribe


def test_subscribe_is_answered_and_then_there_is_a_fresh_snapshot():
    venue = SocketlessVenue(TWO_MARKETS)
    reader = venue.listener()
    venue.rests(order("alice", "buy", 1, 99.0))
    venue.ends_turn()
    reader.takes()
    told = reader.asks(
        type="subscribe",
        channels=["trades", "orders"],
        symbols=["ALT"],
        batch=False,
        request_id="r",
    )
    assert told[0] == {
        "type": "subscribed", "channels": ["orders", "trades"], "symbols": ["ALT"],
        "batch": False, "timestamp": START_MS, "request_id": "r",
    }  # fmt: skip
    assert types(told) == ["subscribed", "snapshot"]
    assert (list(told[1]["books"]), told[1]["seq"]) == (["ALT"], 1)


def test_subscribe_replaces_the_set():
    venue = SocketlessVenue(TWO_MARKETS)
    reader = venue.reader_of("trades", symbols=["ALT"], batch=True)
    [subscribed, _] = reader.asks(type="subscribe")
    assert (subscribed["channels"], sorted(subscribed["symbols"]), subscribed["batch"]) == (
        ["trades"],
        ["ALT", "SIM"],
        False,
    )
    [subscribed, _] = reader.asks(type="subscribe", channels=[])
    assert subscribed["channels"] == []
    venue.rests(order("bob", "sell", 5, 100.0), order("alice", "buy", 2, 100.0))
    venue.ends_turn()
    assert reader.takes() == []


def test_the_default_set_is_what_subscribe_begins_from():
    [subscribed, _] = SocketlessVenue().listener().asks(type="subscribe", symbols=["SIM"])[-2:]
    assert sorted(subscribed["channels"]) == DEFAULT


@pytest.mark.parametrize(
    "change",
    [
        {"symbols": ["SIM", "NONE"]},
        {"channels": ["trades", "gossip"]},
        {"symbols": ["@x"]},
        {"batch": 1},
        {"channel": []},
    ],
)
def test_an_unknown_name_keeps_the_old_set(change):
    venue = SocketlessVenue(TWO_MARKETS)
    reader, other = (
        venue.reader_of("trades", symbols=["SIM"], batch=True),
        venue.reader_of("trades", symbols=["SIM"], batch=True),
    )
    [answer] = reader.asks(type="subscribe", request_id=3, **change)
    assert (answer["type"], answer["reason"], answer["request_id"]) == (
        "error",
        "invalid_message",
        3,
    )
    for symbol, price in (("SIM", 100.0), ("ALT", 20.0)):
        venue.rests(
            order("bob", "sell", 5, price, symbol=symbol),
            order("alice", "buy", 2, price, symbol=symbol),
        )
    venue.ends_turn()
    frames = reader.takes_frames()
    assert frames == other.takes_frames()
    assert [each["symbol"] for each in json.loads(frames[0])] == ["SIM"]


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_channel_has_its_own_messages(name):
    venue = SocketlessVenue(BOTH)
    reader, crowd = venue.reader_of(name), venue.crowd(3)
    for _ in range(200):
        crowd.acts()
        venue.passes(0.01)
        venue.ends_turn()
    expected = {
        "trades": {"trade"}, "book": {"book_update"}, "book_delta": {"book_delta"}, "positions": {"position_update"},
        "liquidations": set(),
        "status": set(), "orders": {"order_add", "order_reduce", "order_remove"},
        "orders_full": {"order_add", "order_reduce", "order_remove"},
    }  # fmt: skip
    told = reader.takes()
    assert set(types(told)) == expected[name]
    assert {"trader_id" in each for each in told if each["type"].startswith("order_")} <= {
        name == "orders_full"
    }


def test_a_filter_of_symbols_filters_events_views_and_snapshot():
    venue = SocketlessVenue(BOTH)
    reader, crowd = venue.listener(), venue.crowd(5)
    for _ in range(100):
        crowd.acts()
    told = reader.asks(type="subscribe", channels=EVERYTHING, symbols=["ALT"])
    assert list(told[-1]["books"]) == ["ALT"] and {
        each["symbol"] for each in told[-1]["positions"]
    } == {"ALT"}
    for _ in range(100):
        crowd.acts()
        venue.passes(0.1)
        venue.ends_turn()
    assert {each["symbol"] for each in reader.takes()} == {"ALT"}


# ------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(("frame", "reason"), [
    ('[{"type":"subscribe"}]', "invalid_message"), ("[]", "invalid_message"), (" [1]", "invalid_message"), ("{", "invalid_json"),
    ("5", "invalid_message"),
    ('{"type":"login","trader_id":"a"}', "invalid_message"), ('{"type":"ping"}', "invalid_message"),
    ('{"type":"subscribe","batch":NaN}', "invalid_json"),
    ('{"type":"resume"}', "invalid_message"), ('{"type":"resume","from_seq":-1}', "invalid_message"),
    ('{"type":"resume","from_seq":1.0}', "invalid_message"),
    (text(type="order", trader_id="a", side="buy", qty=1, price=1), "invalid_message"),
])  # fmt: skip
def test_every_fault_is_an_error_and_changes_nothing(frame, reason):
    venue = SocketlessVenue()
    reader = venue.listener()
    reader.takes()
    [answer] = reader.sends(frame)
    assert (answer["type"], answer["reason"]) == ("error", reason)
    assert set(answer) == {"type", "reason", "details", "timestamp"}
    venue.rests(order("alice", "buy", 1, 99.0))
    venue.ends_turn()
    assert types(reader.takes()) == ["book_update"]


def test_snapshots_cannot_be_had_without_end():
    venue = SocketlessVenue()
    reader = venue.listener()
    reader.takes()
    answers = [reader.asks(type="subscribe", request_id=n)[0] for n in range(200)]
    limited = [each for each in answers if each["type"] == "error"]
    assert {each["reason"] for each in limited} == {"rate_limited"} and len(limited) > 100
    venue.passes(limited[-1]["details"]["retry_after_ms"] / 1_000)
    assert types(reader.asks(type="subscribe")) == ["subscribed", "snapshot"]
    assert types(venue.listener().asks(type="subscribe")) == [
        "snapshot",
        "subscribed",
        "snapshot",
    ], "the others are not concerned"


# ------------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize("seed", range(3))
def test_law_seq_and_channel_seq_have_no_holes_and_are_the_same_for_every_reader(seed):
    venue = SocketlessVenue(BOTH)
    crowd, rng = venue.crowd(seed), random.Random(seed)
    subscriptions = [
        EVERYTHING,
        ["trades"],
        ["orders"],
        ["orders_full", "book_delta"],
        ["positions", "trades", "book"],
    ]
    readers = [
        venue.listener(),
        *(venue.reader_of(*each) for each in subscriptions),
        venue.reader_of(*EVERYTHING, batch=True),
    ]
    bytes_of: dict[tuple[str, str, int], str] = {}
    numbers: dict[tuple[str, str], int] = {}
    all_seqs: set[int] = set()
    for reader in readers:
        reader.takes()
    for _ in range(200):
        for _ in range(rng.randrange(1, 4)):
            crowd.acts()
        venue.ends_turn()
        for number, reader in enumerate(readers):
            last = 0
            for each in reader.takes():
                assert each["seq"] >= last, "in order"
                last = each["seq"]
                if channel(each):
                    key = channel(each), each["symbol"], each["channel_seq"]
                    assert bytes_of.setdefault(key, json.dumps(each)) == json.dumps(each)
                    all_seqs.add(each["seq"])
                    if number == 1:
                        assert each["channel_seq"] == numbers.get(key[:2], 0) + 1
                        numbers[key[:2]] = each["channel_seq"]
                else:
                    assert "channel_seq" not in each
    assert all_seqs == set(range(1, venue.feed.seq + 1))
    snapshot = venue.listener().takes()[0]
    assert {
        (name, symbol): n
        for name, counts in snapshot["channel_seq"].items()
        for symbol, n in counts.items()
    } == numbers


def test_trades_come_first_then_one_delta_per_symbol_and_command():
    venue = SocketlessVenue()
    venue.rests(order("bob", "sell", 1, 100.0), order("bob", "sell", 1, 100.01))
    reader = venue.reader_of("trades", "book_delta", "book")
    reader.takes()
    venue.rests(order("alice", "buy", 3, 100.01), order("alice", "buy", 1, 99.0))
    venue.passes(1)
    venue.ends_turn()
    told = reader.takes()
    assert types(told) == ["trade", "trade", "book_delta", "book_delta", "book_update"]
    assert (told[2]["bids"], sorted(told[2]["asks"])) == (
        [[100.01, 1]],
        [[100.0, 0], [100.01, 0]],
    )
    assert [each["book_seq"] for each in told[2:4]] == [3, 4]
    assert told[3]["prev_book_seq"] == 3


# ------------------------------------------------------------------------------------- batch frames


def test_a_batch_is_the_same_messages_in_arrays_of_at_most_64_kib():
    venue = SocketlessVenue(RICH)
    single, batch = venue.reader_of(*EVERYTHING), venue.reader_of(*EVERYTHING, batch=True)
    single.takes(), batch.takes()
    crowd = venue.crowd(1)
    for _ in range(900):
        crowd.acts()
    venue.ends_turn()
    frames = batch.takes_frames()
    assert len(frames) > 2
    assert all(len(each) <= 65_536 for each in frames)
    assert all(len(one) + len(other) > 65_536 for one, other in pairwise(frames)), (
        "no smaller than need be"
    )
    one_by_one = single.takes_frames()
    assert b",".join(frame[1:-1] for frame in frames) == b",".join(one_by_one)
    assert [each for frame in frames for each in json.loads(frame)] == [
        json.loads(each) for each in one_by_one
    ]


def test_a_single_message_may_be_longer_than_a_batch():
    venue = SocketlessVenue(RICH)
    for _ in range(20):
        venue.client().deliver([order("alice", "buy", 1, 99.0)] * 100)
    reader = venue.reader_of("orders_full", batch=True)
    venue.feed.subscriptions.receive(
        reader.reader, text(type="subscribe", batch=True).encode(), venue.now_ns
    )
    frames = reader.takes_frames()
    assert [types(json.loads(each)) for each in frames] == [["subscribed"], ["snapshot"]]
    assert len(frames[1]) > 65_536


# -------------------------------------------------------------------------------------- book_update


def test_within_a_turn_a_book_is_told_once_as_it_is_at_the_end():
    venue = SocketlessVenue(TWO_MARKETS)
    reader = venue.reader_of("book")
    reader.takes()
    venue.rests(
        order("alice", "buy", 1, 99.0),
        order("alice", "buy", 2, 99.0),
        order("bob", "buy", 1, 19.0, symbol="ALT"),
    )
    venue.ends_turn()
    told = reader.takes()
    assert sorted((each["symbol"], each["best_bid"], each["bids"]) for each in told) == [
        ("ALT", 19.0, [[19.0, 1]]),
        ("SIM", 99.0, [[99.0, 3]]),
    ]
    assert {each["seq"] for each in told} == {venue.feed.seq}


def test_a_book_is_told_20_times_a_second_at_most_and_its_last_state_always():
    venue = SocketlessVenue()
    reader = venue.reader_of("book")
    reader.takes()
    started_ns = venue.now_ns
    for _ in range(4):
        venue.rests(order("alice", "buy", 1, 99.0))
        venue.ends_turn()
        venue.passes(0.01)
    assert [each["bids"] for each in reader.takes()] == [[[99.0, 1]]]
    due_ns = venue.feed.next_view_ns()
    assert due_ns == started_ns + 50_000_000
    venue.now_ns = due_ns - 1
    venue.ends_turn()
    assert reader.takes() == []
    venue.now_ns = due_ns
    venue.ends_turn()
    assert [each["bids"] for each in reader.takes()] == [[[99.0, 4]]]
    assert venue.feed.next_view_ns() is None
    venue.passes(10)
    venue.ends_turn()
    assert reader.takes() == [], "a book that did not change is not told"


@pytest.mark.parametrize("seed", range(4))
def test_law_views_are_conflated_but_end_with_the_truth(seed):
    venue = SocketlessVenue(BOTH)
    reader, crowd, rng = venue.reader_of("book"), venue.crowd(seed), random.Random(seed)
    reader.takes()
    told_ns: dict[str, int] = {}
    last: dict[str, Message] = {}
    acts = 200
    while acts or venue.feed.next_view_ns() is not None:
        if acts:
            acts -= 1
            crowd.acts()
            venue.passes(rng.choice([0, 0.001, 0.02, 0.2]))
        else:
            venue.now_ns = max(venue.now_ns, venue.feed.next_view_ns())
        venue.ends_turn()
        for view in reader.takes():
            assert venue.now_ns - told_ns.get(view["symbol"], -(10**18)) >= 50_000_000
            assert (
                view["best_bid"] is None
                or view["best_ask"] is None
                or view["best_bid"] < view["best_ask"]
            )
            assert view["seq"] == venue.feed.seq
            told_ns[view["symbol"]], last[view["symbol"]] = venue.now_ns, view
            assert ([*view["bids"]], [*view["asks"]]) == tuple(
                side[:10] for side in engine_levels(venue, view["symbol"])
            )
    for symbol in ("SIM", "ALT"):
        assert (last[symbol]["bids"], last[symbol]["asks"]) == tuple(
            side[:10] for side in engine_levels(venue, symbol)
        )


# --------------------------------------------------------------------------------------- heartbeats


def test_a_heartbeat_follows_each_second_without_another_message_for_those_who_subscribed():
    venue = SocketlessVenue()
    silent, reader = venue.listener(), venue.reader_of("trades")
    venue.rests(order("alice", "buy", 1, 99.0))
    venue.ends_turn()
    silent.takes(), reader.takes()
    for elapsed, beats in ((0.9, 0), (0.1, 1), (0.5, 0), (0.5, 1)):
        venue.passes(elapsed)
        venue.feed.subscriptions.heartbeats(venue.now_ns)
        assert (
            reader.takes()
            == [{"type": "heartbeat", "seq": 1, "timestamp": venue.now_ns // 1_000_000}] * beats
        )
    venue.passes(0.5)
    venue.rests(order("bob", "sell", 1, 99.0))
    venue.ends_turn()
    assert types(reader.takes()) == ["trade"]
    venue.passes(0.9)
    venue.feed.subscriptions.heartbeats(venue.now_ns)
    assert reader.takes() == []
    assert "heartbeat" not in types(silent.takes())


def test_a_heartbeat_never_counts_an_event_that_was_not_told_yet():
    """The clock's own events and the heartbeat fall into one turn of the exchange: here an order
    that expires unseen.
    """
    venue = SocketlessVenue()
    venue.rests(order("alice", "buy", 1, 99.0, time_in_force="gtd", expires_at=START_MS + 1))
    venue.ends_turn()
    reader = venue.reader_of("orders")
    reader.takes()
    frames: list[bytes] = []
    reader.write = frames.append
    reader.send = lambda messages: frames.extend(messages)

    async def tick() -> None:
        assert time_ns() > venue.now_ns, (
            "a real clock, long after the expiry and the last message"
        )
        turns = Turns(venue.gateway, venue.feed, time_ns, monotonic_ns)
        OrderPort(turns, venue.feed, DiscardingJournal()).tick()

    asyncio.run(tick())
    assert venue.feed.seq == 2
    removed = next(n for n, each in enumerate(frames) if b"order_remove" in each)
    beats = [n for n, each in enumerate(frames) if b"heartbeat" in each and b'"seq":2' in each]
    assert all(beat > removed for beat in beats), frames


def test_who_joins_at_the_same_event_gets_the_same_snapshot_and_after_it_another():
    venue = SocketlessVenue(RICH)
    client = venue.client()
    client.asks(order("alice", "buy", 1, 99.0))
    venue.ends_turn()
    first, second = (venue.listener().takes() for _ in range(2))
    assert first == second
    client.asks(order("alice", "buy", 1, 99.5))
    venue.ends_turn()
    [third] = venue.listener().takes()
    assert third["books"]["SIM"]["best_bid"] == 99.5
    [deep] = [
        each
        for each in venue.listener().asks(type="subscribe", channels=["book_delta"])
        if each["type"] == "snapshot"
    ][1:]
    assert deep["books"]["SIM"]["bids"] == [[99.5, 1], [99.0, 1]]
