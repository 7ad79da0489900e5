"""The stage that every story begins on."""

from __future__ import annotations

from typing import TypeAlias

import pytest

from stories.stage import Stage

OpenMarket: TypeAlias = type[Stage]


@pytest.fixture
def market() -> Stage:
    """A market by the defaults: SIM, tick 0.01, mark 100.00, 10,000.00 for everybody, no fees."""
    return Stage()


@pytest.fixture
def open_market() -> OpenMarket:
    """Opens a market by other rules: `open_market(taker_fee_bps=10)`, `open_market(SIM, {"symbol":
    "OIL", "tick": "0.5"})`.
    """
    return Stage
