"""The exchange with its numbers: a command in, the answer and every event that it caused out, in
order and numbered.

The numbers follow from the commands alone. A market in trade, its recovery, its archive and a
replay all go this one way, so they number and say the same.
"""

from __future__ import annotations

from typing import Any

from botpit.core.commands import Command
from botpit.core.events import OrderAccepted
from botpit.core.exchange import Exchange
from botpit.core.prospects import Outcome
from botpit.wire.channels import CHANNELS, MESSAGES, OF_NO_SYMBOL, PRIVATE_MESSAGES
from botpit.wire.encode import Encoder
from botpit.wire.outgoing import Outgoing
from botpit.wire.sequence_numbers import SequenceNumbers

Step = tuple[Outgoing | None, list[Outgoing], list[Outgoing]]
"""The answer to a command, if it has one; then, in order, each event it caused that is a trader's
own; each that is public.
"""
_OF_NOBODY, _OF_A_TRADER, _OF_AN_ORDER = range(3)


def _kind(event: type[Any]) -> tuple[str, bool, int]:
    owner = _OF_NOBODY
    if event is OrderAccepted:
        owner = _OF_AN_ORDER
    elif event in PRIVATE_MESSAGES:
        owner = _OF_A_TRADER
    return CHANNELS.get(event, ""), event not in OF_NO_SYMBOL, owner


_KINDS = {event: _kind(event) for event in (*MESSAGES, *PRIVATE_MESSAGES)}
"""The channel of each event, whether it is counted by symbol, and how its owner is found."""


_NEITHER = ("", False, _OF_NOBODY)


class Sequencer:
    """Counts from 1, unless `numbers` are restored to where an earlier process of the market was."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.encoder = Encoder(exchange)
        self.numbers = SequenceNumbers(exchange.markets)

    def apply(self, command: Command, now_ns: int) -> Step:
        """Advance by one command at `now_ns`, Unix time. Never raises on a client's mistake: a
        refusal is an answer.
        """
        return self.number(self.exchange.apply(command, now_ns))

    def number(self, outcome: Outcome) -> Step:
        """Number what one command caused. (All in one piece: it runs for every event of the market.)"""
        encoder, numbers, answered = self.encoder, self.numbers, outcome.answer
        seq, channels = numbers.seq, numbers.channel_seq
        events: list[Any] = outcome.events
        answer: Outgoing | None = None
        private: list[Outgoing] = []
        public: list[Outgoing] = []
        changed: list[str] = []
        for event in events:
            channel, by_symbol, owner = _KINDS.get(type(event), _NEITHER)
            trader, symbol, number = "", "", 0
            if owner == _OF_A_TRADER:
                trader = event.trader
            elif owner == _OF_AN_ORDER and not event.repeated:
                # an answer that is given again is no new event
                trader = event.order.trader
            if channel:
                if by_symbol:
                    symbol = event.symbol
                seq += 1
                counts = channels[channel]
                counts[symbol] = number = counts.get(symbol, 0) + 1
                if channel == "orders" and symbol not in changed:
                    changed.append(symbol)
            outgoing = Outgoing(event, encoder, trader, channel, symbol, seq, number)
            if event is answered:
                answer = outgoing
            if trader:
                private.append(outgoing)
            if channel:
                public.append(outgoing)
        numbers.seq = seq
        for symbol in changed:
            numbers.book_seq[symbol] += 1
        return answer, private, public
