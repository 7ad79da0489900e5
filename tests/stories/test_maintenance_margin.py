"""Maintenance margin: a tenth of what is held, at the mark, judged at Ticks for everybody; open
orders do not count in it.

Nobody quotes in these stories, so that an account in breach can only be frozen: that is how one
sees that it was found.
"""

from __future__ import annotations

import pytest

from stories.stage import Person

BOTH = ({"symbol": "SIM"}, {"symbol": "OIL"})


@pytest.fixture
def market(open_market):
    """Alice has 1,000.00 and is long 50 from 100.00; at a mark m she has 50 m - 4,000.00 and must have 5 m."""
    market = open_market(starting_cash="0")
    market.alice.brings("1000")
    market.bob.brings("100000")
    market.alice.buys_from(market.bob, 50, "100.00")
    return market


# ----------------------------------------------------------------------------------- how much it is


@pytest.mark.parametrize(
    ("mark", "equity", "told"),
    [
        ("88.89", "444.50", []),  # she must have 444.45
        ("88.88", "444.00", ["alice is frozen"]),  # she must have 444.40
    ],
)
def test_a_long_must_keep_a_tenth_of_what_it_is_worth_at_the_mark(market, mark, equity, told):
    assert market.judged_at(mark) == told
    assert market.alice.equity == equity


@pytest.mark.parametrize(
    ("mark", "equity", "told"),
    [
        ("109.09", "545.50", []),  # he must have 545.45
        ("109.10", "545.00", ["carol is frozen"]),  # he must have 545.50
    ],
)
def test_and_so_must_a_short(market, mark, equity, told):
    market.carol.brings("1000")
    market.bob.buys_from(market.carol, 50, "100.00")
    assert market.judged_at(mark) == told
    assert market.carol.equity == equity


@pytest.mark.parametrize(
    ("mark", "equity", "told"),
    [
        ("88.89", "8.89", []),  # 8.889 must be there
        ("88.88", "8.88", ["alice is frozen"]),  # 8.888 must be there
    ],
)
def test_a_fraction_of_a_unit_too_little_is_too_little(open_market, mark, equity, told):
    market = open_market(starting_cash="20.00")
    market.alice.buys_from(market.bob, 1, "100.00")
    assert market.judged_at(mark) == told
    assert market.alice.equity == equity


@pytest.mark.parametrize(("cash", "told"), [("40.07", []), ("40.06", ["alice is frozen"])])
def test_the_margins_of_all_instruments_are_summed_exactly_and_as_much_as_that_is_enough(
    open_market, cash, told
):
    """Twice 8.885 is 17.77, and what is left of 40.07 after two losses of 11.15 is 17.77."""
    market = open_market(*BOTH, starting_cash="0")
    market.alice.brings(cash)
    market.bob.brings("1000")
    for symbol in ("SIM", "OIL"):
        market.alice.buys_from(market.bob, 1, "100.00", of=symbol)
    market.operator.marks("88.85")
    assert market.judged_at("88.85", of="OIL") == told


def test_a_gain_in_one_instrument_bears_a_loss_in_another(open_market):
    market = open_market(*BOTH, starting_cash="0")
    market.alice.brings("1000")
    market.bob.brings("1000")
    market.dave.brings("100000")
    for symbol in ("SIM", "OIL"):
        market.alice.buys_from(market.dave, 25, "100.00", of=symbol)
    market.bob.buys_from(market.dave, 50, "100.00")
    market.operator.marks("115.00", of="OIL")
    assert market.judged_at("85.00") == ["bob is frozen"]
    assert market.alice.equity == "1000.00"


def test_the_rate_is_a_setting_of_the_instrument(open_market):
    market = open_market({"symbol": "SIM", "maintenance_margin_bps": 500}, starting_cash="0")
    market.alice.brings("1000")
    market.bob.brings("100000")
    market.alice.buys_from(market.bob, 50, "100.00")
    assert market.judged_at("84.22") == []  # 211.00, of which she needs 210.55
    assert market.judged_at("84.21") == ["alice is frozen"]  # 210.50, of 210.525


def test_the_tick_value_counts(open_market):
    market = open_market({"symbol": "SIM", "lot": "10"}, starting_cash="0")
    market.alice.brings("1000")
    market.bob.brings("100000")
    market.alice.buys_from(market.bob, 5, "100.00")
    assert market.judged_at("88.89") == []
    assert market.judged_at("88.88") == ["alice is frozen"]


# -------------------------------------------------------------------------------- when it is judged


def test_it_is_judged_at_ticks_and_at_no_other_time(market):
    market.operator.marks("85.00")
    market.carol.brings("1000")
    market.carol.buys(1, at="79.00")
    assert market.alice.state == "active"
    market.ticks()
    assert market.alice.state == "frozen"


def test_it_is_judged_for_every_account(open_market):
    """Forty people of whom every second one holds too much, and only the first has traded since the
    mark began to fall.
    """
    market = open_market(starting_cash="1000", max_accounts=100)
    crowd = [Person(market, f"trader-{number:02}") for number in range(40)]
    market.bob.brings("1000000")
    for number, person in enumerate(crowd):
        person.buys_from(market.bob, 50 if number % 2 else 40, "100.00")
    for mark in ("96.00", "92.00", "89.00"):
        assert market.judged_at(mark) == []
        market.bob.buys_from(crowd[0], 1, mark)
    assert market.judged_at("88.50") == [f"{person.name} is frozen" for person in crowd[1::2]]


def test_a_fill_that_takes_an_account_into_breach_is_judged_at_the_next_tick(open_market):
    """Open orders do not count: a resting order that loses at once is only noticed when it has traded."""
    market = open_market(starting_cash="200")
    market.alice.buys(10, at="100.00")
    assert market.judged_at("88.00") == []
    market.bob.sells(10, at="88.00")
    assert market.trades == ["bob sells 10 to alice at 100.00"]
    assert (market.alice.equity, market.alice.state) == ("80.00", "active")
    market.ticks()
    assert market.told == ["alice is frozen"]


def test_open_orders_do_not_count(open_market):
    market = open_market(starting_cash="0", max_order_notional="100000000")
    market.alice.brings("100100")
    market.bob.brings("1000000")
    market.alice.buys_from(market.bob, 50, "100.00")
    assert market.alice.buys(4_900, at="99.00").refused is None  # initial margin of 98,020.00
    assert market.judged_at("99.50") == []
    assert market.alice.open_orders == ["buy 4900 at 99.00"]


# ------------------------------------------------------- thresholds: what safe accounts cost a Tick


def test_a_safe_account_is_looked_at_again_when_the_mark_has_used_up_its_excess(market):
    """At 100.00 alice has 1,000.00 and needs 500.00. A lot that loses 1.00 takes 1.00 and needs
    0.10 less: 50 lots lose 45.00 of the excess with each 1.00, so it lasts for 11.11, and the
    threshold stands at 88.89.
    """
    market.settles()
    market.operator.marks("88.90")
    assert market.due_for_check == []
    market.operator.marks("88.89")
    assert market.due_for_check == ["alice"]


def test_a_short_is_looked_at_when_the_mark_has_risen(market):
    """Bob's 100,000.00 would last for 49,500.00 / 55.00, were he carol, who has 1,000.00: 500.00 /
    55.00 is 9.09.
    """
    market.carol.brings("1000")
    market.bob.buys_from(market.carol, 50, "100.00")
    market.settles()
    market.operator.marks("109.08")
    assert market.due_for_check == []
    market.operator.marks("109.09")
    assert market.due_for_check == ["carol"]


@pytest.fixture
def two_legs(open_market):
    """Alice has 1,000.00, is long 20 SIM and short 20 OIL; of her excess of 600.00 each position
    may use up 300.00: SIM falls by 300.00 / 18.00 = 16.66, OIL rises by 300.00 / 22.00 = 13.63.
    """
    market = open_market(*BOTH, starting_cash="0")
    market.alice.brings("1000")
    market.bob.brings("100000")
    market.alice.buys_from(market.bob, 20, "100.00")
    market.bob.buys_from(market.alice, 20, "100.00", of="OIL")
    market.settles()
    return market


def test_the_excess_is_split_over_the_positions(two_legs):
    two_legs.operator.marks("83.35")
    two_legs.operator.marks("113.62", of="OIL")
    assert two_legs.due_for_check == []
    two_legs.operator.marks("83.34")
    assert two_legs.due_for_check == ["alice"]
    two_legs.operator.marks("83.35")
    two_legs.operator.marks("113.63", of="OIL")
    assert two_legs.due_for_check == ["alice"]


def test_until_then_it_is_in_no_breach_even_if_all_move_at_once(two_legs):
    """394.60 is left of 1,000.00, and 393.94 are needed."""
    two_legs.operator.marks("83.35")
    two_legs.operator.marks("113.62", of="OIL")
    two_legs.ticks()
    assert (two_legs.told, two_legs.alice.equity) == ([], "394.60")


def test_a_crossed_threshold_only_brings_a_look_and_a_new_threshold(two_legs):
    """At 83.34 she has 666.80 and needs 366.68: half of 300.12, over 18.00, is 8.33 more for SIM,
    and over 22.00 is 6.82 for OIL.
    """
    assert two_legs.judged_at("83.34") == []
    assert two_legs.due_for_check == [
        "alice"
    ]  # looked at a few times before a threshold is set
    two_legs.settles()
    assert two_legs.due_for_check == []
    two_legs.operator.marks("75.02")
    assert two_legs.due_for_check == []
    two_legs.operator.marks("75.01")
    assert two_legs.due_for_check == ["alice"]
    two_legs.operator.marks("75.02")
    two_legs.operator.marks("106.81", of="OIL")
    assert two_legs.due_for_check == []
    two_legs.operator.marks("106.82", of="OIL")
    assert two_legs.due_for_check == ["alice"]


def test_a_change_of_cash_brings_a_look_and_a_new_threshold(market):
    market.settles()
    market.operator.pays_in(market.alice, "90")
    assert market.due_for_check == ["alice"]
    market.settles()
    assert market.due_for_check == []
    market.operator.marks("86.90")  # 590.00 / 45.00 is 13.11
    assert market.due_for_check == []
    market.operator.marks("86.89")
    assert market.due_for_check == ["alice"]


def test_a_change_of_position_brings_a_look_and_a_new_threshold(market):
    market.settles()
    market.bob.buys_from(market.alice, 10, "100.00")
    assert market.due_for_check == ["alice", "bob"]
    market.settles()
    assert market.due_for_check == []
    market.operator.marks("83.34")  # 600.00 / 36.00 is 16.66
    assert market.due_for_check == ["alice"]
    market.operator.marks("83.35")
    assert market.due_for_check == []


def test_whoever_holds_nothing_any_more_is_not_looked_at(market):
    market.settles()
    market.bob.buys_from(market.alice, 50, "100.00")
    market.settles()
    market.operator.marks("1.00")
    assert market.due_for_check == []


def test_no_account_in_breach_has_an_uncrossed_threshold_however_the_mark_walks(open_market):
    """A hundred people at a hundred leverages; at each of 1,500 marks down and up again, all in
    breach were looked at.
    """
    market = open_market(starting_cash="0", max_accounts=300)
    crowd = [Person(market, f"trader-{number:03}") for number in range(100)]
    market.bob.brings("10000000")
    for number, person in enumerate(crowd):
        person.brings(f"{200 + 7 * number}")
        if number % 2:
            person.buys_from(market.bob, 10, "100.00")
        else:
            market.bob.buys_from(person, 10, "100.00")
    market.ticks()
    for step in [*range(0, 1500, 5), *range(1500, -1500, -5), *range(-1500, 0, 5)]:
        market.operator.marks(f"{(10_000 + step) / 100:.2f}")
        market.ticks()
        frozen = {person.name for person in crowd if person.state == "frozen"}
        mark = market.exchange.first_market.mark
        assert {
            person.name for person in crowd if person.account.equity() * 10 < 10 * mark
        } == frozen, step
    assert market.statuses
