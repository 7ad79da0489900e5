"""The demo's processes: each started, watched, asked for its health, and stopped in order."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from botpit.io.child import Child, command_of
from botpit.io.exit_codes import ExitCode, ProgramError

HEALTHY_WITHIN_S = 20.0
"""A server that does not answer `/healthz` by then has failed to start."""
HEALTH_POLL_S = 0.05
HEALTH_TIMEOUT_S = 1.0
STOP_GRACE_S = {"battle": 20.0, "relay": 5.0, "monitor": 5.0, "exchange": 15.0}
"""The order of the stops, and how long each may take before the kill. The exchange stops its exporter."""


class DemoProcesses:
    """The processes of one run, by name, with their logs in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._members: dict[str, Child] = {}

    async def start(self, program: str, *flags: str, in_front: bool = False) -> None:
        """Start `botpit program`; `in_front`: on our terminal, where Ctrl-C reaches only us."""
        command = command_of(program, *flags)
        child = await Child.start(program, command, self._log(program), in_front=in_front)
        self._members[program] = child

    async def healthy(self, name: str, address: str, port: int, **expected: str) -> None:
        """Wait until `/healthz` on `port` answers as expected.

        Raises ProgramError when the process ends or takes too long.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + HEALTHY_WITHIN_S
        while True:
            answer = await asyncio.to_thread(health, address, port)
            if expected.items() <= answer.items():
                return
            self.check(name)
            if loop.time() > deadline_s:
                late = (
                    f"{name} is not ready after {HEALTHY_WITHIN_S:g} s: see {self._log(name)}"
                )
                raise ProgramError(late, exit_code=ExitCode.FAULT)
            await asyncio.sleep(HEALTH_POLL_S)

    async def watch(self, time_is_up: Coroutine[Any, Any, None]) -> None:
        """Wait until the time is up or a process ends.

        Raises ProgramError unless that is the battle's good end.
        """
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(time_is_up)]
        for member in self._members.values():
            waits.append(asyncio.create_task(member.wait()))
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        for wait in done:
            wait.result()
        for name in self._members:
            self.check(name, may_end=name == "battle")

    def check(self, name: str, *, may_end: bool = False) -> None:
        """Raise ProgramError when this process has failed or, unless it may, has ended."""
        code = self._members[name].returncode
        if code is None or (code == 0 and may_end):
            return
        ended = f"ended with exit code {code}"
        if code < 0:
            ended = f"was killed by signal {-code}"
        exit_code = ExitCode(code) if code in set(ExitCode) else ExitCode.FAULT
        raise ProgramError(f"{name} {ended}: see {self._log(name)}", exit_code=exit_code)

    async def leave(self) -> None:
        """Stop the running processes, in order."""
        for name, grace_s in STOP_GRACE_S.items():
            if name in self._members:
                await self._members[name].stop(grace_s)

    def check_all_ended_well(self) -> None:
        """Raise ProgramError naming the first, in the order of their start, that did not end well."""
        for name in self._members:
            self.check(name, may_end=True)

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def health(address: str, port: int) -> dict[str, Any]:
    """The answer to `/healthz`; empty while there is none."""
    connection = http.client.HTTPConnection(address, port, timeout=HEALTH_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else {}
