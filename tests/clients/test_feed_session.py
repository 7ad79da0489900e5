"""What a reader of the present believes: what it passes on to its folds, what it notices, and what it asks
for."""

from __future__ import annotations

import json

import pytest

from botpit.clients.feed_session import FeedSession, Need, State, request_text
from botpit.clients.feed_table import ROWS, Do, Input, Row, steps
from message_schemas import DEFAULT_CHANNELS, BookUpdate, Error, Heartbeat, OrderAdd, Subscribed
from tests.socketless.told import book, delta, position, snapshot, trade, view


def joined(need: Need = Need.PRESENT, **of_snapshot) -> FeedSession:
    session = FeedSession(need, lambda: DEFAULT_CHANNELS)
    session.opened()
    asked(session)
    assert session.receive(snapshot(**of_snapshot))
    assert asked(session) == []
    return session


def asked(session: FeedSession) -> list[str]:
    return [request.type for request in session.requests()]


def test_nothing_is_passed_on_before_the_first_snapshot():
    session = FeedSession(Need.PRESENT, lambda: DEFAULT_CHANNELS)
    assert (session.state, session.receive(snapshot())) == (State.LOST, False)
    session.opened()
    assert [request_text(each) for each in session.requests()] == [
        json.dumps({"type": "subscribe", "channels": DEFAULT_CHANNELS, "batch": True})
    ]
    assert (
        not session.receive(trade(7))
        and not session.receive(view(7, 99.0))
        and not session.receive(Heartbeat(seq=7, timestamp=1))
    )
    assert (session.market_id, session.seq, session.holes, session.waiting) == (
        None,
        0,
        0,
        True,
    )
    assert session.receive(snapshot(seq=10)) and session.receive(trade(1))
    assert (session.market_id, session.seq, session.waiting) == ("m1", 101, False)


def test_jumps_in_seq_are_no_holes():
    session = joined()
    assert session.receive(trade(1, seq=50)) and session.receive(trade(2, seq=5_000))
    assert (session.seq, session.holes, asked(session)) == (5_000, 0, [])


def test_what_the_snapshot_includes_is_neither_passed_on_twice_nor_a_hole():
    session = joined(seq=110, channel_seq={"trades": {"SIM": 3}})
    assert [session.receive(trade(number)) for number in (1, 2, 3)] == [False, False, False]
    assert session.receive(trade(4, seq=111))
    assert session.holes == 0


def test_included_by_seq_alone_is_enough_when_the_snapshot_does_not_name_the_channel():
    session = joined(seq=110)
    assert [session.receive(trade(number, seq=108 + number)) for number in (1, 2, 3)] == [
        False,
        False,
        True,
    ]
    assert session.holes == 0


def test_a_channel_the_snapshot_does_not_name_begins_at_one():
    session = joined()
    assert session.receive(trade(2))
    assert (session.holes, asked(session)) == (1, ["subscribe"])


def test_an_event_without_a_number_fits_anywhere():
    session = joined()
    unnumbered = trade(1)
    unnumbered.channel_seq = 0
    assert (
        session.receive(unnumbered)
        and session.receive(unnumbered)
        and session.receive(trade(1))
    )
    assert session.holes == 0


def test_each_channel_and_symbol_counts_for_itself():
    session = joined(books={"SIM": book(), "ALT": book()})
    assert (
        session.receive(trade(1))
        and session.receive(trade(1, symbol="ALT"))
        and session.receive(position(1))
    )
    assert session.holes == 0
    session.receive(trade(3, symbol="ALT"))
    assert session.holes == 1


def test_a_hole_is_asked_about_once_and_the_event_after_it_still_counts():
    session = joined()
    assert session.receive(trade(1)) and session.receive(trade(4))
    assert (session.state, asked(session)) == (State.REFRESHING, ["subscribe"])
    assert session.receive(trade(5)) and session.receive(trade(8))
    assert (session.holes, asked(session)) == (2, []), (
        "the snapshot asked for will come after this one too"
    )
    session.overdue()
    assert asked(session) == ["subscribe"]
    assert session.receive(snapshot(seq=200, channel_seq={"trades": {"SIM": 9}}))
    session.overdue()
    assert (session.state, asked(session)) == (State.LIVE, []), "nothing is awaited any more"
    assert session.receive(trade(10, seq=201)) and session.receive(trade(12, seq=203))
    assert (session.holes, asked(session)) == (3, ["subscribe"])


def test_repeated_and_late_events_are_left():
    session = joined()
    assert session.receive(trade(1)) and session.receive(trade(2))
    assert not session.receive(trade(2)) and not session.receive(trade(1))
    assert session.holes == 0


def test_anonymous_and_full_orders_are_two_channels():
    session = joined()
    order = {"symbol": "SIM", "side": "buy", "price": 99.0, "qty": 1, "timestamp": 5}
    for number in (1, 2):
        assert session.receive(
            OrderAdd(
                order_id=number, trader_id="bob", seq=10 + number, channel_seq=number, **order
            )
        )
    assert session.receive(OrderAdd(order_id=2, seq=12, channel_seq=2, **order))
    assert session.holes == 1, "the first of these is missing"


def test_a_delta_that_does_not_follow_is_a_hole_and_none_is_of_use_until_the_snapshot():
    session = joined(books={"SIM": book(book_seq=4)})
    assert session.receive(delta(5, 4))
    assert not session.receive(delta(5, 4)), "told already"
    assert not session.receive(delta(7, 6))
    assert (session.holes, asked(session)) == (1, ["subscribe"])
    assert not session.receive(delta(8, 7))
    assert session.receive(snapshot(seq=200, books={"SIM": book(book_seq=8)}))
    assert session.receive(delta(9, 8))
    assert session.holes == 1


def test_a_book_that_the_snapshot_does_not_have_has_no_deltas():
    assert not joined(books={"ALT": book()}).receive(delta(1, 0))


def test_a_fold_s_doubt_is_no_hole_but_brings_a_fresh_snapshot():
    session = joined()
    session.refresh()
    session.refresh()
    assert (session.holes, session.waiting, asked(session)) == (0, True, ["subscribe"])


def test_views_and_heartbeats_say_how_far_the_market_is():
    session = joined()
    assert session.receive(view(20, 99.0))
    assert session.receive(
        BookUpdate(
            symbol="SIM", best_bid=None, best_ask=None, bids=[], asks=[], seq=15, timestamp=1
        )
    )
    assert session.seq == 20
    assert session.receive(Heartbeat(seq=77, timestamp=9_000))
    assert session.seq == 77


def test_another_market_behind_the_same_connection_is_where_the_folds_go_on():
    session = joined()
    session.receive(trade(1))
    assert session.receive(snapshot(seq=2, market_id="m2"))
    assert (session.market_id, session.seq) == ("m2", 2)
    assert session.receive(trade(1, seq=3))


def test_a_refusal_of_what_nobody_awaits_changes_nothing():
    complaints: list[str] = []
    session = FeedSession(Need.PRESENT, lambda: [], complain=complaints.append)
    session.opened()
    session.receive(snapshot())
    asked(session)
    assert not session.receive(Error(reason="rate_limited", timestamp=1))
    assert (session.state, asked(session)) == (State.LIVE, [])
    assert complaints == ["the feed refused a request: rate_limited {}"]


def test_behind_a_fence_nothing_is_believed_until_the_answer():
    session = joined(Need.CATCH_UP)
    session.receive(trade(1))
    session.lost()
    assert not session.receive(trade(2))
    session.opened()
    subscribe, resume = session.requests()
    assert (resume.type, resume.from_seq, resume.market_id) == ("resume", 102, "m1")
    assert not session.receive(snapshot(seq=300, market_id="m2")) and not session.receive(
        trade(3)
    )
    answer = {"channels": [], "symbols": [], "batch": True, "timestamp": 1}
    assert not session.receive(Subscribed(request_id=subscribe.request_id, **answer))
    assert (session.state, session.market_id) == (State.FENCED, "m1")
    session.resumed(resume.request_id)
    assert session.state is State.LIVE
    assert session.receive(trade(2)) and session.receive(trade(3))


def test_two_rows_for_one_case_are_refused():
    with pytest.raises(AssertionError):
        steps([*ROWS, Row(Need.PRESENT, (State.LIVE,), (Input.HOLE,), (Do.START,), State.LIVE)])
