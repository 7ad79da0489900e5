"""A stage for the battle runner: an exchange that says what a test wants, and stand-ins for bots.

The runner is the real program; its bots are a script that notes what it was told, and lives until
it is told to stop.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tests.processes.fake_exchange import TOKEN, Market

HOUSE = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0
T = TypeVar("T")
Report = tuple[int, str, str]
"""Of a process that has ended: exit code, stdout, stderr."""

BOT = f"""#!{sys.executable}
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, {str(HOUSE)!r})
from botpit.io.run import run, until_told_to_stop
flags = dict(flag.removeprefix("--").split("=", 1) for flag in sys.argv[4:])
name = flags["trader-id"]
async def main():
    print(json.dumps(flags | {{"program": sys.argv[1:4], "pid": os.getpid()}}), flush=True)
    if name.startswith("crash"):
        return 3
    if name.startswith("usage"):
        return 2
    if name.startswith("weak"):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("once") and not (died := Path(name + ".died")).exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    print("told", await until_told_to_stop(), flush=True)
    if (said := Path(name + ".says")).exists():
        Path(flags["report"]).write_text(said.read_text())
    return 0
sys.exit(run(main))
"""
"""Stands in for the interpreter that `--python` names. Its name says how it dies; what `name.says`
holds becomes its report.
"""

RUNNER = f"""
import sys
sys.path.insert(0, {str(HOUSE)!r})
import dataclasses
import bot_battle_runner, botpit.screen.battle_board, botpit.battle.live.bot_processes as bots, botpit.io.order_port
botpit.screen.battle_board.PROGRESS_S = 0.05
bots.RESTARTS = dataclasses.replace(bots.RESTARTS, backoff_s=(0.01,) * 5)
botpit.io.order_port.OPERATOR_WITHIN_S = 1.0
sys.exit(bot_battle_runner.main())
"""
"""The runner, with less patience."""


class Stage:
    """A folder with a configuration, in which a runner runs; `market` is what it can watch and ask."""

    def __init__(self, folder: Path, *trader_ids: str, **config: Any) -> None:
        self.folder = folder
        self.market = Market()
        self._bots = [{"trader_id": trader_id, "strategy": "maker"} for trader_id in trader_ids]
        self._config = config
        (folder / "bot").write_text(BOT)
        (folder / "bot").chmod(0o755)
        (folder / "runner.py").write_text(RUNNER)

    def command(self, *flags: str) -> list[str]:
        """The runner's, in this folder; writes the configuration."""
        uris = {
            "market_data_uri": self.market.feed_uri,
            "order_gateway_uri": self.market.orders_uri,
        }
        (self.folder / "bots.json").write_text(
            json.dumps({"bots": self._bots, **uris, **self._config})
        )
        (self.folder / "token").write_text(TOKEN + "\n")
        return [
            sys.executable,
            "runner.py",
            "--config",
            "bots.json",
            "--python",
            "./bot",
            *flags,
        ]

    async def run(self, *flags: str) -> asyncio.subprocess.Process:
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        runner = await asyncio.create_subprocess_exec(
            *self.command(*flags), cwd=self.folder, stdin=nothing, stdout=pipe, stderr=pipe
        )
        _started.append(runner)
        return runner

    def log(self, name: str) -> list[str]:
        path = self.folder / "logs" / f"{name}.log"
        return path.read_text().splitlines() if path.exists() else []

    def told(self, name: str) -> dict[str, Any]:
        """What a bot was told at its first start."""
        return json.loads(self.log(name)[0])

    async def bots_up(self, *names: str) -> list[int]:
        """The processes of these bots, when they all have said that they live."""
        await until(lambda: all(self.log(name) for name in names))
        return [self.told(name)["pid"] for name in names]

    def results(self, name: str = "results.json") -> dict[str, Any]:
        return json.loads((self.folder / name).read_text())


_started: list[asyncio.subprocess.Process] = []


def play(story: Coroutine[Any, Any, T]) -> T:
    """Run a story; afterwards every runner that it started is gone, and with it its bots, however
    the story ended.
    """

    async def whole() -> T:
        try:
            async with asyncio.timeout(2 * DEADLINE_S):
                return await story
        finally:
            while _started:
                if (runner := _started.pop()).returncode is None:
                    runner.kill()
                    await runner.wait()

    return asyncio.run(whole())


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not happened():
            await asyncio.sleep(0.01)


async def says(runner: asyncio.subprocess.Process, words: str) -> str:
    """The next line of its stdout that has these words."""
    assert runner.stdout is not None
    return await _line(runner.stdout, words)


async def logs(runner: asyncio.subprocess.Process, words: str) -> str:
    """The next line of its stderr that has these words."""
    assert runner.stderr is not None
    return await _line(runner.stderr, words)


async def _line(stream: asyncio.StreamReader, words: str) -> str:
    async with asyncio.timeout(DEADLINE_S):
        while line := await stream.readline():
            if words in line.decode():
                return line.decode()
    raise AssertionError(f"it ended without {words!r}")


async def ended(runner: asyncio.subprocess.Process) -> Report:
    async with asyncio.timeout(DEADLINE_S):
        out, err = await runner.communicate()
    assert runner.returncode is not None
    return runner.returncode, out.decode(), err.decode()
