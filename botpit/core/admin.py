"""What the operator may do: halt, resume and close an instrument, set a mark, freeze and unfreeze a trader, cancel, pay in.

A command that cannot be obeyed is refused and changes nothing.
"""

from __future__ import annotations

from botpit.core.commands import (
    AdminCommand,
    CancelTrader,
    Close,
    Deposit,
    Freeze,
    Halt,
    Reconfigure,
    Resume,
    SetMark,
    Unfreeze,
)
from botpit.core.events import Answer, CancelReason, MarketStatus, Reason, Rejected, Request, TradingStatus
from botpit.core.ledger import NS_PER_S, Ledger
from botpit.core.market import Market
from botpit.core.orders import Refusal
from botpit.core.risk.checks import invalid_price
from botpit.core.risk.liquidation import settle_deficits
from botpit.core.rules import reconfigure


def obey(ledger: Ledger, command: AdminCommand) -> Answer | None:
    """Do what the operator asks, or refuse it; returns the answer."""
    match command:
        case Halt() | Resume() | Close() | SetMark():
            return _about_market(ledger, command)
        case Freeze() | Unfreeze() | CancelTrader() | Deposit():
            return _about_trader(ledger, command)
        case Reconfigure():
            reconfigure(ledger, command)
    return None


def _about_market(ledger: Ledger, command: Halt | Resume | Close | SetMark) -> MarketStatus | Rejected:
    market = ledger.markets.get(command.symbol)
    if market is None:
        return _refuse(ledger, Refusal(Reason.UNKNOWN_SYMBOL), symbol=command.symbol)
    if market.status is TradingStatus.CLOSED:
        return _refuse(ledger, Refusal(Reason.MARKET_HALTED), symbol=command.symbol)
    match command:
        case Halt():
            return _set_status(ledger, market, TradingStatus.HALTED, "halt")
        case Resume():
            return _set_status(ledger, market, TradingStatus.OPEN, "resume")
        case Close():
            return _close(ledger, market)
        case SetMark(price=price):
            if not market.instrument.min_price <= price <= market.instrument.max_price:
                return _refuse(ledger, invalid_price(market.instrument), symbol=command.symbol)
            ledger.set_mark(market, price)
            return _set_status(ledger, market, market.status, "mark")


def _set_status(ledger: Ledger, market: Market, status: TradingStatus, reason: str) -> MarketStatus:
    market.status = status
    ledger.restless[market] = None
    answer = MarketStatus(market.instrument.symbol, status, reason, ledger.now_ns)
    ledger.events.append(answer)
    return answer


def _close(ledger: Ledger, market: Market) -> MarketStatus:
    """End the market at a mark that nobody can paint: the mean of the window; then everybody has plain cash."""
    answer = _set_status(ledger, market, TradingStatus.CLOSED, "close")
    symbol = market.instrument.symbol
    records = [record for side in (market.book.bids, market.book.asks) for level in side for record in level]
    for record in sorted(records, key=lambda record: record.id):
        ledger.take_off(record, CancelReason.CLOSED)
    ledger.set_mark(market, market.mean_mark(ledger.now_ns, ledger.rules.settle_window_s * NS_PER_S))
    settle_deficits(ledger)
    for trader in sorted(ledger.accounts):
        position = ledger.accounts[trader].positions.get(symbol)
        if position is not None and position.lots:
            ledger.book_fill(position, -1 if position.lots > 0 else 1, abs(position.lots), market.mark)
    return answer


def _about_trader(ledger: Ledger, command: Freeze | Unfreeze | CancelTrader | Deposit) -> Answer | None:
    account = ledger.accounts.get(command.trader)
    if account is None or (isinstance(command, Deposit) and command.amount <= 0):
        return _refuse(ledger, Refusal(Reason.INVALID_MESSAGE), trader=command.trader)
    match command:
        case Freeze() | Unfreeze():
            account.held = isinstance(command, Freeze)
            return ledger.emit_status(account)
        case CancelTrader():
            return ledger.cancel_all(account.trader, account.seq, account.open_orders())
        case Deposit(amount=amount):
            ledger.deposit(account, amount)
    return None


def _refuse(ledger: Ledger, refusal: Refusal, trader: str = "", symbol: str = "") -> Rejected:
    answer = Rejected(Request.OPERATOR, refusal.reason, trader, ledger.now_ns, symbol, None, None, refusal.details)
    ledger.events.append(answer)
    return answer
