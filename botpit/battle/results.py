"""results.json: a battle's results, complete enough to run the battle again and to see who failed.

Plain values, written as they stand. Public figures come from the feed; what only a bot can know comes from
its report.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from botpit.battle.config import Bot
from message_schemas import InstrumentInfo

FORMAT = 2
"""The format of results.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From sending an order to its answer, in microseconds; all None without a report."""

    p50: float | None = None
    p99: float | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderResult:
    """A trader's last standing in money and lots; equal gain is equal rank. Counts are of what the runner
    saw.

    `gain` is that of equity since the end of the warm-up or the trader's start. `volume` is in lots;
    `maker_share` is its part (0 … 1) as the resting side, None without volume. Without a report `fees` is
    None, `rejects` is empty and `latency_us` is unknown.
    """

    rank: int
    trader_id: str
    total_equity: float
    gain: float
    cash: float
    realized_pnl: float
    unrealized_pnl: float
    positions: dict[str, int]
    volume: int
    trades: int
    maker_share: float | None
    fees: float | None
    max_drawdown: float
    status: str
    liquidations: int
    deleveragings: int
    rejects: dict[str, int] = field(default_factory=dict)
    restarts: int = 0
    latency_us: Latency = Latency()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartResult:
    """An end of a bot and its restart, `at` (ISO-8601 UTC). `exit_code` is negative after a signal."""

    at: str
    exit_code: int
    ran_s: float
    backoff_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BotResult:
    """How one bot was started and how it ended. `stopped`: it ran until stopped. `gave_up`: it failed too
    often.

    `exit_code` is negative after a signal, None if it could not be started. Paths are relative to the folder
    of results.json.
    """

    bot: Bot
    exit_code: int | None
    stopped: bool
    log: str
    report: str | None
    restarts: list[RestartResult]
    gave_up: bool

    @property
    def failed(self) -> bool:
        return not self.stopped and self.exit_code != 0


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentTerms:
    """The terms of an instrument: fees in basis points of the notional, tick in money."""

    tick: float
    lot: float
    maker_fee_bps: int
    taker_fee_bps: int
    liquidation_fee_bps: int

    @classmethod
    def of(cls, info: InstrumentInfo) -> InstrumentTerms:
        return cls(**{name: getattr(info, name) for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketResult:
    """The market while we watched; `volume` is in lots.

    Unseen events came while the feed was down and count for no trader; `unseen_liquidations` are of both
    kinds. `trades_before` are the market's trades before we watched. `insurance_cash` is None if the fund
    never changed, `market_id` if the feed was never reached. `settlement` has the price of each instrument
    that we closed.
    """

    market_id: str | None
    trades: int
    volume: int
    trades_before: int
    unseen_trades: int
    liquidations: int
    deleveragings: int
    unseen_liquidations: int
    insurance_cash: float | None
    instruments: dict[str, InstrumentTerms]
    settlement: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """Times are ISO-8601 UTC. `standings` include all bots and every trader on the feed, best first."""

    round: int
    started_at: str
    ended_at: str
    ended_by: str
    market: MarketResult
    standings: list[TraderResult]
    bots: list[BotResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalResult:
    """A trader's sums over all rounds; `max_drawdown` is the worst. A shared first place counts for each."""

    rank: int
    trader_id: str
    gain: float
    rounds_won: int
    trades: int
    volume: int
    fees: float | None
    max_drawdown: float
    liquidations: int
    restarts: int
    rejects: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class BattleSettings:
    """The runner's flags. `duration_s` is that of a round, warm-up included; None: until stopped."""

    duration_s: float | None
    rounds: int
    warm_up_s: float
    cool_down_s: float
    stagger_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The whole battle.

    `config` is validated, with its defaults; `versions` are those of what ran it, by name.
    """

    format: int = FORMAT
    version: str
    versions: dict[str, str]
    started_at: str
    ended_at: str
    ended_by: str
    config: dict[str, Any]
    settings: BattleSettings
    rounds: list[RoundResult]
    totals: list[TotalResult]

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Read what `to_json` wrote. Raises ValueError, which names what is wrong."""
        return TypeAdapter(cls).validate_json(text)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
