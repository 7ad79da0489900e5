"""A battle while it runs, and each round at its end: a table that lives on a terminal, else a line now and then.

The live table stands below all that was printed and leaves when the battle is over, so that the terminal keeps the reports and
the log and nothing else. Log lines that go to the same terminal are printed above it.
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
from botpit.screen.leaderboard import Leaderboard, Tables, market_remarks, remarks, standings_tables, totals_tables
from botpit.screen.standings import house_words
from botpit.screen.text import counted, foreign, money_text

PROGRESS_S = 5.0
"""Without a terminal a line comes this often."""
REFRESH_S = 0.4
"""On a terminal the table is drawn anew this often."""


class BattleBoard:
    """Shows how a battle goes: in lines or, on a terminal, in tables."""

    def __init__(self, connection: FeedConnection, rounds: int) -> None:
        self._connection = connection
        self._rounds = rounds
        self._began_s = time.monotonic()
        self.begin_round(1, dict)
        self._is_terminal = sys.stdout.isatty()
        self._console = Console(force_terminal=self._is_terminal, markup=False, emoji=False, highlight=False)

    def begin_round(self, number: int, restarts: Callable[[], Mapping[str, int]]) -> None:
        """`restarts`: how often each bot of this round was started again."""
        self._phase, self._round, self._restarts = "starting", number, restarts

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
        where = [f"round {self._round} of {self._rounds}"] if self._rounds > 1 else []
        market = self._no_market() if self._connection.feed.mirror.market_id is None else self._market(rows)
        return f"{time.monotonic() - self._began_s:.0f} s: {', '.join([*where, self._phase, *market])}"

    def say(self, text: str) -> None:
        """Print a text. That nobody can read it any more is no reason to end a battle."""
        try:
            print(text, flush=True)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def show_round(self, result: RoundResult) -> None:
        title = f"standings after round {result.round} of {self._rounds}" if self._rounds > 1 else "final standings"
        self._show(standings_tables(result.standings, title))
        for line in remarks(result.standings) + market_remarks(result.market):
            self.say(line)

    def show_totals(self, rows: list[TotalResult]) -> None:
        self._show(totals_tables(rows, f"totals of {counted(self._rounds, 'round')}"))

    # ------------------------------------------------------------------------------------------------------------- parts

    async def _draw(self) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live, _log_above():
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

    def _no_market(self) -> list[str]:
        return [f"no market data from {self._connection.link.uri} yet ({foreign(self._connection.reason)})", "still trying"]

    def _market(self, rows: list[TraderResult]) -> list[str]:
        feed, link = self._connection.feed, self._connection.link
        leader = [f"{foreign(rows[0].trader_id)} leads with {money_text(rows[0].gain, signed=True)}"] if rows else []
        lost = [] if link.connected else [f"feed lost ({foreign(self._connection.reason)})"]
        counts = [counted(feed.trades, "trade"), counted(len(rows), "trader")]
        return [*counts, *house_words(feed.mirror, feed.statistics), *leader, *lost]


@contextmanager
def _log_above() -> Iterator[None]:
    """Let the log's lines go where they are printed above a live table, if they go to a terminal."""
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)]
    moved = [(each, each.setStream(sys.stderr)) for each in handlers if each.stream.isatty()]
    try:
        yield
    finally:
        for handler, stream in moved:
            handler.setStream(stream)
