"""The answer; then per step `order_cancelled` or `trade`, `fill` of the incoming side, `fill` of
the resting side; the remainder's `order_cancelled`; at the end one `position_update` per (trader,
symbol) whose position changed, in order of first change.
"""

from __future__ import annotations

from botpit.core.events import Fill, OrderAccepted, OrderCancelled, PositionUpdate


def test_a_trade_is_told_to_the_incoming_side_first(market):
    market.bob.sells(5, at="101.00")
    market.alice.buys(5, at="101.00")
    assert market.last == [
        "alice's order accepted",
        "alice buys 5 from bob at 101.00",
        "alice bought 5 at 101.00 as taker, 0 left",
        "bob sold 5 at 101.00 as maker, 0 left",
        "alice holds 5",
        "bob holds -5",
    ]


def test_every_step_is_told_in_its_turn_and_positions_once_at_the_end(market):
    market.bob.sells(2, at="101.00")
    market.alice.sells(1, at="101.00")
    market.carol.sells(3, at="101.00")
    market.bob.sells(4, at="102.00")
    market.alice.buys(20, at="102.00", tif="ioc")
    assert market.last == [
        "alice's order accepted",
        "alice buys 2 from bob at 101.00",
        "alice bought 2 at 101.00 as taker, 18 left",
        "bob sold 2 at 101.00 as maker, 0 left",
        "alice's 1 cancelled: self_trade",
        "alice buys 3 from carol at 101.00",
        "alice bought 3 at 101.00 as taker, 15 left",
        "carol sold 3 at 101.00 as maker, 0 left",
        "alice buys 4 from bob at 102.00",
        "alice bought 4 at 102.00 as taker, 11 left",
        "bob sold 4 at 102.00 as maker, 0 left",
        "alice's 11 cancelled: ioc",
        "alice holds 9",
        "bob holds -6",
        "carol holds -3",
    ]


def test_cancel_both_tells_of_the_resting_order_before_the_remainder(market):
    market.alice.sells(3, at="101.00")
    market.alice.buys(5, at="101.00", stp="cancel_both")
    assert market.last == [
        "alice's order accepted",
        "alice's 3 cancelled: self_trade",
        "alice's 5 cancelled: self_trade",
    ]


def test_a_used_up_reduce_only_order_is_cancelled_right_after_its_fill(market):
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    market.alice.sells(8, at="101.00", reduce_only=True)
    market.carol.sells(1, at="101.00")
    market.dave.buys(6, at="101.00")
    assert market.last == [
        "dave's order accepted",
        "dave buys 5 from alice at 101.00",
        "dave bought 5 at 101.00 as taker, 1 left",
        "alice sold 5 at 101.00 as maker, 3 left",
        "alice's 3 cancelled: reduce_only",
        "dave buys 1 from carol at 101.00",
        "dave bought 1 at 101.00 as taker, 0 left",
        "carol sold 1 at 101.00 as maker, 0 left",
        "dave holds 6",
        "alice holds 0",
        "carol holds -1",
    ]


def test_a_replace_tells_its_answer_first(market):
    market.bob.buys(2, at="99.00")
    order = market.alice.sells(5, at="101.00")
    market.alice.replaces(order, at="99.00", qty=4)
    assert market.last == [
        "alice's order replaced: 4 of 4 at 99.00, anew",
        "alice sells 2 to bob at 99.00",
        "alice sold 2 at 99.00 as taker, 2 left",
        "bob bought 2 at 99.00 as maker, 0 left",
        "alice holds -2",
        "bob holds 2",
    ]


def test_a_refusal_is_all_there_is_to_tell(market):
    market.bob.sells(2, at="101.00")
    market.alice.buys(3, at="101.00", tif="fok")
    assert (market.last, market.last_in_book) == (["alice refused: fok_unfillable"], [])


def test_a_position_is_told_as_it_is_after_the_whole_command(open_market):
    market = open_market(taker_fee_bps=10)
    market.bob.sells(2, at="100.00")
    market.bob.sells(3, at="101.00")
    market.alice.buys(5, at="101.00")
    market.bob.buys(1, at="99.00")
    market.bob.buys(1, at="98.00")
    alices, _ = [
        each
        for each in market.alice.sells(2, at="98.00").events
        if isinstance(each, PositionUpdate)
    ]
    assert (alices.trader, alices.symbol, alices.position, alices.mark) == (
        "alice",
        "SIM",
        3,
        100_00,
    )
    assert (alices.cost, alices.realized, alices.unrealized) == (301_80, -1_60 - 2_60, -1_80)
    assert (alices.cash, alices.equity) == (
        10_000_00 - 51 - 20 - 4_20,
        10_000_00 - 51 - 20 - 4_20 - 1_80,
    )


def test_nobody_hears_of_a_position_that_did_not_change(market):
    market.alice.cancels(market.alice.buys(5, at="99.00"))
    assert market.last == ["alice's 5 cancelled: requested"]
    market.bob.sells(5, at="100.00")
    market.alice.buys(5, at="100.00")
    market.mark_walks_to("101.00")
    assert not any("holds" in sentence for sentence in market.last)


def test_private_events_are_numbered_per_trader_without_holes(market):
    answers = [
        market.bob.sells(5, at="101.00"),
        market.alice.buys(7, at="101.00"),
        market.alice.buys(7, at="120.00"),
        market.alice.replaces(id="none", at="100.00"),
        market.bob.sells(9, at="101.00", tif="ioc"),
        market.bob.logs_in(),
    ]
    private = [
        each
        for answer in answers
        for each in answer.events
        if isinstance(each, OrderAccepted | Fill | OrderCancelled)
    ]
    numbered = [
        (getattr(each, "trader", "") or each.order.trader, each.account_seq) for each in private
    ]
    assert [number for trader, number in numbered if trader == "alice"] == [1, 2, 3]
    assert [number for trader, number in numbered if trader == "bob"] == [1, 2, 3, 4, 5]
    assert answers[-1].event.account_seq == 5


def test_order_and_trade_ids_are_counters(market):
    assert [market.bob.sells(1, at="101.00").order_id for _ in range(3)] == [1, 2, 3]
    market.alice.buys(1, at="120.00")
    assert market.alice.buys(3, at="101.00").order_id == 4
    assert market.exchange.accounts["alice"].remembered_order(4, None).filled == 3


# ---------------------------------------------------------------- the anonymous order-by-order book


def test_what_comes_to_rest_is_added_and_what_leaves_nothing_is_removed(market):
    market.bob.sells(5, at="101.00")
    assert market.last_in_book == ["add bob 5 at 101.00"]
    market.alice.buys(2, at="101.00")
    assert market.last_in_book == ["reduce bob 2 at 101.00"]
    market.alice.buys(5, at="101.00")
    assert market.last_in_book == ["remove bob 3 at 101.00", "add alice 2 at 101.00"]
    market.alice.cancels_all()
    assert market.last_in_book == ["remove alice 2 at 101.00"]


def test_a_replace_in_its_place_is_a_reduce_and_any_other_a_remove_and_an_add(market):
    order = market.bob.sells(5, at="101.00")
    market.bob.replaces(order, qty=3)
    assert market.last_in_book == ["reduce bob 2 at 101.00"]
    market.bob.replaces(order, qty=3)
    assert market.last_in_book == []
    market.bob.replaces(order, qty=4)
    assert market.last_in_book == ["remove bob 3 at 101.00", "add bob 4 at 101.00"]
    market.bob.replaces(order, at="102.00")
    assert market.last_in_book == ["remove bob 4 at 101.00", "add bob 4 at 102.00"]


def test_an_order_that_never_rests_is_never_in_the_book(market):
    market.alice.buys(5, at="99.00", tif="ioc")
    assert market.last_in_book == []
