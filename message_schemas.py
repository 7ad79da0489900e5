"""The vocabulary of the wire: every message that crosses a botpit socket, as a typed class.

Prices are numbers as people write them (100.05), quantities whole lots, `timestamp` Unix epoch milliseconds, money the
account currency. The classes are slotted dataclasses, so that one pydantic adapter validates a frame straight from its bytes
and so that a strategy author can build one without knowing pydantic. docs/API_SPEC.md is checked against this module.

Requests are strict: a string or a boolean is never a number, and an unknown key is refused by name (`order` ignores it, because
older clients send extra ones). Messages *from* the exchange are read leniently: unknown types and fields are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

MAX_FRAME_BYTES = 65_536
"""A message whose announced sizes pass this closes its socket with 1009."""
MAX_REQUESTS_PER_FRAME = 100
"""A frame may be an array of 1 … this many requests."""
MAX_TOKEN_CHARS = 256
MAX_SAFE_INTEGER = 2**53 - 1
"""The largest integer every JSON reader keeps exactly (RFC 8259, section 6)."""

ClientId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/\-][A-Za-z0-9_.:/@\-]{0,63}$")]
"""An id a client may choose: 1 … 64 of `A-Z a-z 0-9 _ . : / @ -`, not beginning with `@` (those are the house's)."""
HOUSE = "@house"
"""Whoever runs the exchange, as the name of a login: it has no account."""
LoginId = Annotated[str, StringConstraints(pattern=rf"^(?:{HOUSE}|[A-Za-z0-9_.:/\-][A-Za-z0-9_.:/@\-]{{0,63}})$")]
"""A ClientId, or the house."""
Quantity = Annotated[int, Field(gt=-(10**40), lt=10**40)]
Price = Annotated[float, Field(allow_inf_nan=False)]
OrderId = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
RequestId = Annotated[str, StringConstraints(max_length=64)] | Annotated[int, Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER)]
EpochMs = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
SequenceNumber = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]


class _Word(StrEnum):
    """A word of `order`, taken in any case and written in lower case."""

    @classmethod
    def _missing_(cls, value: object) -> _Word | None:
        return cls._value2member_map_.get(value.lower()) if isinstance(value, str) else None  # type: ignore[return-value]


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
Channel = Literal["trades", "book", "book_delta", "positions", "liquidations", "status", "orders", "orders_full"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
DEFAULT_CHANNELS: tuple[Channel, ...] = ("trades", "book", "positions", "liquidations", "status")
"""What a reader of 9002 or 9010 gets without asking."""

_STRICT = ConfigDict(strict=True, extra="forbid")
_STRICT_IGNORING_EXTRA = ConfigDict(strict=True, extra="ignore")
_LENIENT = ConfigDict(extra="ignore")


# ---------------------------------------------------------------------------------------------------------------- requests


@dataclass(slots=True, kw_only=True)
class LoginRequest:
    """Act for one trader, or for the house, from now on; the first request of its socket."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["login"] = "login"
    trader_id: LoginId
    token: Annotated[str, StringConstraints(max_length=MAX_TOKEN_CHARS)] | None = field(default=None, repr=False)
    last_seq: SequenceNumber | None = None
    market_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    cancel_on_disconnect: bool | None = None
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class OrderTerms:
    """What both spellings of a new order share. `price`: limit orders only; `expires_at`: gtd orders only."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT_IGNORING_EXTRA
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


@dataclass(slots=True, kw_only=True)
class OrderRequest(OrderTerms):
    """A new order."""

    type: Literal["order"] = "order"
    qty: Quantity


@dataclass(slots=True, kw_only=True)
class PlaceOrderRequest(OrderTerms):
    """The older spelling of `order`: `quantity` for `qty`."""

    type: Literal["place_order"] = "place_order"
    quantity: Quantity


@dataclass(slots=True, kw_only=True)
class CancelRequest:
    """Cancel one open order, named by `order_id`, `client_order_id`, or both (then both must name the same order)."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["cancel"] = "cancel"
    trader_id: ClientId | None = None
    order_id: OrderId | None = None
    client_order_id: ClientId | None = None
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class CancelAllRequest:
    """Cancel every open order of the trader, or those of one symbol, one side, or both."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["cancel_all"] = "cancel_all"
    trader_id: ClientId | None = None
    symbol: ClientId | None = None
    side: SideWord | None = None
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class ReplaceRequest:
    """Change an open order's price, its total quantity (the filled part included), or both, in one step."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["replace"] = "replace"
    trader_id: ClientId | None = None
    order_id: OrderId | None = None
    client_order_id: ClientId | None = None
    price: Price | None = None
    qty: Quantity | None = None
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class OrderStatusRequest:
    """What became of one order, open or closed."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["order_status"] = "order_status"
    trader_id: ClientId | None = None
    order_id: OrderId | None = None
    client_order_id: ClientId | None = None
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class OpenOrdersRequest:
    """Every open order of the trader, by order id."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["open_orders"] = "open_orders"
    trader_id: ClientId | None = None
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class AccountRequest:
    """Cash, equity, margins and positions of the trader, at the present marks."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["account"] = "account"
    trader_id: ClientId | None = None
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class LogoutRequest:
    """End a login in good order: its orders stay, whatever `cancel_on_disconnect` said."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["logout"] = "logout"
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class PingRequest:
    """Answered by `pong`; measures the way through the gateway."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["ping"] = "ping"
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class CloseRequest:
    """The house's: end an instrument for good and settle every position in it. No symbol: all that are not closed yet."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["close"] = "close"
    symbol: ClientId | None = None
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class ReopenRequest:
    """The house's: close what is open, close every socket, and begin a new market on the same ports."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["reopen"] = "reopen"
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class SubscribeRequest:
    """Choose channels and symbols on 9002 or 9010. Absent channels: as before; absent symbols: all."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["subscribe"] = "subscribe"
    channels: Annotated[list[Channel], Field(max_length=64)] | None = None
    symbols: Annotated[list[ClientId], Field(max_length=1_000)] | None = None
    batch: bool | None = None
    request_id: RequestId | None = None


@dataclass(slots=True, kw_only=True)
class ResumeRequest:
    """Every event of my channels from `from_seq` on, then a fresh snapshot, then live."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    type: Literal["resume"] = "resume"
    from_seq: SequenceNumber
    market_id: Annotated[str, StringConstraints(max_length=64)] | None = None
    request_id: RequestId | None = None


TradingRequest = (
    LoginRequest | OrderRequest | PlaceOrderRequest | CancelRequest | CancelAllRequest | ReplaceRequest | OrderStatusRequest
    | OpenOrdersRequest | AccountRequest | LogoutRequest | PingRequest | CloseRequest | ReopenRequest
)
"""What 9001 takes."""
FeedRequest = SubscribeRequest | ResumeRequest
"""What 9002 and 9010 take."""


# ------------------------------------------------------------------------------------------------- answers, private events


@dataclass(slots=True, kw_only=True)
class OrderAccepted:
    """The order is in. `queue_ahead`: lots before it at its price after its own trades, 0 if nothing rests."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["order_accepted"] = "order_accepted"
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


@dataclass(slots=True, kw_only=True)
class Rejection:
    """What the three refusals share. `details` depends on `reason`; ids are echoed where they were valid."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    reason: str
    details: dict[str, Any] = field(default_factory=dict)
    trader_id: str | None = None
    order_id: int | None = None
    client_order_id: str | None = None
    timestamp: int
    request_id: str | int | None = None


@dataclass(slots=True, kw_only=True)
class OrderRejected(Rejection):
    """The order did nothing at all."""

    type: Literal["order_rejected"] = "order_rejected"


@dataclass(slots=True, kw_only=True)
class ReplaceRejected(Rejection):
    """The order stands as it was."""

    type: Literal["replace_rejected"] = "replace_rejected"


@dataclass(slots=True, kw_only=True)
class CancelRejected(Rejection):
    """Nothing was cancelled."""

    type: Literal["cancel_rejected"] = "cancel_rejected"


@dataclass(slots=True, kw_only=True)
class Fill:
    """One side's view of one trade. `fee` positive: paid; negative: a rebate."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["fill"] = "fill"
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


@dataclass(slots=True, kw_only=True)
class OrderCancelled:
    """`cancelled_qty` lots left the book; `leaves_qty` is what stays open (0)."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["order_cancelled"] = "order_cancelled"
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


@dataclass(slots=True, kw_only=True)
class OrderReplaced:
    """The order's new terms. `qty`: new total; `leaves_qty`: open quantity before any trade it makes now."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["order_replaced"] = "order_replaced"
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


@dataclass(slots=True, kw_only=True)
class AllCancelled:
    """Answer to `cancel_all`; the `order_cancelled` follow in order of entry."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["all_cancelled"] = "all_cancelled"
    trader_id: str
    count: int
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


@dataclass(slots=True, kw_only=True)
class OrderState:
    """One order as the exchange remembers it."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
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


@dataclass(slots=True, kw_only=True)
class OrderStatus(OrderState):
    """Answer to `order_status`. `complete`: nothing of this trader was ever forgotten."""

    type: Literal["order_status"] = "order_status"
    complete: bool
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


@dataclass(slots=True, kw_only=True)
class OpenOrders:
    """Answer to `open_orders`, by order id."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["open_orders"] = "open_orders"
    trader_id: str
    orders: list[OrderState]
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


@dataclass(slots=True, kw_only=True)
class AccountPosition:
    """One instrument in one account, at its present mark."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    symbol: str
    position: int
    avg_entry_price: float
    unrealized_pnl: float
    realized_pnl: float
    mark_price: float


@dataclass(slots=True, kw_only=True)
class Account:
    """Answer to `account`. `total_equity` = `cash` + unrealised PnL over all instruments."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["account"] = "account"
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


@dataclass(slots=True, kw_only=True)
class InstrumentInfo:
    """An instrument and its rules. Prices in money, quantities in lots, rates in basis points, 0 = no cap."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    symbol: str
    tick: Annotated[float, Field(gt=0, allow_inf_nan=False)]
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


@dataclass(slots=True, kw_only=True)
class LoggedIn:
    """Answer to `login`. `scope`: trade or house; `session` counts this trader's logins."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["logged_in"] = "logged_in"
    trader_id: str
    scope: str
    account_seq: int
    market_id: str
    session: int
    instruments: list[InstrumentInfo]
    timestamp: int
    request_id: str | int | None = None


@dataclass(slots=True, kw_only=True)
class LoggedOut:
    """Answer to `logout`; the socket is closed with 1000 after it."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["logged_out"] = "logged_out"
    trader_id: str
    account_seq: int
    timestamp: int
    request_id: str | int | None = None


@dataclass(slots=True, kw_only=True)
class Heartbeat:
    """After each second without another message: `account_seq` on 9001, `seq` on 9002 and 9010."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["heartbeat"] = "heartbeat"
    account_seq: int | None = None
    seq: int | None = None
    timestamp: int


@dataclass(slots=True, kw_only=True)
class Pong:
    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["pong"] = "pong"
    timestamp: int
    request_id: str | int | None = None


@dataclass(slots=True, kw_only=True)
class Closed:
    """Answer to `close`. `settlement` {symbol: price}: every position was settled there."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["closed"] = "closed"
    symbols: list[str]
    settlement: dict[str, float]
    timestamp: int
    request_id: str | int | None = None


@dataclass(slots=True, kw_only=True)
class Reopening:
    """Answer to `reopen`. `market_id` is that of the market that ends."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["reopening"] = "reopening"
    market_id: str
    timestamp: int
    request_id: str | int | None = None


@dataclass(slots=True, kw_only=True)
class Error:
    """A fault in anything but `order`, `replace`, `cancel` and `cancel_all`. It changed nothing."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["error"] = "error"
    reason: str
    details: dict[str, Any] = field(default_factory=dict)
    timestamp: int
    request_id: str | int | None = None


# ------------------------------------------------------------------------------------------------------ public events, views


@dataclass(slots=True, kw_only=True)
class Trade:
    """Two orders met. The aggressor came second."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["trade"] = "trade"
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


@dataclass(slots=True, kw_only=True)
class BookUpdate:
    """A view of the best levels, [price, qty] best first, at most 10 a side. May be conflated."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["book_update"] = "book_update"
    symbol: str = ""
    best_bid: float | None
    best_ask: float | None
    bids: list[tuple[float, int]]
    asks: list[tuple[float, int]]
    seq: int = 0
    timestamp: int


@dataclass(slots=True, kw_only=True)
class BookDelta:
    """What one command changed in the book: [price, new_qty], 0 removes. Never conflated; chains by `prev_book_seq`."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["book_delta"] = "book_delta"
    symbol: str
    book_seq: int
    prev_book_seq: int
    bids: list[tuple[float, int]]
    asks: list[tuple[float, int]]
    checksum: int
    seq: int
    timestamp: int


@dataclass(slots=True, kw_only=True)
class PositionState:
    """One trader in one instrument; `cash` and `total_equity` are of the whole account."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
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


@dataclass(slots=True, kw_only=True)
class PositionUpdate(PositionState):
    """A position, or its account's cash, changed."""

    type: Literal["position_update"] = "position_update"
    seq: int = 0
    channel_seq: int = 0


@dataclass(slots=True, kw_only=True)
class Liquidation:
    """`qty` lots of an account were really closed against its will (or, for auto_deleverage, for another's)."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["liquidation"] = "liquidation"
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


@dataclass(slots=True, kw_only=True)
class AccountStatus:
    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["account_status"] = "account_status"
    trader_id: str
    status: Literal["active", "frozen", "bankrupt"]
    account_seq: int | None = None
    seq: int | None = None
    channel_seq: int | None = None
    timestamp: int


@dataclass(slots=True, kw_only=True)
class InsuranceUpdate:
    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["insurance_update"] = "insurance_update"
    cash: float
    seq: int = 0
    channel_seq: int = 0
    timestamp: int


@dataclass(slots=True, kw_only=True)
class MarketStatus:
    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["market_status"] = "market_status"
    symbol: str
    status: Literal["open", "halted", "closed"]
    reason: str
    seq: int = 0
    channel_seq: int = 0
    timestamp: int


@dataclass(slots=True, kw_only=True)
class OrderAdd:
    """An order came to rest, last at its price. `trader_id` only on `orders_full`."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["order_add"] = "order_add"
    order_id: int
    symbol: str
    side: SideWord
    price: float
    qty: int
    trader_id: str | None = None
    seq: int
    channel_seq: int
    timestamp: int


@dataclass(slots=True, kw_only=True)
class OrderReduce:
    """`qty` lots were taken off a resting order, which keeps its place."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["order_reduce"] = "order_reduce"
    order_id: int
    symbol: str
    qty: int
    trader_id: str | None = None
    seq: int
    channel_seq: int
    timestamp: int


@dataclass(slots=True, kw_only=True)
class OrderRemove:
    """A resting order left the book: filled, cancelled, or moved."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["order_remove"] = "order_remove"
    order_id: int
    symbol: str
    trader_id: str | None = None
    seq: int
    channel_seq: int
    timestamp: int


@dataclass(slots=True, kw_only=True)
class LastTrade:
    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    price: float
    qty: int
    timestamp: int


@dataclass(slots=True, kw_only=True)
class RestingOrder:
    """An order of a snapshot, in order of priority. `trader_id` only on `orders_full`."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    order_id: int
    side: SideWord
    price: float
    qty: int
    trader_id: str | None = None


@dataclass(slots=True, kw_only=True)
class BookState:
    """One book of a snapshot. `orders` is there for readers of `orders`."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    bids: list[tuple[float, int]]
    asks: list[tuple[float, int]]
    best_bid: float | None
    best_ask: float | None
    book_seq: int
    last_trade: LastTrade | None
    mark_price: float
    status: Literal["open", "halted", "closed"]
    orders: list[RestingOrder] | None = None


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """The market as of event `seq`. `channel_seq` {channel: {symbol: n}}; what it does not name stands at 0."""

    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["snapshot"] = "snapshot"
    seq: int
    market_id: str
    channel_seq: dict[str, dict[str, int]]
    instruments: list[InstrumentInfo]
    books: dict[str, BookState]
    positions: list[PositionState]
    timestamp: int


@dataclass(slots=True, kw_only=True)
class Subscribed:
    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["subscribed"] = "subscribed"
    channels: list[str]
    symbols: list[str]
    batch: bool
    timestamp: int
    request_id: str | int | None = None


@dataclass(slots=True, kw_only=True)
class Resumed:
    __pydantic_config__: ClassVar[ConfigDict] = _LENIENT
    type: Literal["resumed"] = "resumed"
    from_seq: int
    timestamp: int
    request_id: str | int | None = None


Message = (
    OrderAccepted | OrderRejected | ReplaceRejected | CancelRejected | Fill | OrderCancelled | OrderReplaced | AllCancelled
    | OrderStatus | OpenOrders | Account | LoggedIn | LoggedOut | Heartbeat | Pong | Closed | Reopening | Error
    | Trade | BookUpdate | BookDelta | PositionUpdate | Liquidation | AccountStatus | InsuranceUpdate | MarketStatus
    | OrderAdd | OrderReduce | OrderRemove | Snapshot | Subscribed | Resumed
)
"""Everything the exchange and the relay say."""

MESSAGE_CLASSES: dict[str, type[Any]] = {cls.__dataclass_fields__["type"].default: cls for cls in get_args(Message)}
_MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])
_MESSAGES: TypeAdapter[list[Message]] = TypeAdapter(list[Annotated[Message, Field(discriminator="type")]])


def parse_messages(frame: str | bytes) -> list[Message]:
    """The messages of one frame from the exchange or the relay (an array carries several), in order.

    Types this version does not know are left out. Raises ValueError when the frame is no JSON or a known message is ill-formed.
    """
    several = frame.lstrip()[:1] in ("[", b"[")
    try:
        return _MESSAGES.validate_json(frame) if several else [_MESSAGE.validate_json(frame)]
    except ValidationError as error:
        if all(each["type"] == "union_tag_invalid" for each in error.errors(include_url=False)):
            return _known_messages(frame)
        raise


def _known_messages(frame: str | bytes) -> list[Message]:
    import json

    parsed = json.loads(frame)
    items = parsed if isinstance(parsed, list) else [parsed]
    return [_MESSAGE.validate_python(item) for item in items if isinstance(item, dict) and item.get("type") in MESSAGE_CLASSES]
