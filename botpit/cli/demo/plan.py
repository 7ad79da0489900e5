"""What a demo needs before its first process: settings, the battle, free ports, a new folder.

Mistakes are refused here, so that no process has to be stopped for a typo.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from botpit.battle.config import BattleConfig
from botpit.cli.battle_file import read_battle
from botpit.cli.program import port_in_use
from botpit.io.addresses import local_address, local_uri
from botpit.io.child import PACKAGE
from botpit.io.exit_codes import ProgramError
from botpit.io.files import new_folder

BATTLE = "bots_config.json"
HOME = PACKAGE.parent
"""Modules in this folder are found by name from everywhere."""


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """The flags of `botpit demo`. `config` None: the shipped battle; `duration_s` None: until stopped."""

    config: Path | None
    duration_s: float | None
    runs_dir: Path
    host: str
    order_port: int
    events_port: int
    market_data_port: int
    log_level: str

    @property
    def ports(self) -> dict[str, int]:
        """Flag -> port."""
        return {
            "--order-port": self.order_port,
            "--events-port": self.events_port,
            "--market-data-port": self.market_data_port,
        }

    @property
    def address(self) -> str:
        """Where the demo's own processes reach a server that listens on `host`."""
        return local_address(self.host)

    def uri(self, port: int) -> str:
        return local_uri(self.host, port)


def battle_config(settings: DemoSettings) -> BattleConfig:
    """The battle for the runner: at the demo's own addresses, with plugins that are found from any folder."""
    path = settings.config or _shipped_config()
    try:
        config = read_battle(path)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ProgramError(f"--config {path}: {reason}") from error
    bots = []
    for bot in config.bots:
        strategy = _found_from_anywhere(bot.strategy, path.parent)
        the_battles_own = {"market_data_uri": None, "order_gateway_uri": None}
        bots.append(bot.model_copy(update={"strategy": strategy, **the_battles_own}))
    return config.model_copy(
        update={
            "bots": bots,
            "market_data_uri": settings.uri(settings.market_data_port),
            "order_gateway_uri": settings.uri(settings.order_port),
        }
    )


def _shipped_config() -> Path:
    """The example battle: in the current folder, in the installed package, or beside it in a clone."""
    for place in (Path(BATTLE), PACKAGE / BATTLE, HOME / BATTLE):
        if place.is_file():
            return place
    return Path(BATTLE)


def _found_from_anywhere(strategy: str, folder: Path) -> str:
    """A plugin in the config's `folder`, by file or module, becomes an absolute path; anything else stays."""
    where, _, name = strategy.rpartition(":")
    if not where.endswith(".py"):
        where = where.replace(".", "/") + ".py"
    file = folder.resolve() / where
    is_plugin_here = name and file.is_file() and file.parent != HOME
    return f"{file}:{name}" if is_plugin_here else strategy


def check_ports(settings: DemoSettings) -> None:
    """Raise ProgramError when two flags name one port, or a port is not free."""
    if len(set(settings.ports.values())) < len(settings.ports):
        raise ProgramError(f"{', '.join(settings.ports)} must be three different ports")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    for flag, port in settings.ports.items():
        try:
            socket.create_server((settings.host, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise port_in_use(port, flag) from error
            reason = str(error.strerror or error).partition(" (while")[0]
            place = f"--host {settings.host} {flag} {port}"
            raise ProgramError(f"cannot listen on {place}: {reason}") from error


def new_run_folder(runs_dir: Path) -> Path:
    """Make `runs_dir/<UTC time>`, or `<UTC time>-2`, `-3` … when that exists."""
    name = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    if runs_dir.exists() and not runs_dir.is_dir():
        raise ProgramError(f"--runs-dir {runs_dir}: not a folder")
    try:
        return new_folder(runs_dir / name)
    except OSError as error:
        raise ProgramError(f"--runs-dir {runs_dir}: {error.strerror or error}") from error
