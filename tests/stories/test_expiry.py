"""gtd with `expires_at`: cancelled by the first Tick at or after it. Only Ticks see the time pass."""

from __future__ import annotations


def test_a_gtd_order_goes_with_the_tick_at_its_very_time(market):
    market.alice.buys(5, at="99.00", until_ms=2_000)
    market.ticks_at(1_999)
    assert market.bids == ["5 at 99.00"]
    market.ticks_at(2_000)
    assert market.bids == []
    assert market.cancels == ["alice's 5 cancelled: expired"]


def test_a_gtd_order_goes_with_the_first_tick_after_its_time(market):
    market.alice.buys(5, at="99.00", until_ms=2_000)
    market.ticks_at(5_000)
    assert market.cancels == ["alice's 5 cancelled: expired"]


def test_between_its_time_and_the_tick_a_gtd_order_still_trades(market):
    market.alice.buys(5, at="99.00", until_ms=2_000)
    market.now_ms = 2_050
    market.bob.sells(2, at="99.00")
    market.ticks_at(2_100)
    assert market.trades == ["bob sells 2 to alice at 99.00"]
    assert market.cancels == ["alice's 3 cancelled: expired"]


def test_orders_that_expire_together_go_by_order_id(market):
    market.carol.buys(3, at="98.00", until_ms=2_500)
    market.alice.buys(1, at="99.00", until_ms=2_000)
    market.bob.buys(2, at="97.00", until_ms=1_500)
    market.ticks_at(3_000)
    assert market.last == [
        "carol's 3 cancelled: expired",
        "alice's 1 cancelled: expired",
        "bob's 2 cancelled: expired",
    ]


def test_an_order_that_is_over_does_not_expire_again(market):
    filled = market.alice.buys(5, at="99.00", until_ms=2_000)
    market.bob.sells(5, at="99.00")
    cancelled = market.alice.buys(5, at="98.00", until_ms=2_000)
    market.alice.cancels(cancelled)
    market.ticks_at(2_000)
    assert market.last == []
    assert market.alice.cancels(filled).refused == "already_closed"


def test_a_gtd_order_takes_what_crosses_it_on_entering(market):
    market.bob.sells(2, at="99.00")
    market.alice.buys(5, at="99.00", until_ms=2_000)
    assert market.trades == ["alice buys 2 from bob at 99.00"]
    market.ticks_at(2_000)
    assert market.cancels == ["alice's 3 cancelled: expired"]


def test_a_replaced_gtd_order_still_expires_at_its_time(market):
    order = market.alice.buys(5, at="99.00", until_ms=2_000)
    market.alice.replaces(order, at="98.00", qty=7)
    market.ticks_at(1_999)
    assert market.bids == ["7 at 98.00"]
    market.ticks_at(2_000)
    assert market.cancels == ["alice's 7 cancelled: expired"]


def test_the_many_that_are_over_do_not_hide_the_few_that_are_not(market):
    market.bob.buys(5, at="98.00", until_ms=3_000)
    for _ in range(2_500):
        market.alice.cancels(market.alice.buys(1, at="99.00", until_ms=2_000))
    market.bob.buys(6, at="98.00", until_ms=2_500)
    assert market.exchange.next_due_ns(0) == 2_500 * 1_000_000
    market.ticks_at(3_000)
    assert market.last == ["bob's 5 cancelled: expired", "bob's 6 cancelled: expired"]


def test_a_clock_that_steps_back_brings_no_time_back(market):
    market.ticks_at(3_000)
    market.now_ms = 1_000
    market.alice.buys(5, at="99.00", until_ms=2_000)
    market.ticks_at(1_500)
    assert market.cancels == ["alice's 5 cancelled: expired"]
