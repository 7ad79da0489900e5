"""The servers that the benchmarks of speed hold beside one another, each a process in a session of its own.

Linux gives each session the same share of the processors, whatever runs in it. A server that shares its
client's session would get less than one that does not, so all are started alike. What a server costs is its
CPU time, which other processes disturb less than they do a clock on the wall.

    python benchmarks/peers.py websockets PORT        (an echo server; or: picows)
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import picows
import uvloop
from websockets.asyncio.server import ServerConnection, serve

HOME = Path(__file__).resolve().parent.parent
OPENS_WITHIN_S = 60.0
GRACE_S = 20.0
HOST = "127.0.0.1"


class Process:
    """One program with its output in `log`. Ends with `stop`, or with its context."""

    def __init__(self, argv: list[str], log: Path, folder: Path | None = None) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, *argv], cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it as Ctrl-C does, by force if need be."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def opened(self, port: int) -> None:
        """Wait until it listens there. Exits with the log's end when it never does."""
        until = time.monotonic() + OPENS_WITHIN_S
        while time.monotonic() < until and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    return
            time.sleep(0.02)
        sys.exit(f"nothing listens on {port}: {self.said()[-500:]}")

    def said(self) -> str:
        return self._log.read_text(errors="replace")


class Exchange(Process):
    """The exchange as shipped: journal, archivist and, unless `exporter` is False, exporter."""

    def __init__(self, folder: Path, settings: str, *, exporter: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "exchange.toml").write_text(settings)
        self.order_port, self.events_port = free_port(), free_port()
        ports = ["--order-port", str(self.order_port), "--events-port", str(self.events_port)]
        export = [] if exporter else ["--no-export"]
        super().__init__(
            [str(HOME / "exchange_server.py"), *ports, *export], folder / "exchange.log", folder
        )
        self.opened(self.order_port)


class Echo(Process):
    """An echo server: of `websockets` or of `picows`."""

    def __init__(self, library: str, folder: Path) -> None:
        self.order_port = free_port()
        super().__init__(
            [str(Path(__file__).resolve()), library, str(self.order_port)],
            folder / f"{library}.log",
        )
        self.opened(self.order_port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def cpu_us(pid: int) -> float:
    """CPU time that the process has used in all its threads, in microseconds; 0 when it is gone."""
    threads = Path(f"/proc/{pid}/task")
    try:
        return (
            sum(
                int((thread / "schedstat").read_text().split()[0])
                for thread in threads.iterdir()
            )
            / 1_000
        )
    except OSError:
        return 0.0


def children(pid: int) -> list[int]:
    """The running children of the process."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (thread / "children").read_text().split())
    return found


def resident_bytes(pid: int | str = "self") -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# ------------------------------------------------------------------------------------------- the echo servers


async def websockets_echo(port: int) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, HOST, port, compression=None, ping_interval=None):
        await asyncio.Future()


async def picows_echo(port: int) -> None:
    class Listener(picows.WSListener):  # type: ignore[misc, unused-ignore]
        def on_ws_frame(self, transport: Any, frame: Any) -> None:
            if frame.msg_type == picows.WSMsgType.TEXT:
                transport.send(picows.WSMsgType.TEXT, frame.get_payload_as_bytes())

    await picows.ws_create_server(lambda _: Listener(), HOST, port)
    await asyncio.Future()


if __name__ == "__main__":
    echo = {"websockets": websockets_echo, "picows": picows_echo}[sys.argv[1]]
    with suppress(KeyboardInterrupt):
        uvloop.run(echo(int(sys.argv[2])))
