"""An order that, with all own open orders of its side, cannot take the position past zero needs no
margin: only the equity for what it would lose at once and for its fee.
"""

from __future__ import annotations

import pytest

REFUSED = "initial_margin_insufficient"


@pytest.fixture
def pressed(open_market):
    """Alice is long 5 from 100.00 with 100.00 in cash; at the mark 90.00 she has 50.00 left, her
    position needs 90.00.
    """
    market = open_market(starting_cash="100", maintenance_margin_bps=1)
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    market.mark_walks_to("90.00")
    assert market.alice.equity == "50.00"
    return market


def test_an_order_that_can_only_reduce_the_position_needs_no_margin(pressed):
    assert pressed.alice.buys(1, at="85.00").refused == REFUSED
    assert pressed.alice.sells(5, at="90.00").refused is None


def test_one_that_could_take_it_past_zero_does(pressed):
    assert pressed.alice.sells(6, at="95.00").refused == REFUSED


def test_own_open_orders_of_its_side_count_with_it(pressed):
    assert pressed.alice.sells(3, at="95.00").refused is None
    assert pressed.alice.sells(3, at="95.00").refused == REFUSED
    assert pressed.alice.sells(2, at="95.00").refused is None


def test_a_resting_reduce_only_order_counts_whole(pressed):
    assert pressed.alice.sells(6, at="95.00", reduce_only=True).refused == REFUSED
    assert pressed.alice.sells(5, at="95.00", reduce_only=True).refused is None
    assert pressed.alice.sells(1, at="95.00", reduce_only=True).refused == REFUSED


def test_a_reduce_only_order_that_trades_the_position_away_and_goes_only_reduces(pressed):
    pressed.carol.buys(3, at="90.00")
    pressed.dave.buys(3, at="90.00")
    assert pressed.alice.sells(9, at="90.00", reduce_only=True).refused is None
    assert pressed.alice.position == 0


def test_what_it_trades_reduces_too(pressed):
    pressed.carol.buys(5, at="90.00")
    assert pressed.alice.sells(5).refused is None
    assert (pressed.alice.position, pressed.alice.cash) == (0, "50.00")


def test_a_replace_that_only_reduces_needs_no_margin(pressed):
    order = pressed.alice.sells(5, at="95.00")
    assert pressed.alice.replaces(order, at="94.00").refused is None
    assert pressed.alice.replaces(order, qty=6).refused == REFUSED


def test_a_short_position_is_reduced_by_buying(open_market):
    market = open_market(starting_cash="100", maintenance_margin_bps=1)
    market.bob.buys(5, at="100.00")
    market.alice.sells(5, at="100.00")
    market.mark_walks_to("110.00")
    assert market.alice.equity == "50.00"
    assert market.alice.buys(6, at="105.00").refused == REFUSED
    assert market.alice.buys(5, at="105.00").refused is None


def test_but_equity_must_bear_what_it_would_lose_at_once(pressed):
    pressed.mark_walks_to("82.00")
    assert pressed.alice.equity == "10.00"
    assert pressed.alice.sells(5, at="79.99").refused == REFUSED
    assert pressed.alice.sells(5, at="80.00").refused is None


def test_and_its_fee(open_market):
    market = open_market(starting_cash="101", maintenance_margin_bps=1, maker_fee_bps=10)
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    market.mark_walks_to("81.80")
    assert market.alice.equity == "10.00"
    assert market.alice.sells(5, at="79.87").refused == REFUSED
    assert (
        market.alice.sells(5, at="79.88").refused is None
    )  # 9.60 lost and 0.40 paid: nothing left
