"""How a botpit process lives: logging, its event loop, being told to stop, and children that never outlive their parent.

Being told to stop is remembered, never thrown: the first SIGINT, SIGTERM or end of stdin wakes `until_told_to_stop`, later ones
change nothing, so that a second Ctrl-C cannot cut a shutdown short and leave somebody behind. A child hangs on a pipe whose other
end only its parent holds: the kernel closes it however the parent ends, and the child then ends itself.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from botpit.io.files import open_private

LOG_LEVELS = ("debug", "info", "warning", "error")
"""What `--log-level` takes."""
LIFELINE = "BOTPIT_LIFELINE"
"""Environment variable; "1" in a child: end yourself when stdin closes."""
ORPHAN_GRACE_S = 10.0
"""A process whose parent is gone and whose event loop has not ended by then is ended by force."""
EXIT_CRASHED = 1
"""Exit code of a process that met a fault of its own, or that hung when its parent was gone."""
CRASH_TRACEBACK_CHARS = 8_000
"""The last so many characters of a traceback are logged."""

_log = logging.getLogger(__name__)


# ----------------------------------------------------------------------------------------------------------------- logging


def configure_logging(component: str, level: str) -> None:
    """Log to stderr, one line per record: `2026-01-01T00:00:00.000Z INFO exchange message key=value`.

    `level` is one of LOG_LEVELS. The `websockets` library speaks up only from warnings on: at debug it would log whole frames.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("websockets").setLevel(logging.WARNING)


class _OneLine(logging.Formatter):
    """A record as one line of printable text, whatever its arguments or its traceback hold."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        seconds, ms = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)), int(record.msecs)
        line = f"{seconds}.{ms:03d}Z {record.levelname} {self._component} {record.getMessage()}"
        if record.exc_info:
            line += " " + fields(traceback=self.formatException(record.exc_info)[-CRASH_TRACEBACK_CHARS:])
        return printable(line)


def printable(text: str) -> str:
    """`text` with every character that could move a cursor, hide or end a line written as its escape (`\\n`, `\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def fields(**values: object) -> str:
    """`key=value key2="quoted text"` for a log line: on one line and readable back, whatever the values hold."""
    return " ".join(f"{key}={_field(str(value))}" for key, value in values.items())


def _field(text: str) -> str:
    if text and text.isprintable() and not any(c in text for c in ' "=\\'):
        return text
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def port_in_use_message(port: int, flag: str) -> str:
    """What a server says, on one line, when another program listens on its port. `flag` is the option that moves it."""
    return f"error: port {port} is already in use; choose another with {flag}"


# -------------------------------------------------------------------------------------------------------- running, stopping


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run a process's main on uvloop (asyncio where there is none) and return its exit code.

    SIGINT and SIGTERM are listened to from before `main` begins. A fault that escapes it is logged and gives EXIT_CRASHED.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            return runner.run(_listening(main))
        except Exception:
            _log.critical("crashed", exc_info=True)
            return EXIT_CRASHED


async def until_told_to_stop() -> str:
    """Wait for SIGINT, SIGTERM or, in a child, the end of stdin; return which ("SIGINT", "SIGTERM", "parent gone").

    Returns at once when it has already happened; any number of tasks may wait.
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
    """The order to stop, of one event loop. It is given once; what comes later is ignored."""

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
        """In a thread, so that a loop stuck in somebody's strategy does not outlive its parent either."""
        while os.read(0, 1_024):
            continue
        self._give_from_outside("parent gone")
        time.sleep(ORPHAN_GRACE_S)
        os._exit(EXIT_CRASHED)


_current: _StopOrder | None = None


def _stop_order() -> _StopOrder:
    global _current
    loop = asyncio.get_running_loop()
    if _current is None or _current.loop is not loop:
        _current = _StopOrder(loop)
    return _current


def give_way(niceness: int) -> None:
    """Leave the processors to those who trade, where the system knows how to.

    Linux weighs sessions before it weighs the processes in them (sched(7), autogroup), so a session that is ours alone steps
    back as a whole; that of somebody's terminal is left as it is.
    """
    with suppress(AttributeError, OSError):
        os.nice(niceness)
        if os.getsid(0) == os.getpid():
            Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")


# ---------------------------------------------------------------------------------------------------------------- children


class Child:
    """A process of ours, in a session of its own (no signal of the terminal reaches it), hanging on our lifeline.

    `start` is the way to make one. `stop` and `wait` may be called any number of times, also after its end.
    """

    def __init__(self, name: str, process: Process, lifeline: int) -> None:
        self.name = name
        self._process = process
        self._lifeline: int | None = lifeline

    @classmethod
    async def start(cls, name: str, argv: Sequence[str], log_path: Path) -> Child:
        """Start `argv`; stdout and stderr are appended to `log_path`, made with its folder if need be.

        Raises OSError when the program or the log file cannot be opened.
        """
        log_path.parent.mkdir(parents=True, exist_ok=True)
        log = open_private(str(log_path), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        theirs, ours = os.pipe()
        environment = os.environ | {LIFELINE: "1"}
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=theirs, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
            os.close(log)
        return cls(name, process, ours)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end; return its exit code (negative: ended by that signal)."""
        code = await self._process.wait()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        return code

    async def stop(self, grace_s: float) -> int:
        """Ask it to end (SIGTERM) and, when `grace_s` seconds have passed or this wait is cancelled, end it (SIGKILL)."""
        self._send(self._process.terminate)
        try:
            async with asyncio.timeout(grace_s):
                return await self.wait()
        except TimeoutError:
            _log.warning("child did not stop and is killed %s", fields(name=self.name, pid=self.pid, grace_s=grace_s))
        finally:
            self._send(self._process.kill)
        return await self.wait()

    def _send(self, signal_it: Callable[[], None]) -> None:
        if self.returncode is None:
            try:
                signal_it()
            except ProcessLookupError:
                _log.debug("child had just ended %s", fields(name=self.name, pid=self.pid))
