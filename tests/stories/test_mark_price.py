"""Set only by Ticks: towards the last trade, kept within the quotes, at most 1 % (and at least a
tick) a Tick.
"""

from __future__ import annotations

import pytest


def trade_at(market, price):
    """Dave buys one lot from erin; nothing stays in the book."""
    market.erin.sells(1, at=price)
    market.dave.buys(1, at=price)
    assert market.trades[-1] == f"dave buys 1 from erin at {price}"


def test_first_of_all_it_is_the_reference_price(open_market):
    assert open_market({"symbol": "SIM", "reference_price": "55.50"}).mark == "55.50"


def test_only_a_tick_moves_it(market):
    trade_at(market, "100.50")
    market.bob.buys(5, at="100.40")
    market.carol.sells(5, at="100.60")
    assert market.mark == "100.00"
    market.ticks()
    assert market.mark == "100.50"


def test_between_two_ticks_every_command_sees_one_mark(market):
    market.bob.sells(5, at="110.00")
    market.alice.buys(5)
    assert market.carol.buys(1, at="110.00").refused is None
    assert market.carol.buys(1, at="110.01").refused == "price_band"
    assert market.dave.buys(1, at="90.00").refused is None


# --------------------------------------------------------------------------------- before any trade


def test_before_any_trade_it_is_the_mid_rounded_down(market):
    market.bob.buys(5, at="100.00")
    market.carol.sells(5, at="100.05")
    market.ticks()
    assert market.mark == "100.02"


@pytest.mark.parametrize("sign", [1, -1])
def test_before_any_trade_one_side_alone_leaves_it(market, sign):
    market.bob.trades(5, sign, "105.00" if sign == 1 else "95.00")
    market.ticks(3)
    assert market.mark == "100.00"


# ------------------------------------------------------------------------------------ after a trade


@pytest.mark.parametrize(
    ("bid", "ask", "last", "mark"),
    [
        ("100.40", "100.60", "100.50", "100.50"),  # between the quotes: the last trade
        ("100.40", "100.60", "100.80", "100.60"),  # above: the best ask
        ("100.40", "100.60", "100.20", "100.40"),  # below: the best bid
        ("99.40", None, "100.80", "100.00"),  # no ask: not above the mark
        (
            "100.30",
            None,
            "100.80",
            "100.30",
        ),  # no ask: not above the best bid, when that is higher
        ("99.40", None, "99.70", "99.70"),  # no ask binds only upwards
        ("99.40", None, "99.20", "99.40"),  # and the best bid still holds
        (None, "100.60", "99.20", "100.00"),  # no bid: not below the mark
        (None, "99.70", "99.20", "99.70"),  # no bid: not below the best ask, when that is lower
        (None, "100.60", "100.30", "100.30"),  # no bid binds only downwards
        (None, "100.60", "100.80", "100.60"),  # and the best ask still holds
        (None, None, "100.80", "100.00"),  # an empty book binds it at the mark
        (None, None, "99.20", "100.00"),
    ],
)
def test_it_goes_to_the_last_trade_within_the_quotes(market, bid, ask, last, mark):
    trade_at(market, last)
    if bid:
        market.bob.buys(5, at=bid)
    if ask:
        market.carol.sells(5, at=ask)
    market.ticks()
    assert market.mark == mark
    market.ticks(5)
    assert market.mark == mark


def test_the_latest_trade_counts(market):
    trade_at(market, "100.80")
    trade_at(market, "100.50")
    market.bob.buys(5, at="100.00")
    market.carol.sells(5, at="101.00")
    market.ticks()
    assert market.mark == "100.50"


# ------------------------------------------------------------------------------------------ at most


def test_a_tick_moves_it_up_by_at_most_one_percent_rounded_down(market):
    trade_at(market, "105.00")
    market.bob.buys(5, at="104.90")
    market.carol.sells(5, at="105.10")
    marks = []
    for _ in range(6):
        market.ticks()
        marks.append(market.mark)
    assert marks == ["101.00", "102.01", "103.03", "104.06", "105.00", "105.00"]


def test_a_tick_moves_it_down_by_at_most_one_percent_rounded_down(market):
    trade_at(market, "97.00")
    market.bob.buys(5, at="96.90")
    market.carol.sells(5, at="97.10")
    marks = []
    for _ in range(4):
        market.ticks()
        marks.append(market.mark)
    assert marks == ["99.00", "98.01", "97.03", "97.00"]


@pytest.mark.parametrize(
    ("last", "quotes", "marks"),
    [
        ("0.53", ("0.52", "0.54"), ["0.51", "0.52", "0.53", "0.53"]),
        ("0.47", ("0.46", "0.48"), ["0.49", "0.48", "0.47", "0.47"]),
    ],
)
def test_a_small_mark_moves_by_a_tick(open_market, last, quotes, marks):
    market = open_market({"symbol": "SIM", "reference_price": "0.50"})
    trade_at(market, last)
    market.bob.buys(5, at=quotes[0])
    market.carol.sells(5, at=quotes[1])
    seen = []
    for _ in marks:
        market.ticks()
        seen.append(market.mark)
    assert seen == marks


def test_the_largest_move_is_a_setting(open_market):
    market = open_market(mark_move_bps=250)
    trade_at(market, "105.00")
    market.bob.buys(5, at="104.90")
    market.ticks()
    assert market.mark == "102.50"


# ---------------------------------------------------------------------------------------- the order


def test_a_tick_first_expires_and_then_marks(market):
    trade_at(market, "100.80")
    market.bob.buys(5, at="99.90")
    market.carol.sells(5, at="100.30", until_ms=2_000)
    market.ticks_at(2_000)
    assert market.cancels == ["carol's 5 cancelled: expired"]
    assert market.mark == "100.00"


def test_each_instrument_has_its_own(open_market):
    market = open_market({"symbol": "SIM"}, {"symbol": "OIL"})
    market.bob.buys(5, at="100.40", of="OIL")
    market.carol.sells(5, at="100.60", of="OIL")
    market.ticks()
    assert (market.mark_of("SIM"), market.mark_of("OIL")) == ("100.00", "100.50")


def test_a_tick_that_would_change_nothing_is_not_due(market):
    due_ns = market.exchange.next_due_ns
    now_ns = market.now_ms * 1_000_000
    assert due_ns(now_ns) is None
    order = market.alice.buys(5, at="99.00", until_ms=2_000)
    assert due_ns(now_ns) == 2_000 * 1_000_000
    market.carol.sells(5, at="101.50")
    assert due_ns(now_ns) <= now_ns
    market.ticks()
    assert (market.mark, due_ns(now_ns)) == ("100.25", 2_000 * 1_000_000)
    market.alice.cancels(order)
    assert due_ns(now_ns) is None


def test_asking_what_is_due_changes_nothing(market):
    market.alice.buys(5, at="99.00", until_ms=1_000)
    for _ in range(3):
        assert market.exchange.next_due_ns(market.now_ms * 1_000_000) == 1_000 * 1_000_000
    assert market.bids == ["5 at 99.00"]
    market.ticks_at(1_000)
    assert market.cancels == ["alice's 5 cancelled: expired"]
