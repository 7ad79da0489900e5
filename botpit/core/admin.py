"""What the operator may do: halt, resume and close an instrument, set a mark, freeze and unfreeze a trader,
cancel, pay in.

A command that cannot be obeyed is refused and changes nothing. Which command an instrument takes in which
phase, and where it leads: phases.py.
"""

from __future__ import annotations

from typing import Any

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
from botpit.core.events import (
    Answer,
    CancelReason,
    MarketStatus,
    Reason,
    Rejected,
    Request,
    TradingStatus,
)
from botpit.core.ledger import NS_PER_S, Ledger
from botpit.core.market import Market
from botpit.core.phases import PHASES
from botpit.core.prospects import Refusal
from botpit.core.refusals import refuse
from botpit.core.risk.checks import invalid_price
from botpit.core.risk.liquidation import settle_deficits
from botpit.core.rules import reconfigure

_REASONS: dict[type[Any], str] = {
    Halt: "halt",
    Resume: "resume",
    Close: "close",
    SetMark: "mark",
}


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


def _about_market(
    ledger: Ledger, command: Halt | Resume | Close | SetMark
) -> MarketStatus | Rejected:
    symbol = command.symbol
    market = ledger.markets.get(symbol)
    if market is None:
        return refuse(ledger, Request.OPERATOR, Refusal(Reason.UNKNOWN_SYMBOL), symbol=symbol)
    after = market.phase.leads_to.get(type(command))
    if after is None:
        return refuse(ledger, Request.OPERATOR, Refusal(Reason.MARKET_HALTED), symbol=symbol)
    if isinstance(command, SetMark):
        instrument = market.instrument
        if not instrument.min_price <= command.price <= instrument.max_price:
            return refuse(ledger, Request.OPERATOR, invalid_price(instrument), symbol=symbol)
        ledger.set_mark(market, command.price)
    answer = _enter(ledger, market, after, _REASONS[type(command)])
    if isinstance(command, Close):
        _settle(ledger, market)
    return answer


def _enter(ledger: Ledger, market: Market, status: TradingStatus, reason: str) -> MarketStatus:
    """The market is in that phase from now on, the same one as before perhaps."""
    market.phase = PHASES[status]
    ledger.restless[market] = None
    answer = MarketStatus(market.instrument.symbol, status, reason, ledger.now_ns)
    ledger.events.append(answer)
    return answer


def _settle(ledger: Ledger, market: Market) -> None:
    """Turn all positions into cash at a mark that nobody can paint: the mean of the window."""
    symbol = market.instrument.symbol
    records = [
        record
        for side in (market.book.bids, market.book.asks)
        for level in side
        for record in level
    ]
    for record in sorted(records, key=lambda record: record.id):
        ledger.remove(record, CancelReason.CLOSED)
    ledger.set_mark(
        market, market.mean_mark(ledger.now_ns, ledger.rules.settle_window_s * NS_PER_S)
    )
    settle_deficits(ledger)
    for trader in sorted(ledger.accounts):
        position = ledger.accounts[trader].positions.get(symbol)
        if position is not None and position.lots:
            ledger.book_fill(position, -position.sign(), abs(position.lots), market.mark)


def _about_trader(
    ledger: Ledger, command: Freeze | Unfreeze | CancelTrader | Deposit
) -> Answer | None:
    account = ledger.accounts.get(command.trader)
    if account is None or (isinstance(command, Deposit) and command.amount <= 0):
        return refuse(ledger, Request.OPERATOR, Refusal(Reason.INVALID_MESSAGE), command.trader)
    match command:
        case Freeze() | Unfreeze():
            account.held = isinstance(command, Freeze)
            return ledger.emit_status(account)
        case CancelTrader():
            return ledger.cancel_all(account.trader, account.seq, account.open_orders())
        case Deposit(amount=amount):
            ledger.deposit(account, amount)
    return None
