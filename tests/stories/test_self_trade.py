"""Nobody trades with himself; law without exception. Per order (`stp`) or the market's default."""

from __future__ import annotations

import pytest

ALL_MODES = ["cancel_resting", "cancel_incoming", "cancel_both"]


@pytest.fixture
def crowd(market):
    """Asks: bob 2 at 101.00, alice 3 at 101.00, carol 4 at 101.00, alice 5 at 102.00."""
    market.bob.sells(2, at="101.00")
    market.alice.sells(3, at="101.00")
    market.carol.sells(4, at="101.00")
    market.alice.sells(5, at="102.00")
    return market


def test_cancel_resting_removes_own_orders_on_the_way_and_goes_on(crowd):
    crowd.alice.buys(5, at="102.00", stp="cancel_resting")
    assert crowd.trades == [
        "alice buys 2 from bob at 101.00",
        "alice buys 3 from carol at 101.00",
    ]
    assert crowd.cancels == ["alice's 3 cancelled: self_trade"]
    assert crowd.asks == ["1 at 101.00", "5 at 102.00"]


def test_cancel_resting_removes_every_own_order_it_meets_and_rests(crowd):
    crowd.alice.buys(10, at="102.00", stp="cancel_resting")
    assert crowd.cancels == [
        "alice's 3 cancelled: self_trade",
        "alice's 5 cancelled: self_trade",
    ]
    assert (crowd.bids, crowd.asks) == (["4 at 102.00"], [])


def test_cancel_incoming_keeps_the_fills_before_the_own_order_and_cancels_the_rest(crowd):
    crowd.alice.buys(5, at="102.00", stp="cancel_incoming")
    assert crowd.trades == ["alice buys 2 from bob at 101.00"]
    assert crowd.cancels == ["alice's 3 cancelled: self_trade"]
    assert crowd.queue("101.00") == ["alice 3", "carol 4"]
    assert crowd.bids == []


def test_cancel_both_takes_the_own_order_and_the_rest_of_the_incoming_one(crowd):
    crowd.alice.buys(10, at="102.00", stp="cancel_both")
    assert crowd.trades == ["alice buys 2 from bob at 101.00"]
    assert crowd.cancels == [
        "alice's 3 cancelled: self_trade",
        "alice's 8 cancelled: self_trade",
    ]
    assert crowd.asks == ["4 at 101.00", "5 at 102.00"]
    assert crowd.bids == []


@pytest.mark.parametrize("stp", ALL_MODES)
def test_an_own_order_behind_the_last_fill_is_not_met(crowd, stp):
    crowd.alice.buys(2, at="102.00", stp=stp)
    assert crowd.trades == ["alice buys 2 from bob at 101.00"]
    assert crowd.cancels == []


@pytest.mark.parametrize("stp", ALL_MODES)
def test_an_own_order_out_of_reach_is_not_met(market, stp):
    market.alice.sells(5, at="101.00")
    market.alice.buys(5, at="100.99", stp=stp)
    assert market.cancels == []
    assert (market.bids, market.asks) == (["5 at 100.99"], ["5 at 101.00"])


@pytest.mark.parametrize("stp", ALL_MODES)
def test_own_bids_are_no_different(market, stp):
    market.bob.buys(2, at="99.00")
    market.alice.buys(3, at="99.00")
    market.alice.sells(5, at="99.00", stp=stp)
    assert market.trades == ["alice sells 2 to bob at 99.00"]
    assert market.bids == (["3 at 99.00"] if stp == "cancel_incoming" else [])
    assert market.asks == (["3 at 99.00"] if stp == "cancel_resting" else [])


@pytest.mark.parametrize(
    ("stp", "bids", "asks"),
    [
        ("cancel_resting", ["7 at 102.00"], ["1 at 103.00"]),
        ("cancel_incoming", [], ["3 at 101.00", "1 at 103.00"]),
        ("cancel_both", [], ["1 at 103.00"]),
    ],
)
def test_the_market_has_a_default(open_market, stp, bids, asks):
    market = open_market(self_trade_prevention=stp)
    market.alice.sells(3, at="101.00")
    market.alice.sells(1, at="103.00")
    market.alice.buys(7, at="102.00")
    assert (market.bids, market.asks) == (bids, asks)


def test_the_default_of_the_default_market_is_cancel_resting(market):
    market.alice.sells(3, at="101.00")
    market.alice.buys(7, at="101.00")
    assert (market.bids, market.asks) == (["7 at 101.00"], [])


def test_the_incoming_orders_own_word_counts_not_the_default_nor_the_resting_orders(
    open_market,
):
    market = open_market(self_trade_prevention="cancel_both")
    market.alice.sells(3, at="101.00", stp="cancel_incoming")
    market.alice.buys(7, at="101.00", stp="cancel_resting")
    assert (market.bids, market.asks) == (["7 at 101.00"], [])


def test_an_ioc_that_only_meets_its_own_trader_cancels_by_its_mode(market):
    market.alice.sells(3, at="101.00")
    market.alice.buys(7, at="101.00", tif="ioc", stp="cancel_resting")
    assert market.cancels == ["alice's 3 cancelled: self_trade", "alice's 7 cancelled: ioc"]
    market.alice.sells(3, at="101.00")
    market.alice.buys(7, at="101.00", tif="ioc", stp="cancel_incoming")
    assert market.cancels[2:] == ["alice's 7 cancelled: self_trade"]


def test_a_market_order_steps_over_its_own_traders_orders(crowd):
    crowd.alice.buys(8, stp="cancel_resting")
    assert crowd.trades == [
        "alice buys 2 from bob at 101.00",
        "alice buys 4 from carol at 101.00",
    ]
    assert crowd.cancels == [
        "alice's 3 cancelled: self_trade",
        "alice's 5 cancelled: self_trade",
        "alice's 2 cancelled: price_band",
    ]


# ------------------------------------------------------ own quantity never counts for fok or market


@pytest.mark.parametrize("stp", ALL_MODES)
def test_own_quantity_is_no_liquidity_and_the_refusal_leaves_it(market, stp):
    market.alice.sells(5, at="101.00")
    assert market.alice.buys(5, stp=stp).refused == "no_liquidity"
    assert market.asks == ["5 at 101.00"]
    assert market.cancels == []


@pytest.mark.parametrize("stp", ALL_MODES)
def test_own_quantity_does_not_fill_a_fok_and_the_refusal_leaves_it(crowd, stp):
    assert crowd.alice.buys(7, at="101.00", tif="fok", stp=stp).refused == "fok_unfillable"
    assert crowd.queue("101.00") == ["bob 2", "alice 3", "carol 4"]
    assert crowd.cancels == []


def test_a_fok_under_cancel_resting_is_filled_by_the_others(crowd):
    assert crowd.alice.buys(6, at="101.00", tif="fok", stp="cancel_resting").refused is None
    assert crowd.trades == [
        "alice buys 2 from bob at 101.00",
        "alice buys 4 from carol at 101.00",
    ]
    assert crowd.cancels == ["alice's 3 cancelled: self_trade"]


@pytest.mark.parametrize("stp", ["cancel_incoming", "cancel_both"])
def test_under_the_other_modes_an_own_order_in_the_path_refuses_a_fok(crowd, stp):
    assert crowd.alice.buys(6, at="101.00", tif="fok", stp=stp).refused == "fok_unfillable"
    assert crowd.queue("101.00") == ["bob 2", "alice 3", "carol 4"]


@pytest.mark.parametrize("stp", ALL_MODES)
def test_an_own_order_behind_the_path_does_not_refuse_a_fok(crowd, stp):
    assert crowd.alice.buys(2, at="101.00", tif="fok", stp=stp).refused is None
    assert crowd.trades == ["alice buys 2 from bob at 101.00"]


def test_when_an_order_is_refused_for_its_margin_its_traders_other_orders_stay(market):
    market.alice.sells(3, at="101.00")
    assert (
        market.alice.buys(500, at="101.00", stp="cancel_resting").refused
        == "initial_margin_insufficient"
    )
    assert market.asks == ["3 at 101.00"]
    assert market.cancels == []


# ----------------------------------------------------------------------------------------- replaced


@pytest.mark.parametrize(
    ("stp", "cancels", "bids", "asks"),
    [
        ("cancel_resting", ["alice's 3 cancelled: self_trade"], ["5 at 101.00"], []),
        ("cancel_incoming", ["alice's 5 cancelled: self_trade"], [], ["3 at 101.00"]),
        (
            "cancel_both",
            ["alice's 3 cancelled: self_trade", "alice's 5 cancelled: self_trade"],
            [],
            [],
        ),
    ],
)
def test_a_replace_into_an_own_order_goes_by_the_replaced_orders_mode(
    market, stp, cancels, bids, asks
):
    market.alice.sells(3, at="101.00")
    order = market.alice.buys(5, at="99.00", stp=stp)
    market.alice.replaces(order, at="101.00")
    assert (market.trades, market.cancels) == ([], cancels)
    assert (market.bids, market.asks) == (bids, asks)


def test_a_replace_without_a_mode_goes_by_the_markets_default(open_market):
    market = open_market(self_trade_prevention="cancel_incoming")
    market.alice.sells(3, at="101.00")
    order = market.alice.buys(5, at="99.00")
    market.alice.replaces(order, at="101.00")
    assert market.cancels == ["alice's 5 cancelled: self_trade"]


def test_a_refused_replace_leaves_the_traders_other_orders(market):
    market.alice.sells(3, at="101.00")
    order = market.alice.buys(5, at="99.00", stp="cancel_resting")
    assert (
        market.alice.replaces(order, at="101.00", qty=600).refused
        == "initial_margin_insufficient"
    )
    assert market.alice.open_orders == ["sell 3 at 101.00", "buy 5 at 99.00"]
