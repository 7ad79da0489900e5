"""A bot's side of the feed: which channels and instruments it asks for, and the view that it keeps.

A strategy in a market of two hundred instruments is not to be fed all their books. Which of them there are
only a login shows, so a bot that is connected to the feed first asks for everything, and for its own as soon
as it knows.
"""

from __future__ import annotations

from collections.abc import Set

from msgspec.structs import replace

from botpit.bots.notice import Notice, Notify
from botpit.bots.state import BotState
from botpit.clients.feed_session import FeedSession, Need
from message_schemas import Channel, FeedRequest, Message, Snapshot, SubscribeRequest

POLLED_CHANNELS: list[Channel] = ["book", "positions"]
"""What `StrategyContext` is made of: prices, and the mark and the own money, which only `positions` has."""
MARKET_CHANNELS: list[Channel] = [*POLLED_CHANNELS, "trades", "status"]
"""What the market handle shows besides: the last trade, the queue ahead, whether the market is open."""


class BotFeed:
    """Keeps the view of a state up to date.

    `hooks` are those that the strategy has: one that is only polled sees no trades and no status.
    """

    def __init__(self, state: BotState, hooks: Set[str], notify: Notify) -> None:
        channels = MARKET_CHANNELS
        if hooks <= {"next_order"}:
            channels = POLLED_CHANNELS
        self._session = FeedSession(Need.PRESENT, lambda: channels, complain=self._complain)
        self._state = state
        self._notify = notify
        self._asked: list[str] | None = None
        self._refused = False

    @property
    def live(self) -> bool:
        """Whether the present connection has brought a snapshot, and the view follows it."""
        return self._session.taking

    def opened(self) -> None:
        self._session.opened()

    def lost(self) -> None:
        self._session.lost()

    def receive(self, message: Message) -> bool:
        """Whether the view has the message now: whether it is news."""
        is_news = self._session.receive(message)
        if is_news and not self._state.view.fold(message):
            self._session.refresh()
        if isinstance(message, Snapshot):
            self.revise()
        return is_news

    def revise(self) -> None:
        """Ask again if other instruments are wanted by now, or if the feed did not know them while it showed
        another market."""
        asked_in_vain = self._refused and self._state.view.market_id == self._state.market_id
        if asked_in_vain or self._asked != self._wanted:
            self._session.refresh()

    def requests(self) -> list[SubscribeRequest]:
        """What is to be sent now, in order."""
        return [self._for_own_instruments(request) for request in self._session.requests()]

    @property
    def _wanted(self) -> list[str] | None:
        """None: everything, which is also what it reads while it does not know what there is to trade."""
        traded = self._state.symbols
        if 0 < len(traded) < len(self._state.instruments):
            return list(traded)
        return None

    def _for_own_instruments(self, request: FeedRequest) -> SubscribeRequest:
        assert isinstance(request, SubscribeRequest), request
        self._asked, self._refused = self._wanted, False
        return replace(request, symbols=self._asked)

    def _complain(self, sentence: str) -> None:
        self._refused = True
        self._notify(Notice(sentence, {}))
