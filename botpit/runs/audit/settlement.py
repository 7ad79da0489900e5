"""The end of an instrument: every position goes to zero at one price, by fills that are in no file.

A settlement is recognised by that: in one millisecond everybody who still has a position is reported flat.
The price comes from the results or, without them, is worked out from the first such row; all other rows must
then agree with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from botpit.runs.audit.fees import FINEST_TICK, Terms
from botpit.runs.audit.holdings import Fill, Holding, Part
from botpit.runs.audit.moment import Key
from botpit.runs.audit.rows import AccountRow, Wrong

FLAT = Holding()
Of = TypeVar("Of")


@dataclass(frozen=True, slots=True)
class Settlement:
    """`lot_price` is money for one lot, `row` the first row that shows the settlement."""

    lot_price: Decimal
    row: AccountRow


class Settlements:
    """`done` is by symbol."""

    def __init__(self, terms: Mapping[str, Terms]) -> None:
        self.done: dict[str, Settlement] = {}
        self._terms = terms

    def complete(
        self, parts: Mapping[Key, Part], holdings: Mapping[Key, Holding], decimals: int
    ) -> None:
        """Add a settlement's fill to each part, if there is one. Raises Wrong at a fill after it."""
        went_flat = set()
        for key, part in parts.items():
            if part.symbol in self.done:
                self._refuse_fills(part)
            elif _is_flat_by_no_trade(part, holdings.get(key, FLAT)):
                went_flat.add(part.symbol)
        for symbol in went_flat:
            here = _of_instrument(symbol, parts)
            held = _of_instrument(symbol, holdings)
            self._close(symbol, here, held, decimals)

    def _refuse_fills(self, part: Part) -> None:
        settled = self.done[part.symbol].row.place
        for fill in part.fills():
            text = (
                f"expected no trade after {settled}, where everybody went flat without a trade"
            )
            raise Wrong(
                fill.row.place, f"{text}: that is a settlement, or trades are missing there"
            )

    def _close(
        self,
        symbol: str,
        parts: Mapping[str, Part],
        holdings: Mapping[str, Holding],
        decimals: int,
    ) -> None:
        still_open = _still_open(parts, holdings, decimals)
        last = _last_flat_rows(parts)
        if not still_open or not still_open.keys() <= last.keys():
            return
        first = min(still_open, key=lambda trader: last[trader].line)
        lot_price = self._lot_price(symbol, still_open[first], last[first])
        if lot_price is None:
            return
        self.done[symbol] = Settlement(lot_price, last[first])
        for trader, holding in still_open.items():
            sign = -1 if holding.lots > 0 else 1
            fill = Fill(sign, abs(holding.lots), lot_price, last[trader])
            parts[trader].others.append(fill)

    def _lot_price(self, symbol: str, holding: Holding, row: AccountRow) -> Decimal | None:
        """The results' price, or else the price that explains what the row has realised, if there is one."""
        terms = self._terms[symbol]
        if terms.settlement is not None:
            return terms.settlement * terms.lot
        value = row.realized - holding.realized + holding.cost
        unit = holding.lots * (terms.tick or FINEST_TICK) * terms.lot
        if value % unit != 0 or value / holding.lots <= 0:
            return None
        return value / holding.lots


def _of_instrument(symbol: str, by_key: Mapping[Key, Of]) -> dict[str, Of]:
    """The values of one instrument, by trader."""
    return {trader: value for (trader, other), value in by_key.items() if other == symbol}


def _still_open(
    parts: Mapping[str, Part], holdings: Mapping[str, Holding], decimals: int
) -> dict[str, Holding]:
    """The positions that the moment's fills leave open."""
    left = dict(holdings)
    for trader, part in parts.items():
        for fill in part.fills():
            left[trader] = left.get(trader, FLAT).after(fill, decimals)
    return {trader: holding for trader, holding in left.items() if holding.lots}


def _last_flat_rows(parts: Mapping[str, Part]) -> dict[str, AccountRow]:
    """The last row of each trader that it shows flat."""
    last = {trader: part.rows[-1] for trader, part in parts.items() if part.rows}
    return {trader: row for trader, row in last.items() if row.position == 0}


def _is_flat_by_no_trade(part: Part, before: Holding) -> bool:
    if not part.rows or part.rows[-1].position != 0:
        return False
    traded = sum(fill.sign * fill.qty for fill in part.fills())
    return before.lots + traded != 0
