"""replace is atomic: refused means untouched. It keeps its place only at the same price with no
more lots open.
"""

from __future__ import annotations

import pytest


def test_a_smaller_order_at_the_same_price_keeps_its_place(market):
    order = market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="101.00")
    assert market.bob.replaces(order, qty=3).refused is None
    assert market.last == ["bob's order replaced: 3 of 3 at 101.00, in its place"]
    assert market.queue("101.00") == ["bob 3", "carol 5"]


def test_an_unchanged_order_keeps_its_place(market):
    order = market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="101.00")
    market.bob.replaces(order, at="101.00", qty=5)
    assert market.last == ["bob's order replaced: 5 of 5 at 101.00, in its place"]
    assert market.queue("101.00") == ["bob 5", "carol 5"]


def test_a_larger_order_goes_to_the_end_of_the_queue(market):
    order = market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="101.00")
    market.bob.replaces(order, qty=6)
    assert market.last == ["bob's order replaced: 6 of 6 at 101.00, anew"]
    assert market.queue("101.00") == ["carol 5", "bob 6"]


def test_another_price_loses_the_place_even_on_the_way_back(market):
    order = market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="101.00")
    market.bob.replaces(order, at="102.00", qty=3)
    assert market.asks == ["5 at 101.00", "3 at 102.00"]
    market.bob.replaces(order, at="101.00")
    assert market.queue("101.00") == ["carol 5", "bob 3"]


def test_qty_is_the_new_total_the_filled_part_included(market):
    order = market.bob.sells(10, at="101.00")
    market.carol.sells(1, at="101.00")
    market.alice.buys(4, at="101.00")
    market.bob.replaces(order, qty=6)
    assert market.last == ["bob's order replaced: 2 of 6 at 101.00, in its place"]
    market.bob.replaces(order, qty=9)
    assert market.last == ["bob's order replaced: 5 of 9 at 101.00, anew"]
    assert market.queue("101.00") == ["carol 1", "bob 5"]


def test_a_new_price_alone_keeps_the_total(market):
    order = market.bob.sells(10, at="101.00")
    market.alice.buys(4, at="101.00")
    market.bob.replaces(order, at="102.00")
    assert market.last == ["bob's order replaced: 6 of 10 at 102.00, anew"]


@pytest.mark.parametrize("at", [None, "101.00", "102.00"])
@pytest.mark.parametrize("qty", [4, 3, 0, -1])
def test_a_total_not_above_what_is_filled_is_refused(market, at, qty):
    order = market.bob.sells(10, at="101.00")
    market.alice.buys(4, at="101.00")
    assert market.bob.replaces(order, at=at, qty=qty).refused == "invalid_qty"
    assert market.asks == ["6 at 101.00"]


def test_one_lot_above_what_is_filled_leaves_one(market):
    order = market.bob.sells(10, at="101.00")
    market.alice.buys(4, at="101.00")
    market.bob.replaces(order, qty=5)
    assert market.asks == ["1 at 101.00"]


# ----------------------------------------------------------------------------- as an incoming order


def test_a_replace_that_crosses_trades_at_the_resting_price_and_rests_with_the_remainder(
    market,
):
    market.carol.buys(3, at="99.50")
    order = market.bob.sells(5, at="101.00")
    market.bob.replaces(order, at="99.00")
    assert market.last == [
        "bob's order replaced: 5 of 5 at 99.00, anew",
        "bob sells 3 to carol at 99.50",
        "bob sold 3 at 99.50 as taker, 2 left",
        "carol bought 3 at 99.50 as maker, 0 left",
        "bob holds -3",
        "carol holds 3",
    ]
    assert (market.bids, market.asks) == ([], ["2 at 99.00"])


def test_a_replaced_order_may_be_filled_at_once(market):
    market.carol.buys(5, at="99.50")
    order = market.bob.sells(5, at="101.00")
    market.bob.replaces(order, at="99.50")
    assert (market.bids, market.asks) == ([], [])
    assert market.bob.cancels(order).refused == "already_closed"


def test_a_post_only_order_replaced_into_the_other_side_is_refused(market):
    market.carol.buys(5, at="99.00")
    order = market.bob.sells(5, at="101.00", post_only=True)
    assert market.bob.replaces(order, at="99.00").refused == "post_only_would_cross"
    assert market.asks == ["5 at 101.00"]
    assert market.bob.replaces(order, at="99.01").refused is None


def test_refused_means_untouched(market):
    order = market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="101.00")
    market.dave.buys(5, at="99.00")
    assert (
        market.bob.replaces(order, at="99.00", qty=600).refused == "initial_margin_insufficient"
    )
    assert market.last_in_book == []
    assert market.queue("101.00") == ["bob 5", "carol 5"]
    assert market.bids == ["5 at 99.00"]
    market.alice.buys(1, at="101.00")
    assert market.fills[-1] == "bob sold 1 at 101.00 as maker, 4 left"


def test_the_refusal_names_the_order(market):
    order = market.bob.sells(5, at="101.00", id="b")
    event = market.bob.replaces(id="b", at="120.00").event
    assert (event.order_id, event.client_order_id, event.reason) == (
        order.order_id,
        "b",
        "price_band",
    )


def test_the_old_lots_do_not_count_against_the_new_ones(open_market):
    market = open_market(max_position=10, max_open_orders=1, starting_cash="198")
    order = market.alice.buys(10, at="98.00")
    assert market.alice.replaces(order, at="99.00", qty=10).refused is None
    assert market.alice.replaces(order, qty=11).refused == "position_limit"


@pytest.mark.parametrize(
    ("at", "qty", "reason"),
    [
        ("101.005", None, "invalid_price"),
        ("0.00", None, "invalid_price"),
        (None, 1_000_001, "invalid_qty"),
        (None, 51, "order_too_large"),
        ("104.01", 10, "notional_too_large"),
        ("110.01", None, "price_band"),
        ("89.99", None, "price_band"),
    ],
)
def test_new_terms_pass_the_same_checks(open_market, at, qty, reason):
    market = open_market(max_order_qty=50, max_order_notional="1040")
    order = market.bob.sells(5, at="101.00")
    assert market.bob.replaces(order, at=at, qty=qty).refused == reason
    assert market.asks == ["5 at 101.00"]


# ----------------------------------------------------------- in its place, hardly anything is asked


def test_in_its_place_an_order_is_not_asked_for_the_band(market):
    order = market.alice.buys(5, at="90.00")
    market.mark_walks_to("101.00")
    assert market.alice.replaces(order, qty=6).refused == "price_band"
    assert market.alice.replaces(order, qty=4).refused is None
    assert market.bids == ["4 at 90.00"]


def test_in_its_place_an_order_is_not_asked_for_margin(open_market):
    market = open_market(starting_cash="110")
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    order = market.alice.sells(10, at="104.00")
    market.mark_walks_to("96.00")
    assert (
        market.alice.replaces(order, at="104.01", qty=9).refused
        == "initial_margin_insufficient"
    )
    assert market.alice.replaces(order, qty=9).refused is None


def test_in_its_place_an_order_is_still_asked_for_its_qty(open_market):
    market = open_market({"symbol": "SIM", "min_qty": 3})
    order = market.alice.buys(5, at="99.00")
    assert market.alice.replaces(order, qty=2).refused == "invalid_qty"
    assert market.alice.replaces(order, qty=3).refused is None


# -------------------------------------------------------------------------------------- which order


def test_an_order_may_be_named_by_its_client_id(market):
    market.bob.sells(5, at="101.00", id="b")
    assert market.bob.replaces(id="b", qty=4).refused is None
    assert market.asks == ["4 at 101.00"]


def test_an_order_that_never_was_is_unknown(market):
    market.bob.sells(5, at="101.00", id="b")
    assert market.bob.replaces(id="x", qty=4).refused == "unknown_order"
    assert market.carol.replaces(id="b", qty=4).refused == "unknown_order"


def test_an_order_that_is_over_is_already_closed(market):
    order = market.bob.sells(5, at="101.00")
    market.alice.buys(5, at="101.00")
    assert market.bob.replaces(order, qty=7).refused == "already_closed"


def test_a_replaced_order_is_cancelled_under_its_old_ids(market):
    order = market.bob.sells(5, at="101.00", id="b")
    market.bob.replaces(order, at="102.00")
    assert market.bob.cancels(order, id="b").refused is None
    assert market.asks == []
