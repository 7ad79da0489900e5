"""The border: every event as a message of its class, prices exact both ways, and every kind of bad
request named and refused.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from botpit.core import events as ev
from botpit.core.commands import (
    BUY,
    SELL,
    Cancel,
    CancelAll,
    Order,
    Replace,
    SelfTradePrevention,
    TimeInForce,
)
from botpit.settings import SettingsError, parse_settings
from botpit.wire.account_views import AccountViews
from botpit.wire.forms import View
from botpit.wire.numbers import PriceScale
from tests.socketless.market import START_MS
from tests.socketless.messages import checked
from tests.socketless.requests import order
from tests.socketless.rules import TWO_MARKETS
from tests.socketless.venue import SocketlessVenue

NOW = START_MS * 1_000_000 + 999_999
THOROUGH = settings(deadline=None, database=None, max_examples=300)

# ------------------------------------------------------------------------------- events to messages

LIMIT = Order("alice", "SIM", BUY, 5, 10_005, client_order_id="c-1", session=3)
TRADER = {"trader_id": "alice"}
IDS = {"order_id": 7, "client_order_id": "c-1"}
AT = {"timestamp": START_MS}
PRIVATE = {"account_seq": 4, **AT}
PUBLIC = {"seq": 11, "channel_seq": 3, **AT}

SAMPLES: dict[type, list[tuple[Any, dict[str, Any]]]] = {
    ev.OrderAccepted: [
        (
            ev.OrderAccepted(7, LIMIT, 12, 4, NOW),
            {
                "type": "order_accepted", **IDS, **TRADER, "symbol": "SIM", "side": "buy", "order_type": "limit", "qty": 5,
                "price": 100.05, "queue_ahead": 12, **PRIVATE,
            },
        ),
        (
            ev.OrderAccepted(7, Order("alice", "ALT", SELL, 5, None, TimeInForce.IOC), 0, 4, NOW, repeated=True),
            {
                "type": "order_accepted", "order_id": 7, "client_order_id": None, **TRADER, "symbol": "ALT", "side": "sell",
                "order_type": "market", "qty": 5, "price": None, "queue_ahead": 0, "repeated": True, **PRIVATE,
            },
        ),
    ],
    ev.Rejected: [
        (
            ev.Rejected(ev.Request.ORDER, ev.Reason.INVALID_PRICE, "alice", NOW, "ALT", None, "c-1", {"tick": 1, "min_price": 2}),
            {
                "type": "order_rejected", "reason": "invalid_price", "details": {"tick": 0.05, "min_price": 0.1},
                **IDS, "order_id": None, **TRADER, **AT,
            },
        ),
        (
            ev.Rejected(
                ev.Request.REPLACE, ev.Reason.INITIAL_MARGIN_INSUFFICIENT, "alice", NOW, "SIM", 7, "c-1",
                {"equity": 150, "required_margin": 2_001},
            ),
            {
                "type": "replace_rejected", "reason": "initial_margin_insufficient",
                "details": {"equity": 1.5, "required_margin": 20.01}, **IDS, **TRADER, **AT,
            },
        ),
        (
            ev.Rejected(ev.Request.CANCEL, ev.Reason.UNKNOWN_ORDER, "alice", NOW, "", 7, None),
            {
                "type": "cancel_rejected", "reason": "unknown_order", "details": {}, "order_id": 7, "client_order_id": None,
                **TRADER, **AT,
            },
        ),
        (
            ev.Rejected(ev.Request.LOGIN, ev.Reason.TOO_MANY_ACCOUNTS, "alice", NOW, details={"max_accounts": 2}),
            {"type": "error", "reason": "too_many_accounts", "details": {"max_accounts": 2}, **AT},
        ),
    ],
    ev.Fill: [
        (
            ev.Fill(7, "c-1", 9, "alice", "SIM", BUY, 10_005, 2, 3, 17, ev.Liquidity.TAKER, 4, NOW),
            {
                "type": "fill", **IDS, "trade_id": 9, **TRADER, "symbol": "SIM", "side": "buy", "price": 100.05, "qty": 2,
                "leaves_qty": 3, "fee": 0.17, "liquidity": "taker", **PRIVATE,
            },
        ),
        (
            ev.Fill(7, None, 9, "alice", "ALT", SELL, 401, 2, 0, -17, ev.Liquidity.MAKER, 4, NOW),
            {
                "type": "fill", "order_id": 7, "client_order_id": None, "trade_id": 9, **TRADER, "symbol": "ALT",
                "side": "sell", "price": 20.05, "qty": 2, "leaves_qty": 0, "fee": -0.17, "liquidity": "maker", **PRIVATE,
            },
        ),
    ],
    ev.OrderCancelled: [
        (
            ev.OrderCancelled(7, "c-1", "alice", "SIM", 3, reason, 4, NOW),
            {
                "type": "order_cancelled", **IDS, **TRADER, "symbol": "SIM", "cancelled_qty": 3, "leaves_qty": 0,
                "reason": reason.value, **PRIVATE,
            },
        )
        for reason in ev.CancelReason
    ],
    ev.OrderReplaced: [
        (
            ev.OrderReplaced(7, "c-1", "alice", "SIM", 10_001, 9, 6, kept, 4, NOW),
            {
                "type": "order_replaced", **IDS, **TRADER, "price": 100.01, "qty": 9, "leaves_qty": 6, "kept_priority": kept,
                **PRIVATE,
            },
        )
        for kept in (True, False)
    ],
    ev.AllCancelled: [(ev.AllCancelled("alice", 2, 4, NOW), {"type": "all_cancelled", **TRADER, "count": 2, **PRIVATE})],
    ev.LoggedOut: [(ev.LoggedOut("alice", 2, 4, NOW), {"type": "logged_out", **TRADER, **PRIVATE})],
    ev.LoggedIn: [
        (
            ev.LoggedIn("alice", 2, 4, NOW),
            {
                "type": "logged_in", **TRADER, "scope": "trade", "market_id": "m1", "session": 2, **PRIVATE,
                "instruments": [
                    {
                        "symbol": symbol, "tick": tick, "lot": 1, "reference_price": reference, "min_price": tick,
                        "max_price": 1_000_000.0, "min_qty": 1, "max_qty": 1_000_000, "maker_fee_bps": 0, "taker_fee_bps": 0,
                        "liquidation_fee_bps": 50, "initial_margin_bps": 2_000, "maintenance_margin_bps": 1_000,
                        "price_band_bps": 1_000, "mark_move_bps": 100, "max_open_orders": 200, "max_order_qty": 10_000,
                        "max_order_notional": 1_000_000.0, "max_position": 0,
                    }
                    for symbol, tick, reference in (("SIM", 0.01, 100.0), ("ALT", 0.05, 20.0))
                ],
            },
        )
    ],
    ev.Trade: [
        (
            ev.Trade(9, "SIM", 10_005, 2, "alice", "bob", SELL, 7, 8, NOW),
            {
                "type": "trade", "trade_id": 9, "price": 100.05, "qty": 2, "buy_trader_id": "alice", "sell_trader_id": "bob",
                "symbol": "SIM", "aggressor_side": "sell", "buy_order_id": 7, "sell_order_id": 8, **PUBLIC,
            },
        )
    ],
    ev.PositionUpdate: [
        (
            ev.PositionUpdate("alice", "ALT", -3, -6_013, 999_900, -100, 13, 999_913, 400, NOW),
            {
                "type": "position_update", **TRADER, "symbol": "ALT", "position": -3, "cash": 9_999.0,
                "avg_entry_price": 6_013 / 300, "realized_pnl": -1.0, "unrealized_pnl": 0.13, "total_equity": 9_999.13,
                "mark_price": 20.0, **PUBLIC,
            },
        ),
        (
            ev.PositionUpdate("alice", "SIM", 0, 0, 1_000_000, 0, 0, 1_000_000, 10_000, NOW),
            {
                "type": "position_update", **TRADER, "symbol": "SIM", "position": 0, "cash": 10_000.0, "avg_entry_price": 0.0,
                "realized_pnl": 0.0, "unrealized_pnl": 0.0, "total_equity": 10_000.0, "mark_price": 100.0, **PUBLIC,
            },
        ),
    ],
    ev.Liquidation: [
        (
            ev.Liquidation("alice", "SIM", ev.LiquidationReason.BANKRUPTCY, SELL, 3, 9_950, 4, NOW),
            {
                "type": "liquidation", **TRADER, "reason": "bankruptcy", "qty": 3, "side": "sell", "symbol": "SIM", "price": 99.5,
                **PUBLIC,
            },
        )
    ],
    ev.AccountStatus: [
        (
            ev.AccountStatus("alice", ev.AccountState.FROZEN, 4, NOW),
            {"type": "account_status", **TRADER, "status": "frozen", **PUBLIC},
        )
    ],
    ev.InsuranceUpdate: [(ev.InsuranceUpdate(-5, NOW), {"type": "insurance_update", "cash": -0.05, **PUBLIC})],
    ev.MarketStatus: [
        (
            ev.MarketStatus("SIM", ev.TradingStatus.HALTED, "halt", NOW),
            {"type": "market_status", "symbol": "SIM", "status": "halted", "reason": "halt", **PUBLIC},
        )
    ],
    ev.OrderAdded: [
        (
            ev.OrderAdded(7, "SIM", "alice", BUY, 9_999, 5, NOW),
            {"type": "order_add", "order_id": 7, "symbol": "SIM", "side": "buy", "price": 99.99, "qty": 5, **PUBLIC},
        )
    ],
    ev.OrderReduced: [
        (
            ev.OrderReduced(7, "SIM", "alice", BUY, 9_999, 2, NOW),
            {"type": "order_reduce", "order_id": 7, "symbol": "SIM", "qty": 2, **PUBLIC},
        )
    ],
    ev.OrderRemoved: [
        (
            ev.OrderRemoved(7, "SIM", "alice", BUY, 9_999, 3, NOW),
            {"type": "order_remove", "order_id": 7, "symbol": "SIM", **PUBLIC},
        )
    ],
}  # fmt: skip


def encoded(event: Any, view: View = "public") -> bytes:
    venue = SocketlessVenue(TWO_MARKETS)
    if isinstance(event, ev.LoggedIn):
        return AccountViews(venue.exchange, venue.encoder.units).logged_in(event, "trade")
    if isinstance(event, get_args(ev.PublicEvent)):
        return venue.encoder.event(event, view, 11, 3)
    return venue.encoder.event(event, "own")


def test_there_is_a_sample_of_every_event():
    events = {
        each
        for each in vars(ev).values()
        if hasattr(each, "__struct_fields__") and each.__module__ == ev.__name__
    }
    assert set(SAMPLES) == events


@pytest.mark.parametrize(("event", "expected"), [
    pytest.param(*sample, id=f"{kind.__name__}-{n}") for kind, samples in SAMPLES.items() for n, sample in enumerate(samples)
])  # fmt: skip
def test_every_event_is_written_as_the_message_of_its_class(event, expected):
    message = encoded(event)
    assert checked(message) == expected
    assert json.loads(message.decode("ascii")) == expected


@pytest.mark.parametrize("kind", [ev.OrderAdded, ev.OrderReduced, ev.OrderRemoved])
def test_only_orders_full_names_the_trader(kind):
    event, anonymous = SAMPLES[kind][0]
    assert checked(encoded(event, "observer")) == anonymous | TRADER


@pytest.mark.parametrize("kind", [ev.Liquidation, ev.AccountStatus])
def test_what_everybody_hears_its_trader_hears_with_his_own_number(kind):
    event, public = SAMPLES[kind][0]
    assert (
        checked(SocketlessVenue(TWO_MARKETS).encoder.event(event, "own"))
        == {key: value for key, value in public.items() if key not in PUBLIC} | PRIVATE
    )


def test_a_deleveraging_fill_has_no_order_and_no_trade():
    event = ev.Fill(
        None, None, None, "alice", "SIM", SELL, 9_950, 3, 0, 0, ev.Liquidity.ADL, 4, NOW
    )
    fields = checked(encoded(event))
    assert (fields["order_id"], fields["trade_id"], fields["liquidity"]) == (None, None, "adl")


def test_a_trade_is_the_same_to_everybody():
    event, expected = SAMPLES[ev.Trade][0]
    assert checked(encoded(event, "observer")) == expected


@pytest.mark.parametrize("request_kind", ev.Request)
@pytest.mark.parametrize("reason", ev.Reason)
def test_every_reason_can_be_told(request_kind, reason):
    message = checked(
        encoded(
            ev.Rejected(
                request_kind, reason, "alice", NOW, "SIM", details={"best_price": 10_001}
            )
        )
    )
    assert (message["reason"], message["details"]) == (reason.value, {"best_price": 100.01})


# --------------------------------------------------------------------------------------- the prices

TICKS = ["0.01", "0.05", "0.25", "0.00000001", "5"]


def scale_of(tick: str, max_price: str = "1000000") -> PriceScale:
    text = f"[market]\nmoney_decimals = 8\n[[instruments]]\ntick = {tick}\nreference_price = 100\nmax_price = {max_price}"
    return PriceScale(parse_settings(text).engine_instruments()[0])


def prices(tick: str) -> st.SearchStrategy[int]:
    """Up to 1,000,000, in ticks; often small ones."""
    return st.integers(1, int(1_000_000 / Decimal(tick))) | st.integers(1, 10_000)


def assert_crosses(scale: PriceScale, tick: str, ticks: int) -> None:
    price = scale.price(ticks)
    assert price == float(ticks * Decimal(tick)), "the double nearest to the decimal"
    assert scale.ticks(json.loads(json.dumps(price))) == ticks
    assert scale.ticks(float(f"{ticks * Decimal(tick):f}")) == ticks, "as a person writes it"


@pytest.mark.parametrize("tick", TICKS)
@THOROUGH
@given(st.data())
def test_a_price_on_the_tick_crosses_the_border_both_ways_without_loss(tick, data):
    scale = scale_of(tick)
    ticks = data.draw(prices(tick))
    assert_crosses(scale, tick, ticks)
    assert scale.ticks(-scale.price(ticks)) == -ticks
    assert scale.ticks(0.0) == 0


@THOROUGH
@given(st.integers(2**45, 2**50) | st.integers(2**50, 2**53) | st.integers(2**52, 2**53))
def test_so_does_the_highest_price_that_settings_allow(ticks):
    tick = "0.00000001"
    try:
        scale = scale_of(tick, f"{ticks * Decimal(tick):f}")
    except SettingsError:
        return
    assert_crosses(scale, tick, ticks)


@pytest.mark.parametrize("tick", TICKS)
@THOROUGH
@given(st.data())
def test_a_price_beside_the_tick_is_refused_however_near(tick, data):
    scale = scale_of(tick)
    on_tick = scale.price(data.draw(prices(tick)))
    for beside in (math.nextafter(on_tick, math.inf), math.nextafter(on_tick, 0)):
        assert scale.ticks(beside) is None


@pytest.mark.parametrize("tick", TICKS)
@THOROUGH
@given(st.floats(-1e6, 1e6) | st.decimals(-1_000, 1_000, places=3).map(float))
@example(1e-300)
@example(0.1 + 0.2)
@example(-0.0)
def test_a_price_is_taken_if_and_only_if_it_is_the_double_of_a_tick(tick, price):
    near = int(Decimal(price) / Decimal(tick))
    matching = [
        ticks for ticks in range(near - 1, near + 2) if float(ticks * Decimal(tick)) == price
    ]
    assert scale_of(tick).ticks(price) == (matching[0] if matching else None)


@pytest.mark.parametrize("price", [1e16, 1e39, 1e300, 1.7e308, 5e-324])
def test_a_price_too_large_or_too_small_to_be_exact_is_on_no_tick(price):
    assert scale_of("0.01").ticks(price) is None
    assert scale_of("0.01").ticks(-price) is None


def test_an_off_tick_price_is_refused_and_never_rounded():
    venue = SocketlessVenue(TWO_MARKETS)
    answer = venue.client().asks(order("alice", price=100.005, client_order_id="c"))
    assert (answer["type"], answer["reason"], answer["details"]["tick"]) == (
        "order_rejected",
        "invalid_price",
        0.01,
    )
    assert (
        venue.client().asks(order("alice", price=20.03, symbol="ALT"))["reason"]
        == "invalid_price"
    )
    assert venue.client().asks(order("alice", price=20.05, symbol="ALT"))["price"] == 20.05


@pytest.mark.parametrize("written", ["100", "100.0", "1e2", "100.00000", "10000e-2", "1.0E+2"])
def test_a_number_means_its_nearest_double_however_it_is_written(written):
    frame = f'{{"type":"order","trader_id":"alice","side":"buy","qty":1,"price":{written}}}'
    assert SocketlessVenue().client().asks(frame)["price"] == 100.0


# ----------------------------------------------------------------------------- requests to commands


def command_of(frame: dict[str, Any], toml: str = TWO_MARKETS) -> Any:
    venue = SocketlessVenue(toml)
    venue.client().sends(frame)
    return venue.journal.commands[-1]


def test_every_field_of_an_order_arrives():
    everything = order(
        "alice", "SELL", 7, 20.05, symbol="ALT", client_order_id="c-1", time_in_force="GTD", expires_at=START_MS + 5,
        post_only=True, reduce_only=True, stp="Cancel_Both", order_type="LIMIT",
    )  # fmt: skip
    assert command_of(everything) == Order(
        "alice", "ALT", SELL, 7, 401, TimeInForce.GTD, "c-1", post_only=True, reduce_only=True,
        self_trade_prevention=SelfTradePrevention.CANCEL_BOTH, expires_at_ns=(START_MS + 5) * 1_000_000,
    )  # fmt: skip


def test_what_is_left_out_or_null_has_its_default():
    plain = Order("alice", "SIM", BUY, 1, 10_000)
    optional = (
        "order_type",
        "client_order_id",
        "symbol",
        "time_in_force",
        "expires_at",
        "post_only",
        "reduce_only",
        "stp",
    )
    assert command_of(order("alice")) == plain
    assert command_of(order("alice") | dict.fromkeys(optional) | {"request_id": None}) == plain


@pytest.mark.parametrize("in_force", [None, "gtc", "ioc"])
def test_a_market_order_does_not_rest_whatever_its_time_in_force(in_force):
    expected = Order("alice", "SIM", BUY, 1, None, TimeInForce.IOC)
    assert command_of(order("alice", price=None, time_in_force=in_force)) == expected
    assert (
        command_of(order("alice", price=None, time_in_force="fok")).time_in_force
        is TimeInForce.FOK
    )


@pytest.mark.parametrize("field", ["side", "order_type", "time_in_force", "stp"])
def test_words_are_taken_in_any_case_on_order(field):
    words = {
        "side": "sell",
        "order_type": "limit",
        "time_in_force": "ioc",
        "stp": "cancel_incoming",
    }
    expected = command_of(order("alice", **words))
    for written in (words[field].upper(), words[field].title(), words[field].swapcase()):
        assert command_of(order("alice", **(words | {field: written}))) == expected


@pytest.mark.parametrize("side", ["BUY", "buy", "Buy"])
def test_the_older_spelling_is_an_order(side):
    older = {
        "type": "place_order",
        "trader_id": "alice",
        "side": side,
        "price": 100.05,
        "quantity": 5,
        "spare": [1],
    }
    assert command_of(older) == Order("alice", "SIM", BUY, 5, 10_005)
    answer = SocketlessVenue().client().asks(older)
    assert (answer["type"], answer["side"], answer["qty"]) == ("order_accepted", "buy", 5)


def test_the_other_commands_arrive_whole():
    assert command_of({"type": "cancel", **TRADER, **IDS}) == Cancel("alice", 7, "c-1")
    assert command_of(
        {"type": "cancel_all", **TRADER, "symbol": "ALT", "side": "sell"}
    ) == CancelAll("alice", "ALT", SELL)
    assert command_of({"type": "cancel_all", **TRADER}) == CancelAll("alice", None, 0)
    assert command_of({"type": "replace", **TRADER, "order_id": 7, "qty": 3}) == Replace(
        "alice", 7, None, None, 3
    )


def test_a_replace_speaks_the_ticks_of_the_order_it_names():
    venue = SocketlessVenue(TWO_MARKETS)
    client = venue.client()
    client.sends(order("alice", price=20.05, symbol="ALT", client_order_id="c-1"))
    assert (
        client.asks({"type": "replace", **TRADER, "client_order_id": "c-1", "price": 20.10})[
            "price"
        ]
        == 20.1
    )
    assert (
        client.asks({"type": "replace", **TRADER, "client_order_id": "c-1", "price": 20.11})[
            "reason"
        ]
        == "invalid_price"
    )
