"""An instrument and the market's rules, in the engine's integers: prices in ticks, quantities in lots, money
in account units."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_EXACT = 2**50
"""Prices and money of at most so many units cross the wire without loss: up to here IEEE doubles lie closer
than the units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What may be traded and on which terms. Rates in basis points; `max_position` 0 means no cap.

    A tick is `tick_units` x 10^-`tick_decimals` of the account currency; one tick of one lot is worth
    `tick_value` account units.
    """

    symbol: str
    tick_units: int
    tick_decimals: int
    lot: str
    tick_value: int
    reference_price: int
    min_price: int
    max_price: int
    min_qty: int
    max_qty: int
    maker_fee_bps: int
    taker_fee_bps: int
    liquidation_fee_bps: int
    initial_margin_bps: int
    maintenance_margin_bps: int
    price_band_bps: int
    mark_move_bps: int
    max_open_orders: int
    max_order_qty: int
    max_order_notional: int
    max_position: int

    def band(self, mark: int) -> tuple[int, int]:
        """Lowest and highest price an order may name at this mark, both included (SYSTEM_DESIGN.md,
        The mark).
        """
        width = max(1, mark * self.price_band_bps // 10_000)
        return max(self.min_price, mark - width), min(self.max_price, mark + width)

    def largest_mark_move(self, mark: int) -> int:
        """How far one Tick may move the mark, in ticks."""
        return max(1, mark * self.mark_move_bps // 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for the whole market. Money in account units."""

    money_decimals: int
    starting_cash: int
    self_trade_prevention: str
    insurance_fund: int
    max_accounts: int
    mark_to_market_ms: int
    settle_window_s: int
