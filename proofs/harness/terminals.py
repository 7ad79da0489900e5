"""The programs of a clone, each a process of its own as in a terminal: exchange, relay, battle and others.

Every port is a free one. All files of a run are in one folder, the logs as `NAME.log`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from botpit.io.child import Child
from proofs.harness.processes import kill

HOME = Path(__file__).resolve().parent.parent.parent
OPENS_WITHIN_S = 30.0
GRACE_S = 15.0
_LOOKS_EVERY_S = 0.05


class Terminals:
    """The processes of one run. `orders`, `events` and `relay` are addresses, known when those are open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: dict[str, Child] = {}
        self.exit_codes: dict[str, int] = {}
        self.orders = self.events = self.relay = ""

    async def start(self, name: str, program: str | Path, *flags: str) -> Child:
        """`program`: a path, of the clone if it is relative."""
        child = await Child.start(
            name, [sys.executable, str(HOME / program), *flags], self.log(name)
        )
        self.running[name] = child
        return child

    async def start_exchange(self, *flags: str, settings: str = "") -> None:
        """Return when it is open. `settings`: its TOML; its data is below `folder`."""
        config, data = self.folder / "exchange.toml", self.folder / "exchange-data"
        config.write_text(settings, encoding="utf-8")
        where = (
            "--order-port",
            "0",
            "--events-port",
            "0",
            "--config",
            str(config),
            "--data-dir",
            str(data),
        )
        await self.start("exchange", "exchange_server.py", *where, *flags)
        self.orders = "ws://127.0.0.1:" + await self.logged("exchange", r"order_port=(\d+)")
        self.events = "ws://127.0.0.1:" + await self.logged("exchange", r"events_port=(\d+)")

    async def start_relay(self) -> None:
        """Return when it is open; one that was there before is followed on the same port."""
        port = self.relay.rpartition(":")[2] or "0"
        await self.start(
            "relay", "market_data_server.py", "--port", port, "--upstream-uri", self.events
        )
        self.relay = "ws://127.0.0.1:" + await self.logged("relay", r"open port=(\d+)")

    async def start_battle(self, config: Path, *flags: str) -> None:
        """The battle of that config, with our addresses in it; results and bots' logs are below `folder`."""
        battle = json.loads(config.read_text(encoding="utf-8"))
        addresses = {"order_gateway_uri": self.orders, "market_data_uri": self.relay}
        ours = self.folder / "battle.json"
        ours.write_text(json.dumps(battle | addresses), encoding="utf-8")
        told = (
            "--results",
            str(self.folder / "results.json"),
            "--log-dir",
            str(self.folder / "bots"),
        )
        await self.start("battle", "bot_battle_runner.py", "--config", str(ours), *told, *flags)

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    async def logged(self, name: str, pattern: str) -> str:
        """The newest match of the pattern's group in a process's log, waited for."""
        async with asyncio.timeout(OPENS_WITHIN_S):
            while not (
                found := re.findall(pattern, self.log(name).read_text(encoding="utf-8"))
            ):
                await asyncio.sleep(_LOOKS_EVERY_S)
        return str(found[-1])

    async def stop(self, *names: str) -> None:
        """SIGTERM, one after the other; those that do not run are passed over."""
        for name in names:
            if name in self.running:
                self.exit_codes[name] = await self.running.pop(name).stop(GRACE_S)

    async def kill(self, name: str) -> None:
        """kill -9."""
        child = self.running.pop(name)
        kill(child.pid)
        await child.wait()


@asynccontextmanager
async def terminals(folder: Path) -> AsyncIterator[Terminals]:
    """At the end all that still runs is stopped, what was started last first."""
    parts = Terminals(folder)
    try:
        yield parts
    finally:
        await parts.stop(*reversed(list(parts.running)))


def logs_with_tracebacks(folder: Path) -> list[str]:
    return [
        log.name
        for log in folder.rglob("*.log")
        if "Traceback" in log.read_text(encoding="utf-8")
    ]
