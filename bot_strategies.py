"""The vocabulary of bots: Strategy, what it sees and may do, the names of the built-in ones, and how one is
loaded by its name.

A strategy is one class with no socket, clock or thread in it, so that the same class fights a live battle and
a simulated one. It is asked in one of two styles, or both: polled (`next_order`, the older and shorter one)
or by events (`on_book`, `on_trade` …).

Prices are numbers as people write them, quantities whole lots, money the account currency, times Unix epoch
milliseconds.

Run as a program it shows the built-in strategies with their parameters, and those of any plugin it is named.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import random
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from itertools import zip_longest
from math import isfinite
from pathlib import Path
from types import ModuleType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Protocol,
    TypedDict,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from botpit import __version__
from botpit.wire.explain import in_pydantic
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

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

__all__ = [
    "ALL",
    "BUILT_IN",
    "Book",
    "Fill",
    "InstrumentInfo",
    "Market",
    "OpenOrder",
    "OrderEvent",
    "OrderRequest",
    "OrderType",
    "Side",
    "Strategy",
    "StrategyContext",
    "StrategyError",
    "Terms",
    "TimeInForce",
    "Trade",
    "describe_strategy",
    "load_strategy",
]

OrderEvent = (
    OrderAccepted
    | OrderRejected
    | OrderCancelled
    | OrderReplaced
    | ReplaceRejected
    | CancelRejected
)
"""What `on_order` is handed: an answer, or something that happened to an own order other than a fill."""


ALL = "*"
"""As a strategy's `symbols`: every instrument of the market. No instrument can be called so."""


class StrategyError(ValueError):
    """A strategy that is not found, cannot be loaded, or is refused for a parameter; the text says which."""


# ------------------------------------------------------------------------------ what a strategy sees and does


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyContext:
    """Market and account at one moment. `mid_price` is the mark price while a side of the book is empty."""

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

    `leaves_qty` is what is still open. `queue_ahead`: at most so many lots stand before it at its price, None
    while unknown. `cancelling`: its cancel is on its way.
    """

    client_order_id: str | None
    symbol: str = ""
    side: SideWord
    qty: int
    leaves_qty: int
    price: float | None
    order_id: int | None = None
    queue_ahead: int | None = None
    cancelling: bool = False


class Terms(TypedDict, total=False):
    """What an order may say beside quantity and price. `expires_at` is for gtd orders; `post_only` ones never
    take.

    `symbol`: the instrument, if it is another one than that of the market it is ordered in.
    """

    symbol: str
    time_in_force: TimeInForce
    expires_at: int
    post_only: bool
    reduce_only: bool


class Book(Protocol):
    """The best levels as last published, (price, lots) best first."""

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
    """What an event-style strategy is handed: one instrument's market, the own account and orders in it, and
    the ways to act.

    A hook about an instrument is handed that one's market, every other hook that of the bot's own instrument;
    `of` leads to those of the others. A request goes out when the hook returns. The ways to act say False (or
    None) when nothing can be sent now: a connection is down, the exchange asked to slow down, or too many
    requests wait for their answer.
    """

    @property
    def symbol(self) -> str:
        """The instrument that all of this is about."""

    @property
    def symbols(self) -> Sequence[str]:
        """Every instrument that the bot trades, its own one first."""

    def of(self, symbol: str) -> Market:
        """The same of another one of `symbols`. Raises ValueError for what is none of them."""

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
        """Order `qty` lots at `price` or better (None: at the market); gives its `client_order_id`."""

    def sell(self, qty: int, price: float | None = None, **terms: Unpack[Terms]) -> str | None:
        """As `buy`."""

    def cancel(self, order: OpenOrder) -> bool: ...
    def replace(
        self, order: OpenOrder, *, price: float | None = None, qty: int | None = None
    ) -> bool:
        """Change price, total quantity (with the filled part), or both; fewer lots alone keep their place."""

    def cancel_all(self, side: SideWord | None = None, *, symbol: str | None = None) -> bool:
        """Cancel the open orders of one side, or all of them."""

    def to_tick(self, price: float, side: SideWord) -> float:
        """The nearest price on the tick that is no worse for the one who orders: bids go down, asks up."""


class Strategy:
    """A trader's mind; override what you need.

    The constructor takes its parameters as annotated keyword arguments (or as one pydantic model called
    `params`), and `trader_id` and `rng`, its only source of chance, when it names them. A hook that raises is
    logged and the bot goes on; the same hook raising 10 times in a row ends the bot.

    `symbols` names the instruments it trades, the most important one first, in the class or by the
    constructor: `("SIM", "ALT")`, or ALL. It hears of those and of no others. Without any it trades one:
    that which the bot is started with, or else the market's first.
    """

    symbols: Sequence[str] = ()

    def on_start(self, market: Market) -> None:
        """Once per market, when market data and account are there."""

    def on_book(self, market: Market) -> None:
        """The best levels changed (they are published at most 20 times a second)."""

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


BUILT_IN: dict[str, str] = {
    "maker": "botpit.bots.strategies.maker:Maker",
    "avellaneda_stoikov": "botpit.bots.strategies.avellaneda_stoikov:AvellanedaStoikov",
    "grid": "botpit.bots.strategies.grid:Grid",
    "taker": "botpit.bots.strategies.taker:Taker",
    "sniper": "botpit.bots.strategies.sniper:Sniper",
    "twap": "botpit.bots.strategies.execution:Twap",
    "pov": "botpit.bots.strategies.execution:Pov",
    "random": "botpit.bots.strategies.zero_intelligence:RandomTrader",
    "zic": "botpit.bots.strategies.zero_intelligence:Zic",
    "zip": "botpit.bots.strategies.zip_trader:Zip",
    "momentum": "botpit.bots.strategies.trend:Momentum",
    "mean_reversion": "botpit.bots.strategies.trend:MeanReversion",
    "value": "botpit.bots.strategies.value:Value",
}
"""The strategies that ship with botpit, in the order of the table: each a plugin that has a short name."""


# ---------------------------------------------------------------------------------------- loading by its name


def load_strategy(
    name: str,
    *,
    trader_id: str,
    rng: random.Random,
    params: Mapping[str, object],
    relative_to: Path = Path(),
) -> Strategy:
    """Make the strategy called `name`: a built-in, `module:Class`, or `path/to/file.py:Class`.

    Files and modules are looked for from the folder `relative_to` (modules on Python's own path first).
    `params` may be typed or text: each is read as its annotation says. Raises StrategyError naming the
    strategy and, where one is at fault, the parameter.
    """
    strategy_class = _strategy_class(name, relative_to)
    arguments = _arguments(name, strategy_class, {"trader_id": trader_id, "rng": rng}, params)
    try:
        made = strategy_class(**arguments)
    except Exception as error:
        raise StrategyError(
            f"strategy {name}: its constructor failed: {type(error).__name__}: {error}"
        ) from error
    if isinstance(made, Strategy):
        _check_symbols(name, made.symbols)
        return made
    if callable(getattr(made, "next_order", None)):
        return Polled(made)
    raise StrategyError(
        f"strategy {name}: the class is not a bot_strategies.Strategy and has no next_order(context)"
    )


def _check_symbols(name: str, symbols: object) -> None:
    """A class that has `symbols` of its own, meaning something else, is to hear of it before it trades."""
    if isinstance(symbols, Sequence) and all(isinstance(each, str) for each in symbols):
        return
    raise StrategyError(
        f"strategy {name}: symbols is {symbols!r}; it names instruments, as a list of texts"
    )


if not TYPE_CHECKING:  # a type checker is to see through no name that is not there

    def __getattr__(name: str) -> type[Strategy]:
        """`from bot_strategies import Maker`: the built-in classes have files of their own."""
        found = next(
            (short for short, where in BUILT_IN.items() if where.endswith(f":{name}")), None
        )
        if found is None:
            raise AttributeError(f"module {__name__} has no attribute {name}")
        return _strategy_class(found, Path())


def _strategy_class(name: str, folder: Path) -> type[Any]:
    where = BUILT_IN.get(name.lower())
    if where is None:
        return _plugin_class(name, folder.resolve())
    module, _, class_name = where.partition(":")
    built_in: type[Any] = getattr(importlib.import_module(module), class_name)
    return built_in


def _plugin_class(name: str, folder: Path) -> type[Any]:
    where, _, class_name = name.rpartition(":")
    if not where or not class_name:
        raise StrategyError(
            f"strategy {name}: no built-in of that name ({', '.join(BUILT_IN)}); "
            "a plugin is named module:Class or path/to/file.py:Class"
        )
    try:
        module = _import(where, folder)
    except Exception as error:
        raise StrategyError(
            f"strategy {name}: cannot import {where}: {type(error).__name__}: {error}"
        ) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise StrategyError(f"strategy {name}: {where} has no class {class_name}")
    return found


def _import(where: str, folder: Path) -> ModuleType:
    if where.endswith(".py"):
        return _import_file(folder / where)
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
    name: str, strategy_class: type[Any], ours: dict[str, object], params: Mapping[str, object]
) -> dict[str, object]:
    """The constructor's keyword arguments. Parameters travel as text: config file and flag mean the same."""
    text = {key: str(value) for key, value in params.items()}
    keywords = dict(inspect.signature(strategy_class).parameters)
    if any(each.kind is each.VAR_KEYWORD for each in keywords.values()):
        return ours | {
            "params": text
        }  # a plugin of the older framework that hands everything on
    given = {key: value for key, value in ours.items() if key in keywords}
    if "params" in keywords:
        return given | {"params": _params_object(name, strategy_class, text)}
    own = {key: each for key, each in keywords.items() if key not in ours}
    _refuse_unknown(name, text, own)
    missing = [
        key for key, each in own.items() if key not in text and each.default is each.empty
    ]
    if missing:
        raise StrategyError(f"strategy {name}: parameter {missing[0]} is missing")
    hints = _hints(name, strategy_class)
    return given | {key: _typed(name, key, value, hints) for key, value in text.items()}


def _hints(name: str, strategy_class: type[Any]) -> dict[str, Any]:
    """A dataclass is asked for its fields, not its constructor: each is then read in the module of the class
    that has it."""
    asked: Any = strategy_class.__init__
    if is_dataclass(strategy_class):
        names = {each.name for each in fields(strategy_class)}
        if inspect.signature(strategy_class).parameters.keys() <= names:
            asked = strategy_class
    try:
        return get_type_hints(asked, include_extras=True)
    except NameError as error:
        raise StrategyError(
            f"strategy {name}: the types of its parameters cannot be read: {error}"
        ) from error


def _typed(name: str, key: str, value: str, hints: dict[str, Any]) -> object:
    if key not in hints:
        raise StrategyError(
            f"strategy {name}: parameter {key} has no type; annotate it in the constructor"
        )
    found = _plain_number(value, hints[key])
    if found is not None:
        return found
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(in_pydantic(hints[key])).validate_strings(value)
    except ValidationError as error:
        raise StrategyError(
            f"strategy {name}: parameter {key}={value}: {_reason(error)}"
        ) from error


def _plain_number(value: str, hint: Any) -> float | None:
    """What most parameters are, within bounds; None: pydantic has to look, which takes 60 ms to import."""
    kind: Any = hint
    constraints: list[Any] = []
    if get_origin(hint) is Annotated:
        kind, *constraints = get_args(hint)
    if kind not in (int, float) or not all(
        isinstance(each, msgspec.Meta) for each in constraints
    ):
        return None
    try:
        found: float = msgspec.convert(value, hint, strict=False)
    except msgspec.ValidationError:
        return None
    return found if isfinite(found) else None


def _params_object(name: str, strategy_class: type[Any], text: dict[str, str]) -> object:
    """What a constructor with `params` gets: its pydantic model, or, older, the texts themselves."""
    model = _params_model(strategy_class)
    if model is None:
        return text
    _refuse_unknown(name, text, model.model_fields)
    from pydantic import ValidationError

    try:
        return model.model_validate_strings(text)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise StrategyError(f"strategy {name}: parameter {key}: {_reason(error)}") from error


def _params_model(strategy_class: type[Any]) -> type[BaseModel] | None:
    try:
        model = get_type_hints(strategy_class.__init__).get("params")
    except NameError:  # an older plugin's annotation that only a type checker can read
        return None
    if "pydantic" not in sys.modules or not isinstance(model, type):
        return None
    from pydantic import BaseModel

    return model if issubclass(model, BaseModel) else None


def _refuse_unknown(name: str, text: dict[str, str], known: Mapping[str, object]) -> None:
    for key in text:
        if key not in known:
            raise StrategyError(
                f"strategy {name}: unknown parameter {key}; it knows {', '.join(known) or 'none'}"
            )


def _reason(error: ValidationError) -> str:
    return error.errors(include_url=False)[0]["msg"]


# -------------------------------------------------------------------------------------- showing what there is


@dataclass(frozen=True, slots=True)
class Parameter:
    """`default` None: it must be given. `bounds`: what it may be, in words; empty: any of its type."""

    name: str
    kind: str
    default: str | None
    bounds: str

    def __str__(self) -> str:
        text = f"{self.name}: {self.kind}"
        if self.default is not None:
            text += f" = {self.default}"
        if self.bounds:
            text += f" ({self.bounds})"
        return text


@dataclass(frozen=True, slots=True)
class Description:
    """What a strategy says of itself: idea and source are the first and the last (`Source: …`) paragraph of
    its docstring."""

    name: str
    idea: str
    source: str
    parameters: list[Parameter]


def describe_strategy(name: str, *, relative_to: Path = Path()) -> Description:
    """The strategy called `name`, as for `load_strategy`, without making one. Raises StrategyError."""
    strategy_class = _strategy_class(name, relative_to)
    text = inspect.cleandoc(strategy_class.__doc__ or "")
    if text.startswith(
        f"{strategy_class.__name__}("
    ):  # by @dataclass, which repeats the signature
        text = ""
    idea, *others = (" ".join(each.split()) for each in text.split("\n\n"))
    source = ""
    if others and others[-1].startswith("Source: "):
        source = others[-1].removeprefix("Source: ")
    return Description(name, idea, source, list(_parameters(name, strategy_class)))


def _parameters(name: str, strategy_class: type[Any]) -> Iterator[Parameter]:
    keywords = dict(inspect.signature(strategy_class).parameters)
    if "params" in keywords or any(each.kind is each.VAR_KEYWORD for each in keywords.values()):
        yield from _parameters_of_model(_params_model(strategy_class))
        return
    hints = _hints(name, strategy_class)
    for key, keyword in keywords.items():
        if key not in ("trader_id", "rng"):
            each = _schema(hints.get(key, Any))
            yield Parameter(key, _kind(each), _default(keyword.default), _bounds(each))


def _parameters_of_model(model: type[BaseModel] | None) -> Iterator[Parameter]:
    if model is not None:
        for key, each in model.model_json_schema().get("properties", {}).items():
            default = _default(each.get("default", inspect.Parameter.empty))
            yield Parameter(key, _kind(each), default, _bounds(each))


def _schema(hint: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(in_pydantic(hint)).json_schema()
    except PydanticUserError:  # a type of the plugin's own that has no schema
        return {}


_KINDS = {"integer": "int", "number": "float", "boolean": "bool", "string": "text"}


def _kind(schema: dict[str, Any]) -> str:
    return _KINDS.get(schema.get("type", ""), "value")


def _default(value: object) -> str | None:
    return None if value is inspect.Parameter.empty else str(value)


def _bounds(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "minimum" in schema and "maximum" in schema:
        return f"{_figure(schema['minimum'])} … {_figure(schema['maximum'])}"
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return ", ".join(
        f"{sign} {_figure(schema[key])}" for key, sign in signs.items() if key in schema
    )


def _figure(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else f"{number:g}"


def table(descriptions: Sequence[Description], width: int) -> Iterator[str]:
    """Lines of at most `width` characters: name and parameters on the left, idea and source on the right."""
    heads = [("strategy and its parameters: type = default (bounds)", "idea and source")]
    rows = [
        ([each.name, *(f"  {parameter}" for parameter in each.parameters)], _words(each))
        for each in descriptions
    ]
    left = min(max((len(line) for lines, _ in rows for line in lines), default=0), width // 2)
    left = max(left, min(len(heads[0][0]), width // 2))
    for lines, words in [([heads[0][0]], [heads[0][1]]), *rows]:
        column = [
            piece
            for line in lines
            for piece in textwrap.wrap(line, left, subsequent_indent="    ")
        ]
        beside = [piece for text in words for piece in textwrap.wrap(text, width - left - 2)]
        yield from (
            f"{a:{left}}  {b}".rstrip() for a, b in zip_longest(column, beside, fillvalue="")
        )
        yield ""


def _words(description: Description) -> list[str]:
    words = [description.idea]
    if description.source:
        words.append(f"Source: {description.source}")
    return words


WIDTH_WITHOUT_TERMINAL = 130
NARROWEST = 60


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="bot_strategies.py",
        description="Show strategies: their idea, its source, and their parameters with type and bounds.",
        epilog="example: python bot_strategies.py maker examples/my_first_bot.py:MyFirstBot",
    )
    parser.add_argument(
        "names",
        metavar="STRATEGY",
        nargs="*",
        help="a built-in one, module:Class or path/to/file.py:Class (default: all built-in ones)",
    )
    parser.add_argument("--version", action="version", version=f"botpit {__version__}")
    options = parser.parse_args(argv)
    width = shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 0)).columns
    try:
        descriptions = [describe_strategy(name) for name in options.names or BUILT_IN]
    except StrategyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(table(descriptions, max(width, NARROWEST))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
