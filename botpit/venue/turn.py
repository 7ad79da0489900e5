"""The exchange's one thread of work, without its sockets: frames in, and turn by turn what is to be
written to whom.

A *turn* reads what the sockets have brought, carries it out one command after another, and lists
what everybody is to be sent, in this order: each session its answers and private events, then the
public events, then the views. It is bounded, and sockets with more to say go to the end of the
line. What is done for many commands is done for all of them in one go. The clock is handed in, so
that a market in simulated time takes the very same turns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from botpit.venue.feed.publisher import Feed
from botpit.venue.feed.subscriptions import Delivery
from botpit.venue.gateway.gateway import Gateway
from botpit.venue.gateway.sessions import Session

MAX_TURN_COMMANDS = 1_000
MAX_TURN_NS = 5_000_000
MAX_COMMANDS_PER_SOCKET = 100
"""Of one socket in one turn, but for the rest of an array; then the next socket has its turn."""
MAX_INBOX = 1_000
"""Messages a socket may have waiting before it is no longer read."""


@dataclass(slots=True)
class Written:
    """What a turn came to: messages for sessions, deliveries for readers, in this order, once the
    journal is written.

    `readable`: sessions whose sockets may be read again.
    """

    sessions: list[tuple[Session, list[bytes]]] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    readable: list[Session] = field(default_factory=list)


class Turns:
    """Every command of every socket and of the clock goes through here.

    `now_ns` gives the Unix time; `spent_ns` counts from anywhere and never backwards: it bounds a turn.
    """

    def __init__(
        self,
        gateway: Gateway,
        feed: Feed,
        now_ns: Callable[[], int],
        spent_ns: Callable[[], int],
    ) -> None:
        self._gateway = gateway
        self._feed = feed
        self._now_ns = now_ns
        self._spent_ns = spent_ns
        self._waiting: dict[Session, None] = {}
        self._lost: set[Session] = set()
        self._readable: list[Session] = []

    @property
    def waiting(self) -> bool:
        """Whether there is something for another turn."""
        return bool(self._waiting)

    def connect(self) -> Session:
        return self._gateway.connect()

    def receive(self, session: Session, frame: bytes) -> int:
        """Put a frame in line; how many of its session wait there now.

        At MAX_INBOX its socket is to be read no further until the session is `readable`.
        """
        inbox = session.inbox
        if not inbox:
            self._waiting[session] = None
        inbox.append(frame)
        return len(inbox)

    def lose(self, session: Session) -> None:
        """Its connection is gone; what it sent before is still carried out."""
        self._lost.add(session)
        self._waiting[session] = None

    def run(self) -> Written:
        """One turn."""
        commands, until_ns = 0, self._spent_ns() + MAX_TURN_NS
        while self._waiting and commands < MAX_TURN_COMMANDS and self._spent_ns() < until_ns:
            session = next(iter(self._waiting))
            del self._waiting[session]
            commands += self._serve(session)
            if session.inbox:
                self._waiting[session] = None
        return self.finish()

    def _serve(self, session: Session) -> int:
        commands, inbox = 0, session.inbox
        was_full = len(inbox) >= MAX_INBOX
        while inbox and commands < MAX_COMMANDS_PER_SOCKET:
            most = MAX_COMMANDS_PER_SOCKET - commands
            commands += self._gateway.receive(session, most, self._now_ns())
        is_lost = session in self._lost
        if was_full and len(inbox) < MAX_INBOX and not is_lost:
            self._readable.append(session)
        if is_lost and not inbox:
            self._lost.discard(session)
            self._gateway.lost(session, self._now_ns())
        return commands

    def tick(self) -> Written:
        """Let time pass: expiries and marks, with what they cause."""
        self._gateway.tick(self._now_ns())
        return self.finish()

    def heartbeats(self) -> Written:
        """To everybody who got nothing for a second."""
        now_ns = self._now_ns()
        self._gateway.heartbeats(now_ns)
        self._feed.subscriptions.heartbeats(now_ns)
        return Written(self._sessions())

    def finish(self) -> Written:
        """What everybody is to be sent by now."""
        readable, self._readable = self._readable, []
        sessions = self._sessions()
        return Written(sessions, self._feed.end_turn(self._now_ns()), readable)

    def _sessions(self) -> list[tuple[Session, list[bytes]]]:
        flushable, self._gateway.flushable = self._gateway.flushable, set()
        return [(session, _flushed(session)) for session in flushable]


def _flushed(session: Session) -> list[bytes]:
    outbox, session.outbox = session.outbox, []
    return [each if isinstance(each, bytes) else each.bytes("own") for each in outbox]
