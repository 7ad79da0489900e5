"""Settings of a test's exchange, as text to put together."""

from __future__ import annotations

TWO_MARKETS = """
[[instruments]]
symbol = "SIM"
[[instruments]]
symbol = "ALT"
tick = 0.05
reference_price = 20
"""
RICH = """
[market]
starting_cash = 1000000000
max_requests_per_s = 1000000
max_cancels_per_s = 1000000
max_open_orders = 1000000
"""
"""Nobody meets a limit."""
BOTH = RICH + TWO_MARKETS
POOR = """
[market]
starting_cash = 100
insurance_fund = 2
max_requests_per_s = 1000000
max_cancels_per_s = 1000000
initial_margin_bps = 1000
maintenance_margin_bps = 500
price_band_bps = 800
taker_fee_bps = 5
maker_fee_bps = -1
"""
"""Margin is soon gone."""
