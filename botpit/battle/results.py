"""What a battle leaves behind: results.json, complete enough to run the same battle again and to see who failed.

Plain values, written as they stand. What is public was told on the feed; what only a bot can know is its own report's word.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from botpit.battle.config import Bot
from message_schemas import InstrumentInfo

FORMAT = 2
"""Of results.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From handing an order out to its answer, in microseconds; all None where no bot of ours reported."""

    p50: float | None = None
    p99: float | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderResult:
    """A trader's last standing in money and lots; equal gain is equal rank. What is counted was told to the runner.

    `gain`: of equity, since the end of the warm-up or since the trader's beginning. `volume`: lots, `maker_share` of it
    (0 … 1) as the resting side, None without any. `fees` None: no report; so are `rejects` empty and `latency_us` unknown.
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
    """One end of a bot after which it was started again, at `at` (ISO-8601 UTC). `exit_code` negative: ended by that signal."""

    at: str
    exit_code: int
    ran_s: float
    backoff_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BotResult:
    """How one bot was started and how it ended. `stopped`: only when told to; `gave_up`: it had failed too often to go on.

    `exit_code` negative: ended by that signal; None: it could not be started. Paths are relative to the folder of results.json.
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
    """What trading in an instrument cost: fees in basis points of the notional, tick in money."""

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
    """The market while we watched: `volume` in lots; what is unseen was told while the feed was down and counts for no trader.

    `trades_before`: this market's, before we saw it. `unseen_liquidations`: of both kinds. `insurance_cash` None: the fund never
    changed. `market_id` None: the feed was never reached. `settlement`: the price of each instrument that we closed.
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
    """Times are ISO-8601 UTC. `standings`: of all bots and of every trader that the feed told of, best first."""

    round: int
    started_at: str
    ended_at: str
    ended_by: str
    market: MarketResult
    standings: list[TraderResult]
    bots: list[BotResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalResult:
    """A trader over all rounds: sums, but `max_drawdown`, which is the worst. A shared first place is won by each."""

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
    """What the runner was told. `duration_s` of each round, warm-up included; None: until told to stop."""

    duration_s: float | None
    rounds: int
    warm_up_s: float
    cool_down_s: float
    stagger_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The whole battle. `config`: as validated, with its defaults; `versions`: of what ran it, by name."""

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
        """What `to_json` wrote. Raises ValueError, which names what is wrong."""
        return TypeAdapter(cls).validate_json(text)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
