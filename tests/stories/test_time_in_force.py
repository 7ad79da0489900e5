"""gtc, ioc, and fok: refused, touching nothing, unless the plan fills it all. (gtd: test_expiry.py.)"""

from __future__ import annotations


def test_a_gtc_order_waits_however_long(market):
    market.bob.sells(5, at="101.00")
    market.ticks_at(10**12)
    assert market.asks == ["5 at 101.00"]


def test_an_ioc_order_takes_what_is_there_and_leaves_nothing(market):
    market.bob.sells(5, at="101.00")
    market.alice.buys(7, at="101.00", tif="ioc")
    assert market.trades == ["alice buys 5 from bob at 101.00"]
    assert market.cancels == ["alice's 2 cancelled: ioc"]
    assert market.bids == []


def test_an_ioc_order_keeps_to_its_limit(market):
    market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="102.00")
    market.alice.buys(7, at="101.99", tif="ioc")
    assert market.trades == ["alice buys 5 from bob at 101.00"]


def test_an_ioc_order_that_finds_nothing_is_accepted_and_cancelled_whole(market):
    assert market.alice.buys(7, at="101.00", tif="ioc").refused is None
    assert market.last == ["alice's order accepted", "alice's 7 cancelled: ioc"]


def test_an_ioc_order_that_is_filled_has_nothing_to_cancel(market):
    market.bob.sells(5, at="101.00")
    market.alice.buys(5, at="101.00", tif="ioc")
    assert market.cancels == []


def test_a_fok_order_is_filled_whole_over_several_prices(market):
    market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="101.50")
    market.alice.buys(10, at="101.50", tif="fok")
    assert market.trades == [
        "alice buys 5 from bob at 101.00",
        "alice buys 5 from carol at 101.50",
    ]


def test_a_fok_order_one_lot_too_large_is_refused_and_touches_nothing(market):
    market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="101.50")
    assert market.alice.buys(11, at="101.50", tif="fok").refused == "fok_unfillable"
    assert market.trades == []
    assert market.asks == ["5 at 101.00", "5 at 101.50"]


def test_a_fok_order_counts_only_what_its_limit_reaches(market):
    market.bob.sells(5, at="101.00")
    market.carol.sells(5, at="101.50")
    assert market.alice.buys(6, at="101.49", tif="fok").refused == "fok_unfillable"


def test_a_fok_order_into_an_empty_book_is_unfillable(market):
    assert market.alice.buys(1, at="101.00", tif="fok").refused == "fok_unfillable"


def test_a_fok_market_order_is_filled_whole_or_refused(market):
    market.bob.sells(5, at="101.00")
    assert market.alice.buys(6, tif="fok").refused == "fok_unfillable"
    assert market.alice.buys(5, tif="fok").refused is None
    assert market.trades == ["alice buys 5 from bob at 101.00"]


def test_a_fok_sell_is_filled_whole_or_refused(market):
    market.bob.buys(5, at="99.00")
    assert market.alice.sells(6, at="99.00", tif="fok").refused == "fok_unfillable"
    assert market.alice.sells(5, at="99.00", tif="fok").refused is None
    assert market.trades == ["alice sells 5 to bob at 99.00"]
