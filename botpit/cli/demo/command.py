"""The demo itself: each process starts when those it needs answer; the standings are printed at the end."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from botpit.battle.config import BattleConfig
from botpit.battle.results import Results
from botpit.cli.demo.plan import (
    BATTLE,
    DemoSettings,
    battle_config,
    check_ports,
    new_run_folder,
)
from botpit.cli.demo.processes import HEALTH_POLL_S, HEALTHY_WITHIN_S, DemoProcesses, health
from botpit.cli.program import add_usual_flags, parser_of, port_number, start
from botpit.io.exit_codes import ExitCode
from botpit.io.run import until_told_to_stop
from botpit.screen.leaderboard import remarks, standings_tables

MAX_DURATION_S = 7 * 24 * 3_600.0


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Play the demo; return the exit code."""
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
        "Start exchange, relay, the battle of a config and the monitor; stop all at the end and print the"
        " standings. Logs and CSV files go to a new folder for each run. The config's addresses are replaced"
        " by the demo's own.",
        "example: %(prog)s --duration 20 --config my_battle.json",
    )
    flag = parser.add_argument
    flag(
        "--config",
        type=Path,
        help="the battle (default: bots_config.json here, else the one that ships)",
    )
    flag(
        "--duration",
        type=seconds,
        metavar="S",
        help="end after so many seconds (default: with Ctrl-C)",
    )
    runs_dir = "gets a folder for this run (default: %(default)s)"
    flag("--runs-dir", type=Path, default=Path("runs"), help=runs_dir)
    host = "address that the servers listen on (default: %(default)s)"
    flag("--host", default="127.0.0.1", help=host)
    port = partial(port_number, least=1)
    for name, default in (("order", 9001), ("events", 9002), ("market-data", 9010)):
        flag(
            f"--{name}-port",
            type=port,
            default=default,
            metavar="PORT",
            help="(default: %(default)s)",
        )
    add_usual_flags(parser, "of all processes (default: %(default)s)")
    return parser.parse_args(argv)


def seconds(text: str) -> float:
    duration_s = float(text)
    if not 0 < duration_s <= MAX_DURATION_S:
        expected = f"more than 0 and at most {MAX_DURATION_S:g} seconds"
        raise argparse.ArgumentTypeError(f"expected {expected}, found {text}")
    return duration_s


def begun(settings: DemoSettings) -> Coroutine[Any, Any, ExitCode]:
    """The demo of these settings, about to begin. Raises ProgramError when it cannot begin."""
    config = battle_config(settings)
    check_ports(settings)
    return demo(settings, config)


async def demo(settings: DemoSettings, config: BattleConfig) -> ExitCode:
    """Play the demo to its end and print the final standings. Raises ProgramError."""
    folder = new_run_folder(settings.runs_dir)
    text = config.model_dump_json(indent=2, exclude_none=True)
    (folder / BATTLE).write_text(f"{text}\n", encoding="utf-8")
    await _play_until_told(settings, DemoProcesses(folder), len(config.all_bots()))
    show_standings(folder / "results.json")
    print(f"logs and CSV files: {folder}")
    return ExitCode.OK


async def _play_until_told(settings: DemoSettings, processes: DemoProcesses, bots: int) -> None:
    playing = asyncio.create_task(_play(settings, processes, bots))
    stop = asyncio.create_task(until_told_to_stop())
    try:
        await asyncio.wait({playing, stop}, return_when=asyncio.FIRST_COMPLETED)
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
    finally:
        stop.cancel()
        await processes.leave()
    processes.check_all_ended_well()


async def _play(settings: DemoSettings, processes: DemoProcesses, bots: int) -> None:
    """Start each process when those it needs answer, and watch until the time is over."""
    folder = processes.folder
    level = f"--log-level={settings.log_level}"
    host = f"--host={settings.host}"
    await processes.start(
        "exchange",
        host,
        f"--order-port={settings.order_port}",
        f"--events-port={settings.events_port}",
        f"--csv-dir={folder}",
        f"--data-dir={folder / 'exchange-data'}",
        level,
    )
    await processes.healthy("exchange", settings.address, settings.order_port, state="open")
    await processes.healthy("exchange", settings.address, settings.events_port, state="open")
    await processes.start(
        "relay",
        host,
        f"--port={settings.market_data_port}",
        f"--upstream-uri={settings.uri(settings.events_port)}",
        level,
    )
    await processes.healthy(
        "relay", settings.address, settings.market_data_port, upstream="connected"
    )
    await processes.start(
        "battle",
        f"--config={folder / BATTLE}",
        f"--results={folder / 'results.json'}",
        f"--log-dir={folder / 'bots'}",
        level,
    )
    await processes.start(
        "monitor", f"--uri={settings.uri(settings.market_data_port)}", level, in_front=True
    )
    await processes.watch(_time(settings, bots))


async def _time(settings: DemoSettings, bots: int) -> None:
    """The battle's time: it begins when all bots are logged in, or have had long enough for that."""
    loop = asyncio.get_running_loop()
    begins_s = loop.time() + HEALTHY_WITHIN_S
    while loop.time() < begins_s:
        answer = await asyncio.to_thread(health, settings.address, settings.order_port)
        if answer.get("sessions", 0) >= bots:
            break
        await asyncio.sleep(HEALTH_POLL_S)
    if settings.duration_s is None:
        await asyncio.Event().wait()  # until it is cancelled
    else:
        await asyncio.sleep(settings.duration_s)


def show_standings(results: Path) -> None:
    """Print the standings in the runner's results: tables on a terminal, else aligned lines."""
    if not results.is_file():
        print("no standings: the battle ended before it began")
        return
    (last,) = Results.from_json(results.read_text(encoding="utf-8")).rounds
    tables = standings_tables(
        last.standings, f"final standings after {last.market.trades:,} trades"
    )
    if sys.stdout.isatty():
        Console(markup=False, emoji=False, highlight=False).print("", tables)
    else:
        print(f"\n{tables.text()}")
    print(*remarks(last.standings), "", sep="\n")
