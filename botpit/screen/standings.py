"""Who stands where: one row per trader, the same for the monitor, for scripts and for a battle's end.

The rows are plain so that a runner may make them from any source; `standings` makes them from a mirror.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rich.table import Table
from rich.text import Text

from botpit.mirror import Mirror
from botpit.screen.words import cell, counted, foreign, gain_style, money_text
from message_schemas import PositionState


@dataclass(slots=True, kw_only=True)
class Standing:
    """One trader's account in money and lots. `positions` by symbol; what is counted was told while somebody looked.

    `liquidations` closed lots against his will because of himself, `deleveragings` because of somebody else's bankruptcy.
    """

    trader_id: str
    positions: dict[str, int] = field(default_factory=dict)
    cash: float
    realized_pnl: float
    unrealized_pnl: float
    total_equity: float
    trades: int = 0
    status: str = "active"
    liquidations: int = 0
    deleveragings: int = 0


TITLES = ("rank", "trader", "equity", "realised", "unrealised", "position", "trades")


def standings(mirror: Mirror) -> list[Standing]:
    """A row per trader with a position or a past one, best first."""
    accounts: dict[str, list[PositionState]] = {}
    for state in mirror.positions.values():
        accounts.setdefault(state.trader_id, []).append(state)
    return best_first(_standing(mirror, states) for states in accounts.values())


def _standing(mirror: Mirror, states: list[PositionState]) -> Standing:
    latest = states[-1]
    return Standing(
        trader_id=latest.trader_id,
        positions={state.symbol: state.position for state in states},
        cash=latest.cash,
        realized_pnl=round(sum(state.realized_pnl for state in states), 8),
        # Of the whole account and as fresh as its equity; the other instruments' own figures may be older.
        unrealized_pnl=round(latest.total_equity - latest.cash, 8),
        total_equity=latest.total_equity,
        trades=mirror.trades_by_trader[latest.trader_id],
        status=mirror.account_status.get(latest.trader_id, "active"),
        liquidations=mirror.liquidations_by_trader[latest.trader_id],
        deleveragings=mirror.deleveragings_by_trader[latest.trader_id],
    )


def best_first(rows: Iterable[Standing]) -> list[Standing]:
    """By equity, ties by trader id."""
    return sorted(rows, key=lambda row: (-row.total_equity, row.trader_id))


def ranked(rows: Iterable[Standing]) -> Iterator[tuple[int, Standing]]:
    """Best first with their ranks; equal equity is equal rank (1, 2, 2, 4)."""
    rank, equity = 0, None
    for place, row in enumerate(best_first(rows), start=1):
        if row.total_equity != equity:
            rank, equity = place, row.total_equity
        yield rank, row


def standings_table(rows: Iterable[Standing], title: str = "standings") -> Table:
    """For a terminal; what sets a trader apart stands below, where no narrow column cuts it."""
    table = Table(title=cell(title), title_justify="left", title_style="bold", header_style="bold")
    for name in TITLES:
        table.add_column(name, justify="left" if name == "trader" else "right", no_wrap=name != "trader")
    places = list(ranked(rows))
    for rank, row in places:
        table.add_row(*_styled(_words(rank, foreign(row.trader_id), row), row))
    remarks = [f"{foreign(row.trader_id)}: {remark}" for _, row in places if (remark := _remark(row))]
    table.caption, table.caption_justify = Text("\n".join(remarks)) if remarks else None, "left"
    return table


def standings_text(rows: Iterable[Standing]) -> str:
    """For no terminal: aligned columns, one line each, without escape codes."""
    lines = [list(TITLES), *(_words(rank, _name_and_remark(row), row) for rank, row in ranked(rows))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_aligned(line, widths) for line in lines)


def position_text(positions: dict[str, int]) -> str:
    """`+5` in a market of one instrument, else `+5 SIM, -3 ABC`; `0` when flat."""
    open_lots = {symbol: lots for symbol, lots in positions.items() if lots}
    if len(positions) == 1:
        return ", ".join(f"{lots:+,}" for lots in open_lots.values()) or "0"
    return ", ".join(f"{lots:+,} {foreign(symbol)}" for symbol, lots in sorted(open_lots.items())) or "0"


def house_words(mirror: Mirror) -> list[str]:
    """`3 liquidations`, `1 deleveraging`, `insurance 12.50`: as far as there is something to tell."""
    fund = [] if mirror.insurance_cash is None else [f"insurance {money_text(mirror.insurance_cash)}"]
    return _forced(mirror.liquidations_by_trader.total(), mirror.deleveragings_by_trader.total()) + fund


def _forced(liquidations: int, deleveragings: int) -> list[str]:
    counts = {"liquidation": liquidations, "deleveraging": deleveragings}
    return [counted(number, word) for word, number in counts.items() if number]


def _words(rank: int, name: str, row: Standing) -> list[str]:
    money = money_text(row.total_equity), money_text(row.realized_pnl, signed=True), money_text(row.unrealized_pnl, signed=True)
    return [str(rank), name, *money, position_text(row.positions), f"{row.trades:,}"]


def _remark(row: Standing) -> str:
    """What sets a trader apart: `frozen, 2 liquidations, 1 deleveraging`; empty for most."""
    status = [] if row.status == "active" else [foreign(row.status)]
    return ", ".join(status + _forced(row.liquidations, row.deleveragings))


def _name_and_remark(row: Standing) -> str:
    name, remark = foreign(row.trader_id), _remark(row)
    return f"{name} ({remark})" if remark else name


def _styled(words: list[str], row: Standing) -> list[Text]:
    styles = ["", "bold", "", gain_style(row.realized_pnl), gain_style(row.unrealized_pnl), "", ""]
    return [cell(word, style, right=name != "trader") for word, style, name in zip(words, styles, TITLES, strict=True)]


def _aligned(words: list[str], widths: list[int]) -> str:
    pairs = zip(words, widths, TITLES, strict=True)
    return "  ".join(word.ljust(width) if name == "trader" else word.rjust(width) for word, width, name in pairs).rstrip()
