"""Reading a battle's configuration: each of its strategies is made once, to see that it can be made."""

from __future__ import annotations

import random
from pathlib import Path

from bot_strategies import load_strategy
from botpit.battle.config import BattleConfig, BattleConfigError, Bot, parse_battle
from botpit.io.exit_codes import ProgramError


def read_battle(path: Path) -> BattleConfig:
    """The battle in the file. Raises ProgramError with a line per mistake; OSError, UnicodeDecodeError."""
    folder = path.resolve().parent

    def try_out(bot: Bot) -> None:
        load_strategy(
            bot.strategy,
            trader_id=bot.trader_id,
            rng=random.Random(bot.seed),
            params=bot.strategy_params,
            relative_to=folder,
        )

    try:
        return parse_battle(path.read_text(encoding="utf-8"), try_out)
    except BattleConfigError as error:
        raise ProgramError(*(f"{path}: {problem}" for problem in error.problems)) from error
