"""Several children at once: each with a log file of its own, none missed when it ends, all told to stop in the same moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from botpit.net.files import file_name
from botpit.net.processes import Child, fields

_log = logging.getLogger(__name__)


class Fleet:
    """Children by name. `stopped` are those that ran until `stop` told them to end; the others ended by themselves."""

    def __init__(self, log_dir: Path) -> None:
        self.stopped: set[str] = set()
        self._log_dir = log_dir
        self._children: dict[str, Child] = {}
        self._ends: list[asyncio.Task[None]] = []

    def log_path(self, name: str) -> Path:
        return self._log_dir / f"{file_name(name)}.log"

    def exit_code(self, name: str) -> int | None:
        """None: it was never started, or runs; negative: ended by that signal."""
        return self._children[name].returncode if name in self._children else None

    async def start(self, name: str, argv: Sequence[str]) -> None:
        """Start one more. One that cannot be started is an error in our log and nothing to the others."""
        try:
            self._children[name] = await Child.start(name, argv, self.log_path(name))
        except OSError as error:
            _log.error("cannot be started %s", fields(name=name, reason=error))
        else:
            self._ends.append(asyncio.create_task(self._see_the_end(name)))

    async def until_all_ended(self) -> None:
        await asyncio.gather(*self._ends)

    async def stop(self, grace_s: float) -> None:
        """SIGTERM to all, SIGKILL to who is there `grace_s` seconds later; returns when all have ended."""
        self.stopped |= {name for name, child in self._children.items() if child.returncode is None}
        await asyncio.gather(*(child.stop(grace_s) for child in self._children.values()))

    async def _see_the_end(self, name: str) -> None:
        code = await self._children[name].wait()
        if name not in self.stopped:
            _log.warning("ended by itself %s", fields(name=name, exit_code=code, log=self.log_path(name)))
