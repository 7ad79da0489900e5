"""A battle's rounds, one after the other: who plays, how long, and what is left of it when everybody has gone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from botpit.battle.config import BattleConfig
from botpit.battle.live.bot_processes import BotProcesses, LaunchOptions
from botpit.battle.live.feed_connection import FeedConnection
from botpit.battle.ranking import trader_results
from botpit.battle.results import BattleSettings, RoundResult
from botpit.io.log import fields
from botpit.io.order_port import Operator, OrderPortError
from botpit.io.run import until_told_to_stop

SETTLED_WITHIN_S = 10.0
"""When the market is closed, the feed shows everybody flat by then, or the standings are as last told."""
NEW_MARKET_S = 30.0
"""The feed tells of the market that was asked for by then, or the battle is over."""

log = logging.getLogger(__name__)


class Board(Protocol):
    """Whatever shows how a battle goes; on a terminal or in lines it is `botpit/screen/battle_board.py`."""

    def begin_round(self, number: int, restarts: Callable[[], Mapping[str, int]]) -> None:
        """`restarts`: how often each bot of this round was started again."""

    def enter(self, phase: str) -> None:
        """A new phase of the round: `warm-up`, `trading` …"""

    def show_round(self, result: RoundResult) -> None:
        """A round is over."""

    async def run(self) -> None:
        """Show the battle until cancelled."""


class Battle:
    """To be made and to `play` once, within a running event loop. `folder`: that of results.json.

    Without an `operator` there is one round, and the market stays as it is. `trouble`: why it could not be closed or begun anew.
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
        self._told = asyncio.create_task(until_told_to_stop())
        self._activities = {asyncio.create_task(connection.link.run()), asyncio.create_task(self._board.run())}

    async def play(self) -> str:
        """All rounds; returns what ended the last of them, or the trouble."""
        try:
            for number in range(1, self._settings.rounds + 1):
                self.rounds.append(result := await self._round(number))
                self._board.show_round(result)
                if self.trouble or self._told.done() or all(bot.failed for bot in result.bots):
                    break
        except OrderPortError as error:
            self.trouble = f"no new market: {error}"
        finally:
            for activity in self._activities:
                activity.cancel()
            await asyncio.gather(*self._activities, return_exceptions=True)
        return self.trouble or self.rounds[-1].ended_by

    async def _round(self, number: int) -> RoundResult:
        """One round, from the first look at the market to the last. Raises OrderPortError when it cannot be opened."""
        started_at = utc_now()
        bots = BotProcesses([bot.in_round(number) for bot in self._bots], self._launch.of_round(number, self._settings.rounds))
        self._board.begin_round(number, bots.restarts)
        await self._open_market()
        await self._connection.begin_round(*await bots.equities())
        try:
            await bots.start(self._told)
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
        """Have a new market begin if this one is closed: by us, or by whoever was here before. Raises OrderPortError."""
        if self._operator is None:
            return
        if not self.rounds:
            await self._connection.begin_round({}, None)
            if not self._connection.feed.is_closed:
                return
        feed = self._connection.feed
        closed = feed.mirror.market_id
        await self._operator.reopen()
        if not await self._connection.until(lambda: feed.mirror.market_id not in (None, closed), NEW_MARKET_S):
            raise OrderPortError(f"the feed tells of none within {NEW_MARKET_S:g} s")

    async def _trade(self, bots: BotProcesses) -> str:
        """Warm-up, then the time that counts, until something ends the round; returns what."""
        all_ended = asyncio.create_task(bots.until_all_ended())
        over_s = time.monotonic() + self._settings.duration_s if self._settings.duration_s else None
        if self._settings.warm_up_s:
            self._board.enter("warm-up")
            if ended_by := await self._wait(self._settings.warm_up_s, all_ended):
                return ended_by
            await self._connection.look("after the warm-up")
            self._connection.feed.equities.start_over()
        self._board.enter("trading")
        left_s = None if over_s is None else max(0.0, over_s - time.monotonic())
        return await self._wait(left_s, all_ended) or "duration"

    async def _come_to_rest(self) -> dict[str, float]:
        """Let the marks settle, then, if there is an operator, all accounts; returns the price of each instrument it closed."""
        if self._settings.cool_down_s and not self._told.done():
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
        if not await self._connection.until(lambda: self._connection.feed.is_flat, SETTLED_WITHIN_S):
            log.warning("not everybody is told to be flat %s", fields(within_s=SETTLED_WITHIN_S, feed=self._connection.reason))
        return settlement

    async def _wait(self, seconds: float | None, *ends: asyncio.Task[Any]) -> str | None:
        """Wait so long, or less when the battle is told to stop or all bots have ended; returns which."""
        waiting = {self._told, *self._activities, *ends}
        done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for activity in self._activities & done:
            activity.result()
        if self._told in done:
            return self._told.result()
        return "all bots ended" if done else None


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
