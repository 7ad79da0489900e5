"""A child process through all its lives: restarted after accidents, until its parent stops it.

A child belongs to one task, which waits for its end, decides whether that was an accident, and starts the
next one. So no order to stop can fall between two lives. Every wait before a restart has a bound, and a
policy may give up: a child that dies at once costs next to nothing. The log says at each step what happened
and where the child's own log is.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from botpit.io.child import Child
from botpit.io.exit_codes import ExitCode
from botpit.io.log import fields, utc_now

MAX_RESTARTS_KEPT = 100
"""A supervisor remembers its newest restarts."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """Which ends are accidents, how long to wait before a restart, and when to give up.

    `backoff_s` are the waits before the first restart, the second and so on; after the last, a policy that
    `gives_up` leaves the child down, any other repeats the last wait. A child that ran longer than
    `forgiven_s` begins with the first again.
    """

    final_codes: frozenset[int]
    backoff_s: tuple[float, ...]
    gives_up: bool
    forgiven_s: float = math.inf

    def wait_s(self, failures: int) -> float | None:
        """The wait before the next restart after so many failures before; None: give up."""
        if failures < len(self.backoff_s):
            return self.backoff_s[failures]
        return None if self.gives_up else self.backoff_s[-1]


SERVICE = RestartPolicy(
    final_codes=frozenset(ExitCode) - {ExitCode.FAULT, ExitCode.STOPPED},
    backoff_s=(0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0),
    gives_up=False,
    forgiven_s=30.0,
)
"""For a child that its parent needs: restarted for ever after crashes and kills. A child that ends for a
reason it would meet again (a wrong flag, damaged data, a full disk) stays down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """An end and the start after it, `at` (ISO-8601 UTC). `exit_code` is negative after a signal."""

    at: str
    exit_code: int
    ran_s: float
    backoff_s: float


@asynccontextmanager
async def supervised(
    name: str,
    argv: Sequence[str],
    log_path: Path,
    *,
    grace_s: float,
    policy: RestartPolicy = SERVICE,
) -> AsyncIterator[None]:
    """Keep a child running while the context lasts; then ask it to end, and kill it `grace_s` seconds later.

    Raises OSError when it cannot be started at all. Its output is appended to `log_path`, as by
    `Child.start`.
    """
    supervisor = Supervisor(name, argv, log_path, policy)
    await supervisor.start()
    try:
        yield
    finally:
        await supervisor.stop(grace_s)


class Supervisor:
    """One child after the other with the same command. `policy` None: it is never restarted.

    `stopped`: it ran until `stop` ended it. `gave_up`: it failed once more after its last restart.
    """

    def __init__(
        self, name: str, argv: Sequence[str], log_path: Path, policy: RestartPolicy | None
    ) -> None:
        self.log_path = log_path
        self.restarts: deque[Restart] = deque(maxlen=MAX_RESTARTS_KEPT)
        self.stopped = False
        self.gave_up = False
        self._name = name
        self._argv = argv
        self._policy = policy
        self._failures = 0
        self._stop = asyncio.Event()
        self._grace_s = 0.0

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative after a signal."""
        return self._child.returncode

    async def start(self) -> None:
        """Start the first child and watch over it. Raises OSError when it cannot be started."""
        await self._start_child()
        self._lives = asyncio.create_task(self._keep())

    async def until_ended(self) -> None:
        """Wait until no child runs and none will be started."""
        await asyncio.wait([self._lives])

    async def stop(self, grace_s: float) -> None:
        """Ask the child to end (SIGTERM), kill it `grace_s` seconds later, and start no other."""
        self._grace_s = grace_s
        self._stop.set()
        await self._lives

    # ---------------------------------------------------------------------------------------------- its lives

    async def _start_child(self) -> None:
        self._child = await Child.start(self._name, self._argv, self.log_path)
        self._started_s = time.monotonic()
        _log.info("started %s", fields(name=self._name, pid=self._child.pid))

    async def _keep(self) -> None:
        """Watch one child after the other, until the last one has ended."""
        while await self._ends_by_itself() and await self._starts_again():
            pass

    async def _ends_by_itself(self) -> bool:
        """Wait for the child's end; False when `stop` brought it about."""
        ended = asyncio.create_task(self._child.wait())
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({ended, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not ended.done():
            self.stopped = True
            await self._child.stop(self._grace_s)
            await ended
            return False
        how = fields(name=self._name, exit_code=ended.result(), log=self.log_path)
        _log.warning("ended by itself %s", how)
        return True

    async def _starts_again(self) -> bool:
        """After a wait, or after several when it cannot be started; False when it stays down."""
        policy, exit_code = self._policy, self._child.returncode
        assert exit_code is not None, f"{self._name} runs"
        if policy is None or self._stop.is_set():
            return False
        if exit_code in policy.final_codes:
            level = logging.ERROR if exit_code else logging.INFO
            _log.log(
                level, "is not started again %s", fields(name=self._name, exit_code=exit_code)
            )
            return False
        ran_s = time.monotonic() - self._started_s
        if ran_s > policy.forgiven_s:
            self._failures = 0
        while (backoff_s := policy.wait_s(self._failures)) is not None:
            self._failures += 1
            if await self._stopped_within(backoff_s):
                return False
            if await self._started_again():
                ran_s = round(ran_s, 3)
                restart = Restart(
                    at=utc_now(), exit_code=exit_code, ran_s=ran_s, backoff_s=backoff_s
                )
                self.restarts.append(restart)
                return True
        self.gave_up = True
        _log.error(
            "given up %s",
            fields(name=self._name, restarts=len(self.restarts), log=self.log_path),
        )
        return False

    async def _stopped_within(self, backoff_s: float) -> bool:
        restarts = len(self.restarts)
        _log.info(
            "starts again soon %s",
            fields(name=self._name, backoff_s=backoff_s, restarts=restarts),
        )
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), backoff_s)
        return self._stop.is_set()

    async def _started_again(self) -> bool:
        try:
            await self._start_child()
        except OSError as error:
            _log.error("cannot be started %s", fields(name=self._name, reason=error))
            return False
        return True
