"""`botpit …`: one command for what takes more than one program. Each subcommand is a parser and what it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from botpit import __version__, compiled
from botpit.cli.check import add_check
from botpit.cli.demo.command import demo
from botpit.cli.demo.plan import DemoSettings
from botpit.cli.replay import add_replay
from botpit.io.processes import LOG_LEVELS, configure_logging, run

MAX_DURATION_S = 7 * 24 * 3_600.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="botpit", description="A local exchange for trading bots.", epilog="example: botpit demo --duration 20"
    )
    parser.add_argument("--version", action="version", version=f"botpit {__version__} ({compiled.engine()} engine)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands)
    add_check(commands)
    add_replay(commands)
    options = parser.parse_args(argv)
    return int(options.run(options))


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "demo",
        help="watch a battle: exchange, relay, bots and monitor in one terminal",
        description="Start exchange, relay, the battle of a config and the monitor; stop all at the end and print the standings."
        " Logs and CSV files go to a new folder for each run. The config's addresses are replaced by the demo's own.",
        epilog="example: botpit demo --duration 20 --config my_battle.json",
    )
    parser.add_argument("--config", type=Path, help="the battle (default: bots_config.json here, else the one that ships)")
    parser.add_argument("--duration", type=seconds, metavar="S", help="end after so many seconds (default: with Ctrl-C)")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="gets a folder for this run (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address that the servers listen on (default: %(default)s)")
    for name, default in (("order", 9001), ("events", 9002), ("market-data", 9010)):
        parser.add_argument(f"--{name}-port", type=port, default=default, metavar="PORT", help="(default: %(default)s)")
    parser.add_argument("--log-level", choices=LOG_LEVELS, default="info", help="of all processes (default: %(default)s)")
    parser.add_argument("--version", action="version", version=f"botpit {__version__}")
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    configure_logging("demo", options.log_level)
    settings = DemoSettings(
        config=options.config,
        duration_s=options.duration,
        runs_dir=options.runs_dir,
        host=options.host,
        order_port=options.order_port,
        events_port=options.events_port,
        market_data_port=options.market_data_port,
        log_level=options.log_level,
    )
    return run(lambda: demo(settings))


def seconds(text: str) -> float:
    duration_s = float(text)
    if not 0 < duration_s <= MAX_DURATION_S:
        raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most {MAX_DURATION_S:g} seconds")
    return duration_s


def port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{text} is not within 1 to 65535")
    return number


if __name__ == "__main__":
    sys.exit(main())
