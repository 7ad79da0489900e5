"""The bots of one round as processes: started one after the other, each with a log and a report."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from botpit.battle.config import Bot
from botpit.battle.reports import BotReport
from botpit.battle.results import BotResult, RestartResult
from botpit.io.child import command_of
from botpit.io.exit_codes import ExitCode
from botpit.io.files import file_name
from botpit.io.fleet import Fleet
from botpit.io.log import fields
from botpit.io.order_port import equities
from botpit.io.supervisor import RestartPolicy

BOT_GRACE_S = 10.0
"""So long a bot may take to cancel its orders when it is stopped; then it is killed."""
RESTARTS = RestartPolicy(
    final_codes=frozenset({ExitCode.OK, ExitCode.USAGE}),
    backoff_s=(0.5, 1.0, 2.0, 4.0, 8.0),
    gives_up=True,
)
"""For a bot whose `restart` is `on-failure`."""
MAX_REPORT_BYTES = 1_048_576
MAX_REASON_CHARS = 300

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchOptions:
    """What all bots of a round have in common. `log_level` is for bots whose configuration has none."""

    python: str
    strategy_dir: Path
    log_level: str
    log_dir: Path
    report_dir: Path
    stagger_s: float

    def of_round(self, number: int, rounds: int) -> LaunchOptions:
        """With several rounds, each has folders of its own."""
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
        """The bots' equity before they start, and the cash of a new account, where an exchange answers."""
        traders_by_uri: defaultdict[str, list[str]] = defaultdict(list)
        for bot in self._bots:
            traders_by_uri[bot.order_gateway_uri].append(bot.trader_id)
        equity: dict[str, float] = {}
        new_cash = None
        for uri, trader_ids in traders_by_uri.items():
            found, new_cash = await equities(uri, trader_ids)
            equity |= found
        return equity, new_cash

    async def start(self, stop: asyncio.Task[str]) -> None:
        """Start all, one after the other, until `stop` is done."""
        self._launch.report_dir.mkdir(parents=True, exist_ok=True)
        for bot in self._bots:
            if stop.done():
                return
            policy = RESTARTS if bot.restart == "on-failure" else None
            await self._fleet.start(bot.trader_id, self._command(bot), policy)
            await asyncio.wait({stop}, timeout=self._launch.stagger_s)

    async def until_all_ended(self) -> None:
        await self._fleet.until_all_ended()

    async def stop(self) -> None:
        await self._fleet.stop(BOT_GRACE_S)

    def restarts(self) -> dict[str, int]:
        return {bot.trader_id: len(self._fleet.restarts(bot.trader_id)) for bot in self._bots}

    def reports(self) -> dict[str, BotReport]:
        """The reports that bots have written, by trader."""
        found = {}
        for bot in self._bots:
            report = self._report(bot)
            if report is not None:
                found[bot.trader_id] = report
        return found

    def results(self, folder: Path) -> list[BotResult]:
        """How each bot was started and how it ended; its files relative to `folder`."""
        return [self._result(bot, folder) for bot in self._bots]

    # ------------------------------------------------------------------------------------------------ one bot

    def _command(self, bot: Bot) -> list[str]:
        launch = self._launch
        return command_of(
            "bot",
            f"--strategy-dir={launch.strategy_dir}",
            f"--log-level={bot.log_level or launch.log_level}",
            f"--report={self._report_path(bot)}",
            *bot.flags(),
            python=launch.python,
        )

    def _report_path(self, bot: Bot) -> Path:
        return self._launch.report_dir / f"{file_name(bot.trader_id)}.json"

    def _report(self, bot: Bot) -> BotReport | None:
        path = self._report_path(bot)
        try:
            return _read_report(path, bot.trader_id)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            reason = str(error)[:MAX_REASON_CHARS]
            log.error(
                "a report cannot be read %s",
                fields(name=bot.trader_id, report=path, reason=reason),
            )
            return None

    def _result(self, bot: Bot, folder: Path) -> BotResult:
        name = bot.trader_id
        report = self._report_path(bot)
        restarts = self._fleet.restarts(name)
        return BotResult(
            bot=bot,
            exit_code=self._fleet.exit_code(name),
            stopped=name in self._fleet.stopped,
            log=os.path.relpath(self._fleet.log_path(name), folder),
            report=os.path.relpath(report, folder) if report.exists() else None,
            restarts=[RestartResult(**asdict(restart)) for restart in restarts],
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
