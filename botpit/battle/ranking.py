"""Who won: the rows of one round, and those of all rounds together.

Rank goes by gain, so that nobody leads because he had more to begin with; in a fresh market that is the order of equity.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from botpit.battle.feed import BattleFeed
from botpit.battle.reports import BotReport
from botpit.battle.results import Latency, RoundResult, TotalResult, TraderResult
from botpit.battle.standings import MONEY_DECIMALS, Standing, ranked, standings

SHARE_DECIMALS = 6


def trader_results(
    feed: BattleFeed, reports: Mapping[str, BotReport] | None = None, restarts: Mapping[str, int] | None = None
) -> list[TraderResult]:
    """A row per trader, best first: all whom the feed told of, and those of known equity who have not traded.

    `reports` and `restarts` are of our bots, by trader.
    """
    accounts = standings(feed.mirror, feed.statistics)
    known = feed.equities.known()
    accounts += [_without_trades(name, known[name]) for name in known.keys() - {row.trader_id for row in accounts}]
    rows = [_result(row, feed, (reports or {}).get(row.trader_id), restarts or {}) for row in accounts]
    return [replace(row, rank=rank) for rank, row in ranked(rows, by=lambda row: row.gain)]


def _without_trades(trader_id: str, equity: float) -> Standing:
    return Standing(trader_id=trader_id, cash=equity, realized_pnl=0.0, unrealized_pnl=0.0, total_equity=equity)


def _result(row: Standing, feed: BattleFeed, report: BotReport | None, restarts: Mapping[str, int]) -> TraderResult:
    name, statistics = row.trader_id, feed.statistics
    volume, as_maker = statistics.volume_by_trader[name], statistics.maker_volume_by_trader[name]
    return TraderResult(
        **asdict(row),
        rank=0,
        gain=feed.equities.gain(name),
        max_drawdown=feed.equities.max_drawdown(name),
        volume=volume,
        maker_share=round(as_maker / volume, SHARE_DECIMALS) if volume else None,
        fees=report.fees if report else None,
        rejects=dict(report.rejected) if report else {},
        restarts=restarts.get(name, 0),
        latency_us=Latency(**report.latency_us.model_dump()) if report else Latency(),
    )


def totals(rounds: Iterable[RoundResult]) -> list[TotalResult]:
    """A row per trader of any round, best first by the sum of gains."""
    rows: dict[str, list[TraderResult]] = {}
    for each in rounds:
        for row in each.standings:
            rows.setdefault(row.trader_id, []).append(row)
    unranked = [_total(name, those) for name, those in rows.items()]
    return [replace(row, rank=rank) for rank, row in ranked(unranked, by=lambda row: row.gain)]


def _total(trader_id: str, rows: list[TraderResult]) -> TotalResult:
    fees = [row.fees for row in rows if row.fees is not None]
    return TotalResult(
        rank=0,
        trader_id=trader_id,
        gain=round(sum(row.gain for row in rows), MONEY_DECIMALS),
        rounds_won=sum(row.rank == 1 for row in rows),
        trades=sum(row.trades for row in rows),
        volume=sum(row.volume for row in rows),
        fees=round(sum(fees), MONEY_DECIMALS) if fees else None,
        max_drawdown=max(row.max_drawdown for row in rows),
        liquidations=sum(row.liquidations for row in rows),
        restarts=sum(row.restarts for row in rows),
        rejects=dict(sorted(sum((Counter(row.rejects) for row in rows), Counter()).items())),
    )
