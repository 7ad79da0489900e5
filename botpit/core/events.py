"""Everything the exchange can say, each as an event in integers.

An event says what happened; views of the book are derived elsewhere. Events about one trader carry
`account_seq`, which counts that trader's private events without holes. Which command causes which events, in
which order: API_SPEC.md, Order of events.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from botpit.core.commands import Order


class Reason(StrEnum):
    """Why a request was refused, in the order of the checks: those of gateway and feed, then those
    of the engine.
    """

    INVALID_JSON = "invalid_json"
    INVALID_MESSAGE = "invalid_message"
    UNAUTHORIZED = "unauthorized"
    OTHER_MARKET = "other_market"
    SEQ_AHEAD = "seq_ahead"
    TOO_OLD = "too_old"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_ACCOUNTS = "too_many_accounts"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    UNKNOWN_SYMBOL = "unknown_symbol"
    ACCOUNT_BANKRUPT = "account_bankrupt"
    UNKNOWN_ORDER = "unknown_order"
    ALREADY_CLOSED = "already_closed"
    MARKET_HALTED = "market_halted"
    INVALID_PRICE = "invalid_price"
    INVALID_QTY = "invalid_qty"
    ORDER_TOO_LARGE = "order_too_large"
    NOTIONAL_TOO_LARGE = "notional_too_large"
    PRICE_BAND = "price_band"
    REDUCE_ONLY_WOULD_INCREASE = "reduce_only_would_increase"
    POST_ONLY_WOULD_CROSS = "post_only_would_cross"
    NO_LIQUIDITY = "no_liquidity"
    FOK_UNFILLABLE = "fok_unfillable"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    POSITION_LIMIT = "position_limit"
    ACCOUNT_FROZEN = "account_frozen"
    INITIAL_MARGIN_INSUFFICIENT = "initial_margin_insufficient"


BEFORE_THE_ENGINE = frozenset(
    (
        Reason.INVALID_JSON,
        Reason.UNAUTHORIZED,
        Reason.OTHER_MARKET,
        Reason.SEQ_AHEAD,
        Reason.TOO_OLD,
        Reason.RATE_LIMITED,
    )
)
"""For these a request never becomes a command."""


class CancelReason(StrEnum):
    """Why lots of an order left the market without a trade."""

    REQUESTED = "requested"
    IOC = "ioc"
    PRICE_BAND = "price_band"
    SELF_TRADE = "self_trade"
    DISCONNECT = "disconnect"
    REDUCE_ONLY = "reduce_only"
    LIQUIDATION = "liquidation"
    EXPIRED = "expired"
    CLOSED = "closed"


class Liquidity(StrEnum):
    MAKER = "maker"
    TAKER = "taker"
    ADL = "adl"


class Request(StrEnum):
    """What was refused."""

    ORDER = "order"
    REPLACE = "replace"
    CANCEL = "cancel"
    LOGIN = "login"
    OPERATOR = "house"


class LiquidationReason(StrEnum):
    """Why lots of an account were closed against its will."""

    MAINTENANCE_MARGIN_BREACH = "maintenance_margin_breach"
    BANKRUPTCY = "bankruptcy"
    AUTO_DELEVERAGE = "auto_deleverage"


class AccountState(StrEnum):
    """What an account may do: everything; cancel and reduce; cancel."""

    ACTIVE = "active"
    FROZEN = "frozen"
    BANKRUPT = "bankrupt"


class TradingStatus(StrEnum):
    OPEN = "open"
    HALTED = "halted"
    CLOSED = "closed"


# ------------------------------------------------------------------------------------ answers, private events


class OrderAccepted(Struct, gc=False):
    """`queue_ahead`: lots before it at its price after its own trades. `repeated`: the answer given once
    before, no new event."""

    order_id: int
    order: Order
    queue_ahead: int
    account_seq: int
    now_ns: int
    repeated: bool = False


class Rejected(Struct, gc=False):
    """A refusal. Nothing changed, but that an order's client id is burnt. `details` in engine units, keyed as
    on the wire."""

    request: Request
    reason: Reason
    trader: str
    now_ns: int
    symbol: str = ""
    order_id: int | None = None
    client_order_id: str | None = None
    details: dict[str, int] = field(default_factory=dict)


class Fill(Struct, gc=False):
    """One trader's side of a trade. `fee` in account units, positive when paid. Deleveraging has no order and
    no trade id."""

    order_id: int | None
    client_order_id: str | None
    trade_id: int | None
    trader: str
    symbol: str
    side: int
    price: int
    qty: int
    leaves_qty: int
    fee: int
    liquidity: Liquidity
    account_seq: int
    now_ns: int


class OrderCancelled(Struct, gc=False):
    order_id: int
    client_order_id: str | None
    trader: str
    symbol: str
    cancelled_qty: int
    reason: CancelReason
    account_seq: int
    now_ns: int


class OrderReplaced(Struct, gc=False):
    """`leaves_qty`: the open quantity under the new terms, before any trade they cause."""

    order_id: int
    client_order_id: str | None
    trader: str
    symbol: str
    price: int
    qty: int
    leaves_qty: int
    kept_priority: bool
    account_seq: int
    now_ns: int


class AllCancelled(Struct, gc=False):
    """`account_seq` of the last cancel that follows, or the present one when `count` is 0."""

    trader: str
    count: int
    account_seq: int
    now_ns: int


class LoggedIn(Struct, gc=False):
    """`session` counts this trader's logins."""

    trader: str
    session: int
    account_seq: int
    now_ns: int


class LoggedOut(Struct, gc=False):
    trader: str
    session: int
    account_seq: int
    now_ns: int


# ------------------------------------------------------------- for the trader and, without its count, for all


class Liquidation(Struct, gc=False):
    """`qty` lots closed on `side`, the last at `price`: once per account and instrument, or for each
    deleveraging fill."""

    trader: str
    symbol: str
    reason: LiquidationReason
    side: int
    qty: int
    price: int
    account_seq: int
    now_ns: int


class AccountStatus(Struct, gc=False):
    trader: str
    status: AccountState
    account_seq: int
    now_ns: int


# ---------------------------------------------------------------------------------------------- public events


class InsuranceUpdate(Struct, gc=False):
    """`cash` of the insurance fund; negative when it owes."""

    cash: int
    now_ns: int


class MarketStatus(Struct, gc=False):
    """`reason`: halt, resume, close, mark or reconfigure (the status is as it was)."""

    symbol: str
    status: TradingStatus
    reason: str
    now_ns: int


class Trade(Struct, gc=False):
    trade_id: int
    symbol: str
    price: int
    qty: int
    buyer: str
    seller: str
    aggressor: int
    buy_order_id: int
    sell_order_id: int
    now_ns: int


class PositionUpdate(Struct, gc=False):
    """`cost` is the signed cost basis; `cash` and `equity` are the account's. Money in account units."""

    trader: str
    symbol: str
    position: int
    cost: int
    cash: int
    realized: int
    unrealized: int
    equity: int
    mark: int
    now_ns: int


class OrderAdded(Struct, gc=False):
    """An order came to rest, last in its queue."""

    order_id: int
    symbol: str
    trader: str
    side: int
    price: int
    qty: int
    now_ns: int


class OrderReduced(Struct, gc=False):
    """`qty` lots were taken off a resting order that keeps its place."""

    order_id: int
    symbol: str
    trader: str
    side: int
    price: int
    qty: int
    now_ns: int


class OrderRemoved(Struct, gc=False):
    """An order left the book with its last `qty` lots."""

    order_id: int
    symbol: str
    trader: str
    side: int
    price: int
    qty: int
    now_ns: int


OrderAnswer = OrderAccepted | Rejected | OrderCancelled | OrderReplaced | AllCancelled
Answer = OrderAnswer | LoggedIn | LoggedOut | MarketStatus | AccountStatus
"""What answers a command. A Tick, a lost session, a deposit and other rules have no answer."""
PrivateEvent = (
    OrderAccepted | OrderReplaced | OrderCancelled | Fill | Liquidation | AccountStatus
)
BookEvent = OrderAdded | OrderReduced | OrderRemoved
PublicEvent = (
    Trade
    | PositionUpdate
    | Liquidation
    | AccountStatus
    | InsuranceUpdate
    | MarketStatus
    | BookEvent
)
Event = Answer | PrivateEvent | PublicEvent
