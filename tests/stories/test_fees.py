"""Fees: notional x rate / 10,000 rounded up, in signed integers (a rebate is a negative rate), to `@fees`."""

from __future__ import annotations

import pytest


def trade_one(market, at):
    """Alice takes one lot from bob."""
    market.bob.sells(1, at=at)
    market.alice.buys(1, at=at)


def test_by_default_there_are_none(market):
    trade_one(market, "101.00")
    assert (market.alice.cash, market.bob.cash, market.fees) == ("10000.00", "10000.00", "0.00")


def test_the_taker_and_the_maker_pay_their_own_rates(open_market):
    market = open_market(taker_fee_bps=10, maker_fee_bps=5)
    trade_one(market, "100.00")
    assert market.fills == [
        "alice bought 1 at 100.00 as taker, 0 left, fee 0.10",
        "bob sold 1 at 100.00 as maker, 0 left, fee 0.05",
    ]
    assert (market.alice.cash, market.bob.cash, market.fees) == ("9999.90", "9999.95", "0.15")


def test_a_sell_that_takes_pays_the_takers_rate(open_market):
    market = open_market(taker_fee_bps=10, maker_fee_bps=5)
    market.bob.buys(1, at="100.00")
    market.alice.sells(1, at="100.00")
    assert (market.alice.cash, market.bob.cash) == ("9999.90", "9999.95")


@pytest.mark.parametrize(
    ("at", "fee"),
    [("100.00", "0.01"), ("100.01", "0.02"), ("99.99", "0.01"), ("90.00", "0.01")],
)
def test_a_fee_is_rounded_up(open_market, at, fee):
    market = open_market(taker_fee_bps=1)
    trade_one(market, at)
    assert (market.fees, market.bob.cash) == (fee, "10000.00")


@pytest.mark.parametrize(
    ("at", "rebate"),
    [("100.00", "0.01"), ("100.01", "0.01"), ("99.99", "0.00"), ("101.00", "0.01")],
)
def test_a_rebate_is_a_negative_fee_rounded_up_too(open_market, at, rebate):
    market = open_market(taker_fee_bps=100, maker_fee_bps=-1)
    trade_one(market, at)
    assert market.bob.account.cash - 1_000_000 == int(rebate.replace(".", ""))
    assert (
        market.exchange.fees == 2_000_000 - market.alice.account.cash - market.bob.account.cash
    )


def test_each_fill_pays_its_own(open_market):
    market = open_market(taker_fee_bps=1)
    for seller in (market.bob, market.carol, market.dave):
        seller.sells(1, at="90.00")
    market.alice.buys(3, at="90.00")
    assert market.fees == "0.03"
    market.erin.sells(3, at="90.00")
    market.alice.buys(3, at="90.00")
    assert market.fees == "0.06"


def test_a_fee_is_on_the_price_of_the_trade_and_the_tick_value(open_market):
    market = open_market({"symbol": "SIM", "lot": "10"}, taker_fee_bps=10)
    market.bob.sells(2, at="101.00")
    market.alice.buys(2, at="105.00")
    assert market.fees == "2.02"


def test_a_fee_is_no_part_of_the_cost(open_market):
    market = open_market(taker_fee_bps=100)
    trade_one(market, "100.00")
    assert (market.alice.cost, market.alice.cash, market.alice.equity) == (
        "100.00",
        "9999.00",
        "9999.00",
    )


def test_an_order_that_does_not_trade_pays_nothing(open_market):
    market = open_market(taker_fee_bps=100, maker_fee_bps=100)
    market.alice.cancels(market.alice.buys(5, at="99.00"))
    market.alice.buys(5, at="99.00", tif="ioc")
    assert (market.alice.cash, market.fees) == ("10000.00", "0.00")


def test_a_replace_that_crosses_pays_the_takers_rate(open_market):
    market = open_market(taker_fee_bps=10)
    market.bob.sells(1, at="101.00")
    order = market.alice.buys(1, at="99.00")
    market.alice.replaces(order, at="101.00")
    assert (market.alice.cash, market.fees) == ("9999.89", "0.11")


def test_an_instrument_may_have_its_own_rates(open_market):
    market = open_market(
        {"symbol": "SIM"}, {"symbol": "OIL", "taker_fee_bps": 20}, taker_fee_bps=10
    )
    market.bob.sells(1, at="100.00", of="OIL")
    market.alice.buys(1, at="100.00", of="OIL")
    assert market.fees == "0.20"
