"""What one bot knows: its instruments, open orders, positions and money, and the market it looks at.

The market is a view that is handed in: bots of one process may look at the same mirror, and each adds only
what is its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot_strategies import StrategyContext
from botpit.bots.orders import OwnOrders
from botpit.clients.mirror import BookView, Mirror
from message_schemas import (
    Account,
    AccountPosition,
    Fill,
    InstrumentInfo,
    Liquidation,
    Message,
    OpenOrders,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    PositionState,
    TradingRequest,
)


class BotState:
    """`symbols` are the instruments that the bot trades, its own one first; `positions` and `instruments` are
    of all.

    `now_ms` is set by the brain before anything else happens. `account` is as the exchange answered last,
    None until it has.
    """

    def __init__(self, trader_id: str, view: Mirror) -> None:
        self.trader_id = trader_id
        self.view = view
        self.now_ms = 0
        self.last_rejection_reason: str | None = None
        self.last_rejection_ts = 0
        self.last_liquidation_ts = 0
        self.begin(None, [], ())

    def begin(
        self, market_id: str | None, instruments: list[InstrumentInfo], symbols: Sequence[str]
    ) -> None:
        """Another market, of which nothing is known yet."""
        self.market_id = market_id
        self.instruments = {each.symbol: each for each in instruments}
        self.symbols = tuple(symbols)
        self.orders = OwnOrders()
        self.positions: Counter[str] = Counter()
        self.account: Account | None = None

    @property
    def sees_market(self) -> bool:
        """Whether the view shows this market, with every instrument that the bot trades."""
        same = self.market_id is not None and self.view.market_id == self.market_id
        return (
            same
            and bool(self.symbols)
            and all(symbol in self.view.books for symbol in self.symbols)
        )

    # ------------------------------------------------------------------------------------ what happened to it

    def apply(self, message: Message) -> None:
        """Fold an answer or a private event."""
        match message:
            case Account():
                self.account = message
                self.positions = Counter(
                    {each.symbol: each.position for each in message.positions}
                )
            case OpenOrders():
                self.orders.listed(message)
            case OrderAccepted():
                self.orders.accepted(message)
            case OrderReplaced():
                self.orders.replaced(message)
            case OrderCancelled():
                self.orders.cancelled(message)
            case Fill():
                self.positions[message.symbol] += (
                    message.qty if message.side == "buy" else -message.qty
                )
                self.orders.filled(message)
            case Liquidation():
                self.last_liquidation_ts = message.timestamp

    def symbol_of(self, message: Message, request: TradingRequest | None) -> str | None:
        """Which instrument a message is about: as it says, or else the order that it or its request names."""
        for said in (message, request):
            symbol = getattr(said, "symbol", None) or self._symbol_of_order(said)
            if symbol:
                return symbol
        return next(iter(self.instruments), None)

    def _symbol_of_order(self, said: object) -> str | None:
        order = self.orders.named(
            getattr(said, "client_order_id", None), getattr(said, "order_id", None)
        )
        return None if order is None else order.symbol

    # ----------------------------------------------------------------------------------- what follows from it

    def book(self, symbol: str) -> BookView:
        return self.view.books[symbol]

    def mid_price(self, symbol: str) -> float:
        """The mark price while a side of the book is empty."""
        book = self.book(symbol)
        middle = book.mid_price
        if middle is None:
            return book.mark_price
        return round(middle, 10)

    def summary(self) -> dict[str, object]:
        """What the bot holds, as far as that is known: name and value, for a log line."""
        if self.account is None or not self.symbols:
            return {}
        positions = {f"position_{symbol}": self.positions[symbol] for symbol in self.symbols}
        if len(positions) == 1:
            positions = {"position": self.positions[self.symbols[0]]}
        return {**positions, "equity": f"{self.equity():.2f}"}

    def equity(self) -> float:
        return self._money().total_equity

    def context(self, symbol: str) -> StrategyContext:
        book, figures, money = self.book(symbol), self._figures(symbol), self._money()
        spread = book.spread
        return StrategyContext(
            trader_id=self.trader_id,
            best_bid=book.best_bid,
            best_ask=book.best_ask,
            mid_price=self.mid_price(symbol),
            spread=None if spread is None else round(spread, 10),
            timestamp=self.now_ms,
            position=self.positions[symbol],
            cash=money.cash,
            avg_entry_price=figures.avg_entry_price,
            realized_pnl=figures.realized_pnl,
            unrealized_pnl=figures.unrealized_pnl,
            total_equity=money.total_equity,
            maintenance_margin=self._maintenance_margin(),
            last_rejection_reason=self.last_rejection_reason,
            last_rejection_ts=self.last_rejection_ts,
            last_liquidation_ts=self.last_liquidation_ts,
        )

    def _figures(self, symbol: str) -> PositionState:
        """One instrument in the account: as last published, until then as the exchange answered."""
        published = self.view.positions.get((self.trader_id, symbol))
        return published or _as_state(self._answered(), symbol)

    def _money(self) -> PositionState | Account:
        """What was published last of the account's cash and equity, with whichever instrument it was."""
        published = [
            self.view.positions.get((self.trader_id, symbol)) for symbol in self.symbols
        ]
        return max((each for each in published if each), key=_when, default=self._answered())

    def _answered(self) -> Account:
        assert self.account is not None, "asked for money before the account is known"
        return self.account

    def _maintenance_margin(self) -> float:
        """Of all that is held, at the present marks."""
        margin = 0.0
        for symbol, lots in self.positions.items():
            instrument = self.instruments[symbol]
            notional = abs(lots) * self._mark_price(symbol) * instrument.lot
            margin += notional * instrument.maintenance_margin_bps / 10_000
        return round(margin, 10)

    def _mark_price(self, symbol: str) -> float:
        book = self.view.books.get(symbol)
        if book is None:
            return _as_state(self._answered(), symbol).mark_price
        return book.mark_price


def _when(state: PositionState) -> tuple[int, int]:
    """What a snapshot shows has no number, and comes before the numbered events of its moment."""
    return state.timestamp, getattr(state, "seq", 0)


def _as_state(account: Account, symbol: str) -> PositionState:
    """One instrument of an account's answer; a flat one where it is not named."""
    flat = AccountPosition(
        symbol=symbol,
        position=0,
        avg_entry_price=0.0,
        unrealized_pnl=0.0,
        realized_pnl=0.0,
        mark_price=0.0,
    )
    here = next((each for each in account.positions if each.symbol == symbol), flat)
    return PositionState(
        trader_id=account.trader_id,
        symbol=symbol,
        position=here.position,
        cash=account.cash,
        avg_entry_price=here.avg_entry_price,
        realized_pnl=here.realized_pnl,
        unrealized_pnl=here.unrealized_pnl,
        total_equity=account.total_equity,
        mark_price=here.mark_price,
        timestamp=account.timestamp,
    )
