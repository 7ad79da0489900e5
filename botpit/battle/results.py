"""What a battle leaves behind: results.json, complete enough to run the same battle again and to see who failed.

Plain values, so that whatever ranks battles later reads the file with the class that wrote it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from botpit.battle.config import Bot


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderResult:
    """A trader's last standing in money and lots; equal equity is equal rank. What is counted was told to the runner."""

    rank: int
    trader_id: str
    total_equity: float
    cash: float
    realized_pnl: float
    unrealized_pnl: float
    positions: dict[str, int]
    trades: int
    status: str
    liquidations: int
    deleveragings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BotResult:
    """How one bot was started and how it ended. `stopped`: only when told to.

    `exit_code` negative: ended by that signal; None: it could not be started.
    """

    bot: Bot
    exit_code: int | None
    stopped: bool
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketResult:
    """The market while we watched: `volume` in lots; what is unseen was told while the feed was down and counts for no trader.

    `unseen_liquidations`: of both kinds. `insurance_cash` None: the fund never changed. `market_id` None: the feed was never
    reached.
    """

    market_id: str | None
    trades: int
    volume: int
    unseen_trades: int
    liquidations: int
    deleveragings: int
    unseen_liquidations: int
    insurance_cash: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Times are ISO-8601 UTC. `standings` are of every trader the feed told of, ours or not; a bot that never traded has none."""

    version: str
    started_at: str
    ended_at: str
    ended_by: str
    market: MarketResult
    standings: list[TraderResult]
    bots: list[BotResult]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
