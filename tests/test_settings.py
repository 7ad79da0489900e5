"""exchange.toml: every key with its default and its bounds, and each mistake refused by the name of the key."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

import pytest

from botpit.core.instrument import Instrument, Rules
from botpit.io.bounds import UsualBounds
from botpit.settings import (
    InstrumentSettings,
    MarketSettings,
    ServerSettings,
    Settings,
    SettingsError,
    parse_settings,
)

MARKET = {
    "money_decimals": 2, "starting_cash": 10_000, "self_trade_prevention": "cancel_resting", "maker_fee_bps": 0,
    "taker_fee_bps": 0,
    "liquidation_fee_bps": 50, "initial_margin_bps": 2_000, "maintenance_margin_bps": 1_000, "price_band_bps": 1_000,
    "mark_move_bps": 100, "tick_ms": 100, "mark_to_market_ms": 1_000, "insurance_fund": 0, "max_accounts": 10_000,
    "max_open_orders": 200, "max_order_qty": 10_000, "max_order_notional": 1_000_000, "max_position": 0,
    "max_requests_per_s": 1_000,
    "max_cancels_per_s": 5_000, "settle_window_s": 30,
}  # fmt: skip
SERVER = {
    "slow_reader_bytes": 1_048_576,
    "max_connections_per_address": 256,
    "ping_s": 5,
    "pong_s": 5,
    "handshake_s": 5,
}
INSTRUMENT = {
    "symbol": "SIM", "tick": Decimal("0.01"), "lot": 1, "reference_price": 100, "min_price": None, "max_price": 1_000_000,
    "min_qty": 1,
    "max_qty": 1_000_000,
}  # fmt: skip
OVERRIDES = [
    "maker_fee_bps", "taker_fee_bps", "liquidation_fee_bps", "initial_margin_bps", "maintenance_margin_bps", "price_band_bps",
    "mark_move_bps", "max_open_orders", "max_order_qty", "max_order_notional", "max_position",
]  # fmt: skip


def refusal(text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        parse_settings(text)
    return str(refused.value)


def only_instrument(**keys: Any) -> Instrument:
    lines = "\n".join(
        f'{key} = "{value}"' if key == "symbol" else f"{key} = {value}"
        for key, value in keys.items()
    )
    [instrument] = parse_settings(f"[[instruments]]\n{lines}").engine_instruments()
    return instrument


# ----------------------------------------------------------------------------------------- defaults


def test_every_key_is_optional_and_has_its_default():
    settings = parse_settings("")
    assert settings == Settings() == parse_settings("[market]\n[server]\n[[instruments]]")
    assert settings.market.model_dump() == MARKET
    assert settings.server.model_dump() == SERVER
    [instrument] = settings.instruments
    assert instrument.model_dump() == INSTRUMENT | dict.fromkeys(OVERRIDES)


def test_no_key_is_there_that_this_test_does_not_know():
    assert set(MarketSettings.model_fields) == set(MARKET)
    assert set(ServerSettings.model_fields) == set(SERVER)
    assert asdict(UsualBounds()) == SERVER
    assert set(InstrumentSettings.model_fields) == {*INSTRUMENT, *OVERRIDES}
    assert set(Settings.model_fields) == {"market", "server", "instruments"}


def test_the_default_market_in_the_engines_integers():
    assert parse_settings("").rules() == Rules(
        money_decimals=2,
        starting_cash=1_000_000,
        self_trade_prevention="cancel_resting",
        insurance_fund=0,
        max_accounts=10_000,
        mark_to_market_ms=1_000,
        settle_window_s=30,
    )
    assert only_instrument() == Instrument(
        symbol="SIM", tick_units=1, tick_decimals=2, lot="1", tick_value=1, reference_price=10_000, min_price=1,
        max_price=100_000_000,
        min_qty=1, max_qty=1_000_000, maker_fee_bps=0, taker_fee_bps=0, liquidation_fee_bps=50, initial_margin_bps=2_000,
        maintenance_margin_bps=1_000, price_band_bps=1_000, mark_move_bps=100, max_open_orders=200, max_order_qty=10_000,
        max_order_notional=100_000_000, max_position=0,
    )  # fmt: skip


def test_settings_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        parse_settings("").market.max_accounts = 5


# ----------------------------------------------------------------------------------------- the file


def test_all_of_it_can_be_set():
    text = """
        [market]
        money_decimals = 3
        starting_cash = 123.456
        self_trade_prevention = "cancel_both"
        insurance_fund = 0.5
        max_accounts = 7
        [server]
        slow_reader_bytes = 100000
        ping_s = 0.5
        [[instruments]]
        symbol = "ONE"
        tick = 0.05
        lot = 0.1
        reference_price = 20
        min_price = 10.05
        max_price = 30
        min_qty = 5
        max_qty = 50
        max_order_notional = 12.5
        max_position = 9
        [[instruments]]
        symbol = "TWO"
        initial_margin_bps = 5000
        price_band_bps = 4999
    """
    settings = parse_settings(text)
    assert settings.rules() == Rules(
        money_decimals=3,
        starting_cash=123_456,
        self_trade_prevention="cancel_both",
        insurance_fund=500,
        max_accounts=7,
        mark_to_market_ms=1_000,
        settle_window_s=30,
    )
    assert (
        settings.server.slow_reader_bytes,
        settings.server.ping_s,
        settings.server.pong_s,
    ) == (100_000, 0.5, 5)
    one, two = settings.engine_instruments()
    assert (one.symbol, one.tick_units, one.tick_decimals, one.lot, one.tick_value) == (
        "ONE",
        5,
        2,
        "0.1",
        5,
    )
    assert (one.reference_price, one.min_price, one.max_price, one.min_qty, one.max_qty) == (
        400,
        201,
        600,
        5,
        50,
    )
    assert (one.max_order_notional, one.max_position, one.initial_margin_bps) == (
        12_500,
        9,
        2_000,
    )
    assert (two.symbol, two.initial_margin_bps, two.price_band_bps, two.max_position) == (
        "TWO",
        5_000,
        4_999,
        0,
    )


@pytest.mark.parametrize("key", OVERRIDES)
def test_an_instrument_has_the_markets_value_or_its_own(key):
    value = {
        "max_position": 7,
        "initial_margin_bps": 3_000,
        "price_band_bps": 900,
        "maintenance_margin_bps": 1_100,
    }.get(key, 77)
    theirs = parse_settings(f"[market]\n{key} = {value}\n[[instruments]]").engine_instruments()[
        0
    ]
    own = only_instrument(**{key: value})
    assert (
        getattr(own, key)
        == getattr(theirs, key)
        == (value * 100 if key == "max_order_notional" else value)
    )
    if key.endswith("fee_bps") or key == "max_position":
        assert (
            getattr(
                parse_settings(
                    f"[market]\n{key} = {value}\n[[instruments]]\n{key} = 0"
                ).engine_instruments()[0],
                key,
            )
            == 0
        )


@pytest.mark.parametrize(("tick", "units", "decimals", "money_decimals", "tick_value"), [
    ("0.01", 1, 2, 2, 1), ("0.05", 5, 2, 2, 5), ("0.25", 25, 2, 2, 25), ("5", 5, 0, 2, 500), ("50", 50, 0, 0, 50),
    ("0.00000001", 1, 8, 8, 1),
    ("0.010", 1, 2, 2, 1),
])  # fmt: skip
def test_ticks_become_integers_exactly(tick, units, decimals, money_decimals, tick_value):
    text = f"[market]\nmoney_decimals = {money_decimals}\n[[instruments]]\ntick = {tick}"
    [instrument] = parse_settings(text).engine_instruments()
    assert (instrument.tick_units, instrument.tick_decimals, instrument.tick_value) == (
        units,
        decimals,
        tick_value,
    )
    assert Decimal(instrument.reference_price) * Decimal(tick) == 100
    assert instrument.min_price == 1, "one tick"


# ----------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(("text", "key"), [
    ("spare = 1", "spare"), ("[spare]", "spare"), ("[market]\nspare = 1", "market.spare"),
    ("[server]\nspare = 1", "server.spare"),
    ("[[instruments]]\nspare = 1", "instruments.0.spare"),
    ("[[instruments]]\n[[instruments]]\nsymbol = 'B'\nTick = 1", "instruments.1.Tick"),
])  # fmt: skip
def test_an_unknown_key_is_refused_by_name(text, key):
    assert refusal(text) == f"{key}: unknown key"


@pytest.mark.parametrize(
    "text",
    [
        "[market",
        "market = ",
        "[market]\nstarting_cash = 1\nstarting_cash = 2",
        "\x00",
        "starting_cash: 5",
    ],
)
def test_what_is_no_toml_is_said_to_be_none(text):
    assert refusal(text).startswith("not valid TOML: ")


@pytest.mark.parametrize(("table", "key", "values"), [
    ("market", "money_decimals", ["-1", "9", "1.5"]), ("market", "starting_cash", ["-1", "inf", "nan", "1e13"]),
    ("market", "self_trade_prevention", ["'none'", "'CANCEL_BOTH'", "1"]),
    ("market", "taker_fee_bps", ["10001", "-10001", "0.5"]),
    ("market", "liquidation_fee_bps", ["-1", "10001"]), ("market", "initial_margin_bps", ["10001"]),
    ("market", "tick_ms", ["0", "3600001"]),
    ("market", "mark_to_market_ms", ["0"]), ("market", "insurance_fund", ["-0.01"]), ("market", "max_accounts", ["0", "-5"]),
    ("market", "max_open_orders", ["0"]), ("market", "max_order_qty", ["0"]), ("market", "max_order_notional", ["-1"]),
    ("market", "max_position", ["-1"]), ("market", "max_requests_per_s", ["0", "1.5"]), ("market", "max_cancels_per_s", ["0"]),
    ("market", "settle_window_s", ["0"]), ("server", "slow_reader_bytes", ["0", "65535"]),
    ("server", "ping_s", ["0", "-1", "inf", "nan"]),
    ("server", "pong_s", ["0"]), ("server", "handshake_s", ["0"]), ("server", "max_connections_per_address", ["0"]),
    ("[instruments]", "symbol", ["''", "'@fees'", "'a b'", "'A\\n'", '"A\\n"', f"'{'x' * 65}'", "5"]),
    ("[instruments]", "tick", ["0", "-0.01", "nan", "inf"]),
    ("[instruments]", "lot", ["0"]), ("[instruments]", "reference_price", ["0", "-5"]), ("[instruments]", "min_qty", ["0"]),
    ("[instruments]", "max_qty", ["0"]), ("[instruments]", "initial_margin_bps", ["10001"]),
])  # fmt: skip
def test_a_value_out_of_its_bounds_is_refused_by_its_key(table, key, values):
    path = "instruments.0" if table.startswith("[") else table
    for value in values:
        assert refusal(f"[{table}]\n{key} = {value}").startswith(f"{path}.{key}: "), value


@pytest.mark.parametrize(("table", "key"), [
    ("market", "max_accounts"), ("market", "starting_cash"), ("market", "taker_fee_bps"), ("server", "ping_s"),
    ("server", "slow_reader_bytes"),
    ("[instruments]", "tick"), ("[instruments]", "max_qty"), ("[instruments]", "reference_price"),
])  # fmt: skip
@pytest.mark.parametrize("value", ['"100000"', "true", "[1]", "{}"])
def test_a_number_is_a_number_and_nothing_else(table, key, value):
    assert f"{key}: " in refusal(f"[{table}]\n{key} = {value}")


@pytest.mark.parametrize(("text", "named"), [
    ("instruments = []", "instruments"),
    ("[[instruments]]\n[[instruments]]", "'SIM'"),
    ("[market]\nmoney_decimals = 0\nstarting_cash = 0.5\n[[instruments]]\ntick = 1", "market.starting_cash"),
    ("[market]\nstarting_cash = 0.001", "market.starting_cash"),
    ("[market]\ninsurance_fund = 0.001", "market.insurance_fund"),
    ("[market]\nmax_order_notional = 0.001", "max_order_notional"),
    ("[market]\nmoney_decimals = 8\nstarting_cash = 1e12", "market.starting_cash"),
    ("[[instruments]]\ntick = 0.001", "instruments.SIM: tick x lot"),
    ("[[instruments]]\nlot = 0.5", "instruments.SIM: tick x lot"),
    ("[[instruments]]\ntick = 0.03", "instruments.SIM.reference_price"),
    ("[[instruments]]\ntick = 0.25\nmin_price = 0.3", "instruments.SIM.min_price"),
    ("[[instruments]]\ntick = 0.25\nmax_price = 1000.1", "instruments.SIM.max_price"),
    ("[[instruments]]\nmin_price = 101", "instruments.SIM.reference_price"),
    ("[[instruments]]\nmax_price = 99", "instruments.SIM.reference_price"),
    ("[[instruments]]\nmin_qty = 6\nmax_qty = 5", "instruments.SIM.min_qty"),
    ("[market]\nmoney_decimals = 8\n[[instruments]]\ntick = 0.00000001\nmax_price = 1e9", "instruments.SIM.max_price"),
])  # fmt: skip
def test_what_does_not_fit_together_is_refused_by_name(text, named):
    assert named in refusal(text)


@pytest.mark.parametrize(("keys", "named"), [
    ("maintenance_margin_bps = 0", "maintenance_margin_bps"),
    ("maintenance_margin_bps = 2000", "maintenance_margin_bps < initial_margin_bps"),
    ("initial_margin_bps = 1000\nprice_band_bps = 500", "maintenance_margin_bps < initial_margin_bps"),
    ("price_band_bps = 2000", "price_band_bps"),
    ("maker_fee_bps = -5\ntaker_fee_bps = 4", "maker_fee_bps + taker_fee_bps"),
])  # fmt: skip
def test_rates_of_market_or_instrument_that_would_be_unsafe_are_refused(keys, named):
    assert named in refusal(f"[market]\n{keys}")
    assert named in refusal(f"[[instruments]]\n{keys}")


def test_rates_on_the_edge_are_taken():
    assert (
        only_instrument(
            maintenance_margin_bps=1_999, initial_margin_bps=2_000, price_band_bps=1_999
        ).price_band_bps
        == 1_999
    )
    assert (
        only_instrument(initial_margin_bps=10_000, price_band_bps=9_999).initial_margin_bps
        == 10_000
    )
    assert only_instrument(maker_fee_bps=-5, taker_fee_bps=5).maker_fee_bps == -5


def test_a_refusal_is_one_line():
    for text in (
        "[market]\nspare = 1",
        "[market",
        "[market]\nself_trade_prevention = 'x\\ny'",
        '"a\\nb" = 1',
        '[market]\n"a\\u001b[2J" = 1',
    ):
        assert refusal(text).isprintable(), text
