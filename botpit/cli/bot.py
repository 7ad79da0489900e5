"""One bot: a strategy, the exchange's gateway and the relay's feed, in a process of its own.

The bot's mind is `botpit.bots.Brain`, which has neither sockets nor clock; this process lends it both and
writes its log.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import time
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from bot_strategies import BUILT_IN, load_strategy
from botpit.bots import Brain, Counts, Notice, Output, ReportError, counts_of, report_text, request_text
from botpit.cli.program import add_usual_flags, parser_of, start
from botpit.io.exit_codes import ExitCode, ProgramError
from botpit.io.limits import LEAST_MEMORY_MB, LEAST_OPEN_FILES, CpuLimitReached, Limits, on_cpu_limit
from botpit.io.link import Link
from botpit.io.log import fields
from botpit.io.rate_limited_log import RateLimitedLog
from botpit.io.run import refused, until_told_to_stop
from botpit.io.state_file import StateFile, StateFileError
from message_schemas import (
    ClientId,
    LoggedIn,
    Message,
    OrderAccepted,
    OrderRequest,
    SubscribeRequest,
    parse_messages,
)

GOODBYE_S = 1.0
"""How long a stopping bot waits for the answer to its cancel_all; a lost connection cancels as well."""
SUMMARY_S = 10.0
"""Fills are summed up in the log this often."""
REPORT_S = 2.0
"""The report is written at most this often, and at each login, so before any order is sent."""
TROUBLE_LINES_PER_S = 10
"""Refused orders, crashes and hints beyond this are counted instead of logged."""
MEMORY_RESERVE_BYTES = 4 * 2**20
"""Of a bot whose memory is limited: what its strategy cannot use up."""
LONGEST_INTERVAL_S = 3_600.0

_log = logging.getLogger("bot")


class Bot:
    """A brain on its two links, and its `report` with what the brain counts.

    `over` is set when it is to stop: the strategy has failed, or somebody said so.
    """

    def __init__(
        self,
        brain: Brain,
        *,
        gateway_uri: str,
        feed_uri: str,
        decision_interval_s: float,
        report: StateFile | None = None,
    ) -> None:
        self.brain = brain
        self.over = asyncio.Event()
        self._report = report
        self._said_goodbye = asyncio.Event()
        self._gateway = Link(
            gateway_uri, on_open=self._greeting, on_frame=self._gateway_frame, on_state=self._gateway_state
        )
        self._feed = Link(
            feed_uri, on_open=self._subscription, on_frame=self._feed_frame, on_state=self._feed_state
        )
        self._decision_interval_s = decision_interval_s
        self._trouble = RateLimitedLog(_log, per_s=TROUBLE_LINES_PER_S)
        self._link_reasons: dict[str, str] = {}

    async def trade(self) -> None:
        """Connect, listen and decide until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._gateway.run())
            group.create_task(self._feed.run())
            group.create_task(self._sum_up())
            group.create_task(self._keep_report())
            while True:
                await asyncio.sleep(self._decision_interval_s)
                self._carry_out(self.brain.timer(now_ms()))

    async def say_goodbye(self) -> None:
        """Cancel all own orders and log out, as far as the exchange answers within a second."""
        self._carry_out(self.brain.stop(now_ms()))
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._said_goodbye.wait()

    def cpu_limit_reached(self) -> None:
        """Give the strategy up, whatever it does at this moment, as one that has failed."""
        self.brain.runner.give_up(CpuLimitReached("CPU limit reached"))

    def write_report(self) -> None:
        if self._report is not None:
            self._report.keep(report_text(self.brain.session.trader_id, self.brain.counts))

    def summary(self) -> str:
        counts = self.brain.counts
        done = {"accepted": counts.accepted, "fills": counts.fills, "lots": counts.filled_qty}
        rejected = {f"rejected_{reason}": times for reason, times in sorted(counts.rejected.items())}
        holds = self.brain.state.summary()
        return fields(**done, **holds, rejected=counts.rejected.total(), **rejected, **counts.summary())

    # -------------------------------------------------------------------------------------------------- links

    def _greeting(self) -> Iterable[str]:
        return map(request_text, self.brain.gateway_opened(now_ms()))

    def _subscription(self) -> Iterable[str]:
        return map(request_text, self.brain.feed_opened())

    def _gateway_frame(self, frame: bytes) -> None:
        for message in self._messages(frame):
            self._carry_out(self.brain.gateway_message(message, now_ms()))
            if isinstance(message, LoggedIn):
                self.write_report()
            if isinstance(message, OrderAccepted):
                ids = fields(order_id=message.order_id, client_order_id=message.client_order_id)
                _log.debug("accepted %s", ids)

    def _feed_frame(self, frame: bytes) -> None:
        for message in self._messages(frame):
            self._carry_out(self.brain.feed_message(message, now_ms()))

    def _gateway_state(self, connected: bool, reason: str) -> None:
        self._note_link("gateway", self._gateway.uri, connected, reason)
        if not connected:
            self.brain.gateway_lost()
            self._carry_out([])

    def _feed_state(self, connected: bool, reason: str) -> None:
        self._note_link("feed", self._feed.uri, connected, reason)
        if not connected:
            self.brain.feed_lost()

    def _messages(self, frame: bytes) -> list[Message]:
        try:
            return parse_messages(frame)
        except ValueError as error:
            self._trouble.say(logging.WARNING, "ignored a frame that is not a message", {"reason": error})
            return []

    def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Notice():
                    level = logging.INFO if output.routine else logging.WARNING
                    self._trouble.say(level, output.what, output.details, output.error)
                case SubscribeRequest():
                    self._feed.send(request_text(output))
                case _:
                    if self._gateway.send(request_text(output)) and isinstance(output, OrderRequest):
                        self.brain.handed_over(output)
        if self.brain.failed:
            self.over.set()
        if self.brain.finished:
            self._said_goodbye.set()

    # ---------------------------------------------------------------------------------------------------- log

    def _note_link(self, name: str, uri: str, connected: bool, reason: str) -> None:
        """A failed attempt is told once, not at each of its repetitions."""
        if self._link_reasons.get(name) != reason:
            self._link_reasons[name] = reason
            what = "connected" if connected else "not connected"
            _log.info("%s %s", what, fields(to=name, uri=uri, reason=reason))

    async def _sum_up(self) -> None:
        told = 0
        while True:
            await asyncio.sleep(SUMMARY_S)
            if self.brain.counts.fills != told:
                told = self.brain.counts.fills
                _log.info("trading %s", self.summary())

    async def _keep_report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self.write_report()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# ------------------------------------------------------------------------------------------------------- main


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run one bot until it is told to stop or its strategy has failed; returns the exit code."""
    options = arguments(argv, prog)
    try:
        # Before any thread is there: the system sets address space aside for each.
        Limits(
            cpu_s=options.max_cpu_s, memory_mb=options.max_memory_mb, open_files=options.max_open_files
        ).impose()
    except ValueError as error:
        return refused(ProgramError(str(error)))
    return start(f"bot:{options.trader_id}", options.log_level, lambda: begun(options))


def begun(options: argparse.Namespace) -> Coroutine[Any, Any, ExitCode]:
    """The bot that the flags ask for, about to trade. Raises ProgramError when there is none."""
    try:
        bot = make_bot(options)
    except ValueError as error:
        _log.debug("which came from", exc_info=error)
        raise ProgramError(str(error)) from error
    settings = ("strategy", "seed", "decision_interval")
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
    strategies = f"{', '.join(BUILT_IN)}, module:Class or path/to/file.py:Class (default: %(default)s)"
    add("--trader-id", required=True, type=client_id, help="who trades; letters, digits and _ . : / @ -")
    add("--strategy", default="random", help=strategies)
    add("--strategy-param", metavar="NAME=VALUE", action="append", default=[], type=name_and_value,
        help="a parameter of the strategy; may be repeated")  # fmt: skip
    add("--strategy-dir", type=Path, default=Path(),
        help="folder that --strategy is relative to (default: .)")  # fmt: skip
    add("--symbol", type=client_id,
        help="the instrument it trades; left out: the one its strategy names, or else the first")  # fmt: skip
    add("--seed", type=int, default=1, help="of the strategy's chance (default: %(default)s)")
    add("--decision-interval", metavar="SECONDS", type=interval, default=0.5, help="default: %(default)s")
    add("--market-data-uri", default="ws://127.0.0.1:9010", help="default: %(default)s")
    add("--order-gateway-uri", default="ws://127.0.0.1:9001", help="default: %(default)s")
    add("--report", metavar="FILE", type=Path,
        help="keep counts, fees and latencies in this file; an existing one is continued")  # fmt: skip


def add_limit_flags(parser: argparse.ArgumentParser) -> None:
    """What the process may use up."""
    add = parser.add_argument
    add("--max-cpu-s", metavar="N", type=int, help="stop when so many seconds of CPU time are used up")
    add("--max-memory-mb", metavar="N", type=int, help=f"MiB of address space, at least {LEAST_MEMORY_MB}")
    add("--max-open-files", metavar="N", type=int, help=f"files and sockets, at least {LEAST_OPEN_FILES}")


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
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most {LONGEST_INTERVAL_S:g} seconds")
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
