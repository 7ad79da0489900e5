"""The ranking: the rows of one round, and those of all rounds together.

Rank goes by gain, so that nobody leads by a larger start; in a new market that is the order of equity.
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
    feed: BattleFeed,
    reports: Mapping[str, BotReport] | None = None,
    restarts: Mapping[str, int] | None = None,
) -> list[TraderResult]:
    """A row per trader, best first: all that the feed showed, and those of known equity that have not traded.

    `reports` and `restarts` are those of our bots, by trader.
    """
    reports = reports or {}
    restarts = restarts or {}
    accounts = standings(feed.mirror, feed.statistics)
    seen = {row.trader_id for row in accounts}
    for name, equity in feed.equities.known().items():
        if name not in seen:
            accounts.append(_without_trades(name, equity))
    rows = []
    for account in accounts:
        name = account.trader_id
        rows.append(_result(account, feed, reports.get(name), restarts.get(name, 0)))
    return [replace(row, rank=rank) for rank, row in ranked(rows, by=lambda row: row.gain)]


def _without_trades(trader_id: str, equity: float) -> Standing:
    return Standing(
        trader_id=trader_id,
        cash=equity,
        realized_pnl=0.0,
        unrealized_pnl=0.0,
        total_equity=equity,
    )


def _result(
    account: Standing, feed: BattleFeed, report: BotReport | None, restarts: int
) -> TraderResult:
    name = account.trader_id
    statistics = feed.statistics
    volume = statistics.volume_by_trader[name]
    maker_share = None
    if volume:
        maker_share = round(statistics.maker_volume_by_trader[name] / volume, SHARE_DECIMALS)
    public = TraderResult(
        **asdict(account),
        rank=0,
        gain=feed.equities.gain(name),
        max_drawdown=feed.equities.max_drawdown(name),
        volume=volume,
        maker_share=maker_share,
        fees=None,
        restarts=restarts,
    )
    if report is None:
        return public
    latency_us = Latency(**report.latency_us.model_dump())
    return replace(
        public, fees=report.fees, rejects=dict(report.rejected), latency_us=latency_us
    )


def totals(rounds: Iterable[RoundResult]) -> list[TotalResult]:
    """A row per trader of any round, best first by the sum of gains."""
    rows: dict[str, list[TraderResult]] = {}
    for each in rounds:
        for row in each.standings:
            rows.setdefault(row.trader_id, []).append(row)
    unranked = [_total(name, of_trader) for name, of_trader in rows.items()]
    return [replace(row, rank=rank) for rank, row in ranked(unranked, by=lambda row: row.gain)]


def _total(trader_id: str, rows: list[TraderResult]) -> TotalResult:
    fees = [row.fees for row in rows if row.fees is not None]
    rejects: Counter[str] = Counter()
    for row in rows:
        rejects.update(row.rejects)
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
        rejects=dict(sorted(rejects.items())),
    )
