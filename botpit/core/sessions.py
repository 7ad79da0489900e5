"""The logins of traders: a session begins, ends in good order, or loses its socket, which may take its orders
with it."""

from __future__ import annotations

from botpit.core.commands import Login, Logout, SessionLost
from botpit.core.events import CancelReason, LoggedIn, LoggedOut, Rejected, Request
from botpit.core.ledger import Ledger
from botpit.core.refusals import refuse, too_many_accounts


def log_in(ledger: Ledger, login: Login) -> LoggedIn | Rejected:
    """Begin a session, opening the trader's account if need be."""
    account = ledger.account_of(login.trader)
    if account is None:
        return refuse(ledger, Request.LOGIN, too_many_accounts(ledger), login.trader)
    session = account.log_in(cancel_on_disconnect=login.cancel_on_disconnect)
    answer = LoggedIn(login.trader, session, account.seq, ledger.now_ns)
    ledger.events.append(answer)
    return answer


def log_out(ledger: Ledger, logout: Logout) -> LoggedOut:
    """End a session; its orders stay."""
    account = ledger.accounts[logout.trader]
    account.log_out(logout.session)
    answer = LoggedOut(logout.trader, logout.session, account.seq, ledger.now_ns)
    ledger.events.append(answer)
    return answer


def lose(ledger: Ledger, lost: SessionLost) -> None:
    """End a session without its socket; its orders stay unless it asked otherwise."""
    account = ledger.accounts[lost.trader]
    if account.log_out(lost.session):
        for record in account.open_orders():
            if record.order.session == lost.session:
                ledger.remove(record, CancelReason.DISCONNECT)
