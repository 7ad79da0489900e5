"""Initial margin: a fifth of the larger exposure, positions and open orders together, after what
the order would lose at once.

Each story gives everybody just enough cash, and then one unit less.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

REFUSED = "initial_margin_insufficient"
ONE_UNIT = Decimal("0.01")


def just_enough(cash):
    """The story twice: with `cash` the order is accepted, with one unit less it is refused."""
    return pytest.mark.parametrize(
        ("cash", "refused"), [(cash, None), (str(Decimal(cash) - ONE_UNIT), REFUSED)]
    )


# -------------------------------------------------------------------------------- open orders alone


@just_enough("100.00")
def test_an_order_at_the_mark_needs_a_fifth_of_its_notional(open_market, cash, refused):
    assert open_market(starting_cash=cash).alice.buys(5, at="100.00").refused == refused


@just_enough("100.00")
def test_and_so_does_a_sell(open_market, cash, refused):
    assert open_market(starting_cash=cash).alice.sells(5, at="100.00").refused == refused


@just_enough("95.00")
def test_a_buy_below_the_mark_counts_at_its_limit(open_market, cash, refused):
    assert open_market(starting_cash=cash).alice.buys(5, at="95.00").refused == refused


@just_enough("106.00")
def test_a_buy_above_the_mark_counts_at_its_limit_and_would_lose_the_difference(
    open_market, cash, refused
):
    assert open_market(starting_cash=cash).alice.buys(5, at="101.00").refused == refused


@just_enough("105.00")
def test_a_sell_above_the_mark_counts_at_its_limit(open_market, cash, refused):
    assert open_market(starting_cash=cash).alice.sells(5, at="105.00").refused == refused


@just_enough("105.00")
def test_a_sell_below_the_mark_counts_at_the_mark_and_would_lose_the_difference(
    open_market, cash, refused
):
    assert open_market(starting_cash=cash).alice.sells(5, at="99.00").refused == refused


@just_enough("157.80")
def test_open_orders_of_one_side_add_up(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.alice.buys(5, at="99.00")
    assert market.alice.buys(3, at="98.00").refused == refused


@just_enough("101.00")
def test_of_two_sides_the_larger_one_counts(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    assert market.alice.buys(5, at="99.00").refused is None
    assert market.alice.sells(5, at="101.00").refused == refused


@just_enough("164.80")
def test_an_open_buy_that_would_lose_at_once_counts_its_loss_with_every_later_order(
    open_market, cash, refused
):
    market = open_market(starting_cash=cash)
    market.alice.buys(5, at="101.00")
    assert market.alice.buys(3, at="98.00").refused == refused


@just_enough("167.40")
def test_an_open_sell_that_would_lose_at_once_counts_its_loss_and_at_the_mark(
    open_market, cash, refused
):
    market = open_market(starting_cash=cash)
    market.alice.sells(5, at="99.00")
    assert market.alice.sells(3, at="104.00").refused == refused


@just_enough("146.00")
def test_the_loss_of_open_orders_counts_over_all_instruments(open_market, cash, refused):
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"}, starting_cash=cash)
    market.alice.buys(5, at="101.00")
    assert market.alice.buys(2, at="100.00", of="OIL").refused == refused


@just_enough("250.00")
def test_the_rate_is_a_setting(open_market, cash, refused):
    assert (
        open_market(starting_cash=cash, initial_margin_bps=5_000)
        .alice.buys(5, at="100.00")
        .refused
        == refused
    )


@just_enough("1000.00")
def test_the_tick_value_counts(open_market, cash, refused):
    market = open_market({"symbol": "SIM", "lot": "10"}, starting_cash=cash)
    assert market.alice.buys(5, at="100.00").refused == refused


@just_enough("139.80")
def test_open_orders_are_judged_at_the_present_mark(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.bob.buys(1, at="94.99")
    market.alice.sells(5, at="95.00")  # 100.00, and 25.00 lost at once
    market.ticks()
    assert market.mark == "99.00"  # 99.00, and 20.00 lost at once
    assert market.alice.sells(1, at="104.00").refused == refused


# ------------------------------------------------------------------------------------ planned fills


@just_enough("104.00")
def test_a_sell_that_would_trade_counts_at_the_price_of_the_trade(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.bob.buys(5, at="99.00")
    assert market.alice.sells(5, at="98.00").refused == refused
    assert market.alice.account.cash == int(cash.replace(".", ""))


@just_enough("106.00")
def test_a_buy_that_would_trade_counts_at_the_price_of_the_trade_not_at_its_limit(
    open_market, cash, refused
):
    market = open_market(starting_cash=cash)
    market.bob.sells(5, at="101.00")
    assert market.alice.buys(5, at="102.00").refused == refused


@just_enough("106.00")
def test_a_market_order_is_judged_by_its_fills(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.bob.sells(5, at="101.00")
    assert market.alice.buys(9).refused == refused


@just_enough("173.20")
def test_what_would_rest_counts_beside_what_would_trade(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.bob.sells(5, at="101.00")
    assert market.alice.buys(8, at="102.00").refused == refused
    assert len(market.trades) == (refused is None)


@just_enough("106.00")
def test_what_an_ioc_order_leaves_does_not_count(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.bob.sells(5, at="101.00")
    assert market.alice.buys(8, at="102.00", tif="ioc").refused == refused


@just_enough("106.00")
def test_fills_at_several_prices_each_lose_their_own_difference(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.bob.sells(2, at="100.00")
    market.bob.sells(2, at="101.50")
    market.carol.sells(1, at="102.00")
    assert (
        market.alice.buys(5, at="102.00").refused == refused
    )  # 505.00 x 20 % + 0 + 3.00 + 2.00


@just_enough("95.00")
def test_a_buy_that_would_trade_below_the_mark_gains_nothing_by_it(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.bob.sells(2, at="95.00")
    market.carol.sells(3, at="95.00")
    assert market.alice.buys(5, at="95.00").refused == refused


# ---------------------------------------------------------------------------------------- positions


@just_enough("158.80")
def test_a_long_position_counts_at_the_mark_beside_open_buys(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    assert market.alice.buys(3, at="98.00").refused == refused


@just_enough("161.20")
def test_a_short_position_counts_at_the_mark_beside_open_sells(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.bob.buys(5, at="100.00")
    market.alice.sells(5, at="100.00")
    assert market.alice.sells(3, at="102.00").refused == refused


@just_enough("104.00")
def test_a_position_is_taken_off_the_other_sides_exposure(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    assert (
        market.alice.sells(10, at="102.00").refused == refused
    )  # short exposure -500.00 + 1020.00 = 520.00


def test_turning_a_position_round_needs_only_the_larger_side(open_market):
    market = open_market(starting_cash="100")
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    assert market.alice.sells(9, at="101.00").refused is None
    assert market.alice.buys(1, at="90.00").refused == REFUSED


@just_enough("140.00")
def test_margins_are_summed_over_instruments(open_market, cash, refused):
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"}, starting_cash=cash)
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    assert market.alice.sells(2, at="100.00", of="OIL").refused == refused


@just_enough("39.99")
def test_margins_are_compared_exactly_and_rounded_nowhere(open_market, cash, refused):
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"}, starting_cash=cash)
    market.alice.buys(1, at="99.96")  # 19.992
    assert market.alice.buys(1, at="99.96", of="OIL").refused == refused  # together 39.984


@just_enough("20.00")
def test_a_fraction_of_a_unit_too_little_is_too_little(open_market, cash, refused):
    assert (
        open_market(starting_cash=cash).alice.buys(1, at="99.99").refused == refused
    )  # 19.998


def test_unrealised_gains_and_losses_count_in_equity(open_market):
    market = open_market(starting_cash="150")
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    market.mark_walks_to("104.00")
    assert (market.alice.equity, market.bob.equity) == ("170.00", "130.00")
    assert market.alice.buys(3, at="104.00").refused is None  # 832.00 x 20 % = 166.40
    assert market.bob.sells(2, at="104.00").refused == REFUSED  # 728.00 x 20 % = 145.60
    assert market.bob.sells(1, at="104.00").refused is None  # 124.80


def test_equity_is_of_the_whole_account(open_market):
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"}, starting_cash="150")
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    market.mark_walks_to("104.00")
    assert (
        market.alice.buys(3, at="100.00", of="OIL").refused is None
    )  # 104.00 + 60.00 of 170.00
    assert (
        market.bob.buys(2, at="100.00", of="OIL").refused == REFUSED
    )  # 104.00 + 40.00 of 130.00


# ---------------------------------------------------------------------------- own orders taken away


def test_own_orders_that_the_plan_cancels_do_not_count(open_market):
    market = open_market(starting_cash="126")
    assert market.alice.sells(6, at="105.00").refused is None  # all there is
    assert (
        market.alice.buys(1, at="105.00", stp="cancel_resting").refused is None
    )  # 21.00 and 5.00 lost at once
    assert market.alice.open_orders == ["buy 1 at 105.00"]


def test_the_loss_of_own_orders_that_the_plan_cancels_does_not_count(open_market):
    market = open_market(starting_cash="106")
    assert market.alice.sells(5, at="99.00").refused is None  # 100.00 and 5.00 lost at once
    assert (
        market.alice.buys(5, at="101.00", stp="cancel_resting").refused is None
    )  # 101.00 and 5.00
    assert market.alice.open_orders == ["buy 5 at 101.00"]


@just_enough("99.00")
def test_a_replace_counts_the_new_lots_without_the_old(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    order = market.alice.buys(5, at="98.00")
    assert market.alice.replaces(order, at="99.00").refused == refused


@just_enough("106.00")
def test_a_replace_counts_the_new_loss_without_the_old(open_market, cash, refused):
    market = open_market(starting_cash=cash)
    order = market.alice.sells(5, at="99.50")
    assert market.alice.replaces(order, at="98.80").refused == refused


# --------------------------------------------------------------------------------------------- fees


@just_enough("100.50")
def test_the_takers_fee_counts(open_market, cash, refused):
    market = open_market(starting_cash=cash, taker_fee_bps=10)
    market.bob.sells(5, at="100.00")
    assert market.alice.buys(5, at="105.00").refused == refused


@just_enough("100.50")
def test_the_makers_fee_of_what_would_rest_counts(open_market, cash, refused):
    assert (
        open_market(starting_cash=cash, maker_fee_bps=10).alice.buys(5, at="100.00").refused
        == refused
    )


@just_enough("100.00")
def test_a_makers_rebate_is_not_counted_on(open_market, cash, refused):
    market = open_market(starting_cash=cash, taker_fee_bps=10, maker_fee_bps=-10)
    assert market.alice.buys(5, at="100.00").refused == refused


@just_enough("99.50")
def test_a_takers_rebate_is(open_market, cash, refused):
    market = open_market(starting_cash=cash, taker_fee_bps=-10, maker_fee_bps=10)
    market.bob.sells(3, at="100.00")
    market.carol.sells(2, at="100.00")
    assert market.alice.buys(5, at="100.00").refused == refused


@just_enough("63.66")
def test_the_takers_fee_is_rounded_up_for_each_fill(open_market, cash, refused):
    market = open_market(starting_cash=cash, taker_fee_bps=1)
    for seller in (market.bob, market.carol, market.dave):
        seller.sells(1, at="101.00")
    assert (
        market.alice.buys(3, at="101.00").refused == refused
    )  # 303.00 x 20 %, 3.00 lost, three times 0.0101 rounded up


# ------------------------------------------------------------------------------- the refusal's text


def test_the_refusal_tells_equity_and_required_margin(open_market):
    market = open_market(starting_cash="99.99")
    assert market.alice.buys(5, at="100.00").event.details == {
        "equity": 99_99,
        "required_margin": 100_00,
    }


def test_required_margin_is_rounded_up_for_display(open_market):
    market = open_market(starting_cash="19.99")
    assert market.alice.buys(1, at="99.99").event.details == {
        "equity": 19_99,
        "required_margin": 20_00,
    }
