"""A battle while it runs, and each round at its end: a live table, or a line every few seconds.

The live table stands below everything printed and disappears with the battle, so that the terminal keeps only
the reports and the log. Log lines that go to the same terminal are printed above the table.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.live import Live

from botpit.battle.live.feed_connection import FeedConnection
from botpit.battle.ranking import trader_results
from botpit.battle.results import RoundResult, TotalResult, TraderResult
from botpit.screen.leaderboard import (
    Leaderboard,
    Tables,
    market_remarks,
    remarks,
    standings_tables,
    totals_tables,
)
from botpit.screen.standings import fund_words
from botpit.screen.text import counted, foreign, money_text

PROGRESS_S = 5.0
"""Time between two lines without a terminal."""
REFRESH_S = 0.4
"""Time between two drawings of the table on a terminal."""


class BattleBoard:
    """Shows how a battle goes: in lines or, on a terminal, in tables."""

    def __init__(self, connection: FeedConnection, rounds: int) -> None:
        self._connection = connection
        self._rounds = rounds
        self._began_s = time.monotonic()
        self.begin_round(1, dict)
        self._is_terminal = sys.stdout.isatty()
        self._console = Console(
            force_terminal=self._is_terminal, markup=False, emoji=False, highlight=False
        )

    def begin_round(self, number: int, restarts: Callable[[], Mapping[str, int]]) -> None:
        """`restarts` returns how often each bot of this round was restarted."""
        self._phase = "starting"
        self._round = number
        self._restarts = restarts

    def enter(self, phase: str) -> None:
        """A new phase of the round: `warm-up`, `trading` …"""
        self._phase = phase

    async def run(self) -> None:
        """Show the battle until cancelled; the terminal is then as it was."""
        if self._is_terminal and not self._console.is_dumb_terminal:
            with suppress(OSError):  # a terminal that is gone
                await self._draw()
        while True:
            await asyncio.sleep(PROGRESS_S)
            self.say(self.progress(self._rows()))

    def progress(self, rows: list[TraderResult]) -> str:
        """`65 s: round 2 of 3, warm-up, 120 trades, 9 traders, alice leads with +12.50`."""
        age_s = time.monotonic() - self._began_s
        words = [self._phase, *self._market(rows)]
        if self._rounds > 1:
            words.insert(0, f"round {self._round} of {self._rounds}")
        return f"{age_s:.0f} s: {', '.join(words)}"

    def say(self, text: str) -> None:
        """Print a text. A battle goes on when its output can no longer be written."""
        try:
            print(text, flush=True)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def show_round(self, result: RoundResult) -> None:
        title = "final standings"
        if self._rounds > 1:
            title = f"standings after round {result.round} of {self._rounds}"
        self._show(standings_tables(result.standings, title))
        for line in remarks(result.standings) + market_remarks(result.market):
            self.say(line)

    def show_totals(self, rows: list[TotalResult]) -> None:
        self._show(totals_tables(rows, f"totals of {counted(self._rounds, 'round')}"))

    # -------------------------------------------------------------------------------------------------- parts

    async def _draw(self) -> None:
        with (
            Live(console=self._console, auto_refresh=False, transient=True) as live,
            _log_above(),
        ):
            while True:
                rows = self._rows()
                live.update(Leaderboard(self.progress(rows), rows), refresh=True)
                await asyncio.sleep(REFRESH_S)

    def _show(self, tables: Tables) -> None:
        if self._is_terminal:
            self._console.print(tables)
        else:
            self.say(tables.text())

    def _rows(self) -> list[TraderResult]:
        return trader_results(self._connection.feed, restarts=self._restarts())

    def _market(self, rows: list[TraderResult]) -> Iterator[str]:
        feed = self._connection.feed
        link = self._connection.link
        reason = foreign(self._connection.reason)
        if feed.mirror.market_id is None:
            yield f"no market data from {link.uri} yet ({reason})"
            yield "still trying"
            return
        yield counted(feed.trades, "trade")
        yield counted(len(rows), "trader")
        yield from fund_words(feed.mirror, feed.statistics)
        if rows:
            leader = rows[0]
            yield f"{foreign(leader.trader_id)} leads with {money_text(leader.gain, signed=True)}"
        if not link.connected:
            yield f"feed lost ({reason})"


@contextmanager
def _log_above() -> Iterator[None]:
    """Print the log above a live table where the log goes to a terminal."""
    moved = []
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream.isatty():
            # stderr is the table's while it lives
            moved.append((handler, handler.setStream(sys.stderr)))
    try:
        yield
    finally:
        for handler, stream in moved:
            handler.setStream(stream)
