"""The exchange without sockets, with its journal on disk, and the hashes of everything that leaves it.

It is driven where sockets would drive it: bytes come in at a peer, frames go out at a connection,
and a turn lies between.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import pytest

from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import Reading
from botpit.history.journal.snapshots import state_text
from botpit.history.replay import Replay
from botpit.history.vocabulary import EXCHANGE
from botpit.io.frames import frames
from botpit.venue import server as ports
from botpit.venue.server import FeedPort, OrderPort
from tests.golden.flows import FRAME_NS, START_NS
from tests.kept_market import begin_journal
from tests.socketless.market import opening_of
from tests.socketless.venue import SocketlessVenue

FRAMES_PER_TURN = 7
FRAMES_PER_TICK = 35
TOKEN = "golden"
MARKET_ID = "deadbeefdeadbeef"


class Line:
    """A connection whose bytes are hashed as they are written."""

    waiting_bytes = 0

    def __init__(self) -> None:
        self.hash = sha256()

    def send(self, messages: Iterable[bytes]) -> None:
        self.write(frames(messages))

    def write(self, data: bytes) -> None:
        self.hash.update(data)

    def close(self, code: int, reason: str = "") -> None:
        self.hash.update(b"closed %d %b" % (code, reason.encode()))

    def pause_reading(self) -> None:
        raise AssertionError("a flow is slower than its market")

    resume_reading = pause_reading


class Market:
    """The exchange of one flow, in `folder`. `asker` sends it; a trader, the house and two readers listen."""

    def __init__(self, folder: Path, rules: str, monkeypatch: pytest.MonkeyPatch) -> None:
        opening = opening_of(rules, MARKET_ID)
        self.folder = folder
        self.journal = begin_journal(folder, opening)
        self.venue = SocketlessVenue(rules, MARKET_ID, TOKEN, journal=self.journal)
        self.venue.now_ns = START_NS
        monkeypatch.setattr(ports, "time_ns", lambda: self.venue.now_ns)
        feed = self.venue.feed
        self.traders = OrderPort(self.venue.turns, feed, self.journal)
        self.lines = {
            name: Line() for name in ("answers", "trader", "house", "default_feed", "full_feed")
        }
        self.asker, self.trader, self.house = (
            self.traders.connect(self.lines[name]) for name in ("answers", "trader", "house")
        )
        self.trader.received(b'{"type":"login","trader_id":"t1","cancel_on_disconnect":true}')
        self.house.received(
            b'{"type":"login","trader_id":"@house","token":"%b"}' % TOKEN.encode()
        )
        reading = FeedPort(feed.subscriptions, self.traders.gate)
        reading.connect(self.lines["default_feed"])
        channels = ["trades", "positions", "liquidations", "status", "book", "book_delta", "orders", "orders_full"]  # fmt: skip
        subscribe = json.dumps({"type": "subscribe", "channels": channels, "batch": True})
        reading.connect(self.lines["full_feed"]).received(subscribe.encode())

    def play(self, flow: list[bytes]) -> None:
        for index, frame in enumerate(flow):
            self.venue.now_ns = START_NS + (index + 1) * FRAME_NS
            by_the_house = frame.startswith(b'{"type":"close","symbol"')
            (self.house if by_the_house else self.asker).received(frame)
            if index % FRAMES_PER_TURN == FRAMES_PER_TURN - 1:
                self.traders.drain()
            if index % FRAMES_PER_TICK == FRAMES_PER_TICK - 1:
                self.traders.tick()
        for _ in range(30):
            self.venue.now_ns += 100_000_000
            self.traders.tick()
        self.trader.lost()
        self.traders.drain()

    def hashes(self) -> dict[str, str]:
        """Of what each line was sent, of the journal's bytes, of the state, and of all events as a
        replay gives them.
        """
        told = {name: line.hash.hexdigest() for name, line in self.lines.items()}
        self.journal.close()
        written = b"".join(
            path.read_bytes() for path in sorted(self.folder.glob("journal-*.log"))
        )
        reading = Reading(self.folder, Disk(), EXCHANGE)
        replayed = Replay(reading.opening)
        for record in reading.records():
            replayed.apply(record)
        state = sha256(state_text(EXCHANGE, self.venue.exchange)).hexdigest()
        assert replayed.state_hash() == state, "a replay of the journal leads to another state"
        return {
            **told,
            "journal": sha256(written).hexdigest(),
            "state": state,
            "events": replayed.events_hash(),
        }
