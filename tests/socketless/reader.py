"""A reader of a feed as monitors and bots are: a feed session whose news goes into a mirror."""

from __future__ import annotations

from typing import Any

from botpit.clients.feed_session import FeedSession, Need, request_text
from botpit.clients.mirror import Mirror
from botpit.clients.statistics import Statistics
from message_schemas import Message, parse_messages
from tests.socketless.listener import FeedHost


class MirrorReader:
    """Session, mirror and statistics; who carries frames and requests is the test's to say."""

    def __init__(self, *channels: str, need: Need = Need.PRESENT) -> None:
        self.session = FeedSession(need, lambda: channels)
        self.mirror = Mirror()
        self.statistics = Statistics(tape_length=1_000)

    def takes(self, message: Message) -> bool:
        """Fold it if it is news; whether it is."""
        is_news = self.session.receive(message)
        if is_news:
            self.statistics.fold(message)
            if not self.mirror.fold(message):
                self.session.refresh()
        return is_news

    def asks(self) -> list[str]:
        """The requests that the session wants to send."""
        return list(map(request_text, self.session.requests()))


class ConnectedReader(MirrorReader):
    """One that listens to a feed, and asks again whenever something is missing.

    Without channels it reads those that nobody has to ask for. `trade_ids` are of all trades that it was
    sent, news or not.
    """

    def __init__(self, host: FeedHost, *channels: str) -> None:
        super().__init__(*channels)
        self.listener = host.listener()
        self.trade_ids: list[int] = []
        self.snapshots = 0
        self.session.opened()
        opening = self.asks()
        for request in opening if channels else ():
            self.listener.deliver(request)

    def reads(self) -> None:
        for frame in self.listener.takes_frames():
            for message in parse_messages(frame):
                self.takes(message)
                for request in self.asks():
                    self.listener.deliver(request)

    def takes(self, message: Any) -> bool:
        self.snapshots += message.type == "snapshot"
        if message.type == "trade":
            self.trade_ids.append(message.trade_id)
        return super().takes(message)
