"""One reader's conversation with a feed: what it asks for, what it believes, and what it has missed.

A feed speaks first: whoever connects gets a snapshot, and from then on the events of a default set of
channels. A reader subscribes to the channels that it wants, and gets `subscribed` and a fresh snapshot. It
may resume, and then gets every event from a given one on, and a snapshot after them. Every event carries its
`seq` among all events, and its number among those of its channel and symbol. These numbers have no holes, so
a jump in them is a loss, and a snapshot says how far each of them has come.

All readers follow this conversation, yet they need different things, and their `Need` says which. PRESENT (a
bot, a monitor) wants the market as it is: a hole is a reason for a fresh snapshot, and what happened in
between does not matter. CATCH_UP (a battle) wants the present too, but after a lost connection first the
events that it missed, so that its counts are right. RECORD (an exporter) wants each event once and in order;
it continues at a checkpoint, and counts what it cannot have any more. RELAY passes events on to readers of
its own, so it lets none pass that comes after a hole: it resumes from the last one that it is sure of.

A session is in one of six states, and `feed_table.py` has a row for everything that changes them. When a
connection opens, a reader either joins, and waits for the first snapshot (JOINING), or it asks for what it
missed and puts up a fence (FENCED). Whatever comes before the answer belongs to a stream that the answer
ends, so all of it is left unread; and since a feed answers in order, everything after the answer to the last
request belongs to that request. Behind the fence the reader takes messages: while it waits for a fresh
snapshot (REFRESHING), and when nothing is owed to it (LIVE). A hole leads back, to a fresh snapshot or to the
fence. A reader whose disk is slow leaves what comes (PAUSED), and later asks for it as after a lost
connection. What is refused leads to a smaller wish: the oldest event that is left, a fresh start, what comes.

Three things are believed without a doubt. A snapshot is final, even when its numbers are lower than ours: a
market that was recovered after a crash may have lost its end. An event that is known already, by its number
or by its `seq`, is left without a word: whoever resumes, or joins while things happen, gets some twice. And
another `market_id` means that nothing of before counts any more.

Nothing here knows a socket or a clock. The owner of the connection calls `opened` and `lost`, hands in
messages (`receive`, or the method for their kind, for an owner that reads only their heads), passes on to its
folds what is to be passed on, sends what `requests` returns after each of these, and calls `overdue` when an
answer takes too long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botpit.clients.channel_numbers import ChannelNumbers, Key
from botpit.clients.feed_table import STEPS, TAKING, Do, Input, Need, State
from botpit.clients.requests import request_fields
from message_schemas import (
    CHANNEL_OF,
    Error,
    FeedRequest,
    Heartbeat,
    Message,
    Resumed,
    ResumeRequest,
    Snapshot,
    Subscribed,
    SubscribeRequest,
)

__all__ = [
    "Checkpoint",
    "FeedSession",
    "Need",
    "State",
    "counts_of",
    "request_text",
]

_SUBSCRIBE_IDS = {Need.CATCH_UP: "first"}
_RESUME_IDS = {Need.CATCH_UP: "again", Need.RECORD: "resume"}
"""The request_ids of what a session asks for by itself; a relay numbers its requests."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a market was taken: up to event `seq`. `counts`: the events so far per (channel, symbol); None:
    not known yet."""

    market_id: str
    seq: int
    counts: Mapping[Key, int] | None


class FeedSession:
    """One reader's side of the conversation. `channels` gives what to subscribe to, each time that it does.

    To be read from outside: `state`, `market_id`, `seq` of the last event taken, `holes` noticed, the
    `missing` events that a RECORD cannot have any more, `looked` (a `look` is answered), `limited` (the feed
    refused a relay for asking too often), and `covered`, the channels whose events are taken (None: all that
    come). `from_seq` is the first event that a RECORD wants of whatever market there is (None: what follows
    its first snapshot), unless a `checkpoint` says where an earlier one ended. `complain` gets a sentence
    about whatever is missing.
    """

    def __init__(
        self,
        need: Need,
        channels: Callable[[], Iterable[str]],
        *,
        from_seq: int | None = None,
        checkpoint: Checkpoint | None = None,
        complain: Callable[[str], object] = lambda sentence: None,
    ) -> None:
        self.need = need
        self.state = State.LOST
        self.taking = False
        self.market_id: str | None = None
        self.seq = (from_seq or 1) - 1
        self.holes = 0
        self.missing = 0
        self.looked = False
        self.limited = False
        self.covered: frozenset[str] | None = None
        self._is_for_us = self._gate()
        self._channels = channels
        self._complain = complain
        self._requests: list[FeedRequest] = []
        self._requested = 0
        self._subscribe_id: str | int | None = _SUBSCRIBE_IDS.get(need)
        self._awaited: str | int | None = None
        self._subscribed = self._granted = frozenset[str]()
        # What was taken so far, and what the newest snapshot says.
        self._takes_any_market = from_seq is not None
        self._numbers = ChannelNumbers({})
        self._book_seqs: dict[str, int] = {}
        self._newest = Checkpoint("", 0, {})
        self._newest_book_seqs: Mapping[str, int] = {}
        # Of a battle's looks, of a record's refused past, of a relay's holes.
        self._looks: set[str | int] = set()
        self._look_is_next = False
        self._asked_for_oldest = False
        self._good_seq: int | None = None
        self._unverified = False
        if need is Need.RELAY:
            self.covered = frozenset()
        if checkpoint is not None:
            self._go_on(checkpoint)
        elif need is Need.RECORD and from_seq != 1:
            # nobody has said yet how many there were before
            self._numbers = ChannelNumbers(None)

    def hears(self, channel: str) -> bool:
        """Whether messages of this channel are taken now."""
        return self.taking and self._covers(channel)

    def _covers(self, channel: str) -> bool:
        return self.covered is None or channel in self.covered

    @property
    def waiting(self) -> bool:
        """Whether a snapshot is on its way to whoever wants the present."""
        return self.state is State.JOINING or self.state is State.REFRESHING

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where another session can go on; None while there is no market."""
        if self.market_id is None:
            return None
        return Checkpoint(self.market_id, self.seq, self._numbers.counts())

    def requests(self) -> list[FeedRequest]:
        """What is to be sent now, in order; each is returned once."""
        requests, self._requests = self._requests, []
        return requests

    # ------------------------------------------------------------------------------------ what the owner says

    def opened(self) -> None:
        """There is a connection, whether or not the loss of the one before was said."""
        self.lost()
        self._awaited, self._asked_for_oldest = None, False
        self._looks.clear()
        self._happens(Input.OPENED if self.market_id is None else Input.BACK)

    def lost(self) -> None:
        self._happens(Input.LOST)

    def overdue(self) -> None:
        """What is awaited takes too long."""
        self.limited = False
        self._happens(Input.OVERDUE)

    def refresh(self) -> None:
        """A fresh snapshot is wanted, because a fold doubts what it has or because somebody new waits for
        one."""
        self._happens(Input.DOUBT)

    def hole(self, good_seq: int | None = None) -> None:
        """Something is missing, or could not be read, after event `good_seq` (None: after the last one)."""
        self.holes += 1
        if self.need is Need.RELAY:
            self._good_seq = good_seq
            if good_seq is None:
                self._good_seq = self.seq
        self._happens(Input.HOLE)

    def pause(self) -> None:
        """Leave what comes from now on, until `end_pause` asks for it."""
        self._happens(Input.PAUSE)

    def end_pause(self) -> None:
        self._happens(Input.PAUSE_ENDS)

    def look(self, word: str) -> None:
        """Ask for the market as it is now, and all events until then: `looked` says when they are there.

        `word` is one that was not used before.
        """
        self._subscribe_id, self.looked, self._look_is_next = word, False, False
        if self.market_id is None:
            self._subscribe()
        else:
            self._looks.add(word)
            self._resume(word)

    # ------------------------------------------------------------------------------------- what the feed says

    def receive(self, message: Message) -> bool:
        """Whether the reader's folds are to have this message."""
        channel = CHANNEL_OF.get(type(message))
        event: Any = message
        match channel:
            case None:
                return self._take_answer(message)
            case "book":
                return self.view(channel, event.seq)
            case "book_delta":
                return self.delta(event.symbol, event.prev_book_seq, event.book_seq, event.seq)
            case "orders" if event.trader_id is not None:
                channel = "orders_full"
        return self.event(
            (channel, getattr(event, "symbol", "")), event.channel_seq or 0, event.seq or 0
        )

    def _take_answer(self, message: Message) -> bool:
        match message:
            case Snapshot():
                counts = counts_of(message.channel_seq)
                book_seqs = {symbol: book.book_seq for symbol, book in message.books.items()}
                return self.snapshot(message.market_id, message.seq, counts, book_seqs)
            case Subscribed():
                self.subscribed(message.request_id)
                return self.state is not State.FENCED
            case Resumed():
                self.resumed(message.request_id)
            case Error():
                self.refused(message.request_id, message.reason, message.details)
            case Heartbeat():
                return self.heartbeat(message.seq or 0)
        return False

    def event(self, key: Key, number: int, seq: int) -> bool:
        """Whether an event, the `number`th of its channel and symbol (0: it has no number), is to be passed
        on."""
        if not self.taking or (self.covered is not None and key[0] not in self.covered):
            return False
        return self._is_for_us(key, number, seq)

    def _gate(self) -> Callable[[Key, int, int], bool]:
        """Which events a reader of this need has use for."""
        match self.need:
            case Need.RELAY:
                return self._relayed
            case Need.RECORD:
                return self._recorded
        return self._pictured

    def _relayed(self, key: Key, number: int, seq: int) -> bool:
        """Only the next one: nothing passes a hole."""
        gap = self._numbers.accept(key, number, seq)
        if gap == 0:
            self._unverified = True
            if seq > self.seq:
                self.seq = seq
            return True
        if gap > 0:
            self.hole(self._numbers.last_seq(key))
        return False

    def _recorded(self, key: Key, number: int, seq: int) -> bool:
        """Whatever is after the last one: its counts may not be known yet."""
        if seq <= self.seq:
            return False
        gap = self._numbers.gap(key, number)
        self._numbers.note(key, number, seq)
        self.seq = seq
        self._miss(key, gap)
        return True

    def _pictured(self, key: Key, number: int, seq: int) -> bool:
        """Whatever is new, also behind a hole: until the fresh snapshot comes it is better than nothing."""
        gap = self._numbers.gap(key, number)
        if gap < 0:
            return False
        self._numbers.note(key, number, seq)
        if number and self._numbers.includes(seq):
            return False
        self.seq = max(self.seq, seq)
        if gap > 0:
            self.hole()
        return True

    def view(self, channel: str, seq: int) -> bool:
        """Whether a picture of a book as of event `seq` is to be passed on."""
        if not self.hears(channel):
            return False
        self.seq = max(self.seq, seq)
        return True

    def delta(self, symbol: str, previous: int, book_seq: int, seq: int) -> bool:
        """Whether a change of a book follows the one before; while a fresh snapshot is awaited none is of
        use."""
        if not self.view("book_delta", seq) or self.state is not State.LIVE:
            return False
        last = self._book_seqs.get(symbol)
        if last is None or book_seq <= last:
            return False
        if previous != last:
            self.hole()
            return False
        self._book_seqs[symbol] = book_seq
        return True

    def snapshot(
        self,
        market_id: str,
        seq: int,
        counts: Mapping[Key, int],
        book_seqs: Mapping[str, int] | None = None,
    ) -> bool:
        """Whether this snapshot, of the market as of event `seq`, is where the folds go on from."""
        self._newest, self._newest_book_seqs = (
            Checkpoint(market_id, seq, counts),
            book_seqs or {},
        )
        which = self._which(market_id)
        if which is Input.SNAPSHOT and self.need is Need.RELAY and self.taking:
            differing = self._numbers.differing(counts, self.covered or ())
            if differing:
                self.hole(min(map(self._numbers.last_seq, differing)))
                return False
        return Do.START in self._happens(which)

    def heartbeat(self, seq: int) -> bool:
        """It is quiet, after event `seq`. For a relay a snapshot then shows whether the last events were lost
        on the way."""
        if not self.taking:
            return False
        if self.need is not Need.RELAY:
            self.seq = max(self.seq, seq)
        elif self._unverified:
            self.refresh()
        return True

    def subscribed(self, request_id: str | int | None) -> None:
        self._granted = self._subscribed
        self._answered(request_id)

    def resumed(self, request_id: str | int | None) -> None:
        self._answered(request_id)

    def refused(
        self, request_id: str | int | None, reason: str, details: Mapping[str, Any]
    ) -> None:
        if self.need is Need.RELAY and reason == "rate_limited":
            self.limited = True
        elif request_id is None or request_id not in {self._awaited, *self._looks}:
            self._complain(f"the feed refused a request: {reason} {details}")
        elif self.need is Need.RECORD:
            self._happens(self._want_less(reason, details.get("oldest_seq")))
        else:
            self._looks.discard(request_id)
            self._happens(Input.REFUSED)

    # -------------------------------------------------------------------------------------------- the machine

    def _happens(self, what: Input) -> tuple[Do, ...]:
        """Do what the table says, and return what was done."""
        step = STEPS.get((self.need, self.state, what))
        if step is None:
            return ()
        do, self.state = step
        self.taking = self.state in TAKING
        for each in do:
            self._do(each)
        if self.state is State.FENCED:
            self._awaited = self._requests[-1].request_id
        return do

    def _do(self, each: Do) -> None:
        match each:
            case Do.SUBSCRIBE:
                self._subscribe()
            case Do.RESUME if self.market_id is not None:
                self._resume(_RESUME_IDS.get(self.need))
            case Do.START:
                self._start()
            case Do.BEGIN:
                self._asked_for_oldest = False
                self._go_on(Checkpoint(self._newest.market_id, 0, {}))
            case Do.FORGET:
                self.market_id = None

    def _subscribe(self) -> None:
        channels: list[Any] = list(self._channels())
        self._subscribed = frozenset(channels)
        if self.need is Need.RECORD:
            self.covered = self._subscribed
        self._ask(
            SubscribeRequest(
                channels=channels, batch=True, request_id=self._id(self._subscribe_id)
            )
        )

    def _resume(self, word: str | None) -> None:
        seq = self.seq if self._good_seq is None else self._good_seq
        self._ask(
            ResumeRequest(from_seq=seq + 1, market_id=self.market_id, request_id=self._id(word))
        )

    def _ask(self, request: FeedRequest) -> None:
        self._requests.append(request)
        self._requested += 1

    def _id(self, word: str | int | None) -> str | int | None:
        if self.need is Need.RELAY:
            return self._requested + 1
        return word

    def _start(self) -> None:
        """The newest snapshot's word is final: a market recovered after a crash may go on from a lower
        `seq`."""
        newest = self._newest
        counts = newest.counts or {}
        if self.need is Need.RECORD:
            for key, missing in self._numbers.ahead(counts):
                self._miss(key, missing)
        elif self.need is Need.RELAY:
            self.covered = self._granted
        self.market_id, self.seq = newest.market_id, newest.seq
        self._numbers.start(counts, newest.seq)
        self._book_seqs = dict(self._newest_book_seqs)
        self._good_seq, self._unverified, self.limited = None, False, False
        self.looked = self.looked or self._look_is_next

    def _go_on(self, checkpoint: Checkpoint) -> None:
        self.market_id, self.seq = checkpoint.market_id, checkpoint.seq
        self._numbers = ChannelNumbers(checkpoint.counts)

    def _which(self, market_id: str) -> Input:
        if self.market_id is None:
            if not self._takes_any_market:
                return Input.FIRST_MARKET
            self.market_id = market_id
        if market_id != self.market_id:
            return Input.ANOTHER_MARKET
        return Input.SNAPSHOT

    def _answered(self, request_id: str | int | None) -> None:
        if request_id is not None and request_id == self._awaited:
            self._awaited, self._asked_for_oldest = None, False
            self._happens(Input.ANSWERED)
        else:
            self._look_is_next = request_id is not None and request_id == self._subscribe_id

    # ---------------------------------------------------------------------------------------- what is missing

    def _miss(self, key: Key, events: int) -> None:
        if events > 0 and self._covers(key[0]):
            self.missing += events
            where = f"channel {key[0]}, symbol {key[1]!r}"
            self._complain(
                f"{events} events of {where} are missing before event {self.seq + 1}"
            )

    def _want_less(self, reason: str, oldest_seq: int | None) -> Input:
        """The past is refused: want what is left of it, then what follows the newest snapshot, then what
        comes."""
        wanted, newest_seq = self.seq + 1, self._newest.seq
        if oldest_seq is not None and not self._asked_for_oldest:
            self._complain(
                f"the feed repeats nothing before event {oldest_seq} ({reason}); event {wanted} was wanted"
            )
            self.seq, self._asked_for_oldest = oldest_seq - 1, True
        elif newest_seq > self.seq or (reason == "seq_ahead" and newest_seq < self.seq):
            self._complain(
                f"the feed repeats nothing from event {wanted} on ({reason}): going on with {newest_seq + 1}"
            )
            self._start()
        else:
            self._complain(f"the feed repeats nothing ({reason}): going on with what comes")
            self._asked_for_oldest = False
            return Input.NOTHING_LEFT
        return Input.REFUSED


def counts_of(channel_seq: Mapping[str, Mapping[str, int]]) -> dict[Key, int]:
    """A snapshot's counts by channel and symbol."""
    counts: dict[Key, int] = {}
    for channel, by_symbol in channel_seq.items():
        for symbol, number in by_symbol.items():
            counts[channel, symbol] = number
    return counts


def request_text(request: FeedRequest) -> str:
    return json.dumps(request_fields(request))
