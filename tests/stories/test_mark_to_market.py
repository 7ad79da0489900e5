"""Mark-to-market: once a second at most, every open position whose mark moved is told, so that no
equity curve has a gap.
"""

from __future__ import annotations

import pytest

from botpit.core.events import PositionUpdate
from stories.stage import Person

BOTH = ({"symbol": "SIM"}, {"symbol": "OIL"})


@pytest.fixture
def market(open_market):
    """It opens at 1,000 ms. Alice is long 5 SIM, against bob. The first Tick may come at once."""
    market = open_market(*BOTH)
    market.alice.buys_from(market.bob, 5, "100.00")
    return market


def told_at(market, now_ms, mark=None, of=None):
    """What the Tick at that time tells of positions, the house having put the mark somewhere before."""
    if mark:
        market.operator.marks(mark, of=of)
    market.ticks_at(now_ms)
    return [sentence for sentence in market.last if "holds" in sentence]


# ------------------------------------------------------------------------------------ once a second


def test_every_position_is_told_when_its_mark_has_moved(market):
    assert told_at(market, 1_100, "101.00") == ["alice holds 5", "bob holds -5"]
    assert market.last == ["alice holds 5", "bob holds -5"]
    alices = next(each for each in market.events if isinstance(each, PositionUpdate))
    assert (alices.symbol, alices.position, alices.cost, alices.mark) == (
        "SIM",
        5,
        500_00,
        101_00,
    )
    assert (alices.cash, alices.realized, alices.unrealized, alices.equity) == (
        10_000_00,
        0,
        5_00,
        10_005_00,
    )


def test_when_no_mark_has_moved_nothing_is_told(market):
    assert told_at(market, 1_100) == []
    assert told_at(market, 9_900) == []


def test_the_next_time_is_a_second_or_more_after_the_last_that_told_anything(market):
    told_at(market, 1_100, "101.00")
    assert told_at(market, 2_099, "102.00") == []
    assert told_at(market, 2_100) == ["alice holds 5", "bob holds -5"]


def test_what_told_nothing_does_not_count(market):
    told_at(market, 1_100, "101.00")
    assert told_at(market, 2_100) == []
    assert told_at(market, 2_200, "102.00") == ["alice holds 5", "bob holds -5"]
    assert told_at(market, 3_100, "103.00") == []
    assert told_at(market, 3_200) == ["alice holds 5", "bob holds -5"]


def test_how_often_is_a_setting(open_market):
    market = open_market(mark_to_market_ms=250)
    market.alice.buys_from(market.bob, 5, "100.00")
    told_at(market, 1_100, "101.00")
    assert told_at(market, 1_349, "102.00") == []
    assert told_at(market, 1_350) != []


def test_a_tick_is_due_when_it_would_tell_something(market):
    assert market.due_ms is None
    market.operator.marks("101.00")
    assert market.due_ms == 0
    market.ticks_at(1_100)
    market.now_ms = 1_400
    market.operator.marks("102.00")
    assert market.due_ms == 700
    market.now_ms = 2_100
    assert market.due_ms == 0
    market.operator.marks("101.00")
    assert market.due_ms is None


def test_every_step_that_ticks_move_the_mark_is_seen_within_a_second(market):
    market.carol.buys(1, at="109.00")
    told = [told_at(market, now_ms) for now_ms in range(1_100, 2_200, 100)]
    assert told == [
        ["alice holds 5", "bob holds -5"],
        *[[]] * 9,
        ["alice holds 5", "bob holds -5"],
    ]


# ------------------------------------------------------------------------------------- what is told


def test_only_what_stands_at_another_mark_than_it_was_last_told_at(market):
    """Carol's position was told at 101.00, when she took it."""
    market.operator.marks("101.00")
    market.carol.buys_from(market.dave, 1, "101.00")
    assert told_at(market, 1_100) == ["alice holds 5", "bob holds -5"]
    assert told_at(market, 2_100, "102.00") == [
        "alice holds 5",
        "bob holds -5",
        "carol holds 1",
        "dave holds -1",
    ]


def test_a_mark_that_came_back_is_no_news(market):
    told_at(market, 1_100, "101.00")
    market.operator.marks("105.00")
    assert told_at(market, 2_100, "101.00") == []


def test_a_closed_position_is_not_told(market):
    market.bob.buys_from(market.alice, 5, "100.00")
    assert told_at(market, 1_100, "101.00") == []


def test_by_trader_id_and_then_by_instrument(open_market):
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"}, {"symbol": "GAS"})
    for symbol in ("OIL", "GAS", "SIM"):
        market.dave.buys_from(market.bob, 5, "100.00", of=symbol)
        market.operator.marks("101.00", of=symbol)
    assert told_at(market, 1_100) == [
        "bob holds -5",
        "bob holds -5 OIL",
        "bob holds -5 GAS",
        "dave holds 5",
        "dave holds 5 OIL",
        "dave holds 5 GAS",
    ]


def test_of_an_account_only_the_instruments_that_moved(market):
    market.alice.buys_from(market.bob, 3, "100.00", of="OIL")
    assert told_at(market, 1_100, "101.00", of="OIL") == [
        "alice holds 3 OIL",
        "bob holds -3 OIL",
    ]


def test_what_the_tick_tells_anyway_is_told_once_and_first(open_market):
    """Carol is liquidated against erin in that Tick; alice and bob are only told their mark."""
    market = open_market(starting_cash="1000")
    market.alice.buys_from(market.bob, 5, "100.00")
    market.carol.buys_from(market.dave, 50, "100.00")
    market.operator.pays_in(market.dave, "10000")
    market.operator.marks("88.00")
    market.erin.buys(5, at="87.50")
    market.ticks()
    holds = [each for each in market.last if "holds" in each]
    assert holds == [
        "carol holds 45",
        "erin holds 5",
        "alice holds 5",
        "bob holds -5",
        "dave holds -50",
    ]
    assert market.last[-1] == "insurance 2.19"


# ---------------------------------------------------------------------- at most 500 accounts a Tick


def crowd(open_market, people):
    """So many people are long 1 each, against zoe, the last by name."""
    market = open_market(max_accounts=2_000)
    zoe = Person(market, "zoe")
    zoe.brings("1000000")
    for number in range(people):
        Person(market, f"trader-{number:04}").buys_from(zoe, 1, "100.00")
    return market


def names(sentences):
    return [sentence.split()[0] for sentence in sentences]


def test_at_most_five_hundred_accounts_are_told_in_a_tick_and_the_next_one_goes_on(open_market):
    market = crowd(open_market, 1_200)
    everybody = [f"trader-{number:04}" for number in range(1_200)]
    assert names(told_at(market, 1_100, "101.00")) == everybody[:500]
    assert names(told_at(market, 1_101)) == everybody[500:1_000]
    assert names(told_at(market, 1_102)) == [*everybody[1_000:], "zoe"]
    assert told_at(market, 1_103) == []


def test_then_it_is_a_second_until_the_next(open_market):
    market = crowd(open_market, 600)
    told_at(market, 1_100, "101.00")
    told_at(market, 1_500)
    assert told_at(market, 2_499, "102.00") == []
    assert len(told_at(market, 2_500)) == 500


def test_accounts_with_nothing_to_tell_do_not_count(open_market):
    """Everybody took his position at 101.00, but for ten."""
    market = open_market(max_accounts=2_000)
    zoe = Person(market, "zoe")
    zoe.brings("1000000")
    for number in range(600):
        if number == 590:
            market.operator.marks("100.00")
        elif number == 0:
            market.operator.marks("101.00")
        Person(market, f"trader-{number:04}").buys_from(zoe, 1, "100.50")
    assert names(told_at(market, 1_100, "101.00")) == [
        *(f"trader-{number:04}" for number in range(590, 600)),
        "zoe",
    ]


def test_those_still_to_be_told_are_told_the_mark_of_their_tick(open_market):
    market = crowd(open_market, 600)
    told_at(market, 1_100, "101.00")
    told_at(market, 1_200, "102.00")
    updates = [each for each in market.events if isinstance(each, PositionUpdate)]
    assert {each.mark for each in updates} == {102_00}
    assert len(updates) == 101


def test_while_some_are_still_to_be_told_a_tick_is_due(open_market):
    market = crowd(open_market, 600)
    told_at(market, 1_100, "101.00")
    assert market.due_ms == 0
    told_at(market, 1_200)
    market.now_ms = 2_200
    assert market.due_ms is None
