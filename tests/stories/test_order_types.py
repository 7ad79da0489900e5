"""limit; market = an ioc limit at the edge of the price band, the rest cancelled; refused when the
plan has no fill.
"""

from __future__ import annotations

import pytest


def test_a_market_order_takes_what_the_book_offers_best_first(market):
    market.bob.sells(5, at="104.00")
    market.carol.sells(5, at="102.00")
    market.alice.buys(7)
    assert market.trades == [
        "alice buys 5 from carol at 102.00",
        "alice buys 2 from bob at 104.00",
    ]
    assert market.cancels == []


def test_a_market_sell_takes_the_bids_best_first(market):
    market.bob.buys(5, at="96.00")
    market.carol.buys(5, at="98.00")
    market.alice.sells(7)
    assert market.trades == ["alice sells 5 to carol at 98.00", "alice sells 2 to bob at 96.00"]


def test_what_a_market_order_does_not_find_is_cancelled(market):
    market.bob.sells(5, at="101.00")
    market.alice.buys(7)
    assert market.trades == ["alice buys 5 from bob at 101.00"]
    assert market.cancels == ["alice's 2 cancelled: price_band"]
    assert market.bids == []


def test_a_market_order_trades_at_the_very_edge_of_the_band(market):
    market.bob.sells(5, at="110.00")
    market.carol.buys(5, at="90.00")
    market.alice.buys(5)
    market.dave.sells(5)
    assert market.trades == [
        "alice buys 5 from bob at 110.00",
        "dave sells 5 to carol at 90.00",
    ]


def test_a_market_buy_goes_no_further_than_the_edge_of_the_band(market):
    market.bob.sells(5, at="110.00")
    market.mark_walks_to("99.00")
    market.carol.sells(5, at="108.90")
    market.alice.buys(7)
    assert market.trades == ["alice buys 5 from carol at 108.90"]
    assert market.cancels[-1] == "alice's 2 cancelled: price_band"
    assert market.asks == ["5 at 110.00"]


def test_a_market_sell_goes_no_further_than_the_edge_of_the_band(market):
    market.bob.buys(5, at="90.00")
    market.mark_walks_to("101.00")
    market.carol.buys(5, at="90.90")
    market.alice.sells(7)
    assert market.trades == ["alice sells 5 to carol at 90.90"]
    assert market.cancels[-1] == "alice's 2 cancelled: price_band"
    assert market.bids == ["5 at 90.00"]


@pytest.mark.parametrize("tif", ["ioc", "fok"])
def test_a_market_order_into_an_empty_book_is_refused(market, tif):
    assert market.alice.buys(5, tif=tif).refused == "no_liquidity"
    assert market.alice.sells(5, tif=tif).refused == "no_liquidity"


def test_a_market_order_is_refused_when_all_there_is_lies_beyond_the_band(market):
    market.bob.buys(5, at="90.00")
    market.mark_walks_to("101.00")
    assert market.alice.sells(5).refused == "no_liquidity"
    assert market.bids == ["5 at 90.00"]


def test_one_lot_is_enough_for_a_market_order_to_be_accepted(market):
    market.bob.sells(1, at="101.00")
    assert market.alice.buys(500).refused is None
    assert market.last[-3] == "alice's 499 cancelled: price_band"


def test_a_market_order_on_the_same_side_of_the_book_is_no_liquidity(market):
    market.bob.buys(5, at="99.00")
    assert market.alice.buys(5).refused == "no_liquidity"


def test_an_order_refused_by_the_plan_has_touched_nothing(market):
    market.bob.sells(5, at="101.00")
    market.alice.sells(2, at="100.50")
    market.bob.buys(400, at="100.00")
    assert market.alice.buys(10, at="101.00", tif="fok").refused == "fok_unfillable"
    assert (market.trades, market.cancels) == ([], [])
    assert (market.bids, market.asks) == (["400 at 100.00"], ["2 at 100.50", "5 at 101.00"])
    assert (market.alice.position, market.alice.cash, market.bob.cash) == (
        0,
        "10000.00",
        "10000.00",
    )
