"""How the engine says no: every refusal is an event, and it is the answer to whoever asked."""

from __future__ import annotations

from botpit.core.events import Reason, Rejected, Request
from botpit.core.ledger import Ledger
from botpit.core.prospects import Refusal


def refuse(
    ledger: Ledger,
    request: Request,
    refusal: Refusal,
    trader: str = "",
    symbol: str = "",
    order_id: int | None = None,
    client_order_id: str | None = None,
) -> Rejected:
    """Say no to a request, with the ids by which whoever asked knows it."""
    answer = Rejected(
        request,
        refusal.reason,
        trader,
        ledger.now_ns,
        symbol,
        order_id,
        client_order_id,
        refusal.details,
    )
    ledger.events.append(answer)
    return answer


def too_many_accounts(ledger: Ledger) -> Refusal:
    return Refusal(Reason.TOO_MANY_ACCOUNTS, {"max_accounts": ledger.rules.max_accounts})
