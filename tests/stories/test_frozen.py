"""Frozen by the margin rules: still in breach after the book had nothing more to give, and not
bankrupt. Cancels and reducing orders only, until the first Tick without breach; tried again at each
Tick.

Alice has 1,000.00 and is long 50 from 100.00; at 88.00 she has 400.00 of 440.00.
"""

from __future__ import annotations

import pytest


@pytest.fixture
def market(open_market):
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"}, starting_cash="0")
    market.alice.brings("1000")
    for each in (market.bob, market.carol, market.dave):
        each.brings("100000")
    market.alice.buys_from(market.dave, 50, "100.00")
    return market


@pytest.fixture
def frozen(market):
    assert market.judged_at("88.00") == ["alice is frozen"]
    return market


# ----------------------------------------------------------------------------------- what it may do


@pytest.mark.parametrize(
    ("order", "refused"),
    [
        ({"sign": 1, "qty": 1, "at": "88.00"}, "account_frozen"),
        ({"sign": 1, "qty": 1, "at": "100.00", "of": "OIL"}, "account_frozen"),
        ({"sign": -1, "qty": 51, "at": "88.00"}, "account_frozen"),
        ({"sign": -1, "qty": 50, "at": "88.00"}, None),
        ({"sign": -1, "qty": 51, "at": "88.00", "reduce_only": True}, "account_frozen"),
        ({"sign": -1, "qty": 1, "at": "88.00", "reduce_only": True}, None),
    ],
)
def test_only_orders_that_reduce_are_taken(frozen, order, refused):
    assert frozen.alice.trades(**order).refused == refused


def test_own_open_orders_of_that_side_count_with_it(frozen):
    order = frozen.alice.sells(30, at="95.00")
    assert frozen.alice.sells(21, at="95.00").refused == "account_frozen"
    assert frozen.alice.replaces(order, at="94.00", qty=51).refused == "account_frozen"
    assert frozen.alice.replaces(order, at="94.00", qty=50).refused is None


def test_cancels_work(frozen):
    order = frozen.alice.sells(30, at="95.00")
    assert frozen.alice.cancels(order).refused is None
    assert frozen.alice.cancels_all().refused is None


def test_reducing_trades(frozen):
    frozen.bob.buys(50, at="92.00")
    assert frozen.alice.sells(50).refused is None
    assert (frozen.alice.position, frozen.alice.cash) == (0, "600.00")


def test_while_it_is_in_breach_its_orders_go_again_at_each_tick(frozen):
    frozen.alice.sells(50, at="96.00")
    frozen.bob.buys_from(frozen.dave, 1, "88.00")
    frozen.ticks()
    assert frozen.told == ["alice's 50 cancelled: liquidation"]


# -------------------------------------------------------------------------------------- how it ends


@pytest.mark.parametrize(("mark", "told"), [("88.88", []), ("88.89", ["alice is active"])])
def test_it_ends_with_the_first_tick_without_a_breach(frozen, mark, told):
    frozen.operator.marks(mark)
    assert frozen.alice.state == "frozen"
    frozen.ticks()
    assert frozen.told == told


def test_short_of_initial_margin_is_no_breach(frozen):
    assert frozen.judged_at("90.00") == ["alice is active"]  # 500.00 of 900.00
    assert frozen.alice.buys(1, at="89.00").refused == "initial_margin_insufficient"


def test_a_deposit_ends_it_at_the_next_tick_and_not_at_once(frozen):
    frozen.operator.pays_in(frozen.alice, "40")
    assert frozen.alice.state == "frozen"
    assert frozen.alice.buys(1, at="88.00").refused == "account_frozen"
    frozen.ticks()
    assert frozen.told == ["alice is active"]


def test_so_does_reducing(frozen):
    frozen.bob.buys(5, at="88.00")
    frozen.alice.sells(5, at="88.00")
    assert frozen.alice.state == "frozen"
    frozen.ticks()
    assert frozen.told == ["alice is active"]


def test_several_thaw_in_the_order_of_their_names(market):
    """Erin, with 480.00 of 528.00, was frozen before alice, with 410.00 of 440.00."""
    market.operator.pays_in(market.alice, "10")
    market.erin.brings("1200")
    market.erin.buys_from(market.dave, 60, "100.00")
    assert market.judged_at("88.00") == ["erin is frozen", "alice is frozen"]
    assert market.judged_at("89.00") == ["alice is active", "erin is active"]


def test_thaws_come_before_liquidation(market):
    """In one Tick SIM rises, so that alice is let go, and OIL falls, so that erin is frozen."""
    market.erin.brings("1000")
    market.erin.buys_from(market.dave, 50, "100.00", of="OIL")
    market.judged_at("88.00")
    market.operator.marks("88.00", of="OIL")
    assert market.judged_at("89.00") == ["alice is active", "erin is frozen"]


# ---------------------------------------------------------------------------- tried again each Tick


def test_it_is_told_once(frozen):
    frozen.bob.buys(1, at="70.00")
    for _ in range(3):
        frozen.ticks()
        assert frozen.told == []


def test_it_is_tried_again_at_each_tick(frozen):
    """2 lots: 400.00 - 1.00 - 0.88 = 398.12, of 422.40 for 48. 6 more: 398.12 - 3.00 - 2.63 =
    392.49, of 369.60 for 42.
    """
    frozen.bob.buys_from(frozen.carol, 1, "88.00")
    for qty, told in [
        (
            2,
            [
                "alice sells 2 to bob at 87.50",
                "alice sells 2 at 87.50: maintenance_margin_breach",
                "insurance 0.88",
            ],
        ),
        (
            6,
            [
                "alice sells 6 to bob at 87.50",
                "alice sells 6 at 87.50: maintenance_margin_breach",
                "insurance 3.51",
            ],
        ),
        (0, ["alice is active"]),
    ]:
        frozen.bob.buys(qty, at="87.50")
        frozen.bob.buys_from(frozen.carol, 1, "88.00")
        assert frozen.judged_at("88.00") == told


def test_what_was_frozen_may_yet_be_bankrupt(frozen):
    assert frozen.judged_at("80.00") == [
        "alice sells 50 at 80.00: bankruptcy",
        "dave buys 50 at 80.00: auto_deleverage",
        "alice is bankrupt",
    ]


def test_a_tick_is_due_when_it_would_thaw(frozen):
    frozen.ticks(20)
    assert frozen.due_ms is None
    frozen.operator.pays_in(frozen.alice, "40")
    assert frozen.due_ms == 0
