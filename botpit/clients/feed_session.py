"""One reader's conversation with a feed: what it asks for, which messages it believes, and what it has missed.

A feed speaks first: whoever connects gets a snapshot, and from then on the events of a default set of channels. A reader
subscribes to the channels that it wants, and gets `subscribed` and a fresh snapshot; it may resume, and then gets every event
from a given one on, and a snapshot after them. Every event carries its `seq` among all events and its number among those of its
channel and symbol. The numbers have no holes, so a jump in them is a loss, and a snapshot says how far each of them has come.

All readers follow this conversation, yet they need different things, and `Need` says which. PRESENT (bots, monitors) wants the
market as it is: a hole is a reason for a fresh snapshot, and what happened in between does not matter. CATCH_UP (a battle) wants
the present too, but after a lost connection first the events that it missed. RECORD (an exporter) wants each event once and in
order, goes on from a checkpoint, and counts what cannot be had any more. RELAY passes events on to readers of its own, so it lets
none pass after a hole: it resumes from the last one that it is sure of.

The states. LOST: there is no connection. JOINING: the first snapshot on this connection is awaited. FENCED: a request is out, and
whatever comes before its answer belongs to a stream that the answer ends, so all of it is left. REFRESHING: messages are taken,
but a fresh snapshot is wanted and on its way. LIVE: nothing is owed. PAUSED: the reader cannot take more, and asks for what it
left when it can.

The table `ROWS` is all there is to know about how these follow each other: which reader, in which states, on which inputs, does
what, and is then where. An input without a row changes nothing: a snapshot behind a fence, an answer nobody waits for. The
fence makes the order of things simple: a feed answers in order, so once the last request is answered, everything that follows
belongs to it. A market may be followed by another one behind the same address, on a connection that never broke; therefore a
snapshot of ANOTHER_MARKET is an input of its own in every state in which a snapshot is looked at.

Nothing here knows a socket or a clock. Whoever owns the connection says `opened` and `lost`, hands in messages (`take`, or their
heads by the method of their kind), sends what `requests` returns after each of these, and calls `overdue` when an answer takes
too long. What is to be passed on to the reader's folds is what `take` returns True for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from itertools import product
from typing import Any, NamedTuple

from botpit.clients.channel_numbers import ChannelNumbers, Key
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


class Need(Enum):
    """What a reader wants of a feed."""

    PRESENT = auto()
    CATCH_UP = auto()
    RECORD = auto()
    RELAY = auto()


class State(Enum):
    LOST = auto()
    JOINING = auto()
    FENCED = auto()
    REFRESHING = auto()
    LIVE = auto()
    PAUSED = auto()


class Input(Enum):
    """What can happen to a session. OPENED and BACK are connections: without, and with, a market to go on with."""

    OPENED = auto()
    BACK = auto()
    LOST = auto()
    FIRST_MARKET = auto()
    SNAPSHOT = auto()
    ANOTHER_MARKET = auto()
    ANSWERED = auto()
    REFUSED = auto()
    NOTHING_LEFT = auto()
    HOLE = auto()
    DOUBT = auto()
    OVERDUE = auto()
    PAUSE = auto()
    PAUSE_ENDS = auto()


class Do(Enum):
    """START: go on from the newest snapshot. BEGIN: take its market from the first event on. FORGET the market that was."""

    SUBSCRIBE = auto()
    RESUME = auto()
    START = auto()
    BEGIN = auto()
    FORGET = auto()


class Row(NamedTuple):
    """What a reader of this need does, in order, in any of these states and on any of these inputs, and where it is then."""

    need: Need
    states: tuple[State, ...]
    inputs: tuple[Input, ...]
    do: tuple[Do, ...]
    then: State


_LOST, _JOINING, _FENCED, _REFRESHING, _LIVE, _PAUSED = ((state,) for state in State)
TAKING = (State.REFRESHING, State.LIVE)
"""The states in which events are taken."""
_PICTURES = (Need.PRESENT, Need.CATCH_UP)
"""Whose folds begin with a snapshot, and so have what it includes."""
_OPENED = (Input.OPENED, Input.BACK)
_NEXT = (Input.SNAPSHOT, Input.ANOTHER_MARKET)
_AGAIN = (Do.SUBSCRIBE, Do.RESUME)

ROWS = (
    Row(Need.PRESENT, _LOST, _OPENED, (Do.SUBSCRIBE,), State.JOINING),
    Row(Need.PRESENT, _JOINING, (Input.FIRST_MARKET, *_NEXT), (Do.START,), State.LIVE),
    Row(Need.PRESENT, TAKING, _NEXT, (Do.START,), State.LIVE),
    Row(Need.PRESENT, _LIVE, (Input.HOLE, Input.DOUBT), (Do.SUBSCRIBE,), State.REFRESHING),
    Row(Need.PRESENT, _JOINING, (Input.OVERDUE,), (Do.SUBSCRIBE,), State.JOINING),
    Row(Need.PRESENT, _REFRESHING, (Input.OVERDUE,), (Do.SUBSCRIBE,), State.REFRESHING),
    Row(Need.PRESENT, _JOINING + TAKING, (Input.LOST,), (), State.LOST),
    #
    Row(Need.CATCH_UP, _LOST, (Input.OPENED,), (Do.SUBSCRIBE,), State.JOINING),
    Row(Need.CATCH_UP, _JOINING, (Input.FIRST_MARKET,), (Do.START,), State.LIVE),
    Row(Need.CATCH_UP, _LOST, (Input.BACK,), _AGAIN, State.FENCED),
    Row(Need.CATCH_UP, _FENCED, (Input.ANSWERED,), (), State.LIVE),
    Row(Need.CATCH_UP, _FENCED + TAKING, (Input.REFUSED,), (Do.SUBSCRIBE,), State.REFRESHING),
    Row(Need.CATCH_UP, TAKING, _NEXT, (Do.START,), State.LIVE),
    Row(Need.CATCH_UP, _LIVE, (Input.HOLE,), (Do.SUBSCRIBE,), State.REFRESHING),
    Row(Need.CATCH_UP, _JOINING + _FENCED + TAKING, (Input.LOST,), (), State.LOST),
    #
    Row(Need.RECORD, _LOST, _OPENED, (Do.SUBSCRIBE,), State.JOINING),
    Row(Need.RECORD, _JOINING, (Input.FIRST_MARKET,), (Do.START,), State.LIVE),
    Row(Need.RECORD, _JOINING, (Input.SNAPSHOT,), (Do.RESUME,), State.FENCED),
    Row(Need.RECORD, _FENCED, (Input.ANSWERED, Input.NOTHING_LEFT), (), State.LIVE),
    Row(Need.RECORD, _FENCED, (Input.REFUSED,), (Do.RESUME,), State.FENCED),
    Row(Need.RECORD, _LIVE, (Input.SNAPSHOT,), (Do.START,), State.LIVE),
    Row(Need.RECORD, _JOINING + _FENCED + _LIVE, (Input.ANOTHER_MARKET,), (Do.BEGIN, Do.RESUME), State.FENCED),
    Row(Need.RECORD, _LIVE, (Input.PAUSE,), (), State.PAUSED),
    Row(Need.RECORD, _PAUSED, (Input.ANOTHER_MARKET,), (Do.BEGIN,), State.PAUSED),
    Row(Need.RECORD, _PAUSED, (Input.PAUSE_ENDS,), (Do.RESUME,), State.FENCED),
    Row(Need.RECORD, _PAUSED, (Input.BACK,), (Do.SUBSCRIBE,), State.JOINING),
    Row(Need.RECORD, _JOINING + _FENCED + _LIVE, (Input.LOST,), (), State.LOST),
    #
    Row(Need.RELAY, _LOST, _OPENED, _AGAIN, State.FENCED),
    Row(Need.RELAY, _FENCED, (Input.ANSWERED,), (), State.REFRESHING),
    Row(Need.RELAY, _FENCED, (Input.REFUSED,), (Do.FORGET, Do.SUBSCRIBE), State.FENCED),
    Row(Need.RELAY, _REFRESHING, (Input.FIRST_MARKET, *_NEXT), (Do.START,), State.LIVE),
    Row(Need.RELAY, _LIVE, (Input.ANOTHER_MARKET,), (Do.START,), State.LIVE),
    Row(Need.RELAY, _LIVE, (Input.DOUBT,), (Do.SUBSCRIBE,), State.REFRESHING),
    Row(Need.RELAY, _FENCED + TAKING, (Input.HOLE,), _AGAIN, State.FENCED),
    Row(Need.RELAY, _FENCED + _REFRESHING, (Input.OVERDUE,), _AGAIN, State.FENCED),
    Row(Need.RELAY, _FENCED + TAKING, (Input.LOST,), (), State.LOST),
)
Case = tuple[Need, State, Input]


def steps(rows: Iterable[Row]) -> dict[Case, tuple[tuple[Do, ...], State]]:
    """The rows case by case. Two rows for one case are a mistake."""
    found: dict[Case, tuple[tuple[Do, ...], State]] = {}
    for row in rows:
        for state, what in product(row.states, row.inputs):
            assert (row.need, state, what) not in found, (row, state, what)
            found[row.need, state, what] = row.do, row.then
    return found


STEPS = steps(ROWS)
_SUBSCRIBE_IDS = {Need.CATCH_UP: "first"}
_RESUME_IDS = {Need.CATCH_UP: "again", Need.RECORD: "resume"}
"""The request_ids of what a session asks for by itself; a relay numbers its requests."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a market was taken: up to event `seq`. `counts`: the events so far per (channel, symbol); None: not known yet."""

    market_id: str
    seq: int
    counts: Mapping[Key, int] | None


class FeedSession:
    """One reader's side of the conversation. `channels` gives what to subscribe to, each time that it does.

    To be read from outside: `state`, `market_id`, `seq` of the last event taken, `holes` noticed, the `missing` events that a
    RECORD cannot have any more, `looked` (a `look` is answered), `limited` (the feed refused a relay for asking too often), and
    `covered`, the channels whose events are taken (None: all that come).
    `from_seq` is the first event that a RECORD wants of whatever market there is (None: what follows its first snapshot), unless
    a `checkpoint` says where an earlier one ended. `complain` gets a sentence about whatever is missing.
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
        self.market_id: str | None = None
        self.seq = (from_seq or 1) - 1
        self.holes = 0
        self.missing = 0
        self.looked = False
        self.limited = False
        self.covered: frozenset[str] | None = frozenset() if need is Need.RELAY else None
        self._channels = channels
        self._complain = complain
        self._requests: list[FeedRequest] = []
        self._requested = 0
        self._subscribe_id: str | int | None = _SUBSCRIBE_IDS.get(need)
        self._awaited: str | int | None = None
        self._subscribed = self._granted = frozenset[str]()
        # What was taken so far, and what the newest snapshot says.
        self._takes_any_market = from_seq is not None
        self._numbers = ChannelNumbers({} if need is not Need.RECORD or from_seq == 1 else None)
        self._book_seqs: dict[str, int] = {}
        self._newest = Checkpoint("", 0, {})
        self._newest_book_seqs: Mapping[str, int] = {}
        # Of a battle's looks, of a record's refused past, of a relay's holes.
        self._looks: set[str | int] = set()
        self._look_is_next = False
        self._asked_for_oldest = False
        self._good_seq: int | None = None
        self._unverified = False
        if checkpoint is not None:
            self._go_on(checkpoint)

    @property
    def taking(self) -> bool:
        return self.state in TAKING

    def covers(self, channel: str) -> bool:
        """Whether events of this channel are taken."""
        return self.covered is None or channel in self.covered

    @property
    def waiting(self) -> bool:
        """Whether a snapshot is on its way to whoever wants the present."""
        return self.state is State.JOINING or self.state is State.REFRESHING

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where another session can go on; None while there is no market."""
        return None if self.market_id is None else Checkpoint(self.market_id, self.seq, self._numbers.counts())

    def requests(self) -> list[FeedRequest]:
        """What is to be sent now, in order; each is returned once."""
        requests, self._requests = self._requests, []
        return requests

    # ---------------------------------------------------------------------------------------- what the owner says

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
        """A fresh snapshot is wanted, because a fold doubts what it has or because somebody new waits for one."""
        self._happens(Input.DOUBT)

    def hole(self, good_seq: int | None = None) -> None:
        """Something is missing, or could not be read, after event `good_seq` (None: after the last one)."""
        self.holes += 1
        self._good_seq = self.seq if good_seq is None else good_seq
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

    # -------------------------------------------------------------------------------------------- what the feed says

    def take(self, message: Message) -> bool:
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
        return self.event((channel, getattr(event, "symbol", "")), event.channel_seq or 0, event.seq or 0)

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
        """Whether an event, the `number`th of its channel and symbol (0: it has no number), is to be passed on."""
        if self.state not in TAKING or not self.covers(key[0]):
            return False
        gap = self._numbers.gap(key, number)
        known = seq <= self.seq if self.need is Need.RECORD else gap < 0
        if known:
            return False
        if gap > 0 and self.need is Need.RELAY:
            self.hole(self._numbers.last_seq(key))
            return False
        self._numbers.note(key, number, seq)
        if number and self.need in _PICTURES and self._numbers.includes(seq):
            return False
        self.seq = max(self.seq, seq)
        self._unverified = True
        if gap > 0:
            self._miss(key, gap)
        return True

    def view(self, channel: str, seq: int) -> bool:
        """Whether a picture of a book as of event `seq` is to be passed on."""
        if self.state not in TAKING or not self.covers(channel):
            return False
        self.seq = max(self.seq, seq)
        return True

    def delta(self, symbol: str, previous: int, book_seq: int, seq: int) -> bool:
        """Whether a change of a book follows the one before; while a fresh snapshot is awaited none is of use."""
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
        self, market_id: str, seq: int, counts: Mapping[Key, int], book_seqs: Mapping[str, int] | None = None
    ) -> bool:
        """Whether this snapshot, of the market as of event `seq`, is where the folds go on from."""
        self._newest, self._newest_book_seqs = Checkpoint(market_id, seq, counts), book_seqs or {}
        which = self._which(market_id)
        if which is Input.SNAPSHOT and self.need is Need.RELAY and self.taking:
            differing = self._numbers.differing(counts, self.covered or ())
            if differing:
                self.hole(min(map(self._numbers.last_seq, differing)))
                return False
        return Do.START in self._happens(which)

    def heartbeat(self, seq: int) -> bool:
        """It is quiet, after event `seq`. For a relay a snapshot then shows whether the last events were lost on the way."""
        if self.state not in TAKING:
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

    def refused(self, request_id: str | int | None, reason: str, details: Mapping[str, Any]) -> None:
        if self.need is Need.RELAY and reason == "rate_limited":
            self.limited = True
        elif request_id is None or request_id not in {self._awaited, *self._looks}:
            self._complain(f"the feed refused a request: {reason} {details}")
        elif self.need is Need.RECORD:
            self._happens(self._want_less(reason, details.get("oldest_seq")))
        else:
            self._looks.discard(request_id)
            self._happens(Input.REFUSED)

    # -------------------------------------------------------------------------------------------------- the machine

    def _happens(self, what: Input) -> tuple[Do, ...]:
        """Do what the table says, and return what was done."""
        step = STEPS.get((self.need, self.state, what))
        if step is None:
            return ()
        do, self.state = step
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
        self._ask(SubscribeRequest(channels=channels, batch=True, request_id=self._id(self._subscribe_id)))

    def _resume(self, word: str | None) -> None:
        seq = self.seq if self._good_seq is None else self._good_seq
        self._ask(ResumeRequest(from_seq=seq + 1, market_id=self.market_id, request_id=self._id(word)))

    def _ask(self, request: FeedRequest) -> None:
        self._requests.append(request)
        self._requested += 1

    def _id(self, word: str | int | None) -> str | int | None:
        return self._requested + 1 if self.need is Need.RELAY else word

    def _start(self) -> None:
        """The newest snapshot's word is final: a market recovered after a crash may go on from a lower `seq`."""
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
        return Input.SNAPSHOT if market_id == self.market_id else Input.ANOTHER_MARKET

    def _answered(self, request_id: str | int | None) -> None:
        if request_id is not None and request_id == self._awaited:
            self._awaited, self._asked_for_oldest = None, False
            self._happens(Input.ANSWERED)
        else:
            self._look_is_next = request_id is not None and request_id == self._subscribe_id

    # ------------------------------------------------------------------------------------------ what is missing

    def _miss(self, key: Key, events: int) -> None:
        """A record counts what is missing, everybody else has a hole to be dealt with."""
        if self.need is not Need.RECORD:
            self.hole()
        elif self.covers(key[0]):
            self.missing += events
            where = f"channel {key[0]}, symbol {key[1]!r}"
            self._complain(f"{events} events of {where} are missing before event {self.seq + 1}")

    def _want_less(self, reason: str, oldest_seq: int | None) -> Input:
        """The past is refused: want what is left of it, then what follows the newest snapshot, then what comes."""
        wanted, newest_seq = self.seq + 1, self._newest.seq
        if oldest_seq is not None and not self._asked_for_oldest:
            self._complain(f"the feed repeats nothing before event {oldest_seq} ({reason}); event {wanted} was wanted")
            self.seq, self._asked_for_oldest = oldest_seq - 1, True
        elif newest_seq > self.seq or (reason == "seq_ahead" and newest_seq < self.seq):
            self._complain(f"the feed repeats nothing from event {wanted} on ({reason}): going on with {newest_seq + 1}")
            self._start()
        else:
            self._complain(f"the feed repeats nothing ({reason}): going on with what comes")
            self._asked_for_oldest = False
            return Input.NOTHING_LEFT
        return Input.REFUSED


def counts_of(channel_seq: Mapping[str, Mapping[str, int]]) -> dict[Key, int]:
    """A snapshot's counts by channel and symbol."""
    return {(channel, symbol): n for channel, by_symbol in channel_seq.items() for symbol, n in by_symbol.items()}


def request_fields(request: FeedRequest) -> dict[str, Any]:
    """A request as it is sent: without what is None."""
    fields = {name: getattr(request, name) for name in request.__struct_fields__}
    return {"type": request.type} | {name: value for name, value in fields.items() if value is not None}


def request_text(request: FeedRequest) -> str:
    return json.dumps(request_fields(request))
