"""A venue's feed and one reader with a line between them, all in this process: what a seed does to the line,
and the truth.

The venue is a whole exchange, or a relay behind one. The line loses messages and breaks, requests arrive
late, the market is followed by another or goes back in time as after a crash; then the line is good again,
and the reader has to know the truth.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable

from botpit.clients.feed_session import Need, State
from botpit.clients.feed_table import STEPS, Case, Do
from botpit.venue.feed.buffer import EventBuffer
from tests.socketless.listener import Listener
from tests.socketless.messages import pieces
from tests.socketless.pair_readers import CatchUp, FromNow, Present, Record
from tests.socketless.pair_relay import Behind
from tests.socketless.relay import RelayLine
from tests.socketless.rules import BOTH
from tests.socketless.venue import SocketlessVenue

MOST_STEPS = 120
READERS = (Present, CatchUp, Record, FromNow, Behind)


class NotedSteps(dict[Case, tuple[tuple[Do, ...], State]]):
    """The table of a feed session, which tells each case that is looked up."""

    def __init__(self, note: Callable[[Case], object]) -> None:
        super().__init__(STEPS)
        self.note = note

    def get(self, case, default=None):
        self.note(case)
        return super().get(case, default)


class Pair:
    """One run. `behind_relay`: the reader's feed is a relay's, which may start over in the midst of a
    connection.

    `only_breaks`: the line loses nothing but connections, the feed keeps all of the past, and the market
    stays.
    """

    def __init__(self, reader: Present | Behind, seed: int, *, behind_relay: bool) -> None:
        self.reader = reader
        self.rng = random.Random(f"{type(reader).__name__} {seed}")
        self.only_breaks = seed % 4 == 0
        self.is_good = False
        self._markets = 1
        self._asked: deque[str] = deque()
        self._listener: Listener | None = None
        self.venue = self._market("m1")
        self.line = RelayLine(self.venue) if behind_relay else None
        if self.line:
            self.line.connects()

    def _market(self, market_id: str) -> SocketlessVenue:
        venue = SocketlessVenue(BOTH, market_id=market_id)
        if not self.only_breaks:
            venue.feed.buffer = EventBuffer(length=self.rng.choice((3, 40, 100_000)))
        self._crowd = venue.crowd(self.rng.randrange(1_000))
        return venue

    def run(self) -> None:
        for _ in range(self.rng.randrange(20, MOST_STEPS)):
            self._step()
        self.is_good = True
        if self._listener is None:
            self._connects()
        for left in range(70, 0, -1):
            if left > 20 and self.reader.notices_late:
                self._crowd.acts()
            self._passes(0.25)
            self.reader.is_idle(self.venue.now_ns)
            self._carries()
        self.reader.agrees(self.venue)
        if self.only_breaks and not (self.line and self.reader.need is Need.RELAY):
            self.reader.saw_all()  # to a relay, another one has no past of a channel that it did not read
        assert self._listener.reader.subscription.batch
        assert self._listener.reader.subscription.channels >= set(self.reader.channels)

    # ------------------------------------------------------------------------------------------------- a step

    def _step(self) -> None:
        rng = self.rng
        for _ in range(rng.randrange(4)):
            self._crowd.acts()
        self._passes(rng.choice((0.06, 0.3)))
        if self._listener is None:
            if rng.random() < 0.4:
                self._connects()
        elif rng.random() < 0.06:
            self._breaks()
        if rng.random() < 0.02 and not self.only_breaks:
            self._is_followed()
        elif self.line and rng.random() < 0.03:
            self.line.breaks()
            self.line.connects()
        if self._listener is not None:
            self.reader.acts(rng, self.venue.now_ns)
        self._carries()

    def _passes(self, seconds: float) -> None:
        if self.line:
            self.line.passes(seconds)
        else:
            self.venue.passes(seconds)
            self.venue.ends_turn()
            self.venue.feed.subscriptions.heartbeats(self.venue.now_ns)

    def _connects(self) -> None:
        self._listener = (self.line or self.venue).listener()
        opening = self.reader.opening()
        assert opening
        assert not self.reader.session.taking, (
            "nothing is believed before the snapshot or the answer"
        )
        self._asked.extend(opening)

    def _breaks(self) -> None:
        """The connection is lost with all that was on its way."""
        self._listener.leaves()
        self._listener = None
        self._asked.clear()
        if self.rng.random() < 0.7:
            self.reader.lost()  # not everybody hears of a loss before the next connection

    def _is_followed(self) -> None:
        """By another market, or by the same one, which has lost its end; an exchange closes every socket when
        it ends."""
        goes_back = self.rng.random() < 0.3 and self.reader.need is not Need.RECORD
        if not goes_back:
            self._markets += 1
        if self._listener is not None and self.line is None:
            self._breaks()
        old, self.venue = self.venue, self._market(f"m{self._markets}")
        self.venue.now_ns = old.now_ns
        if self.line:
            self.line.breaks()
            self.line.meets(self.venue)
            self.line.connects()

    # ----------------------------------------------------------------------------------------------- the line

    def _carries(self) -> None:
        """Bring what waits on the line to either end, requests perhaps later; when the line is good, until
        nothing waits."""
        again = True
        while again and self._listener is not None:
            again = False
            for frame in self._listener.takes_frames():
                for message in pieces(frame):
                    if not self._loses(message):
                        self.reader.hears(self._altered(message))
                        again = self.is_good
            self._asked.extend(self.reader.asks())
            while self._asked and (self.is_good or self.rng.random() < 0.6):
                self._listener.deliver(self._asked.popleft())
                again = self.is_good

    def _loses(self, message: bytes) -> bool:
        if self.is_good or self.only_breaks:
            return False
        kind = json.loads(message)["type"]
        return kind in self.reader.may_lose and self.rng.random() < (
            0.3 if kind == "snapshot" else 0.06
        )

    def _altered(self, message: bytes) -> bytes:
        """Lots in a book that are not there, which only its checksum shows."""
        if (
            not self.is_good
            and not self.only_breaks
            and b'"book_delta"' in message
            and self.rng.random() < 0.05
        ):
            return message.replace(b",0]", b",7]")
        return message
