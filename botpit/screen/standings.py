"""Standings in words: what a position, and what befell a trader and the fund, is called on a screen."""

from __future__ import annotations

from botpit.battle.standings import Standing, standings
from botpit.clients.mirror import Mirror
from botpit.clients.statistics import Statistics
from botpit.screen.text import counted, foreign, money_text

__all__ = ["Standing", "forced_words", "house_words", "position_text", "standings"]


def position_text(positions: dict[str, int]) -> str:
    """`+5` in a market of one instrument, else `+5 SIM, -3 ABC`; `0` when flat."""
    open_lots = {symbol: lots for symbol, lots in positions.items() if lots}
    if len(positions) == 1:
        return ", ".join(f"{lots:+,}" for lots in open_lots.values()) or "0"
    return ", ".join(f"{lots:+,} {foreign(symbol)}" for symbol, lots in sorted(open_lots.items())) or "0"


def house_words(mirror: Mirror, statistics: Statistics) -> list[str]:
    """`3 liquidations`, `1 deleveraging`, `insurance 12.50`: as far as there is something to tell."""
    fund = [] if mirror.insurance_cash is None else [f"insurance {money_text(mirror.insurance_cash)}"]
    liquidations = statistics.liquidations_by_trader.total()
    return forced_words(liquidations, statistics.deleveragings_by_trader.total()) + fund


def forced_words(liquidations: int, deleveragings: int) -> list[str]:
    counts = {"liquidation": liquidations, "deleveraging": deleveragings}
    return [counted(number, word) for word, number in counts.items() if number]
