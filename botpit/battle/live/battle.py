"""A battle's rounds, one after the other: the market opened, the bots run, the market closed, the result."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from botpit.battle.config import BattleConfig
from botpit.battle.live.bot_processes import BotProcesses, LaunchOptions
from botpit.battle.live.feed_connection import FeedConnection
from botpit.battle.ranking import trader_results
from botpit.battle.results import BattleSettings, RoundResult
from botpit.io.log import fields, utc_now
from botpit.io.order_port import Operator, OrderPortError
from botpit.io.run import until_told_to_stop

SETTLED_WITHIN_S = 10.0
"""So long after a close the feed may take to show everybody flat; else the standings are as last received."""
NEW_MARKET_S = 30.0
"""So long the feed may take to show a new market; else the battle is over."""

log = logging.getLogger(__name__)


class Board(Protocol):
    """Shows how a battle goes; `botpit/screen/battle_board.py` is one."""

    def begin_round(self, number: int, restarts: Callable[[], Mapping[str, int]]) -> None:
        """`restarts` returns how often each bot of this round was restarted."""

    def enter(self, phase: str) -> None:
        """A new phase of the round: `warm-up`, `trading` …"""

    def show_round(self, result: RoundResult) -> None:
        """A round is over."""

    async def run(self) -> None:
        """Show the battle until cancelled."""


class Battle:
    """Made within a running event loop, to `play` once. `folder` is that of results.json.

    Without an `operator` there is one round, and the market stays as it is. `trouble` is the reason why the
    market could not be closed or reopened.
    """

    def __init__(
        self,
        config: BattleConfig,
        settings: BattleSettings,
        connection: FeedConnection,
        operator: Operator | None,
        launch: LaunchOptions,
        board: Board,
        folder: Path,
    ) -> None:
        self.rounds: list[RoundResult] = []
        self.trouble: str | None = None
        self._board = board
        self._bots = config.all_bots()
        self._settings = settings
        self._connection = connection
        self._operator = operator
        self._launch = launch
        self._folder = folder
        self._stop = asyncio.create_task(until_told_to_stop())
        self._activities = {
            asyncio.create_task(connection.link.run()),
            asyncio.create_task(board.run()),
        }

    async def play(self) -> str:
        """Play all rounds; return what ended the last of them, or the trouble."""
        try:
            for number in range(1, self._settings.rounds + 1):
                result = await self._round(number)
                self.rounds.append(result)
                self._board.show_round(result)
                all_failed = all(bot.failed for bot in result.bots)
                if self.trouble or self._stop.done() or all_failed:
                    break
        except OrderPortError as error:
            self.trouble = f"no new market: {error}"
        finally:
            for activity in self._activities:
                activity.cancel()
            await asyncio.gather(*self._activities, return_exceptions=True)
        return self.trouble or self.rounds[-1].ended_by

    async def _round(self, number: int) -> RoundResult:
        """One round, from the first look at the market to the last. Raises OrderPortError."""
        started_at = utc_now()
        launch = self._launch.of_round(number, self._settings.rounds)
        bots = BotProcesses([bot.in_round(number) for bot in self._bots], launch)
        self._board.begin_round(number, bots.restarts)
        await self._open_market()
        equities, new_cash = await bots.equities()
        await self._connection.begin_round(equities, new_cash)
        try:
            await bots.start(self._stop)
            ended_by = await self._trade(bots)
        finally:
            await bots.stop()
        settlement = await self._come_to_rest()
        await self._connection.look("at the end")
        return RoundResult(
            round=number,
            started_at=started_at,
            ended_at=utc_now(),
            ended_by=ended_by,
            market=self._connection.feed.result(settlement),
            standings=trader_results(self._connection.feed, bots.reports(), bots.restarts()),
            bots=bots.results(self._folder),
        )

    async def _open_market(self) -> None:
        """Ask for a new market if this one is closed, by us or before us. Raises OrderPortError."""
        if self._operator is None:
            return
        if not self.rounds:
            await self._connection.begin_round({}, None)
            if not self._connection.feed.is_closed:
                return
        feed = self._connection.feed
        closed = feed.mirror.market_id
        await self._operator.reopen()

        def is_new() -> bool:
            return feed.mirror.market_id not in (None, closed)

        if not await self._connection.until(is_new, NEW_MARKET_S):
            raise OrderPortError(f"the feed shows none within {NEW_MARKET_S:g} s")

    async def _trade(self, bots: BotProcesses) -> str:
        """Warm-up, then the time that counts, until something ends the round; return what."""
        all_ended = asyncio.create_task(bots.until_all_ended())
        began_s = time.monotonic()
        if self._settings.warm_up_s:
            self._board.enter("warm-up")
            if ended_by := await self._wait(self._settings.warm_up_s, all_ended):
                return ended_by
            await self._connection.look("after the warm-up")
            self._connection.feed.equities.start_over()
        self._board.enter("trading")
        left_s = None
        if self._settings.duration_s:
            left_s = max(0.0, began_s + self._settings.duration_s - time.monotonic())
        return await self._wait(left_s, all_ended) or "duration"

    async def _come_to_rest(self) -> dict[str, float]:
        """Let the marks settle; then let the operator, if any, settle all accounts.

        Return the settlement prices.
        """
        if self._settings.cool_down_s and not self._stop.done():
            self._board.enter("cool-down")
            await self._wait(self._settings.cool_down_s)
        if self._operator is None:
            return {}
        self._board.enter("closing")
        try:
            settlement = await self._operator.close()
        except OrderPortError as error:
            self.trouble = f"the market could not be closed: {error}"
            return {}
        if not await self._connection.until(
            lambda: self._connection.feed.is_flat, SETTLED_WITHIN_S
        ):
            late = fields(within_s=SETTLED_WITHIN_S, feed=self._connection.reason)
            log.warning("the feed does not show everybody flat %s", late)
        return settlement

    async def _wait(self, seconds: float | None, *ends: asyncio.Task[Any]) -> str | None:
        """Wait so long, or less when the battle is stopped or all bots have ended; return which."""
        waiting = {self._stop, *self._activities, *ends}
        done, _ = await asyncio.wait(
            waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for activity in self._activities & done:
            activity.result()
        if self._stop in done:
            return self._stop.result()
        return "all bots ended" if done else None
