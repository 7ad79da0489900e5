"""A battle's tables: every figure once, at any width, nothing cut but long names; and no terminal needed."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console, RenderableType

from botpit.battle.results import Latency, TotalResult, TraderResult
from botpit.screen.leaderboard import (
    Leaderboard,
    market_remarks,
    remarks,
    standings_tables,
    totals_tables,
)
from tests.battle.test_ranking import market, row

ALICE = row(
    "alice", 1, 1_234.5, total_equity=11_234.5, realized_pnl=1_200.0, unrealized_pnl=34.5, positions={"SIM": 5}, volume=12_345,
    trades=2_468, maker_share=0.256, fees=-7.25, max_drawdown=98.5, rejects={"price_band": 2, "rate_limited": 10}, restarts=3,
    latency_us=Latency(p50=850.4, p99=12_345.6, count=9),
)  # fmt: skip
BOB = row(
    "bob",
    2,
    -5.0,
    total_equity=9_995.0,
    volume=0,
    trades=0,
    status="bankrupt",
    liquidations=1,
    deleveragings=2,
)
FIGURES = [
    "1", "alice", "11,234.50", "+1,234.50", "+1,200.00", "+34.50", "+5", "2,468", "12,345", "26%", "-7.25", "98.50", "12", "3",
    "0.85", "12.35",
]  # fmt: skip
HEADS = [
    "rank", "trader", "equity", "gain", "realised", "unrealised", "position", "trades", "volume", "maker", "fees", "drawdown",
    "rejects", "restarts", "p50 ms", "p99 ms",
]  # fmt: skip


def drawn(renderable: RenderableType, width: int, height: int = 50) -> list[str]:
    file = io.StringIO()
    Console(
        file=file,
        width=width,
        height=height,
        force_terminal=True,
        color_system=None,
        legacy_windows=False,
    ).print(renderable)
    return [
        line.rstrip()
        for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue()).splitlines()
    ]


def cells(lines: list[str], name: str) -> list[str]:
    """What stands in the lines of tables in which `name` is a cell, the cells that each table repeats once."""
    found: list[str] = []
    for line in lines:
        row = [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]
        if name in row:
            found += row[2:] if found else row
    return found


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
def test_every_figure_is_there_once_at_every_width(width: int) -> None:
    lines = drawn(standings_tables([ALICE, BOB], "final standings"), width)
    assert lines[0] == "final standings"
    assert all(len(line) <= width for line in lines)
    assert cells(lines, "trader") == HEADS
    assert cells(lines, "alice") == FIGURES


@pytest.mark.parametrize(("width", "tables"), [(80, 3), (120, 2), (200, 1)])
def test_a_wide_terminal_has_one_table_a_narrow_one_several(width: int, tables: int) -> None:
    lines = drawn(standings_tables([ALICE, BOB], "final standings"), width)
    assert sum("┏" in line for line in lines) == tables


def test_without_a_terminal_there_is_one_table_of_plain_lines() -> None:
    title, head, alice, bob = (
        standings_tables([ALICE, BOB], "final standings").text().splitlines()
    )
    assert title == "final standings"
    assert re.split(r" {2,}", head.strip()) == HEADS
    assert alice.split() == FIGURES
    assert bob.split() == [
        "2",
        "bob",
        "9,995.00",
        "-5.00",
        "0.00",
        "0.00",
        "0",
        "0",
        "0",
        "-",
        "-",
        "1.00",
        "0",
        "0",
        "-",
        "-",
    ]
    assert alice.index("alice") == bob.index("bob") and len(head) >= len(alice)


def test_a_position_in_several_instruments_is_told_by_symbol() -> None:
    text = standings_tables(
        [replace(ALICE, positions={"SIM": -1, "ALT": 2, "NO": 0})], "x"
    ).text()
    assert "+2 ALT, -1 SIM" in text


# ------------------------------------------------------------------------------------------ remarks


def test_what_sets_a_trader_apart_is_told_in_a_line() -> None:
    assert remarks([ALICE, BOB, row("carol", 3, 0.0)]) == [
        "alice: refused 12: rate_limited 10, price_band 2", "bob: bankrupt, 1 liquidation, 2 deleveragings",
    ]  # fmt: skip
    both = replace(BOB, rejects={"account_bankrupt": 1_000})
    assert remarks([both]) == [
        "bob: bankrupt, 1 liquidation, 2 deleveragings; refused 1,000: account_bankrupt 1,000"
    ]


def test_what_befell_the_house_is_told_if_anything_did() -> None:
    assert market_remarks(market()) == []
    hit = replace(
        market(), liquidations=1, deleveragings=2, insurance_cash=-40.0, unseen_trades=3
    )
    assert market_remarks(hit) == [
        "1 liquidation, 2 deleveragings, insurance -40.00, 3 trades unseen"
    ]


@pytest.mark.parametrize("word", ["\x1b[2J", "a\nb", "[bold]x[/]", "\u202e", "\x9b1m"])
def test_foreign_words_are_shown_and_cannot_style_anything(word: str) -> None:
    hostile = replace(
        ALICE, trader_id=word, status=word, rejects={word: 1}, positions={word: 1, "SIM": 0}
    )
    tables = standings_tables([hostile], "final standings")
    live = drawn(Leaderboard(word, [hostile]), 200)
    for lines in (drawn(tables, 200), live, tables.text().splitlines()[1:], remarks([hostile])):
        assert all(char.isprintable() for line in lines for char in line)
        assert any(
            word.encode("unicode_escape").decode() in line or word in line for line in lines
        )


# --------------------------------------------------------------------------------------- all rounds


def test_totals_say_who_won_how_often() -> None:
    total = TotalResult(
        rank=1, trader_id="alice", gain=12.5, rounds_won=2, trades=30, volume=99, fees=None, max_drawdown=4.0, liquidations=0,
        restarts=1, rejects={"price_band": 2},
    )  # fmt: skip
    _, head, line = totals_tables([total], "totals of 3 rounds").text().splitlines()
    assert head.split() == [
        "rank",
        "trader",
        "gain",
        "won",
        "trades",
        "volume",
        "fees",
        "drawdown",
        "rejects",
        "restarts",
    ]
    assert line.split() == ["1", "alice", "+12.50", "2", "30", "99", "-", "4.00", "2", "1"]


# ------------------------------------------------------------------------------------ while it runs


def rows(count: int, **more: Any) -> list[TraderResult]:
    return [
        replace(ALICE, trader_id=f"a-trader-with-a-rather-long-name-{n}", rank=n, **more)
        for n in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (80, ["rank", "trader", "equity", "gain", "position", "trades"]),
        (120, [*HEADS[:4], "position", "trades", "drawdown", "restarts", "realised"]),
        (
            200,
            [
                *HEADS[:4],
                "position",
                "trades",
                "drawdown",
                "restarts",
                "realised",
                "unrealised",
                "volume",
                "maker",
            ],
        ),
    ],
)
def test_the_live_table_has_the_most_telling_columns_that_fit(
    width: int, heads: list[str]
) -> None:
    lines = drawn(Leaderboard("5 s: trading", rows(3)), width)
    assert cells(lines, "trader") == heads
    assert all(len(line) <= width for line in lines)
    assert lines[0] == "5 s: trading"


@pytest.mark.parametrize(("height", "count"), [(24, 9), (24, 100), (10, 9), (50, 1_000)])
def test_the_live_table_never_passes_the_terminal_and_says_how_many_are_left_out(
    height: int, count: int
) -> None:
    lines = drawn(Leaderboard("5 s: trading", rows(count)), 100, height)
    assert len(lines) < height
    shown = sum("a-trader" in line for line in lines)
    assert shown == count or lines[-1].strip() == f"… {count - shown:,} more"


def test_a_status_is_told_as_soon_as_somebody_is_not_active() -> None:
    assert "bankrupt" in cells(drawn(Leaderboard("x", [ALICE, BOB]), 80), "bob")
    assert "status" not in cells(drawn(Leaderboard("x", [ALICE]), 80), "trader")


def test_without_anybody_there_is_the_title_alone() -> None:
    assert drawn(Leaderboard("0 s: starting", []), 80) == ["0 s: starting"]
