"""A trader's `client_order_id` is answered once: the same order again gets the original answer,
another order is refused.
"""

from __future__ import annotations

import pytest

from botpit.core import accounts


def test_the_same_order_again_gets_the_original_answer_and_does_nothing(market):
    first = market.alice.buys(5, at="99.00", id="a").event
    market.now_ms += 50
    again = market.alice.buys(5, at="99.00", id="a").event
    assert market.last == ["alice's order accepted (again)"]
    assert (first.repeated, again.repeated) == (False, True)
    assert (again.order_id, again.account_seq, again.now_ns) == (
        first.order_id,
        first.account_seq,
        first.now_ns,
    )
    assert market.bids == ["5 at 99.00"]
    assert market.alice.account.seq == 1


def test_the_answer_stays_the_same_whatever_became_of_the_order(market):
    market.bob.sells(5, at="99.00")
    first = market.alice.buys(7, at="99.00", id="a")
    market.alice.replaces(first, at="98.00", qty=9)
    market.alice.cancels(first)
    again = market.alice.buys(7, at="99.00", id="a")
    assert (again.order_id, again.event.repeated, again.event.order) == (
        first.order_id,
        True,
        first.event.order,
    )
    assert len(market.trades) == 1
    assert market.bids == []


def test_the_queue_ahead_is_the_one_told_first(market):
    market.bob.buys(5, at="99.00")
    market.alice.buys(5, at="99.00", id="a")
    market.bob.cancels_all()
    assert market.alice.buys(5, at="99.00", id="a").event.queue_ahead == 5


@pytest.mark.parametrize(
    "other",
    [
        {"qty": 6, "at": "99.00"},
        {"qty": 5, "at": "99.01"},
        {"qty": 5},
        {"qty": 5, "at": "99.00", "tif": "ioc"},
        {"qty": 5, "at": "99.00", "until_ms": 9_000},
        {"qty": 5, "at": "99.00", "post_only": True},
        {"qty": 5, "at": "99.00", "reduce_only": True},
        {"qty": 5, "at": "99.00", "stp": "cancel_both"},
        {"qty": 5, "at": "99.00", "of": "OIL"},
    ],
)
def test_another_order_under_the_id_is_refused_and_the_first_stands(open_market, other):
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"})
    market.alice.buys(5, at="99.00", id="a")
    assert market.alice.buys(**other, id="a").refused == "duplicate_client_order_id"
    assert market.alice.open_orders == ["buy 5 at 99.00"]


def test_the_other_side_is_another_order(market):
    market.alice.buys(5, at="99.00", id="a")
    assert market.alice.sells(5, at="99.00", id="a").refused == "duplicate_client_order_id"


def test_after_a_duplicate_the_first_order_still_gets_its_answer(market):
    first = market.alice.buys(5, at="99.00", id="a")
    market.alice.buys(6, at="99.00", id="a")
    assert market.alice.buys(5, at="99.00", id="a").order_id == first.order_id


def test_the_id_is_the_traders_own(market):
    first = market.alice.buys(5, at="99.00", id="a")
    second = market.bob.buys(6, at="99.00", id="a")
    assert (second.refused, second.order_id == first.order_id) == (None, False)


def test_orders_without_an_id_are_all_different(market):
    market.alice.buys(5, at="99.00")
    market.alice.buys(5, at="99.00")
    assert market.bids == ["10 at 99.00"]


def test_the_same_order_from_another_session_is_the_same_order(market):
    first = market.alice.buys(5, at="99.00", id="a", session=market.alice.logs_in())
    again = market.alice.buys(5, at="99.00", id="a", session=market.alice.logs_in())
    assert (again.order_id, again.event.repeated) == (first.order_id, True)


# ------------------------------------------------------------------------------------------ refused


def test_a_refusal_burns_the_id(market):
    refused = market.alice.buys(5, id="a")
    market.bob.sells(5, at="101.00")
    assert market.alice.buys(6, at="99.00", id="a").refused == "duplicate_client_order_id"
    assert market.alice.buys(5, id="a").event == refused.event
    assert market.trades == []


@pytest.mark.parametrize(
    "refused",
    [
        {"qty": 5, "at": "99.00", "of": "GOLD"},
        {"qty": 0, "at": "99.00"},
        {"qty": 5, "at": "120.00"},
        {"qty": 501, "at": "100.00"},
    ],
)
def test_every_refusal_by_the_engine_burns_the_id(market, refused):
    reason = market.alice.buys(**refused, id="a").refused
    assert reason is not None
    assert market.alice.buys(5, at="99.00", id="a").refused == "duplicate_client_order_id"
    assert market.alice.buys(**refused, id="a").refused == reason


def test_an_off_tick_price_burns_the_id_for_every_other_price(market):
    assert market.alice.buys(5, at="99.005", id="a").refused == "invalid_price"
    assert market.alice.buys(5, at="99.005", id="a").refused == "invalid_price"
    assert market.alice.buys(5, at="99.006", id="a").refused == "duplicate_client_order_id"
    assert market.alice.buys(5, at="0.00", id="a").refused == "duplicate_client_order_id"
    assert market.alice.buys(5, at="99.00", id="a").refused == "duplicate_client_order_id"


def test_a_duplicate_does_not_burn_what_was_not_burnt(market):
    market.alice.buys(5, at="99.00", id="a")
    market.alice.buys(6, at="99.00", id="a")
    assert market.alice.buys(6, at="99.00", id="b").refused is None


def test_too_many_accounts_burns_nothing(open_market):
    market = open_market(max_accounts=1)
    market.bob.buys(1, at="99.00")
    assert market.alice.buys(5, at="99.00", id="a").refused == "too_many_accounts"
    assert market.alice.buys(6, at="99.00", id="a").refused == "too_many_accounts"
    assert "alice" not in market.exchange.accounts


# --------------------------------------------------------------------------------------- remembered


@pytest.fixture
def forgetful(market, monkeypatch):
    """A market that remembers two closed or refused orders of each trader."""
    monkeypatch.setattr(accounts, "MAX_REMEMBERED_ORDERS", 2)
    return market


def knows(market, name, id):
    return market.exchange.accounts[name].remembered_order(None, id) is not None


def test_a_hundred_thousand_closed_orders_are_remembered():
    assert accounts.MAX_REMEMBERED_ORDERS == 100_000


def test_the_order_closed_first_is_forgotten_first_not_the_one_entered_first(forgetful):
    for id in ("a", "b", "c"):
        forgetful.alice.buys(5, at="99.00", id=id)
    for id in ("b", "a"):
        forgetful.alice.cancels(id=id)
    assert not forgetful.alice.account.forgot
    forgetful.alice.cancels(id="c")
    assert [knows(forgetful, "alice", id) for id in ("a", "b", "c")] == [True, False, True]
    assert forgetful.alice.account.forgot


def test_a_forgotten_id_may_be_used_anew_and_a_forgotten_order_is_unknown(forgetful):
    first = forgetful.alice.buys(5, at="99.00", id="a")
    forgetful.alice.cancels(id="a")
    assert forgetful.alice.cancels(first).refused == "already_closed"
    for id in ("b", "c"):
        forgetful.alice.buys(5, at="99.00", id=id, tif="ioc")
    assert forgetful.alice.cancels(first).refused == "unknown_order"
    again = forgetful.alice.buys(6, at="99.00", id="a")
    assert (again.refused, again.event.repeated) == (None, False)


@pytest.mark.parametrize("asks", ["at the end", "all the while"])
def test_of_many_closed_orders_the_last_are_known_by_either_id(forgetful, asks):
    ids: list[int] = []
    for number in range(11):
        ids.append(forgetful.alice.buys(1, at="98.00", id=f"c{number}", tif="ioc").order_id)
        if asks == "all the while":
            assert (forgetful.alice.account.remembered_order(ids[0], None) is not None) == (
                number < 2
            )
    account = forgetful.alice.account
    assert [each.id for each in account.known_orders()] == ids[
        -2:
    ] and account.order_count() == 2
    for number, order_id in enumerate(ids):
        by_id, by_both = (
            account.remembered_order(order_id, None),
            account.remembered_order(order_id, f"c{number}"),
        )
        assert (by_id is not None) == (number > 8) == knows(
            forgetful, "alice", f"c{number}"
        ) and by_both is by_id


def test_refused_orders_count_and_are_forgotten_like_closed_ones(forgetful):
    forgetful.alice.buys(5, at="120.00", id="a")
    forgetful.alice.buys(5, at="99.00", id="b", tif="ioc")
    forgetful.alice.buys(5, at="120.00", id="c")
    assert [knows(forgetful, "alice", id) for id in ("a", "b", "c")] == [False, True, True]
    assert forgetful.alice.buys(5, at="99.00", id="a").refused is None


def test_an_open_order_is_never_forgotten(forgetful):
    first = forgetful.alice.buys(5, at="99.00", id="a")
    for _ in range(5):
        forgetful.alice.buys(1, at="98.00", tif="ioc")
    again = forgetful.alice.buys(5, at="99.00", id="a")
    assert (again.order_id, again.event.repeated) == (first.order_id, True)
    assert forgetful.alice.cancels(first).refused is None


def test_filled_orders_are_closed_orders_on_either_side(forgetful):
    for id in ("a", "b", "c"):
        forgetful.bob.sells(1, at="101.00", id=id)
        forgetful.alice.buys(1, at="101.00", id=id)
    assert [knows(forgetful, name, "a") for name in ("alice", "bob")] == [False, False]
    assert [knows(forgetful, name, "b") for name in ("alice", "bob")] == [True, True]


def test_one_traders_orders_do_not_push_out_anothers(forgetful):
    forgetful.alice.buys(5, at="99.00", id="a", tif="ioc")
    for _ in range(5):
        forgetful.bob.buys(1, at="98.00", tif="ioc")
    assert knows(forgetful, "alice", "a")
