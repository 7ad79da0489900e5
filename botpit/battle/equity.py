"""What each trader's equity did in a round: how much it gained, and how far it ever fell from its best.

A gain is measured from where the trader began. Best known is what the exchange told of its account before its bot was started;
next, the equity under which we first saw it; and who first shows up while we watch is a newcomer, with the cash of a new account.
"""

from __future__ import annotations

from collections.abc import Mapping

from botpit.battle.standings import MONEY_DECIMALS


class Equities:
    """Money by trader. `newcomers`: the cash of a new account, None while unknown: then the first sight counts for them too."""

    def __init__(self, began: Mapping[str, float], newcomers: float | None) -> None:
        self._newcomers = newcomers
        self._began = dict(began)
        self._last = dict(began)
        self._best = dict(began)
        self._drawdown: dict[str, float] = {}

    def see(self, trader_id: str, equity: float, *, newcomer: bool) -> None:
        """Note an equity as told. `newcomer`: a trader that is new to us has just come."""
        if trader_id not in self._began:
            began = self._newcomers if newcomer and self._newcomers is not None else equity
            self._began[trader_id] = self._best[trader_id] = began
        self._last[trader_id] = equity
        self._best[trader_id] = max(self._best[trader_id], equity)
        fallen = self._best[trader_id] - equity
        self._drawdown[trader_id] = max(self._drawdown.get(trader_id, 0.0), fallen)

    def start_over(self) -> None:
        """Measure from here on: the warm-up is over."""
        self._began, self._best = dict(self._last), dict(self._last)
        self._drawdown.clear()

    def forget(self) -> None:
        """Another market: whoever is seen now is new to it."""
        for known in (self._began, self._last, self._best, self._drawdown):
            known.clear()

    def known(self) -> dict[str, float]:
        """The last equity of every trader we know of, seen or told before the start."""
        return dict(self._last)

    def gain(self, trader_id: str) -> float:
        return round(self._last[trader_id] - self._began[trader_id], MONEY_DECIMALS)

    def max_drawdown(self, trader_id: str) -> float:
        """The deepest fall below an earlier best, as far as equities were told; never negative."""
        return round(self._drawdown.get(trader_id, 0.0), MONEY_DECIMALS)
