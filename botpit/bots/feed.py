"""A bot's side of the feed: which channels and instruments it asks for, and the view that it keeps of what comes.

A strategy in a market of two hundred instruments is not to be fed all their books. Which of them there are only a login tells,
so a bot that is connected to the feed first asks for everything, and for its own as soon as it knows.
"""

from __future__ import annotations

from collections.abc import Set

from botpit.bots.state import BotState
from message_schemas import Channel, Error, Message, Snapshot, SubscribeRequest

POLLED_CHANNELS: list[Channel] = ["book", "positions"]
"""What `StrategyContext` is made of: prices, and the mark and the own money, which only `positions` tell."""
MARKET_CHANNELS: list[Channel] = [*POLLED_CHANNELS, "trades", "status"]
"""What the market handle shows besides: the last trade, the queue ahead of own orders, whether the market is open."""


class BotFeed:
    """Keeps the view of a state up to date. `live`: the present connection has brought a snapshot.

    `hooks` are those that the strategy has: one that is only polled sees no trades and no status.
    """

    def __init__(self, state: BotState, hooks: Set[str]) -> None:
        self.live = False
        self._state = state
        self._channels = POLLED_CHANNELS if hooks <= {"next_order"} else MARKET_CHANNELS
        self._connected = False
        self._asked: list[str] | None = None
        self._refused = False
        self._outbox: list[SubscribeRequest] = []

    def opened(self) -> None:
        self._connected = True
        self._subscribe()

    def lost(self) -> None:
        self._connected = self.live = False

    def take(self, message: Message) -> None:
        if not self._state.view.apply(message):
            self._subscribe()
        match message:
            case Snapshot():
                self.live = True
                self.revise()
            case Error():
                self._refused = True

    def revise(self) -> None:
        """Ask again if other instruments are wanted by now, or if the feed did not know them while it showed another market."""
        same_market = self._state.view.market_id == self._state.market_id
        if self._connected and (self._asked != self._wanted or (self._refused and same_market)):
            self._subscribe()

    def take_requests(self) -> list[SubscribeRequest]:
        """What is to be sent now, in order."""
        taken, self._outbox = self._outbox, []
        return taken

    @property
    def _wanted(self) -> list[str] | None:
        """None: everything, which is also what it reads while it does not know what there is."""
        traded = self._state.symbols
        return list(traded) if len(traded) < len(self._state.instruments) else None

    def _subscribe(self) -> None:
        self._asked, self._refused = self._wanted, False
        self._outbox.append(SubscribeRequest(channels=self._channels, symbols=self._asked, batch=True))
