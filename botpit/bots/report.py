"""A bot's report: its counts as one JSON object, for whoever watches bots and for its next process."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from botpit.bots.counts import Counts, fee_units
from botpit.bots.latency import LatencyHistogram

Count = Annotated[int, Meta(ge=0)]
Microseconds = Annotated[float, Meta(ge=0)]


class ReportError(ValueError):
    """A report that cannot be continued; the text says what is wrong, and where (`$` is the whole)."""


class LatencyReport(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Latencies in microseconds. `buckets`: upper bound and how many, so that reports can be added up."""

    count: Count
    p50: Microseconds | None
    p99: Microseconds | None
    max: Microseconds | None
    buckets: list[tuple[Microseconds, Count]]

    def __post_init__(self) -> None:
        if sum(count for _, count in self.buckets) != self.count:
            raise ValueError("buckets do not add up to count")


class Report(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The fields of `Counts` under the names of the file; docs/API_SPEC.md explains each."""

    format: Literal[1] = 1
    trader_id: str
    market_id: str | None
    account_seq: Count | None
    sent: Count
    accepted: Count
    rejected: dict[str, Count]
    cancel_rejected: dict[str, Count]
    fills: Count
    maker_fills: Count
    filled_qty: Count
    maker_qty: Count
    fees: float
    callback_errors: Count
    slow_callbacks: Count
    latency_us: LatencyReport

    def __post_init__(self) -> None:
        if (self.market_id is None) != (self.account_seq is None):
            raise ValueError("market_id and account_seq: one is null and the other is not")


_LIKE_COUNTS = (
    "market_id",
    "account_seq",
    "sent",
    "accepted",
    "fills",
    "maker_fills",
    "filled_qty",
    "maker_qty",
    "callback_errors",
    "slow_callbacks",
)


def report_text(trader_id: str, counts: Counts) -> str:
    report = Report(
        trader_id=trader_id,
        rejected=dict(counts.rejected),
        cancel_rejected=dict(counts.cancel_rejected),
        fees=counts.fees,
        latency_us=_latency_report(counts.latency),
        **{name: getattr(counts, name) for name in _LIKE_COUNTS},
    )
    return msgspec.json.encode(report).decode() + "\n"


def counts_of(text: str, trader_id: str) -> Counts:
    """The counts that `trader_id`'s report holds. Raises ReportError."""
    try:
        report = msgspec.json.decode(text, type=Report)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ReportError(str(error)) from error
    if report.trader_id != trader_id:
        raise ReportError(f"this is the report of {report.trader_id!r}, not of {trader_id!r}")
    latency = LatencyHistogram()
    latency.merge(report.latency_us.buckets, report.latency_us.max)
    return Counts(
        rejected=Counter(report.rejected),
        cancel_rejected=Counter(report.cancel_rejected),
        fee_units=fee_units(report.fees),
        latency=latency,
        **{name: getattr(report, name) for name in _LIKE_COUNTS},
    )


def _latency_report(latency: LatencyHistogram) -> LatencyReport:
    return LatencyReport(
        count=latency.count,
        p50=latency.quantile(0.5),
        p99=latency.quantile(0.99),
        max=latency.max_us,
        buckets=latency.buckets(),
    )
