"""A child that is started again when it crashed or was killed, for as long as its parent wants one.

Only accidents are made good. A child that ended because it was told to, or for a reason that it would meet again (a wrong flag,
damaged data, a full disk), stays down, and the log says where it tells why. The wait before each start doubles, so that a child
that dies at once costs next to nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

from botpit.io.child import Child
from botpit.io.exit_codes import ExitCode
from botpit.io.log import fields

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
"""A child that ran longer than this is started with the first backoff again."""
FINAL_EXIT_CODES = frozenset(ExitCode) - {ExitCode.FAULT, ExitCode.STOPPED}
"""The exit codes that are no accident."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def supervised(name: str, argv: Sequence[str], log_path: Path, *, grace_s: float) -> AsyncIterator[None]:
    """Such a child while the context lasts; then it is told to stop, and killed when `grace_s` seconds have passed.

    Raises OSError when it cannot be started at all. Its output is appended to `log_path`, as by `Child.start`.
    """
    supervisor = _Supervisor(name, argv, log_path, grace_s)
    keeping = asyncio.create_task(supervisor.keep(await supervisor.start()))
    try:
        yield
    finally:
        supervisor.unwanted.set()
        await keeping


class _Supervisor:
    """What becomes of one child after the other, until `unwanted` is set."""

    def __init__(self, name: str, argv: Sequence[str], log_path: Path, grace_s: float) -> None:
        self.unwanted = asyncio.Event()
        self._name = name
        self._argv = argv
        self._log_path = log_path
        self._grace_s = grace_s
        self._backoff_s = FIRST_BACKOFF_S

    async def start(self) -> Child:
        return await Child.start(self._name, self._argv, self._log_path)

    async def keep(self, first: Child) -> None:
        child: Child | None = first
        while child is not None:
            child = await self._another() if await self._met_an_accident(child) else None

    async def _met_an_accident(self, child: Child) -> bool:
        """Wait for its end."""
        began_s = monotonic()
        code = await self._end_of(child)
        if self.unwanted.is_set():
            return False
        told = fields(name=self._name, exit_code=code, log=self._log_path)
        if code in FINAL_EXIT_CODES:
            _log.error("a child has ended and is not started again; all else goes on without it %s", told)
            return False
        if monotonic() - began_s > LONGEST_BACKOFF_S:
            self._backoff_s = FIRST_BACKOFF_S
        _log.warning("a child crashed or was killed and is started again %s", f"{told} {fields(in_s=self._backoff_s)}")
        return True

    async def _end_of(self, child: Child) -> int:
        """Its exit code, when it has ended by itself or, unwanted, by us."""
        ended, unwanted = asyncio.create_task(child.wait()), asyncio.create_task(self.unwanted.wait())
        await asyncio.wait({ended, unwanted}, return_when=asyncio.FIRST_COMPLETED)
        unwanted.cancel()
        if not ended.done():
            await child.stop(self._grace_s)
        return await ended

    async def _another(self) -> Child | None:
        """A new child after the present backoff; None: nobody wants one any more."""
        while not await self._unwanted_within(self._backoff_s):
            self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
            try:
                return await self.start()
            except OSError as error:
                _log.error("a child cannot be started %s", fields(name=self._name, reason=error, again_in_s=self._backoff_s))
        return None

    async def _unwanted_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.unwanted.wait(), seconds)
        return self.unwanted.is_set()
