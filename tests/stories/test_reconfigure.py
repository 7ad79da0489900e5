"""Other rules for a running market: from the next command on, for everybody; and what no running
market can take.
"""

from __future__ import annotations

import pytest
from msgspec import structs

from botpit.core.commands import Open, Reconfigure
from botpit.core.rules import differences, not_changeable
from tests.stories.stage import Stage

SIM = {"symbol": "SIM"}


def opening(*instruments, **rules) -> Open:
    """The market as it would be opened by these settings."""
    exchange = Stage(*instruments, **rules).exchange
    return Open(
        "story",
        exchange.rules,
        tuple(market.instrument for market in exchange.markets.values()),
    )


def change(market, *instruments, **rules):
    """The whole of the new settings; what is not named is the default."""
    new = opening(*instruments, **rules)
    assert not_changeable(market.exchange, new) == []
    return market.apply(Reconfigure(new.rules, new.instruments))


def trade_one(market, at="100.00"):
    market.bob.sells(1, at=at)
    market.alice.buys(1, at=at)


# ---------------------------------------------------------------------------------- what is changed


def test_it_is_told_of_each_instrument_whose_status_stays(open_market):
    market = open_market(SIM, {"symbol": "OIL"})
    market.operator.halts(of="OIL")
    change(market, SIM, {"symbol": "OIL"}, taker_fee_bps=5)
    assert market.last == ["SIM is open: reconfigure", "OIL is halted: reconfigure"]


def test_fees_from_the_next_trade_on(market):
    trade_one(market)
    change(market, taker_fee_bps=10, maker_fee_bps=5)
    trade_one(market)
    assert (market.alice.cash, market.bob.cash, market.fees) == ("9999.90", "9999.95", "0.15")
    change(market)
    trade_one(market)
    assert market.fees == "0.15"


def test_an_order_that_rests_since_before_pays_the_new_fee(market):
    market.bob.sells(1, at="100.00")
    change(market, maker_fee_bps=100)
    market.alice.buys(1, at="100.00")
    assert market.bob.cash == "9999.00"


def test_fees_of_one_instrument_alone(open_market):
    market = open_market(SIM, {"symbol": "OIL"})
    change(market, SIM, {"symbol": "OIL", "taker_fee_bps": 20})
    trade_one(market)
    assert market.fees == "0.00"
    market.bob.sells(1, at="100.00", of="OIL")
    market.alice.buys(1, at="100.00", of="OIL")
    assert market.fees == "0.20"


def test_caps_on_orders_which_those_that_rest_may_be_above(market):
    resting = market.alice.buys(50, at="99.00")
    change(market, max_order_qty=10, max_open_orders=2)
    assert market.bids == ["50 at 99.00"]
    assert market.alice.buys(11, at="99.00").refused == "order_too_large"
    assert market.alice.replaces(resting, at="98.00").refused == "order_too_large"
    assert market.alice.replaces(resting, qty=49).refused is None
    assert market.alice.buys(10, at="99.00").refused is None
    assert market.alice.buys(1, at="99.00").refused == "too_many_open_orders"


def test_a_cap_on_positions_leaves_who_is_above_it_and_lets_him_come_down(market):
    market.alice.buys_from(market.bob, 50, at="100.00")
    change(market, max_position=20)
    assert market.alice.position == 50
    assert market.alice.buys(1, at="99.00").refused == "position_limit"
    assert market.alice.sells(40, at="100.00").refused is None


def test_the_band_around_the_mark(market):
    assert market.alice.buys(1, at="93.00").refused is None
    change(market, price_band_bps=500)
    assert market.alice.buys(1, at="94.99").refused == "price_band"
    assert market.alice.buys(1, at="95.00").refused is None
    assert market.bids == ["1 at 95.00", "1 at 93.00"]
    change(market, price_band_bps=1500)
    assert market.alice.buys(1, at="85.00").refused is None


def test_the_edge_of_a_market_order_is_that_of_the_new_band(market):
    market.bob.sells(1, at="104.00")
    change(market, price_band_bps=300)
    assert market.alice.buys(1).refused == "no_liquidity"


def test_the_lowest_and_the_highest_price_as_long_as_the_mark_is_between(market):
    market.alice.buys(1, at="95.00")
    change(market, {"symbol": "SIM", "min_price": "98", "max_price": "102"})
    assert market.alice.buys(1, at="97.99").refused == "invalid_price"
    assert market.alice.sells(1, at="102.00").refused is None
    assert market.bids == ["1 at 95.00"]
    assert market.bob.sells(1).refused == "no_liquidity"  # its edge is 98.00 now


def test_the_starting_cash_of_those_who_come_later(market):
    market.alice.logs_in()
    change(market, starting_cash="500")
    market.bob.logs_in()
    assert (market.alice.cash, market.bob.cash, market.paid_in) == (
        "10000.00",
        "500.00",
        "10500.00",
    )


def test_the_room_for_accounts(market):
    market.alice.logs_in()
    market.bob.logs_in()
    change(market, max_accounts=1)
    assert market.carol.buys(1, at="99.00").refused == "too_many_accounts"
    assert market.bob.buys(1, at="99.00").refused is None


def test_the_market_s_own_self_trade_prevention(market):
    market.alice.sells(1, at="100.00")
    change(market, self_trade_prevention="cancel_incoming")
    market.alice.buys(1, at="100.00")
    assert market.asks == ["1 at 100.00"]
    assert market.cancels == ["alice's 1 cancelled: self_trade"]


def test_how_far_a_tick_may_move_the_mark(market):
    market.alice.sells(1, at="107.00")
    market.bob.buys(1, at="107.00")
    change(market, mark_move_bps=300)
    market.bob.buys(1, at="106.00")
    market.ticks()
    assert market.mark == "103.00"


def test_how_often_positions_are_told(market):
    market.alice.buys_from(market.bob, 1, at="100.00")
    change(market, mark_to_market_ms=100)
    market.operator.marks("101.00")
    market.ticks()
    assert market.last == ["alice holds 1", "bob holds -1"]


# ------------------------------------------------------------------------------------------ margins


def test_initial_margin_from_the_next_order_on(open_market):
    market = open_market(starting_cash="1000")
    assert market.alice.buys(50, at="100.00").refused is None
    market.alice.cancels_all()
    change(market, starting_cash="1000", initial_margin_bps=4000)
    assert market.alice.buys(50, at="100.00").refused == "initial_margin_insufficient"
    assert market.alice.buys(25, at="100.00").refused is None


def test_a_higher_maintenance_margin_is_asked_of_everybody_at_the_next_tick(open_market):
    market = open_market(starting_cash="1000")
    market.alice.buys_from(market.bob, 40, at="100.00")
    market.carol.sells(5, at="105.00")
    market.settles()
    assert (market.due_for_check, market.due_ms) == ([], None)
    change(market, starting_cash="1000", initial_margin_bps=4000, maintenance_margin_bps=3000)
    assert market.due_for_check == ["alice", "bob", "carol"]
    assert market.due_ms == 0
    assert market.alice.state == "active"
    market.ticks()
    assert [market.alice.state, market.bob.state, market.carol.state] == [
        "frozen",
        "frozen",
        "active",
    ]
    assert market.liquidations == ["bob buys 5 at 105.00: maintenance_margin_breach"]


def test_a_lower_one_thaws_at_the_next_tick(open_market):
    market = open_market(starting_cash="1000")
    market.alice.buys_from(market.bob, 40, at="100.00")
    market.judged_at("83.00")
    assert market.alice.state == "frozen"
    change(market, starting_cash="1000", maintenance_margin_bps=500)
    market.ticks()
    assert market.alice.state == "active"


def test_the_triggers_are_those_of_the_new_rate(open_market):
    """Nobody is in breach at once; the mark that hurts is nearer than before."""
    market = open_market(starting_cash="1000")
    market.alice.buys_from(market.bob, 40, at="100.00")
    market.ticks()
    change(market, starting_cash="1000", maintenance_margin_bps=1900)
    market.ticks()
    assert market.alice.state == "active"
    assert market.judged_at("92.60") == []
    assert market.judged_at("92.59") == ["alice is frozen"]


# ------------------------------------------------------------------------------- what cannot change

FIXED = [
    ({}, {"money_decimals": 3}, ["market.money_decimals: 2, now 3", "instruments.SIM.tick_value: 1, now 10"]),
    ({}, {"insurance_fund": "5"}, ["market.insurance_fund: 0, now 500"]),
    ({"tick": "0.02"}, {}, ["instruments.SIM.tick_units: 1, now 2", "instruments.SIM.tick_value: 1, now 2"]),
    ({"lot": "10"}, {}, ["instruments.SIM.lot: 1, now 10", "instruments.SIM.tick_value: 1, now 10"]),
    ({"symbol": "GOLD"}, {}, ["instruments: SIM, now GOLD"]),
    ({"min_price": "100.01", "max_price": "101", "reference_price": "101"}, {},
     ["instruments.SIM: its mark, 10000 ticks, is outside 10001 to 10100"]),
    ({"max_price": "99.99", "reference_price": "99"}, {}, ["instruments.SIM: its mark, 10000 ticks, is outside 1 to 9999"]),
]  # fmt: skip


@pytest.mark.parametrize(("instrument", "rules", "sentences"), FIXED, ids=str)
def test_what_no_running_market_can_take_is_named(market, instrument, rules, sentences):
    found = not_changeable(market.exchange, opening(SIM | instrument, **rules))
    assert found == sentences


def test_nor_one_instrument_more_or_less_or_in_another_order(open_market):
    oil = {"symbol": "OIL"}
    market = open_market(SIM, oil)
    for others in ((SIM,), (oil, SIM), (SIM, oil, {"symbol": "GOLD"})):
        assert len(not_changeable(market.exchange, opening(*others))) == 1


def test_such_a_command_is_our_own_mistake(market):
    new = opening({"symbol": "SIM", "lot": "10"})
    with pytest.raises(AssertionError, match=r"instruments\.SIM\.lot: 1, now 10"):
        market.apply(Reconfigure(new.rules, new.instruments))


def test_every_difference_is_named(market):
    old, new = (
        opening(),
        opening({"symbol": "SIM", "taker_fee_bps": 7}, starting_cash="5", max_open_orders=3),
    )
    assert differences(old, old) == []
    assert differences(old, new) == [
        "market.starting_cash: 1000000, now 500", "instruments.SIM.taker_fee_bps: 0, now 7",
        "instruments.SIM.max_open_orders: 200, now 3",
    ]  # fmt: skip
    assert (
        differences(old, structs.replace(new, rules=old.rules, instruments=old.instruments))
        == []
    )
