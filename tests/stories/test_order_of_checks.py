"""The first check that fails is the reason: each story fails two neighbours in the list, and hears
of the first.
"""

from __future__ import annotations

import pytest

from botpit.core.events import Reason

IN_ORDER = [
    "too_many_accounts",
    "duplicate_client_order_id",
    "unknown_symbol",
    "invalid_price",
    "invalid_qty",
    "order_too_large",
    "notional_too_large",
    "price_band",
    "reduce_only_would_increase",
    "post_only_would_cross",
    "no_liquidity",
    "fok_unfillable",
    "too_many_open_orders",
    "position_limit",
    "initial_margin_insufficient",
]


def test_the_reasons_stand_in_the_order_of_the_checks():
    assert [reason for reason in Reason if reason in IN_ORDER] == IN_ORDER


@pytest.fixture
def tight(open_market):
    """A market in which every cap is near. Bob bids 2 at 99.00 and asks 2 at 101.00."""
    market = open_market(
        {"symbol": "SIM", "max_qty": 100},
        max_order_qty=50,
        max_order_notional="4400",
        max_open_orders=2,
        max_position=20,
        starting_cash="300",
        max_accounts=3,
    )
    market.bob.buys(2, at="99.00")
    market.bob.sells(2, at="101.00")
    return market


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ({"qty": 0, "at": "99.00", "of": "GOLD"}, "unknown_symbol"),
        ({"qty": 5, "at": "99.005", "of": "GOLD"}, "unknown_symbol"),
        ({"qty": 0, "at": "99.005"}, "invalid_price"),
        ({"qty": 0, "at": "0.00"}, "invalid_price"),
        ({"qty": 101, "at": "99.00"}, "invalid_qty"),
        ({"qty": 100, "at": "99.00"}, "order_too_large"),
        ({"qty": 51, "at": "120.00"}, "order_too_large"),
        ({"qty": 50, "at": "120.00"}, "notional_too_large"),
        ({"qty": 5, "at": "120.00", "reduce_only": True}, "price_band"),
        ({"qty": 5, "at": "120.00", "post_only": True}, "price_band"),
        (
            {"qty": 5, "at": "101.00", "reduce_only": True, "post_only": True},
            "reduce_only_would_increase",
        ),
        (
            {"qty": 5, "at": "101.00", "reduce_only": True, "tif": "fok"},
            "reduce_only_would_increase",
        ),
        ({"qty": 40, "at": "101.00", "post_only": True}, "post_only_would_cross"),
        ({"qty": 3, "at": "101.00", "tif": "fok"}, "fok_unfillable"),
        ({"qty": 40, "at": "101.00", "tif": "fok"}, "fok_unfillable"),
        ({"qty": 21, "at": "100.00"}, "position_limit"),
        ({"qty": 16, "at": "100.00"}, "initial_margin_insufficient"),
        ({"qty": 15, "at": "100.00"}, None),
    ],
)
def test_the_first_that_fails_is_the_reason(tight, order, reason):
    assert tight.alice.buys(**order).refused == reason


def test_a_market_order_that_may_not_increase_is_told_so_before_the_empty_book(tight):
    tight.bob.cancels_all()
    assert tight.alice.buys(3, reduce_only=True).refused == "reduce_only_would_increase"


def test_no_liquidity_comes_before_unfillable(tight):
    tight.bob.cancels_all()
    assert tight.alice.buys(3, tif="fok").refused == "no_liquidity"
    assert tight.alice.buys(40, tif="fok").refused == "no_liquidity"


def test_a_market_orders_size_comes_before_the_empty_book(tight):
    tight.bob.cancels_all()
    assert tight.alice.buys(0).refused == "invalid_qty"
    assert tight.alice.buys(51).refused == "order_too_large"
    assert tight.alice.buys(41).refused == "notional_too_large"


def test_crossing_comes_before_too_many_open_orders(tight):
    tight.alice.buys(1, at="98.00")
    tight.alice.buys(1, at="98.00")
    assert tight.alice.buys(1, at="101.00", post_only=True).refused == "post_only_would_cross"
    assert tight.alice.buys(1, at="98.00").refused == "too_many_open_orders"


def test_too_many_open_orders_comes_before_the_position_limit(tight):
    tight.alice.buys(1, at="98.00")
    tight.alice.buys(1, at="98.00")
    assert tight.alice.buys(19, at="98.00").refused == "too_many_open_orders"
    assert tight.alice.buys(40, at="98.00").refused == "too_many_open_orders"


def test_the_account_comes_before_everything(tight):
    tight.alice.buys(1, at="98.00")
    tight.carol.buys(1, at="98.00")
    assert tight.dave.buys(0, at="99.005", of="GOLD").refused == "too_many_accounts"


def test_a_used_id_comes_before_everything_else(tight):
    tight.alice.buys(1, at="98.00", id="a")
    assert (
        tight.alice.buys(0, at="99.005", of="GOLD", id="a").refused
        == "duplicate_client_order_id"
    )


def test_a_repeated_order_is_answered_before_it_is_checked_anew(market):
    order = market.alice.buys(5, at="90.00", id="a")
    market.alice.cancels(order)
    market.mark_walks_to("105.00")
    assert market.alice.buys(5, at="90.00", id="a").refused is None
    assert market.alice.buys(5, at="90.00", id="b").refused == "price_band"


# ------------------------------------------------------------------------------------------ replace


def test_a_replace_of_no_order_is_told_so_before_its_terms(tight):
    assert tight.alice.replaces(id="x", at="99.005", qty=0).refused == "unknown_order"
    tight.alice.logs_in()
    assert tight.alice.replaces(id="x", at="99.005", qty=0).refused == "unknown_order"


def test_a_replace_of_a_closed_order_is_told_so_before_its_terms(tight):
    order = tight.alice.buys(1, at="98.00")
    tight.alice.cancels(order)
    assert tight.alice.replaces(order, at="99.005", qty=0).refused == "already_closed"


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"at": "99.005", "qty": 0}, "invalid_price"),
        ({"at": "98.00", "qty": 101}, "invalid_qty"),
        ({"at": "120.00", "qty": 1}, "invalid_qty"),
        ({"at": "120.00", "qty": 51}, "order_too_large"),
        ({"at": "120.00", "qty": 50}, "notional_too_large"),
        ({"at": "120.00", "qty": 5}, "price_band"),
        ({"at": "101.00", "qty": 40}, "post_only_would_cross"),
        ({"at": "98.00", "qty": 40}, "position_limit"),
        ({"at": "98.00", "qty": 20}, "initial_margin_insufficient"),
    ],
)
def test_a_replace_is_checked_in_the_same_order(tight, terms, reason):
    order = tight.alice.buys(3, at="99.50", post_only=True)
    tight.bob.sells(1, at="99.50")
    assert tight.alice.replaces(order, **terms).refused == reason
    assert tight.alice.open_orders == ["buy 2 at 99.50"]


def test_a_reduce_only_replace_is_told_so_before_it_is_told_that_it_would_cross(tight):
    tight.bob.cancels_all()
    tight.bob.sells(2, at="101.00")
    tight.carol.buys(2, at="99.00")
    tight.alice.sells(2, at="99.00")
    order = tight.alice.buys(2, at="98.00", reduce_only=True, post_only=True)
    tight.carol.sells(2, at="100.00")
    tight.alice.buys(2, at="100.00")
    assert tight.alice.replaces(order, at="101.00").refused == "reduce_only_would_increase"
