"""Close ends an instrument for good: its orders go, its mark becomes the mean of the last 30 s, who
is below zero by that is wound up, and every position is settled there: then everybody has plain
cash.
"""

from __future__ import annotations

import pytest

BOTH = ({"symbol": "SIM"}, {"symbol": "OIL"})


@pytest.fixture
def market(open_market):
    """It opens at 1,000 ms. Alice is long 10 from 100.00, bob short; each has 1,000.00."""
    market = open_market(*BOTH, starting_cash="1000")
    market.alice.buys_from(market.bob, 10, "100.00")
    return market


def mark_at(market, now_ms, price):
    market.now_ms = now_ms
    market.operator.marks(price)


def close_at(market, now_ms):
    market.now_ms = now_ms
    market.operator.closes()


# ------------------------------------------------------------------------------------ the mean mark


@pytest.mark.parametrize(
    ("marks", "closed_ms", "mean"),
    [
        ([], 1_000, "100.00"),  # no time at all: the mark there is
        ([(1_000, "104.00")], 1_000, "104.00"),
        ([], 9_000, "100.00"),
        (
            [(3_000, "106.00")],
            4_000,
            "102.00",
        ),  # what there is: 2 s at 100.00 and 1 s at 106.00
        (
            [(11_000, "104.00")],
            31_000,
            "102.66",
        ),  # all of 30 s: 10 s and 20 s; 102.666… rounded down
        ([(11_000, "104.00")], 36_000, "103.33"),  # the last 30 s: 5 s and 25 s; 103.333…
        ([(11_000, "104.00")], 41_000, "104.00"),  # the last 30 s begin with that mark
        ([(11_000, "104.00")], 99_000, "104.00"),
        (
            [(11_000, "104.00"), (21_000, "97.00"), (31_000, "99.00")],
            41_000,
            "100.00",
        ),  # 10 s each
        ([(21_000, "100.01")], 31_000, "100.00"),  # 20 s at 100.00 and 10 s at 100.01
        ([(31_000, "150.00")], 31_000, "100.00"),  # stood for no time
        ([(30_999, "130.00")], 31_000, "100.00"),  # stood for 1 ms: 100.001
    ],
)
def test_it_is_settled_at_the_mean_of_the_last_thirty_seconds_weighted_by_time_and_rounded_down(
    market, marks, closed_ms, mean
):
    for now_ms, price in marks:
        mark_at(market, now_ms, price)
    close_at(market, closed_ms)
    assert market.mark == mean


def test_how_far_back_it_looks_is_a_setting(open_market):
    market = open_market(settle_window_s=10)
    market.alice.logs_in()
    mark_at(market, 11_000, "104.00")
    close_at(market, 16_000)
    assert market.mark == "102.00"


def test_ticks_make_the_mean_like_the_house(market):
    """Quotes around 110.00 draw the mark to 101.00 at 2,000 ms and to 102.01 at 3,000 ms."""
    market.carol.buys(1, at="109.00")
    market.dave.sells(1, at="110.00")
    market.ticks_at(2_000)
    market.ticks_at(3_000)
    assert market.mark == "102.01"
    close_at(market, 4_000)
    assert market.mark == "101.00"


def test_so_nobody_paints_the_last_price(market):
    market.now_ms = 31_000
    market.carol.buys_from(market.dave, 5, "110.00")
    market.carol.buys(1, at="110.00")
    market.ticks()
    market.operator.closes()
    assert (market.mark, market.carol.cash, market.dave.cash) == ("100.00", "950.00", "1050.00")


# --------------------------------------------------------------------------------------- settlement


def test_every_position_is_settled_by_trader_id_and_cash_is_all_there_is(market):
    market.carol.buys_from(market.alice, 4, "101.00")
    mark_at(market, 1_000, "103.00")
    close_at(market, 9_000)
    assert market.last == [
        "SIM is closed: close",
        "alice holds 0",
        "bob holds 0",
        "carol holds 0",
    ]
    assert [each.cash for each in (market.alice, market.bob, market.carol)] == [
        "1022.00",
        "970.00",
        "1008.00",
    ]
    assert [each.equity for each in (market.alice, market.bob, market.carol)] == [
        "1022.00",
        "970.00",
        "1008.00",
    ]
    assert market.alice.account.positions["SIM"].realized == 22_00


def test_it_is_no_trade_and_no_fill(market):
    trades, fills = len(market.trades), len(market.fills)
    close_at(market, 9_000)
    assert (len(market.trades), len(market.fills), market.liquidations) == (trades, fills, [])


def test_its_orders_are_cancelled_by_order_id_and_no_others(market):
    market.carol.buys(1, at="98.00")
    market.alice.sells(2, at="101.00")
    market.carol.buys(3, at="99.00")
    market.carol.buys(4, at="99.00", of="OIL")
    market.operator.closes()
    assert market.last[:4] == [
        "SIM is closed: close",
        "carol's 1 cancelled: closed",
        "alice's 2 cancelled: closed",
        "carol's 3 cancelled: closed",
    ]
    assert market.carol.open_orders == ["buy 4 at 99.00"]


def test_a_halted_instrument_can_be_closed(market):
    market.operator.halts()
    close_at(market, 9_000)
    assert market.last[0] == "SIM is closed: close"
    assert market.alice.position == 0


def test_it_is_final(market):
    resting = market.carol.buys(1, at="98.00")
    market.operator.closes()
    assert market.alice.buys(1, at="99.00").refused == "market_halted"
    assert market.carol.replaces(resting, at="97.00").refused == "already_closed"
    assert market.alice.cancels_all(of="SIM").refused is None
    market.ticks(20)
    assert market.due_ms is None


def test_other_instruments_go_on(market):
    market.alice.buys_from(market.bob, 5, "100.00", of="OIL")
    market.operator.closes()
    assert (
        market.alice.position_in("OIL"),
        market.alice.buys(1, at="99.00", of="OIL").refused,
    ) == (5, None)
    market.mark_walks_to("102.00", of="OIL")


# -------------------------------------------------------------------------------- who is below zero


def closed_at(market, mark):
    """The house puts the mark there, and closes when it has stood for long enough."""
    market.operator.marks(mark)
    market.now_ms += 30_000
    market.operator.closes()
    assert market.mark == mark


@pytest.fixture
def against_dave(open_market):
    """Whoever is long is so against dave, who is rich. 20.00 are in the fund."""
    market = open_market(*BOTH, starting_cash="1000", insurance_fund="20")
    market.dave.brings("100000")
    return market


def test_who_is_below_zero_is_wound_up_first_as_in_any_liquidation(against_dave):
    """Erin, long 50 with 1,010.00, is 40.00 below zero at 79.00: 20.00 are paid, 0.40 a lot are
    missing. Carol, long 49, is 29.00 below zero, 0.60 a lot.
    """
    market = against_dave
    market.erin.brings("10")
    market.erin.buys_from(market.dave, 50, "100.00")
    market.carol.buys_from(market.dave, 49, "100.00")
    assert market.carol.buys(1, at="100.00", of="OIL").refused is None
    closed_at(market, "79.00")
    assert market.told == [
        "SIM is closed: close",
        "carol's 1 OIL cancelled: liquidation",
        "erin sells 50 at 79.40: bankruptcy",
        "dave buys 50 at 79.40: auto_deleverage",
        "erin is bankrupt",
        "carol sells 49 at 79.60: bankruptcy",
        "dave buys 49 at 79.60: auto_deleverage",
        "carol is bankrupt",
        "insurance 0.40",
    ]
    assert market.dave.cash == "103029.60"


def test_everywhere(against_dave):
    """Carol's SIM lost 1,170.00 of her 1,100.00: 20.00 are paid, 50.00 missing. Her OIL lost
    nothing: it goes at its mark.
    """
    market = against_dave
    market.carol.brings("100")
    market.carol.buys_from(market.dave, 50, "100.00")
    market.carol.buys_from(market.dave, 5, "100.00", of="OIL")
    closed_at(market, "76.60")
    assert market.told[1:] == [
        "carol sells 50 at 77.60: bankruptcy",
        "dave buys 50 at 77.60: auto_deleverage",
        "carol sells 5 OIL at 100.00: bankruptcy",
        "dave buys 5 OIL at 100.00: auto_deleverage",
        "carol is bankrupt",
        "insurance 0.00",
    ]


@pytest.mark.parametrize(("mark", "left"), [("79.60", "0.00"), ("84.00", "220.00")])
def test_who_has_nothing_or_little_left_is_neither_bankrupt_nor_frozen_nor_cancelled(
    against_dave, mark, left
):
    market = against_dave
    market.carol.brings("20")
    market.carol.buys_from(market.dave, 50, "100.00")
    market.carol.buys(1, at="100.00", of="OIL")
    closed_at(market, mark)
    assert market.told == ["SIM is closed: close"]
    assert (market.carol.cash, market.carol.state) == (left, "active")
    market.ticks()
    assert market.told == []
    assert market.carol.open_orders == ["buy 1 at 100.00"]


def test_nothing_is_closed_through_the_book(against_dave):
    """Carol is below zero, long OIL, and erin bids for that."""
    market = against_dave
    for symbol in ("SIM", "OIL"):
        market.carol.buys_from(market.dave, 25, "100.00", of=symbol)
    market.operator.marks("98.00", of="OIL")
    market.erin.buys(25, at="98.00", of="OIL")
    closed_at(market, "55.00")
    assert (market.carol.state, len(market.trades)) == ("bankrupt", 2)
    assert market.erin.open_orders == ["buy 25 at 98.00"]


def test_a_battle_ends_in_plain_cash_that_is_what_was_paid_in(against_dave):
    market = against_dave
    market.carol.buys_from(market.dave, 50, "100.00")
    market.erin.buys_from(market.dave, 20, "100.00", of="OIL")
    market.operator.marks("103.00", of="OIL")
    closed_at(market, "77.00")
    market.operator.closes(of="OIL")
    accounts = market.exchange.accounts.values()
    assert not any(account.held_positions() for account in accounts)
    cash = (
        sum(account.cash for account in accounts)
        + market.exchange.fees
        + market.exchange.insurance
    )
    assert market.money(cash) == "103020.00"
