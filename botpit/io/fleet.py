"""Several children at once: each supervised, with a log file of its own, and all stopped together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from botpit.io.files import file_name
from botpit.io.log import fields
from botpit.io.supervisor import Restart, RestartPolicy, Supervisor

_log = logging.getLogger(__name__)


class Fleet:
    """Children by name. A child that cannot be started is an error in our log and nothing to the others."""

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._members: dict[str, Supervisor] = {}

    @property
    def stopped(self) -> set[str]:
        """Those that ran until `stop` ended them; the others ended by themselves."""
        return {name for name, member in self._members.items() if member.stopped}

    @property
    def gave_up(self) -> set[str]:
        """Those that failed once more after their last restart."""
        return {name for name, member in self._members.items() if member.gave_up}

    def log_path(self, name: str) -> Path:
        return self._log_dir / f"{file_name(name)}.log"

    def exit_code(self, name: str) -> int | None:
        """None when it runs or was never started; negative after a signal."""
        member = self._members.get(name)
        return None if member is None else member.exit_code

    def restarts(self, name: str) -> list[Restart]:
        member = self._members.get(name)
        return [] if member is None else list(member.restarts)

    async def start(
        self, name: str, argv: Sequence[str], policy: RestartPolicy | None = None
    ) -> None:
        """Start one more child; it is restarted as `policy` allows, never without one."""
        member = Supervisor(name, argv, self.log_path(name), policy)
        try:
            await member.start()
        except OSError as error:
            _log.error("cannot be started %s", fields(name=name, reason=error))
            return
        self._members[name] = member

    async def until_all_ended(self) -> None:
        """Wait until no child runs and none will be started again."""
        await asyncio.gather(*(member.until_ended() for member in self._members.values()))

    async def stop(self, grace_s: float) -> None:
        """SIGTERM to all, SIGKILL to those that still run `grace_s` seconds later; return when all ended."""
        await asyncio.gather(*(member.stop(grace_s) for member in self._members.values()))
