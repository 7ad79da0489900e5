"""Price, then time. The incoming order trades at the resting order's price. A partial fill keeps its place."""

from __future__ import annotations

import pytest


def test_the_first_in_the_queue_trades_first(market):
    market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="101.00")
    market.alice.buys(7, at="101.50")
    assert market.trades == [
        "alice buys 5 from bob at 101.00",
        "alice buys 2 from carol at 101.00",
    ]


def test_the_first_in_the_queue_of_bids_trades_first(market):
    market.bob.buys(5, at="99.00")
    market.carol.buys(5, at="99.00")
    market.alice.sells(7, at="98.50")
    assert market.trades == ["alice sells 5 to bob at 99.00", "alice sells 2 to carol at 99.00"]


def test_a_lower_ask_trades_before_an_earlier_one(market):
    market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="100.50")
    market.dave.sells(5, at="100.75")
    market.alice.buys(12, at="101.00")
    assert market.trades == [
        "alice buys 5 from carol at 100.50",
        "alice buys 5 from dave at 100.75",
        "alice buys 2 from bob at 101.00",
    ]


def test_a_higher_bid_trades_before_an_earlier_one(market):
    market.bob.buys(5, at="99.00")
    market.carol.buys(5, at="99.50")
    market.dave.buys(5, at="99.25")
    market.alice.sells(12, at="99.00")
    assert market.trades == [
        "alice sells 5 to carol at 99.50",
        "alice sells 5 to dave at 99.25",
        "alice sells 2 to bob at 99.00",
    ]


def test_no_size_is_served_before_an_earlier_one(market):
    market.bob.sells(1, at="101.00")
    market.carol.sells(100, at="101.00")
    market.alice.buys(1, at="101.00")
    assert market.trades == ["alice buys 1 from bob at 101.00"]


def test_the_incoming_order_gets_the_resting_price_not_its_own(market):
    market.bob.sells(5, at="100.20")
    market.alice.buys(5, at="105.00")
    market.carol.buys(5, at="99.80")
    market.dave.sells(5, at="95.00")
    assert market.trades == [
        "alice buys 5 from bob at 100.20",
        "dave sells 5 to carol at 99.80",
    ]


def test_a_partial_fill_keeps_its_place(market):
    market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="101.00")
    market.alice.buys(2, at="101.00")
    assert market.queue("101.00") == ["bob 3", "carol 5"]
    market.alice.buys(4, at="101.00")
    assert market.trades[1:] == [
        "alice buys 3 from bob at 101.00",
        "alice buys 1 from carol at 101.00",
    ]


def test_what_an_order_could_not_trade_rests_at_its_own_price(market):
    market.bob.sells(5, at="101.00")
    market.alice.buys(7, at="101.50")
    assert (market.bids, market.asks) == (["2 at 101.50"], [])


def test_prices_that_meet_exactly_trade_and_a_tick_apart_do_not(market):
    market.bob.sells(5, at="101.00")
    market.alice.buys(1, at="100.99")
    assert market.trades == []
    market.alice.buys(1, at="101.00")
    assert market.trades == ["alice buys 1 from bob at 101.00"]


def test_an_order_that_meets_nobody_only_rests(market):
    market.bob.sells(5, at="101.00")
    market.alice.buys(5, at="100.00")
    assert (market.bids, market.asks, market.trades) == (["5 at 100.00"], ["5 at 101.00"], [])
    assert market.last == ["alice's order accepted"]


@pytest.mark.parametrize("leaver", ["bob", "carol", "dave"])
def test_one_who_leaves_the_queue_leaves_the_others_in_their_order(market, leaver):
    orders = {
        name: getattr(market, name).sells(5, at="101.00") for name in ("bob", "carol", "dave")
    }
    getattr(market, leaver).cancels(orders[leaver])
    market.erin.sells(5, at="101.00")
    assert market.queue("101.00") == [
        f"{name} 5" for name in ("bob", "carol", "dave", "erin") if name != leaver
    ]


def test_the_answer_tells_how_many_lots_wait_before_the_order(market):
    assert market.bob.sells(5, at="101.00").event.queue_ahead == 0
    assert market.carol.sells(3, at="101.00").event.queue_ahead == 5
    market.alice.buys(2, at="101.00")
    assert market.dave.sells(1, at="101.00").event.queue_ahead == 6
    assert market.dave.sells(1, at="101.01").event.queue_ahead == 0


def test_nothing_waits_before_an_order_that_does_not_rest(market):
    market.bob.buys(5, at="99.00")
    assert market.carol.buys(5, at="99.00", tif="ioc").event.queue_ahead == 0


def test_the_lots_ahead_are_those_after_the_orders_own_trades(market):
    market.bob.sells(5, at="101.00")
    assert market.alice.buys(7, at="101.00").event.queue_ahead == 0
    assert market.bids == ["2 at 101.00"]
