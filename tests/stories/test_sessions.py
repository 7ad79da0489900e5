"""An order belongs to the login session that entered it; a lost one with `cancel_on_disconnect`
takes its open orders along.
"""

from __future__ import annotations


def test_a_lost_session_takes_its_orders_with_it_by_order_id(market):
    session = market.alice.logs_in(cancel_on_disconnect=True)
    market.alice.sells(1, at="101.00", session=session)
    market.alice.buys(2, at="98.00", session=session)
    market.alice.buys(3, at="99.00", session=session)
    market.alice.is_cut_off(session)
    assert market.last == [
        "alice's 1 cancelled: disconnect",
        "alice's 2 cancelled: disconnect",
        "alice's 3 cancelled: disconnect",
    ]
    assert (market.bids, market.asks) == ([], [])


def test_by_order_id_holds_over_all_instruments(open_market):
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"})
    session = market.alice.logs_in(cancel_on_disconnect=True)
    market.alice.buys(1, at="99.00", session=session)
    market.alice.buys(2, at="99.00", of="OIL", session=session)
    market.alice.buys(3, at="99.00", session=session)
    market.alice.is_cut_off(session)
    assert market.last == [
        "alice's 1 cancelled: disconnect",
        "alice's 2 OIL cancelled: disconnect",
        "alice's 3 cancelled: disconnect",
    ]


def test_a_session_that_did_not_ask_for_it_leaves_its_orders(market):
    session = market.alice.logs_in()
    market.alice.buys(5, at="99.00", session=session)
    market.alice.is_cut_off(session)
    assert (market.last, market.bids) == ([], ["5 at 99.00"])


def test_a_logout_leaves_the_orders(market):
    session = market.alice.logs_in(cancel_on_disconnect=True)
    market.alice.buys(5, at="99.00", session=session)
    market.alice.logs_out(session)
    assert (market.last, market.bids) == (["alice logged out"], ["5 at 99.00"])


def test_only_the_lost_sessions_own_orders_go(market):
    first = market.alice.logs_in(cancel_on_disconnect=True)
    second = market.alice.logs_in(cancel_on_disconnect=True)
    others = market.bob.logs_in(cancel_on_disconnect=True)
    assert [each.event.session for each in (first, second, others)] == [1, 2, 1]
    market.alice.buys(1, at="99.00", session=first)
    market.alice.buys(2, at="99.00", session=second)
    market.alice.buys(3, at="99.00")
    market.bob.buys(4, at="99.00", session=others)
    market.alice.is_cut_off(first)
    assert market.queue("99.00") == ["alice 2", "alice 3", "bob 4"]
    market.alice.is_cut_off(second)
    assert market.queue("99.00") == ["alice 3", "bob 4"]


def test_what_is_filled_or_cancelled_already_is_not_cancelled_again(market):
    session = market.alice.logs_in(cancel_on_disconnect=True)
    market.alice.buys(5, at="99.00", session=session)
    market.alice.cancels(market.alice.buys(5, at="98.00", session=session))
    market.bob.sells(2, at="99.00")
    market.alice.is_cut_off(session)
    assert market.last == ["alice's 3 cancelled: disconnect"]


def test_a_replaced_order_stays_with_the_session_that_entered_it(market):
    session = market.alice.logs_in(cancel_on_disconnect=True)
    order = market.alice.buys(5, at="99.00", session=session)
    market.alice.replaces(order, at="98.00")
    market.alice.is_cut_off(session)
    assert market.cancels == ["alice's 5 cancelled: disconnect"]


def test_sessions_are_counted_and_never_used_again(market):
    market.alice.logs_out(market.alice.logs_in())
    market.alice.is_cut_off(market.alice.logs_in())
    assert market.alice.logs_in().event.session == 3
