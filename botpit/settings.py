"""Every setting and limit of the exchange, with its unit: TOML text in, frozen models out.

A main reads the file; this module parses its text. Money and prices are written as people write them and
become the engine's integers here, once. A value that does not fit the integers (a tick value that is not a
whole number of account units) is refused by name. Docs: API_SPEC.md, Settings.
"""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from botpit.core.instrument import LARGEST_EXACT, Instrument, Rules

Bps = Annotated[int, Field(ge=0, le=10_000)]
SignedBps = Annotated[int, Field(ge=-10_000, le=10_000)]
Money = Annotated[Decimal, Field(ge=0, le=10**12)]
PositiveDecimal = Annotated[Decimal, Field(gt=0, le=10**9)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/\-][A-Za-z0-9_.:/@\-]{0,63}$")]
Count = Annotated[int, Field(ge=1, le=10**9)]
Milliseconds = Annotated[int, Field(ge=1, le=3_600_000)]


_TEXTS = {"symbol", "self_trade_prevention"}


class SettingsError(ValueError):
    """A setting that cannot be used; the text names it and the reason."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _is_of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        """TOML has kinds, and they are kept: neither a text nor true is a number."""
        is_text = isinstance(value, str) and info.field_name not in _TEXTS
        if is_text or isinstance(value, bool):
            raise ValueError("must be a number")
        return value


class ServerSettings(_Model):
    """Bounds of the sockets. Seconds and bytes."""

    slow_reader_bytes: Annotated[int, Field(ge=65_536, le=2**30)] = 1_048_576
    max_connections_per_address: Annotated[int, Field(ge=1, le=65_536)] = 256
    ping_s: Annotated[float, Field(gt=0, le=3_600)] = 5
    pong_s: Annotated[float, Field(gt=0, le=3_600)] = 5
    handshake_s: Annotated[float, Field(gt=0, le=3_600)] = 5


class MarketSettings(_Model):
    """The market's rules and the defaults of its instruments.

    Rates are in basis points, money in the account currency; a `max_position` of 0 is no cap.
    """

    money_decimals: Annotated[int, Field(ge=0, le=8)] = 2
    starting_cash: Money = Decimal(10_000)
    self_trade_prevention: Literal["cancel_resting", "cancel_incoming", "cancel_both"] = (
        "cancel_resting"
    )
    maker_fee_bps: SignedBps = 0
    taker_fee_bps: SignedBps = 0
    liquidation_fee_bps: Bps = 50
    initial_margin_bps: Bps = 2_000
    maintenance_margin_bps: Bps = 1_000
    price_band_bps: Bps = 1_000
    mark_move_bps: Bps = 100
    tick_ms: Milliseconds = 100
    mark_to_market_ms: Milliseconds = 1_000
    insurance_fund: Money = Decimal(0)
    max_accounts: Count = 10_000
    max_open_orders: Count = 200
    max_order_qty: Count = 10_000
    max_order_notional: Money = Decimal(1_000_000)
    max_position: Annotated[int, Field(ge=0, le=10**12)] = 0
    max_requests_per_s: Count = 1_000
    max_cancels_per_s: Count = 5_000
    settle_window_s: Annotated[int, Field(ge=1, le=3_600)] = 30


class InstrumentSettings(_Model):
    """One instrument. None takes the value of [market]; a `min_price` of None is one tick."""

    symbol: Name = "SIM"
    tick: PositiveDecimal = Decimal("0.01")
    lot: PositiveDecimal = Decimal(1)
    reference_price: PositiveDecimal = Decimal(100)
    min_price: PositiveDecimal | None = None
    max_price: PositiveDecimal = Decimal(1_000_000)
    min_qty: Count = 1
    max_qty: Count = 1_000_000
    maker_fee_bps: SignedBps | None = None
    taker_fee_bps: SignedBps | None = None
    liquidation_fee_bps: Bps | None = None
    initial_margin_bps: Bps | None = None
    maintenance_margin_bps: Bps | None = None
    price_band_bps: Bps | None = None
    mark_move_bps: Bps | None = None
    max_open_orders: Count | None = None
    max_order_qty: Count | None = None
    max_order_notional: Money | None = None
    max_position: Annotated[int, Field(ge=0, le=10**12)] | None = None


Instruments = Annotated[tuple[InstrumentSettings, ...], Field(min_length=1, max_length=1_000)]


class Settings(_Model):
    """The whole of exchange.toml."""

    market: MarketSettings = MarketSettings()
    server: ServerSettings = ServerSettings()
    instruments: Instruments = (InstrumentSettings(),)

    def rules(self) -> Rules:
        """The market's rules as the engine's integers."""
        market = self.market
        decimals = market.money_decimals
        return Rules(
            money_decimals=decimals,
            starting_cash=_units("market.starting_cash", market.starting_cash, decimals),
            self_trade_prevention=market.self_trade_prevention,
            insurance_fund=_units("market.insurance_fund", market.insurance_fund, decimals),
            max_accounts=market.max_accounts,
            mark_to_market_ms=market.mark_to_market_ms,
            settle_window_s=market.settle_window_s,
        )

    def engine_instruments(self) -> tuple[Instrument, ...]:
        """The instruments as the engine's integers, in the file's order."""
        return tuple(_instrument(each, self.market) for each in self.instruments)


def parse_settings(text: str) -> Settings:
    """Settings from the text of an exchange.toml; every key is optional.

    Raises SettingsError naming the key when the text is not TOML, a key is unknown, or a value cannot be
    used.
    """
    try:
        settings = Settings.model_validate(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(_printable, first["loc"]))
        raise SettingsError(f"{key}: {_plain(first)}") from error
    symbols = [each.symbol for each in settings.instruments]
    if len(set(symbols)) < len(symbols):
        repeated = max(symbols, key=symbols.count)
        raise SettingsError(f"instruments: symbol {repeated!r} is there twice")
    settings.rules()
    settings.engine_instruments()
    return settings


def _plain(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "unknown key"
    return str(error["msg"]).removeprefix("Value error, ")


def _printable(key: object) -> str:
    """A foreign key on one line, whatever its characters."""
    return ascii(str(key))[1:-1]


def _units(name: str, value: Decimal, decimals: int) -> int:
    """`value` in units of 10^-decimals; refused when that is not whole, or too large to be exact."""
    units = value.scaleb(decimals)
    if units != units.to_integral_value():
        raise SettingsError(f"{name}: {value} has more than {decimals} decimals")
    if units > LARGEST_EXACT:
        raise SettingsError(f"{name}: {value} is too large to be exact")
    return int(units)


def _instrument(each: InstrumentSettings, market: MarketSettings) -> Instrument:
    name = f"instruments.{each.symbol}"
    own = each.model_dump(include=_OVERRIDES, exclude_none=True)
    rates = market.model_dump(include=_OVERRIDES) | own
    max_notional = rates.pop("max_order_notional")
    tick_decimals = _decimals(each.tick)
    tick_value = _tick_value(name, each, market)
    prices = _prices(name, each)
    if each.min_qty > each.max_qty:
        raise SettingsError(f"{name}.min_qty: greater than max_qty")
    _check_rates(name, rates)
    return Instrument(
        symbol=each.symbol,
        tick_units=int(each.tick.scaleb(tick_decimals)),
        tick_decimals=tick_decimals,
        lot=f"{each.lot.normalize():f}",
        tick_value=tick_value,
        min_qty=each.min_qty,
        max_qty=each.max_qty,
        max_order_notional=_units(
            f"{name}.max_order_notional", max_notional, market.money_decimals
        ),
        **prices,
        **rates,
    )


_OVERRIDES = {
    "maker_fee_bps",
    "taker_fee_bps",
    "liquidation_fee_bps",
    "initial_margin_bps",
    "maintenance_margin_bps",
    "price_band_bps",
    "mark_move_bps",
    "max_open_orders",
    "max_order_qty",
    "max_order_notional",
    "max_position",
}
"""What an instrument may set for itself instead of taking it from [market]."""


def _decimals(tick: Decimal) -> int:
    return max(0, -int(tick.normalize().as_tuple().exponent))


def _tick_value(name: str, each: InstrumentSettings, market: MarketSettings) -> int:
    """Money for one lot and one tick, in account units."""
    value = (each.tick * each.lot).scaleb(market.money_decimals)
    if value != value.to_integral_value() or value < 1:
        product = f"tick x lot x 10^money_decimals is {value:f}"
        raise SettingsError(f"{name}: {product}, not a whole number of account units")
    return int(value)


def _prices(name: str, each: InstrumentSettings) -> dict[str, int]:
    """The instrument's prices in ticks."""
    ticks = {}
    for key in ("reference_price", "min_price", "max_price"):
        price = getattr(each, key) or each.tick
        ticks[key] = _ticks(f"{name}.{key}", price, each.tick, _decimals(each.tick))
    if not ticks["min_price"] <= ticks["reference_price"] <= ticks["max_price"]:
        raise SettingsError(f"{name}.reference_price: must lie within min_price and max_price")
    return ticks


def _ticks(name: str, price: Decimal, tick: Decimal, tick_decimals: int) -> int:
    if price % tick:
        raise SettingsError(f"{name}: {price} is not on the tick {tick}")
    if price.scaleb(tick_decimals) > LARGEST_EXACT:
        raise SettingsError(
            f"{name}: {price} is too large to be exact at {tick_decimals} decimals"
        )
    return int(price / tick)


def _check_rates(name: str, rates: dict[str, Any]) -> None:
    if not 0 < rates["maintenance_margin_bps"] < rates["initial_margin_bps"]:
        raise SettingsError(
            f"{name}: 0 < maintenance_margin_bps < initial_margin_bps must hold"
        )
    if rates["price_band_bps"] >= rates["initial_margin_bps"]:
        raise SettingsError(f"{name}: price_band_bps must be smaller than initial_margin_bps")
    if rates["maker_fee_bps"] + rates["taker_fee_bps"] < 0:
        raise SettingsError(f"{name}: maker_fee_bps + taker_fee_bps must not be negative")
