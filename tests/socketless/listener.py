"""Connections to a feed, be it an exchange's or a relay's, and whoever has such a feed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from botpit.venue.feed.publisher import Feed
from botpit.venue.feed.relay import RelayFeed
from botpit.venue.feed.subscriptions import Reader
from tests.socketless.messages import messages_of
from tests.socketless.requests import Message, frame_of, text


class FeedHost:
    """Whoever has a feed that readers can listen to, and the time."""

    feed: Feed | RelayFeed
    now_ns: int

    def listener(self) -> Listener:
        return Listener(self)

    def reader_of(self, *channels: str, **more: object) -> Listener:
        """A reader of these channels that has its snapshot behind it."""
        listener = self.listener()
        listener.asks(type="subscribe", channels=list(channels), **more)
        return listener

    def ends_turn(self) -> None:
        """Deliver what has been caused, or heard, since the last time."""
        for messages, readers in self.feed.end_turn(self.now_ns):
            for reader in readers:
                reader.sink.send(messages)


class Listener:
    """One connection to the feed, and the sink of its own `Reader`."""

    def __init__(self, host: FeedHost) -> None:
        self._host = host
        self._frames: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.closed: tuple[int, str] | None = None
        self.reader = Reader(self)
        host.feed.subscriptions.join(self.reader, host.now_ns)

    def send(self, messages: Iterable[bytes]) -> None:
        self._frames += messages

    def write(self, frames: bytes) -> None:
        raise AssertionError("only a real port writes frames")

    def close(self, code: int, reason: str = "") -> None:
        self.closed = (code, reason)

    def asks(self, **fields: object) -> list[Any]:
        """Send a request and take everything that waits."""
        return self.sends(text(**fields))

    def sends(self, frame: object) -> list[Any]:
        self.deliver(frame)
        return self.takes()

    def deliver(self, frame: object) -> None:
        """Send a frame and leave what it brings waiting."""
        self._host.feed.subscriptions.receive(self.reader, frame_of(frame), self._host.now_ns)

    def takes(self) -> list[Message]:
        """The messages that wait, those of arrays one by one."""
        return [message for frame in self.takes_frames() for message in messages_of(frame)]

    def takes_frames(self) -> list[bytes]:
        frames, self._frames = list(self._frames), deque()
        return frames

    def leaves(self) -> None:
        self._host.feed.subscriptions.leave(self.reader)
