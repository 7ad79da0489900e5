"""What the house may do: halt, resume and close an instrument, set a mark, freeze and unfreeze a trader, cancel, pay in.

The first event of a house command is its answer; a command that cannot be obeyed is refused and changes nothing.
"""

from __future__ import annotations

from botpit.core.commands import (
    CancelTrader,
    Close,
    Deposit,
    Freeze,
    Halt,
    HouseCommand,
    Reconfigure,
    Resume,
    SetMark,
    Unfreeze,
)
from botpit.core.events import CancelReason, MarketStatus, Reason, Rejected, Request, TradingStatus
from botpit.core.ledger import NS_PER_S, Floor
from botpit.core.market import Market
from botpit.core.orders import Refusal
from botpit.core.risk.checks import invalid_price
from botpit.core.risk.liquidation import settle_deficits
from botpit.core.rules import reconfigure


def obey(floor: Floor, command: HouseCommand) -> None:
    """Do what the house asks, or refuse it."""
    match command:
        case Halt() | Resume() | Close() | SetMark():
            _about_market(floor, command)
        case Freeze() | Unfreeze() | CancelTrader() | Deposit():
            _about_trader(floor, command)
        case Reconfigure():
            reconfigure(floor, command)


def _about_market(floor: Floor, command: Halt | Resume | Close | SetMark) -> None:
    market = floor.markets.get(command.symbol)
    if market is None:
        return _refuse(floor, Refusal(Reason.UNKNOWN_SYMBOL), symbol=command.symbol)
    if market.status is TradingStatus.CLOSED:
        return _refuse(floor, Refusal(Reason.MARKET_HALTED), symbol=command.symbol)
    match command:
        case Halt():
            _set_status(floor, market, TradingStatus.HALTED, "halt")
        case Resume():
            _set_status(floor, market, TradingStatus.OPEN, "resume")
        case Close():
            _close(floor, market)
        case SetMark(price=price):
            if not market.instrument.min_price <= price <= market.instrument.max_price:
                return _refuse(floor, invalid_price(market.instrument), symbol=command.symbol)
            floor.set_mark(market, price)
            _set_status(floor, market, market.status, "mark")


def _set_status(floor: Floor, market: Market, status: TradingStatus, reason: str) -> None:
    market.status = status
    floor.restless[market] = None
    floor.events.append(MarketStatus(market.instrument.symbol, status, reason, floor.now_ns))


def _close(floor: Floor, market: Market) -> None:
    """End the market at a mark that nobody can paint: the mean of the window; then everybody has plain cash."""
    _set_status(floor, market, TradingStatus.CLOSED, "close")
    symbol = market.instrument.symbol
    records = [record for side in (market.book.bids, market.book.asks) for level in side for record in level]
    for record in sorted(records, key=lambda record: record.id):
        floor.take_off(record, CancelReason.CLOSED)
    floor.set_mark(market, market.mean_mark(floor.now_ns, floor.rules.settle_window_s * NS_PER_S))
    settle_deficits(floor)
    for trader in sorted(floor.accounts):
        position = floor.accounts[trader].positions.get(symbol)
        if position is not None and position.lots:
            floor.book_fill(position, -1 if position.lots > 0 else 1, abs(position.lots), market.mark)


def _about_trader(floor: Floor, command: Freeze | Unfreeze | CancelTrader | Deposit) -> None:
    account = floor.accounts.get(command.trader)
    if account is None or (isinstance(command, Deposit) and command.amount <= 0):
        return _refuse(floor, Refusal(Reason.INVALID_MESSAGE), trader=command.trader)
    match command:
        case Freeze() | Unfreeze():
            account.held = isinstance(command, Freeze)
            floor.tell_status(account)
        case CancelTrader():
            floor.cancel_all(account.trader, account.seq, account.open_orders())
        case Deposit(amount=amount):
            floor.deposit(account, amount)


def _refuse(floor: Floor, refusal: Refusal, trader: str = "", symbol: str = "") -> None:
    floor.events.append(
        Rejected(Request.HOUSE, refusal.reason, trader, floor.now_ns, symbol, None, None, refusal.details)
    )
