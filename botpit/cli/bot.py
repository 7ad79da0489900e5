"""One bot: a strategy, the exchange's gateway and the relay's feed, in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bot_strategies import BUILT_IN, load_strategy
from botpit.bots import Brain, Counts, ReportError, counts_of
from botpit.cli.bot_links import Bot
from botpit.cli.program import add_usual_flags, parser_of, start
from botpit.io.exit_codes import ExitCode, ProgramError
from botpit.io.limits import LEAST_MEMORY_MB, LEAST_OPEN_FILES, LimitError, Limits, on_cpu_limit
from botpit.io.log import fields
from botpit.io.run import refused, until_told_to_stop
from botpit.io.state_file import StateFile, StateFileError
from message_schemas import ClientId

MEMORY_RESERVE_BYTES = 4 * 2**20
"""Of a bot whose memory is limited: what its strategy cannot use up."""
LONGEST_INTERVAL_S = 3_600.0

_log = logging.getLogger("bot")


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run one bot until it is told to stop or its strategy has failed; returns the exit code."""
    options = arguments(argv, prog)
    try:
        # Before any thread is there: the system sets address space aside for each.
        Limits(
            cpu_s=options.max_cpu_s,
            memory_mb=options.max_memory_mb,
            open_files=options.max_open_files,
        ).impose()
    except LimitError as error:
        flag = f"--max-{error.limit.replace('_', '-')}"
        return refused(ProgramError(f"{flag}{error.text}"))
    return start(f"bot:{options.trader_id}", options.log_level, lambda: begun(options))


def begun(options: argparse.Namespace) -> Coroutine[Any, Any, ExitCode]:
    """The bot that the flags ask for, about to trade. Raises ProgramError when there is none."""
    try:
        bot = make_bot(options)
    except ValueError as error:
        _log.debug("which came from", exc_info=error)
        raise ProgramError(str(error)) from error
    settings = ["strategy", "seed", "decision_interval"]
    if options.symbol is not None:
        settings.append("symbol")
    _log.info("started %s", fields(**{name: getattr(options, name) for name in settings}))
    on_cpu_limit(bot.cpu_limit_reached)
    return traded(bot)


async def traded(bot: Bot) -> ExitCode:
    """Trade until told to stop or until the strategy has failed."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(bot.trade()), group.create_task(stop_when_told(bot))]
            await bot.over.wait()
            if bot.brain.failed:
                _log.error("stopping %s", fields(reason=bot.brain.runner.failure))
            await bot.say_goodbye()
            for task in tasks:
                task.cancel()
    finally:
        bot.write_report()
    _log.info("stopped %s", bot.summary())
    return ExitCode.STRATEGY if bot.brain.failed else ExitCode.OK


async def stop_when_told(bot: Bot) -> None:
    _log.info("stopping %s", fields(reason=await until_told_to_stop()))
    bot.over.set()


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "Run one trading bot against a botpit exchange.",
        "example: %(prog)s --trader-id alice --strategy maker --strategy-param levels=3 --seed 7; exit codes:"
        " 0 stopped, 2 wrong flag, strategy, parameter or report, 3 the strategy crashed 10 times in a row,"
        " used up its CPU time or trades an instrument that is not there",
    )
    add_trading_flags(parser)
    add_limit_flags(parser)
    add_usual_flags(parser)
    return parser.parse_args(argv)


def add_trading_flags(parser: argparse.ArgumentParser) -> None:
    """Who trades what, how and where."""
    add = parser.add_argument
    strategies = (
        f"{', '.join(BUILT_IN)}, module:Class or path/to/file.py:Class (default: %(default)s)"
    )
    add(
        "--trader-id",
        required=True,
        type=client_id,
        help="who trades; letters, digits and _ . : / @ -",
    )
    add("--strategy", default="random", help=strategies)
    add(
        "--strategy-param",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=name_and_value,
        help="a parameter of the strategy; may be repeated",
    )
    add(
        "--strategy-dir",
        type=Path,
        default=Path(),
        help="folder that --strategy is relative to (default: .)",
    )
    add(
        "--symbol",
        type=client_id,
        help="the instrument it trades; left out: the one its strategy names, or else the first",
    )
    add("--seed", type=int, default=1, help="of the strategy's chance (default: %(default)s)")
    add(
        "--decision-interval",
        metavar="SECONDS",
        type=interval,
        default=0.5,
        help="default: %(default)s",
    )
    add("--market-data-uri", default="ws://127.0.0.1:9010", help="default: %(default)s")
    add("--order-gateway-uri", default="ws://127.0.0.1:9001", help="default: %(default)s")
    add(
        "--report",
        metavar="FILE",
        type=Path,
        help="keep counts, fees and latencies in this file; an existing one is continued",
    )


def add_limit_flags(parser: argparse.ArgumentParser) -> None:
    """What the process may use up."""
    add = parser.add_argument
    add(
        "--max-cpu-s",
        metavar="N",
        type=int,
        help="stop when so many seconds of CPU time are used up",
    )
    add(
        "--max-memory-mb",
        metavar="N",
        type=int,
        help=f"MiB of address space, at least {LEAST_MEMORY_MB}",
    )
    add(
        "--max-open-files",
        metavar="N",
        type=int,
        help=f"files and sockets, at least {LEAST_OPEN_FILES}",
    )


def client_id(text: str) -> str:
    try:
        return msgspec.convert(text, ClientId)
    except msgspec.ValidationError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not 1 … 64 letters, digits or _ . : / @ -, or begins with @"
        ) from error


def interval(text: str) -> float:
    value = float(text)
    if not 0 < value <= LONGEST_INTERVAL_S:
        raise argparse.ArgumentTypeError(
            f"{text} is not above 0 and at most {LONGEST_INTERVAL_S:g} seconds"
        )
    return value


def name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name.strip() or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name.strip(), value.strip()


def make_bot(options: argparse.Namespace) -> Bot:
    """Raises StrategyError, ReportError, or ValueError for an address that is not one."""
    report = options.report and StateFile(options.report)
    strategy = load_strategy(
        options.strategy,
        trader_id=options.trader_id,
        rng=random.Random(options.seed),
        params=dict(options.strategy_param),
        relative_to=options.strategy_dir,
    )
    brain = Brain(
        strategy,
        trader_id=options.trader_id,
        symbol=options.symbol,
        clock_s=time.monotonic,
        counts=counts_so_far(report, options.trader_id),
    )
    if options.max_memory_mb is not None:
        brain.runner.reserve_bytes = MEMORY_RESERVE_BYTES
    return Bot(
        brain,
        gateway_uri=options.order_gateway_uri,
        feed_uri=options.market_data_uri,
        decision_interval_s=options.decision_interval,
        report=report,
    )


def counts_so_far(report: StateFile | None, trader_id: str) -> Counts:
    """What the report holds; nothing yet without one. Raises ReportError."""
    if report is None:
        return Counts()
    try:
        text = report.read()
        if text is None:
            return Counts()
        return counts_of(text, trader_id)
    except (StateFileError, ReportError) as error:
        raise ReportError(f"--report {report.path}: {error}") from error
