"""Several children at once: each with a log file of its own, none missed when it ends, all told to stop in the same moment.

A child belongs to one task, which waits for its end, starts it again where that was asked for, and stops it: so no order to stop
can fall between two of its lives.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from botpit.io.child import Child
from botpit.io.exit_codes import ExitCode
from botpit.io.files import file_name
from botpit.io.log import fields

BACKOFF_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Before the first new start of a child, before the second …: after these it is given up."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """An end that was followed by a new start at `at`, ISO-8601 UTC. `exit_code` negative: ended by that signal."""

    at: str
    exit_code: int
    ran_s: float
    backoff_s: float


@dataclass(slots=True)
class _Member:
    name: str
    argv: Sequence[str]
    log_path: Path
    restart_on_failure: bool
    restarts: list[Restart] = field(default_factory=list)
    _child: Child | None = None
    _started_s: float = 0.0

    @property
    def child(self) -> Child:
        assert self._child is not None, f"{self.name} was never started"
        return self._child

    @property
    def ran_s(self) -> float:
        return round(time.monotonic() - self._started_s, 3)

    async def start(self) -> bool:
        """Whether there is a child now. One that cannot be started is an error in our log and nothing to the others."""
        try:
            self._child = await Child.start(self.name, self.argv, self.log_path)
        except OSError as error:
            _log.error("cannot be started %s", fields(name=self.name, reason=error))
            return False
        self._started_s = time.monotonic()
        _log.info("started %s", fields(name=self.name, pid=self._child.pid))
        return True


class Fleet:
    """Children by name. `stopped` are those that ran until `stop` told them to end; the others ended by themselves.

    `gave_up` are those that failed once more after all their new starts.
    """

    def __init__(self, log_dir: Path) -> None:
        self.stopped: set[str] = set()
        self.gave_up: set[str] = set()
        self._log_dir = log_dir
        self._members: dict[str, _Member] = {}
        self._lives: list[asyncio.Task[None]] = []
        self._told = asyncio.Event()
        self._grace_s = 0.0

    def log_path(self, name: str) -> Path:
        return self._log_dir / f"{file_name(name)}.log"

    def exit_code(self, name: str) -> int | None:
        """None: it was never started, or runs; negative: ended by that signal."""
        return self._members[name].child.returncode if name in self._members else None

    def restarts(self, name: str) -> list[Restart]:
        return list(self._members[name].restarts) if name in self._members else []

    async def start(self, name: str, argv: Sequence[str], *, restart_on_failure: bool = False) -> None:
        """Start one more, and again, with the same words, whenever it fails: when a signal or a fault of its own ends it."""
        member = _Member(name, argv, self.log_path(name), restart_on_failure)
        if await member.start():
            self._members[name] = member
            self._lives.append(asyncio.create_task(self._live(member)))

    async def until_all_ended(self) -> None:
        """Wait until nobody runs and nobody is to be started again."""
        if self._lives:
            await asyncio.wait(self._lives)

    async def stop(self, grace_s: float) -> None:
        """SIGTERM to all, SIGKILL to who is there `grace_s` seconds later; returns when all have ended."""
        self._grace_s = grace_s
        self._told.set()
        await asyncio.gather(*self._lives)

    # --------------------------------------------------------------------------------------------------------- one member

    async def _live(self, member: _Member) -> None:
        """One life after the other, until told to stop or not to be started again."""
        while await self._ends_by_itself(member) and self._starts_again(member):
            backoff_s = BACKOFF_S[len(member.restarts)]
            exit_code, ran_s = member.child.returncode, member.ran_s
            assert exit_code is not None, f"{member.name} runs"
            _log.info("starts again soon %s", fields(name=member.name, backoff_s=backoff_s, restarts=len(member.restarts)))
            if await self._told_within(backoff_s) or not await member.start():
                return
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            member.restarts.append(Restart(at=at, exit_code=exit_code, ran_s=ran_s, backoff_s=backoff_s))

    async def _ends_by_itself(self, member: _Member) -> bool:
        """Wait for its end; False when that came because we told it to stop."""
        end, told = asyncio.create_task(member.child.wait()), asyncio.create_task(self._told.wait())
        await asyncio.wait({end, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not end.done():
            self.stopped.add(member.name)
            await member.child.stop(self._grace_s)
            await end
            return False
        _log.warning("ended by itself %s", fields(name=member.name, exit_code=end.result(), log=member.log_path))
        return True

    def _starts_again(self, member: _Member) -> bool:
        if not member.restart_on_failure or member.child.returncode in (ExitCode.OK, ExitCode.USAGE):
            return False
        if len(member.restarts) < len(BACKOFF_S):
            return True
        self.gave_up.add(member.name)
        _log.error("given up %s", fields(name=member.name, restarts=len(member.restarts), log=member.log_path))
        return False

    async def _told_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return False
        return True
