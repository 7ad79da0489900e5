"""A battle's configuration: JSON text in, the bots to start out, or every problem in a sentence of its own.

All problems are found at once, before anything starts: a host with forty bots does not want to learn of his mistakes one by one.
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
"""What a bot's seed grows by from one round to the next: a prime above MAX_BOTS, so that two bots rarely share a seed."""


def _scalar(value: object) -> str | bool | int | float:
    if isinstance(value, str | bool | int | float):
        return value
    raise ValueError("a parameter is a text, a number, true or false")


Parameter = Annotated[str | bool | int | float, PlainValidator(_scalar)]


class BattleConfigError(ValueError):
    """A configuration that cannot be used. `problems`: one sentence each, beginning with where."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Limits(_Model):
    """What one bot's process may use, each None: without limit. `memory_mb`: of address space, in MiB."""

    cpu_s: Annotated[int, Field(ge=1, le=MAX_CPU_S)] | None = None
    memory_mb: Annotated[int, Field(ge=1, le=MAX_MEMORY_MB)] | None = None
    open_files: Annotated[int, Field(ge=1, le=MAX_OPEN_FILES)] | None = None


class BotConfig(_Model):
    """One bot, or `count` of them called `trader_id`-1, `trader_id`-2 … with seeds `seed`, `seed` + 1 …

    `symbol` is the instrument that it trades, None: the one its strategy names, or else the market's first.
    `decision_interval` in seconds. What else is None is the battle's own; `limits` replace the battle's as a
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
    """One process to start. `entry` is where the configuration names it; parameters are text, as flags carry them."""

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
        """The same bot with its seed of that round, counted from 1; in the first one that is the configuration's."""
        return replace(self, seed=self.seed + (number - 1) * SEEDS_PER_ROUND)

    def flags(self) -> list[str]:
        """What `bot_client.py` is told, but for the log level and the report."""
        given: dict[str, object] = {
            "trader-id": self.trader_id,
            "strategy": self.strategy,
            "seed": self.seed,
            "decision-interval": self.decision_interval,
            "market-data-uri": self.market_data_uri,
            "order-gateway-uri": self.order_gateway_uri,
            **({"symbol": self.symbol} if self.symbol is not None else {}),
            **{f"max-{name.replace('_', '-')}": limit for name, limit in self.limits.items()},
        }
        parameters = [f"--strategy-param={name}={value}" for name, value in self.strategy_params.items()]
        return [f"--{name}={value}" for name, value in given.items()] + parameters


class BattleConfig(_Model):
    """The whole file. The battle itself watches `market_data_uri`."""

    market_data_uri: Uri = "ws://127.0.0.1:9010"
    order_gateway_uri: Uri = "ws://127.0.0.1:9001"
    restart: RestartPolicy = "never"
    limits: Limits = Limits()
    bots: Annotated[list[BotConfig], Field(min_length=1, max_length=MAX_BOTS)]

    def all_bots(self) -> list[Bot]:
        """Every bot by itself, in the file's order. One without a seed gets its place in this list, from 1, as its seed."""
        bots: list[Bot] = []
        for at, each in enumerate(self.bots):
            first_seed = len(bots) + 1 if each.seed is None else each.seed
            bots += [self._bot(f"bots[{at}]", each, name, first_seed + copy) for copy, name in enumerate(_names(each))]
        return bots

    def _bot(self, entry: str, each: BotConfig, trader_id: str, seed: int) -> Bot:
        return Bot(
            entry=entry,
            trader_id=trader_id,
            strategy=each.strategy,
            symbol=each.symbol,
            seed=seed,
            decision_interval=each.decision_interval,
            strategy_params={key: _text(value) for key, value in each.strategy_params.items()},
            market_data_uri=each.market_data_uri or self.market_data_uri,
            order_gateway_uri=each.order_gateway_uri or self.order_gateway_uri,
            log_level=each.log_level,
            restart=each.restart or self.restart,
            limits=(each.limits or self.limits).model_dump(exclude_none=True),
        )


def parse_battle(text: str, try_out: Callable[[Bot], object]) -> BattleConfig:
    """The battle that a configuration's text describes; `try_out` raises ValueError for a bot that cannot be made.

    Raises BattleConfigError with every problem of its form or, when that is right, with every problem of the bots.
    """
    try:
        config = BattleConfig.model_validate(json.loads(text, object_pairs_hook=_without_repeated_keys))
        bots = config.all_bots()
    except ValidationError as error:
        raise BattleConfigError([_sentence(each) for each in error.errors(include_url=False)]) from error
    except (ValueError, RecursionError) as error:
        raise BattleConfigError([f"not valid JSON: {error}"]) from error
    problems = [*_problems_of_names(bots), *_problems_of_strategies(bots, try_out)]
    if problems:
        raise BattleConfigError(problems)
    return config


def _problems_of_names(bots: list[Bot]) -> Iterator[str]:
    for name, times in Counter(bot.trader_id for bot in bots).items():
        if times > 1:
            yield f"bots: trader_id {name} is there {times} times"
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


def _names(each: BotConfig) -> list[str]:
    return [each.trader_id] if each.count is None else [f"{each.trader_id}-{copy}" for copy in range(1, each.count + 1)]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
    if repeated:
        raise ValueError(f"the key {repeated[0]!r} is there twice in one object")
    return dict(pairs)


_PLAIN_WORDS = {"extra_forbidden": "unknown key", "missing": "is missing", "model_type": "must be an object"}


def _sentence(error: Any) -> str:
    """`bots[2].seed: what is wrong with it`."""
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"]).lstrip(".")
    what = _PLAIN_WORDS.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{where or 'the file'}: {what}"
