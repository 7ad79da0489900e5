"""The play itself: exchange, relay, battle and monitor, each started when those it needs answer, and the standings at the end."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from botpit.battle.config import BattleConfig
from botpit.battle.results import Results
from botpit.cli.demo.plan import BATTLE, DemoSettings, battle_config, check_ports, new_run_folder
from botpit.cli.demo.processes import HEALTH_POLL_S, HEALTHY_WITHIN_S, DemoProcesses, health
from botpit.cli.program import add_usual_flags, parser_of, start
from botpit.io.exit_codes import ExitCode
from botpit.io.run import until_told_to_stop
from botpit.screen.leaderboard import remarks, standings_tables

MAX_DURATION_S = 7 * 24 * 3_600.0


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Play the demo; returns the exit code."""
    options = arguments(argv, prog)
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
    return start("demo", options.log_level, lambda: begun(settings))


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "Start exchange, relay, the battle of a config and the monitor; stop all at the end and print the standings. Logs and"
        " CSV files go to a new folder for each run. The config's addresses are replaced by the demo's own.",
        "example: %(prog)s --duration 20 --config my_battle.json",
    )
    which = "the battle (default: bots_config.json here, else the one that ships)"
    parser.add_argument("--config", type=Path, help=which)
    parser.add_argument("--duration", type=seconds, metavar="S", help="end after so many seconds (default: with Ctrl-C)")
    runs_dir = "gets a folder for this run (default: %(default)s)"
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help=runs_dir)
    parser.add_argument("--host", default="127.0.0.1", help="address that the servers listen on (default: %(default)s)")
    for name, default in (("order", 9001), ("events", 9002), ("market-data", 9010)):
        parser.add_argument(f"--{name}-port", type=port, default=default, metavar="PORT", help="(default: %(default)s)")
    add_usual_flags(parser, "of all processes (default: %(default)s)")
    return parser.parse_args(argv)


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


def begun(settings: DemoSettings) -> Coroutine[Any, Any, ExitCode]:
    """The demo of these settings, about to begin. Raises ProgramError when there is none."""
    config = battle_config(settings)
    check_ports(settings)
    return demo(settings, config)


async def demo(settings: DemoSettings, config: BattleConfig) -> ExitCode:
    """Play the demo to its end and print the final standings. Raises ProgramError."""
    folder = new_run_folder(settings.runs_dir)
    (folder / BATTLE).write_text(config.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
    await _play_until_told(settings, DemoProcesses(folder), len(config.all_bots()))
    show_standings(folder / "results.json")
    print(f"logs and CSV files: {folder}")
    return ExitCode.OK


async def _play_until_told(settings: DemoSettings, processes: DemoProcesses, bots: int) -> None:
    playing = asyncio.create_task(_play(settings, processes, bots))
    told = asyncio.create_task(until_told_to_stop())
    try:
        await asyncio.wait({playing, told}, return_when=asyncio.FIRST_COMPLETED)
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
    finally:
        told.cancel()
        await processes.leave()
    processes.check_all_ended_well()


async def _play(settings: DemoSettings, processes: DemoProcesses, bots: int) -> None:
    """Start everybody, each when those it needs answer, and watch until the time is over."""
    address, level = settings.own_address, ("--log-level", settings.log_level)
    exchange = ("--host", settings.host, "--order-port", f"{settings.order_port}", "--events-port", f"{settings.events_port}")
    await processes.start("exchange", *exchange, "--csv-dir", str(processes.folder),
                     "--data-dir", str(processes.folder / "exchange-data"), *level)  # fmt: skip
    await processes.healthy("exchange", address, settings.order_port, state="open")
    await processes.healthy("exchange", address, settings.events_port, state="open")
    relay = ("--host", settings.host, "--port", f"{settings.market_data_port}")
    await processes.start("relay", *relay, "--upstream-uri", settings.uri(settings.events_port), *level)
    await processes.healthy("relay", address, settings.market_data_port, upstream="connected")
    battle = ("--config", str(processes.folder / BATTLE), "--results", str(processes.folder / "results.json"))
    await processes.start("battle", *battle, "--log-dir", str(processes.folder / "bots"), *level)
    monitor = ("--uri", settings.uri(settings.market_data_port))
    await processes.start("monitor", *monitor, *level, in_front=True)
    await processes.watch(_time(settings, bots))


async def _time(settings: DemoSettings, bots: int) -> None:
    """The battle's time: from when all bots are logged in, or have had long enough for that, to its end if one was asked for."""
    loop = asyncio.get_running_loop()
    begins_s = loop.time() + HEALTHY_WITHIN_S
    while loop.time() < begins_s:
        told = await asyncio.to_thread(health, settings.own_address, settings.order_port)
        if told.get("sessions", 0) >= bots:
            break
        await asyncio.sleep(HEALTH_POLL_S)
    await (asyncio.Event().wait() if settings.duration_s is None else asyncio.sleep(settings.duration_s))


def show_standings(results: Path) -> None:
    """Print the standings in the runner's results: tables on a terminal, else aligned lines."""
    if not results.is_file():
        print("no standings: the battle ended before it began")
        return
    (last,) = Results.from_json(results.read_text(encoding="utf-8")).rounds
    tables = standings_tables(last.standings, f"final standings after {last.market.trades:,} trades")
    if sys.stdout.isatty():
        Console(markup=False, emoji=False, highlight=False).print("", tables)
    else:
        print(f"\n{tables.text()}")
    print(*remarks(last.standings), "", sep="\n")
