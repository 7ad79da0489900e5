"""cancel names one open order by either id or both; cancel_all takes what it is told to, in order of entry."""

from __future__ import annotations


def test_a_cancelled_order_is_gone_from_the_book(market):
    order = market.alice.buys(5, at="99.00")
    assert market.alice.cancels(order).refused is None
    assert market.cancels == ["alice's 5 cancelled: requested"]
    assert market.bids == []


def test_an_order_may_be_named_by_its_client_id_or_by_both(market):
    market.alice.buys(5, at="99.00", id="a")
    order = market.alice.buys(6, at="99.00", id="b")
    assert market.alice.cancels(id="a").refused is None
    assert market.alice.cancels(order, id="b").refused is None
    assert market.alice.open_orders == []


def test_ids_that_name_two_orders_name_none(market):
    first = market.alice.buys(5, at="99.00", id="a")
    market.alice.buys(6, at="99.00", id="b")
    assert market.alice.cancels(first, id="b").refused == "unknown_order"
    assert market.alice.open_orders == ["buy 5 at 99.00", "buy 6 at 99.00"]


def test_what_was_filled_stays_filled(market):
    order = market.alice.buys(5, at="99.00")
    market.bob.sells(2, at="99.00")
    market.alice.cancels(order)
    assert market.cancels == ["alice's 3 cancelled: requested"]
    assert market.alice.position == 2


def test_an_order_that_never_was_is_unknown(market):
    market.alice.buys(5, at="99.00")
    assert market.alice.cancels(id="never").refused == "unknown_order"
    assert market.bob.cancels(id="never").refused == "unknown_order"


def test_nobody_cancels_the_order_of_another(market):
    order = market.alice.buys(5, at="99.00", id="a")
    assert market.bob.cancels(order).refused == "unknown_order"
    assert market.bob.cancels(id="a").refused == "unknown_order"
    assert market.bids == ["5 at 99.00"]


def test_an_order_that_is_over_is_already_closed(market):
    filled = market.alice.buys(5, at="99.00")
    market.bob.sells(5, at="99.00")
    cancelled = market.alice.buys(5, at="98.00")
    market.alice.cancels(cancelled)
    gone = market.alice.buys(5, at="98.00", tif="ioc")
    assert [market.alice.cancels(each).refused for each in (filled, cancelled, gone)] == [
        "already_closed"
    ] * 3


def test_cancelling_makes_no_account(market):
    market.alice.cancels(id="never")
    market.alice.cancels_all()
    assert market.exchange.accounts == {}


def test_cancel_all_takes_every_open_order_in_order_of_entry(market):
    market.alice.sells(1, at="103.00")
    market.bob.buys(9, at="90.00")
    market.alice.buys(2, at="99.00")
    market.alice.sells(3, at="101.00")
    market.alice.cancels_all()
    assert market.last == [
        "alice cancels 3",
        "alice's 1 cancelled: requested",
        "alice's 2 cancelled: requested",
        "alice's 3 cancelled: requested",
    ]
    assert (market.bids, market.asks) == (["9 at 90.00"], [])


def test_cancel_all_answers_with_the_account_seq_of_its_last_cancel(market):
    market.alice.buys(1, at="99.00")
    market.alice.buys(2, at="99.00")
    assert market.alice.cancels_all().event.account_seq == 4
    assert market.alice.account.seq == 4


def test_cancel_all_with_nothing_open_counts_none_at_the_present_seq(market):
    market.alice.cancels(market.alice.buys(1, at="99.00"))
    answer = market.alice.cancels_all().event
    assert (answer.count, answer.account_seq) == (0, 2)


def test_cancel_all_may_be_of_one_side(market):
    market.alice.sells(1, at="103.00")
    market.alice.buys(2, at="99.00")
    market.alice.cancels_all(side="sell")
    assert market.alice.open_orders == ["buy 2 at 99.00"]


def test_cancel_all_may_be_of_one_instrument_and_one_side(open_market):
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"})
    market.alice.sells(1, at="103.00")
    market.alice.sells(2, at="103.00", of="OIL")
    market.alice.buys(3, at="99.00", of="OIL")
    market.alice.cancels_all(of="OIL", side="buy")
    assert market.cancels == ["alice's 3 OIL cancelled: requested"]
    market.alice.cancels_all(of="OIL")
    assert market.cancels[1:] == ["alice's 2 OIL cancelled: requested"]
    assert market.alice.open_orders == ["sell 1 at 103.00"]


def test_cancel_all_of_an_instrument_that_is_not_there_is_refused(market):
    market.alice.buys(2, at="99.00")
    assert market.alice.cancels_all(of="GOLD").refused == "unknown_symbol"
    assert market.alice.open_orders == ["buy 2 at 99.00"]
