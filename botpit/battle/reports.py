"""The part of a bot's own report that goes into a battle's results.

Fees, refusals and latencies are private to a bot, so the results take its word for them; all other figures
are public.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class ReportedLatency(_Model):
    """From sending an order to receiving its answer, in microseconds."""

    count: Count
    p50: float | None
    p99: float | None


class BotReport(_Model):
    """`rejected` counts refused orders and replaces by reason; `fees` is money paid, negative if rebates were
    larger.

    `BotReport.model_validate_json(text)` reads one; ValueError names what is wrong.
    """

    format: Literal[1]
    trader_id: str
    rejected: dict[str, Count]
    fees: float
    latency_us: ReportedLatency
