"""The vocabulary of the wire: every message that crosses a botpit socket, as a typed class.

Prices are numbers as people write them (100.05), quantities whole lots, `timestamp` Unix epoch milliseconds,
money the account currency. The classes are msgspec structs: one pass reads a frame straight into them, and
they cost a bot nothing to import. docs/API_SPEC.md is checked against this module.

A string or a boolean is never a number. Requests refuse an unknown key by name (`order` ignores it, because
older clients send extra ones). Readers ignore unknown types and fields in messages *from* the exchange.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, get_args

from msgspec import DecodeError, Meta, Raw, Struct, ValidationError, field
from msgspec.json import Decoder

MAX_FRAME_BYTES = 65_536
"""A message whose announced sizes pass this closes its socket with 1009."""
MAX_REQUESTS_PER_FRAME = 100
"""A frame may be an array of 1 … this many requests."""
MAX_TOKEN_CHARS = 256
MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer every JSON reader keeps exactly (RFC 8259, section 6)."""

ClientId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:/\-][A-Za-z0-9_.:/@\-]{0,63}\Z")]
"""An id that a client may choose: 1 … 64 of `A-Z a-z 0-9 _ . : / @ -`, beginning with any but `@`."""
OPERATOR = "@house"
"""The login name of the operator, which has no account."""
LoginId = Annotated[
    str, Meta(pattern=rf"^(?:{OPERATOR}|[A-Za-z0-9_.:/\-][A-Za-z0-9_.:/@\-]{{0,63}})\Z")
]
"""A ClientId, or the operator."""
Quantity = int
"""At most 40 digits on the wire."""
Price = float
"""Finite: JSON has no other numbers."""
OrderId = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
SafeInteger = Annotated[int, Meta(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]
RequestId = Annotated[str, Meta(max_length=64)] | SafeInteger
EpochMs = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]
SequenceNumber = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]


class _Word(StrEnum):
    """A word of `order`, taken in any case and written in lower case."""

    @classmethod
    def _missing_(cls, value: object) -> _Word | None:
        if not isinstance(value, str):
            return None
        return cls._value2member_map_.get(value.lower())  # type: ignore[return-value]


class Side(_Word):
    BUY = "buy"
    SELL = "sell"


class OrderType(_Word):
    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(_Word):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


class SelfTradePrevention(_Word):
    CANCEL_RESTING = "cancel_resting"
    CANCEL_INCOMING = "cancel_incoming"
    CANCEL_BOTH = "cancel_both"


SideWord = Literal["buy", "sell"]
Channel = Literal[
    "trades",
    "book",
    "book_delta",
    "positions",
    "liquidations",
    "status",
    "orders",
    "orders_full",
]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
DEFAULT_CHANNELS: tuple[Channel, ...] = (
    "trades",
    "book",
    "positions",
    "liquidations",
    "status",
)
"""The channels of a reader of 9002 or 9010 that has not subscribed."""


# --------------------------------------------------------------------------------------------------- requests


class LoginRequest(Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="login"):
    """Act for one trader, or as the operator, from now on; the first request of its socket."""

    type: ClassVar = "login"
    trader_id: LoginId
    token: Annotated[str, Meta(max_length=MAX_TOKEN_CHARS)] | None = None
    last_seq: SequenceNumber | None = None
    market_id: Annotated[str, Meta(max_length=64)] | None = None
    cancel_on_disconnect: bool | None = None
    request_id: RequestId | None = None

    def __repr__(self) -> str:
        """Without the token, which no log may hold."""
        names = [name for name in self.__struct_fields__ if name != "token"]
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"LoginRequest({fields})"


class OrderTerms(Struct, kw_only=True, gc=False):
    """The fields of both spellings of an order. `price` is for limit orders, `expires_at` for gtd orders."""

    trader_id: ClientId | None = None
    side: Side
    order_type: OrderType | None = None
    price: Price | None = None
    client_order_id: ClientId | None = None
    symbol: ClientId | None = None
    time_in_force: TimeInForce | None = None
    expires_at: EpochMs | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    stp: SelfTradePrevention | None = None
    request_id: RequestId | None = None


class OrderRequest(OrderTerms, kw_only=True, tag="order"):
    """A new order."""

    type: ClassVar = "order"
    qty: Quantity


class PlaceOrderRequest(OrderTerms, kw_only=True, tag="place_order"):
    """The older spelling of `order`: `quantity` for `qty`."""

    type: ClassVar = "place_order"
    quantity: Quantity

    @property
    def qty(self) -> int:
        return self.quantity


class CancelRequest(Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="cancel"):
    """Cancel one open order, named by `order_id`, `client_order_id`, or both, if both name the same order."""

    type: ClassVar = "cancel"
    trader_id: ClientId | None = None
    order_id: OrderId | None = None
    client_order_id: ClientId | None = None
    request_id: RequestId | None = None


class CancelAllRequest(
    Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="cancel_all"
):
    """Cancel every open order of the trader, or those of one symbol, one side, or both."""

    type: ClassVar = "cancel_all"
    trader_id: ClientId | None = None
    symbol: ClientId | None = None
    side: SideWord | None = None
    request_id: RequestId | None = None


class ReplaceRequest(Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="replace"):
    """Change an open order's price, its total quantity (the filled part included), or both, in one step."""

    type: ClassVar = "replace"
    trader_id: ClientId | None = None
    order_id: OrderId | None = None
    client_order_id: ClientId | None = None
    price: Price | None = None
    qty: Quantity | None = None
    request_id: RequestId | None = None


class OrderStatusRequest(
    Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="order_status"
):
    """Ask for the state of one order, open or closed."""

    type: ClassVar = "order_status"
    trader_id: ClientId | None = None
    order_id: OrderId | None = None
    client_order_id: ClientId | None = None
    request_id: RequestId | None = None


class OpenOrdersRequest(
    Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="open_orders"
):
    """Ask for every open order of the trader, by order id."""

    type: ClassVar = "open_orders"
    trader_id: ClientId | None = None
    request_id: RequestId | None = None


class AccountRequest(Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="account"):
    """Ask for the trader's cash, equity, margins and positions, at the present marks."""

    type: ClassVar = "account"
    trader_id: ClientId | None = None
    request_id: RequestId | None = None


class LogoutRequest(Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="logout"):
    """End a login in good order: its orders stay, whatever its `cancel_on_disconnect`."""

    type: ClassVar = "logout"
    request_id: RequestId | None = None


class PingRequest(Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="ping"):
    """Ask for a `pong`, to measure the way through the gateway."""

    type: ClassVar = "ping"
    request_id: RequestId | None = None


class CloseRequest(Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="close"):
    """End an instrument for good and settle every position in it; for the operator only.

    Without a symbol: all instruments that are not closed yet.
    """

    type: ClassVar = "close"
    symbol: ClientId | None = None
    request_id: RequestId | None = None


class ReopenRequest(Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="reopen"):
    """Close all, instruments and sockets, and begin a new market on the same ports; for the operator only."""

    type: ClassVar = "reopen"
    request_id: RequestId | None = None


class SubscribeRequest(
    Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="subscribe"
):
    """Choose channels and symbols on 9002 or 9010. Without channels they stay; without symbols it is all."""

    type: ClassVar = "subscribe"
    channels: Annotated[list[Channel], Meta(max_length=64)] | None = None
    symbols: Annotated[list[ClientId], Meta(max_length=1_000)] | None = None
    batch: bool | None = None
    request_id: RequestId | None = None


class ResumeRequest(Struct, kw_only=True, forbid_unknown_fields=True, gc=False, tag="resume"):
    """Ask for every event of my channels from `from_seq` on, then a fresh snapshot, then live events."""

    type: ClassVar = "resume"
    from_seq: SequenceNumber
    market_id: Annotated[str, Meta(max_length=64)] | None = None
    request_id: RequestId | None = None


TradingRequest = (
    LoginRequest
    | OrderRequest
    | PlaceOrderRequest
    | CancelRequest
    | CancelAllRequest
    | ReplaceRequest
    | OrderStatusRequest
    | OpenOrdersRequest
    | AccountRequest
    | LogoutRequest
    | PingRequest
    | CloseRequest
    | ReopenRequest
)
"""The requests of port 9001."""
FeedRequest = SubscribeRequest | ResumeRequest
"""The requests of ports 9002 and 9010."""


# ------------------------------------------------------------------------------------ answers, private events


class OrderAccepted(Struct, kw_only=True, gc=False, tag="order_accepted"):
    """The order is in. `queue_ahead`: lots before its rest at its price, 0 if nothing of it rests."""

    type: ClassVar = "order_accepted"
    order_id: int
    trader_id: str
    client_order_id: str | None = None
    symbol: str = ""
    side: SideWord | None = None
    order_type: Literal["limit", "market"] = "limit"
    qty: int = 0
    price: float | None = None
    queue_ahead: int = 0
    account_seq: int = 0
    timestamp: int
    repeated: bool = False
    request_id: str | int | None = None


class Rejection(Struct, kw_only=True):
    """The fields of the three refusals. `details` depends on `reason`; valid ids are echoed."""

    reason: str
    details: dict[str, Any] = field(default_factory=dict)
    trader_id: str | None = None
    order_id: int | None = None
    client_order_id: str | None = None
    timestamp: int
    request_id: str | int | None = None


class OrderRejected(Rejection, kw_only=True, tag="order_rejected"):
    """The order had no effect at all."""

    type: ClassVar = "order_rejected"


class ReplaceRejected(Rejection, kw_only=True, tag="replace_rejected"):
    """The order is as it was."""

    type: ClassVar = "replace_rejected"


class CancelRejected(Rejection, kw_only=True, tag="cancel_rejected"):
    """Nothing was cancelled."""

    type: ClassVar = "cancel_rejected"


class Fill(Struct, kw_only=True, gc=False, tag="fill"):
    """One side's view of one trade. `fee` positive: paid; negative: a rebate."""

    type: ClassVar = "fill"
    order_id: int | None
    client_order_id: str | None = None
    trade_id: int | None
    trader_id: str
    symbol: str
    side: SideWord
    price: float
    qty: int
    leaves_qty: int
    fee: float
    liquidity: Literal["maker", "taker", "adl"]
    account_seq: int
    timestamp: int


class OrderCancelled(Struct, kw_only=True, gc=False, tag="order_cancelled"):
    """`cancelled_qty` lots left the book; `leaves_qty` lots stay open (0)."""

    type: ClassVar = "order_cancelled"
    order_id: int
    client_order_id: str | None = None
    trader_id: str
    symbol: str
    cancelled_qty: int
    leaves_qty: int
    reason: str
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


class OrderReplaced(Struct, kw_only=True, gc=False, tag="order_replaced"):
    """The order's new terms. `qty`: new total; `leaves_qty`: open quantity before any trade it makes now."""

    type: ClassVar = "order_replaced"
    order_id: int
    client_order_id: str | None = None
    trader_id: str
    price: float
    qty: int
    leaves_qty: int
    kept_priority: bool
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


class AllCancelled(Struct, kw_only=True, gc=False, tag="all_cancelled"):
    """Answer to `cancel_all`; the `order_cancelled` follow in order of entry."""

    type: ClassVar = "all_cancelled"
    trader_id: str
    count: int
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


class OrderState(Struct, kw_only=True, gc=False):
    """One order as the exchange remembers it."""

    order_id: int | None
    client_order_id: str | None
    trader_id: str
    symbol: str | None
    side: SideWord | None
    order_type: Literal["limit", "market"] | None
    price: float | None
    qty: int | None
    filled_qty: int | None
    leaves_qty: int | None
    cancelled_qty: int | None
    status: Literal["open", "filled", "cancelled", "rejected", "unknown"]
    reason: str | None = None


class OrderStatus(OrderState, kw_only=True, tag="order_status"):
    """Answer to `order_status`. `complete`: no order of this trader was ever forgotten."""

    type: ClassVar = "order_status"
    complete: bool
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


class OpenOrders(Struct, kw_only=True, tag="open_orders"):
    """Answer to `open_orders`, by order id."""

    type: ClassVar = "open_orders"
    trader_id: str
    orders: list[OrderState]
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


class AccountPosition(Struct, kw_only=True, gc=False):
    """One instrument in one account, at its present mark."""

    symbol: str
    position: int
    avg_entry_price: float
    unrealized_pnl: float
    realized_pnl: float
    mark_price: float


class Account(Struct, kw_only=True, tag="account"):
    """Answer to `account`. `total_equity` = `cash` + unrealised PnL over all instruments."""

    type: ClassVar = "account"
    trader_id: str
    cash: float
    total_equity: float
    initial_margin: float
    maintenance_margin: float
    positions: list[AccountPosition]
    status: Literal["active", "frozen", "bankrupt"]
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


class InstrumentInfo(Struct, kw_only=True, gc=False):
    """An instrument and its rules. Prices in money, quantities in lots, rates in basis points, 0 = no cap."""

    symbol: str
    tick: Annotated[float, Meta(gt=0)]
    lot: float
    reference_price: float
    min_price: float
    max_price: float
    min_qty: int
    max_qty: int
    maker_fee_bps: int
    taker_fee_bps: int
    liquidation_fee_bps: int
    initial_margin_bps: int
    maintenance_margin_bps: int
    price_band_bps: int
    mark_move_bps: int
    max_open_orders: int
    max_order_qty: int
    max_order_notional: float
    max_position: int


class LoggedIn(Struct, kw_only=True, tag="logged_in"):
    """Answer to `login`. `scope`: trade or house; `session` counts this trader's logins."""

    type: ClassVar = "logged_in"
    trader_id: str
    scope: str
    account_seq: int
    market_id: str
    session: int
    instruments: list[InstrumentInfo]
    timestamp: int
    request_id: str | int | None = None


class LoggedOut(Struct, kw_only=True, gc=False, tag="logged_out"):
    """Answer to `logout`; then the socket is closed with 1000."""

    type: ClassVar = "logged_out"
    trader_id: str
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


class Heartbeat(Struct, kw_only=True, gc=False, tag="heartbeat"):
    """Sent after each second without a message: with `account_seq` on 9001, `seq` on 9002 and 9010."""

    type: ClassVar = "heartbeat"
    account_seq: int | None = None
    seq: int | None = None
    timestamp: int


class Pong(Struct, kw_only=True, gc=False, tag="pong"):
    type: ClassVar = "pong"
    timestamp: int
    request_id: str | int | None = None


class Closed(Struct, kw_only=True, tag="closed"):
    """Answer to `close`. `settlement` {symbol: price}: every position was settled there."""

    type: ClassVar = "closed"
    symbols: list[str]
    settlement: dict[str, float]
    timestamp: int
    request_id: str | int | None = None


class Reopening(Struct, kw_only=True, gc=False, tag="reopening"):
    """Answer to `reopen`. `market_id` is that of the market that ends."""

    type: ClassVar = "reopening"
    market_id: str
    timestamp: int
    request_id: str | int | None = None


class Error(Struct, kw_only=True, tag="error"):
    """A fault in anything but `order`, `replace`, `cancel` and `cancel_all`. It changed nothing."""

    type: ClassVar = "error"
    reason: str
    details: dict[str, Any] = field(default_factory=dict)
    timestamp: int
    request_id: str | int | None = None


# --------------------------------------------------------------------------------------- public events, views


class Trade(Struct, kw_only=True, gc=False, tag="trade"):
    """Two orders met. The aggressor came second."""

    type: ClassVar = "trade"
    trade_id: int
    price: float
    qty: int
    buy_trader_id: str
    sell_trader_id: str
    symbol: str = ""
    aggressor_side: SideWord | None = None
    buy_order_id: int | None = None
    sell_order_id: int | None = None
    seq: int = 0
    channel_seq: int = 0
    timestamp: int


class BookUpdate(Struct, kw_only=True, tag="book_update"):
    """A view of the best levels, [price, qty] best first, at most 10 a side. Updates may be conflated."""

    type: ClassVar = "book_update"
    symbol: str = ""
    best_bid: float | None
    best_ask: float | None
    bids: list[tuple[float, int]]
    asks: list[tuple[float, int]]
    seq: int = 0
    timestamp: int


class BookDelta(Struct, kw_only=True, tag="book_delta"):
    """One command's changes of the book: [price, new_qty], where 0 removes the level.

    Never conflated; chains by `prev_book_seq`.
    """

    type: ClassVar = "book_delta"
    symbol: str
    book_seq: int
    prev_book_seq: int
    bids: list[tuple[float, int]]
    asks: list[tuple[float, int]]
    checksum: int
    seq: int
    timestamp: int


class PositionState(Struct, kw_only=True, gc=False):
    """One trader in one instrument; `cash` and `total_equity` are of the whole account."""

    trader_id: str
    symbol: str = ""
    position: int
    cash: float
    avg_entry_price: float
    realized_pnl: float
    unrealized_pnl: float
    total_equity: float
    mark_price: float
    timestamp: int


class PositionUpdate(PositionState, kw_only=True, tag="position_update"):
    """A position, or its account's cash, changed."""

    type: ClassVar = "position_update"
    seq: int = 0
    channel_seq: int = 0


class Liquidation(Struct, kw_only=True, gc=False, tag="liquidation"):
    """`qty` lots of an account were closed by force, for its own margin or (auto_deleverage) another's."""

    type: ClassVar = "liquidation"
    trader_id: str
    reason: Literal["maintenance_margin_breach", "bankruptcy", "auto_deleverage"]
    qty: int
    side: SideWord
    symbol: str = ""
    price: float | None = None
    account_seq: int | None = None
    seq: int | None = None
    channel_seq: int | None = None
    timestamp: int


class AccountStatus(Struct, kw_only=True, gc=False, tag="account_status"):
    type: ClassVar = "account_status"
    trader_id: str
    status: Literal["active", "frozen", "bankrupt"]
    account_seq: int | None = None
    seq: int | None = None
    channel_seq: int | None = None
    timestamp: int


class InsuranceUpdate(Struct, kw_only=True, gc=False, tag="insurance_update"):
    type: ClassVar = "insurance_update"
    cash: float
    seq: int = 0
    channel_seq: int = 0
    timestamp: int


class MarketStatus(Struct, kw_only=True, gc=False, tag="market_status"):
    type: ClassVar = "market_status"
    symbol: str
    status: Literal["open", "halted", "closed"]
    reason: str
    seq: int = 0
    channel_seq: int = 0
    timestamp: int


class OrderAdd(Struct, kw_only=True, gc=False, tag="order_add"):
    """An order came to rest, last at its price. `trader_id` only on `orders_full`."""

    type: ClassVar = "order_add"
    order_id: int
    symbol: str
    side: SideWord
    price: float
    qty: int
    trader_id: str | None = None
    seq: int
    channel_seq: int
    timestamp: int


class OrderReduce(Struct, kw_only=True, gc=False, tag="order_reduce"):
    """`qty` lots were taken off a resting order, which keeps its place."""

    type: ClassVar = "order_reduce"
    order_id: int
    symbol: str
    qty: int
    trader_id: str | None = None
    seq: int
    channel_seq: int
    timestamp: int


class OrderRemove(Struct, kw_only=True, gc=False, tag="order_remove"):
    """A resting order left the book: filled, cancelled, or moved."""

    type: ClassVar = "order_remove"
    order_id: int
    symbol: str
    trader_id: str | None = None
    seq: int
    channel_seq: int
    timestamp: int


class LastTrade(Struct, kw_only=True, gc=False):
    price: float
    qty: int
    timestamp: int


class RestingOrder(Struct, kw_only=True, gc=False):
    """An order of a snapshot, in order of priority. `trader_id` only on `orders_full`."""

    order_id: int
    side: SideWord
    price: float
    qty: int
    trader_id: str | None = None


class BookState(Struct, kw_only=True):
    """One book of a snapshot. Readers of the channel `orders` get `orders`."""

    bids: list[tuple[float, int]]
    asks: list[tuple[float, int]]
    best_bid: float | None
    best_ask: float | None
    book_seq: int
    last_trade: LastTrade | None
    mark_price: float
    status: Literal["open", "halted", "closed"]
    orders: list[RestingOrder] | None = None


class Snapshot(Struct, kw_only=True, tag="snapshot"):
    """The market as of event `seq`. `channel_seq` is {channel: {symbol: n}}; one not named is at 0."""

    type: ClassVar = "snapshot"
    seq: int
    market_id: str
    channel_seq: dict[str, dict[str, int]]
    instruments: list[InstrumentInfo]
    books: dict[str, BookState]
    positions: list[PositionState]
    timestamp: int


class Subscribed(Struct, kw_only=True, tag="subscribed"):
    type: ClassVar = "subscribed"
    channels: list[str]
    symbols: list[str]
    batch: bool
    timestamp: int
    request_id: str | int | None = None


class Resumed(Struct, kw_only=True, gc=False, tag="resumed"):
    type: ClassVar = "resumed"
    from_seq: int
    timestamp: int
    request_id: str | int | None = None


Message = (
    OrderAccepted
    | OrderRejected
    | ReplaceRejected
    | CancelRejected
    | Fill
    | OrderCancelled
    | OrderReplaced
    | AllCancelled
    | OrderStatus
    | OpenOrders
    | Account
    | LoggedIn
    | LoggedOut
    | Heartbeat
    | Pong
    | Closed
    | Reopening
    | Error
    | Trade
    | BookUpdate
    | BookDelta
    | PositionUpdate
    | Liquidation
    | AccountStatus
    | InsuranceUpdate
    | MarketStatus
    | OrderAdd
    | OrderReduce
    | OrderRemove
    | Snapshot
    | Subscribed
    | Resumed
)
"""Every message of the exchange and the relay."""

MESSAGE_CLASSES: dict[str, type[Any]] = {cls.type: cls for cls in get_args(Message)}
CHANNEL_OF: dict[type[Any], Channel] = {
    Trade: "trades",
    BookUpdate: "book",
    BookDelta: "book_delta",
    PositionUpdate: "positions",
    Liquidation: "liquidations",
    AccountStatus: "liquidations",
    InsuranceUpdate: "liquidations",
    MarketStatus: "status",
    OrderAdd: "orders",
    OrderReduce: "orders",
    OrderRemove: "orders",
}
"""The channel of each message that has one; those of `orders` with the trader are on `orders_full`."""


class _Typed(Struct, gc=False):
    type: str


_read: Decoder[Message] = Decoder(Message)
_read_several: Decoder[list[Message]] = Decoder(list[Message])
_read_raw: Decoder[list[Raw]] = Decoder(list[Raw])
_read_type: Decoder[_Typed] = Decoder(_Typed)


def parse_messages(frame: str | bytes) -> list[Message]:
    """The messages of one frame from the exchange or the relay (an array carries several), in order.

    Unknown types are left out. Raises ValueError when the frame is not JSON or a known message is ill-formed.
    """
    try:
        return _messages(frame)
    except RecursionError as error:
        raise DecodeError("nested too deeply") from error


def _messages(frame: str | bytes) -> list[Message]:
    several = frame[:1] in ("[", b"[") or frame.lstrip()[:1] in ("[", b"[")
    try:
        return _read_several.decode(frame) if several else [_read.decode(frame)]
    except ValidationError:
        messages = _read_raw.decode(frame) if several else [Raw(frame)]
        return [
            _read.decode(each)
            for each in messages
            if _read_type.decode(each).type in MESSAGE_CLASSES
        ]
