"""One event as one line of JSON: the message as it was sent, behind the fields that readers choose by.

A public event carries its own `seq`; a private one carries the `seq` of the public event before it, and the
trader. So all lines of a market are in order, and a place is found by halving.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Raw, Struct

from botpit.wire.outgoing import Outgoing

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


def lines_of(private: list[Outgoing], public: list[Outgoing]) -> Iterator[tuple[int, bytes]]:
    """What one command caused, as lines with their ends: private events first, then public ones.

    Each line comes behind a `seq`: no later public event has a smaller one.
    """
    for outgoing in private:
        before = public[0].seq - 1 if public else outgoing.seq
        yield before + 1, _encode(_private_line(outgoing, before)) + b"\n"
    for outgoing in public:
        yield outgoing.seq, _encode(_public_line(outgoing)) + b"\n"


def _private_line(outgoing: Outgoing, before: int) -> Line:
    message = Raw(outgoing.bytes("own"))
    return Line(before, message, trader=outgoing.trader, account_seq=outgoing.event.account_seq)


def _public_line(outgoing: Outgoing) -> Line:
    full = outgoing.bytes("observer")
    message = Raw(outgoing.bytes("public"))
    return Line(
        outgoing.seq,
        message,
        outgoing.channel,
        outgoing.symbol,
        full=Raw(full) if full else _NONE,
    )
