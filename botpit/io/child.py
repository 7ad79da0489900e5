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
    """The command line of `botpit program` of this installation, whatever lies in the current folder.

    `-P` keeps that folder off the new process's module path: a user's own `token.py` does not replace
    Python's or ours.
    """
    return [python, "-P", str(PACKAGE / "__main__.py"), program, *flags]


class Child:
    """A child in a session of its own, so that no signal of the terminal reaches it; it ends when our
    lifeline closes.

    `start` makes one. `stop` and `wait` may be called any number of times, also after its end.
    """

    def __init__(self, name: str, process: Process, lifeline: int) -> None:
        self.name = name
        self._process = process
        self._lifeline: int | None = lifeline

    @classmethod
    async def start(
        cls, name: str, argv: Sequence[str], log_path: Path, *, in_front: bool = False
    ) -> Child:
        """Start `argv`; stdout and stderr are appended to `log_path`, which is made with its folder if need
        be.

        `in_front`: the child has our stdout, so that it may draw on our terminal. Raises OSError when the
        program or the log file cannot be opened.
        """
        log_path.parent.mkdir(parents=True, exist_ok=True)
        log = open_private(str(log_path), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        theirs, ours = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=theirs,
                stdout=None if in_front else log,
                stderr=log,
                env=os.environ | {LIFELINE: "1"},
                start_new_session=True,
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
        """None while it runs; negative after a signal."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end; return its exit code, negative after a signal."""
        code = await self._process.wait()
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        return code

    async def stop(self, grace_s: float) -> int:
        """Ask it to end (SIGTERM); kill it after `grace_s` seconds, or when this wait is cancelled."""
        self._send(self._process.terminate)
        try:
            async with asyncio.timeout(grace_s):
                return await self.wait()
        except TimeoutError:
            late = fields(name=self.name, pid=self.pid, grace_s=grace_s)
            _log.warning("child did not stop and is killed %s", late)
        finally:
            self._send(self._process.kill)
        return await self.wait()

    def _send(self, signal_it: Callable[[], None]) -> None:
        if self.returncode is None:
            try:
                signal_it()
            except ProcessLookupError:
                _log.debug("child had just ended %s", fields(name=self.name, pid=self.pid))
