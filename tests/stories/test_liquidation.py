"""Liquidation through the book: fill by fill, the smallest quantity that restores initial margin,
not beyond the price at which nothing would be left, and never below zero.

Alice has 1,000.00 and is long 50 from 100.00. At 88.00 she has 400.00, must keep 440.00 and would
need 880.00. A lot sold at the mark frees 17.60 of that; all of them sold at 80.00, 8.00 a lot
below, would leave nothing.
"""

from __future__ import annotations

import pytest

from botpit.core.events import Fill, Liquidation, OrderAccepted, Trade


def make_alice_long(market, cash="1000"):
    """Alice's order rests, so that she pays no taker's fee."""
    market.alice.brings(cash)
    for each in (market.bob, market.carol, market.dave):
        each.brings("100000")
    market.alice.buys(50, at="100.00")
    market.dave.sells(50, at="100.00")
    assert market.alice.position == 50
    return market


@pytest.fixture
def market(open_market):
    return make_alice_long(open_market(starting_cash="0"))


def judged(market, mark, *bids):
    """The house puts the mark there, people bid, and a Tick comes that finds nothing to move the mark by."""
    market.operator.marks(mark)
    for person, qty, price in bids:
        assert person.buys(qty, at=price).refused is None
    market.ticks()
    assert market.mark == mark
    return market.told


# ------------------------------------------------------------------------------------- fill by fill


def test_fill_by_fill_until_initial_margin_is_restored(market):
    """20 lots at 87.50: 400.00 - 20 x 0.50 - 8.75 = 381.25, of 528.00 for 30 lots. 10 lots at
    87.00: 381.25 - 10.00 - 4.35 = 366.90, of 352.00 for 20 lots; with 9 it would be 368.33 of
    369.60.
    """
    judged(market, "88.00", (market.bob, 20, "87.50"), (market.carol, 30, "87.00"))
    assert market.last == [
        "alice sells 20 to bob at 87.50",
        "alice sold 20 at 87.50 as taker, 0 left, fee 8.75",
        "bob bought 20 at 87.50 as maker, 0 left",
        "alice sells 10 to carol at 87.00",
        "alice sold 10 at 87.00 as taker, 0 left, fee 4.35",
        "carol bought 10 at 87.00 as maker, 20 left",
        "alice sells 30 at 87.00: maintenance_margin_breach",
        "alice holds 20",
        "bob holds 20",
        "carol holds 10",
        "dave holds -50",
        "insurance 13.10",
    ]
    assert (market.alice.equity, market.alice.cash, market.alice.state) == (
        "366.90",
        "606.90",
        "active",
    )


def test_the_smallest_quantity_that_restores_initial_margin(market):
    """29 lots: 400.00 - 14.50 - 12.69 = 372.81, of 369.60 for 21; 28 lots: 400.00 - 14.00 - 12.25 =
    373.75, of 387.20 for 22.
    """
    assert judged(market, "88.00", (market.bob, 50, "87.50")) == [
        "alice sells 29 to bob at 87.50",
        "alice sells 29 at 87.50: maintenance_margin_breach",
        "insurance 12.69",
    ]
    assert market.alice.equity == "372.81"


def test_a_short_is_bought_back_the_same_way(open_market):
    """At 112.00 she has 400.00 and would need 1,120.00. 34 lots at 112.50: 400.00 - 17.00 - 19.13 =
    363.87, of 358.40 for 16; with 33 it would be 364.93 of 380.80.
    """
    market = open_market(starting_cash="0")
    market.alice.brings("1000")
    market.bob.brings("100000")
    market.bob.buys_from(market.alice, 50, "100.00")
    market.operator.marks("112.00")
    market.bob.sells(50, at="112.50")
    market.ticks()
    assert market.told == [
        "alice buys 34 from bob at 112.50",
        "alice buys 34 at 112.50: maintenance_margin_breach",
        "insurance 19.13",
    ]
    assert (market.alice.position, market.alice.equity) == (-16, "363.87")


def test_both_fees_are_rounded_up_and_count_in_the_quantity(open_market):
    """377.03 are left and 880.00 needed: 502.97 are missing. 31 lots at 87.50 free 545.60 and lose
    15.50; their fees, twice 13.5625, would leave 502.975, which is enough, but twice 13.57 leaves
    502.96.
    """
    market = open_market(starting_cash="0", taker_fee_bps=50)
    market.alice.brings("1077.03")
    for each in (market.bob, market.dave):
        each.brings("100000")
    market.operator.marks("102.00")
    market.alice.buys(50, at="102.00")
    market.dave.sells(50, at="102.00")
    judged(market, "88.00", (market.bob, 50, "87.50"))
    assert market.trades[-1] == "alice sells 32 to bob at 87.50"
    assert market.fills[-2] == "alice sold 32 at 87.50 as taker, 0 left, fee 28.00"


def test_equity_that_is_exactly_the_initial_margin_is_enough(open_market):
    """Without a fee, 24 lots at the mark cost nothing and leave 20, which need the 352.00 that there are."""
    market = make_alice_long(open_market(starting_cash="0", liquidation_fee_bps=0))
    market.operator.marks("88.00")
    market.alice.sells(6, at="80.00")
    market.bob.buys(6, at="80.00")  # 48.00 lost
    assert market.alice.equity == "352.00"
    assert (
        judged(market, "88.00", (market.bob, 50, "88.00"))[0]
        == "alice sells 24 to bob at 88.00"
    )
    assert market.alice.equity == "352.00"


def test_when_the_book_has_too_little_all_of_it_is_taken(market):
    """5 lots: 400.00 - 2.50 - 2.19 = 395.31; 45 lots must keep 396.00."""
    assert judged(market, "88.00", (market.bob, 5, "87.50")) == [
        "alice sells 5 to bob at 87.50",
        "alice sells 5 at 87.50: maintenance_margin_breach",
        "alice is frozen",
        "insurance 2.19",
    ]


def test_enough_to_be_out_of_breach_is_enough_to_stay_active(market):
    """6 lots: 400.00 - 3.00 - 2.63 = 394.37; 44 lots must keep 387.20. More would be sold, were there a bid."""
    assert judged(market, "88.00", (market.bob, 6, "87.50")) == [
        "alice sells 6 to bob at 87.50",
        "alice sells 6 at 87.50: maintenance_margin_breach",
        "insurance 2.63",
    ]
    market.carol.buys_from(market.dave, 1, "88.50")
    market.carol.buys(40, at="87.50")
    market.ticks()
    assert (market.mark, market.told) == ("88.00", [])


def test_the_oldest_order_at_the_best_price_comes_first(market):
    bids = ((market.bob, 5, "87.00"), (market.carol, 5, "87.50"), (market.dave, 5, "87.50"))
    assert judged(market, "88.00", *bids)[:3] == [
        "alice sells 5 to carol at 87.50",
        "alice sells 5 to dave at 87.50",
        "alice sells 5 to bob at 87.00",
    ]


def test_an_order_that_expires_in_the_same_tick_is_gone_before(market):
    market.operator.marks("88.00")
    market.bob.buys(20, at="87.50", until_ms=market.now_ms + 100)
    market.ticks()
    assert market.told == ["bob's 20 cancelled: expired", "alice is frozen"]


# --------------------------------------------------------------------------------- bankruptcy price


def test_the_bankruptcy_price_is_the_last_one_that_is_good_enough(market):
    assert judged(market, "88.00", (market.bob, 5, "80.00")) == [
        "alice sells 5 to bob at 80.00",
        "alice sells 5 at 80.00: maintenance_margin_breach",
        "alice is frozen",
        "insurance 2.00",
    ]


def test_nothing_trades_beyond_it(market):
    assert judged(market, "88.00", (market.bob, 5, "79.99")) == ["alice is frozen"]
    assert market.bids == ["5 at 79.99"]


def test_for_a_short_it_lies_above_the_mark(open_market):
    market = open_market(starting_cash="0")
    market.alice.brings("1000")
    market.bob.brings("100000")
    market.bob.buys_from(market.alice, 50, "100.00")
    market.operator.marks("112.00")  # 400.00 for 50 lots: 120.00
    market.bob.sells(5, at="120.00")
    market.bob.sells(5, at="120.01")
    market.ticks()
    assert market.told[0] == "alice buys 5 from bob at 120.00"
    assert market.asks == ["5 at 120.01"]


def test_it_is_worked_out_anew_before_each_fill(market):
    """5 lots at 80.00 took 40.00 and the fee of 2.00: 358.00 for 45 lots is 7.95 a lot, and 80.00
    is beyond 80.05.
    """
    judged(market, "88.00", (market.bob, 5, "80.00"), (market.carol, 5, "80.00"))
    assert market.trades[1:] == ["alice sells 5 to bob at 80.00"]
    assert market.bids == ["5 at 80.00"]


def test_a_fill_at_a_good_price_moves_it_away(market):
    """5 lots at 88.00 took only the fee of 2.20: 397.80 for 45 lots is 8.84 a lot: 79.16 is in reach now."""
    judged(market, "88.00", (market.bob, 5, "88.00"), (market.carol, 5, "79.20"))
    assert market.trades[1:] == [
        "alice sells 5 to bob at 88.00",
        "alice sells 5 to carol at 79.20",
    ]


@pytest.fixture
def two_legs(open_market):
    """Alice has 1,000.00 and is long 25 SIM and 25 OIL from 100.00. With SIM at 82.00 and OIL at
    92.00 she has 350.00 and must keep 205.00 + 230.00. Her 350.00 are shared out in that
    proportion: 164.94 for SIM, 6.59 a lot; 185.06 for OIL, 7.40 a lot.
    """
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"}, starting_cash="0")
    market.alice.brings("1000")
    for each in (market.bob, market.dave):
        each.brings("100000")
    for symbol in ("SIM", "OIL"):
        market.alice.buys_from(market.dave, 25, "100.00", of=symbol)
    return market


@pytest.mark.parametrize(
    ("symbol", "price", "trades"),
    [
        ("SIM", "75.41", True),
        ("SIM", "75.40", False),
        ("OIL", "84.60", True),
        ("OIL", "84.59", False),
    ],
)
def test_the_equity_is_shared_out_by_maintenance_margin(two_legs, symbol, price, trades):
    two_legs.operator.marks("92.00", of="OIL")
    two_legs.operator.marks("82.00")
    two_legs.bob.buys(1, at=price, of=symbol)
    two_legs.ticks()
    lots = "1" if symbol == "SIM" else "1 OIL"
    assert two_legs.trades[2:] == ([f"alice sells {lots} to bob at {price}"] if trades else [])
    assert two_legs.told[-1 - trades] == "alice is frozen"


# --------------------------------------------------------------------------------------- below zero


def test_below_zero_only_a_price_better_than_the_mark_is_good_enough(market):
    """A bid of 85.00 draws the mark from 78.22 to 79.00: 50.00 below zero, 1.00 a lot, and 790.00
    needed. 40 lots at 85.00: -50.00 + 240.00 - 17.00 = 173.00, of 158.00 for 10; with 39 it would
    be 167.42 of 173.80.
    """
    market.operator.marks("78.22")
    market.bob.buys(50, at="85.00")
    market.ticks()
    assert market.mark == "79.00"
    assert market.told == [
        "alice sells 40 to bob at 85.00",
        "alice sells 40 at 85.00: maintenance_margin_breach",
        "insurance 17.00",
    ]
    assert (market.alice.equity, market.alice.state) == ("173.00", "active")


def test_at_its_bankruptcy_price_an_account_below_zero_ends_at_zero_and_nobody_else_pays(
    market,
):
    market.operator.marks("78.22")
    market.bob.buys(50, at="80.00")
    market.ticks()
    assert market.mark == "79.00"
    assert market.told == [
        "alice sells 50 to bob at 80.00",
        "alice sells 50 at 80.00: maintenance_margin_breach",
        "alice is bankrupt",
    ]
    assert (market.alice.cash, market.insurance) == ("0.00", "0.00")


def test_one_tick_below_that_the_book_is_left_alone(market):
    market.operator.marks("78.22")
    market.bob.buys(50, at="79.99")
    market.ticks()
    assert (market.mark, market.bids) == ("79.00", ["50 at 79.99"])
    assert market.trades[1:] == []
    assert market.alice.state == "bankrupt"


@pytest.mark.parametrize(
    ("symbol", "price", "trades"),
    [
        ("SIM", "56.00", True),
        ("SIM", "55.99", False),
        ("OIL", "104.00", True),
        ("OIL", "103.99", False),
    ],
)
def test_below_zero_what_is_missing_is_shared_out_by_loss(two_legs, symbol, price, trades):
    """SIM at 55.00 loses 1,125.00, OIL at 104.00 gains 100.00: 25.00 below zero. All of it falls to
    SIM, 1.00 a lot; OIL may be closed at its mark.
    """
    two_legs.carol.brings("100000")
    two_legs.carol.buys_from(two_legs.dave, 1, "105.00", of="OIL")
    two_legs.operator.marks("104.00", of="OIL")
    two_legs.operator.marks(
        "54.46" if symbol == "SIM" else "55.00"
    )  # the bid draws it up by a hundredth
    two_legs.bob.buys(1, at=price, of=symbol)
    two_legs.ticks()
    assert (two_legs.mark, two_legs.mark_of("OIL")) == ("55.00", "104.00")
    lots = "1" if symbol == "SIM" else "1 OIL"
    assert two_legs.trades[3:] == ([f"alice sells {lots} to bob at {price}"] if trades else [])


# --------------------------------------------------------------------------------------------- fees


def test_first_the_trading_fee_and_then_the_liquidation_fee(open_market):
    """20 lots at 87.50 are 1,750.00: 1.75 for trading, 8.75 for being liquidated; the fill tells
    both together.
    """
    market = make_alice_long(
        open_market(starting_cash="0", taker_fee_bps=10, maker_fee_bps=2), "1001"
    )
    fees = market.exchange.fees
    judged(market, "88.00", (market.bob, 20, "87.50"))
    assert market.fills[-2:] == [
        "alice sold 20 at 87.50 as taker, 0 left, fee 10.50",
        "bob bought 20 at 87.50 as maker, 0 left, fee 0.35",
    ]
    assert (market.exchange.fees - fees, market.insurance) == (1_75 + 35, "8.75")


def test_a_rebate_is_taken_off_the_fill_and_not_off_the_liquidation_fee(open_market):
    market = make_alice_long(
        open_market(starting_cash="0", taker_fee_bps=-10, maker_fee_bps=10), "1005"
    )
    judged(market, "88.00", (market.bob, 20, "87.50"))
    assert market.fills[-2] == "alice sold 20 at 87.50 as taker, 0 left, fee 7.00"
    assert (market.fees, market.insurance) == ("0.00", "8.75")


@pytest.mark.parametrize(
    ("price", "trading", "liquidation", "paid"),
    [
        ("80.60", 4_03, 20_15, ", fee 24.18"),  # 30.00 left: both whole, and 5.82 over
        (
            "80.20",
            4_01,
            5_99,
            ", fee 10.00",
        ),  # 10.00 left: the trading fee whole, the other what is then left
        ("80.05", 2_50, 0, ", fee 2.50"),  # 2.50 left, and 4.01 asked for trading
        ("80.00", 0, 0, ""),  # nothing left
    ],
)
def test_each_fee_is_at_most_the_equity_then_left(
    open_market, price, trading, liquidation, paid
):
    market = make_alice_long(open_market(starting_cash="0", taker_fee_bps=10))
    fees = market.exchange.fees
    judged(market, "88.00", (market.bob, 50, price))
    assert market.fills[2] == f"alice sold 50 at {price} as taker, 0 left{paid}"
    assert (market.exchange.fees - fees, market.exchange.insurance) == (trading, liquidation)
    left = {"80.60": "5.82"}.get(price, "0.00")
    assert (market.alice.cash, market.alice.state) == (
        left,
        "active" if price == "80.60" else "bankrupt",
    )


def test_the_rate_of_the_liquidation_fee_is_a_setting(open_market):
    market = make_alice_long(open_market(starting_cash="0", liquidation_fee_bps=100))
    judged(market, "88.00", (market.bob, 20, "87.50"))
    assert market.insurance == "17.50"


# ---------------------------------------------------------------------------- exempt from the rules


def test_a_bid_outside_the_band_is_as_good_as_any(market):
    """90.00 was within the band of 100.00; that of 79.00 ends at 86.90."""
    market.bob.buys(30, at="90.00")
    market.operator.marks("78.22")
    market.ticks()
    assert market.mark == "79.00"
    assert market.told[0] == "alice sells 30 to bob at 90.00"


def test_caps_of_one_order_do_not_hold_it_up(open_market):
    """No order may be of more than 25 lots or 2,500.00; it sells 30 for 2,620.00 under one order's id."""
    market = open_market(starting_cash="0", max_order_qty=25, max_order_notional="2500")
    market.alice.brings("1000")
    for each in (market.bob, market.carol, market.dave):
        each.brings("100000")
    for _ in range(2):
        market.alice.buys_from(market.dave, 25, "100.00")
    judged(market, "88.00", (market.bob, 20, "87.50"), (market.carol, 25, "87.00"))
    assert market.liquidations == ["alice sells 30 at 87.00: maintenance_margin_breach"]


@pytest.mark.parametrize("stp", ["cancel_resting", "cancel_incoming", "cancel_both"])
def test_it_never_meets_the_accounts_own_orders_for_they_are_gone(open_market, stp):
    market = open_market(starting_cash="0", price_band_bps=1_900, self_trade_prevention=stp)
    make_alice_long(market)
    market.operator.pays_in(market.alice, "17.58")
    market.alice.buys(1, at="87.90")
    assert judged(market, "88.00", (market.bob, 20, "87.50"))[:2] == [
        "alice's 1 cancelled: liquidation",
        "alice sells 20 to bob at 87.50",
    ]


# ------------------------------------------------------------------- reduce-only orders in the book


def test_a_reduce_only_order_gives_what_its_position_holds_and_goes(market):
    """10 lots at 87.60: 400.00 - 4.00 - 4.38 = 391.62, of 704.00 for 40. 19 at 87.50: 391.62 - 9.50
    - 8.32 = 373.80, of 369.60 for 21.
    """
    market.dave.buys_from(market.carol, 10, "100.00")
    market.operator.marks("88.00")
    market.carol.buys(30, at="87.60", reduce_only=True)
    assert judged(market, "88.00", (market.bob, 50, "87.50")) == [
        "alice sells 10 to carol at 87.60",
        "carol's 20 cancelled: reduce_only",
        "alice sells 19 to bob at 87.50",
        "alice sells 29 at 87.50: maintenance_margin_breach",
        "insurance 12.70",
    ]
    assert market.carol.position == 0


def test_a_reduce_only_order_whose_position_is_gone_is_cancelled_and_the_next_one_met(market):
    market.dave.buys_from(market.carol, 10, "100.00")
    market.operator.marks("88.00")
    market.carol.buys(30, at="87.60", reduce_only=True)
    market.carol.buys_from(market.dave, 10, "88.10")
    assert judged(market, "88.00", (market.bob, 50, "87.50")) == [
        "carol's 30 cancelled: reduce_only",
        "alice sells 29 to bob at 87.50",
        "alice sells 29 at 87.50: maintenance_margin_breach",
        "insurance 12.69",
    ]


def test_it_goes_also_when_nothing_more_is_needed(market):
    market.dave.buys_from(market.carol, 29, "100.00")
    market.operator.marks("88.00")
    market.carol.buys(40, at="87.50", reduce_only=True)
    assert judged(market, "88.00") == [
        "alice sells 29 to carol at 87.50",
        "carol's 11 cancelled: reduce_only",
        "alice sells 29 at 87.50: maintenance_margin_breach",
        "insurance 12.69",
    ]


def test_a_reduce_only_order_that_is_not_used_up_stays(market):
    market.dave.buys_from(market.carol, 40, "100.00")
    market.operator.marks("88.00")
    market.carol.buys(40, at="87.50", reduce_only=True)
    assert judged(market, "88.00")[0] == "alice sells 29 to carol at 87.50"
    assert market.carol.open_orders == ["buy 11 at 87.50"]


# ---------------------------------------------------------------------------------- the marks stand


def test_what_it_trades_moves_no_mark_before_the_next_tick(market):
    judged(market, "88.00", (market.bob, 5, "80.00"), (market.carol, 5, "79.20"))
    assert (market.trades[-1], market.mark) == ("alice sells 5 to bob at 80.00", "88.00")
    market.ticks()
    assert market.mark == "87.12"


def test_a_cascade_goes_on_at_the_next_tick(open_market):
    """Erin has 440.00 at 88.00, just enough. What alice was sold for takes the mark to 87.12, where
    she has 396.00 of 435.60.
    """
    market = make_alice_long(open_market(starting_cash="0", price_band_bps=1_900))
    market.erin.brings("1040")
    market.erin.buys_from(market.dave, 50, "100.00")
    judged(market, "88.00", (market.bob, 5, "80.00"), (market.carol, 5, "79.00"))
    assert (market.alice.state, market.erin.state) == ("frozen", "active")
    market.ticks()
    assert market.told == ["erin is frozen"]


# ----------------------------------------------------------------------------- ids, events, numbers


def test_it_takes_one_order_id_at_its_first_fill_and_is_no_accepted_order(market):
    market.operator.marks("88.00")
    market.bob.buys(20, at="87.50")
    last_id = market.carol.buys(30, at="87.00").order_id
    market.ticks()
    assert not [each for each in market.events if isinstance(each, OrderAccepted)]
    assert [each.sell_order_id for each in market.events if isinstance(each, Trade)] == [
        last_id + 1,
        last_id + 1,
    ]
    fills = [
        each for each in market.events if isinstance(each, Fill) and each.trader == "alice"
    ]
    assert [(each.order_id, each.client_order_id, each.leaves_qty) for each in fills] == [
        (last_id + 1, None, 0)
    ] * 2
    assert market.bob.buys(1, at="80.00").order_id == last_id + 2


def test_without_a_fill_it_takes_none(market):
    before = market.bob.buys(1, at="95.00")
    market.bob.cancels(before)
    assert judged(market, "88.00") == ["alice is frozen"]
    assert market.bob.buys(1, at="80.00").order_id == before.order_id + 1


def test_it_trades_as_any_trade_does_and_sets_the_last_price(market):
    judged(market, "88.00", (market.bob, 20, "87.50"))
    trade = market.events[0]
    assert (trade.trade_id, trade.buyer, trade.seller, trade.aggressor) == (
        2,
        "bob",
        "alice",
        -1,
    )
    assert market.exchange.first_market.last_trade == 87_50


def test_the_liquidation_is_told_once_after_its_last_fill_with_the_sum_and_the_last_price(
    market,
):
    judged(market, "88.00", (market.bob, 20, "87.50"), (market.carol, 30, "87.00"))
    [told] = [each for each in market.events if isinstance(each, Liquidation)]
    assert (told.trader, told.symbol, told.side, told.qty, told.price) == (
        "alice",
        "SIM",
        -1,
        30,
        87_00,
    )


def test_its_private_events_are_numbered_on_without_a_hole(market):
    before = market.alice.account.seq
    judged(market, "88.00", (market.bob, 2, "87.50"), (market.carol, 3, "87.00"))
    private = [
        each
        for each in market.events
        if hasattr(each, "account_seq") and each.trader == "alice"
    ]
    assert [type(each).__name__ for each in private] == [
        "Fill",
        "Fill",
        "Liquidation",
        "AccountStatus",
    ]
    assert [each.account_seq for each in private] == [
        before + 1,
        before + 2,
        before + 3,
        before + 4,
    ]


# -------------------------------------------------------------------------------- when it is needed


def test_a_tick_is_due_while_a_liquidation_would_change_something_and_no_longer(market):
    market.ticks(20)
    assert market.due_ms is None
    market.operator.marks("88.00")
    assert market.due_ms == 0
    market.ticks()
    assert market.told == ["alice is frozen"]
    market.ticks(20)
    assert market.due_ms is None
    market.bob.buys(5, at="79.99")
    assert market.due_ms is None
    market.bob.buys(5, at="87.50")
    assert market.due_ms == 0
