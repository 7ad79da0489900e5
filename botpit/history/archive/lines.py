"""One event as one line of JSON: the message as it was sent, behind the fields that readers choose by.

A public event carries its own `seq`; a private one carries the `seq` of the public event before it, and the
trader. So all lines of a market are in order, and a place is found by halving.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from botpit.wire.encode import Encoder
from botpit.wire.private_events import private_events
from botpit.wire.sequence_numbers import SequenceNumbers

_NONE = Raw()


class Line(Struct, omit_defaults=True):
    """A public event has a `channel` and a `symbol`, a private one a `trader`.

    `full` is the event with the trader named, for the order-by-order book.
    """

    seq: int
    message: Raw
    channel: str = ""
    symbol: str = ""
    trader: str = ""
    account_seq: int = 0
    full: Raw = _NONE


_encode = msgspec.json.Encoder().encode
read_line = msgspec.json.Decoder(Line).decode
"""Raises msgspec.MsgspecError at anything else."""


def lines_of(events: list[Any], numbers: SequenceNumbers, encoder: Encoder) -> Iterator[tuple[int, bytes]]:
    """One command's events as lines with their ends: private events first, then public ones, counted by
    `numbers`.

    Each line comes behind a `seq`: no later public event has a smaller one.
    """
    before = numbers.seq
    numbered = numbers.count(events)
    for trader, event in private_events(events):
        line = Line(before, Raw(encoder.private(event)), trader=trader, account_seq=event.account_seq)
        yield before + 1, _encode(line) + b"\n"
    for event, channel, symbol, seq, number in numbered:
        line = Line(seq, Raw(encoder.public(event, seq, number)), channel, symbol)
        if channel == "orders":
            line.full = Raw(encoder.public(event, seq, number, full=True))
        yield seq, _encode(line) + b"\n"
