"""The list of accounts in breach is made once per Tick, the worst first; all their orders go before
anything trades; then account by account, the largest position first.

Whoever is in breach and finds no bid is frozen: that is how one sees the order.
"""

from __future__ import annotations

import pytest

from botpit.core.events import Trade

THREE = ({"symbol": "SIM"}, {"symbol": "OIL"}, {"symbol": "GAS"})


@pytest.fixture
def market(open_market):
    market = open_market(*THREE, starting_cash="0")
    market.dave.brings("1000000")
    return market


def goes_long(market, person, cash, qty, of="SIM"):
    """From 100.00, against dave."""
    person.brings(cash)
    person.buys_from(market.dave, qty, "100.00", of=of)


# ----------------------------------------------------------------------------------------- the list


def test_the_lowest_equity_to_maintenance_comes_first_and_ties_by_trader_id(market):
    """At 85.00 each must keep 425.00: alice has 350.00, bob and carol 250.00, erin 300.00."""
    for person, cash in (
        (market.alice, "1100"),
        (market.erin, "1050"),
        (market.carol, "1000"),
        (market.bob, "1000"),
    ):
        goes_long(market, person, cash, 50)
    assert market.judged_at("85.00") == [
        "bob is frozen",
        "carol is frozen",
        "erin is frozen",
        "alice is frozen",
    ]


def test_it_is_the_ratio_that_counts_and_not_the_equity(market):
    """At 85.00 alice has 27.00 of 42.50, bob has 250.00 of 425.00."""
    goes_long(market, market.alice, "102", 5)
    goes_long(market, market.bob, "1000", 50)
    assert market.judged_at("85.00") == ["bob is frozen", "alice is frozen"]


def test_accounts_without_positions_come_before_all(open_market):
    """Four makers' fees take carol to 19.20 below zero, with nothing held; alice is at 20.00 below,
    with a position.
    """
    market = open_market(starting_cash="0", maker_fee_bps=1_000, maintenance_margin_bps=1)
    for person, cash in (
        (market.alice, "100"),
        (market.bob, "10000"),
        (market.carol, "100"),
        (market.dave, "10000"),
    ):
        person.brings(cash)
    for person in (market.alice, market.carol):
        person.buys_from(market.dave, 4, "100.00")
    market.operator.marks("78.00")
    for _ in range(4):
        market.carol.sells(1, at="78.00")
    market.bob.buys(4, at="78.00")
    assert (market.carol.position, market.carol.cash) == (0, "-19.20")
    assert market.judged_at("70.00") == [
        "carol is bankrupt",
        "alice sells 4 at 75.00: bankruptcy",
        "dave buys 4 at 75.00: auto_deleverage",
        "alice is bankrupt",
        "insurance -19.20",
    ]
    assert [each for each in market.last if "holds" in each] == [
        "alice holds 0",
        "dave holds -4",
        "carol holds 0",
        "bob holds 4",
    ]


def test_it_is_made_once_so_that_a_tick_comes_to_an_end(market):
    """Alice's 10 lots at 96.00 leave bob with 80.00 of 84.00: he is judged at the next Tick."""
    goes_long(market, market.alice, "1000", 50)
    market.bob.brings("200")
    market.bob.buys(10, at="96.00")
    market.operator.marks("83.17")
    market.ticks()
    assert market.mark == "84.00"
    assert market.told == [
        "alice sells 10 to bob at 96.00",
        "alice sells 10 at 96.00: maintenance_margin_breach",
        "alice is frozen",
        "insurance 4.80",
    ]
    assert (market.bob.equity, market.bob.state) == ("80.00", "active")
    market.ticks()
    assert (market.mark, market.told) == ("84.00", ["bob is frozen"])


def test_who_is_no_longer_in_breach_when_the_turn_comes_is_skipped(market):
    """Bob, short 50 SIM and long 200 OIL, has 1,900.00 of 1,970.00. Alice, bankrupt, is closed
    against him at the mark 78.00, which costs him nothing, and 1,580.00 are enough for the rest:
    carol's bid for it stays.
    """
    market.alice.brings("1000")
    goes_long(market, market.bob, "5000", 200, of="OIL")
    market.carol.brings("100000")
    market.alice.buys_from(market.bob, 50, "100.00")
    market.operator.marks("79.00", of="OIL")
    market.carol.buys(100, at="78.00", of="OIL")
    assert market.judged_at("78.00") == [
        "alice sells 50 at 78.00: bankruptcy",
        "bob buys 50 at 78.00: auto_deleverage",
        "alice is bankrupt",
        "insurance -100.00",
    ]
    assert (market.bob.equity, market.bob.state, market.bob.position_in("OIL")) == (
        "1900.00",
        "active",
        200,
    )


# ----------------------------------------------------------------------- first of all, their orders


def test_the_orders_of_all_that_are_listed_are_cancelled_in_the_order_of_the_list(market):
    """Everywhere, also where trading is halted, and each one's by order id. Carol has 200.00 of
    320.00, alice 210.00.
    """
    goes_long(market, market.alice, "1010", 40)
    goes_long(market, market.carol, "1000", 40)
    market.alice.buys(1, at="99.00", of="OIL")
    market.carol.sells(2, at="108.00")
    market.alice.sells(3, at="108.00")
    market.carol.buys(4, at="99.00", of="OIL")
    market.operator.halts(of="OIL")
    market.operator.marks("80.00")
    market.bob.brings("1000")
    market.bob.buys_from(market.dave, 1, "80.00")
    assert market.judged_at("80.00") == [
        "carol's 2 cancelled: liquidation",
        "carol's 4 OIL cancelled: liquidation",
        "alice's 1 OIL cancelled: liquidation",
        "alice's 3 cancelled: liquidation",
        "carol is frozen",
        "alice is frozen",
    ]


def test_so_nobody_is_liquidated_against_another_who_is_listed(market):
    """Alice's turn is first, and bob's bid of 90.00 would be the best."""
    goes_long(market, market.alice, "1100", 50)
    goes_long(market, market.bob, "1000", 40)
    market.carol.brings("10000")
    market.bob.buys(10, at="90.00")
    market.operator.marks("79.21")  # his bid draws it to 80.00
    market.carol.buys(10, at="79.00")
    market.ticks()
    assert market.mark == "80.00"
    assert market.told == [
        "bob's 10 cancelled: liquidation",
        "alice sells 10 to carol at 79.00",
        "alice sells 10 at 79.00: maintenance_margin_breach",
        "alice is frozen",
        "bob is frozen",
        "insurance 3.95",
    ]


def test_who_is_not_in_breach_keeps_all_orders(market):
    goes_long(market, market.alice, "1000", 40)
    goes_long(market, market.bob, "1000", 50)
    market.alice.sells(5, at="108.00")
    market.operator.marks("88.00")
    market.carol.brings("10000")
    market.carol.buys_from(market.dave, 1, "88.00")
    assert market.judged_at("88.00") == ["bob is frozen"]
    assert market.alice.open_orders == ["sell 5 at 108.00"]


# ------------------------------------------------------------------------------- account by account


def test_the_next_account_gets_what_the_book_still_has_under_an_order_id_of_its_own(market):
    """29 lots restore alice, as if she were alone. Carol's 11: 400.00 - 5.50 - 4.82 = 389.68, of
    343.20 she must keep for 39.
    """
    goes_long(market, market.carol, "1000", 50)
    goes_long(market, market.alice, "1000", 50)
    market.bob.brings("10000")
    market.operator.marks("88.00")
    market.bob.buys(40, at="87.50")
    market.ticks()
    assert market.told == [
        "alice sells 29 to bob at 87.50",
        "alice sells 29 at 87.50: maintenance_margin_breach",
        "carol sells 11 to bob at 87.50",
        "carol sells 11 at 87.50: maintenance_margin_breach",
        "insurance 17.51",
    ]
    first, second = (each.sell_order_id for each in market.events if isinstance(each, Trade))
    assert second == first + 1


# ------------------------------------------------------------------------- instrument by instrument


@pytest.fixture
def three_legs(market):
    """Alice has 1,000.00 and is long 10 SIM, 20 OIL and 20 GAS from 100.00. All stand at 88.00 now,
    where she has 400.00 of 440.00.
    """
    market.alice.brings("1000")
    market.bob.brings("100000")
    for symbol, qty in (("SIM", 10), ("OIL", 20), ("GAS", 20)):
        market.alice.buys_from(market.dave, qty, "100.00", of=symbol)
    for symbol in ("SIM", "OIL", "GAS"):
        market.operator.marks("88.00", of=symbol)
    return market


def bids(market, qty):
    for symbol in ("SIM", "OIL", "GAS"):
        market.bob.buys(qty, at="87.50", of=symbol)


def test_the_largest_maintenance_margin_comes_first_and_ties_by_symbol(three_legs):
    bids(three_legs, 5)
    three_legs.ticks()
    assert three_legs.told == [
        "alice sells 5 GAS to bob at 87.50",
        "alice sells 5 GAS at 87.50: maintenance_margin_breach",
        "alice sells 5 OIL to bob at 87.50",
        "alice sells 5 OIL at 87.50: maintenance_margin_breach",
        "alice sells 5 to bob at 87.50",
        "alice sells 5 at 87.50: maintenance_margin_breach",
        "insurance 6.57",
    ]
    orders = [each.sell_order_id for each in three_legs.events if isinstance(each, Trade)]
    assert orders == [orders[0], orders[0] + 1, orders[0] + 2]


def test_it_ends_where_initial_margin_is_restored(three_legs):
    """20 GAS: 400.00 - 10.00 - 8.75 = 381.25, of 528.00. 9 OIL: 381.25 - 4.50 - 3.94 = 372.81, of 369.60."""
    bids(three_legs, 50)
    three_legs.ticks()
    assert three_legs.trades[3:] == [
        "alice sells 20 GAS to bob at 87.50",
        "alice sells 9 OIL to bob at 87.50",
    ]
    assert three_legs.alice.position == 10


def test_a_halted_instrument_is_skipped(three_legs):
    """20 OIL and 9 of the 10 SIM, as it would have been with GAS."""
    bids(three_legs, 50)
    three_legs.operator.halts(of="GAS")
    three_legs.ticks()
    assert three_legs.trades[3:] == [
        "alice sells 20 OIL to bob at 87.50",
        "alice sells 9 to bob at 87.50",
    ]
    assert three_legs.alice.position_in("GAS") == 20


def test_when_it_is_open_again_its_turn_comes(three_legs):
    three_legs.bob.buys(5, at="87.50", of="GAS")
    three_legs.operator.halts(of="GAS")
    three_legs.ticks()
    assert three_legs.told == ["alice is frozen"]
    three_legs.operator.resumes(of="GAS")
    three_legs.ticks()
    assert three_legs.trades[3:] == ["alice sells 5 GAS to bob at 87.50"]
