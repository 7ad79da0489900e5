"""Accounts: 10,000.00 to begin with, futures style, average cost in signed integers."""

from __future__ import annotations

import pytest


def trade(market, buyer, qty, seller, at):
    seller.sells(qty, at=at)
    buyer.buys(qty, at=at)


def test_everybody_begins_with_ten_thousand(market):
    market.alice.buys(1, at="99.00")
    assert (market.alice.cash, market.alice.equity) == ("10000.00", "10000.00")


def test_a_login_makes_an_account(market):
    market.alice.logs_in()
    assert market.alice.cash == "10000.00"


def test_the_first_order_makes_an_account_even_if_the_engine_refuses_it(market):
    market.alice.buys(1, at="200.00")
    assert market.alice.cash == "10000.00"


def test_an_account_is_made_once(market):
    trade(market, market.alice, 1, market.bob, "101.00")
    trade(market, market.bob, 1, market.alice, "100.00")
    market.alice.logs_in()
    assert market.alice.cash == "9999.00"


def test_buying_takes_a_position_and_spends_no_cash(market):
    trade(market, market.alice, 5, market.bob, "101.00")
    assert (market.alice.position, market.alice.cash, market.alice.cost) == (
        5,
        "10000.00",
        "505.00",
    )
    assert (market.bob.position, market.bob.cash, market.bob.cost) == (
        -5,
        "10000.00",
        "-505.00",
    )


def test_equity_is_cash_and_unrealised_pnl_at_the_mark(market):
    trade(market, market.alice, 5, market.bob, "101.00")
    assert (market.alice.equity, market.bob.equity) == ("9995.00", "10005.00")
    market.mark_walks_to("103.00")
    assert (market.alice.equity, market.bob.equity) == ("10010.00", "9990.00")


def test_adding_averages_the_cost(market):
    trade(market, market.alice, 2, market.bob, "100.00")
    trade(market, market.alice, 2, market.bob, "104.00")
    assert (market.alice.position, market.alice.cost) == (4, "408.00")
    trade(market, market.bob, 2, market.alice, "103.00")
    assert (market.alice.cost, market.alice.cash) == ("204.00", "10002.00")


def test_closing_realises_the_difference(market):
    trade(market, market.alice, 5, market.bob, "100.00")
    trade(market, market.carol, 5, market.alice, "102.00")
    trade(market, market.bob, 5, market.carol, "103.00")
    assert [each.cash for each in (market.alice, market.bob, market.carol)] == [
        "10010.00",
        "9985.00",
        "10005.00",
    ]
    assert [each.cost for each in (market.alice, market.bob, market.carol)] == [
        "0.00",
        "0.00",
        "0.00",
    ]


def test_realised_pnl_is_kept_per_position(market):
    trade(market, market.alice, 5, market.bob, "100.00")
    trade(market, market.carol, 2, market.alice, "102.00")
    trade(market, market.carol, 3, market.alice, "99.00")
    assert market.alice.account.positions["SIM"].realized == 100


@pytest.mark.parametrize(
    ("closed", "at", "cash", "cost"),
    [
        (1, "100.01", "10000.01", "200.02"),  # 300.02 x 1/3 = 100.0066…: 100.00 released
        (2, "100.01", "10000.01", "100.01"),  # 300.02 x 2/3 = 200.0133…: 200.01 released
        (3, "100.01", "10000.01", "0.00"),  # all of it
    ],
)
def test_closing_part_of_a_long_releases_its_cost_rounded_down(market, closed, at, cash, cost):
    trade(market, market.alice, 1, market.bob, "100.00")
    trade(market, market.alice, 2, market.bob, "100.01")
    trade(market, market.carol, closed, market.alice, at)
    assert (market.alice.cash, market.alice.cost) == (cash, cost)


@pytest.mark.parametrize(
    ("closed", "at", "cash", "cost"),
    [
        (1, "100.01", "9999.99", "-200.02"),  # 100.00 released, bought back at 100.01
        (2, "100.01", "9999.99", "-100.01"),  # 200.01 released, bought back for 200.02
        (3, "100.01", "9999.99", "0.00"),
    ],
)
def test_closing_part_of_a_short_releases_its_cost_rounded_down(market, closed, at, cash, cost):
    trade(market, market.bob, 1, market.alice, "100.00")
    trade(market, market.bob, 2, market.alice, "100.01")
    trade(market, market.alice, closed, market.carol, at)
    assert (market.alice.cash, market.alice.cost) == (cash, cost)


def test_what_rounding_left_is_released_with_the_last_lot(market):
    trade(market, market.alice, 1, market.bob, "100.00")
    trade(market, market.alice, 2, market.bob, "100.01")
    for _ in range(3):
        trade(market, market.carol, 1, market.alice, "100.00")
    assert (market.alice.cash, market.alice.cost) == ("9999.98", "0.00")


def test_a_long_that_turns_short_in_one_fill_closes_first_and_opens_at_the_price(market):
    trade(market, market.alice, 3, market.bob, "100.00")
    market.carol.buys(5, at="102.00")
    market.alice.sells(5, at="102.00")
    assert market.fills[-2] == "alice sold 5 at 102.00 as taker, 0 left"
    assert (market.alice.position, market.alice.cash, market.alice.cost) == (
        -2,
        "10006.00",
        "-204.00",
    )


def test_a_short_that_turns_long_in_one_fill_closes_first_and_opens_at_the_price(market):
    trade(market, market.bob, 3, market.alice, "100.00")
    market.carol.sells(5, at="102.00")
    market.alice.buys(5, at="102.00")
    assert (market.alice.position, market.alice.cash, market.alice.cost) == (
        2,
        "9994.00",
        "204.00",
    )


def test_the_maker_may_turn_too(market):
    trade(market, market.alice, 3, market.bob, "100.00")
    market.alice.sells(5, at="102.00")
    market.carol.buys(5, at="102.00")
    assert (market.alice.position, market.alice.cash, market.alice.cost) == (
        -2,
        "10006.00",
        "-204.00",
    )


def test_nothing_is_made_or_lost(open_market):
    market = open_market(taker_fee_bps=7, maker_fee_bps=-3)
    people = (market.alice, market.bob, market.carol)
    for qty, at, buyer, seller in [
        (3, "100.01", 0, 1),
        (2, "99.97", 1, 2),
        (7, "100.03", 2, 0),
        (1, "101.11", 0, 2),
    ]:
        trade(market, people[buyer], qty, people[seller], at)
        cash = (
            sum(each.account.cash for each in people if each.name in market.exchange.accounts)
            + market.exchange.fees
        )
        held = [
            each.account.positions["SIM"]
            for each in people
            if each.name in market.exchange.accounts
        ]
        assert cash - sum(each.cost for each in held) == 1_000_000 * len(held)
        assert sum(each.lots for each in held) == 0
