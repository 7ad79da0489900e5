"""What the house may do: halt, resume and close an instrument, put its mark, freeze a trader,
cancel all that a trader has open, pay in. (How an instrument is closed: test_close.py.)
"""

from __future__ import annotations

import pytest

from botpit.core.commands import Halt
from tests.socketless.requests import order
from tests.socketless.venue import SocketlessVenue

BOTH = ({"symbol": "SIM"}, {"symbol": "OIL"})


@pytest.fixture
def market(open_market):
    return open_market(*BOTH, starting_cash="1000")


# --------------------------------------------------------------------------------------------- halt


def test_halt_and_resume_are_told_to_all_also_when_nothing_changes(market):
    told = [
        getattr(market.operator, deed)().events
        for deed in ("halts", "halts", "resumes", "resumes")
    ]
    assert [
        [(each.symbol, each.status, each.reason) for each in events] for events in told
    ] == [
        [("SIM", "halted", "halt")],
        [("SIM", "halted", "halt")],
        [("SIM", "open", "resume")],
        [("SIM", "open", "resume")],
    ]


def test_while_halted_no_order_is_taken(market):
    market.operator.halts()
    assert market.alice.buys(1, at="99.00").refused == "market_halted"
    assert market.alice.buys(1).refused == "market_halted"
    assert market.alice.buys(1, at="99.00", of="OIL").refused is None
    market.operator.resumes()
    assert market.alice.buys(1, at="99.00").refused is None


def test_and_no_replace_not_even_one_that_only_gives_lots_back(market):
    resting = market.alice.buys(5, at="99.00")
    market.operator.halts()
    assert market.alice.replaces(resting, at="98.00").refused == "market_halted"
    assert market.alice.replaces(resting, qty=3).refused == "market_halted"
    assert market.bids == ["5 at 99.00"]


def test_cancels_work(market):
    first, _, _ = (market.alice.buys(qty, at="99.00") for qty in (1, 2, 3))
    market.operator.halts()
    assert market.alice.cancels(first).refused is None
    assert market.alice.cancels_all().refused is None
    assert market.bids == []


def test_queries_work():
    venue = SocketlessVenue()
    client = venue.client()
    client.asks(order("alice", price=99.0))
    venue.exchange.apply(Halt("SIM"), venue.now_ns)
    kinds = (
        {"type": "account"},
        {"type": "open_orders"},
        {"type": "order_status", "order_id": 1},
    )
    answers = [client.asks(each | {"trader_id": "alice"}) for each in kinds]
    assert [each["type"] for each in answers] == ["account", "open_orders", "order_status"]
    assert len(answers[1]["orders"]) == 1


def test_orders_expire(market):
    market.alice.buys(5, at="99.00", until_ms=2_000)
    market.operator.halts()
    market.ticks_at(2_000)
    assert market.cancels == ["alice's 5 cancelled: expired"]


def test_a_lost_session_takes_its_orders_with_it(market):
    session = market.alice.logs_in(cancel_on_disconnect=True)
    market.alice.buys(5, at="99.00", session=session)
    market.operator.halts()
    market.alice.is_cut_off(session)
    assert market.cancels == ["alice's 5 cancelled: disconnect"]


def test_the_mark_stands_still_until_trading_goes_on(market):
    market.bob.buys(1, at="104.00")
    market.carol.sells(1, at="104.02")
    market.operator.halts()
    assert market.due_ms is None
    market.ticks(3)
    assert market.mark == "100.00"
    market.operator.resumes()
    market.ticks()
    assert market.mark == "101.00"


def test_an_account_in_breach_is_found_all_the_same(market):
    market.alice.buys_from(market.bob, 50, "100.00")
    market.operator.halts()
    market.operator.marks("88.00")
    market.ticks()
    assert market.told == ["alice is frozen"]


@pytest.mark.parametrize(
    ("order", "refused"),
    [
        ({"qty": 1, "at": "99.00", "of": "GOLD"}, "unknown_symbol"),
        ({"qty": 1, "at": "99.005"}, "market_halted"),
        ({"qty": 0, "at": "120.00"}, "market_halted"),
    ],
)
def test_halted_comes_after_unknown_and_before_price_and_quantity(market, order, refused):
    market.operator.halts()
    assert market.alice.buys(**order).refused == refused


def test_for_a_replace_it_comes_after_the_order_was_found_open(market):
    resting = market.alice.buys(1, at="99.00")
    market.operator.halts()
    market.alice.cancels(resting)
    assert market.alice.replaces(resting, qty=0).refused == "already_closed"
    assert market.alice.replaces(id="none", qty=0).refused == "unknown_order"


# --------------------------------------------------------------------------------------------- mark


def test_the_mark_is_put_there_and_with_it_the_band(market):
    assert market.operator.marks("80.00").refused is None
    assert market.last == ["SIM is open: mark"]
    assert market.mark == "80.00"
    assert market.alice.buys(1, at="88.00").refused is None
    assert market.alice.buys(1, at="88.01").refused == "price_band"
    assert market.alice.buys(1, at="71.99").refused == "price_band"


def test_also_of_a_halted_instrument(market):
    market.operator.halts()
    market.operator.marks("80.00")
    assert (market.last, market.mark) == (["SIM is halted: mark"], "80.00")


def test_from_there_ticks_move_it_on(market):
    market.bob.buys(1, at="100.00")
    market.carol.sells(1, at="100.02")
    market.operator.marks("99.50")
    market.ticks()
    assert market.mark == "100.01"


def test_accounts_are_judged_by_it_at_the_next_tick(market):
    market.alice.buys_from(market.bob, 50, "100.00")
    market.operator.marks("85.00")
    assert (market.alice.equity, market.alice.state) == ("250.00", "active")
    market.ticks()
    assert market.alice.state == "frozen"


@pytest.mark.parametrize(
    ("price", "refused"),
    [
        ("50.00", None),
        ("49.99", "invalid_price"),
        ("200.00", None),
        ("200.01", "invalid_price"),
    ],
)
def test_it_must_lie_within_the_instruments_bounds_but_not_within_the_band(
    open_market, price, refused
):
    market = open_market({"symbol": "SIM", "min_price": "50", "max_price": "200"})
    answer = market.operator.marks(price)
    assert answer.refused == refused
    if refused:
        assert (market.last, market.mark) == (["SIM refused: invalid_price"], "100.00")
        assert answer.event.details == {"tick": 1, "min_price": 50_00, "max_price": 200_00}


# ------------------------------------------------------------------------------ freeze and unfreeze


def test_whom_the_house_froze_may_cancel_and_reduce_only(market):
    market.alice.buys_from(market.bob, 5, "100.00")
    resting = market.alice.buys(1, at="95.00")
    market.operator.freezes(market.alice)
    assert market.last == ["alice is frozen"]
    assert market.alice.buys(1, at="99.00").refused == "account_frozen"
    assert market.alice.sells(6, at="101.00").refused == "account_frozen"
    assert market.alice.sells(5, at="101.00").refused is None
    assert market.alice.cancels(resting).refused is None


def test_no_tick_ends_it_but_unfreeze_does(market):
    market.alice.buys_from(market.bob, 5, "100.00")
    market.operator.freezes(market.alice)
    market.ticks(20)
    assert (market.alice.state, market.due_ms) == ("frozen", None)
    market.operator.unfreezes(market.alice)
    assert market.last == ["alice is active"]
    assert market.alice.buys(1, at="99.00").refused is None


def test_its_orders_stay_for_it_is_in_no_breach(market):
    market.alice.buys(1, at="99.00")
    market.operator.freezes(market.alice)
    market.ticks(2)
    assert market.bids == ["1 at 99.00"]


def test_freezing_twice_is_unfrozen_once_and_both_are_told(market):
    market.alice.logs_in()
    for deed, told in (
        ("freezes", "frozen"),
        ("freezes", "frozen"),
        ("unfreezes", "active"),
        ("unfreezes", "active"),
    ):
        getattr(market.operator, deed)(market.alice)
        assert market.last == [f"alice is {told}"]


def test_whom_both_froze_must_be_let_go_by_both(market):
    """For all to see it is frozen once, and active once."""
    market.alice.buys_from(market.bob, 50, "100.00")
    market.operator.freezes(market.alice)
    assert market.judged_at("88.00") == []
    assert market.judged_at("90.00") == []
    assert market.alice.state == "frozen"
    market.operator.unfreezes(market.alice)
    assert market.last == ["alice is active"]


def test_unfreeze_does_not_end_what_the_margin_rules_froze(market):
    market.alice.buys_from(market.bob, 50, "100.00")
    market.judged_at("88.00")
    market.operator.unfreezes(market.alice)
    assert market.last == ["alice is frozen"]
    market.operator.freezes(market.alice)
    market.operator.unfreezes(market.alice)
    assert market.alice.state == "frozen"
    assert market.judged_at("90.00") == ["alice is active"]


def test_a_frozen_account_is_liquidated_like_any_other(market):
    market.alice.buys_from(market.bob, 50, "100.00")
    market.operator.freezes(market.alice)
    assert market.judged_at("80.00")[-1] == "alice is bankrupt"
    market.operator.unfreezes(market.alice)
    assert market.last == ["alice is bankrupt"]


def test_whom_the_house_froze_is_frozen_still_when_it_is_no_longer_bankrupt(market):
    market.alice.buys_from(market.bob, 50, "100.00")
    market.operator.freezes(market.alice)
    market.judged_at("80.00")
    market.operator.pays_in(market.alice, "100")
    assert market.last[0] == "alice is frozen"


@pytest.mark.parametrize(("cap", "refused"), [(5, "position_limit"), (6, "account_frozen")])
def test_frozen_comes_after_the_position_limit_and_before_margin(open_market, cap, refused):
    market = open_market(starting_cash="100", max_position=cap)
    market.alice.logs_in()
    market.operator.freezes(market.alice)
    assert market.alice.buys(6, at="100.00").refused == refused  # 120.00 of margin


# -------------------------------------------------------------------------------- cancel everything


def test_everything_of_a_trader_is_cancelled_by_order_id_everywhere(market):
    market.alice.buys(1, at="99.00")
    market.alice.buys(2, at="99.00", of="OIL")
    market.bob.buys(4, at="99.00")
    market.alice.sells(3, at="101.00")
    market.operator.halts(of="OIL")
    market.operator.cancels_all_of(market.alice)
    assert market.last == [
        "alice cancels 3",
        "alice's 1 cancelled: requested",
        "alice's 2 OIL cancelled: requested",
        "alice's 3 cancelled: requested",
    ]
    assert market.bids == ["4 at 99.00"]


def test_it_may_be_nothing(market):
    market.alice.logs_in()
    market.operator.cancels_all_of(market.alice)
    assert market.last == ["alice cancels 0"]


# ------------------------------------------------------------------------------------------ deposit


def test_a_deposit_is_cash_and_is_told_with_the_first_instrument(market):
    market.alice.buys_from(market.bob, 5, "100.00", of="OIL")
    market.operator.pays_in(market.alice, "12.34")
    assert market.last == ["alice holds 0"]
    assert (market.alice.cash, market.events[0].cash, market.paid_in) == (
        "1012.34",
        1_012_34,
        "2012.34",
    )


def test_it_is_there_at_once(market):
    assert market.alice.buys(51, at="100.00").refused == "initial_margin_insufficient"
    market.operator.pays_in(market.alice, "20")
    assert market.alice.buys(51, at="100.00").refused is None


@pytest.mark.parametrize("amount", ["0", "-5"])
def test_it_is_more_than_nothing(market, amount):
    market.alice.logs_in()
    assert market.operator.pays_in(market.alice, amount).refused == "invalid_message"
    assert (market.last, market.alice.cash) == (["alice refused: invalid_message"], "1000.00")


# ------------------------------------------------------------------------- what the house cannot do


@pytest.mark.parametrize("deed", ["freezes", "unfreezes", "cancels_all_of"])
def test_nothing_is_done_to_nobody(market, deed):
    assert getattr(market.operator, deed)(market.alice).refused == "invalid_message"
    assert (market.last, market.exchange.accounts) == (["alice refused: invalid_message"], {})


def test_nobody_is_paid_anything(market):
    assert market.operator.pays_in(market.alice, "5").refused == "invalid_message"
    assert (market.exchange.accounts, market.paid_in) == ({}, "0.00")


@pytest.mark.parametrize("deed", ["halts", "resumes", "closes"])
def test_an_unknown_instrument_is_unknown(market, deed):
    assert getattr(market.operator, deed)(of="GOLD").refused == "unknown_symbol"
    assert market.operator.marks("1.00", of="GOLD").refused == "unknown_symbol"
    assert market.last == ["GOLD refused: unknown_symbol"]


@pytest.mark.parametrize("deed", ["halts", "resumes", "closes"])
def test_a_closed_instrument_stays_closed(market, deed):
    market.operator.closes()
    assert getattr(market.operator, deed)().refused == "market_halted"
    assert market.operator.marks("90.00").refused == "market_halted"
    assert market.operator.marks("0.00").refused == "market_halted"
    assert (market.last, market.mark) == (["SIM refused: market_halted"], "100.00")
