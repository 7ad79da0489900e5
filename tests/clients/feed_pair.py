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

from botpit.clients.feed_session import FeedSession, Need, State, request_text
from botpit.clients.feed_table import STEPS, Case, Do
from botpit.clients.mirror import Mirror
from botpit.clients.statistics import Statistics
from botpit.venue.feed.buffer import EventBuffer
from botpit.venue.feed.relay import RelayFeed
from message_schemas import CHANNEL_OF, Message, parse_messages
from tests.socketless_venue import BOTH, Listener, SocketlessVenue
from tests.venue.relay_line import Bot, Line, held, pieces, positions, seen, truth

EVENTS = ("trade", "position_update", "book_delta")
ANSWERS = ("snapshot", "subscribed", "resumed", "error")
MOST_STEPS = 120


class NotedSteps(dict[Case, tuple[tuple[Do, ...], State]]):
    """The table of a feed session, which tells each case that is looked up."""

    def __init__(self, note: Callable[[Case], object]) -> None:
        super().__init__(STEPS)
        self.note = note

    def get(self, case, default=None):
        self.note(case)
        return super().get(case, default)


class Present:
    """A reader of the present, as monitors and bots are: it asks again when a snapshot does not come."""

    need = Need.PRESENT
    channels = ("book_delta", "trades", "positions")
    may_lose = EVENTS + ANSWERS
    notices_late = True
    """A loss shows only when something of its kind comes again."""

    def __init__(self) -> None:
        self.session = FeedSession(self.need, lambda: self.channels)
        self.mirror = Mirror()
        self.statistics = Statistics(tape_length=1_000)

    def opening(self) -> list[str]:
        self.session.opened()
        return self.asks()

    def lost(self) -> None:
        self.session.lost()

    def asks(self) -> list[str]:
        return list(map(request_text, self.session.requests()))

    def hears(self, message: bytes) -> None:
        for each in parse_messages(message):
            self.takes(each)

    def takes(self, message: Message) -> None:
        looked_at = self.looks_at_snapshots()
        if self.session.receive(message):
            self.statistics.fold(message)
            if not self.mirror.fold(message):
                self.session.refresh()
                assert self.session.waiting, "a wrong book is asked for at once"
        if message.type == "snapshot" and looked_at:
            self.goes_on_from(message.market_id, message.seq)

    def looks_at_snapshots(self) -> bool:
        return self.session.state is not State.FENCED

    def goes_on_from(self, market_id: str, seq: int) -> None:
        session = self.session
        assert (session.state, session.market_id, session.seq) == (State.LIVE, market_id, seq)

    def acts(self, rng: random.Random, now_ns: int) -> None:
        """What it does by itself, now and then."""
        if rng.random() < 0.05:
            self.session.refresh()
        self.is_idle(now_ns)

    def is_idle(self, now_ns: int) -> None:
        if now_ns // 10**7 % 3 == 0:
            self.session.overdue()

    def saw_all(self) -> None:
        """What it may be sure of on a line that only breaks."""

    def agrees(self, venue: SocketlessVenue) -> None:
        assert self.session.state is State.LIVE
        assert self.mirror.market_id == self.session.market_id == venue.feed.market_id
        assert self.statistics.trade_count == venue.exchange.last_trade_id
        assert held(self) == positions(venue)
        assert seen(self) == truth(venue)


class CatchUp(Present):
    """A battle's reader: after a lost connection it has seen every trade, unless the feed does not have them
    any more."""

    need = Need.CATCH_UP
    channels = ("trades", "positions", "liquidations")
    may_lose = EVENTS

    def __init__(self) -> None:
        super().__init__()
        self._asked: list[str] = []
        self._words = 0
        self._looks: set[str | int | None] = set()
        """Those that are asked for as a past, which may be refused."""

    def opening(self) -> list[str]:
        self._looks.clear()
        return super().opening()

    def acts(self, rng: random.Random, now_ns: int) -> None:
        if rng.random() < 0.04:
            self._words += 1
            if self.session.market_id is not None:
                self._looks.add(f"look {self._words}")
            self.session.look(f"look {self._words}")

    def takes(self, message: Message) -> None:
        asked = self.asks()
        super().takes(message)
        self._asked = asked + self.asks()
        is_refused_look = message.type == "error" and message.request_id in self._looks
        assert not is_refused_look or len(self._asked) > len(asked), (
            "a look is answered, one way or the other"
        )

    def asks(self) -> list[str]:
        asked, self._asked = self._asked + super().asks(), []
        return asked

    def is_idle(self, now_ns: int) -> None:
        """It asks only when it wants to know."""

    def saw_all(self) -> None:
        assert self.session.holes == 0
        assert has_no_gap([trade.trade_id for trade in self.statistics.tape])

    def agrees(self, venue: SocketlessVenue) -> None:
        assert self.session.state is State.LIVE
        assert self.session.looked or not self._words
        assert self.session.market_id == venue.feed.market_id
        assert self.statistics.trade_count == venue.exchange.last_trade_id
        assert held(self) == positions(venue)


class Record(Present):
    """An exporter's reader: each event of a market once and in order, and those that it could not have are
    counted."""

    need = Need.RECORD
    channels = ("trades", "positions", "liquidations")
    may_lose = EVENTS
    notices_late = False

    def __init__(self, from_seq: int | None = 1) -> None:
        super().__init__()
        self.session = FeedSession(self.need, lambda: self.channels, from_seq=from_seq)
        self.taken: list[int] = []
        self.missing_before = 0
        self._market_id: str | None = None
        self._from_seq = from_seq
        self._is_paused = False

    def opening(self) -> list[str]:
        self._is_paused = False
        return super().opening()

    def takes(self, message: Message) -> None:
        missing, was_live = self.session.missing, self.session.state is State.LIVE
        market_id = self.session.market_id
        is_new = self.session.receive(message)
        if message.type == "snapshot":
            assert self.session.market_id == message.market_id
            if was_live and market_id == message.market_id:
                self.goes_on_from(market_id, message.seq)
            elif market_id not in (None, message.market_id):
                assert not self.session.taking, "of another market, the first event comes first"
        is_new = is_new and CHANNEL_OF.get(type(message)) in self.channels
        assert not (is_new and self._is_paused)
        if self.session.market_id != self._market_id:
            self._market_id, self.taken, self.missing_before = (
                self.session.market_id,
                [],
                missing,
            )
        if is_new:
            self.taken.append(message.seq)

    def acts(self, rng: random.Random, now_ns: int) -> None:
        if rng.random() < 0.1:
            self._is_paused = self._is_paused or self.session.state is State.LIVE
            self.session.pause()
        elif rng.random() < 0.3:
            self._is_paused = False
            self.session.end_pause()

    def is_idle(self, now_ns: int) -> None:
        """A pause, short or not, ends with a snapshot that shows what was lost before it."""
        self._is_paused = False
        if self.session.state is State.PAUSED or now_ns % 2_000_000_000 < 250_000_000:
            self.session.pause()
            self.session.end_pause()

    def saw_all(self) -> None:
        assert self.session.missing == 0

    def agrees(self, venue: SocketlessVenue) -> None:
        assert self.session.state is State.LIVE
        assert self.session.market_id == venue.feed.market_id
        assert self.taken == sorted(set(self.taken)), "no event twice, none out of order"
        checkpoint = self.session.checkpoint
        counted = sum(
            n for (channel, _), n in checkpoint.counts.items() if channel in self.channels
        )
        happened = sum(
            sum(venue.sequencer.numbers.channel_seq[channel].values())
            for channel in self.channels
        )
        assert counted == happened and checkpoint.seq <= venue.feed.seq
        if self._from_seq == 1:
            assert len(self.taken) + self.session.missing - self.missing_before == happened


class Behind:
    """A relay, and a reader of its own that has to know the truth."""

    need = Need.RELAY
    channels = ("book_delta", "trades", "positions")
    may_lose = EVENTS + ANSWERS
    notices_late = True

    def __init__(self) -> None:
        self.feed = RelayFeed(lambda text: self._asked.append(text) is None)
        self.now_ns = 0
        self._asked: list[str] = []
        self._bot = Bot(self, *self.channels)
        self._guest = self.listener()

    @property
    def session(self) -> FeedSession:
        return self.feed.session

    def opening(self) -> list[str]:
        return self.feed.opening()

    def lost(self) -> None:
        self.feed.lost()

    def listener(self) -> Listener:
        return Listener(self)

    def asks(self) -> list[str]:
        asked, self._asked = self._asked, []
        return asked

    def hears(self, message: bytes) -> None:
        holes, was_taking = self.session.holes, self.session.taking
        self.feed.receive(message, self.now_ns)
        if was_taking and b'"snapshot"' in message and self.session.holes == holes:
            snapshot = json.loads(message)
            assert (self.session.state, self.session.market_id) == (
                State.LIVE,
                snapshot["market_id"],
            )
        assert self.session.holes == holes or self.session.state is State.FENCED, (
            "what is missing is asked for at once"
        )
        for messages, readers in self.feed.end_turn(self.now_ns):
            for reader in readers:
                reader.sink.send(messages)
        self._bot.reads()

    def acts(self, rng: random.Random, now_ns: int) -> None:
        if rng.random() < 0.05:
            self.feed.hole()
            assert self._asked, "whatever is awaited may have been in what could not be read"
        if rng.random() < 0.3:
            self._guest.leaves()
            self._guest = self.listener()
        self.is_idle(now_ns)

    def is_idle(self, now_ns: int) -> None:
        self.now_ns = now_ns
        self.feed.poll(now_ns)

    def saw_all(self) -> None:
        assert has_no_gap(self._bot.trade_ids)

    def agrees(self, venue: SocketlessVenue) -> None:
        assert self.session.state is State.LIVE
        assert self._bot.mirror.market_id == self.session.market_id == venue.feed.market_id
        assert self._bot.statistics.trade_count == venue.exchange.last_trade_id
        assert held(self._bot) == positions(venue)
        assert seen(self._bot) == truth(venue)


class FromNow(Record):
    """A record that begins with what follows its first snapshot."""

    def __init__(self) -> None:
        super().__init__(from_seq=None)


def has_no_gap(numbers: list[int]) -> bool:
    return numbers == list(
        range(min(numbers, default=0), min(numbers, default=0) + len(numbers))
    )


READERS = (Present, CatchUp, Record, FromNow, Behind)


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
        self.line = Line(self.venue) if behind_relay else None
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
                server = self.line or self.venue
                server.feed.subscriptions.receive(
                    self._listener.reader, self._asked.popleft().encode(), server.now_ns
                )
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
