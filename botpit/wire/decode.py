"""Bytes from a client to a request, and a request to a command.

msgspec reads a request straight from its bytes into its struct. Its gaps are checked beside it: bytes in
ignored keys that are not UTF-8, numbers of more than 40 digits, nesting. `explain` reads once more what
msgspec refuses, to name the reason; it has the last word, and differs only where a repeated key was wrong
before its last value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

import message_schemas as wire
from botpit.core.commands import (
    BUY,
    SELL,
    Cancel,
    CancelAll,
    OffTick,
    Order,
    Price,
    Replace,
    SelfTradePrevention,
    TimeInForce,
)
from botpit.core.events import Reason
from botpit.core.instrument import Instrument
from botpit.wire.explain import Explainer, Refusal
from botpit.wire.numbers import NS_PER_MS, PriceScale

MAX_DEPTH = 64
MAX_DIGITS = 40
MAX_REQUEST_ID_CHARS = 64
_DIGITS = b"0123456789"
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A string, ended or not.

Possessive: it tries nothing twice, so 64 KiB of quotes cost no more than other text.
"""
_CLIENT_ID = re.compile(r"[A-Za-z0-9_.:/\-][A-Za-z0-9_.:/@\-]{0,63}")


class Requests:
    """The requests that one port takes."""

    def __init__(self, union: Any) -> None:
        self.read: Callable[[bytes], Any] = msgspec.json.Decoder(union).decode
        self.explain = Explainer(union)


TRADING = Requests(wire.TradingRequest)
FEED = Requests(wire.FeedRequest)

Answers = {
    "order": "order_rejected",
    "place_order": "order_rejected",
    "replace": "replace_rejected",
    "cancel": "cancel_rejected",
    "cancel_all": "cancel_rejected",
}
"""The refusal that answers a faulty request; every other known request is answered by `error`."""
_KNOWN = {
    "login",
    "order_status",
    "open_orders",
    "account",
    "logout",
    "ping",
    "close",
    "reopen",
    *Answers,
}


@dataclass(slots=True)
class Fault:
    """A message refused before it is a command: the kind of its answer, the reason, and its valid ids."""

    answer: str
    reason: Reason
    details: dict[str, Any]
    trader_id: str | None = None
    order_id: int | None = None
    client_order_id: str | None = None
    request_id: str | int | None = None


class FieldError(ValueError):
    """A request whose fields are valid but do not go together; the text names the field."""


# ----------------------------------------------------------------------------------------------------- frames


def is_array(frame: bytes) -> bool:
    return frame[:1] != b"{" and frame.lstrip(b" \t\r\n")[:1] == b"["


def split_array(frame: bytes) -> list[bytes] | Fault:
    """The elements of a frame that is an array of 1 … 100 requests, each as its own bytes."""
    try:
        elements = msgspec.json.decode(frame, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        return Fault("order_rejected", Reason.INVALID_JSON, {"error": str(error)})
    if not 1 <= len(elements) <= wire.MAX_REQUESTS_PER_FRAME:
        allowed = f"1 to {wire.MAX_REQUESTS_PER_FRAME} requests"
        return _invalid_message(f"an array holds {allowed}, not {len(elements)}")
    return [bytes(element) for element in elements]


def parse(data: bytes, requests: Requests = TRADING) -> Any:
    """One request of the given kind, or the Fault that refuses it."""
    try:
        if not data.isascii():
            data.decode()  # msgspec looks at no byte of an ignored key
        request = requests.read(data)
    except (ValueError, RecursionError):
        return _strict_fault(data) or _explained(data, requests)
    if _looks_odd(data):
        return _strict_fault(data) or request
    return request


def _looks_odd(data: bytes) -> bool:
    """Cheap, and true for everything that the strict check refuses and msgspec accepts."""
    digits = len(data) - len(data.translate(None, _DIGITS))
    return digits > MAX_DIGITS or data.count(b"{") + data.count(b"[") > MAX_DEPTH


# ----------------------------------------------------------------------------------------------------- faults


class _LongNumber:
    """Stands for a number of more than MAX_DIGITS digits."""


def _number(text: str) -> object:
    return _LongNumber() if sum(map(str.isdigit, text)) > MAX_DIGITS else 0


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _depth(data: bytes) -> int:
    deepest = depth = 0
    for byte in _STRING.sub(b"", data):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _strict_fault(data: bytes) -> Fault | None:
    """The fault of well-formed data by our stricter rules: nesting, NaN and Infinity, long numbers."""
    if _depth(data) > MAX_DEPTH:
        return Fault(
            "order_rejected", Reason.INVALID_JSON, {"error": f"nested deeper than {MAX_DEPTH}"}
        )
    try:
        parsed = json.loads(
            data, parse_constant=_constant, parse_int=_number, parse_float=_number
        )
    except ValueError as error:
        return Fault("order_rejected", Reason.INVALID_JSON, {"error": str(error)})
    if not isinstance(parsed, dict):
        return None
    for key, value in parsed.items():
        if _holds_long(value):
            return _with_ids(f"{_shown(key)}: a number of more than {MAX_DIGITS} digits", data)
    return None


def _holds_long(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_long, value.values()))
    if isinstance(value, list):
        return any(map(_holds_long, value))
    return isinstance(value, _LongNumber)


def _explained(data: bytes, requests: Requests) -> Any:
    """Why msgspec refused the data; or the request, when only a repeated key's earlier value was wrong."""
    try:
        return requests.explain.read(data)
    except Refusal as refusal:
        if refusal.no_json:
            return Fault("order_rejected", Reason.INVALID_JSON, {"error": refusal.why})
        field = ".".join(map(_shown, refusal.where))
        return _with_ids(f"{field}: {refusal.why}" if field else refusal.why, data)


def _shown(name: object) -> str:
    """A foreign name, short and printable."""
    return ascii(str(name))[1:-1][:64]


def _invalid_message(error: str) -> Fault:
    return Fault("order_rejected", Reason.INVALID_MESSAGE, {"error": error})


def _with_ids(error: str, data: bytes) -> Fault:
    """An `invalid_message` with the type and the ids that can still be read from the data."""
    fault = _invalid_message(error)
    parsed = json.loads(
        data, parse_int=lambda text: int(text) if len(text) <= MAX_DIGITS else None
    )
    if not isinstance(parsed, dict):
        return fault
    fault.request_id = _request_id(parsed.get("request_id"))
    kind = parsed.get("type")
    if not isinstance(kind, str) or kind not in _KNOWN:
        return fault
    fault.answer = Answers.get(kind, "error")
    fault.trader_id = _id(parsed.get("trader_id"))
    fault.client_order_id = _id(parsed.get("client_order_id"))
    fault.order_id = _integer(parsed.get("order_id"), 0)
    return fault


def _request_id(value: object) -> str | int | None:
    if isinstance(value, str) and len(value) <= MAX_REQUEST_ID_CHARS:
        return value
    return _integer(value, -wire.MAX_SAFE_INTEGER)


def _id(value: object) -> str | None:
    return value if isinstance(value, str) and _CLIENT_ID.fullmatch(value) else None


def _integer(value: object, lowest: int) -> int | None:
    return value if type(value) is int and lowest <= value <= wire.MAX_SAFE_INTEGER else None


def refusal(request: Any, reason: Reason, **details: object) -> Fault:
    """The Fault of a request that could be read; who answers the request adds its id."""
    return Fault(
        Answers.get(request.type, "error"),
        reason,
        details,
        getattr(request, "trader_id", None),
        getattr(request, "order_id", None),
        getattr(request, "client_order_id", None),
    )


# --------------------------------------------------------------------------------------------------- commands

_PREVENTION = {wire.SelfTradePrevention(each.value): each for each in SelfTradePrevention}
_IN_FORCE: dict[wire.TimeInForce | None, TimeInForce]
_IN_FORCE = {wire.TimeInForce(each.value): each for each in TimeInForce}
_IN_FORCE[None] = TimeInForce.GTC
_SIGN = {"buy": BUY, "sell": SELL}
# an enum's own lookup is slow
_BUY, _MARKET, _GTC = (
    wire.Side.BUY,
    wire.OrderType.MARKET,
    TimeInForce.GTC,
)


class Decoder:
    """Requests to commands, for one market's instruments."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.default_symbol = instruments[0].symbol
        self._scales = {each.symbol: PriceScale(each) for each in instruments}

    def order(
        self, request: wire.OrderRequest | wire.PlaceOrderRequest, trader: str, session: int
    ) -> Order:
        """Raises FieldError when the fields do not go together."""
        symbol = request.symbol or self.default_symbol
        market_order = request.order_type is _MARKET
        in_force = _market_in_force(request) if market_order else _limit_in_force(request)
        if request.post_only and (
            market_order or in_force in (TimeInForce.IOC, TimeInForce.FOK)
        ):
            raise FieldError("post_only: only for limit orders that may rest")
        price = None if request.price is None else self._price(symbol, request.price)
        return Order(
            trader,
            symbol,
            BUY if request.side is _BUY else SELL,
            request.qty,
            price,
            in_force,
            request.client_order_id,
            bool(request.post_only),
            bool(request.reduce_only),
            None if request.stp is None else _PREVENTION[request.stp],
            None if request.expires_at is None else request.expires_at * NS_PER_MS,
            session,
        )

    def cancel(self, request: wire.CancelRequest, trader: str) -> Cancel:
        needs_an_order(request)
        return Cancel(trader, request.order_id, request.client_order_id)

    def cancel_all(self, request: wire.CancelAllRequest, trader: str) -> CancelAll:
        return CancelAll(trader, request.symbol, _SIGN[request.side] if request.side else 0)

    def replace(self, request: wire.ReplaceRequest, trader: str, symbol: str | None) -> Replace:
        """`symbol` is that of the named order, None when there is no such order, which the engine refuses."""
        needs_an_order(request)
        if request.price is None and request.qty is None:
            raise FieldError("price: a replace needs a price, a qty, or both")
        price = None
        if request.price is not None and symbol is not None:
            price = self._price(symbol, request.price)
        return Replace(trader, request.order_id, request.client_order_id, price, request.qty)

    def _price(self, symbol: str, price: float) -> Price:
        """Ticks; or the price as it is, when it is off the tick or the symbol is unknown."""
        scale = self._scales.get(symbol)
        ticks = scale.ticks(price) if scale else None
        return OffTick(repr(price)) if ticks is None else ticks


def needs_an_order(
    request: wire.CancelRequest | wire.ReplaceRequest | wire.OrderStatusRequest,
) -> None:
    """Raises FieldError when the request names no order."""
    if request.order_id is None and request.client_order_id is None:
        raise FieldError("order_id: name the order by order_id, client_order_id, or both")


def _market_in_force(request: wire.OrderTerms) -> TimeInForce:
    if request.price is not None:
        raise FieldError("price: a market order has none")
    if request.time_in_force is wire.TimeInForce.GTD or request.expires_at is not None:
        raise FieldError("expires_at: a market order does not rest")
    return TimeInForce.FOK if request.time_in_force is wire.TimeInForce.FOK else TimeInForce.IOC


def _limit_in_force(request: wire.OrderTerms) -> TimeInForce:
    if request.price is None:
        raise FieldError("price: a limit order needs one")
    if request.time_in_force is None and request.expires_at is None:
        return _GTC
    if (request.time_in_force is wire.TimeInForce.GTD) != (request.expires_at is not None):
        raise FieldError("expires_at: goes with time_in_force gtd, and gtd with it")
    return _IN_FORCE[request.time_in_force]
