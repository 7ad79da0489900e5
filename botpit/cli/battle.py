"""Run a battle: start a process per bot, watch the feed, rank the traders, write results.json.

The bots know nothing of each other, and the runner reads the feed like any other reader: the standings are
what everyone could see, and the end of a bot, or the loss of the feed, ends nothing else. A battle of several
rounds closes the market after each through the operator's session, so that standings are plain cash, and then
has a new one begin.
"""

from __future__ import annotations

import argparse
import logging
import math
import platform
import shutil
import sys
from collections.abc import Coroutine, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from botpit import __version__
from botpit.battle.config import BattleConfig
from botpit.battle.live.battle import Battle
from botpit.battle.live.bot_processes import LaunchOptions
from botpit.battle.live.feed_connection import FeedConnection
from botpit.battle.ranking import totals
from botpit.battle.results import BattleSettings, Results
from botpit.cli.battle_file import read_battle
from botpit.cli.program import add_usual_flags, parser_of, start
from botpit.io.exit_codes import ExitCode, ProgramError
from botpit.io.files import new_folder, write_new
from botpit.io.log import fields, utc_now
from botpit.io.order_port import Operator, OrderPortError
from botpit.screen.battle_board import BattleBoard

MAX_ROUNDS = 1_000
MAX_STAGGER_MS = 60_000.0
MS_PER_S = 1_000

log = logging.getLogger("runner")


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run a battle until it is over or told to stop; return the exit code."""
    options = arguments(argv, prog)
    return start("runner", options.log_level, lambda: begun(options))


def begun(options: argparse.Namespace) -> Coroutine[Any, Any, ExitCode]:
    """The battle that the flags ask for, about to begin. Raises ProgramError when it cannot be read."""
    try:
        config = read_battle(options.config)
        connection = FeedConnection(config.market_data_uri)
        operator = operator_of(config, options)
        options.results.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise ProgramError(str(error)) from error
    return battle(config, connection, operator, options)


async def battle(
    config: BattleConfig,
    connection: FeedConnection,
    operator: Operator | None,
    options: argparse.Namespace,
) -> ExitCode:
    """The battle from the first process to the results. Raises ProgramError when it cannot begin as asked."""
    started_at = utc_now()
    try:
        if operator is not None:
            await operator.knock()
        launch = launch_options_of(options)
    except OrderPortError as error:
        reason = f"the exchange's door at {config.order_gateway_uri} does not open: {error}"
        raise ProgramError(f"--house-token: {reason}") from error
    except OSError as error:
        raise ProgramError(f"--log-dir: {error}") from error
    board = BattleBoard(connection, options.rounds)
    settings = settings_of(options)
    played = Battle(
        config, settings, connection, operator, launch, board, options.results.parent
    )
    ended_by = await played.play()
    results = Results(
        version=__version__,
        versions=versions(),
        started_at=started_at,
        ended_at=utc_now(),
        ended_by=ended_by,
        config=config.model_dump(mode="json"),
        settings=settings,
        rounds=played.rounds,
        totals=totals(played.rounds),
    )
    return report(played, board, results, options.results)


def report(battle: Battle, board: BattleBoard, results: Results, path: Path) -> ExitCode:
    """Show the totals of several rounds, and write the results; return the exit code."""
    if len(results.rounds) > 1:
        board.show_totals(results.totals)
    if battle.trouble:
        log.error("the battle ended early %s", fields(reason=battle.trouble))
    try:
        board.say(f"results: {write_new(path, results.to_json())}")
    except OSError as error:
        log.error("the results cannot be written %s", fields(reason=error))
        return ExitCode.HALTED
    if battle.trouble:
        return ExitCode.FAULT
    bots = [bot for each in results.rounds for bot in each.bots]
    if all(bot.failed for bot in bots):
        return ExitCode.STRATEGY
    return ExitCode.OK


def settings_of(options: argparse.Namespace) -> BattleSettings:
    return BattleSettings(
        duration_s=None if math.isinf(options.duration) else options.duration,
        rounds=options.rounds,
        warm_up_s=options.warm_up,
        cool_down_s=options.cool_down,
        stagger_ms=options.stagger_ms,
    )


def launch_options_of(options: argparse.Namespace) -> LaunchOptions:
    """Also makes the folder for this battle's reports. Raises OSError."""
    return LaunchOptions(
        python=options.python,
        strategy_dir=options.config.resolve().parent,
        log_level=options.log_level,
        log_dir=options.log_dir,
        report_dir=new_folder(options.log_dir / "reports"),
        stagger_s=options.stagger_ms / MS_PER_S,
    )


def versions() -> dict[str, str]:
    """The versions of everything that a battle's course may depend on."""
    ours = {
        "botpit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    return ours | {name: metadata.version(name) for name in ("pydantic", "websockets")}


# ---------------------------------------------------------------------------------------------------- options


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "Start every bot of a configuration, watch the battle, rank the traders by what they gained.",
        "example: %(prog)s --config bots_config.json --duration 60",
    )
    flag = parser.add_argument
    flag("--config", type=Path, default=Path("bots_config.json"), help="default: %(default)s")
    flag(
        "--duration",
        metavar="S",
        type=float,
        default=math.inf,
        help="seconds of a round (default: until told to stop)",
    )
    flag(
        "--warm-up",
        metavar="S",
        type=float,
        default=0.0,
        help="the first seconds of a round, which do not count (default: 0)",
    )
    flag(
        "--cool-down",
        metavar="S",
        type=float,
        default=0.0,
        help="seconds from the end of the last bot to the standings (default: 0)",
    )
    flag(
        "--rounds",
        metavar="N",
        type=int,
        default=1,
        help="each in a new market (default: %(default)s)",
    )
    flag(
        "--house-token",
        metavar="FILE",
        type=Path,
        help="the file of exchange_server.py --house-token-file, to close markets and begin new ones",
    )
    flag(
        "--stagger-ms",
        metavar="MS",
        type=float,
        default=20.0,
        help="between two starts (default: 20)",
    )
    flag(
        "--results",
        type=Path,
        default=Path("results.json"),
        help="never overwritten (default: %(default)s)",
    )
    flag(
        "--log-dir",
        type=Path,
        help="for the bots' logs and reports (default: logs, beside --results)",
    )
    flag("--python", default=sys.executable, help="the bots' interpreter (default: this one)")
    add_usual_flags(parser)
    options = parser.parse_args(argv)
    if problem := problem_of(options):
        parser.error(problem)
    options.log_dir = options.log_dir or options.results.parent / "logs"
    return options


def problem_of(options: argparse.Namespace) -> str | None:
    """The first problem of the flags, which begins with the flag."""
    if not options.duration > 0:
        return "--duration takes more than 0 seconds"
    if not 0 <= options.warm_up < options.duration:
        return "--warm-up takes 0 seconds or more, and less than --duration"
    if not 0 <= options.cool_down < math.inf:
        return "--cool-down takes 0 seconds or more"
    if not 1 <= options.rounds <= MAX_ROUNDS:
        return f"--rounds takes 1 to {MAX_ROUNDS}"
    if options.rounds > 1 and math.isinf(options.duration):
        return "--rounds above 1 take a --duration"
    if options.rounds > 1 and options.house_token is None:
        token = "--house-token FILE, the file of exchange_server.py --house-token-file"
        return f"--rounds above 1 take {token}"
    if not 0 <= options.stagger_ms <= MAX_STAGGER_MS:
        return f"--stagger-ms takes 0 to {MAX_STAGGER_MS:g}"
    if shutil.which(options.python) is None:
        return f"--python: there is no program {options.python}"
    return None


def operator_of(config: BattleConfig, options: argparse.Namespace) -> Operator | None:
    """The operator's session, which several rounds need. Raises OSError, ValueError."""
    if options.rounds == 1:
        return None
    token = options.house_token.read_text(encoding="ascii").strip()
    if not token:
        raise ValueError(f"--house-token: {options.house_token} is empty")
    return Operator(config.order_gateway_uri, token)
