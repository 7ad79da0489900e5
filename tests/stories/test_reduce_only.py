"""`reduce_only`: what it trades, now or while resting, is at most what is left of the position at
that moment.
"""

from __future__ import annotations

import pytest


@pytest.fixture
def long_market(market):
    """Alice is long 5, bought from bob at 100.00."""
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    market.trades.clear()
    return market


@pytest.fixture
def short_market(market):
    """Alice is short 5, sold to bob at 100.00."""
    market.bob.buys(5, at="100.00")
    market.alice.sells(5, at="100.00")
    market.trades.clear()
    return market


def test_it_is_refused_when_flat(market):
    market.bob.sells(5, at="101.00")
    assert (
        market.alice.buys(5, at="101.00", reduce_only=True).refused
        == "reduce_only_would_increase"
    )
    assert (
        market.alice.sells(5, at="102.00", reduce_only=True).refused
        == "reduce_only_would_increase"
    )
    assert market.trades == []


def test_it_is_refused_when_flat_again(long_market):
    long_market.dave.buys(5, at="100.00")
    long_market.alice.sells(5, at="100.00")
    assert (
        long_market.alice.sells(1, at="101.00", reduce_only=True).refused
        == "reduce_only_would_increase"
    )


def test_it_is_refused_on_the_side_of_a_long_position(long_market):
    assert (
        long_market.alice.buys(1, at="99.00", reduce_only=True).refused
        == "reduce_only_would_increase"
    )
    assert long_market.alice.sells(1, at="101.00", reduce_only=True).refused is None


def test_it_is_refused_on_the_side_of_a_short_position(short_market):
    assert (
        short_market.alice.sells(1, at="101.00", reduce_only=True).refused
        == "reduce_only_would_increase"
    )
    assert short_market.alice.buys(1, at="99.00", reduce_only=True).refused is None


def test_a_market_order_closes_the_position_and_no_more(long_market):
    long_market.dave.buys(10, at="99.00")
    long_market.alice.sells(8, reduce_only=True)
    assert long_market.trades == ["alice sells 5 to dave at 99.00"]
    assert long_market.cancels == ["alice's 3 cancelled: reduce_only"]
    assert long_market.alice.position == 0


def test_a_short_position_is_bought_back_and_no_more(short_market):
    short_market.dave.sells(10, at="101.00")
    short_market.alice.buys(8, at="101.00", reduce_only=True)
    assert short_market.trades == ["alice buys 5 from dave at 101.00"]
    assert short_market.cancels == ["alice's 3 cancelled: reduce_only"]
    assert (short_market.alice.position, short_market.bids) == (0, [])


def test_the_remainder_goes_at_once_even_when_the_book_is_used_up_by_the_same_fill(long_market):
    long_market.dave.buys(5, at="99.00")
    long_market.alice.sells(8, at="99.00", reduce_only=True)
    assert long_market.cancels == ["alice's 3 cancelled: reduce_only"]
    assert long_market.asks == []


def test_a_limit_order_takes_what_there_is_and_rests_with_the_remainder(long_market):
    long_market.dave.buys(3, at="99.00")
    long_market.alice.sells(8, at="99.00", reduce_only=True)
    assert long_market.trades == ["alice sells 3 to dave at 99.00"]
    assert (long_market.cancels, long_market.asks) == ([], ["5 at 99.00"])


def test_an_order_of_the_positions_very_size_leaves_nothing_to_cancel(long_market):
    long_market.dave.buys(9, at="99.00")
    long_market.alice.sells(5, at="99.00", reduce_only=True)
    assert (long_market.alice.position, long_market.cancels) == (0, [])


def test_a_smaller_order_leaves_the_rest_of_the_position(long_market):
    long_market.dave.buys(9, at="99.00")
    long_market.alice.sells(3, at="99.00", reduce_only=True)
    assert long_market.alice.position == 2


def test_a_fok_larger_than_the_position_is_refused(long_market):
    long_market.dave.buys(10, at="99.00")
    assert (
        long_market.alice.sells(6, at="99.00", tif="fok", reduce_only=True).refused
        == "reduce_only_would_increase"
    )
    assert (
        long_market.alice.sells(6, tif="fok", reduce_only=True).refused
        == "reduce_only_would_increase"
    )
    assert long_market.alice.sells(5, at="99.00", tif="fok", reduce_only=True).refused is None
    assert long_market.trades == ["alice sells 5 to dave at 99.00"]


# ------------------------------------------------------------------------------------ while resting


def test_a_resting_order_gives_what_is_left_of_the_position_and_then_goes(long_market):
    long_market.alice.sells(8, at="101.00", reduce_only=True)
    long_market.carol.sells(4, at="101.00")
    long_market.dave.buys(8, at="101.00")
    assert long_market.trades == [
        "dave buys 5 from alice at 101.00",
        "dave buys 3 from carol at 101.00",
    ]
    assert long_market.cancels == ["alice's 3 cancelled: reduce_only"]
    assert (long_market.alice.position, long_market.asks) == (0, ["1 at 101.00"])


def test_a_resting_buy_gives_what_is_left_of_the_short_position(short_market):
    short_market.alice.buys(8, at="99.00", reduce_only=True)
    short_market.dave.sells(8, at="99.00")
    assert short_market.trades == ["dave sells 5 to alice at 99.00"]
    assert short_market.cancels == ["alice's 3 cancelled: reduce_only"]
    assert (short_market.alice.position, short_market.asks) == (0, ["3 at 99.00"])


def test_the_remainder_of_a_resting_order_goes_in_the_command_that_used_the_position_up(
    long_market,
):
    long_market.alice.sells(8, at="101.00", reduce_only=True)
    long_market.dave.buys(5, at="101.00")
    assert long_market.cancels == ["alice's 3 cancelled: reduce_only"]
    assert long_market.asks == []


def test_a_resting_order_filled_in_parts_stays_until_the_position_is_used_up(long_market):
    long_market.alice.sells(8, at="101.00", reduce_only=True)
    long_market.dave.buys(2, at="101.00")
    assert long_market.asks == ["6 at 101.00"]
    long_market.dave.buys(3, at="101.00")
    assert long_market.cancels == ["alice's 3 cancelled: reduce_only"]


def test_one_whose_position_went_elsewhere_is_cancelled_when_it_is_met_and_matching_goes_on(
    long_market,
):
    long_market.alice.sells(5, at="101.00", reduce_only=True)
    long_market.erin.buys(5, at="99.00")
    long_market.alice.sells(5, at="99.00")
    assert long_market.asks == ["5 at 101.00"]
    long_market.carol.sells(4, at="101.50")
    long_market.dave.buys(4, at="101.50")
    assert long_market.trades[1:] == ["dave buys 4 from carol at 101.50"]
    assert long_market.cancels == ["alice's 5 cancelled: reduce_only"]


def test_one_whose_position_turned_is_cancelled_too(long_market):
    long_market.alice.sells(5, at="101.00", reduce_only=True)
    long_market.erin.buys(7, at="99.00")
    long_market.alice.sells(7, at="99.00")
    long_market.dave.buys(4, at="101.00")
    assert long_market.trades[1:] == []
    assert long_market.cancels == ["alice's 5 cancelled: reduce_only"]
    assert (long_market.alice.position, long_market.bids) == (-2, ["4 at 101.00"])


def test_one_whose_position_shrank_gives_only_what_is_left(long_market):
    long_market.alice.sells(5, at="101.00", reduce_only=True)
    long_market.erin.buys(3, at="99.00")
    long_market.alice.sells(3, at="99.00")
    long_market.dave.buys(5, at="101.00")
    assert long_market.trades[1:] == ["dave buys 2 from alice at 101.00"]
    assert long_market.cancels == ["alice's 3 cancelled: reduce_only"]


def test_one_whose_position_grew_may_give_all_it_is_for(long_market):
    long_market.alice.sells(8, at="101.00", reduce_only=True)
    long_market.erin.sells(5, at="100.00")
    long_market.alice.buys(5, at="100.00")
    long_market.dave.buys(8, at="101.00")
    assert long_market.trades[1:] == ["dave buys 8 from alice at 101.00"]
    assert (long_market.alice.position, long_market.cancels) == (2, [])


def test_an_order_that_is_never_met_is_left_alone(long_market):
    long_market.alice.sells(5, at="101.00", reduce_only=True)
    long_market.carol.sells(5, at="100.50")
    long_market.erin.buys(5, at="99.00")
    long_market.alice.sells(5, at="99.00")
    long_market.dave.buys(5, at="101.00")
    assert long_market.trades[1:] == ["dave buys 5 from carol at 100.50"]
    assert long_market.asks == ["5 at 101.00"]


# ----------------------------------------------------------- the plan follows the makers' positions


def test_two_of_one_trader_share_what_is_left_in_one_plan(long_market):
    long_market.alice.sells(3, at="101.00", reduce_only=True)
    long_market.alice.sells(4, at="101.00", reduce_only=True)
    long_market.carol.sells(9, at="101.00")
    long_market.dave.buys(10, at="101.00")
    assert long_market.trades == [
        "dave buys 3 from alice at 101.00",
        "dave buys 2 from alice at 101.00",
        "dave buys 5 from carol at 101.00",
    ]
    assert long_market.cancels == ["alice's 2 cancelled: reduce_only"]


def test_what_others_gave_before_is_not_taken_off_it(long_market):
    long_market.carol.sells(4, at="101.00")
    long_market.alice.sells(5, at="101.00", reduce_only=True)
    long_market.dave.buys(9, at="101.00")
    assert long_market.trades == [
        "dave buys 4 from carol at 101.00",
        "dave buys 5 from alice at 101.00",
    ]


def test_a_third_finds_nothing_left_and_is_cancelled(long_market):
    for qty in (3, 2, 4):
        long_market.alice.sells(qty, at="101.00", reduce_only=True)
    long_market.dave.buys(10, at="101.00")
    assert long_market.alice.position == 0
    assert long_market.cancels == ["alice's 4 cancelled: reduce_only"]


def test_a_plain_order_ahead_uses_the_position_too(long_market):
    long_market.alice.sells(4, at="100.50")
    long_market.alice.sells(5, at="101.00", reduce_only=True)
    long_market.dave.buys(10, at="101.00")
    assert long_market.trades == [
        "dave buys 4 from alice at 100.50",
        "dave buys 1 from alice at 101.00",
    ]
    assert long_market.cancels == ["alice's 4 cancelled: reduce_only"]


def test_a_plain_order_ahead_may_turn_the_position_and_leave_nothing(long_market):
    long_market.alice.sells(7, at="100.50")
    long_market.alice.sells(5, at="101.00", reduce_only=True)
    long_market.dave.buys(10, at="101.00")
    assert long_market.trades == ["dave buys 7 from alice at 100.50"]
    assert long_market.cancels == ["alice's 5 cancelled: reduce_only"]


def test_a_fok_counts_only_what_reduce_only_makers_can_give(long_market):
    long_market.alice.sells(8, at="101.00", reduce_only=True)
    long_market.carol.sells(4, at="101.00")
    assert long_market.dave.buys(10, at="101.00", tif="fok").refused == "fok_unfillable"
    assert long_market.queue("101.00") == ["alice 8", "carol 4"]
    assert long_market.dave.buys(9, at="101.00", tif="fok").refused is None
    assert long_market.trades == [
        "dave buys 5 from alice at 101.00",
        "dave buys 4 from carol at 101.00",
    ]


def test_orders_that_can_give_nothing_are_no_liquidity_and_a_refusal_leaves_them(long_market):
    long_market.alice.sells(5, at="101.00", reduce_only=True)
    long_market.erin.buys(5, at="99.00")
    long_market.alice.sells(5, at="99.00")
    assert long_market.dave.buys(5).refused == "no_liquidity"
    assert long_market.asks == ["5 at 101.00"]


# ----------------------------------------------------------------------------------------- replaced


def test_a_replace_is_refused_when_the_position_is_gone(long_market):
    order = long_market.alice.sells(5, at="101.00", reduce_only=True)
    long_market.erin.buys(5, at="99.00")
    long_market.alice.sells(5, at="99.00")
    assert (
        long_market.alice.replaces(order, at="102.00").refused == "reduce_only_would_increase"
    )
    assert long_market.asks == ["5 at 101.00"]


def test_a_replace_that_crosses_trades_no_more_than_the_position(long_market):
    order = long_market.alice.sells(8, at="101.00", reduce_only=True)
    long_market.dave.buys(10, at="99.00")
    long_market.alice.replaces(order, at="99.00")
    assert long_market.trades == ["alice sells 5 to dave at 99.00"]
    assert long_market.cancels == ["alice's 3 cancelled: reduce_only"]


def test_an_order_may_be_reduced_in_its_place_though_the_position_is_gone(long_market):
    order = long_market.alice.sells(5, at="101.00", reduce_only=True)
    long_market.erin.buys(5, at="99.00")
    long_market.alice.sells(5, at="99.00")
    assert long_market.alice.replaces(order, qty=4).refused is None
