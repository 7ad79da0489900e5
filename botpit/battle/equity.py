"""Each trader's equity in a round: how much it gained, and how far it ever fell from its best.

A gain is measured from the trader's start. Its best source is the exchange's answer about the account before
the bot was started; the next is the equity at which we first saw the trader. A trader that first appears
while we watch is a newcomer, with the cash of a new account.
"""

from __future__ import annotations

from collections.abc import Mapping

from botpit.battle.standings import MONEY_DECIMALS


class Equities:
    """Money by trader.

    `new_cash`: the cash of a new account; without it the first sight counts for newcomers too.
    """

    def __init__(self, began: Mapping[str, float], new_cash: float | None) -> None:
        self._new_cash = new_cash
        self._began = dict(began)
        self._last = dict(began)
        self._best = dict(began)
        self._drawdown: dict[str, float] = {}

    def see(self, trader_id: str, equity: float, *, newcomer: bool) -> None:
        """Note an equity from the feed. `newcomer`: a trader new to us has just come."""
        if trader_id not in self._began:
            began = equity
            if newcomer and self._new_cash is not None:
                began = self._new_cash
            self._began[trader_id] = self._best[trader_id] = began
        self._last[trader_id] = equity
        self._best[trader_id] = max(self._best[trader_id], equity)
        fallen = self._best[trader_id] - equity
        self._drawdown[trader_id] = max(self._drawdown.get(trader_id, 0.0), fallen)

    def start_over(self) -> None:
        """Measure from here on: the warm-up is over."""
        self._began = dict(self._last)
        self._best = dict(self._last)
        self._drawdown.clear()

    def forget(self) -> None:
        """Another market: every trader seen from now on is new to it."""
        for known in (self._began, self._last, self._best, self._drawdown):
            known.clear()

    def known(self) -> dict[str, float]:
        """The last equity of every known trader, from the feed or from before the start."""
        return dict(self._last)

    def gain(self, trader_id: str) -> float:
        return round(self._last[trader_id] - self._began[trader_id], MONEY_DECIMALS)

    def max_drawdown(self, trader_id: str) -> float:
        """The deepest fall below an earlier best, by the equities seen; never negative."""
        return round(self._drawdown.get(trader_id, 0.0), MONEY_DECIMALS)
