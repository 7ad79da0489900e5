"""Everything that can change the exchange, each as a command: also what looks like time or accident.

Commands hold integers only: prices in ticks, quantities in lots, times in nanoseconds since the Unix epoch.
They are made by the border (`botpit/wire`) from what a client wrote, or by the process that owns the clock
and the sockets. The journal keeps commands and nothing else: the same commands in the same order give the
same events.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, final

from msgspec import Struct
from msgspec.structs import astuple

from botpit.core.instrument import Instrument, Rules

BUY = 1
SELL = -1


class TimeInForce(StrEnum):
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


class SelfTradePrevention(StrEnum):
    CANCEL_RESTING = "cancel_resting"
    CANCEL_INCOMING = "cancel_incoming"
    CANCEL_BOTH = "cancel_both"


class Open(Struct, gc=False):
    """The first command of a market: its name, rules and instruments."""

    market_id: str
    rules: Rules
    instruments: tuple[Instrument, ...]


@final
class OffTick(Struct, frozen=True, gc=False):
    """A price that no order can have, as the client wrote it: on no tick, or of an unknown instrument."""

    text: str


Price = int | OffTick
"""What a client may ask for: ticks, or a price that the engine refuses."""


def _together(price: int | None, off_tick: str) -> Price | None:
    """The price that journals and snapshots keep in two values."""
    if off_tick:
        return OffTick(off_tick)
    return price


class Order(Struct, gc=False):
    """A new order. Its kind is in its `price`: a limit order has one, a market order has None
    (docs/decisions/0011).

    Two orders are the same order when all but their session is equal (RULES.md, Idempotency).
    """

    trader: str
    symbol: str
    side: int
    qty: int
    price: Price | None
    time_in_force: TimeInForce = TimeInForce.GTC
    client_order_id: str | None = None
    post_only: bool = False
    reduce_only: bool = False
    self_trade_prevention: SelfTradePrevention | None = None
    expires_at_ns: int | None = None
    session: int = 0

    def same_as(self, other: Order) -> bool:
        """Whether both ask the same, whatever session they came by."""
        return astuple(self)[:-1] == astuple(other)[:-1]

    def values(self) -> tuple[Any, ...]:
        """The order as journals and snapshots keep it: an off-tick price stands apart, 0 in its place."""
        price: Any = self.price
        off_tick = ""
        if type(price) is OffTick:
            price, off_tick = 0, price.text
        return (
            self.trader, self.symbol, self.side, self.qty, price, self.time_in_force, self.client_order_id,
            self.post_only, self.reduce_only, self.self_trade_prevention, self.expires_at_ns, off_tick,
            self.session,
        )

    @staticmethod
    def of(
        trader: str, symbol: str, side: int, qty: int, price: int | None, time_in_force: TimeInForce,
        client_order_id: str | None, post_only: bool, reduce_only: bool,
        self_trade_prevention: SelfTradePrevention | None, expires_at_ns: int | None, off_tick: str,
        session: int,
    ) -> Order:
        """The order of its `values`."""
        asked = _together(price, off_tick)
        return Order(
            trader, symbol, side, qty, asked, time_in_force, client_order_id, post_only, reduce_only,
            self_trade_prevention, expires_at_ns, session,
        )


class Cancel(Struct, gc=False):
    """Cancel one open order, by either id or both."""

    trader: str
    order_id: int | None = None
    client_order_id: str | None = None


class CancelAll(Struct, gc=False):
    """Cancel the trader's open orders, of one symbol and of one side where given (`side` 0: both)."""

    trader: str
    symbol: str | None = None
    side: int = 0


class Replace(Struct, gc=False):
    """New price, new total quantity, or both, for one open order. None: as it was."""

    trader: str
    order_id: int | None = None
    client_order_id: str | None = None
    price: Price | None = None
    qty: int | None = None

    def values(self) -> tuple[Any, ...]:
        """The replace as journals keep it: an off-tick price stands apart, 0 in its place."""
        price: Any = self.price
        off_tick = ""
        if type(price) is OffTick:
            price, off_tick = 0, price.text
        return self.trader, self.order_id, self.client_order_id, price, self.qty, off_tick

    @staticmethod
    def of(
        trader: str, order_id: int | None, client_order_id: str | None, price: int | None, qty: int | None,
        off_tick: str,
    ) -> Replace:
        """The replace of its `values`."""
        return Replace(trader, order_id, client_order_id, _together(price, off_tick), qty)


class Login(Struct, gc=False):
    """A session begins to act for a trader."""

    trader: str
    cancel_on_disconnect: bool = False


class Logout(Struct, gc=False):
    """A session ends in good order: its orders stay."""

    trader: str
    session: int


class SessionLost(Struct, gc=False):
    """A session lost its socket without a logout."""

    trader: str
    session: int


class Tick(Struct, gc=False):
    """Time has passed: expiries, marks, thaws, liquidation, mark-to-market."""


# --------------------------------------------------------------------------------------------- the operator's


class Halt(Struct, gc=False):
    """Stop trading in an instrument: orders and replaces are refused, its mark stands still."""

    symbol: str


class Resume(Struct, gc=False):
    """Open a halted instrument again."""

    symbol: str


class Close(Struct, gc=False):
    """End an instrument for good and settle its positions at the mean mark of the settlement window."""

    symbol: str


class SetMark(Struct, gc=False):
    """Put an instrument's mark at a price, in ticks; accounts are judged by it at the next Tick."""

    symbol: str
    price: int


class Freeze(Struct, gc=False):
    """Let a trader only cancel and reduce, until Unfreeze."""

    trader: str


class Unfreeze(Struct, gc=False):
    trader: str


class CancelTrader(Struct, gc=False):
    """Cancel every open order of a trader."""

    trader: str


class Deposit(Struct, gc=False):
    """Pay money into an account, in account units; a bankrupt account becomes active again."""

    trader: str
    amount: int


class Reconfigure(Struct, gc=False):
    """Other rules for the same instruments; what a tick and a lot are worth stays (see rules.py)."""

    rules: Rules
    instruments: tuple[Instrument, ...]


AdminCommand = Halt | Resume | Close | SetMark | Freeze | Unfreeze | CancelTrader | Deposit | Reconfigure
Command = Open | Order | Cancel | CancelAll | Replace | Login | Logout | SessionLost | Tick | AdminCommand
