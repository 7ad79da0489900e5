"""What a bot says of itself: the part of its report that a battle's results are made of.

Fees, refusals and latencies are private to a bot, so that they are its own word; everything else in the results is public.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False)


class ReportedLatency(_Model):
    """From handing an order out to taking its answer, in microseconds."""

    count: Count
    p50: float | None
    p99: float | None


class BotReport(_Model):
    """`rejected`: refused orders and replaces by reason; `fees`: money paid, negative when more rebates came in.

    `BotReport.model_validate_json(text)` reads one; ValueError names what is wrong with it.
    """

    format: Literal[1]
    trader_id: str
    rejected: dict[str, Count]
    fees: float
    latency_us: ReportedLatency
