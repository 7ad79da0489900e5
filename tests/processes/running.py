"""Real processes of the house for tests: on free ports, watched through their logs, and never left behind.

Everything here is plain threads and no event loop, so that one process can serve a whole module of
tests; for what runs inside a test's loop, and is to be killed, see proofs/harness/terminals.py. A process
hangs on its lifeline (see botpit.io.run): should the test run itself be killed, it ends too.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

HOUSE = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 30.0
"""Whatever takes longer has gone wrong."""
ENDS_WITHIN_S = 10.0
LIFELINE = {"BOTPIT_LIFELINE": "1"}
FREE = ("--order-port", "0", "--events-port", "0")


class Running:
    """One process. `lines` is what it wrote to stderr so far."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.lines: list[str] = []
        self._more = threading.Condition()
        self._over = False
        assert popen.stderr is not None
        self._reader = threading.Thread(target=self._read, args=(popen.stderr,), daemon=True)
        self._reader.start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._over = True
            self._more.notify_all()

    def logs(self, *words: str) -> str:
        """The first line, so far or from now on, that has all the words. Fails when the process
        ends without it.
        """

        def found() -> str | None:
            return next(
                (line for line in self.lines if all(word in line for word in words)), None
            )

        with self._more:
            self._more.wait_for(lambda: found() is not None or self._over, PATIENCE_S)
            line = found()
        assert line is not None, (words, self.lines)
        return line

    def tells(self, *words: str) -> dict[str, str]:
        """The fields of that line."""
        return dict(re.findall(r"(\w+)=(\S+)", self.logs(*words)))

    def troubles(self) -> list[str]:
        """Log lines that tell of a fault, and whatever is no log line at all."""
        ok = re.compile(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING) \w+ [^\x00-\x1f\x7f]*"
        )
        return [line for line in self.lines if not ok.fullmatch(line) or "Traceback" in line]

    def stops(self, number: int = signal.SIGINT) -> int:
        """Send the signal, wait for the end, return the exit code."""
        self.popen.send_signal(number)
        return self.ends()

    def ends(self) -> int:
        """Wait for the end; return the exit code."""
        code = self.popen.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def is_up(self) -> bool:
        return self.popen.poll() is None


@contextmanager
def running_command(
    *argv: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """A command in `folder`, with this beside our own environment; afterwards it is gone, whatever happened."""
    popen = subprocess.Popen(
        argv, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        errors="backslashreplace", start_new_session=True, env=os.environ | (environment or {}),
    )  # fmt: skip
    process = Running(popen)
    try:
        yield process
    finally:
        try:
            if process.is_up():
                process.stops(signal.SIGTERM)
        finally:
            popen.kill()
            process.ends()
            assert popen.stdin is not None
            popen.stdin.close()


@contextmanager
def running(program: str, *flags: str, folder: Path) -> Iterator[Running]:
    """`python program flags…` in `folder`, on a lifeline."""
    argv = (sys.executable, str(HOUSE / program), *flags)
    with running_command(*argv, folder=folder, environment=LIFELINE) as process:
        yield process


class Exchange:
    """A running exchange and its two addresses."""

    def __init__(self, process: Running) -> None:
        self.process = process
        told = process.tells("INFO exchange open")
        self.order_port, self.events_port = int(told["order_port"]), int(told["events_port"])
        self.market_id = told["market_id"]
        self.orders, self.events = (
            f"ws://127.0.0.1:{self.order_port}",
            f"ws://127.0.0.1:{self.events_port}",
        )


@contextmanager
def exchange(folder: Path, *flags: str, config: str = "") -> Iterator[Exchange]:
    """An exchange on free ports, without exporter; `config` is the text of its exchange.toml."""
    if config:
        (folder / "exchange.toml").write_text(config, encoding="utf-8")
    with running("exchange_server.py", *FREE, "--no-export", *flags, folder=folder) as process:
        yield Exchange(process)


@contextmanager
def relay(folder: Path, upstream_uri: str, *flags: str) -> Iterator[tuple[Running, int]]:
    """A relay on a free port, and that port."""
    with running(
        "market_data_server.py",
        "--port",
        "0",
        "--upstream-uri",
        upstream_uri,
        *flags,
        folder=folder,
    ) as process:
        yield process, int(process.tells("INFO relay open")["port"])


def outcome(program: str, *flags: str, folder: Path) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a process that ends by itself."""
    done = subprocess.run(
        [sys.executable, str(HOUSE / program), *flags], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=ENDS_WITHIN_S, start_new_session=True,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def health(port: int, **headers: str) -> dict[str, object]:
    """What /healthz answers; {"status": code} when it is refused."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/healthz", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            fields: dict[str, object] = json.load(response)
            return fields
    except urllib.error.HTTPError as error:
        return {"status": error.code}
