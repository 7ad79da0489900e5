"""The deleveraging queue: who must close against a bankrupt account, in which order, at which
price, and how much at most.
"""

from __future__ import annotations

import pytest

from botpit.core.events import Fill, Liquidation, Trade
from stories.stage import Person

BOTH = ({"symbol": "SIM"}, {"symbol": "OIL"})


@pytest.fixture
def market(open_market):
    return open_market(*BOTH, starting_cash="0")


def goes_short(market, person, cash, qty, at="100.00"):
    """Against alice, who is long from there."""
    person.brings(cash)
    market.alice.buys_from(person, qty, at)


def against(market):
    """Who was closed against, for how many lots at which price, in order."""
    return [
        (each.trader, each.qty, market.price(each.price, each.symbol))
        for each in market.events
        if isinstance(each, Liquidation) and each.reason == "auto_deleverage"
    ]


# ---------------------------------------------------------------------------------------- the order


def test_of_equal_gains_the_highest_leverage_comes_first(market):
    """All gained 420.00 on 2,000.00 and hold 1,580.00, with 10,420.00, 1,420.00 and 3,420.00 behind them."""
    market.alice.brings("1200")
    for person, cash in ((market.bob, "10000"), (market.carol, "1000"), (market.dave, "3000")):
        goes_short(market, person, cash, 20)
    market.judged_at("79.00")
    assert against(market) == [
        ("carol", 20, "80.00"),
        ("dave", 20, "80.00"),
        ("bob", 20, "80.00"),
    ]


def test_of_equal_leverage_the_greatest_gain_comes_first(market):
    """Both have 1,420.00: carol with 420.00 gained on 2,000.00, bob with 380.00 on 1,960.00."""
    market.alice.brings("800")
    goes_short(market, market.carol, "1000", 20)
    goes_short(market, market.bob, "1040", 20, at="98.00")
    market.judged_at("79.00")
    assert against(market) == [("carol", 20, "79.00"), ("bob", 20, "79.00")]


def test_leverage_is_of_the_whole_account(market):
    """Carol also holds 40 OIL, which neither gained nor lost."""
    market.alice.brings("800")
    market.dave.brings("100000")
    for person in (market.bob, market.carol):
        goes_short(market, person, "2000", 20)
    market.carol.buys_from(market.dave, 40, "100.00", of="OIL")
    market.judged_at("79.00")
    assert [trader for trader, _, _ in against(market)] == ["carol", "bob"]


def test_ties_go_by_trader_id(market):
    market.alice.brings("1200")
    for person in (market.dave, market.bob, market.carol):
        goes_short(market, person, "1000", 20)
    market.judged_at("79.00")
    assert [trader for trader, _, _ in against(market)] == ["bob", "carol", "dave"]


def mixed(market, oil, aarons_cash):
    """Against alice's 50 from 100.00, at 79.00: dave gained 210.00; bob and carol sold at 78.00 and
    77.00 and lost, carol more. Zoe gained as much as dave, and aaron lost as bob did, but both are
    on the list, for they are long 10 OIL from 100.00.
    """
    aaron, zoe = Person(market, "aaron"), Person(market, "zoe")
    market.alice.brings("1000")
    goes_short(market, zoe, "400", 10)
    goes_short(market, market.erin, "100000", 30)
    goes_short(market, market.dave, "1000", 10)
    aaron.brings(aarons_cash)
    for person in (aaron, zoe):
        person.buys_from(market.erin, 10, "100.00", of="OIL")
    market.bob.brings("1000")
    market.carol.brings("1000")
    for person, price in ((market.carol, "77.00"), (market.bob, "78.00"), (aaron, "78.00")):
        market.operator.marks(price)
        market.erin.buys_from(person, 10, price)
    market.operator.marks(oil, of="OIL")
    return market.judged_at("79.00")


NOT_LISTED = [
    "alice sells 10 at 80.00: bankruptcy",
    "dave buys 10 at 80.00: auto_deleverage",
    "alice sells 10 at 80.00: bankruptcy",
    "bob buys 10 at 80.00: auto_deleverage",
    "alice sells 10 at 80.00: bankruptcy",
    "carol buys 10 at 80.00: auto_deleverage",
]


def test_first_the_winners_then_the_others_by_trader_id_and_last_those_on_todays_list(market):
    """Alice is 50.00 below zero, 1.00 a lot. Zoe has 130.00 of 131.00, aaron 125.00: they take
    nothing at that price, but at the mark they do, the winner first, and are no longer in breach.
    """
    assert mixed(market, "52.00", "615") == [
        *NOT_LISTED,
        "alice sells 10 at 79.00: bankruptcy",
        "zoe buys 10 at 79.00: auto_deleverage",
        "alice sells 10 at 79.00: bankruptcy",
        "aaron buys 10 at 79.00: auto_deleverage",
        "alice is bankrupt",
        "insurance -20.00",
    ]


def test_who_has_nothing_left_is_no_winner(market):
    """Zoe, whose turn is next, is 10.00 below zero; aaron has 5.00."""
    assert mixed(market, "38.00", "635")[6:10] == [
        "alice sells 10 at 79.00: bankruptcy",
        "aaron buys 10 at 79.00: auto_deleverage",
        "alice sells 10 at 79.00: bankruptcy",
        "zoe buys 10 at 79.00: auto_deleverage",
    ]
    assert market.told[10:] == [
        "alice is bankrupt",
        "zoe sells 10 OIL at 39.00: bankruptcy",
        "erin buys 10 OIL at 39.00: auto_deleverage",
        "zoe is bankrupt",
        "aaron is frozen",
        "insurance -20.00",
    ]


def test_and_neither_is_who_gained_nothing(market):
    """Carol sold at the mark, bob a unit below it."""
    market.alice.brings("400")
    goes_short(market, market.erin, "100000", 20)
    for person, price in ((market.bob, "78.99"), (market.carol, "79.00")):
        person.brings("1000")
        market.operator.marks(price)
        market.erin.buys_from(person, 10, price)
    market.judged_at("79.00")
    assert against(market) == [("bob", 10, "80.00"), ("carol", 10, "80.00")]


def test_who_is_on_todays_list_is_last_even_when_cured_meanwhile(open_market):
    """Frank, short OIL, is wound up first, at the mark, against dave, who was in breach (270.00 of
    274.00) and is no longer. When alice's turn comes, dave could take her 10 lots, but zoe is
    asked, who is on no list.
    """
    market = open_market(*BOTH, {"symbol": "GAS"}, starting_cash="0")
    frank, zoe = Person(market, "frank"), Person(market, "zoe")
    for person, cash in (
        (market.alice, "200"),
        (frank, "200"),
        (market.dave, "620"),
        (zoe, "1000"),
        (market.erin, "100000"),
    ):
        person.brings(cash)
    market.alice.buys_from(market.erin, 10, "100.00")
    market.erin.buys_from(frank, 10, "100.00", of="OIL")
    market.dave.buys_from(market.erin, 10, "100.00", of="GAS")
    market.operator.marks("130.00", of="OIL")
    market.dave.buys_from(market.erin, 10, "130.00", of="OIL")
    market.operator.marks("79.00")
    market.erin.buys_from(market.dave, 10, "79.00")
    market.erin.buys_from(zoe, 10, "79.00")
    market.operator.marks("65.00", of="GAS")
    assert market.judged_at("79.00") == [
        "frank buys 10 OIL at 130.00: bankruptcy",
        "dave sells 10 OIL at 130.00: auto_deleverage",
        "frank is bankrupt",
        "alice sells 10 at 80.00: bankruptcy",
        "zoe buys 10 at 80.00: auto_deleverage",
        "alice is bankrupt",
        "insurance -100.00",
    ]
    assert (market.dave.position, market.dave.equity, market.dave.state) == (
        -10,
        "270.00",
        "active",
    )


def test_nobody_is_taken_who_is_not_needed_and_the_last_one_only_in_part(market):
    market.alice.brings("1000")
    market.erin.brings("10000")
    for person, cash in ((market.bob, "10000"), (market.carol, "1000"), (market.dave, "3000")):
        person.brings(cash)
    market.alice.buys_from(market.carol, 30, "100.00")
    market.alice.buys_from(market.dave, 20, "100.00")
    market.erin.buys_from(market.dave, 10, "100.00")
    market.erin.buys_from(market.bob, 30, "100.00")
    market.judged_at("79.00")
    assert against(market) == [("carol", 30, "80.00"), ("dave", 20, "80.00")]
    assert (market.dave.position, market.bob.position) == (-10, -30)


def test_those_who_were_short_queue_for_longs_and_the_other_way_round(market):
    """Alice, short 40 from 100.00, at 121.00: bob and carol are long."""
    market.alice.brings("800")
    for person, cash in ((market.bob, "10000"), (market.carol, "1000")):
        person.brings(cash)
        person.buys_from(market.alice, 20, "100.00")
    market.judged_at("121.00")
    assert against(market) == [("carol", 20, "120.00"), ("bob", 20, "120.00")]


def test_each_bankrupt_has_a_queue_of_its_own(market):
    """Erin's turn is first: 50.00 below zero for 50 lots, and alice 18.00 for 58. Carol, the first
    in erin's queue, is gone when alice's is made.
    """
    market.alice.brings("1200")
    market.erin.brings("1000")
    for person, cash in ((market.carol, "1000"), (market.dave, "3000"), (market.bob, "100000")):
        person.brings(cash)
    market.erin.buys_from(market.carol, 30, "100.00")
    market.erin.buys_from(market.dave, 20, "100.00")
    market.alice.buys_from(market.dave, 20, "100.00")
    market.alice.buys_from(market.bob, 38, "100.00")
    market.judged_at("79.00")
    assert against(market) == [
        ("carol", 30, "80.00"),
        ("dave", 20, "80.00"),
        ("dave", 20, "79.32"),
        ("bob", 38, "79.32"),
    ]


# ----------------------------------------------------------------------------- how much at the most


def carols_market(market, cash):
    """Alice is long 50 from 100.00; at 70.00 she is 500.00 below zero when she brought 1,000.00:
    10.00 a lot. Against her stand bob, rich, short 30, and carol, short 30 from 65.00 with 240.00
    left, of which she must keep 210.00; erin is long 10.
    """
    market.alice.brings(cash)
    market.erin.brings("100000")
    market.bob.brings("100000")
    market.carol.brings("390")
    market.alice.buys_from(market.bob, 50, "100.00")
    market.erin.buys_from(market.bob, 10, "100.00")
    market.operator.marks("65.00")
    market.bob.buys_from(market.carol, 30, "65.00")
    return market


def test_a_counterparty_takes_what_leaves_his_own_maintenance_margin_whole(market):
    """A lot at 80.00 costs carol 10.00 and frees 7.00 of margin: her 30.00 over bear 10 lots, and
    leave her exactly 140.00 of 140.00. The 10 lots that nobody can bear are closed at the mark,
    which costs insurance 100.00.
    """
    carols_market(market, "1000")
    assert market.judged_at("70.00") == [
        "alice sells 30 at 80.00: bankruptcy",
        "bob buys 30 at 80.00: auto_deleverage",
        "alice sells 10 at 80.00: bankruptcy",
        "carol buys 10 at 80.00: auto_deleverage",
        "alice sells 10 at 70.00: bankruptcy",
        "carol buys 10 at 70.00: auto_deleverage",
        "alice is bankrupt",
        "insurance -100.00",
    ]
    assert (market.carol.position, market.carol.equity, market.carol.state) == (
        -10,
        "140.00",
        "active",
    )
    market.ticks()
    assert market.told == []


def test_it_is_rounded_down_to_a_lot(market):
    """At 69.90 alice is 505.00 below zero, 10.10 a lot. Carol has 243.00 of 209.70; a lot takes
    10.10 and frees 6.99: 10.7 are borne.
    """
    carols_market(market, "1000")
    market.judged_at("69.90")
    assert against(market) == [
        ("bob", 30, "80.00"),
        ("carol", 10, "80.00"),
        ("carol", 10, "69.90"),
    ]


def test_a_price_that_costs_no_more_than_it_frees_may_take_all(market):
    """350.00 below zero, 7.00 a lot: carol's 20 lots cost 140.00 and free 140.00."""
    carols_market(market, "1150")
    assert market.judged_at("70.00")[2:] == [
        "alice sells 20 at 77.00: bankruptcy",
        "carol buys 20 at 77.00: auto_deleverage",
        "alice is bankrupt",
    ]
    assert market.carol.equity == "100.00"  # of 70.00 for 10 lots


def test_lots_that_nobody_can_bear_are_closed_at_the_mark_in_the_order_of_the_queue(market):
    """Carol and erin, each short 20 from 65.00 with 160.00 of 140.00, bear 6 lots each; 18 of
    alice's 50 are left.
    """
    market.alice.brings("1000")
    market.dave.brings("100000")
    market.bob.brings("100000")
    market.alice.buys_from(market.bob, 50, "100.00")
    market.dave.buys_from(market.bob, 10, "100.00")
    market.operator.marks("65.00")
    for person in (market.erin, market.carol):
        person.brings("260")
        market.bob.buys_from(person, 20, "65.00")
    market.judged_at("70.00")
    assert against(market) == [
        ("bob", 20, "80.00"),
        ("carol", 6, "80.00"),
        ("erin", 6, "80.00"),
        ("carol", 14, "70.00"),
        ("erin", 4, "70.00"),
    ]
    assert (market.insurance, market.alice.cash, market.alice.position) == (
        "-180.00",
        "0.00",
        0,
    )


# ----------------------------------------------------------------------------- what happens to them


def test_there_are_no_fees(open_market):
    market = open_market(starting_cash="0", maker_fee_bps=100, taker_fee_bps=100)
    market.alice.brings("1050")
    goes_short(market, market.bob, "10000", 50)
    fees = market.fees
    market.judged_at("79.00")
    assert market.fills[2:] == [
        "alice sold 50 at 80.00 as adl, 0 left",
        "bob bought 50 at 80.00 as adl, 0 left",
    ]
    assert (market.fees, market.insurance) == (fees, "0.00")


def test_what_was_gained_is_realised_at_that_price(market):
    market.alice.brings("1000")
    goes_short(market, market.bob, "10000", 50)
    market.judged_at("79.00")
    assert (market.bob.cash, market.bob.account.positions["SIM"].realized) == (
        "11000.00",
        1_000_00,
    )


def test_their_open_orders_in_that_instrument_are_cancelled_first(market):
    """By order id, and nobody else's: dave stands in the queue too, but is not needed."""
    market.alice.brings("1000")
    market.erin.brings("100000")
    goes_short(market, market.bob, "2000", 50)
    market.dave.brings("100000")
    market.erin.buys_from(market.dave, 10, "100.00")
    for person in (market.bob, market.dave):
        person.sells(2, at="109.00")
        person.sells(1, at="108.00")
        person.buys(1, at="99.00", of="OIL")
    market.operator.marks("79.00")
    market.erin.buys_from(market.dave, 1, "79.00")
    assert market.judged_at("79.00") == [
        "bob's 2 cancelled: liquidation",
        "bob's 1 cancelled: liquidation",
        "alice sells 50 at 80.00: bankruptcy",
        "bob buys 50 at 80.00: auto_deleverage",
        "alice is bankrupt",
    ]
    assert len(market.bob.open_orders) == 1
    assert len(market.dave.open_orders) == 3


def test_even_of_those_who_keep_a_part(market):
    market.alice.brings("1000")
    market.erin.brings("10000")
    goes_short(market, market.bob, "10000", 50)
    market.erin.buys_from(market.bob, 30, "100.00")
    market.operator.marks("79.00")
    market.bob.buys(5, at="75.00")
    assert market.judged_at("79.00")[0] == "bob's 5 cancelled: liquidation"
    assert market.bob.position == -30


def test_it_is_no_trade_and_sets_no_last_price(market):
    market.alice.brings("1000")
    goes_short(market, market.bob, "10000", 50)
    trades = market.exchange.last_trade_id
    market.judged_at("79.00")
    assert not [each for each in market.events if isinstance(each, Trade)]
    assert (market.exchange.last_trade_id, market.exchange.first_market.last_trade) == (
        trades,
        100_00,
    )


def test_its_fills_have_no_ids_and_take_no_order_id(market):
    market.alice.brings("1000")
    goes_short(market, market.bob, "10000", 50)
    before = market.exchange.last_order_id
    market.judged_at("79.00")
    fills = [each for each in market.events if isinstance(each, Fill)]
    assert [
        (each.trader, each.order_id, each.client_order_id, each.trade_id, each.liquidity)
        for each in fills
    ] == [
        ("alice", None, None, None, "adl"),
        ("bob", None, None, None, "adl"),
    ]
    assert market.exchange.last_order_id == before


def test_each_sides_private_events_are_numbered_on(market):
    market.alice.brings("1000")
    goes_short(market, market.bob, "10000", 50)
    before = {each.name: each.account.seq for each in (market.alice, market.bob)}
    market.judged_at("79.00")
    private = [each for each in market.events if hasattr(each, "account_seq")]
    assert [
        (type(each).__name__, each.trader, each.account_seq - before[each.trader])
        for each in private
    ] == [
        ("Fill", "alice", 1),
        ("Fill", "bob", 1),
        ("Liquidation", "alice", 2),
        ("Liquidation", "bob", 2),
        ("AccountStatus", "alice", 3),
    ]


def test_no_solvent_trader_is_ruined_by_it(market):
    """Alice is 545.00 below zero, 10.90 a lot; bob has 346.00 of 345.50. His 0.50 bear no lot, and
    the mark costs him nothing.
    """
    market.alice.brings("1000")
    market.erin.brings("100000")
    market.alice.buys_from(market.erin, 50, "100.00")
    market.operator.marks("60.00")
    market.bob.brings("801")
    market.erin.buys_from(market.bob, 50, "60.00")
    market.judged_at("69.10")
    assert (market.bob.equity, market.bob.state) == ("346.00", "active")
