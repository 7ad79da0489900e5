"""Run a battle: a process per bot of a configuration, the feed watched to the end, the traders ranked, results.json written.

The fleet is processes and knows no prices, the audience reads the feed like anybody else: the standings are what everyone could
see, and the end of one bot, or the loss of the feed, ends nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import random
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bot_strategies import load_strategy
from botpit import __version__
from botpit.battle.config import BattleConfigError, Bot, parse_battle
from botpit.battle.results import BotResult, Results, TraderResult
from botpit.battle.spectator import Spectator, subscribe_request
from botpit.net.client import Link
from botpit.net.files import write_new
from botpit.net.fleet import Fleet
from botpit.net.processes import LOG_LEVELS, configure_logging, fields, printable, run, until_told_to_stop
from botpit.screen.standings import Standing, house_words, ranked, standings, standings_table, standings_text
from botpit.screen.words import foreign, money_text

PROGRESS_S = 5.0
BOT_GRACE_S = 10.0
"""A bot that is told to stop has so long to cancel its orders; then it is killed."""
LAST_SNAPSHOT_S = 2.0
EXIT_USAGE, EXIT_ALL_BOTS_FAILED, EXIT_WRITE_FAILED = 2, 3, 5
BOT_CLIENT = Path(__file__).resolve().with_name("bot_client.py")

log = logging.getLogger("runner")


class Audience:
    """A spectator with a connection to the feed. Raises ValueError when `uri` is no address."""

    def __init__(self, uri: str) -> None:
        self.spectator = Spectator()
        self.link = Link(uri, on_open=lambda: [subscribe_request()], on_frame=self._frame, on_state=self._state)
        self._reason = "connecting"
        self._last_snapshot = asyncio.Event()

    def progress(self) -> str:
        if self.spectator.mirror.market_id is None:
            return f"no market data from {self.link.uri} yet ({printable(self._reason)}); still trying"
        rows = standings(self.spectator.mirror)
        leader = f", {foreign(rows[0].trader_id)} leads with {money_text(rows[0].total_equity)}" if rows else ""
        lost = "" if self.link.connected else f" (feed lost: {printable(self._reason)})"
        words = [f"{self.spectator.trades:,} trades", f"{len(rows)} traders", *house_words(self.spectator.mirror)]
        return f"{', '.join(words)}{leader}{lost}"

    async def last_word(self) -> None:
        """Wait for the market as it is now, when the last bot has ended."""
        if self.link.send(self.spectator.last_request):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._last_snapshot.wait(), LAST_SNAPSHOT_S)
        if not self._last_snapshot.is_set():
            log.warning("no last snapshot: the standings are as last told %s", fields(feed=self._reason))

    def _frame(self, frame: bytes) -> None:
        try:
            if not self.spectator.received(frame):
                self.link.send(subscribe_request())
        except ValueError as error:
            log.error("a frame cannot be read %s", fields(reason=str(error)[:300]))
        if self.spectator.has_last_snapshot:
            self._last_snapshot.set()

    def _state(self, connected: bool, reason: str) -> None:
        if reason != self._reason:
            log.info("%s %s", "connected" if connected else "disconnected", fields(uri=self.link.uri, reason=reason))
        self._reason = reason


async def battle(bots: list[Bot], audience: Audience, options: argparse.Namespace) -> int:
    """The battle from the first process to the results; returns the exit code."""
    started_at = datetime.now(UTC)
    fleet = Fleet(options.log_dir)
    told = asyncio.create_task(until_told_to_stop())
    watching = asyncio.create_task(audience.link.run())
    try:
        for bot in bots:
            if not told.done():
                await fleet.start(bot.trader_id, command(bot, options))
        ended_by = await until_the_end(options.duration, audience, told, watching, fleet)
    finally:
        await fleet.stop(BOT_GRACE_S)
    await audience.last_word()
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    rows = standings(audience.spectator.mirror)
    results = Results(
        version=__version__,
        started_at=started_at.isoformat(timespec="milliseconds"),
        ended_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        ended_by=ended_by,
        market=audience.spectator.result(),
        standings=[TraderResult(rank=rank, **asdict(row)) for rank, row in ranked(rows)],
        bots=[result_of(bot, fleet) for bot in bots],
    )
    return report(rows, house_words(audience.spectator.mirror), results, options.results)


def command(bot: Bot, options: argparse.Namespace) -> list[str]:
    ours = [f"--strategy-dir={options.config.resolve().parent}", f"--log-level={bot.log_level or options.log_level}"]
    return [options.python, str(BOT_CLIENT), *ours, *bot.flags()]


async def until_the_end(
    duration_s: float, audience: Audience, told: asyncio.Task[str], watching: asyncio.Task[None], fleet: Fleet
) -> str:
    """Tell the progress until something ends the battle; return what."""
    started_s = time.monotonic()
    all_ended = asyncio.create_task(fleet.until_all_ended())
    while (left_s := started_s + duration_s - time.monotonic()) > 0:
        waiting = {told, watching, all_ended}
        done, _ = await asyncio.wait(waiting, timeout=min(PROGRESS_S, left_s), return_when=asyncio.FIRST_COMPLETED)
        if watching in done:
            watching.result()
        if done:
            return told.result() if told in done else "all bots ended"
        if left_s > PROGRESS_S:
            print(f"{time.monotonic() - started_s:.0f} s: {audience.progress()}", flush=True)
    return "duration"


def result_of(bot: Bot, fleet: Fleet) -> BotResult:
    name = bot.trader_id
    return BotResult(bot=bot, exit_code=fleet.exit_code(name), stopped=name in fleet.stopped, log=str(fleet.log_path(name)))


def report(rows: list[Standing], house: list[str], results: Results, path: Path) -> int:
    """Show the final table, what befell the house, and write the results; returns the exit code."""
    terminal = sys.stdout.isatty()
    console = Console(force_terminal=terminal, markup=False, emoji=False, highlight=False, soft_wrap=not terminal)
    console.print(standings_table(rows) if terminal else standings_text(rows))
    if house:
        print(", ".join(house), flush=True)
    try:
        print(f"results: {write_new(path, results.to_json())}", flush=True)
    except OSError as error:
        log.error("the results cannot be written %s", fields(reason=error))
        return EXIT_WRITE_FAILED
    return 0 if any(each.stopped or each.exit_code == 0 for each in results.bots) else EXIT_ALL_BOTS_FAILED


def options_of(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bot_battle_runner.py",
        description="Start every bot of a configuration, watch the battle, rank the traders.",
        epilog="example: python bot_battle_runner.py --config bots_config.json --duration 60",
    )
    parser.add_argument("--config", type=Path, default=Path("bots_config.json"), help="default: %(default)s")
    parser.add_argument("--duration", metavar="S", type=float, default=math.inf, help="seconds (default: until told to stop)")
    parser.add_argument("--results", type=Path, default=Path("results.json"), help="never overwritten (default: %(default)s)")
    parser.add_argument("--log-dir", type=Path, help="a log file per bot goes here (default: logs, beside --results)")
    parser.add_argument("--python", default=sys.executable, help="the bots' interpreter (default: this one)")
    parser.add_argument("--log-level", type=str.lower, choices=LOG_LEVELS, default="info", help="default: %(default)s")
    parser.add_argument("--version", action="version", version=f"botpit {__version__}")
    options = parser.parse_args(argv)
    if not options.duration > 0:
        parser.error("--duration takes more than 0 seconds")
    if shutil.which(options.python) is None:
        parser.error(f"--python: there is no program {options.python}")
    options.log_dir = options.log_dir or options.results.parent / "logs"
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = options_of(argv)
    configure_logging("runner", options.log_level)
    folder = options.config.resolve().parent

    def try_out(bot: Bot) -> None:
        rng = random.Random(bot.seed)
        load_strategy(bot.strategy, trader_id=bot.trader_id, rng=rng, params=bot.strategy_params, relative_to=folder)

    try:
        config = parse_battle(options.config.read_text(encoding="utf-8"), try_out)
        audience = Audience(config.market_data_uri)
        options.log_dir.mkdir(parents=True, exist_ok=True)
        options.results.parent.mkdir(parents=True, exist_ok=True)
    except BattleConfigError as error:
        print(*(f"error: {options.config}: {printable(each)}" for each in error.problems), sep="\n", file=sys.stderr)
        return EXIT_USAGE
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_USAGE
    return run(lambda: battle(config.all_bots(), audience, options))


if __name__ == "__main__":
    sys.exit(main())
