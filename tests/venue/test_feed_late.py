"""Readers who come late or come back: nothing is missing, doubled or out of order, and their books
end as the engine's.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from botpit.venue.feed.buffer import EventBuffer
from botpit.wire.outgoing import relayed
from tests.socketless.books import DeltaBook, OrderBook
from tests.socketless.listener import Listener
from tests.socketless.messages import channel, checked, events, types
from tests.socketless.requests import EVERYTHING, Message, order
from tests.socketless.rules import BOTH
from tests.socketless.truth import engine_levels, engine_queue
from tests.socketless.venue import SocketlessVenue

# ------------------------------------------------------------- books from deltas and order by order


@pytest.mark.parametrize("seed", range(6))
def test_law_deltas_and_orders_lead_to_the_engines_book_after_every_command(seed):
    venue = SocketlessVenue(BOTH)
    crowd = venue.crowd(seed)
    for _ in range(30):
        crowd.acts()
    venue.ends_turn()
    by_delta, anonymous, full = (
        reading_from_here(venue, name) for name in ("book_delta", "orders", "orders_full")
    )
    for _ in range(300):
        crowd.acts()
        venue.ends_turn()
        for reader, books in (by_delta, anonymous, full):
            for message in reader.takes():
                for book in books:
                    book.fold(message)
        for symbol, deltas, queue, named in zip(
            ("SIM", "ALT"), by_delta[1], anonymous[1], full[1], strict=True
        ):
            assert deltas.sides() == engine_levels(venue, symbol)
            assert queue.queue() == engine_queue(venue, symbol, full=False)
            assert named.queue() == engine_queue(venue, symbol, full=True)


def reading_from_here(venue: SocketlessVenue, name: str) -> tuple[Listener, list[Any]]:
    reader = venue.listener()
    snapshot = reader.asks(type="subscribe", channels=[name])[-1]
    fold = DeltaBook if name == "book_delta" else OrderBook
    return reader, [fold(snapshot, symbol) for symbol in ("SIM", "ALT")]


def test_an_order_that_keeps_its_place_is_reduced_and_one_that_does_not_is_removed_and_added():
    venue = SocketlessVenue()
    venue.rests(order("alice", "buy", 9, 99.0, client_order_id="c"))
    venue.ends_turn()
    reader, client = venue.reader_of("orders"), venue.client()
    steps = [({"qty": 6}, [("order_reduce", 3)]), ({"qty": 7}, [("order_remove", None), ("order_add", 7)]),
             ({"price": 98.5}, [("order_remove", None), ("order_add", 7)])]  # fmt: skip
    for change, expected in steps:
        client.sends(
            {"type": "replace", "trader_id": "alice", "client_order_id": "c", **change}
        )
        venue.ends_turn()
        assert [(each["type"], each.get("qty")) for each in reader.takes()] == expected
    venue.rests(order("bob", "sell", 2, 98.5))
    client.sends({"type": "cancel", "trader_id": "alice", "client_order_id": "c"})
    venue.ends_turn()
    assert [(each["type"], each.get("qty")) for each in reader.takes()] == [
        ("order_reduce", 2),
        ("order_remove", None),
    ]


# -------------------------------------------------------------------------------------- coming late


def recorded(venue: SocketlessVenue, seed: int, turns: int, *then: Any) -> list[Message]:
    """Every event of a seeded run, as a reader from the beginning was told them; `then` are called
    at the end of each turn.
    """
    record, crowd, rng = venue.reader_of(*EVERYTHING), venue.crowd(seed), random.Random(seed)
    record.takes()
    for _ in range(turns):
        for _ in range(rng.randrange(3)):
            crowd.acts()
        venue.passes(0.02)
        venue.ends_turn()
        for each in then:
            each()
    return record.takes()


@pytest.mark.parametrize("seed", range(2))
def test_whenever_a_reader_joins_nothing_is_doubled_or_missing(seed):
    venue = SocketlessVenue(BOTH)
    joined: list[Listener] = []
    told = recorded(venue, seed, 200, lambda: joined.append(venue.listener()))
    told = events(told, "trades", "positions")
    for reader in joined:
        snapshot, *live = reader.takes()
        assert snapshot["type"] == "snapshot"
        assert events(live) == [each for each in told if each["seq"] > snapshot["seq"]]
        first: dict[tuple[str, str], int] = {}
        for each in events(live):
            first.setdefault((channel(each), each["symbol"]), each["channel_seq"])
        for (name, symbol), number in first.items():
            assert number == snapshot["channel_seq"][name].get(symbol, 0) + 1


@pytest.mark.parametrize("seed", range(2))
def test_whenever_a_reader_joins_its_books_lead_to_the_same_end(seed):
    venue = SocketlessVenue(BOTH)
    joined: list[tuple[Listener, list[Any]]] = []

    def join() -> None:
        reader = venue.listener()
        snapshot = reader.asks(type="subscribe", channels=["book_delta", "orders"])[-1]
        joined.append(
            (
                reader,
                [
                    fold(snapshot, symbol)
                    for fold in (DeltaBook, OrderBook)
                    for symbol in ("SIM", "ALT")
                ],
            )
        )

    recorded(venue, seed, 150, join)
    levels = [engine_levels(venue, symbol) for symbol in ("SIM", "ALT")]
    queues = [engine_queue(venue, symbol, full=False) for symbol in ("SIM", "ALT")]
    for reader, books in joined:
        for message in reader.takes():
            for book in books:
                book.fold(message)
        assert [book.sides() for book in books[:2]] == levels
        assert [book.queue() for book in books[2:]] == queues


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    "channels", [["trades", "positions"], ["orders", "book_delta"], EVERYTHING]
)
def test_whoever_resumes_gets_everything_from_there_then_a_snapshot_then_what_comes(
    channels, batch
):
    venue = SocketlessVenue(BOTH)
    told = events(recorded(venue, 4, 120), *channels)
    last = venue.feed.seq
    resumed = []
    for from_seq in range(1, last + 2):
        reader = venue.reader_of(*channels, batch=batch)
        answer, *past, snapshot = reader.asks(
            type="resume", from_seq=from_seq, market_id="m1", request_id=from_seq
        )
        assert answer == {
            "type": "resumed",
            "from_seq": from_seq,
            "timestamp": answer["timestamp"],
            "request_id": from_seq,
        }
        assert past == [each for each in told if each["seq"] >= from_seq]
        assert (snapshot["type"], snapshot["seq"]) == ("snapshot", last)
        resumed.append(reader)
    venue.rests(order("bob", "sell", 1, 99.0), order("alice", "buy", 500, 101.0))
    venue.ends_turn()
    live = [reader.takes() for reader in resumed]
    assert all(each == live[0] for each in live)
    assert min(each["seq"] for each in live[0]) > last


def test_a_reader_of_the_default_set_may_resume_too():
    venue = SocketlessVenue(BOTH)
    told = events(recorded(venue, 5, 60), "trades", "positions")
    reader = venue.listener()
    reader.takes()
    assert reader.asks(type="resume", from_seq=1)[1:-1] == told


@pytest.mark.parametrize(("asked", "reason", "details"), [
    ({"from_seq": 5}, "seq_ahead", {"seq": 3}), ({"from_seq": 2**53 - 1}, "seq_ahead", {"seq": 3}),
    ({"from_seq": 1, "market_id": "m0"}, "other_market", {"market_id": "m1"}),
    ({"from_seq": 9, "market_id": "m0"}, "other_market", {"market_id": "m1"}),
])  # fmt: skip
def test_a_refused_resume_changes_nothing(asked, reason, details):
    venue = SocketlessVenue()
    reader, other = venue.reader_of("orders"), venue.reader_of("orders")
    venue.rests(*[order("alice", "buy", 1, 99.0)] * 3)
    venue.ends_turn()
    reader.takes(), other.takes()
    [answer] = reader.asks(type="resume", request_id=1, **asked)
    assert {key: answer[key] for key in ("type", "reason", "details", "request_id")} == {
        "type": "error", "reason": reason, "details": details, "request_id": 1,
    }  # fmt: skip
    venue.rests(order("alice", "buy", 1, 99.0))
    venue.ends_turn()
    assert types(reader.takes()) == types(other.takes()) == ["order_add"]


def test_what_is_no_longer_kept_is_too_old_and_the_answer_says_from_where_on_it_is():
    venue = SocketlessVenue(BOTH)
    venue.feed.buffer = EventBuffer(length=30)
    told = recorded(venue, 6, 60)
    reader = venue.reader_of(*EVERYTHING)
    answers = [reader.asks(type="resume", from_seq=1)[0]]
    oldest = answers[0]["details"]["oldest_seq"]
    assert (answers[0]["type"], answers[0]["reason"]) == ("error", "too_old")
    assert oldest > venue.feed.seq - 31
    assert reader.asks(type="resume", from_seq=oldest - 1)[0]["reason"] == "too_old"
    _, *past, _ = reader.asks(type="resume", from_seq=oldest)
    assert past == [each for each in events(told) if each["seq"] >= oldest]


def test_the_last_100_000_events_are_kept():
    tape, short = EventBuffer(), EventBuffer(length=3)
    for seq in range(1, 100_002):
        for each in (tape, short):
            each.append(relayed("trades", "SIM", seq, b""))
    assert (tape.oldest_seq, short.oldest_seq) == (2, 99_999)
    assert [item.seq for item in short.since(0)] == [99_999, 100_000, 100_001]
    assert [item.seq for item in short.since(100_001)] == [100_001]
    assert sum(1 for _ in tape.since(0)) == 100_000


# -------------------------------------------------------------------------------------- a long past


def long_past(venue: SocketlessVenue) -> list[Message]:
    record, crowd = venue.reader_of(*EVERYTHING), venue.crowd(2)
    record.takes()
    for _ in range(2_000):
        crowd.acts()
        venue.ends_turn()
    assert venue.feed.seq > 2_500
    return record.takes()


def test_a_long_past_comes_in_slices_while_the_market_goes_on_and_nothing_is_missing():
    venue = SocketlessVenue(BOTH)
    told = long_past(venue)
    record, reader, crowd = (
        venue.reader_of(*EVERYTHING),
        venue.reader_of(*EVERYTHING),
        venue.crowd(3),
    )
    record.takes()
    [answer] = reader.asks(type="resume", from_seq=1)
    assert answer["type"] == "resumed"
    slices = []
    while venue.feed.subscriptions.catching_up():
        assert venue.feed.subscriptions.catching_up() == [reader.reader]
        assert venue.feed.subscriptions.catch_up(reader.reader, venue.now_ns)
        slices.append(reader.takes_frames())
        crowd.acts()
        venue.ends_turn()
    assert len(slices) > 2
    assert all(sum(map(len, each)) < 300_000 for each in slices[:-1]), "a slice is bounded"
    got = [checked(frame) for each in slices for frame in each] + reader.takes()
    everything = told + record.takes()
    snapshots = [n for n, each in enumerate(got) if each["type"] == "snapshot"]
    assert len(snapshots) == 1
    assert events(got) == events(everything)
    assert all(channel(each) for each in got[: snapshots[0]]), (
        "nothing but the past before the snapshot"
    )
    assert max(each["seq"] for each in got[: snapshots[0]]) <= got[snapshots[0]]["seq"]


def test_a_past_that_is_overtaken_by_forgetting_ends_the_connection():
    venue = SocketlessVenue(BOTH)
    venue.feed.buffer = EventBuffer(length=3_000)
    long_past(venue)
    reader = venue.reader_of(*EVERYTHING)
    reader.asks(type="resume", from_seq=venue.feed.buffer.oldest_seq)
    assert venue.feed.subscriptions.catch_up(reader.reader, venue.now_ns)
    crowd = venue.crowd(7)
    while venue.feed.buffer.oldest_seq <= (reader.reader.catch_up_from or 0):
        crowd.acts()
        venue.ends_turn()
    assert not venue.feed.subscriptions.catch_up(reader.reader, venue.now_ns), (
        "never a silent hole"
    )


def test_whoever_thinks_better_of_its_past_is_live_at_once():
    venue = SocketlessVenue(BOTH)
    long_past(venue)
    reader = venue.reader_of(*EVERYTHING)
    reader.asks(type="resume", from_seq=1)
    assert types(reader.asks(type="subscribe", channels=["trades"])) == [
        "subscribed",
        "snapshot",
    ]
    assert venue.feed.subscriptions.catching_up() == []


def test_whoever_leaves_is_forgotten():
    venue = SocketlessVenue(BOTH)
    long_past(venue)
    live, behind = venue.listener(), venue.listener()
    behind.asks(type="resume", from_seq=1)
    assert venue.feed.subscriptions.readers() == 3
    live.leaves(), behind.leaves()
    assert venue.feed.subscriptions.readers() == 1
    assert venue.feed.subscriptions.catching_up() == []
