"""An exchange that is killed and started again in the same place: on the same two ports and with the same data folder.

Clients find it where it was, as after a crash. The kill comes out of a thread of its own, so that the moment is chosen by the
clock and not by what the client's event loop happens to do.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from socket import socket
from time import sleep

from benchmarks.four_terminals import HOME
from botpit.history.archive.process import LOCK as ARCHIVE_LOCK
from botpit.io.child import Child

OPENS_WITHIN_S = 30.0
GRACE_S = 15.0
LOOKS_EVERY_S = 0.003
LAST_LINES = 5


class NotOpen(Exception):
    """The exchange did not start. The text is its exit code and the end of its log."""


class Mortal:
    """`program` in place of exchange_server.py, with `flags`; its log and its data are in `folder`. `starts`: so often so far.

    `market_id` and `recovered` (records in the journal) are as the newest start told them.
    """

    def __init__(self, folder: Path, *flags: str, program: Path = HOME / "exchange_server.py") -> None:
        order_port, events_port = free_ports(2)
        self.orders, self.events = f"ws://127.0.0.1:{order_port}", f"ws://127.0.0.1:{events_port}"
        self.order_port, self.log = order_port, folder / "exchange.log"
        self.data = folder / "exchange-data"
        self.starts = self.recovered = self.replayed = 0
        self.market_id = ""
        ports = ("--order-port", str(order_port), "--events-port", str(events_port))
        self._argv = [sys.executable, str(program), *ports, *flags]
        self._child: Child | None = None

    async def start(self, *flags: str) -> None:
        """Return when it is open. Raises NotOpen."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        argv = [*self._argv, "--data-dir", str(self.data), *flags]
        self._child = await Child.start("exchange", argv, self.log)
        self.starts += 1
        async with asyncio.timeout(OPENS_WITHIN_S):
            while "INFO exchange open " not in (told := self._told(begin)):
                if self._child.returncode is not None:
                    raise NotOpen(f"exit code {self._child.returncode}: {' | '.join(told.splitlines()[-LAST_LINES:])}")
                await asyncio.sleep(LOOKS_EVERY_S)
        self.market_id = re.findall(r"exchange open market_id=(\S+)", told)[0]
        for records, replayed in re.findall(r"exchange recovered .*records=(\d+) replayed=(\d+)", told):
            self.recovered, self.replayed = int(records), int(replayed)

    def _told(self, begin: int) -> str:
        with self.log.open("rb") as file:
            file.seek(begin)
            return file.read().decode(errors="backslashreplace")

    async def die(self, after_s: float = 0.0, *, with_archivist: bool = False) -> None:
        """kill -9 after so many seconds; return when it is gone. Its archivist is killed first, or it ends by itself."""
        assert self._child is not None
        archive_lock = self.data / f"market-{self.market_id}" / ARCHIVE_LOCK if with_archivist else None
        await asyncio.to_thread(_kill, self._child.pid, after_s, archive_lock)
        await self._child.wait()
        self._child = None

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        child, self._child = self._child, None
        return await child.stop(GRACE_S) if child else 0


def _kill(pid: int, after_s: float, archive_lock: Path | None) -> None:
    sleep(after_s)
    archivist = holder(archive_lock) if archive_lock else None
    for each in filter(None, (archivist, pid)):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def holder(lock: Path) -> int | None:
    """The process id in a lock file, if that process works in the lock's folder. (The lock itself is not touched.)"""
    with suppress(FileNotFoundError, ValueError):
        pid = int(lock.read_text(encoding="ascii"))
        return pid if str(lock.parent) in command_line(pid) else None
    return None


def command_line(pid: int) -> str:
    """Of a process that runs; empty when there is none. Linux tells it by itself, elsewhere `ps` does."""
    if Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").replace("\0", " ")
        return ""
    return subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False).stdout


def free_ports(number: int) -> list[int]:
    """So many ports on which nobody listens."""
    sockets = [socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
