"""An exchange that is killed and started again in the same place: on the same ports, with the same data.

Clients find it where it was, as after a crash. The kill comes out of a thread of its own, so that the moment
is chosen by the clock and not by what the client's event loop happens to do.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from time import sleep

from botpit.history.archive.process import LOCK as ARCHIVE_LOCK
from botpit.io.child import Child
from proofs.harness.processes import free_ports, holder, kill
from proofs.harness.terminals import GRACE_S, HOME, OPENS_WITHIN_S

LOOKS_EVERY_S = 0.003
LAST_LINES = 5


class NotOpen(Exception):
    """The exchange did not start. The text is its exit code and the end of its log."""


class RestartableExchange:
    """An exchange with these settings (TOML) and flags, or `program` (a path and its first arguments) in its
    place; its files are in `folder`.

    `market_id` and `replayed` (records after the newest snapshot) are as the newest start told them.
    """

    def __init__(
        self,
        folder: Path,
        *flags: str,
        settings: str,
        program: Sequence[str] = (str(HOME / "exchange_server.py"),),
    ) -> None:
        order_port, events_port = free_ports(2)
        self.orders, self.events = (
            f"ws://127.0.0.1:{order_port}",
            f"ws://127.0.0.1:{events_port}",
        )
        self.order_port, self.log = order_port, folder / "exchange.log"
        self.data = folder / "exchange-data"
        self.replayed = 0
        self.market_id = ""
        config = folder / "exchange.toml"
        config.write_text(settings, encoding="utf-8")
        ports = ("--order-port", str(order_port), "--events-port", str(events_port))
        files = ("--data-dir", str(self.data), "--config", str(config))
        self._argv = [sys.executable, *program, *ports, *files, *flags]
        self._child: Child | None = None

    @property
    def market(self) -> Path:
        """The folder of the market in trade."""
        return self.data / f"market-{self.market_id}"

    async def start(self, *flags: str) -> None:
        """Return when it is open. Raises NotOpen."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        self._child = await Child.start("exchange", [*self._argv, *flags], self.log)
        async with asyncio.timeout(OPENS_WITHIN_S):
            while "INFO exchange open " not in (told := self._told(begin)):
                if self._child.returncode is not None:
                    last = " | ".join(told.splitlines()[-LAST_LINES:])
                    raise NotOpen(f"exit code {self._child.returncode}: {last}")
                await asyncio.sleep(LOOKS_EVERY_S)
        self.market_id = re.findall(r"exchange open market_id=(\S+)", told)[0]
        for replayed in re.findall(r"exchange recovered .*replayed=(\d+)", told):
            self.replayed = int(replayed)

    def _told(self, begin: int) -> str:
        with self.log.open("rb") as file:
            file.seek(begin)
            return file.read().decode(errors="backslashreplace")

    async def die(self, after_s: float = 0.0, *, with_archivist: bool = False) -> None:
        """kill -9 after so many seconds; return when it is gone.

        Its archivist is killed first, or ends by itself.
        """
        assert self._child is not None
        archive_lock = self.market / ARCHIVE_LOCK if with_archivist else None
        await asyncio.to_thread(_kill, self._child.pid, after_s, archive_lock)
        await self._child.wait()
        self._child = None

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        child, self._child = self._child, None
        if child is None:
            return 0
        return await child.stop(GRACE_S)


def _kill(pid: int, after_s: float, archive_lock: Path | None) -> None:
    sleep(after_s)
    archivist = holder(archive_lock) if archive_lock else None
    for each in filter(None, (archivist, pid)):
        kill(each)
