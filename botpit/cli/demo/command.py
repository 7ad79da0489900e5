"""The play itself: exchange, relay, battle and monitor, each started when those it needs answer, and the standings at the end."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from botpit.battle.results import Latency, TraderResult
from botpit.cli.demo.plan import BATTLE, DemoError, DemoSettings, battle_config, check_ports, new_run_folder
from botpit.cli.demo.processes import HEALTH_POLL_S, HEALTHY_WITHIN_S, Cast, health
from botpit.io.processes import until_told_to_stop
from botpit.screen.leaderboard import remarks, standings_tables


async def demo(settings: DemoSettings) -> int:
    """Play the demo to its end and print the final standings. Returns the exit code; an error is one line on stderr."""
    try:
        config = battle_config(settings)
        check_ports(settings)
        folder = new_run_folder(settings.runs_dir)
        (folder / BATTLE).write_text(config.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8")
        await _play_until_told(settings, Cast(folder), len(config.all_bots()))
    except DemoError as error:
        print("\n".join(f"error: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return error.exit_code
    show_standings(folder / "results.json")
    print(f"logs and CSV files: {folder}")
    return 0


async def _play_until_told(settings: DemoSettings, cast: Cast, bots: int) -> None:
    playing = asyncio.create_task(_play(settings, cast, bots))
    told = asyncio.create_task(until_told_to_stop())
    try:
        await asyncio.wait({playing, told}, return_when=asyncio.FIRST_COMPLETED)
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
    finally:
        told.cancel()
        await cast.leave()
    cast.check_all_ended_well()


async def _play(settings: DemoSettings, cast: Cast, bots: int) -> None:
    """Start everybody, each when those it needs answer, and watch until the time is over."""
    address, level = settings.own_address, ("--log-level", settings.log_level)
    exchange = ("--host", settings.host, "--order-port", f"{settings.order_port}", "--events-port", f"{settings.events_port}")
    await cast.start("exchange", "exchange_server", *exchange, "--csv-dir", str(cast.folder),
                     "--data-dir", str(cast.folder / "exchange-data"), *level)  # fmt: skip
    await cast.healthy("exchange", address, settings.order_port, state="open")
    await cast.healthy("exchange", address, settings.events_port, state="open")
    relay = ("--host", settings.host, "--port", f"{settings.market_data_port}")
    await cast.start("relay", "market_data_server", *relay, "--upstream-uri", settings.uri(settings.events_port), *level)
    await cast.healthy("relay", address, settings.market_data_port, upstream="connected")
    battle = ("--config", str(cast.folder / BATTLE), "--results", str(cast.folder / "results.json"))
    await cast.start("battle", "bot_battle_runner", *battle, "--log-dir", str(cast.folder / "bots"), *level)
    await cast.start_in_front("monitor", "monitor_client", "--uri", settings.uri(settings.market_data_port), *level)
    await cast.watch(_time(settings, bots))


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
    (last,) = json.loads(results.read_text(encoding="utf-8"))["rounds"]
    rows = [TraderResult(**row | {"latency_us": Latency(**row["latency_us"])}) for row in last["standings"]]
    tables = standings_tables(rows, f"final standings after {last['market']['trades']:,} trades")
    if sys.stdout.isatty():
        Console(markup=False, emoji=False, highlight=False).print("", tables)
    else:
        print(f"\n{tables.text()}")
    print(*remarks(rows), "", sep="\n")
