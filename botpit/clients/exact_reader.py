"""Each event of a market that makes a row, once and in order: what a reader that must not lose a row asks and believes.

`mirror.py` wants the present and is content with a fresh snapshot; this reader wants the past too. On each new connection it
leaves whatever comes until the feed repeats what it lacks, and what cannot be had any more is counted, never passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

from message_schemas import (
    CHANNEL_OF,
    AccountStatus,
    Error,
    Heartbeat,
    InsuranceUpdate,
    Liquidation,
    Message,
    PositionUpdate,
    Resumed,
    Snapshot,
    Trade,
)

RowEvent = Trade | PositionUpdate | Liquidation | InsuranceUpdate
CHANNELS = frozenset(CHANNEL_OF[kind] for kind in get_args(RowEvent))
"""What is read of. An account's status makes no row, but is counted with what does."""
_RESUME = "resume"
"""The request_id by which a refused resume is told from a refused subscribe."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a market was taken: up to event `seq`. `counts`: the events so far per (channel, symbol); None: nobody has told."""

    market_id: str
    seq: int
    counts: Mapping[tuple[str, str], int] | None


class ExactReader:
    """The reader's side of the talk, from event `from_seq` on (None: from the first snapshot on).

    With an earlier reader's `checkpoint` it continues there, or takes another market from its first event; `from_seq` then says
    nothing. `send` sends a text on the present connection, `complain` is told in a sentence what is missing and why;
    `missing_events` is the sum. `next_seq` is the first event not taken yet. `paused`: between `pause` and `catch_up`.
    """

    def __init__(
        self, from_seq: int | None, send: Callable[[str], bool], complain: Callable[[str], None],
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.next_seq = from_seq
        self.market_id: str | None = None
        self.missing_events = 0
        self._send = send
        self._complain = complain
        self._live = False
        self.paused = False
        self._asked_for_oldest = False
        self._snapshot: Snapshot | None = None
        # Events taken or skipped per (channel, symbol); None while nobody has told us where the counting stands.
        self._counts: dict[tuple[str, str], int] | None = {} if from_seq == 1 else None
        if checkpoint is not None:
            self._go_on(checkpoint)

    def _go_on(self, checkpoint: Checkpoint) -> None:
        self.market_id, self.next_seq = checkpoint.market_id, checkpoint.seq + 1
        self._counts = None if checkpoint.counts is None else dict(checkpoint.counts)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """Where another reader can go on; None while we do not know of any market."""
        if self.market_id is None or self.next_seq is None:
            return None
        return Checkpoint(self.market_id, self.next_seq - 1, None if self._counts is None else dict(self._counts))

    def requests(self) -> list[str]:
        """What to say first on a new connection. The first snapshot on it says which market this is, then we ask for its past."""
        self._live = self.paused = self._asked_for_oldest = False
        self._snapshot = None
        return [json.dumps({"type": "subscribe", "channels": sorted(CHANNELS), "batch": True})]

    def take(self, message: Message) -> RowEvent | None:
        """The message, if it makes a row and was not taken before."""
        match message:
            case Snapshot():
                self._compare(message)
            case Resumed():
                self._live = True
            case Error(request_id="resume"):
                self._ask_for_less(message.reason, message.details.get("oldest_seq"))
            case Error():
                self._complain(f"the feed refused a request: {message.reason} {message.details}")
            case Heartbeat() if self._live:
                self._seen(message.seq or 0)
            case Trade() | PositionUpdate() | Liquidation() | InsuranceUpdate() | AccountStatus():
                return self._event(message)
        return None

    def _event(self, event: RowEvent | AccountStatus) -> RowEvent | None:
        seq = event.seq or 0
        if not self._live or seq < (self.next_seq or 0):
            return None
        self._seen(seq)
        self._count(CHANNEL_OF[type(event)], getattr(event, "symbol", ""), event.channel_seq or 0, now=1)
        return None if isinstance(event, AccountStatus) else event

    def pause(self) -> None:
        """Leave what comes from now on, until `catch_up` asks for it again."""
        self.paused = self.paused or self._live
        self._live = False

    def catch_up(self) -> None:
        """End a pause."""
        if self.paused:
            self.paused = False
            self._send(self._resume())

    def _resume(self) -> str:
        return json.dumps({"type": "resume", "from_seq": self.next_seq, "market_id": self.market_id, "request_id": _RESUME})

    def _seen(self, seq: int) -> None:
        self.next_seq = max(self.next_seq or 0, seq + 1)

    # ----------------------------------------------------------------------------------------------------- what is missing

    def _compare(self, snapshot: Snapshot) -> None:
        """A snapshot in a live stream tells how many events there were before it, the first one where we are; others are kept."""
        is_first, self._snapshot = self._snapshot is None, snapshot
        self.market_id = self.market_id or snapshot.market_id
        if self.next_seq is None:
            self._start_after(snapshot)
            self._live = True
        elif snapshot.market_id != self.market_id:
            self._live = False
            self._go_on(Checkpoint(snapshot.market_id, 0, {}))
            self._asked_for_oldest = False
            self._send(self._resume())
        elif self._live:
            self._start_after(snapshot)
        elif is_first:
            self._send(self._resume())

    def _start_after(self, snapshot: Snapshot) -> None:
        told = {(channel, symbol): n for channel, each in snapshot.channel_seq.items() for symbol, n in each.items()}
        for (channel, symbol), number in told.items():
            self._count(channel, symbol, number)
        self._counts = told
        self.next_seq = snapshot.seq + 1

    def _count(self, channel: str, symbol: str, number: int, now: int = 0) -> None:
        """Note that `number` events of a channel have happened, the last `now` of them in this moment."""
        if self._counts is None or channel not in CHANNELS:
            return
        lost = number - now - self._counts.get((channel, symbol), 0)
        if lost > 0:
            self.missing_events += lost
            self._complain(f"{lost} events of channel {channel}, symbol {symbol!r} are missing before event {self.next_seq}")
        self._counts[channel, symbol] = number

    def _ask_for_less(self, reason: str, oldest_seq: int | None) -> None:
        """A resume was refused: ask for what is left, then for what follows the newest snapshot, then take what comes."""
        assert self._snapshot is not None, reason
        after_snapshot = self._snapshot.seq + 1
        if oldest_seq is not None and not self._asked_for_oldest:
            self._complain(f"the feed repeats nothing before event {oldest_seq} ({reason}); event {self.next_seq} was wanted")
            self.next_seq, self._asked_for_oldest = oldest_seq, True
        elif self.next_seq != after_snapshot:
            self._complain(f"the feed repeats nothing from event {self.next_seq} on ({reason}): going on with {after_snapshot}")
            self._start_after(self._snapshot)
        else:
            self._complain(f"the feed repeats nothing ({reason}): going on with what comes")
            self._live = True
            return
        self._send(self._resume())
