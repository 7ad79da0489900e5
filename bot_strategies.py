"""The vocabulary of bots: Strategy, what it sees and may do, the built-in strategies, and how one is loaded by its name.

A strategy is one class with no socket, clock or thread in it, so that the same class fights a live battle and a simulated one. It
is asked in one of two styles, or both: polled (`next_order`, the older and shorter one) or by events (`on_book`, `on_trade` …).

Prices are numbers as people write them, quantities whole lots, money the account currency, times Unix epoch milliseconds.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import random
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from math import sqrt
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Protocol, TypedDict, Unpack, get_type_hints

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from message_schemas import (
    CancelRejected,
    Fill,
    InstrumentInfo,
    LastTrade,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderReplaced,
    OrderRequest,
    OrderType,
    ReplaceRejected,
    Side,
    SideWord,
    TimeInForce,
    Trade,
)

__all__ = [
    "BUILT_IN", "Book", "Fill", "InstrumentInfo", "Maker", "Market", "MeanReversion", "Momentum", "OpenOrder", "OrderEvent",
    "OrderRequest", "OrderType", "RandomTrader", "Side", "Strategy", "StrategyContext", "StrategyError", "Taker", "Terms",
    "TimeInForce", "Trade", "load_strategy",
]  # fmt: skip

OrderEvent = OrderAccepted | OrderRejected | OrderCancelled | OrderReplaced | ReplaceRejected | CancelRejected
"""What `on_order` is told: an answer, or something that happened to an own order other than a fill."""


class StrategyError(ValueError):
    """A strategy that cannot be had: not found, not loadable, or refused for its parameters. The text says which and why."""


# --------------------------------------------------------------------------------------------- what a strategy sees and does


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyContext:
    """The market and the account at one moment. `mid_price` is the mark price while a side of the book is empty."""

    trader_id: str
    best_bid: float | None
    best_ask: float | None
    mid_price: float
    spread: float | None
    timestamp: int
    position: int = 0
    cash: float = 10_000.0
    avg_entry_price: float = 0.0
    realized_pnl: float = 0.0
    unrealized_pnl: float = 0.0
    total_equity: float = 10_000.0
    maintenance_margin: float = 0.0
    last_rejection_reason: str | None = None
    last_rejection_ts: int = 0
    last_liquidation_ts: int = 0


@dataclass(slots=True, kw_only=True)
class OpenOrder:
    """An own order that is open or on its way. `order_id` is None until the exchange has answered.

    `leaves_qty` is what is still open. `queue_ahead`: at most so many lots stand before it at its price, None while unknown.
    `cancelling`: its cancel is on its way.
    """

    client_order_id: str | None
    side: SideWord
    qty: int
    leaves_qty: int
    price: float | None
    order_id: int | None = None
    queue_ahead: int | None = None
    cancelling: bool = False


class Terms(TypedDict, total=False):
    """What an order may say beside quantity and price. `expires_at` is for gtd orders; `post_only` ones never take."""

    time_in_force: TimeInForce
    expires_at: int
    post_only: bool
    reduce_only: bool


class Book(Protocol):
    """The best levels as last told, (price, lots) best first."""

    @property
    def bids(self) -> Sequence[tuple[float, int]]: ...
    @property
    def asks(self) -> Sequence[tuple[float, int]]: ...
    @property
    def best_bid(self) -> float | None: ...
    @property
    def best_ask(self) -> float | None: ...
    @property
    def mark_price(self) -> float: ...
    @property
    def status(self) -> str: ...
    @property
    def last_trade(self) -> LastTrade | None: ...


class Market(Protocol):
    """What an event-style strategy is handed: the market's first instrument, the own account and orders, and the ways to act.

    A request goes out when the hook returns. The ways to act say False (or None) when nothing can be sent now: a connection is
    down, the exchange asked to slow down, or too many requests wait for their answer.
    """

    @property
    def context(self) -> StrategyContext: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def instrument(self) -> InstrumentInfo: ...
    @property
    def book(self) -> Book: ...
    @property
    def mid_price(self) -> float:
        """The middle of the best prices; the mark price while a side is empty."""
    @property
    def position(self) -> int: ...
    @property
    def equity(self) -> float: ...
    @property
    def orders(self) -> Sequence[OpenOrder]:
        """The own orders that are open or on their way, oldest first."""

    def buy(self, qty: int, price: float | None = None, **terms: Unpack[Terms]) -> str | None:
        """Order `qty` lots at `price` or better, at the market when it is None; gives the order's `client_order_id`."""

    def sell(self, qty: int, price: float | None = None, **terms: Unpack[Terms]) -> str | None:
        """As `buy`."""

    def cancel(self, order: OpenOrder) -> bool: ...
    def replace(self, order: OpenOrder, *, price: float | None = None, qty: int | None = None) -> bool:
        """Change price, total quantity (the filled part included), or both; fewer lots at the same price keep their place."""

    def cancel_all(self, side: SideWord | None = None) -> bool: ...
    def to_tick(self, price: float, side: SideWord) -> float:
        """The nearest price on the tick that is no worse for the one who orders: bids are rounded down, asks up."""


class Strategy:
    """A trader's mind; override what you need.

    The constructor takes its parameters as annotated keyword arguments (or as one pydantic model called `params`), and
    `trader_id` and `rng`, its only source of chance, when it names them. A hook that raises is logged and the bot goes on; the
    same hook raising 10 times in a row ends the bot.
    """

    def on_start(self, market: Market) -> None:
        """Once per market, when market data and account are there."""

    def on_book(self, market: Market) -> None:
        """The best levels changed (they are told at most 20 times a second)."""

    def on_trade(self, market: Market, trade: Trade) -> None:
        """Somebody traded."""

    def on_fill(self, market: Market, fill: Fill) -> None:
        """An own order traded; position and orders count it already."""

    def on_order(self, market: Market, event: OrderEvent) -> None:
        """An own order was accepted, refused, replaced or cancelled."""

    def on_timer(self, market: Market) -> None:
        """Every `decision_interval`."""

    def on_stop(self, market: Market) -> None:
        """The bot is about to stop; afterwards its open orders are cancelled."""

    def next_order(self, context: StrategyContext) -> OrderRequest | None:
        """The older style: the next order, or None. Asked every `decision_interval`."""
        return None


class Polled(Strategy):
    """A class that has `next_order` but is no Strategy: how plugins of the older framework are written."""

    def __init__(self, plugin: Any) -> None:
        self.plugin = plugin

    def next_order(self, context: StrategyContext) -> OrderRequest | None:
        order: OrderRequest | None = self.plugin.next_order(context)
        return order


# ------------------------------------------------------------------------------------------------------- built-in strategies

SIDES: tuple[SideWord, ...] = ("buy", "sell")
Lots = Annotated[int, Field(ge=1, le=1_000_000)]
Ticks = Annotated[int, Field(ge=0, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0, le=1e6)]


@dataclass(kw_only=True)
class Maker(Strategy):
    """Quotes a ladder on both sides around a price that leans against its own inventory.

    Idea: Avellaneda and Stoikov, High-frequency trading in a limit order book (2008): a dealer quotes around the mid moved by his
    inventory times his aversion to it; here linear, `skew` ticks per lot. A quote farther than `refresh` ticks from where it
    should be is stale and cancelled; the others keep their place in the queue.
    """

    levels: Annotated[int, Field(ge=1, le=50)] = 5
    size: Lots = 5
    half_spread_ticks: Ticks = 2
    step_ticks: Annotated[int, Field(ge=1, le=1_000)] = 1
    skew: NotNegative = 0.1
    max_position: Lots = 100
    refresh: Ticks = 1

    def on_timer(self, market: Market) -> None:
        for side in SIDES:
            wanted = self._ladder(market, side)
            served = self._cancel_stale(market, side, wanted)
            self._fill_up(market, side, [price for price in wanted if price not in served])

    def _ladder(self, market: Market, side: SideWord) -> list[float]:
        """Where this side's quotes should stand, best first; never through the other side's best price."""
        sign, tick = _sign(side), market.instrument.tick
        centre = market.mid_price - self.skew * market.position * tick
        best = centre - sign * self.half_spread_ticks * tick
        opposite = market.book.best_ask if side == "buy" else market.book.best_bid
        if opposite is not None:
            best = sign * min(sign * best, sign * opposite - tick)
        return [market.to_tick(best - sign * level * self.step_ticks * tick, side) for level in range(self.levels)]

    def _cancel_stale(self, market: Market, side: SideWord, wanted: list[float]) -> set[float]:
        """Cancel each quote that stands nowhere near a wanted price of its own; the wanted prices that are served."""
        near = (self.refresh + 0.5) * market.instrument.tick
        served: set[float] = set()
        for order in market.orders:
            if order.side != side or order.cancelling or order.price is None:
                continue
            free = [(abs(price - order.price), price) for price in wanted if price not in served]
            if free and min(free)[0] < near:
                served.add(min(free)[1])
            else:
                market.cancel(order)
        return served

    def _fill_up(self, market: Market, side: SideWord, prices: list[float]) -> None:
        room = _room(market, side, self.max_position)
        for price in prices:
            qty = min(self.size, room)
            if qty < market.instrument.min_qty:
                return
            _order(market, side, qty, price, post_only=True)
            room -= qty


@dataclass(kw_only=True)
class Taker(Strategy):
    """Works large orders off in small market-crossing slices, one large order after the other.

    Idea: Lillo, Mike and Farmer, Theory for long memory in supply and demand (2005): the signs of real orders are persistent
    because large orders are split. The side of each is drawn at random, leaning back to flat the larger the position is.
    """

    rng: random.Random
    size: Lots = 2
    slices: Lots = 10
    activity: Share = 0.5
    max_position: Lots = 60
    _side: SideWord = field(init=False, default="buy")
    _slices_left: int = field(init=False, default=0)

    def on_timer(self, market: Market) -> None:
        if market.orders or self.rng.random() >= self.activity:
            return
        if self._slices_left == 0:
            self._side = self._draw_side(market.position)
            self._slices_left = self.rng.randint(1, 2 * self.slices)
        self._slices_left -= 1
        target = _sign(self._side) * self.max_position
        _approach(market, target, self.rng.randint(1, 2 * self.size))

    def _draw_side(self, position: int) -> SideWord:
        lean = min(max(position / self.max_position, -1.0), 1.0)
        return "sell" if self.rng.random() < (1 + lean) / 2 else "buy"


@dataclass(kw_only=True)
class RandomTrader(Strategy):
    """Orders at random prices, but never at a worse one than the lot is worth to it, and never more than it may hold.

    Idea: the budget-constrained zero-intelligence trader of Gode and Sunder, Allocative efficiency of markets with
    zero-intelligence traders (1993). A lot's worth is the mid price moved by a normal draw of `width_ticks`; the price is uniform
    between that and `width_ticks` worse for the other side. Beyond `max_orders` the oldest order is cancelled.
    """

    rng: random.Random
    size: Lots = 3
    width_ticks: Annotated[int, Field(ge=1, le=1_000_000)] = 10
    max_orders: Annotated[int, Field(ge=1, le=100)] = 8
    max_position: Lots = 50

    def on_timer(self, market: Market) -> None:
        if len(market.orders) >= self.max_orders:
            market.cancel(market.orders[0])
            return
        side = self.rng.choice(SIDES)
        width = self.width_ticks * market.instrument.tick
        worth = self.rng.gauss(market.mid_price, width)
        price = market.to_tick(worth - _sign(side) * self.rng.uniform(0, width), side)
        qty = min(self.rng.randint(1, 2 * self.size), _room(market, side, self.max_position))
        if qty >= market.instrument.min_qty and price >= market.instrument.min_price:
            _order(market, side, qty, price)


@dataclass(kw_only=True)
class Momentum(Strategy):
    """Follows the trend: long while a fast average of the price stands above a slow one, short while below.

    Idea: the moving-average rules of Brock, Lakonishok and LeBaron, Simple technical trading rules and the stochastic properties
    of stock returns (1992), with their band: within `band_ticks` of each other the averages say nothing and the position is kept.
    `fast` and `slow` are the averages' lengths in decisions.
    """

    fast: Annotated[int, Field(ge=1, le=100_000)] = 5
    slow: Annotated[int, Field(ge=2, le=100_000)] = 20
    band_ticks: NotNegative = 0.5
    size: Lots = 3
    max_position: Lots = 40
    _averages: list[float] = field(init=False, default_factory=list)
    _target: int = field(init=False, default=0)

    def on_timer(self, market: Market) -> None:
        price = market.mid_price
        before = self._averages or [price, price]
        self._averages = [
            average + 2 / (length + 1) * (price - average) for average, length in zip(before, (self.fast, self.slow), strict=True)
        ]
        trend = self._averages[0] - self._averages[1]
        if abs(trend) > self.band_ticks * market.instrument.tick:
            self._target = self.max_position if trend > 0 else -self.max_position
        if not market.orders:
            _approach(market, self._target, self.size)


@dataclass(kw_only=True)
class MeanReversion(Strategy):
    """Bets on the way back: sells what stands far above its recent mean, buys what stands far below, goes flat in between.

    Idea: Poterba and Summers, Mean reversion in stock prices (1988). Far is `entry` standard deviations of the last `window`
    decisions' prices (and at least a tick), back is `exit` of them.
    """

    window: Annotated[int, Field(ge=2, le=100_000)] = 40
    entry: NotNegative = 1.5
    exit: NotNegative = 0.3
    size: Lots = 3
    max_position: Lots = 40
    _prices: deque[float] = field(init=False)
    _target: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._prices = deque(maxlen=self.window)

    def on_timer(self, market: Market) -> None:
        self._prices.append(market.mid_price)
        if len(self._prices) < self.window:
            return
        mean = sum(self._prices) / self.window
        deviation = sqrt(sum((price - mean) ** 2 for price in self._prices) / self.window)
        distance = (market.mid_price - mean) / max(deviation, market.instrument.tick)
        if abs(distance) > self.entry:
            self._target = -self.max_position if distance > 0 else self.max_position
        elif abs(distance) < self.exit:
            self._target = 0
        if not market.orders:
            _approach(market, self._target, self.size)


BUILT_IN: dict[str, type[Strategy]] = {
    "maker": Maker, "taker": Taker, "random": RandomTrader, "momentum": Momentum, "mean_reversion": MeanReversion,
}  # fmt: skip


def _sign(side: SideWord) -> int:
    return 1 if side == "buy" else -1


def _order(market: Market, side: SideWord, qty: int, price: float, **terms: Unpack[Terms]) -> None:
    (market.buy if side == "buy" else market.sell)(qty, price, **terms)


def _room(market: Market, side: SideWord, max_position: int) -> int:
    """Lots that may still be ordered on this side if all of it should trade."""
    ordered = sum(order.leaves_qty for order in market.orders if order.side == side)
    return max_position - _sign(side) * market.position - ordered


def _approach(market: Market, target: int, most: int) -> None:
    """Take what the best opposite price offers towards the target position, at most `most` lots."""
    gap = target - market.position
    side: SideWord = "buy" if gap > 0 else "sell"
    best = market.book.best_ask if gap > 0 else market.book.best_bid
    qty = min(abs(gap), most)
    if best is not None and qty >= market.instrument.min_qty:
        _order(market, side, qty, best, time_in_force=TimeInForce.IOC)


# ------------------------------------------------------------------------------------------------------- loading by its name


def load_strategy(
    name: str, *, trader_id: str, rng: random.Random, params: Mapping[str, object], relative_to: Path = Path()
) -> Strategy:
    """Make the strategy called `name`: a built-in, `module:Class`, or `path/to/file.py:Class`.

    Files and modules are looked for from the folder `relative_to` (modules on Python's own path first). `params` may be typed or
    text: each is read as its annotation says. Raises StrategyError naming the strategy and, where one is at fault, the parameter.
    """
    strategy_class = BUILT_IN.get(name.lower()) or _plugin_class(name, relative_to.resolve())
    arguments = _arguments(name, strategy_class, {"trader_id": trader_id, "rng": rng}, params)
    try:
        made = strategy_class(**arguments)
    except Exception as error:
        raise StrategyError(f"strategy {name}: its constructor failed: {type(error).__name__}: {error}") from error
    if isinstance(made, Strategy):
        return made
    if callable(getattr(made, "next_order", None)):
        return Polled(made)
    raise StrategyError(f"strategy {name}: the class is no bot_strategies.Strategy and has no next_order(context)")


def _plugin_class(name: str, folder: Path) -> type[Any]:
    where, _, class_name = name.rpartition(":")
    if not where or not class_name:
        raise StrategyError(f"strategy {name}: no built-in of that name ({', '.join(sorted(BUILT_IN))}); "
                            "a plugin is named module:Class or path/to/file.py:Class")  # fmt: skip
    try:
        module = _import_file(folder / where) if where.endswith(".py") else _import_module(where, folder)
    except Exception as error:
        raise StrategyError(f"strategy {name}: cannot import {where}: {type(error).__name__}: {error}") from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise StrategyError(f"strategy {name}: {where} has no class {class_name}")
    return found


def _import_module(where: str, folder: Path) -> ModuleType:
    _look_in(folder)
    return importlib.import_module(where)


def _import_file(path: Path) -> ModuleType:
    """Import a file under a name made of its whole path: two plugins called alike do not meet."""
    path = path.resolve()
    name = f"{path.stem}_{sha256(str(path).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path
    _look_in(path.parent)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _look_in(folder: Path) -> None:
    """Last in Python's path, so that no file of a plugin's folder hides a module of the standard library."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _arguments(
    name: str, strategy_class: type[Any], house: dict[str, object], params: Mapping[str, object]
) -> dict[str, object]:
    """The keyword arguments of the constructor. Parameters travel as text, so that a config file and a flag mean the same."""
    text = {key: str(value) for key, value in params.items()}
    keywords = dict(inspect.signature(strategy_class).parameters)
    if any(each.kind is each.VAR_KEYWORD for each in keywords.values()):
        return house | {"params": text}  # a plugin of the older framework that hands everything on
    given = {key: value for key, value in house.items() if key in keywords}
    if "params" in keywords:
        return given | {"params": _params_object(name, strategy_class, text)}
    own = {key: each for key, each in keywords.items() if key not in house}
    _refuse_unknown(name, text, own)
    missing = [key for key, each in own.items() if key not in text and each.default is each.empty]
    if missing:
        raise StrategyError(f"strategy {name}: parameter {missing[0]} is missing")
    hints = _hints(name, strategy_class)
    return given | {key: _typed(name, key, value, hints) for key, value in text.items()}


def _hints(name: str, strategy_class: type[Any]) -> dict[str, Any]:
    try:
        return get_type_hints(strategy_class.__init__, include_extras=True)
    except NameError as error:
        raise StrategyError(f"strategy {name}: the types of its parameters cannot be read: {error}") from error


def _typed(name: str, key: str, value: str, hints: dict[str, Any]) -> object:
    if key not in hints:
        raise StrategyError(f"strategy {name}: parameter {key} has no type; annotate it in the constructor")
    try:
        return TypeAdapter(hints[key]).validate_strings(value)
    except ValidationError as error:
        raise StrategyError(f"strategy {name}: parameter {key}={value}: {_reason(error)}") from error


def _params_object(name: str, strategy_class: type[Any], text: dict[str, str]) -> object:
    """What a constructor with `params` gets: its pydantic model, or in the older style the texts themselves."""
    try:
        model = get_type_hints(strategy_class.__init__).get("params")
    except NameError:  # an older plugin's annotation that only a type checker can read
        return text
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return text
    _refuse_unknown(name, text, model.model_fields)
    try:
        return model.model_validate_strings(text)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise StrategyError(f"strategy {name}: parameter {key}: {_reason(error)}") from error


def _refuse_unknown(name: str, text: dict[str, str], known: Mapping[str, object]) -> None:
    for key in text:
        if key not in known:
            raise StrategyError(f"strategy {name}: unknown parameter {key}; it knows {', '.join(known) or 'none'}")


def _reason(error: ValidationError) -> str:
    return error.errors(include_url=False)[0]["msg"]
