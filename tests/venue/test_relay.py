"""The relay without sockets: joins, channels, resumes, and the exchange that goes and comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from botpit.venue.feed.buffer import EventBuffer
from tests.socketless.listener import Listener
from tests.socketless.messages import checked, events
from tests.socketless.noise import same
from tests.socketless.reader import ConnectedReader
from tests.socketless.relay import RelayLine, connected, trades
from tests.socketless.requests import DEFAULT, EVERYTHING, Message, order, text
from tests.socketless.rules import BOTH
from tests.socketless.truth import books, books_seen, positions, positions_seen
from tests.socketless.venue import SocketlessVenue

# ------------------------------------------------------------------------------------------ joining


def test_a_reader_waits_for_the_exchange_and_then_has_its_snapshot_first():
    line = RelayLine(SocketlessVenue(BOTH))
    reader = line.listener()
    line.feed.poll(line.now_ns)
    assert reader.takes() == []
    line.connects()
    line.passes()
    trades(line)
    told = reader.takes()
    assert told[0]["type"] == "snapshot"
    assert [each["type"] for each in told[1:4]] == [
        "trade",
        "position_update",
        "position_update",
    ]


SUBSCRIPTIONS: list[dict[str, Any]] = [
    {}, {"channels": ["trades"]}, {"channels": ["book_delta"]}, {"channels": ["orders"], "symbols": ["ALT"]},
    {"channels": EVERYTHING},
    {"channels": ["orders_full", "book"], "batch": True}, {"symbols": []}, {"channels": []},
]  # fmt: skip


@pytest.mark.parametrize("asked", SUBSCRIPTIONS)
def test_a_reader_is_told_by_the_relay_what_the_exchange_would_tell_it(asked):
    line = connected()
    crowd = line.exchange.crowd(1)
    other = line.listener()
    other.asks(type="subscribe", channels=EVERYTHING)
    for _ in range(100):
        crowd.acts()
    for n in range(15):
        line.exchange.client().asks(order("deep", "buy", 1, 95 - n / 10))
    line.settles()
    far, near = line.listener(), line.exchange.listener()
    for reader in (far, near):
        reader.sends(text(type="subscribe", request_id="r", **asked))
    line.passes(0)
    near.takes(), far.takes()
    far.sends(text(type="subscribe", request_id="s", **asked))
    line.passes(0.1)
    near_told = near.asks(type="subscribe", request_id="s", **asked)
    far_told = far.takes()
    assert without_times(far_told) == without_times(near_told[1:])
    for _ in range(100):
        crowd.acts()
        line.passes(0.06)
    assert far.takes() == [each for each in near.takes() if each["type"] != "heartbeat"]


def without_times(messages: list[Message]) -> list[Message]:
    return json.loads(
        json.dumps(messages),
        object_hook=lambda each: {
            key: value for key, value in each.items() if key != "timestamp"
        },
    )


@pytest.mark.parametrize("channels", [[], ["book_delta", "trades"], EVERYTHING])
def test_whenever_a_reader_joins_nothing_is_doubled_or_missing(channels):
    line = connected()
    crowd = line.exchange.crowd(2)
    record = line.exchange.listener()
    record.asks(type="subscribe", channels=channels or DEFAULT)
    joined: list[Listener] = []
    for _ in range(80):
        joined.append(line.listener())
        if channels:
            joined[-1].sends(text(type="subscribe", channels=channels))
        crowd.acts()
        line.passes(0.06)
    told = events(record.takes())
    for reader in joined[:-1]:
        first, *live = [each for each in reader.takes() if each["type"] != "subscribed"]
        assert first["type"] == "snapshot"
        assert events(live) == [each for each in told if each["seq"] > first["seq"]]


def test_one_snapshot_is_asked_for_all_who_wait():
    line = connected()
    before = len(line.asked)
    readers = [line.listener() for _ in range(50)]
    for _ in range(5):
        line.feed.poll(line.now_ns)
    line.passes()
    assert [each["type"] for each in line.asked[before:]] == ["subscribe"]
    assert all([each["type"] for each in reader.takes()] == ["snapshot"] for reader in readers)


def test_a_snapshot_on_its_way_is_not_for_those_who_want_more_than_it_has():
    line = connected()
    line.exchange.client().asks(order("alice", "buy", 1, 99.0))
    line.listener()
    line.feed.poll(line.now_ns)
    late = line.listener()
    late.sends(text(type="subscribe", channels=["orders"]))
    line.carries()
    assert "snapshot" not in [each["type"] for each in late.takes()]
    line.passes()
    [snapshot] = late.takes()
    assert [each["order_id"] for each in snapshot["books"]["SIM"]["orders"]] == [1]


def test_what_is_asked_upstream_is_what_any_reader_reads():
    line = connected()
    assert [(each["type"], set(each["channels"]), each["batch"]) for each in line.asked] == [
        ("subscribe", set(DEFAULT), True)
    ]
    line.listener().sends(text(type="subscribe", channels=["orders"], symbols=["ALT"]))
    line.listener().sends(text(type="subscribe", channels=["book_delta"]))
    line.passes()
    assert set(line.asked[-1]["channels"]) == {*DEFAULT, "orders", "book_delta"}
    assert "symbols" not in line.asked[-1], "of all symbols, so that the numbers have no holes"


def test_a_new_channel_disturbs_nobody():
    line = connected()
    old = line.listener()
    line.passes()
    crowd = line.exchange.crowd(4)
    told: list[Message] = old.takes()
    for n in range(60):
        crowd.acts()
        if n in (20, 40):
            line.listener().sends(
                text(type="subscribe", channels=[["orders"], ["book_delta"]][n // 40])
            )
        line.passes(0.06)
        told += old.takes()
    assert [each["type"] for each in told].count("snapshot") == 1
    record = line.exchange.listener().asks(type="resume", from_seq=told[0]["seq"] + 1)
    assert events(told) == events(record)
    assert line.feed.holes == 0


def test_faults_are_told_at_once_and_keep_the_old_set():
    line = connected()
    reader = line.listener()
    line.passes()
    reader.takes()
    for frame, reason in (
        ("{", "invalid_json"),
        ("[]", "invalid_message"),
        (text(type="subscribe", symbols=["NONE"]), "invalid_message"),
    ):
        [answer] = reader.sends(frame)
        assert (answer["type"], answer["reason"]) == ("error", reason)
    trades(line)
    assert len(events(reader.takes())) == 3


def test_heartbeats_go_on_while_the_exchange_is_gone():
    line = connected()
    reader = line.listener()
    reader.sends(text(type="subscribe", channels=["trades", "positions"]))
    line.passes()
    trades(line)
    told = reader.takes()
    line.breaks()
    line.exchange.passes(1)
    line.feed.subscriptions.heartbeats(line.now_ns)
    [beat] = reader.takes()
    assert (beat["type"], beat["seq"]) == ("heartbeat", told[-1]["seq"])


# ----------------------------------------------------------------------------------------- resuming


def test_a_reader_resumes_at_the_relay_as_at_the_exchange():
    line = connected()
    crowd, record = line.exchange.crowd(5), line.listener()
    record.sends(text(type="subscribe", channels=["trades", "orders", "positions"]))
    line.passes()
    first = next(each["seq"] for each in record.takes() if each["type"] == "snapshot")
    for _ in range(60):
        crowd.acts()
        line.passes(0.06)
    told = events(record.takes())
    for from_seq in range(first + 1, line.feed.seq + 2):
        reader = line.listener()
        reader.sends(text(type="subscribe", channels=["trades", "orders", "positions"]))
        line.passes(0.06)
        reader.takes()
        [answer] = reader.asks(type="resume", from_seq=from_seq, market_id="m1")
        assert answer["type"] == "resumed"
        line.passes(0.06)
        *past, snapshot = reader.takes()
        assert past == [each for each in told if each["seq"] >= from_seq]
        assert snapshot["type"] == "snapshot"


def test_what_the_relay_does_not_have_is_too_old():
    line = RelayLine(SocketlessVenue(BOTH))
    trades(line, 5)
    line.connects()
    reader = line.listener()
    line.passes()
    reader.takes()
    trades(line, 5)
    reader.takes()
    began = 5 * 5
    assert reader.asks(type="resume", from_seq=began)[0] | {"timestamp": 0} == {
        "type": "error", "reason": "too_old", "details": {"oldest_seq": began + 1}, "timestamp": 0,
    }  # fmt: skip
    [answer] = reader.asks(type="resume", from_seq=began + 1)
    assert answer["type"] == "resumed"
    line.passes()
    assert len(events(reader.takes())) == 15


def test_a_channel_that_nobody_read_until_now_has_no_past():
    line = connected()
    trades(line, 5)
    reader = line.listener()
    reader.sends(text(type="subscribe", channels=["trades", "orders"]))
    line.passes()
    reader.takes()
    assert reader.asks(type="resume", from_seq=3)[0]["reason"] == "too_old"
    hasty = line.listener()
    line.passes()
    hasty.sends(text(type="subscribe", channels=["trades", "book_delta", "orders_full"]))
    assert hasty.asks(type="resume", from_seq=line.feed.seq + 1)[0]["reason"] == "too_old", (
        "nor one that is only asked for"
    )


@pytest.mark.parametrize(
    ("asked", "reason"),
    [({"from_seq": 99}, "seq_ahead"), ({"from_seq": 1, "market_id": "m0"}, "other_market")],
)
def test_a_refused_resume_changes_nothing(asked, reason):
    line = connected()
    reader = line.listener()
    line.passes()
    trades(line)
    reader.takes()
    assert reader.asks(type="resume", **asked)[0]["reason"] == reason
    trades(line)
    assert len(events(reader.takes())) == 3


# ---------------------------------------------------------------------- the exchange goes and comes


def test_after_an_outage_readers_stay_and_get_what_they_missed_once():
    line = connected()
    bots = [ConnectedReader(line), ConnectedReader(line, *EVERYTHING)]
    line.settles()
    trades(line, 3)
    line.breaks()
    crowd = line.exchange.crowd(6)
    for _ in range(150):
        crowd.acts()
        line.passes(0.06)
    line.connects()
    line.settles()
    trades(line, 3)
    line.settles()
    for bot in bots:
        bot.reads()
        assert bot.trade_ids == list(range(1, line.exchange.exchange.last_trade_id + 1))
        assert (bot.session.holes, bot.mirror.checksum_failures) == (0, 0)
        assert positions_seen(bot.mirror) == positions(line.exchange)
        assert bot.listener.closed is None
    assert books_seen(bots[1].mirror) == books(line.exchange)
    assert line.feed.holes == 0


def test_whoever_comes_during_an_outage_gets_nothing_older_than_its_snapshot():
    line = connected()
    old = ConnectedReader(line)
    line.settles()
    line.breaks()
    new = line.listener()
    trades(line, 5)
    line.connects()
    line.settles()
    trades(line, 2)
    old.reads()
    snapshot, *live = new.takes()
    assert (snapshot["type"], snapshot["channel_seq"]["trades"]) == ("snapshot", {"SIM": 5})
    assert [each["channel_seq"] for each in live if each["type"] == "trade"] == [6, 7]
    assert old.trade_ids == list(range(1, 8))


def test_a_break_in_the_middle_of_a_turn_loses_nothing():
    line = connected()
    bot = ConnectedReader(line, "trades", "positions")
    line.settles()
    client = line.exchange.client()
    for number in range(40):
        client.asks([order("bob", "sell", 1, 100.0), order("alice", "buy", 1, 100.0)])
        line.exchange.ends_turn()
        if number % 3 == 0:
            cut = number % 4
            line.noise = lambda messages, cut=cut: messages[:cut]
            line.carries()
            line.noise = same
            line.breaks()
            line.connects()
        line.carries()
    line.settles()
    bot.reads()
    assert bot.trade_ids == list(range(1, 41))
    assert bot.session.holes == 0


def test_after_too_long_an_outage_everybody_starts_over_from_a_fresh_snapshot():
    line = connected()
    line.exchange.feed.buffer = EventBuffer(length=20)
    bots = [ConnectedReader(line), ConnectedReader(line, "book_delta", "positions", "trades")]
    line.settles()
    trades(line, 3)
    line.breaks()
    trades(line, 50)
    line.connects()
    line.settles()
    trades(line, 2)
    line.settles()
    for bot in bots:
        bot.reads()
        assert bot.statistics.trade_count == 55
        assert bot.trade_ids == [1, 2, 3, 54, 55]
        assert positions_seen(bot.mirror) == positions(line.exchange)
        assert bot.snapshots >= 2


def test_after_a_restart_of_the_exchange_readers_learn_of_the_new_market():
    line = connected()
    bots = [ConnectedReader(line), ConnectedReader(line, "book_delta", "positions", "trades")]
    resuming = line.listener()
    line.settles()
    trades(line, 5)
    line.breaks()
    line.meets(SocketlessVenue(BOTH, market_id="m2"))
    line.connects()
    line.settles()
    trades(line, 2)
    line.settles()
    for bot in bots:
        bot.reads()
        assert bot.mirror.market_id == "m2"
        assert bot.statistics.trade_count == 2
        assert positions_seen(bot.mirror) == positions(line.exchange)
        assert bot.listener.closed is None
    resuming.takes()
    assert (
        resuming.asks(type="resume", from_seq=1, market_id="m1")[0]["reason"] == "other_market"
    )


def test_a_new_market_with_as_many_events_is_not_taken_for_the_old_one():
    line = connected()
    bot = ConnectedReader(line, "trades")
    line.settles()
    trades(line, 5)
    bot.reads()
    other = SocketlessVenue(BOTH, market_id="m2")
    line.breaks()
    line.meets(other)
    trades(line, 5)
    line.connects()
    line.settles()
    bot.reads()
    assert (bot.mirror.market_id, bot.statistics.trade_count) == ("m2", 5)
    assert bot.trade_ids == [1, 2, 3, 4, 5]


def test_a_relay_started_anew_serves_readers_that_come_back():
    line = connected()
    trades(line, 5)
    again = RelayLine(line.exchange)
    again.connects()
    reader = again.listener()
    again.passes()
    assert reader.takes()[0]["channel_seq"]["trades"] == {"SIM": 5}
    trades(again, 1)
    assert [each["channel_seq"] for each in reader.takes() if each["type"] == "trade"] == [6]


def test_a_long_past_comes_in_slices_from_the_relay_too():
    line = connected()
    record = line.listener()
    record.sends(text(type="subscribe", channels=EVERYTHING))
    line.settles()
    record.takes()
    crowd = line.exchange.crowd(8)
    for _ in range(1_200):
        crowd.acts()
        line.exchange.ends_turn()
        line.carries()
    told = events(record.takes())
    for from_seq in range(1, 16):
        reader = line.listener()
        reader.sends(text(type="subscribe", channels=EVERYTHING))
        line.settles()
        reader.takes()
        got: list[Message] = reader.sends(text(type="resume", from_seq=from_seq))
        assert line.feed.subscriptions.catching_up() == [reader.reader]
        while line.feed.subscriptions.catching_up():
            assert line.feed.subscriptions.catch_up(reader.reader, line.now_ns)
            got += reader.takes()
            crowd.acts()
            line.exchange.ends_turn()
            line.carries()
        line.settles()
        got += reader.takes()
        told += events(record.takes())
        assert events(got) == [each for each in told if each["seq"] >= from_seq]
        assert [each["type"] for each in got if each["type"] in ("snapshot", "resumed")] == [
            "resumed",
            "snapshot",
        ]
        reader.leaves()


def test_what_passes_is_byte_for_byte_what_the_exchange_said():
    line = connected()
    near, far = line.exchange.listener(), line.listener()
    line.settles()
    near.takes_frames(), far.takes_frames()
    trades(line, 3)
    frames = far.takes_frames()
    assert frames == near.takes_frames()
    assert all(checked(each) for each in frames)
