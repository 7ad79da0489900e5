"""Turns without sockets and on a clock of the test's: who is served when, how much at once, and
what is written to whom.
"""

from __future__ import annotations

import json
from itertools import chain, repeat

from botpit.venue.gateway.sessions import Session
from botpit.venue.turn import (
    MAX_COMMANDS_PER_SOCKET,
    MAX_INBOX,
    MAX_TURN_COMMANDS,
    MAX_TURN_NS,
    Turns,
    Written,
)
from tests.socketless.requests import frame_of, order, text
from tests.socketless.rules import RICH
from tests.socketless.venue import SocketlessVenue

PING = text(type="ping").encode()


class Trading:
    """The turns of a venue."""

    def __init__(self) -> None:
        self.venue = SocketlessVenue(RICH)
        self.turns = self.venue.turns

    def connects(self, *frames: object) -> Session:
        session = self.turns.connect()
        self.sends(session, *frames)
        return session

    def sends(self, session: Session, *frames: object) -> list[int]:
        return [self.turns.receive(session, frame_of(frame)) for frame in frames]


def types(written: Written, session: Session) -> list[str]:
    return [
        json.loads(message)["type"]
        for each, messages in written.sessions
        if each is session
        for message in messages
    ]


def counts(written: Written) -> list[int]:
    return [len(messages) for _, messages in written.sessions]


def test_one_socket_gives_way_after_its_share_and_the_next_one_is_served():
    trading = Trading()
    greedy = trading.connects(*[PING] * (MAX_COMMANDS_PER_SOCKET + 5))
    modest = trading.connects(PING)
    written = trading.turns.run()
    assert len(types(written, greedy)) == MAX_COMMANDS_PER_SOCKET + 5, (
        "both are done within one turn's bound"
    )
    assert types(written, modest) == ["pong"]


def test_a_turn_is_bounded_and_the_last_in_line_is_first_in_the_next():
    trading = Trading()
    crowd = [
        trading.connects(*[PING] * MAX_COMMANDS_PER_SOCKET)
        for _ in range(MAX_TURN_COMMANDS // MAX_COMMANDS_PER_SOCKET)
    ]
    late = trading.connects(PING)
    first = trading.turns.run()
    assert sum(counts(first)) == MAX_TURN_COMMANDS and types(first, late) == []
    assert trading.turns.waiting
    assert {session for session, _ in first.sessions} == set(crowd)
    assert types(trading.turns.run(), late) == ["pong"]
    assert not trading.turns.waiting


def test_a_turn_ends_when_its_time_is_spent():
    venue, looks = SocketlessVenue(RICH), chain((0, MAX_TURN_NS - 1, MAX_TURN_NS), repeat(0))
    turns = Turns(venue.gateway, venue.feed, lambda: venue.now_ns, looks.__next__)
    served, waits = turns.connect(), turns.connect()
    turns.receive(served, PING), turns.receive(waits, PING)
    written = turns.run()
    assert types(written, served) == ["pong"] and types(written, waits) == []
    assert types(turns.run(), waits) == ["pong"]


def test_a_socket_with_a_full_inbox_is_read_again_when_some_of_it_is_done():
    trading = Trading()
    session = trading.turns.connect()
    waiting = trading.sends(session, *[PING] * MAX_INBOX)
    assert waiting[-1] == MAX_INBOX
    written = trading.turns.run()
    assert written.readable == [session]
    assert trading.turns.run().readable == [], "told once"


def test_what_a_lost_socket_sent_is_still_carried_out_then_its_session_ends():
    trading = Trading()
    login = {"type": "login", "trader_id": "alice", "cancel_on_disconnect": True}
    session = trading.connects(login, order(None, "buy", 5, 99.0))
    trading.turns.lose(session)
    trading.turns.run()
    account = trading.venue.exchange.accounts["alice"]
    assert account.order_count() == 1, "the order was taken"
    assert not list(account.open_orders()), "and cancelled when the connection was gone"
    assert trading.venue.gateway.sessions() == 0


def test_the_answer_goes_to_who_asked_and_the_fill_to_both():
    trading = Trading()
    alice, bob = (
        trading.connects({"type": "login", "trader_id": trader}) for trader in ("alice", "bob")
    )
    trading.sends(alice, order(None, "sell", 5, 100.0))
    trading.sends(bob, order(None, "buy", 5, 100.0))
    written = trading.turns.run()
    assert types(written, alice) == ["logged_in", "order_accepted", "fill"]
    assert types(written, bob) == ["logged_in", "order_accepted", "fill"]


def test_time_passes_before_heartbeats_are_sent():
    trading = Trading()
    alice = trading.connects({"type": "login", "trader_id": "alice"})
    trading.turns.run()
    trading.venue.passes(2)
    assert types(trading.turns.tick(), alice) == []
    assert types(trading.turns.heartbeats(), alice) == ["heartbeat"]
    assert trading.turns.heartbeats().sessions == [], "not before another second of silence"
