"""An account with nothing left is wound up at once: it ends with cash exactly 0 and no position,
and may only cancel until somebody pays in.

Alice has 1,000.00 and is long 50 from 100.00, against dave, who is rich: at 80.00 she has nothing left.
"""

from __future__ import annotations

import pytest

BOTH = ({"symbol": "SIM"}, {"symbol": "OIL"})


def settle_in(market, cash):
    market.alice.brings(cash)
    for each in (market.bob, market.carol, market.dave):
        each.brings("1000000")
    return market


@pytest.fixture
def market(open_market):
    market = settle_in(open_market(*BOTH, starting_cash="0"), "1000")
    market.alice.buys_from(market.dave, 50, "100.00")
    return market


@pytest.fixture
def bankrupt(market):
    assert market.judged_at("79.00")[-1] == "alice is bankrupt"
    return market


# ------------------------------------------------------------------------------- how it comes about


def test_nothing_left_is_bankrupt(market):
    assert market.judged_at("80.00") == [
        "alice sells 50 at 80.00: bankruptcy",
        "dave buys 50 at 80.00: auto_deleverage",
        "alice is bankrupt",
    ]
    assert (market.alice.cash, market.alice.position, market.dave.cash) == (
        "0.00",
        0,
        "1001000.00",
    )


def test_one_unit_left_is_not(market):
    market.operator.pays_in(market.alice, "0.01")
    assert market.judged_at("80.00") == ["alice is frozen"]


def test_it_is_closed_at_the_price_at_which_exactly_nothing_is_left(market):
    """50.00 below zero at 79.00, 1.00 a lot. Dave, who would have 1,050.00 by the mark, gets 1,000.00."""
    market.judged_at("79.00")
    assert market.last == [
        "alice sold 50 at 80.00 as adl, 0 left",
        "dave bought 50 at 80.00 as adl, 0 left",
        "alice sells 50 at 80.00: bankruptcy",
        "dave buys 50 at 80.00: auto_deleverage",
        "alice is bankrupt",
        "alice holds 0",
        "dave holds 0",
    ]
    assert (market.alice.cash, market.alice.equity, market.dave.cash) == (
        "0.00",
        "0.00",
        "1001000.00",
    )


def test_a_short_is_bought_back_at_such_a_price(open_market):
    market = settle_in(open_market(starting_cash="0"), "1000")
    market.dave.buys_from(market.alice, 50, "100.00")
    assert market.judged_at("121.00") == [
        "alice buys 50 at 120.00: bankruptcy",
        "dave sells 50 at 120.00: auto_deleverage",
        "alice is bankrupt",
    ]


@pytest.mark.parametrize(
    ("sign", "mark", "sells"),
    [(1, "79.00", "sells 50 at 80.00"), (-1, "121.00", "buys 50 at 120.00")],
)
def test_that_price_is_rounded_to_the_accounts_cost_and_what_that_leaves_goes_to_insurance(
    open_market, sign, mark, sells
):
    """49.51 below zero are 0.9902 a lot: closing 1.00 better than the mark leaves 0.49."""
    market = settle_in(open_market(starting_cash="0"), "1000.49")
    buyer, seller = (market.alice, market.dave)[::sign]
    buyer.buys_from(seller, 50, "100.00")
    told = market.judged_at(mark)
    assert (told[0], told[-2:]) == (
        f"alice {sells}: bankruptcy",
        ["alice is bankrupt", "insurance 0.49"],
    )
    assert market.alice.cash == "0.00"


def test_cash_alone_is_told_with_the_first_instrument_but_not_of_whom_another_is_told(
    open_market,
):
    """What the fund pays alice and gets back is told with her OIL."""
    market = settle_in(open_market(*BOTH, starting_cash="0", insurance_fund="20"), "1000.49")
    market.alice.buys_from(market.dave, 50, "100.00", of="OIL")
    market.judged_at("79.00", of="OIL")
    assert market.last[-4:] == [
        "alice is bankrupt",
        "alice holds 0 OIL",
        "dave holds 0 OIL",
        "insurance 0.49",
    ]


def test_what_the_book_could_not_take_at_that_price_is_closed_outside_it(market):
    """20 lots at 80.00: 30.00 below zero for 30 lots, which is 1.00 a lot again."""
    market.operator.marks("78.22")  # the bid draws it to 79.00
    market.bob.buys(20, at="80.00")
    market.ticks()
    assert market.mark == "79.00"
    assert market.told == [
        "alice sells 20 to bob at 80.00",
        "alice sells 20 at 80.00: maintenance_margin_breach",
        "alice sells 30 at 80.00: bankruptcy",
        "dave buys 30 at 80.00: auto_deleverage",
        "alice is bankrupt",
    ]


# -------------------------------------------------------------------------------- several positions


@pytest.fixture
def two_legs(open_market):
    """Alice has 1,000.00 and is long 20 SIM and 30 OIL from 100.00. SIM stands at 75.00 (500.00
    lost), OIL at 80.00 (600.00 lost): she is 100.00 below zero, of which 45.45 fall to SIM, 2.27 a
    lot, and 54.55 to OIL, 1.82 a lot.
    """
    market = settle_in(open_market(*BOTH, starting_cash="0"), "1000")
    for symbol, qty in (("SIM", 20), ("OIL", 30)):
        market.alice.buys_from(market.dave, qty, "100.00", of=symbol)
    market.operator.marks("80.00", of="OIL")
    market.operator.marks("75.00")
    return market


TWO_LEGS = [
    "alice sells 30 OIL at 81.82: bankruptcy",
    "dave buys 30 OIL at 81.82: auto_deleverage",
    "alice sells 20 at 77.28: bankruptcy",
    "dave buys 20 at 77.28: auto_deleverage",
    "alice is bankrupt",
    "insurance 0.20",
]


def test_what_is_missing_is_shared_out_by_loss_and_the_largest_maintenance_margin_comes_first(
    two_legs,
):
    """All prices are made before the first is used: after OIL, only 45.40 would be missing, 2.27 a lot."""
    two_legs.ticks()
    assert two_legs.told == TWO_LEGS


def test_also_where_trading_is_halted(two_legs):
    two_legs.operator.halts(of="OIL")
    two_legs.ticks()
    assert two_legs.told == TWO_LEGS


def test_of_two_as_large_the_symbol_decides(open_market):
    market = settle_in(open_market(*BOTH, starting_cash="0"), "800")
    for symbol in ("SIM", "OIL"):
        market.alice.buys_from(market.dave, 20, "100.00", of=symbol)
    market.operator.marks("80.00", of="OIL")
    assert market.judged_at("80.00") == [
        "alice sells 20 OIL at 80.00: bankruptcy",
        "dave buys 20 OIL at 80.00: auto_deleverage",
        "alice sells 20 at 80.00: bankruptcy",
        "dave buys 20 at 80.00: auto_deleverage",
        "alice is bankrupt",
    ]


def test_a_position_without_a_loss_is_closed_at_its_mark(open_market):
    """SIM lost 1,125.00, OIL gained 100.00: the 25.00 that are missing fall to SIM alone."""
    market = settle_in(open_market(*BOTH, starting_cash="0"), "1000")
    for symbol in ("SIM", "OIL"):
        market.alice.buys_from(market.dave, 25, "100.00", of=symbol)
    market.operator.marks("104.00", of="OIL")
    assert market.judged_at("55.00") == [
        "alice sells 25 OIL at 104.00: bankruptcy",
        "dave buys 25 OIL at 104.00: auto_deleverage",
        "alice sells 25 at 56.00: bankruptcy",
        "dave buys 25 at 56.00: auto_deleverage",
        "alice is bankrupt",
    ]


def lose_by_fees(market):
    """Alice's 50 SIM, bought at 100.00, go at 79.00 in ten orders; each could bear its own fee of
    3.95, but not all ten.
    """
    market.alice.buys_from(market.dave, 50, "100.00")
    market.operator.marks("86.50")
    for _ in range(10):
        assert market.alice.sells(5, at="79.00").refused is None
    market.bob.buys(50, at="79.00")
    assert market.alice.position == 0


def test_when_no_position_has_a_loss_the_maintenance_margin_decides(open_market):
    """9.50 below zero with 1 OIL and 3 GAS, all at 100.00: 2.375 fall to OIL, 7.125 to GAS: 2.375 a lot."""
    market = settle_in(
        open_market(*BOTH, {"symbol": "GAS"}, starting_cash="0", maker_fee_bps=100), "1080"
    )
    market.alice.buys_from(market.dave, 1, "100.00", of="OIL")
    market.alice.buys_from(market.dave, 3, "100.00", of="GAS")
    lose_by_fees(market)
    assert market.alice.equity == "-9.50"
    market.ticks()
    assert market.told == [
        "alice sells 3 GAS at 102.38: bankruptcy",
        "dave buys 3 GAS at 102.38: auto_deleverage",
        "alice sells 1 OIL at 102.38: bankruptcy",
        "dave buys 1 OIL at 102.38: auto_deleverage",
        "alice is bankrupt",
        "insurance 0.02",
    ]


@pytest.mark.parametrize(
    ("sign", "told"),
    [
        (
            1,
            [
                "alice sells 1 OIL at 110.00: bankruptcy",
                "dave buys 1 OIL at 110.00: auto_deleverage",
            ],
        ),
        (
            -1,
            [
                "alice buys 1 OIL at 90.00: bankruptcy",
                "dave sells 1 OIL at 90.00: auto_deleverage",
            ],
        ),
    ],
)
def test_no_price_lies_outside_the_instruments_bounds(open_market, sign, told):
    """19.50 below zero with 1 OIL at 100.00: 119.50 or 80.50 it would be. What 10.00 does not
    cover, insurance pays.
    """
    bounded = {"symbol": "OIL", "min_price": "90", "max_price": "110"}
    market = settle_in(
        open_market({"symbol": "SIM"}, bounded, starting_cash="0", maker_fee_bps=100), "1070"
    )
    market.dave.trades(1, -sign, "100.00", of="OIL")
    market.alice.trades(1, sign, "100.00", of="OIL")
    lose_by_fees(market)
    assert market.alice.equity == "-19.50"
    market.ticks()
    assert market.told == [*told, "alice is bankrupt", "insurance -9.50"]


# --------------------------------------------------------------------------------------- afterwards


@pytest.mark.parametrize(
    "order",
    [
        {"sign": 1, "qty": 1, "at": "79.00"},
        {"sign": -1, "qty": 1, "at": "79.00"},
        {"sign": 1, "qty": 0, "at": "79.00"},
        {"sign": 1, "qty": 1, "at": None},
        {"sign": 1, "qty": 1, "at": "100.00", "of": "OIL"},
    ],
)
def test_its_orders_are_refused(bankrupt, order):
    assert bankrupt.alice.trades(**order).refused == "account_bankrupt"


def test_only_a_repeated_answer_and_an_unknown_symbol_come_before_that(market):
    market.alice.buys(1, at="120.00", id="a")
    market.judged_at("79.00")
    assert market.alice.buys(1, at="120.00", id="a").refused == "price_band"
    assert market.alice.buys(2, at="120.00", id="a").refused == "duplicate_client_order_id"
    assert market.alice.buys(1, at="120.00", of="GOLD").refused == "unknown_symbol"
    market.operator.halts()
    assert market.alice.buys(1, at="120.00").refused == "account_bankrupt"


def test_it_may_log_in_and_cancel(market):
    order = market.alice.sells(1, at="109.00")
    market.bob.buys_from(market.dave, 1, "95.00")
    market.operator.marks("79.00")
    market.bob.buys_from(market.dave, 1, "79.00")
    market.ticks()
    assert (market.cancels, market.alice.state) == (
        ["alice's 1 cancelled: liquidation"],
        "bankrupt",
    )
    assert market.alice.logs_in().refused is None
    assert market.alice.cancels_all().refused is None
    assert market.alice.cancels(order).refused == "already_closed"
    assert market.alice.replaces(order, at="90.00").refused == "already_closed"


def test_it_is_bankrupt_once(bankrupt):
    for _ in range(3):
        bankrupt.ticks()
        assert bankrupt.told == []
    bankrupt.ticks(20)
    assert bankrupt.due_ms is None


def test_a_deposit_makes_it_active_again_at_once(bankrupt):
    bankrupt.operator.pays_in(bankrupt.alice, "100")
    assert bankrupt.last == ["alice is active", "alice holds 0"]
    assert (bankrupt.alice.equity, bankrupt.alice.state) == ("100.00", "active")
    assert bankrupt.alice.buys(6, at="79.00").refused is None
    assert bankrupt.alice.buys(1, at="79.00").refused == "initial_margin_insufficient"


def test_it_can_go_bankrupt_again(bankrupt):
    bankrupt.operator.pays_in(bankrupt.alice, "79")
    bankrupt.alice.buys_from(bankrupt.dave, 5, "79.00")
    assert bankrupt.judged_at("63.20") == [
        "alice sells 5 at 63.20: bankruptcy",
        "dave buys 5 at 63.20: auto_deleverage",
        "alice is bankrupt",
    ]


def test_its_money_and_everybody_elses_is_what_was_paid_in(two_legs):
    two_legs.ticks()
    assert (two_legs.alice.cash, two_legs.paid_in) == ("0.00", "3001000.00")
