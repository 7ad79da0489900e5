"""Replay: a market made again from its journal, with fingerprints of its events and of its state.

The same records give the same fingerprints on any machine and in any run, so two replays, or a replay and a
snapshot, are compared by a line of text. `botpit replay` shows a `Replay`; recovery and the archivist replay
on the same machine.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, get_type_hints

import msgspec
from msgspec.structs import astuple

from botpit.core.commands import Open, Order
from botpit.core.events import OrderAccepted
from botpit.core.exchange import Exchange
from botpit.core.prospects import Outcome
from botpit.history.journal.records import Record
from botpit.history.journal.snapshots import state_text
from botpit.history.vocabulary import EXCHANGE
from botpit.wire.channels import CHANNELS

HASHED_TOGETHER = 1_000
"""Events are hashed when so many wait: the hash is the same, and quicker."""
_encode = msgspec.json.Encoder(order="deterministic").encode
_Order = msgspec.defstruct(
    "_Order", [name for name in get_type_hints(Order.of) if name != "return"]
)
_Accepted = msgspec.defstruct("_Accepted", OrderAccepted.__struct_fields__)


class Unlike(Exception):
    """The replay contradicts what was kept. The text says where."""


class Replay:
    """A market from its opening on. `number` is that of the last record."""

    def __init__(self, opening: Open) -> None:
        self.exchange = Exchange(opening)
        self.number = 0
        self._seq = 0
        self._hash = sha256()
        self._state = (-1, "")
        self._waiting: list[Any] = []

    def apply(self, record: Record) -> Outcome:
        """Apply a record; returns what came of it."""
        outcome = self.exchange.apply(record.command, record.now_ns)
        self.number = record.number
        self.hash(outcome.events)
        return outcome

    def hash(self, events: list[Any]) -> None:
        """Add these to the fingerprint of all events."""
        self._waiting += events
        if len(self._waiting) >= HASHED_TOGETHER:
            self._hash_waiting()

    @property
    def seq(self) -> int:
        """The `seq` of the last public event."""
        self._hash_waiting()
        return self._seq

    def events_hash(self) -> str:
        """SHA-256 of all events so far, in order: their kinds and their integers."""
        self._hash_waiting()
        return self._hash.hexdigest()

    def state_hash(self) -> str:
        """SHA-256 of everything that a snapshot keeps of the exchange."""
        if self._state[0] != self.number:
            self._state = (self.number, sha256(state_text(EXCHANGE, self.exchange)).hexdigest())
        return self._state[1]

    def check(self, kept: str | None) -> None:
        """Compare the state with a snapshot's hash, if any, and with the law of money. Raises Unlike."""
        if kept is not None and kept != self.state_hash():
            raise Unlike(
                f"the snapshot of record {self.number} is not the state that the journal leads to"
            )
        owed = money_out_of_place(self.exchange)
        if owed:
            raise Unlike(
                f"after record {self.number} {owed} units of money are not accounted for"
            )

    def _hash_waiting(self) -> None:
        if not self._waiting:
            return
        hashed: list[Any] = []
        public = 0
        for event in self._waiting:
            kind = type(event)
            public += kind in CHANNELS
            hashed += (kind.__name__, _accepted(event) if kind is OrderAccepted else event)
        self._seq += public
        self._waiting = []
        self._hash.update(_encode(hashed)[1:-1] + b",")


def _accepted(event: OrderAccepted) -> Any:
    """The event with its order in the form in which fingerprints have always had it: `Order.values`."""
    hashed: Any = _Accepted(*astuple(event))
    hashed.order = _Order(*event.order.values())
    return hashed


def money_out_of_place(exchange: Exchange) -> int:
    """All cash less all cost, less all deposits: 0 to the last unit (SYSTEM_DESIGN.md)."""
    cash = exchange.fees + exchange.insurance
    cost = 0
    for account in exchange.accounts.values():
        cash += account.cash
        cost += sum(position.cost for position in account.positions.values())
    return cash - cost - exchange.paid_in
