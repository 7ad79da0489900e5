"""A process that never outlives its parent."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from pathlib import Path

from botpit.io.files import open_private
from botpit.io.log import fields
from botpit.io.run import LIFELINE

PACKAGE = Path(__file__).resolve().parent.parent

_log = logging.getLogger(__name__)


def command_of(program: str, *flags: str, python: str = sys.executable) -> list[str]:
    """The command line of `botpit program`: that of this installation, whatever lies in the current folder.

    `-P` keeps that folder off the new process's module path: a user's own `token.py` is neither Python's nor ours.
    """
    return [python, "-P", str(PACKAGE / "__main__.py"), program, *flags]


class Child:
    """A process of ours, in a session of its own (no signal of the terminal reaches it), hanging on our lifeline.

    `start` is the way to make one. `stop` and `wait` may be called any number of times, also after its end.
    """

    def __init__(self, name: str, process: Process, lifeline: int) -> None:
        self.name = name
        self._process = process
        self._lifeline: int | None = lifeline

    @classmethod
    async def start(cls, name: str, argv: Sequence[str], log_path: Path, *, in_front: bool = False) -> Child:
        """Start `argv`; stdout and stderr are appended to `log_path`, made with its folder if need be.

        `in_front`: stdout is this process's, so that the child may draw on our terminal. Raises OSError when the program or the
        log file cannot be opened.
        """
        log_path.parent.mkdir(parents=True, exist_ok=True)
        log = open_private(str(log_path), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        theirs, ours = os.pipe()
        environment = os.environ | {LIFELINE: "1"}
        try:
            process = await asyncio.create_subprocess_exec(
                *argv, stdin=theirs, stdout=None if in_front else log, stderr=log, env=environment, start_new_session=True
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
