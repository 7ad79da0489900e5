"""One market in trade: the sequencer, and where everything that it causes goes.

A gateway's command and a recovered one pass through the same `apply`, so that numbers, past and
state are made by the code that made them first.
"""

from __future__ import annotations

from dataclasses import dataclass

from botpit.core.commands import Command
from botpit.core.exchange import Exchange
from botpit.venue.feed.publisher import Feed
from botpit.venue.gateway.private import PrivateEventBuffer
from botpit.wire.sequencer import Sequencer, Step


@dataclass(frozen=True, slots=True)
class LiveMarket:
    """`private`: the past of each trader's own events, `feed`: everybody's."""

    sequencer: Sequencer
    feed: Feed
    private: PrivateEventBuffer

    @property
    def exchange(self) -> Exchange:
        return self.sequencer.exchange

    def apply(self, command: Command, now_ns: int) -> Step:
        """Advance by a command that the journal has: keep what it caused, publish what of it is public."""
        step = self.sequencer.apply(command, now_ns)
        _, private, public = step
        for event in private:
            self.private.append(event.trader, event.event)
        if public:
            self.feed.publish(public, now_ns)
        return step
