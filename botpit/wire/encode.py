"""Messages to bytes: events as their views, answers and refusals, each written once.

What an event becomes follows from the fields of its message (`wire/forms.py`); this module knows
which events there are, and what a refusal says. A test validates everything that is written here as
the message class of its type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Raw

from botpit.core import events as ev
from botpit.core.exchange import Exchange
from botpit.wire.channels import ANSWERS, CHANNELS, MESSAGES, PRIVATE_MESSAGES, REFUSALS
from botpit.wire.decode import Fault
from botpit.wire.forms import View, Write, json_text, writer
from botpit.wire.numbers import milliseconds
from botpit.wire.units import Units


def with_request_id(message: bytes, request_id: str | int | None) -> bytes:
    """The answer to one request: the message with the id it was asked under."""
    if request_id is None:
        return message
    return b'%b,"request_id":%b}' % (message[:-1], json_text(request_id))


def fault_bytes(fault: Fault, now_ns: int) -> bytes:
    """The answer to a request that never became a command."""
    fields: dict[str, Any] = {
        "type": fault.answer,
        "reason": fault.reason,
        "details": fault.details,
    }
    if fault.answer != "error":
        fields |= {
            "trader_id": fault.trader_id,
            "order_id": fault.order_id,
            "client_order_id": fault.client_order_id,
        }
    return with_request_id(
        json_text(fields | {"timestamp": milliseconds(now_ns)}), fault.request_id
    )


def pong(now_ns: int) -> bytes:
    return b'{"type":"pong","timestamp":%d}' % milliseconds(now_ns)


def heartbeat(name: str, seq: int, now_ns: int) -> bytes:
    """`name`: account_seq on 9001, seq on 9002 and 9010."""
    return f'{{"type":"heartbeat","{name}":{seq},"timestamp":{milliseconds(now_ns)}}}'.encode()


def array(messages: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(messages)


def nested(message: bytes) -> object:
    """A message as a value within another."""
    return Raw(message)


def closed(exchange: Exchange, units: Units, symbols: list[str], now_ns: int) -> bytes:
    """The answer to the operator's `close`. The marks are what positions were settled at."""
    settlement = {
        symbol: units.price(symbol, exchange.markets[symbol].mark) for symbol in symbols
    }
    return json_text(
        {
            "type": "closed",
            "symbols": symbols,
            "settlement": settlement,
            "timestamp": milliseconds(now_ns),
        }
    )


def reopening(market_id: str, now_ns: int) -> bytes:
    """The answer to the operator's `reopen`."""
    return json_text(
        {"type": "reopening", "market_id": market_id, "timestamp": milliseconds(now_ns)}
    )


class Encoder:
    """The events of one market as bytes. `units`: its numbers, for the views of it.

    `writers`: by view and kind of event, what writes it.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.units = units = Units(exchange)
        own = {
            event: writer(event, message, "own", units)
            for event, message in {**PRIVATE_MESSAGES, **ANSWERS}.items()
        }
        public = {
            event: writer(event, message, "public", units)
            for event, message in MESSAGES.items()
        }
        of_the_book = {
            event: writer(event, message, "observer", units)
            for event, message in MESSAGES.items()
            if CHANNELS[event] == "orders"
        }
        self.writers: dict[View, dict[type[Any], Write]] = {
            "own": own,
            "public": public,
            "observer": public | of_the_book,
        }
        refusals = {
            request: writer(ev.Rejected, message, "own", units)
            for request, message in REFUSALS.items()
        }
        own[ev.Rejected] = lambda e, seq, channel_seq: refusals[e.request](e, seq, channel_seq)

    def event(self, event: Any, view: View, seq: int = 0, channel_seq: int = 0) -> bytes:
        """An event as those see it who read this view; its numbers, if it is a public one."""
        return self.writers[view][type(event)](event, seq, channel_seq)
