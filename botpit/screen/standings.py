"""Standings in words: how a screen writes a position, forced trades and the insurance fund."""

from __future__ import annotations

from botpit.battle.standings import Standing, standings
from botpit.clients.mirror import Mirror
from botpit.clients.statistics import Statistics
from botpit.screen.text import counted, foreign, money_text

__all__ = [
    "Standing",
    "forced_words",
    "fund_words",
    "insurance_words",
    "position_text",
    "standings",
]


def position_text(positions: dict[str, int]) -> str:
    """`+5` in a market of one instrument, else `+5 SIM, -3 ABC`; `0` when flat."""
    words = []
    for symbol, lots in sorted(positions.items()):
        if lots == 0:
            continue
        if len(positions) == 1:
            words.append(f"{lots:+,}")
        else:
            words.append(f"{lots:+,} {foreign(symbol)}")
    return ", ".join(words) or "0"


def fund_words(mirror: Mirror, statistics: Statistics) -> list[str]:
    """`3 liquidations`, `1 deleveraging`, `insurance 12.50`: each only if there was any."""
    liquidations = statistics.liquidations_by_trader.total()
    deleveragings = statistics.deleveragings_by_trader.total()
    return forced_words(liquidations, deleveragings) + insurance_words(mirror.insurance_cash)


def forced_words(liquidations: int, deleveragings: int) -> list[str]:
    counts = {"liquidation": liquidations, "deleveraging": deleveragings}
    return [counted(number, word) for word, number in counts.items() if number]


def insurance_words(cash: float | None) -> list[str]:
    """Nothing until the fund first changes."""
    if cash is None:
        return []
    return [f"insurance {money_text(cash)}"]
