"""Who traded how much, who was closed by force, and the last of both: for screens and battles.

Beside each figure of what was seen stands what the market itself says of its trades and liquidations, since a
snapshot counts those of before too; the difference is what nobody here has seen.
"""

from __future__ import annotations

from collections import Counter, deque

from message_schemas import Liquidation, Message, Snapshot, Trade


class Statistics:
    """Folds what a feed session passes on; of the last `tape_length` trades and liquidations it keeps each.

    `trade_count` and `liquidation_count` (deleveragings among them) are of the whole market, what is counted
    by trader and `volume`, in lots, are of what was seen. A trader's volume counts on both sides of a trade,
    its maker volume where its order was there first.
    """

    def __init__(self, tape_length: int = 100) -> None:
        self.tape_length = tape_length
        self._market_id: str | None = None
        self._forget()

    @property
    def unseen_liquidations(self) -> int:
        """Liquidations and deleveragings of this market that were not seen."""
        seen = self.liquidations_by_trader.total() + self.deleveragings_by_trader.total()
        return self.liquidation_count - seen

    def fold(self, message: Message) -> None:
        match message:
            case Trade():
                self._trade(message)
            case Liquidation():
                self._liquidation(message)
            case Snapshot():
                self._restore(message)

    def _forget(self) -> None:
        self.tape: deque[Trade] = deque(maxlen=self.tape_length)
        self.liquidations: deque[Liquidation] = deque(maxlen=self.tape_length)
        self.trade_count = 0
        self.volume = 0
        self.trades_by_trader: Counter[str] = Counter()
        self.volume_by_trader: Counter[str] = Counter()
        self.maker_volume_by_trader: Counter[str] = Counter()
        self.liquidation_count = 0
        self.liquidations_by_trader: Counter[str] = Counter()
        self.deleveragings_by_trader: Counter[str] = Counter()

    def _restore(self, snapshot: Snapshot) -> None:
        if snapshot.market_id != self._market_id:
            self._forget()
            self._market_id = snapshot.market_id
        counts = snapshot.channel_seq
        self.trade_count = sum(counts.get("trades", {}).values())
        # What else the channel brings has no symbol.
        self.liquidation_count = sum(
            n for symbol, n in counts.get("liquidations", {}).items() if symbol
        )

    def _trade(self, trade: Trade) -> None:
        self.tape.append(trade)
        self.trade_count += 1
        self.volume += trade.qty
        for trader_id in (trade.buy_trader_id, trade.sell_trader_id):
            self.trades_by_trader[trader_id] += 1
            self.volume_by_trader[trader_id] += trade.qty
        if trade.aggressor_side is not None:
            maker = {"buy": trade.sell_trader_id, "sell": trade.buy_trader_id}[
                trade.aggressor_side
            ]
            self.maker_volume_by_trader[maker] += trade.qty

    def _liquidation(self, event: Liquidation) -> None:
        self.liquidations.append(event)
        self.liquidation_count += 1
        if event.reason == "auto_deleverage":
            self.deleveragings_by_trader[event.trader_id] += 1
        else:
            self.liquidations_by_trader[event.trader_id] += 1
