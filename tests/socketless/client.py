"""One connection to the order port of a test's exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botpit.venue.gateway.gateway import text_of
from tests.socketless.messages import checked, read
from tests.socketless.requests import Message, frame_of

if TYPE_CHECKING:
    from tests.socketless.venue import SocketlessVenue


class Client:
    """A session of the venue's gateway, and what waits for it."""

    def __init__(self, venue: SocketlessVenue) -> None:
        self._venue = venue
        self.session = venue.gateway.connect()

    def sends(self, frame: object) -> list[Any]:
        """Send a frame (text, bytes, or what becomes JSON) and take the messages that wait; an
        array comes as a list.
        """
        return [read(message) for message in self.sends_raw(frame)]

    def sends_raw(self, frame: object) -> list[bytes]:
        self.deliver(frame)
        return self.takes_raw()

    def deliver(self, frame: object) -> int:
        """Send a frame and leave what it brings waiting; returns the number of requests it was counted as."""
        self.session.inbox.append(frame_of(frame))
        return self._venue.gateway.receive(self.session, 1, self._venue.now_ns)

    def asks(self, frame: object) -> Any:
        """The one answer, where there must be nothing else."""
        [answer] = self.sends(frame)
        return answer

    def takes(self) -> list[Any]:
        return [read(message) for message in self.takes_raw()]

    def takes_raw(self) -> list[bytes]:
        messages, self.session.outbox = self.session.outbox, []
        self._venue.gateway.flushable.discard(self.session)
        return list(map(text_of, messages))

    def logs_in(self, trader: str, **more: object) -> Message:
        """Log in and return the answer; what follows it keeps waiting."""
        answer, *rest = self.sends_raw({"type": "login", "trader_id": trader, **more})
        self.session.outbox = rest
        fields = checked(answer)
        assert fields["type"] == "logged_in", fields
        return fields

    def is_lost(self) -> None:
        self._venue.gateway.lost(self.session, self._venue.now_ns)
