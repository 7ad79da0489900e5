"""What a demo needs before its first process: the settings, the battle at its own addresses, free ports, a new folder.

All that can be refused is refused here, so that nothing has to be stopped again for a slip of the pen.
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
from botpit.io.child import PACKAGE
from botpit.io.exit_codes import ProgramError

MAX_RUNS_PER_SECOND = 100
BATTLE = "bots_config.json"
HOME = PACKAGE.parent
"""Whatever is here, everybody finds by its module's name."""


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """What `botpit demo` was asked for. `config` None: the shipped battle; `duration_s` None: until told to stop."""

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
        return {"--order-port": self.order_port, "--events-port": self.events_port, "--market-data-port": self.market_data_port}

    @property
    def own_address(self) -> str:
        """Where the demo's own processes find a server that listens on `host`."""
        return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    def uri(self, port: int) -> str:
        address = self.own_address
        return f"ws://[{address}]:{port}" if ":" in address else f"ws://{address}:{port}"


def battle_config(settings: DemoSettings) -> BattleConfig:
    """The battle as the runner gets it: at the demo's own addresses, and with plugins named so that it may lie in any folder."""
    path = settings.config or _shipped_config()
    try:
        config = read_battle(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ProgramError(f"--config {path}: {getattr(error, 'strerror', None) or error}") from error
    ours = {"market_data_uri": None, "order_gateway_uri": None}
    bots = [bot.model_copy(update=ours | {"strategy": _found_from_anywhere(bot.strategy, path.parent)}) for bot in config.bots]
    uris = {"market_data_uri": settings.uri(settings.market_data_port), "order_gateway_uri": settings.uri(settings.order_port)}
    return config.model_copy(update={"bots": bots, **uris})


def _shipped_config() -> Path:
    """The example battle: here, in the installed package, or beside it in a clone."""
    places = Path(BATTLE), PACKAGE / BATTLE, HOME / BATTLE
    return next((place for place in places if place.is_file()), places[0])


def _found_from_anywhere(strategy: str, folder: Path) -> str:
    """A plugin in the config's `folder`, by file or as a module, by its absolute path; whatever else, as it is."""
    where, _, name = strategy.rpartition(":")
    file = folder.resolve() / (where if where.endswith(".py") else where.replace(".", "/") + ".py")
    return f"{file}:{name}" if name and file.is_file() and file.parent != HOME else strategy


def check_ports(settings: DemoSettings) -> None:
    """Raise ProgramError when a port is asked for twice, or cannot be listened on now."""
    if len(set(settings.ports.values())) < len(settings.ports):
        raise ProgramError(f"{', '.join(settings.ports)} must be three different ports")
    for flag, port in settings.ports.items():
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        try:
            socket.create_server((settings.host, port), family=family).close()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise port_in_use(port, flag) from error
            reason = str(error.strerror or error).partition(" (while")[0]
            raise ProgramError(f"cannot listen on --host {settings.host} {flag} {port}: {reason}") from error


def new_run_folder(runs_dir: Path) -> Path:
    """Make `runs_dir/<UTC time>`, never one that is there already."""
    name = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    for number in range(1, MAX_RUNS_PER_SECOND):
        folder = runs_dir / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not runs_dir.is_dir():
                raise ProgramError(f"--runs-dir {runs_dir}: not a folder") from None
        except OSError as error:
            raise ProgramError(f"--runs-dir {runs_dir}: {error.strerror}") from error
        else:
            return folder
    raise ProgramError(f"--runs-dir {runs_dir}: {MAX_RUNS_PER_SECOND} runs began this second")
