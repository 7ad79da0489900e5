"""A battle's market as everybody can see it: the mirror of the feed, and how much it told while we did not listen.

Standings are taken from here and from nowhere else, so that a result can be checked by anyone who watched.
"""

from __future__ import annotations

import json
from collections import Counter

from botpit.battle.results import MarketResult
from botpit.mirror import Mirror
from message_schemas import Snapshot, Subscribed, parse_messages


def subscribe_request(request_id: str = "first") -> str:
    """Asks for trades, positions and liquidations, in batches; the answer ends with a fresh snapshot."""
    channels = ["trades", "positions", "liquidations"]
    return json.dumps({"type": "subscribe", "channels": channels, "batch": True, "request_id": request_id})


class Spectator:
    """`trades` are those of the present market since we first saw it, told to us or not.

    `has_last_snapshot`: the answer to `last_request` is complete, and with it the standings at that moment, at its marks.
    """

    last_request = subscribe_request("last")

    def __init__(self) -> None:
        self.mirror = Mirror(tape_length=1)
        self.has_last_snapshot = False
        self._last_is_next = False
        self._before: Counter[str] | None = None

    @property
    def trades(self) -> int:
        return self.mirror.trade_count - (self._before or Counter())["trades"]

    def result(self) -> MarketResult:
        mirror = self.mirror
        return MarketResult(
            market_id=mirror.market_id,
            trades=self.trades,
            volume=mirror.volume,
            unseen_trades=self.trades - mirror.trades_by_trader.total() // 2,
            liquidations=mirror.liquidations_by_trader.total(),
            deleveragings=mirror.deleveragings_by_trader.total(),
            unseen_liquidations=mirror.unseen_liquidations - (self._before or Counter())["liquidations"],
            insurance_cash=mirror.insurance_cash,
        )

    def received(self, frame: bytes) -> bool:
        """Fold one frame. False: something is missing, a fresh snapshot is needed. Raises ValueError when it is no message."""
        complete = True
        for message in parse_messages(frame):
            market_id = self.mirror.market_id
            complete = self.mirror.apply(message) and complete
            match message:
                case Subscribed(request_id="last"):
                    self._last_is_next = True
                case Snapshot():
                    self.has_last_snapshot = self._last_is_next
                    self._note_market(market_id)
        return complete

    def _note_market(self, market_id_before: str | None) -> None:
        """A battle's first market had a past; one that takes its place has not."""
        if self._before is None:
            self._before = Counter(trades=self.mirror.trade_count, liquidations=self.mirror.liquidation_count)
        elif market_id_before != self.mirror.market_id:
            self._before = Counter()
