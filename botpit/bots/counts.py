"""What a bot has done so far, and up to which private event that is counted.

Counts and place are one object, so that nobody can keep a count with the place of another moment: a bot that
goes on from them counts each fill exactly once, however its predecessor ended.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from botpit.bots.latency import LatencyHistogram
from message_schemas import (
    CancelRejected,
    Fill,
    Message,
    OrderAccepted,
    OrderRejected,
    ReplaceRejected,
)

UNITS = 10**8
"""Of fees in one of the account currency: no market's money has more decimals."""


@dataclass(slots=True)
class Counts:
    """All up to and including the private event `account_seq` of the market `market_id`, and what came before
    that market.

    `sent`, `accepted` and `latency` are of orders, `rejected` of orders and replaces, `cancel_rejected` of
    cancels, by reason. Quantities are lots. `latency`: from the moment an order is handed over until its
    answer is taken.
    """

    market_id: str | None = None
    account_seq: int | None = None
    sent: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    cancel_rejected: Counter[str] = field(default_factory=Counter)
    fills: int = 0
    maker_fills: int = 0
    filled_qty: int = 0
    maker_qty: int = 0
    fee_units: int = 0
    """Fees paid less rebates, in UNITS: a sum of floats would drift."""
    callback_errors: int = 0
    slow_callbacks: int = 0
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)

    def apply(self, message: Message) -> None:
        """Count an answer or a private event."""
        match message:
            case OrderAccepted():
                self.accepted += not message.repeated
            case OrderRejected() | ReplaceRejected():
                self.rejected[message.reason] += 1
            case CancelRejected():
                self.cancel_rejected[message.reason] += 1
            case Fill():
                self._filled(message)

    def _filled(self, fill: Fill) -> None:
        is_maker = fill.liquidity == "maker"
        self.fills += 1
        self.filled_qty += fill.qty
        self.maker_fills += is_maker
        self.maker_qty += fill.qty * is_maker
        self.fee_units += fee_units(fill.fee)

    @property
    def fees(self) -> float:
        """Money, rounded to 8 decimals; exact while a double can hold them, which is up to 90 million."""
        return self.fee_units / UNITS

    @property
    def maker_share(self) -> float | None:
        """Which part (0 … 1) of the lots traded as maker."""
        return self.maker_qty / self.filled_qty if self.filled_qty else None

    def summary(self) -> dict[str, object]:
        """What these say beyond counts, where there is something to say: names and values for a log."""
        found: dict[str, object] = {}
        if self.maker_share is not None:
            found |= {"maker_share": f"{self.maker_share:.2f}", "fees": f"{self.fees:.2f}"}
        for name, share in (("p50_us", 0.5), ("p99_us", 0.99)):
            latency_us = self.latency.quantile(share)
            if latency_us is not None:
                found[name] = f"{latency_us:.0f}"
        return found


def fee_units(fee: float) -> int:
    """A fee of the wire, which is the nearest double to a decimal, as that decimal in UNITS."""
    return round(Decimal(repr(fee)) * UNITS)
