"""A battle's configuration: JSON text in, the bots to start out, or every problem in a sentence of its own.

All problems are found at once, before anything starts: a host with forty bots does not want to learn of
mistakes one by one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError

from botpit.wire.explain import in_pydantic
from message_schemas import ClientId

MAX_BOTS = 1_000
"""Processes that one battle may start."""

TraderId = Annotated[str, *in_pydantic(ClientId).__metadata__]
Symbol = TraderId
Uri = Annotated[str, Field(pattern=r"^wss?://[^\s/]+\S*$", max_length=2_000)]
MAX_ID_CHARS = 64
MAX_CPU_S = 366 * 24 * 3_600
MAX_MEMORY_MB = 1_048_576
MAX_OPEN_FILES = 1_048_576
RestartPolicy = Literal["never", "on-failure"]
SEEDS_PER_ROUND = 1_000_003
"""A bot's seed grows by this from round to round: a prime above MAX_BOTS, so that bots rarely share seeds."""


def _scalar(value: object) -> str | bool | int | float:
    if isinstance(value, str | bool | int | float):
        return value
    raise ValueError("a parameter is a text, a number, true or false")


Parameter = Annotated[str | bool | int | float, PlainValidator(_scalar)]


class BattleConfigError(ValueError):
    """A configuration that cannot be used. `problems` are one sentence each, which begins with the place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Limits(_Model):
    """What one bot's process may use; None is no limit. `memory_mb` is address space in MiB."""

    cpu_s: Annotated[int, Field(ge=1, le=MAX_CPU_S)] | None = None
    memory_mb: Annotated[int, Field(ge=1, le=MAX_MEMORY_MB)] | None = None
    open_files: Annotated[int, Field(ge=1, le=MAX_OPEN_FILES)] | None = None


class BotConfig(_Model):
    """One bot, or `count` of them called `trader_id`-1, `trader_id`-2 … with seeds `seed`, `seed` + 1 …

    `symbol` is the instrument that it trades; None: the one its strategy names, or else the market's first.
    `decision_interval` is in seconds. None takes the battle's own value; `limits` replace the battle's as a
    whole.
    """

    trader_id: TraderId
    strategy: Annotated[str, Field(min_length=1, max_length=4_096)]
    symbol: Symbol | None = None
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    decision_interval: Annotated[float, Field(gt=0, le=3_600)] = 0.5
    strategy_params: dict[str, Parameter] = Field(default_factory=dict)
    count: Annotated[int, Field(ge=1, le=MAX_BOTS)] | None = None
    market_data_uri: Uri | None = None
    order_gateway_uri: Uri | None = None
    log_level: Literal["debug", "info", "warning", "error"] | None = None
    restart: RestartPolicy | None = None
    limits: Limits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """One process to start. `entry` is its place in the configuration; parameters are text, as in flags."""

    entry: str
    trader_id: str
    strategy: str
    symbol: str | None
    seed: int
    decision_interval: float
    strategy_params: dict[str, str]
    market_data_uri: str
    order_gateway_uri: str
    log_level: str | None
    restart: RestartPolicy
    limits: dict[str, int]

    def in_round(self, number: int) -> Bot:
        """The same bot with its seed of that round; in round 1 that is the configuration's."""
        return replace(self, seed=self.seed + (number - 1) * SEEDS_PER_ROUND)

    def flags(self) -> list[str]:
        """The flags of `bot_client.py`, except for the log level and the report."""
        flags = [
            f"--trader-id={self.trader_id}",
            f"--strategy={self.strategy}",
            f"--seed={self.seed}",
            f"--decision-interval={self.decision_interval}",
            f"--market-data-uri={self.market_data_uri}",
            f"--order-gateway-uri={self.order_gateway_uri}",
        ]
        if self.symbol is not None:
            flags.append(f"--symbol={self.symbol}")
        for name, limit in self.limits.items():
            flags.append(f"--max-{name.replace('_', '-')}={limit}")
        for name, value in self.strategy_params.items():
            flags.append(f"--strategy-param={name}={value}")
        return flags


class BattleConfig(_Model):
    """The whole file. The battle itself watches `market_data_uri`."""

    market_data_uri: Uri = "ws://127.0.0.1:9010"
    order_gateway_uri: Uri = "ws://127.0.0.1:9001"
    restart: RestartPolicy = "never"
    limits: Limits = Limits()
    bots: Annotated[list[BotConfig], Field(min_length=1, max_length=MAX_BOTS)]

    def all_bots(self) -> list[Bot]:
        """Every bot, in the file's order.

        A bot without a seed gets its place in this list, from 1, as its seed.
        """
        bots: list[Bot] = []
        for at, config in enumerate(self.bots):
            seed = config.seed
            if seed is None:
                seed = len(bots) + 1
            for copy, name in enumerate(_names(config)):
                bots.append(self._bot(f"bots[{at}]", config, name, seed + copy))
        return bots

    def _bot(self, entry: str, config: BotConfig, trader_id: str, seed: int) -> Bot:
        return Bot(
            entry=entry,
            trader_id=trader_id,
            strategy=config.strategy,
            symbol=config.symbol,
            seed=seed,
            decision_interval=config.decision_interval,
            strategy_params={
                key: _text(value) for key, value in config.strategy_params.items()
            },
            market_data_uri=config.market_data_uri or self.market_data_uri,
            order_gateway_uri=config.order_gateway_uri or self.order_gateway_uri,
            log_level=config.log_level,
            restart=config.restart or self.restart,
            limits=(config.limits or self.limits).model_dump(exclude_none=True),
        )


def parse_battle(text: str, try_out: Callable[[Bot], object]) -> BattleConfig:
    """The battle that a configuration's text describes; `try_out` raises ValueError for a bot that cannot be
    made.

    Raises BattleConfigError with every problem of its form or, if there is none, with every problem of the
    bots.
    """
    try:
        config = BattleConfig.model_validate(
            json.loads(text, object_pairs_hook=_without_repeated_keys)
        )
        bots = config.all_bots()
    except ValidationError as error:
        raise BattleConfigError(
            [_sentence(each) for each in error.errors(include_url=False)]
        ) from error
    except (ValueError, RecursionError) as error:
        raise BattleConfigError([f"not valid JSON: {error}"]) from error
    problems = [*_problems_of_names(bots), *_problems_of_strategies(bots, try_out)]
    if problems:
        raise BattleConfigError(problems)
    return config


def _problems_of_names(bots: list[Bot]) -> Iterator[str]:
    for name, times in Counter(bot.trader_id for bot in bots).items():
        if times > 1:
            yield f"bots: trader_id {name} is used {times} times"
    for bot in bots:
        if len(bot.trader_id) > MAX_ID_CHARS:
            yield f"{bot.entry}.trader_id: {bot.trader_id} is longer than {MAX_ID_CHARS} characters"
    if len(bots) > MAX_BOTS:
        yield f"bots: {len(bots)} are too many, a battle has at most {MAX_BOTS}"


def _problems_of_strategies(bots: list[Bot], try_out: Callable[[Bot], object]) -> Iterator[str]:
    for entry, copies in groupby(bots, key=attrgetter("entry")):
        bot = next(copies)
        try:
            try_out(bot)
        except ValueError as error:
            yield f"{entry} ({bot.trader_id}): {error}"


def _names(config: BotConfig) -> list[str]:
    if config.count is None:
        return [config.trader_id]
    return [f"{config.trader_id}-{copy}" for copy in range(1, config.count + 1)]


def _text(value: object) -> str:
    text = str(value)
    return text.lower() if isinstance(value, bool) else text


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is there twice in one object")
        found[key] = value
    return found


_PLAIN_WORDS = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "model_type": "must be an object",
}


def _sentence(error: Any) -> str:
    """`bots[2].seed: what is wrong with it`."""
    where = ""
    for step in error["loc"]:
        where += f"[{step}]" if isinstance(step, int) else f".{step}"
    where = where.lstrip(".") or "the file"
    what = _PLAIN_WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{where}: {what}"
