"""Units: any number of instruments, each with its tick, lot and tick value; one account holds
positions in all.
"""

from __future__ import annotations

import pytest

from botpit.settings import SettingsError, parse_settings

SIM = {"symbol": "SIM"}
OIL = {
    "symbol": "OIL",
    "tick": "0.5",
    "lot": "10",
    "reference_price": "60",
    "max_price": "1000",
}
GAS = {
    "symbol": "GAS",
    "tick": "0.025",
    "lot": "100",
    "reference_price": "4",
    "max_price": "100",
}


@pytest.fixture
def harbour(open_market):
    return open_market(SIM, OIL, GAS)


def test_a_tick_of_a_lot_is_worth_tick_times_lot(harbour):
    harbour.bob.sells(2, at="60.5", of="OIL")
    harbour.alice.buys(2, at="60.5", of="OIL")
    harbour.carol.buys(2, at="62.0", of="OIL")
    harbour.alice.sells(2, at="62.0", of="OIL")
    assert harbour.trades == [
        "alice buys 2 OIL from bob at 60.5",
        "alice sells 2 OIL to carol at 62.0",
    ]
    assert (harbour.alice.cash, harbour.alice.position_in("OIL")) == ("10030.00", 0)


def test_prices_stand_on_each_instruments_own_tick(harbour):
    assert harbour.alice.buys(1, at="60.25", of="OIL").refused == "invalid_price"
    assert harbour.alice.buys(1, at="60.5", of="OIL").refused is None
    assert harbour.alice.buys(1, at="4.01", of="GAS").refused == "invalid_price"
    assert harbour.alice.buys(1, at="4.025", of="GAS").refused is None


def test_each_has_its_own_book(harbour):
    harbour.bob.sells(1, at="66.0", of="OIL")
    assert harbour.alice.buys(1, at="100.00").refused is None
    assert harbour.trades == []
    assert harbour.alice.sells(1, of="OIL").refused == "no_liquidity"


def test_each_has_its_own_mark_and_band(harbour):
    assert [harbour.mark_of(symbol) for symbol in ("SIM", "OIL", "GAS")] == [
        "100.00",
        "60.0",
        "4.000",
    ]
    assert harbour.alice.buys(1, at="66.0", of="OIL").refused is None
    assert harbour.alice.buys(1, at="66.5", of="OIL").refused == "price_band"
    assert harbour.alice.buys(1, at="4.400", of="GAS").refused is None
    assert harbour.alice.buys(1, at="4.425", of="GAS").refused == "price_band"


def test_a_coarse_tick_moves_the_mark_by_one_at_least(harbour):
    harbour.mark_walks_to("61.0", of="OIL")
    assert harbour.mark_of("OIL") == "61.0"


def test_one_account_holds_positions_in_all(harbour):
    for symbol, at, qty in (("SIM", "100.00", 3), ("OIL", "60.0", -2), ("GAS", "4.000", 5)):
        harbour.bob.trades(abs(qty), -1 if qty > 0 else 1, at, of=symbol)
        harbour.alice.trades(abs(qty), 1 if qty > 0 else -1, at, of=symbol)
    assert [harbour.alice.position_in(symbol) for symbol in ("SIM", "OIL", "GAS")] == [3, -2, 5]
    harbour.mark_walks_to("101.00")
    harbour.mark_walks_to("61.0", of="OIL")
    harbour.mark_walks_to("4.050", of="GAS")
    assert harbour.alice.equity == "10008.00"  # 3.00 - 20.00 + 25.00


def test_caps_and_open_orders_are_counted_per_instrument(open_market):
    market = open_market(SIM, OIL, max_position=5, max_open_orders=1)
    market.alice.buys(5, at="99.00")
    assert market.alice.buys(5, at="60.0", of="OIL").refused is None


def test_own_orders_in_another_instrument_are_no_self_trade(open_market):
    market = open_market(SIM, {"symbol": "TIN"})
    market.alice.sells(5, at="100.00")
    market.alice.buys(5, at="100.00", of="TIN")
    assert market.cancels == []


def test_a_reduce_only_order_looks_at_its_own_instrument(open_market):
    market = open_market(SIM, {"symbol": "TIN"})
    market.bob.sells(5, at="100.00", of="TIN")
    market.alice.buys(5, at="100.00", of="TIN")
    assert (
        market.alice.sells(1, at="101.00", reduce_only=True).refused
        == "reduce_only_would_increase"
    )


def test_an_instrument_that_is_not_there_is_unknown(market):
    assert market.alice.buys(1, at="100.00", of="GOLD").refused == "unknown_symbol"


# ------------------------------------------------------------------------------------ configuration


def test_the_default_instrument():
    (sim,) = parse_settings("").engine_instruments()
    assert (sim.symbol, sim.tick_units, sim.tick_decimals, sim.lot, sim.tick_value) == (
        "SIM",
        1,
        2,
        "1",
        1,
    )
    assert (sim.reference_price, sim.min_price, sim.max_price, sim.min_qty, sim.max_qty) == (
        10_000,
        1,
        100_000_000,
        1,
        1_000_000,
    )


@pytest.mark.parametrize(
    ("tick", "lot", "decimals", "tick_value"),
    [
        ("0.5", "10", 2, 500),
        ("0.025", "4", 1, 1),
        ("5", "1", 0, 5),
    ],
)
def test_the_tick_value_is_tick_times_lot_in_account_units(tick, lot, decimals, tick_value):
    text = f"market.money_decimals = {decimals}\n[[instruments]]\ntick = {tick}\nlot = {lot}\n"
    assert parse_settings(text).engine_instruments()[0].tick_value == tick_value


@pytest.mark.parametrize(
    "text",
    [
        "[[instruments]]\ntick = 0.001\n",
        "[[instruments]]\ntick = 0.01\nlot = 1.5\n",
        "market.money_decimals = 1\n",
    ],
)
def test_a_tick_value_that_is_no_integer_is_refused(text):
    with pytest.raises(SettingsError, match="whole number"):
        parse_settings(text)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("maintenance_margin_bps = 0", "maintenance"),
        ("maintenance_margin_bps = 2000", "maintenance"),
        ("maintenance_margin_bps = 2001", "maintenance"),
        ("initial_margin_bps = 10001", "initial_margin_bps"),
        ("price_band_bps = 2000", "price_band_bps"),
        ("price_band_bps = 2001", "price_band_bps"),
        ("maker_fee_bps = -6\ntaker_fee_bps = 5", "maker_fee_bps"),
        ("maker_fee_bps = 5\ntaker_fee_bps = -6", "taker_fee_bps"),
    ],
)
@pytest.mark.parametrize("section", ["[market]", "[[instruments]]"])
def test_rates_that_do_not_hold_together_are_refused_by_name(section, line, name):
    with pytest.raises(SettingsError, match=name):
        parse_settings(f"{section}\n{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "maintenance_margin_bps = 1",
        "maintenance_margin_bps = 1999",
        "initial_margin_bps = 10000",
        "price_band_bps = 1999",
        "maker_fee_bps = -5\ntaker_fee_bps = 5",
    ],
)
def test_rates_at_the_very_bound_are_taken(line):
    parse_settings(f"[market]\n{line}\n").engine_instruments()


@pytest.mark.parametrize(
    "text",
    [
        "[market]\nmargin = 1\n",
        "[server]\nport = 1\n",
        "[[instruments]]\ncolour = 1\n",
        "colour = 1\n",
    ],
)
def test_an_unknown_key_is_refused_by_name(text):
    key = text.split("\n")[-2].split(" ")[0]
    with pytest.raises(SettingsError, match=key):
        parse_settings(text)
