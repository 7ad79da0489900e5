"""A round's market as everybody can see it: the mirror of the feed, what equities did, and how much was told to nobody.

Standings are taken from here, so that a result can be checked by anyone who watched.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from botpit.battle.equity import Equities
from botpit.battle.results import InstrumentTerms, MarketResult
from botpit.clients.mirror import Mirror
from message_schemas import Error, Message, PositionUpdate, Resumed, Snapshot, Subscribed, parse_messages

CHANNELS = ("trades", "positions", "liquidations")
_FIRST, _AGAIN = "first", "again"


class BattleFeed:
    """`trades` are those of the present market since we first saw it, told to us or not.

    `began`: the equity of traders of whom it was known before the round; `newcomers`: the cash of a new account, None: unknown.
    What is asked for with `ask` is there when `answered`: all events until then, and the standings of that moment, at its marks.
    """

    def __init__(self, began: Mapping[str, float] | None = None, newcomers: float | None = None) -> None:
        self.mirror = Mirror(tape_length=1)
        self.equities = Equities(began or {}, newcomers)
        self.answered = False
        self._asked = _FIRST
        self._answer_is_next = False
        self._resuming: set[str | int | None] = set()
        self._leaves_aside = False
        self._before: Counter[str] | None = None

    # -------------------------------------------------------------------------------------------------------------- requests

    def opening(self) -> list[str]:
        """What to say first on a new connection: what we are here for, and what we missed."""
        if self.mirror.market_id is None:
            return [self.subscribe()]
        self._leaves_aside = True
        return [self.subscribe(), self._resume(_AGAIN)]

    def subscribe(self) -> str:
        """Asks for a fresh start: what happened before the snapshot that answers it is not told."""
        request = {"type": "subscribe", "channels": CHANNELS, "batch": True, "request_id": self._asked}
        return json.dumps(request)

    def ask(self, what: str) -> str:
        """Asks for the market as it is now. `what` is a word not asked with before."""
        self._asked, self.answered, self._answer_is_next = what, False, False
        return self.subscribe() if self.mirror.market_id is None else self._resume(what)

    def _resume(self, request_id: str) -> str:
        self._resuming.add(request_id)
        since = {"from_seq": self.mirror.seq + 1, "market_id": self.mirror.market_id}
        return json.dumps({"type": "resume", **since, "request_id": request_id})

    # ---------------------------------------------------------------------------------------------------------------- market

    @property
    def trades(self) -> int:
        return self.mirror.trade_count - (self._before or Counter())["trades"]

    @property
    def is_flat(self) -> bool:
        """Whether nobody has a position: equity is plain cash."""
        return not any(state.position for state in self.mirror.positions.values())

    @property
    def is_closed(self) -> bool:
        """Whether there is a market and nothing in it can be traded any more."""
        books = self.mirror.books.values()
        return bool(books) and all(book.status == "closed" for book in books)

    def result(self, settlement: dict[str, float]) -> MarketResult:
        mirror, before = self.mirror, self._before or Counter()
        return MarketResult(
            market_id=mirror.market_id,
            trades=self.trades,
            volume=mirror.volume,
            trades_before=before["trades"],
            unseen_trades=self.trades - mirror.trades_by_trader.total() // 2,
            liquidations=mirror.liquidations_by_trader.total(),
            deleveragings=mirror.deleveragings_by_trader.total(),
            unseen_liquidations=mirror.unseen_liquidations - before["liquidations"],
            insurance_cash=mirror.insurance_cash,
            instruments={symbol: InstrumentTerms.of(each) for symbol, each in mirror.instruments.items()},
            settlement=settlement,
        )

    # -------------------------------------------------------------------------------------------------------------- messages

    def received(self, frame: bytes) -> bool:
        """Fold one frame. False: something is missing, `subscribe` again. Raises ValueError when it is no message."""
        complete = True
        for message in parse_messages(frame):
            complete = self._take(message) and complete
        return complete

    def _take(self, message: Message) -> bool:
        """On a new connection all is left aside until the past that we asked for comes, or is refused."""
        match message:
            case Error() if message.request_id in self._resuming:
                self._resuming.discard(message.request_id)
                self._leaves_aside = False
                return False
            case Resumed() if message.request_id == _AGAIN:
                self._leaves_aside = False
            case Subscribed() | Resumed():
                self._answer_is_next = message.request_id == self._asked
        return self._leaves_aside or self._fold(message)

    def _fold(self, message: Message) -> bool:
        market_id = self.mirror.market_id
        complete = self.mirror.apply(message)
        match message:
            case PositionUpdate() if self.mirror.positions.get((message.trader_id, message.symbol)) is message:
                self.equities.see(message.trader_id, message.total_equity, newcomer=True)
            case Snapshot():
                self.answered = self.answered or self._answer_is_next
                self._note_market(market_id)
                for state in message.positions:
                    self.equities.see(state.trader_id, state.total_equity, newcomer=market_id is not None)
        return complete

    def _note_market(self, market_id_before: str | None) -> None:
        """A round's first market had a past; one that takes its place has not."""
        if self._before is None:
            self._before = Counter(trades=self.mirror.trade_count, liquidations=self.mirror.liquidation_count)
        elif market_id_before != self.mirror.market_id:
            self._before = Counter()
            self.equities.forget()
