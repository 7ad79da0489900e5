"""New and replaced prices lie within mark +- max(1 tick, 10 % rounded down), inclusive, cut off at
min_price and max_price.
"""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("at", "refused"),
    [
        ("110.00", None),
        ("110.01", "price_band"),
        ("90.00", None),
        ("89.99", "price_band"),
    ],
)
def test_both_edges_belong_to_the_band_for_both_sides(market, sign, at, refused):
    assert market.alice.trades(1, sign, at).refused == refused


@pytest.mark.parametrize(
    ("at", "refused"),
    [
        ("110.05", None),
        ("110.06", "price_band"),
        ("90.05", None),
        ("90.04", "price_band"),
    ],
)
def test_its_width_is_rounded_down(open_market, at, refused):
    market = open_market({"symbol": "SIM", "reference_price": "100.05"})
    assert market.alice.buys(1, at=at).refused == refused


@pytest.mark.parametrize(
    ("at", "refused"),
    [("0.06", None), ("0.07", "price_band"), ("0.04", None), ("0.03", "price_band")],
)
def test_it_is_at_least_a_tick_wide(open_market, at, refused):
    market = open_market({"symbol": "SIM", "reference_price": "0.05"})
    assert market.alice.buys(1, at=at).refused == refused


def test_its_width_is_a_setting(open_market):
    market = open_market(price_band_bps=500)
    assert market.alice.buys(1, at="105.00").refused is None
    assert market.alice.buys(1, at="105.01").refused == "price_band"


def test_it_goes_with_the_mark(market):
    market.mark_walks_to("102.00")
    assert [
        market.alice.buys(1, at=at).refused for at in ("91.79", "91.80", "112.20", "112.21")
    ] == [
        "price_band",
        None,
        None,
        "price_band",
    ]


def test_it_holds_for_replaced_prices(market):
    order = market.alice.buys(1, at="99.00")
    assert market.alice.replaces(order, at="89.99").refused == "price_band"
    assert market.alice.replaces(order, at="90.00").refused is None


def test_what_rests_outside_it_stays(market):
    market.bob.sells(5, at="110.00")
    market.mark_walks_to("99.00")
    assert market.asks == ["5 at 110.00"]


def test_a_market_orders_edge_is_cut_off_at_the_highest_price(open_market):
    market = open_market({"symbol": "SIM", "max_price": "105.00"}, max_order_notional="1050")
    market.bob.sells(10, at="105.00")
    assert market.alice.buys(10).refused is None
    assert market.trades == ["alice buys 10 from bob at 105.00"]


def test_a_market_orders_edge_is_cut_off_at_the_lowest_price(open_market):
    market = open_market({"symbol": "SIM", "min_price": "95.00"}, max_order_notional="940")
    market.bob.buys(9, at="95.00")
    assert market.alice.sells(10).refused == "notional_too_large"
    assert market.bob.buys(1, at="94.99").refused == "invalid_price"
