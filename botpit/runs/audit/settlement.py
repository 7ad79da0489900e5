"""The end of an instrument: the operator closes it, and every position goes to zero at one price, by fills that no file tells of.

It is recognised by that: in one millisecond everybody who still holds something is told flat. The price is taken from the
results or, without them, worked out from the first such row; all others must then agree with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from botpit.runs.audit.fees import FINEST_TICK, Terms
from botpit.runs.audit.holdings import Fill, Holding, Part
from botpit.runs.audit.moment import Key
from botpit.runs.audit.rows import Told, Wrong

NOTHING = Holding()


@dataclass(frozen=True, slots=True)
class Settlement:
    """`lot_price`: money for one lot. `told`: the first row that tells it."""

    lot_price: Decimal
    told: Told


class Settlements:
    """`done`: by symbol."""

    def __init__(self, terms: Mapping[str, Terms]) -> None:
        self.done: dict[str, Settlement] = {}
        self._terms = terms

    def complete(self, parts: Mapping[Key, Part], holdings: Mapping[Key, Holding], decimals: int) -> None:
        """Add to each part the fill of a settlement, if there is one. Raises Wrong at a fill that comes after it."""
        for symbol in {symbol for _, symbol in parts}:
            here = {trader: part for (trader, other), part in parts.items() if other == symbol}
            if symbol in self.done:
                self._refuse_fills(symbol, here)
            elif any(_is_flat_by_no_trade(part, holdings.get(key, NOTHING)) for key, part in parts.items() if key[1] == symbol):
                held = {trader: holding for (trader, other), holding in holdings.items() if other == symbol}
                self._close(symbol, here, held, decimals)

    def _refuse_fills(self, symbol: str, parts: Mapping[str, Part]) -> None:
        place = self.done[symbol].told.place
        for fill in (fill for part in parts.values() for fill in part.fills()):
            text = f"nothing was expected to trade after {place}, where everybody was told flat without a trade"
            raise Wrong(fill.row.place, f"{text}: that is a settlement, or trades are missing there")

    def _close(self, symbol: str, parts: Mapping[str, Part], holdings: Mapping[str, Holding], decimals: int) -> None:
        left = dict(holdings)
        for trader, part in parts.items():
            for fill in part.fills():
                left[trader] = left.get(trader, NOTHING).after(fill, decimals)
        still_open = {trader: holding for trader, holding in left.items() if holding.lots}
        last = {trader: part.told[-1] for trader, part in parts.items() if part.told and not part.told[-1].position}
        if not still_open or not still_open.keys() <= last.keys():
            return
        first = min(still_open, key=lambda trader: last[trader].line)
        lot_price = self._lot_price(symbol, still_open[first], last[first])
        if lot_price is None:
            return
        self.done[symbol] = Settlement(lot_price, last[first])
        for trader, holding in still_open.items():
            parts[trader].others.append(Fill(-1 if holding.lots > 0 else 1, abs(holding.lots), lot_price, last[trader]))

    def _lot_price(self, symbol: str, holding: Holding, told: Told) -> Decimal | None:
        """From the results or, if a price explains what the row has realised, that price."""
        terms = self._terms[symbol]
        if terms.settlement is not None:
            return terms.settlement * terms.lot
        value = told.realized - holding.realized + holding.cost
        unit = holding.lots * (terms.tick or FINEST_TICK) * terms.lot
        return value / holding.lots if value % unit == 0 and value / holding.lots > 0 else None


def _is_flat_by_no_trade(part: Part, before: Holding) -> bool:
    lots = before.lots + sum(fill.sign * fill.qty for fill in part.fills())
    return bool(lots) and bool(part.told) and part.told[-1].position == 0
