"""The monitor: watches the relay's feed and shows it, as a live screen, as plain lines or as JSON lines.

It is read-only and may come and go at any time. The screen is drawn on a clock of its own and never
faster, so that a busy market costs the terminal nothing; what is shown is one `Watch`, whatever the
form.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from rich.console import Console
from rich.live import Live

from botpit.cli.program import add_usual_flags, parser_of, start
from botpit.io.exit_codes import ProgramError
from botpit.io.link import Link
from botpit.io.log import fields
from botpit.io.run import until_told_to_stop
from botpit.screen.monitor import MonitorScreen
from botpit.screen.text import foreign
from botpit.screen.watch import UnknownSymbol, Watch

FIRST_SNAPSHOT_S = 5.0
"""`--once` gives up after so long without a snapshot."""
LINE_S = 1.0
"""Plain and JSON lines come this far apart; a missing snapshot is asked for again this often."""
MAX_REFRESH_HZ = 60.0

_log = logging.getLogger("monitor")


class Monitor:
    """The link to the relay and what is known through it. `changed` is set by a first snapshot and
    by each turn of the link.
    """

    def __init__(self, uri: str, symbol: str | None) -> None:
        self.watch = Watch(uri, symbol)
        self.link = Link(
            uri, on_open=self._greeting, on_frame=self._received, on_state=self._link_changed
        )
        self.changed = asyncio.Event()
        self._asked_s = 0.0

    def ask_for_what_is_missing(self) -> None:
        """Subscribe again, which brings a snapshot, if one is awaited and was not asked for within
        the last second.
        """
        now_s = time.monotonic()
        if self.watch.session.waiting and now_s - self._asked_s >= LINE_S:
            for request in self.watch.ask_again():
                if self.link.send(request):
                    self._asked_s = now_s

    def _greeting(self) -> list[str]:
        self._asked_s = time.monotonic()
        return self.watch.opening()

    def _received(self, frame: bytes) -> None:
        was_ready = self.watch.ready
        try:
            complete = self.watch.received(frame, time.monotonic(), time.time_ns() // 1_000_000)
        except ValueError as error:
            if self.watch.unreadable_frames == 1:
                _log.warning(
                    "a frame that is not a message; further ones are only counted %s",
                    fields(error=error),
                )
            return
        if not complete:
            self.ask_for_what_is_missing()
        if self.watch.ready and not was_ready:
            self.changed.set()

    def _link_changed(self, connected: bool, reason: str) -> None:
        if (connected, reason) != (self.watch.connected, self.watch.reason):
            _log.info(
                "%s %s",
                "connected" if connected else "disconnected",
                fields(uri=self.watch.uri, reason=reason),
            )
            self.changed.set()
        self.watch.link_changed(connected, reason)


# -------------------------------------------------------------------------------------------- forms


async def show_once(
    monitor: Monitor, *, as_json: bool, patience_s: float = FIRST_SNAPSHOT_S
) -> int:
    """Print one frame, or one JSON line, as soon as there is a snapshot."""
    watch = monitor.watch
    try:
        async with asyncio.timeout(patience_s):
            while not watch.ready:
                monitor.changed.clear()
                await monitor.changed.wait()
    except TimeoutError:
        reason = (
            f"no snapshot from {watch.uri} within {patience_s:g} s ({foreign(watch.reason)})"
        )
        raise ProgramError(f"{reason}; is a relay running there?") from None
    if as_json:
        print(watch.json_line(time.monotonic()), flush=True)
    else:
        console = stdout_console()
        console.print(MonitorScreen(watch, time.monotonic()), height=console.height - 1, end="")
    return 0


async def show_json(monitor: Monitor) -> int:
    """One JSON line a second, whatever the state of the link."""
    while True:
        monitor.ask_for_what_is_missing()
        print(monitor.watch.json_line(time.monotonic()), flush=True)
        await asyncio.sleep(LINE_S)


async def show_lines(monitor: Monitor) -> int:
    """A line when the link turns, else at most one a second and only if something happened."""
    told_seq = -1
    while True:
        monitor.ask_for_what_is_missing()
        seq = monitor.watch.session.seq
        if monitor.changed.is_set() or seq != told_seq:
            monitor.changed.clear()
            told_seq = seq
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            print(stamp, monitor.watch.plain_line(time.monotonic()), flush=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(monitor.changed.wait(), LINE_S)


async def show_screen(monitor: Monitor, *, refresh_hz: float) -> int:
    """The live screen; the terminal is given back as it was, however this ends."""
    with Live(console=stdout_console(), auto_refresh=False, screen=True) as live:
        while True:
            monitor.ask_for_what_is_missing()
            live.update(MonitorScreen(monitor.watch, time.monotonic()), refresh=True)
            await asyncio.sleep(1 / refresh_hz)


def stdout_console() -> Console:
    """Writes escape codes only if stdout is a terminal; rich itself honours NO_COLOR."""
    return Console(
        force_terminal=sys.stdout.isatty(), markup=False, emoji=False, highlight=False
    )


# --------------------------------------------------------------------------------------------- main


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Watch a market until told to stop; returns the exit code."""
    options = arguments(argv, prog)
    # A log line on the terminal that shows the screen would tear it.
    log_level = "error" if draws(options) and sys.stderr.isatty() else options.log_level
    return start("monitor", log_level, lambda: watch(options))


async def watch(options: argparse.Namespace) -> int:
    """Watch until told to stop; returns the exit code. Raises ProgramError when it cannot watch as asked."""
    try:
        monitor = Monitor(options.uri, options.symbol)
    except ValueError as error:
        raise ProgramError(f"--uri: {foreign(str(error))}") from error
    try:
        return await first_end_of(
            shown(monitor, options), monitor.link.run(), until_told_to_stop()
        )
    except UnknownSymbol as error:
        raise ProgramError(f"--symbol: {foreign(str(error))}") from error
    except BrokenPipeError:
        # Whoever read our lines has seen enough; the interpreter's last flush must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def shown(monitor: Monitor, options: argparse.Namespace) -> Coroutine[Any, Any, int]:
    if options.once:
        return show_once(monitor, as_json=options.json)
    if options.json:
        return show_json(monitor)
    return (
        show_screen(monitor, refresh_hz=options.refresh_hz)
        if draws(options)
        else show_lines(monitor)
    )


def draws(options: argparse.Namespace) -> bool:
    """Whether the live screen is wanted and stdout can show it."""
    return (
        not (options.once or options.json)
        and sys.stdout.isatty()
        and not stdout_console().is_dumb_terminal
    )


async def first_end_of(*activities: Coroutine[Any, Any, int | str | None]) -> int:
    """Wait until one ends, then cancel the others; its exit code, 0 if it has none. Raises what it raised."""
    tasks = [asyncio.create_task(activity) for activity in activities]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        code = next(task for task in tasks if task.done()).result()
        return code if isinstance(code, int) else 0
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "Watch a botpit market: book, tape, traders. Read-only. Without a terminal: plain progress lines.",
        "example: %(prog)s --uri ws://127.0.0.1:9010 --symbol SIM",
    )
    parser.add_argument(
        "--uri",
        default="ws://127.0.0.1:9010",
        help="address of the relay (default: %(default)s)",
    )
    parser.add_argument("--symbol", help="instrument to show (default: the first)")
    parser.add_argument(
        "--refresh-hz",
        type=refresh_hz,
        default=4.0,
        help="redraws per second, up to 60 (default: 4)",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="print one frame and end; exit 2 if there is no market within 5 s",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON line per second instead of a screen"
    )
    add_usual_flags(parser, "default: %(default)s; silent below the screen")
    return parser.parse_args(argv)


def refresh_hz(text: str) -> float:
    if not 0 < (value := float(text)) <= MAX_REFRESH_HZ:
        raise argparse.ArgumentTypeError(
            f"{text} is not above 0 and at most {MAX_REFRESH_HZ:g}"
        )
    return value
