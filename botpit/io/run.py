"""How a program runs: on its event loop, until it is told to stop or ends by itself.

An order to stop is remembered, never raised: the first SIGINT, SIGTERM or end of stdin wakes
`until_told_to_stop`, later ones change nothing, so that a second Ctrl-C cannot cut a shutdown short and leave
children behind. A child's stdin is a pipe whose other end only its parent holds: the kernel closes it however
the parent ends, and the child then ends itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from botpit.io.exit_codes import ExitCode, ProgramError
from botpit.io.log import printable

LIFELINE = "BOTPIT_LIFELINE"
"""Environment variable; "1" means: end when stdin closes."""
ORPHAN_GRACE_S = 10.0
"""So long after its parent is gone, a child whose event loop still runs ends by force."""

_log = logging.getLogger(__name__)


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a process's main on uvloop (asyncio where there is none) and return its exit code.

    SIGINT and SIGTERM are handled from before `main` begins. A ProgramError ends the program with its text.
    Any other exception is a fault of the program: it is logged, and the exit code is ExitCode.FAULT.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_listening(main))
        except ProgramError as error:
            return refused(error)
        except Exception:
            _log.critical("crashed", exc_info=True)
            return ExitCode.FAULT


def refused(error: ProgramError) -> ExitCode:
    """Print the problems on stderr; return the exit code."""
    for problem in error.problems:
        print(f"error: {printable(problem)}", file=sys.stderr)
    return error.exit_code


async def until_told_to_stop() -> str:
    """Wait for SIGINT, SIGTERM or, in a child, the end of stdin; return which ("SIGINT", "SIGTERM", "parent
    gone").

    Returns at once when it has happened already; any number of tasks may wait.
    """
    return await _stop_order().wait()


def is_child() -> bool:
    """Whether this process was started as a `Child`."""
    return os.environ.get(LIFELINE) == "1"


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _listening(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    _stop_order()
    return await main()


class _StopOrder:
    """The order to stop, for one event loop. It is given once; later ones are ignored."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._given: asyncio.Future[str] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._listen_to(number)
        if is_child():
            threading.Thread(target=self._watch_lifeline, name="lifeline", daemon=True).start()

    async def wait(self) -> str:
        return await asyncio.shield(self._given)

    def _give(self, why: str) -> None:
        if not self._given.done():
            self._given.set_result(why)

    def _listen_to(self, number: signal.Signals) -> None:
        try:
            self.loop.add_signal_handler(number, self._give, number.name)
        except NotImplementedError:
            signal.signal(number, lambda *_: self._give_from_outside(number.name))

    def _give_from_outside(self, why: str) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._give, why)

    def _watch_lifeline(self) -> None:
        """Runs in a thread, so that a loop stuck in a strategy does not outlive its parent either."""
        while os.read(0, 1_024):
            continue
        self._give_from_outside("parent gone")
        time.sleep(ORPHAN_GRACE_S)
        os._exit(ExitCode.FAULT)


_current: _StopOrder | None = None


def _stop_order() -> _StopOrder:
    global _current
    loop = asyncio.get_running_loop()
    if _current is None or _current.loop is not loop:
        _current = _StopOrder(loop)
    return _current


def give_way(niceness: int) -> None:
    """Leave the processors to the processes that trade, where the system can.

    Linux weighs sessions before the processes in them (sched(7), autogroup). So a session that is ours alone
    steps back as a whole; a terminal's session is left as it is.
    """
    with suppress(AttributeError, OSError):
        os.nice(niceness)
        if os.getsid(0) == os.getpid():
            Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")
