"""`botpit COMMAND …`: every program under one name. Only the requested one is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

HOME = str(Path(__file__).resolve().parent.parent)

if __name__ == "__main__":
    # Python puts the current folder or this one first on its path. A user's `token.py` in the one, or our
    # `io` in the other, must not be taken for Python's own.
    if not sys.flags.safe_path:
        del sys.path[0]
    if HOME not in sys.path:
        sys.path.insert(0, HOME)

COMMANDS = {
    "demo": (
        "demo.command",
        "watch a battle: exchange, relay, bots and monitor in one terminal",
    ),
    "exchange": (
        "exchange",
        "order entry, matching, positions, risk; its journal and its CSV files",
    ),
    "relay": ("relay", "the exchange's events for any number of readers"),
    "bot": ("bot", "one bot: a strategy that trades"),
    "battle": ("battle", "all bots of a config: started, watched, ranked"),
    "monitor": ("monitor", "a market on the screen"),
    "export": ("export", "a market's events to CSV files; an exchange starts this by itself"),
    "check": ("check", "a finished run recomputed from its files"),
    "replay": ("replay", "a journal replayed: fingerprints, checks, any past state"),
    "archive": (
        "archive",
        "a market's events, made from its journal; an exchange starts this by itself",
    ),
}
"""Command -> its module in `botpit.cli`, and its line of help."""
USAGE = "usage: botpit [-h] [--version] COMMAND ..."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    match words:
        case [command, *flags] if command in COMMANDS:
            program = import_module(f"botpit.cli.{COMMANDS[command][0]}")
            return int(program.main(flags, prog=f"botpit {command}"))
        case ["-h" | "--help", *_]:
            print(_help())
            return 0
        case ["--version", *_]:
            print(_version())
            return 0
    wrong = "a command is missing"
    if words:
        wrong = f"there is no command {words[0]!r}"
    print(f"{USAGE}\nbotpit: error: {wrong}; one of {', '.join(COMMANDS)}", file=sys.stderr)
    return 2


def _help() -> str:
    commands = "\n".join(f"  {name:10}{what}" for name, (_, what) in COMMANDS.items())
    about = "A local exchange for trading bots. `botpit COMMAND --help` explains a command."
    return f"{USAGE}\n\n{about}\n\n{commands}\n\nexample: botpit demo --duration 20"


def _version() -> str:
    from botpit import __version__, compiled

    return f"botpit {__version__} ({compiled.engine()} engine)"


if __name__ == "__main__":
    sys.exit(main())
