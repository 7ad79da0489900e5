"""The caps: prices, sizes, notional, open orders, position, accounts. At the cap is within it."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("at", "refused"),
    [
        ("0.00", "invalid_price"),
        ("-1.00", "invalid_price"),
        ("0.01", "price_band"),
        ("1000000.00", "price_band"),
        ("1000000.01", "invalid_price"),
        ("100.005", "invalid_price"),
    ],
)
def test_prices_from_one_tick_to_a_million(market, at, refused):
    assert market.alice.buys(1, at=at).refused == refused


@pytest.mark.parametrize(
    ("qty", "refused"),
    [
        (0, "invalid_qty"),
        (-1, "invalid_qty"),
        (1, None),
        (1_000_000, "order_too_large"),
        (1_000_001, "invalid_qty"),
    ],
)
def test_quantities_from_one_to_a_million(market, qty, refused):
    assert market.alice.buys(qty, at="99.00").refused == refused


def test_a_market_order_needs_a_quantity_too(market):
    market.bob.sells(1, at="101.00")
    assert market.alice.buys(0).refused == "invalid_qty"
    assert market.alice.buys(-1).refused == "invalid_qty"
    assert market.trades == []


def test_an_instrument_has_its_own_bounds(open_market):
    market = open_market(
        {
            "symbol": "SIM",
            "min_qty": 2,
            "max_qty": 4,
            "min_price": "99.00",
            "max_price": "101.00",
        }
    )
    assert [market.alice.buys(qty, at="100.00").refused for qty in (1, 2, 4, 5)] == [
        "invalid_qty",
        None,
        None,
        "invalid_qty",
    ]
    assert [
        market.alice.buys(2, at=at).refused for at in ("98.99", "99.00", "101.00", "101.01")
    ] == [
        "invalid_price",
        None,
        None,
        "invalid_price",
    ]


def test_the_default_caps_of_one_order(open_market):
    market = open_market(starting_cash="1000000")
    assert market.alice.buys(10_000, at="100.00").refused is None
    assert market.alice.buys(10_001, at="99.00").refused == "order_too_large"
    assert market.alice.buys(10_000, at="100.01").refused == "notional_too_large"


def test_the_largest_order(open_market):
    market = open_market(max_order_qty=10)
    assert market.alice.buys(11, at="99.00").refused == "order_too_large"
    assert market.alice.buys(10, at="99.00").refused is None
    assert market.bob.sells(11).refused == "order_too_large"


def test_the_largest_notional(open_market):
    market = open_market(max_order_notional="1000")
    assert market.alice.buys(11, at="90.91").refused == "notional_too_large"  # 1000.01
    assert market.alice.buys(10, at="100.00").refused is None


def test_a_market_orders_notional_is_taken_at_the_edge_of_the_band(open_market):
    market = open_market(max_order_notional="990")
    market.bob.sells(9, at="100.00")
    assert market.alice.buys(10).refused == "notional_too_large"
    assert market.alice.buys(9).refused is None
    market.bob.buys(10, at="99.00")
    assert market.carol.sells(12).refused == "notional_too_large"
    assert market.carol.sells(11).refused is None


def test_notional_counts_the_tick_value(open_market):
    market = open_market({"symbol": "SIM", "lot": "10"}, max_order_notional="1000")
    assert market.alice.buys(2, at="100.00").refused == "notional_too_large"
    assert market.alice.buys(1, at="100.00").refused is None


# -------------------------------------------------------------------------------------- open orders


def test_so_many_open_orders_and_no_more(open_market):
    market = open_market(max_open_orders=2)
    first = market.alice.buys(1, at="99.00")
    market.alice.sells(1, at="101.00")
    assert market.alice.buys(1, at="98.00").refused == "too_many_open_orders"
    market.alice.cancels(first)
    assert market.alice.buys(1, at="98.00").refused is None
    assert market.bob.buys(1, at="98.00").refused is None


def test_what_would_not_rest_needs_no_place(open_market):
    market = open_market(max_open_orders=1)
    market.bob.sells(5, at="101.00")
    market.alice.buys(1, at="99.00")
    assert market.alice.buys(1).refused is None
    assert market.alice.buys(1, at="101.00").refused is None
    assert market.alice.buys(9, at="101.00", tif="ioc").refused is None
    assert market.alice.position == 5


def test_an_order_that_would_partly_rest_is_refused_whole(open_market):
    market = open_market(max_open_orders=1)
    market.bob.sells(5, at="101.00")
    market.alice.buys(1, at="99.00")
    assert market.alice.buys(6, at="101.00").refused == "too_many_open_orders"
    assert market.trades == []


def test_a_filled_or_expired_order_gives_its_place_back(open_market):
    market = open_market(max_open_orders=1)
    market.alice.buys(1, at="99.00")
    market.bob.sells(1, at="99.00")
    assert market.alice.buys(1, at="98.00", until_ms=2_000).refused is None
    market.ticks_at(2_000)
    assert market.alice.buys(1, at="98.00").refused is None


def test_an_own_order_that_the_plan_cancels_gives_its_place_to_the_new_one(open_market):
    market = open_market(max_open_orders=1)
    market.alice.sells(1, at="101.00")
    assert market.alice.buys(1, at="101.00", stp="cancel_resting").refused is None
    assert market.alice.open_orders == ["buy 1 at 101.00"]


def test_the_default_is_two_hundred(market):
    for _ in range(200):
        assert market.alice.buys(1, at="99.00").refused is None
    assert market.alice.buys(1, at="99.00").refused == "too_many_open_orders"


# ----------------------------------------------------------------------------------------- position


def test_there_is_no_position_limit_by_default(market):
    assert market.alice.buys(500, at="100.00").refused is None


def test_a_position_limit_counts_own_open_orders_of_that_side(open_market):
    market = open_market(max_position=10)
    market.alice.buys(6, at="99.00")
    market.alice.sells(9, at="101.00")
    assert market.alice.buys(5, at="98.00").refused == "position_limit"
    assert market.alice.buys(4, at="98.00").refused is None
    assert market.alice.sells(2, at="102.00").refused == "position_limit"


def test_a_position_limit_counts_the_position(open_market):
    market = open_market(max_position=10)
    market.bob.sells(6, at="100.00")
    market.alice.buys(6, at="100.00")
    assert market.alice.buys(5, at="99.00").refused == "position_limit"
    assert market.alice.buys(4, at="99.00").refused is None
    assert market.alice.sells(17, at="101.00").refused == "position_limit"
    assert market.alice.sells(16, at="101.00").refused is None
    assert market.bob.sells(5, at="101.00").refused == "position_limit"


def test_a_position_limit_counts_planned_fills_and_what_would_rest(open_market):
    market = open_market(max_position=10)
    for seller in (market.bob, market.carol):
        seller.sells(6, at="101.00")
    assert market.alice.buys(11, at="101.00").refused == "position_limit"
    assert market.alice.buys(11, at="101.00", tif="fok").refused == "position_limit"
    assert market.alice.buys(11).refused == "position_limit"
    assert market.alice.buys(10, at="101.00").refused is None


def test_a_position_limit_does_not_count_what_would_be_cancelled(open_market):
    market = open_market(max_position=10)
    market.bob.sells(6, at="101.00")
    assert market.alice.buys(11, at="101.00").refused == "position_limit"
    assert market.alice.buys(11, at="101.00", tif="ioc").refused is None
    assert market.alice.position == 6


def test_a_reduce_only_order_counts_whole(open_market):
    market = open_market(max_position=5)
    market.bob.sells(3, at="100.00")
    market.alice.buys(3, at="100.00")
    assert market.alice.sells(9, at="101.00", reduce_only=True).refused == "position_limit"
    assert market.alice.sells(8, at="101.00", reduce_only=True).refused is None


# ----------------------------------------------------------------------------------------- accounts


def test_so_many_accounts_and_no_more(open_market):
    market = open_market(max_accounts=2)
    market.alice.buys(1, at="99.00")
    market.bob.logs_in()
    assert market.carol.buys(1, at="99.00").refused == "too_many_accounts"
    assert market.alice.buys(1, at="99.00").refused is None
    assert market.bob.buys(1, at="99.00").refused is None


def test_a_login_that_would_make_one_more_is_refused(open_market):
    market = open_market(max_accounts=1)
    market.alice.logs_in()
    assert market.carol.logs_in().refused == "too_many_accounts"
    assert market.alice.logs_in().refused is None
