"""The bots of one round as processes: started one after the other, each with its log and its report, and what became of them."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from botpit.battle.config import Bot
from botpit.battle.reports import BotReport
from botpit.battle.results import BotResult, RestartResult
from botpit.io.child import command_of
from botpit.io.files import file_name
from botpit.io.fleet import Fleet
from botpit.io.log import fields
from botpit.io.order_port import equities

BOT_GRACE_S = 10.0
"""A bot that is told to stop has so long to cancel its orders; then it is killed."""
MAX_REPORT_BYTES = 1_048_576

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOptions:
    """What all bots of a round have in common. `log_level`: of a bot whose configuration has none."""

    python: str
    strategy_dir: Path
    log_level: str
    log_dir: Path
    report_dir: Path
    stagger_s: float

    def of_round(self, number: int, rounds: int) -> LaunchOptions:
        """Each round has folders of its own, if there are several."""
        if rounds == 1:
            return self
        name = f"round-{number}"
        return replace(self, log_dir=self.log_dir / name, report_dir=self.report_dir / name)


class BotProcesses:
    """The bots of one round."""

    def __init__(self, bots: Sequence[Bot], launch: LaunchOptions) -> None:
        self._bots = bots
        self._launch = launch
        self._fleet = Fleet(launch.log_dir)

    async def equities(self) -> tuple[dict[str, float], float | None]:
        """What the bots' accounts are worth before they start, and the cash of a new account, as far as the exchange says."""
        began: dict[str, float] = {}
        newcomers = None
        for uri in dict.fromkeys(bot.order_gateway_uri for bot in self._bots):
            told, newcomers = await equities(uri, [bot.trader_id for bot in self._bots if bot.order_gateway_uri == uri])
            began |= told
        return began, newcomers

    async def start(self, told: asyncio.Task[str]) -> None:
        """Start all, one after the other, until told to stop."""
        self._launch.report_dir.mkdir(parents=True, exist_ok=True)
        for bot in self._bots:
            if told.done():
                return
            await self._fleet.start(bot.trader_id, self._command(bot), restart_on_failure=bot.restart == "on-failure")
            await asyncio.wait({told}, timeout=self._launch.stagger_s)

    async def until_all_ended(self) -> None:
        await self._fleet.until_all_ended()

    async def stop(self) -> None:
        await self._fleet.stop(BOT_GRACE_S)

    def restarts(self) -> dict[str, int]:
        return {bot.trader_id: len(self._fleet.restarts(bot.trader_id)) for bot in self._bots}

    def reports(self) -> dict[str, BotReport]:
        """What the bots say of themselves, as far as they do."""
        found = ((bot.trader_id, self._report(bot)) for bot in self._bots)
        return {name: report for name, report in found if report is not None}

    def results(self, folder: Path) -> list[BotResult]:
        """How each was started and how it ended; its files as seen from `folder`."""
        return [self._result(bot, folder) for bot in self._bots]

    # ------------------------------------------------------------------------------------------------------------ one bot

    def _command(self, bot: Bot) -> list[str]:
        behind = self._launch
        ours = {
            "strategy-dir": behind.strategy_dir,
            "log-level": bot.log_level or behind.log_level,
            "report": self._report_path(bot),
        }
        flags = [f"--{name}={value}" for name, value in ours.items()]
        return command_of("bot", *flags, *bot.flags(), python=behind.python)

    def _report_path(self, bot: Bot) -> Path:
        return self._launch.report_dir / f"{file_name(bot.trader_id)}.json"

    def _report(self, bot: Bot) -> BotReport | None:
        path = self._report_path(bot)
        try:
            return _read_report(path, bot.trader_id)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.error("a report cannot be read %s", fields(name=bot.trader_id, report=path, reason=str(error)[:300]))
            return None

    def _result(self, bot: Bot, folder: Path) -> BotResult:
        name, report = bot.trader_id, self._report_path(bot)
        return BotResult(
            bot=bot,
            exit_code=self._fleet.exit_code(name),
            stopped=name in self._fleet.stopped,
            log=os.path.relpath(self._fleet.log_path(name), folder),
            report=os.path.relpath(report, folder) if report.exists() else None,
            restarts=[RestartResult(**asdict(each)) for each in self._fleet.restarts(name)],
            gave_up=name in self._fleet.gave_up,
        )


def _read_report(path: Path, trader_id: str) -> BotReport:
    """Raises OSError, ValueError."""
    with path.open("rb") as file:
        text = file.read(MAX_REPORT_BYTES + 1)
    if len(text) > MAX_REPORT_BYTES:
        raise ValueError(f"more than {MAX_REPORT_BYTES} bytes")
    report = BotReport.model_validate_json(text)
    if report.trader_id != trader_id:
        raise ValueError(f"it is the report of {report.trader_id}")
    return report
