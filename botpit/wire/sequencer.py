"""The exchange with its numbers: a command in, the answer and every event that it caused out, in order and numbered.

The numbers follow from the commands alone. A market in trade, its recovery, its archive and a replay all go this one way, so they
number and say the same.
"""

from __future__ import annotations

from typing import Any, cast

from botpit.core.commands import Command
from botpit.core.events import OrderAccepted
from botpit.core.exchange import Exchange
from botpit.core.orders import Outcome
from botpit.wire.channels import CHANNELS, OF_NO_SYMBOL, PRIVATE_MESSAGES
from botpit.wire.encode import Encoder
from botpit.wire.outgoing import Outgoing
from botpit.wire.sequence_numbers import SequenceNumbers

Step = tuple[Outgoing | None, list[Outgoing]]
"""The answer to a command, if it has one; and, in order, each event it caused that is public or a trader's own."""


class Sequencer:
    """`numbers`: how far an earlier process had counted, when this one continues its market."""

    def __init__(self, exchange: Exchange, numbers: SequenceNumbers | None = None) -> None:
        self.exchange = exchange
        self.encoder = Encoder(exchange)
        self.numbers = numbers or SequenceNumbers(exchange.markets)

    def apply(self, command: Command, now_ns: int) -> Step:
        """Advance by one command at `now_ns`, Unix time. Never raises on a client's mistake: a refusal is an answer."""
        return self.number(self.exchange.apply(command, now_ns))

    def number(self, outcome: Outcome) -> Step:
        """Number what one command caused."""
        encoder, numbers = self.encoder, self.numbers
        answer: Outgoing | None = None
        caused: list[Outgoing] = []
        numbers.begin_command()
        for event in cast(list[Any], outcome.events):
            kind = type(event)
            trader, symbol, number = _owner(event, kind), "", 0
            channel = CHANNELS.get(kind, "")
            if channel:
                symbol = "" if kind in OF_NO_SYMBOL else event.symbol
                number = numbers.next(channel, symbol)
            outgoing = Outgoing(channel, symbol, numbers.seq, b"", b"", b"", trader, number, event, encoder)
            if event is outcome.answer:
                answer = outgoing
            if channel or trader:
                caused.append(outgoing)
        return answer, caused


def _owner(event: Any, kind: type[Any]) -> str:
    """The trader among whose own events it is numbered, "" if it is not; an answer that is given again is no new event."""
    if kind is OrderAccepted:
        return "" if event.repeated else event.order.trader
    return event.trader if kind in PRIVATE_MESSAGES else ""
