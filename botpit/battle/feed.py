"""A round's market as everybody can see it, what equities did, and how much of it nobody here has seen.

Standings are taken from here, so that a result can be checked by anyone who watched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from botpit.battle.equity import Equities
from botpit.battle.results import InstrumentTerms, MarketResult
from botpit.clients.feed_session import FeedSession, Need, request_text
from botpit.clients.mirror import Mirror
from botpit.clients.statistics import Statistics
from message_schemas import Message, PositionUpdate, Snapshot, parse_messages

CHANNELS = ("trades", "positions", "liquidations")


class BattleFeed:
    """`trades` are those of the present market since we first saw it, whether or not we saw each of them.

    `began`: the equity of those traders for whom it was known before the round; `newcomers`: the cash of a
    new account, None: unknown. `ask` asks for all events until now and the standings of this moment, at its
    marks; they are there when `answered`.
    """

    def __init__(
        self, began: Mapping[str, float] | None = None, newcomers: float | None = None
    ) -> None:
        self.session = FeedSession(Need.CATCH_UP, lambda: CHANNELS)
        self.mirror = Mirror()
        self.statistics = Statistics(tape_length=1)
        self.equities = Equities(began or {}, newcomers)
        self._before: Counter[str] | None = None

    # ----------------------------------------------------------------------------------------------- requests

    def opening(self) -> list[str]:
        """What to send first on a new connection: what we are here for, and what we missed."""
        self.session.opened()
        return self._texts()

    def ask(self, what: str) -> list[str]:
        """Ask for the market as it is now. `what` is a word that was not used before."""
        self.session.look(what)
        return self._texts()

    @property
    def answered(self) -> bool:
        return self.session.looked

    def _texts(self) -> list[str]:
        return list(map(request_text, self.session.requests()))

    # ------------------------------------------------------------------------------------------------- market

    @property
    def trades(self) -> int:
        return self.statistics.trade_count - (self._before or Counter())["trades"]

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
        mirror, statistics, before = self.mirror, self.statistics, self._before or Counter()
        return MarketResult(
            market_id=mirror.market_id,
            trades=self.trades,
            volume=statistics.volume,
            trades_before=before["trades"],
            unseen_trades=self.trades - statistics.trades_by_trader.total() // 2,
            liquidations=statistics.liquidations_by_trader.total(),
            deleveragings=statistics.deleveragings_by_trader.total(),
            unseen_liquidations=statistics.unseen_liquidations - before["liquidations"],
            insurance_cash=mirror.insurance_cash,
            instruments={
                symbol: InstrumentTerms.of(each) for symbol, each in mirror.instruments.items()
            },
            settlement=settlement,
        )

    # ----------------------------------------------------------------------------------------------- messages

    def received(self, frame: bytes) -> list[str]:
        """Fold one frame; the requests that it causes. Raises ValueError when it is no message."""
        for message in parse_messages(frame):
            market_id = self.mirror.market_id
            if self.session.receive(message):
                self._fold(message, market_id)
        return self._texts()

    def _fold(self, message: Message, market_id_before: str | None) -> None:
        self.mirror.fold(message)
        self.statistics.fold(message)
        match message:
            case PositionUpdate():
                self.equities.see(message.trader_id, message.total_equity, newcomer=True)
            case Snapshot():
                self._note_market(market_id_before)
                for state in message.positions:
                    self.equities.see(
                        state.trader_id,
                        state.total_equity,
                        newcomer=market_id_before is not None,
                    )

    def _note_market(self, market_id_before: str | None) -> None:
        """A round's first market had a past; one that takes its place has not."""
        if self._before is None:
            counted = self.statistics
            self._before = Counter(
                trades=counted.trade_count, liquidations=counted.liquidation_count
            )
        elif market_id_before != self.mirror.market_id:
            self._before = Counter()
            self.equities.forget()
