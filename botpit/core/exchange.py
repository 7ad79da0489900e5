"""The exchange as one deterministic machine: a command and a time in, events out.

No clock, no chance, no input or output, integers only. A client's mistake is a refusal, which is an event; our own mistake is
an assert, which stops the process. For a client's command the first event is its answer. What traders ask is done here, what the
operator asks in `admin`, what time brings in `timers`; all of it by the moves of `ledger`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from botpit.core import admin, timers
from botpit.core.accounts import Account
from botpit.core.commands import (
    BUY,
    AdminCommand,
    Cancel,
    CancelAll,
    Command,
    Login,
    Logout,
    Open,
    Order,
    Replace,
    SelfTradePrevention,
    SessionLost,
    Tick,
    TimeInForce,
)
from botpit.core.events import (
    AllCancelled,
    Answer,
    CancelReason,
    Event,
    LoggedIn,
    LoggedOut,
    OrderAccepted,
    OrderCancelled,
    OrderReplaced,
    Reason,
    Rejected,
    Request,
)
from botpit.core.ledger import Ledger
from botpit.core.market import Market
from botpit.core.matching import match_order, own_cancels
from botpit.core.orders import Match, OrderRecord, Outcome, Prospect, Refusal, RefusedOrder, Terms, packed, unpacked
from botpit.core.risk.checks import bad_qty, bad_terms, halted, too_much, would_cross, would_increase
from botpit.core.risk.margin import fee

Asked = Order | Cancel | CancelAll | Replace | Login


class Exchange(Ledger):
    """All markets and accounts. `apply` is the only way in; everything else only looks."""

    def __init__(self, opening: Open) -> None:
        super().__init__(opening)
        self.timers = timers.Timers()

    def apply(self, command: Command, now_ns: int) -> Outcome:
        """Advance by one command. `now_ns` is kept from running backwards. Never raises on a client's mistake."""
        self.let_time_pass(now_ns)
        events: list[Event] = []
        self.events = events
        answer = _DOING[type(command)](self, command)
        if self._moved or self._paid:
            self.emit_changed_positions()
        if type(command) is Tick:
            timers.mark_to_market(self, self.timers)
        if self.insurance != self.emitted_insurance:
            self.emit_insurance()
        return Outcome(answer, events)

    def next_due_ns(self, now_ns: int) -> int | None:
        """When a Tick may next change something, given no other command: at once, later, or (None) never."""
        return timers.next_due_ns(self, self.timers, now_ns)

    # -------------------------------------------------------------------------------------------------------------- orders

    def _place(self, order: Order) -> OrderAccepted | Rejected:
        account = self.accounts.get(order.trader) or self._account(order.trader)
        if account is None:
            return self._refuse(Request.ORDER, self._too_many_accounts(), order)
        if order.client_order_id is not None:
            known = account.by_client_id.get(order.client_order_id)
            if known is not None:
                return self._answer_again(order, known)
        market = self.markets.get(order.symbol)
        if market is None:
            return self._refuse_and_burn(account, order, Refusal(Reason.UNKNOWN_SYMBOL))
        if account.bankrupt:
            return self._refuse_and_burn(account, order, Refusal(Reason.ACCOUNT_BANKRUPT))
        terms = _terms(order, market)
        refusal = halted(market) or bad_terms(market, terms)
        if refusal is not None:
            return self._refuse_and_burn(account, order, refusal)
        prospect = self._prospect(order, account, market, terms, terms.qty)
        refusal = _unwanted(order, terms, prospect) or too_much(prospect)
        if refusal is not None:
            return self._refuse_and_burn(account, order, refusal)
        return self._accept(order, terms.limit, prospect)

    def _prospect(self, order: Order, account: Account, market: Market, terms: Terms, qty: int, *old: OrderRecord) -> Prospect:
        """What `qty` lots of the order would do and leave, with the old form of it taken away."""
        position = account.position(market)
        prevention = order.self_trade_prevention or _PREVENTIONS[self.rules.self_trade_prevention]
        made = match_order(position, terms.sign, qty, terms.limit, market.book.side(-terms.sign), prevention, order.reduce_only)
        resting = made.left if order.time_in_force in _RESTS and not made.stopped else 0
        removed = [*old, *own_cancels(made, position)] if old or made.cancels else []
        return Prospect(position, terms.sign, made, resting, terms.limit, removed)

    def _accept(self, order: Order, limit: int, prospect: Prospect) -> OrderAccepted:
        position = prospect.position
        account = position.account
        order.trader, order.symbol = account.trader, position.market.instrument.symbol  # the same texts, kept once for all orders
        level = position.market.book.side(order.side).levels.get(limit) if prospect.resting else None
        queue_ahead = 0
        if level is not None:
            queue_ahead, limit = level.qty, level.price  # the same number, kept once for all orders at it
            if order.price is not None:
                order.price = limit
        account_seq, now_ns = account.next_seq(), self.now_ns
        acceptance = packed(queue_ahead, account_seq, now_ns) if order.client_order_id is not None else 0
        record = OrderRecord(self.next_order_id(), order, limit, position, order.qty, order.qty, acceptance)
        account.enter(record)
        accepted = OrderAccepted(record.id, order, queue_ahead, account_seq, now_ns)
        self.events.append(accepted)
        if order.expires_at_ns is not None:
            self.timers.expire_later(record, order.expires_at_ns)
        self._carry_out(record, prospect)
        return accepted

    def _carry_out(self, record: OrderRecord, prospect: Prospect) -> None:
        """Make the match's trades and cancels; then let the rest of the order rest, or cancel it."""
        made = prospect.match
        if made.fills:
            self._take(record, made)
        if record.leaves == 0:
            record.position.account.closed(record)
        elif prospect.resting:
            self.rest(record)
        else:
            self.cancel_rest(record, made.stopped or _rest_reason(record.order))

    def _take(self, record: OrderRecord, made: Match) -> None:
        instrument = record.position.market.instrument
        for maker, qty in made.fills:
            if qty:
                self.trade(record, maker, qty, fee(qty * maker.price * instrument.tick_value, instrument.taker_fee_bps))
            else:
                self.take_off(maker, made.cancels[maker.id])

    # ------------------------------------------------------------------------------------------------------------- cancels

    def _cancel(self, cancel: Cancel) -> OrderCancelled | Rejected:
        record = self._find(cancel, Request.CANCEL)
        return record if isinstance(record, Rejected) else self.take_off(record, CancelReason.REQUESTED)

    def _cancel_all(self, command: CancelAll) -> AllCancelled | Rejected:
        if command.symbol is not None and command.symbol not in self.markets:
            return self._refuse(Request.CANCEL, Refusal(Reason.UNKNOWN_SYMBOL), command)
        account = self.accounts.get(command.trader)
        records = [] if account is None else [
            record for record in account.open_orders()
            if command.symbol in (None, record.order.symbol) and command.side in (0, record.order.side)
        ]
        return self.cancel_all(command.trader, account.seq if account else 0, records)

    # ------------------------------------------------------------------------------------------------------------- replace

    def _replace(self, replace: Replace) -> OrderReplaced | Rejected:
        record = self._find(replace, Request.REPLACE)
        if isinstance(record, Rejected):
            return record
        market = record.position.market
        qty = record.qty if replace.qty is None else replace.qty
        price = record.price if replace.price is None else replace.price
        terms = Terms(record.order.side, qty, price, False, bool(replace.off_tick), record.filled)
        leaves = qty - record.filled
        keeps_place = price == record.price and leaves <= record.leaves and not terms.off_tick
        refusal = halted(market) or (bad_qty(market, qty, record.filled) if keeps_place else bad_terms(market, terms))
        if refusal is not None:
            return self._refuse(Request.REPLACE, refusal, replace, record)
        if keeps_place:
            return self._reduce_in_place(record, qty, leaves)
        return self._move(replace, record, terms, leaves)

    def _reduce_in_place(self, record: OrderRecord, qty: int, leaves: int) -> OrderReplaced:
        record.qty = qty
        replaced = self._replaced(record, leaves, kept_priority=True)
        self.events.append(replaced)
        if leaves < record.leaves:
            self.reduce(record, record.leaves - leaves)
        return replaced

    def _move(self, replace: Replace, record: OrderRecord, terms: Terms, leaves: int) -> OrderReplaced | Rejected:
        """The incoming order's way, with the old leaves taken away; refused means untouched."""
        order, account = record.order, record.position.account
        prospect = self._prospect(order, account, record.position.market, terms, leaves, record)
        refusal = _unwanted(order, terms, prospect) or too_much(prospect)
        if refusal is not None:
            return self._refuse(Request.REPLACE, refusal, replace, record)
        before = len(self.events)
        self.reduce(record, record.leaves)
        record.qty, record.leaves, record.price = terms.qty, leaves, terms.limit
        replaced = self._replaced(record, leaves, kept_priority=False)
        self.events.insert(before, replaced)  # the answer comes before what it caused
        self._carry_out(record, prospect)
        return replaced

    def _replaced(self, record: OrderRecord, leaves: int, *, kept_priority: bool) -> OrderReplaced:
        order = record.order
        return OrderReplaced(
            record.id, order.client_order_id, order.trader, order.symbol, record.price, record.qty, leaves, kept_priority,
            record.position.account.next_seq(), self.now_ns,
        )

    # -------------------------------------------------------------------------------------------------- time and sessions

    def _tick(self, tick: Tick) -> None:
        timers.tick(self, self.timers)

    def _login(self, login: Login) -> LoggedIn | Rejected:
        account = self._account(login.trader)
        if account is None:
            return self._refuse(Request.LOGIN, self._too_many_accounts(), login)
        session = account.log_in(cancel_on_disconnect=login.cancel_on_disconnect)
        answer = LoggedIn(login.trader, session, account.seq, self.now_ns)
        self.events.append(answer)
        return answer

    def _logout(self, logout: Logout) -> LoggedOut:
        account = self.accounts[logout.trader]
        account.log_out(logout.session)
        answer = LoggedOut(logout.trader, logout.session, account.seq, self.now_ns)
        self.events.append(answer)
        return answer

    def _session_lost(self, lost: SessionLost) -> None:
        account = self.accounts[lost.trader]
        if account.log_out(lost.session):
            for record in account.open_orders():
                if record.order.session == lost.session:
                    self.take_off(record, CancelReason.DISCONNECT)

    def _account(self, trader: str) -> Account | None:
        """The trader's account, opened if need be; None when there are too many."""
        account = self.accounts.get(trader)
        if account is None and len(self.accounts) < self.rules.max_accounts:
            account = self.open_account(trader)
        return account

    def _too_many_accounts(self) -> Refusal:
        return Refusal(Reason.TOO_MANY_ACCOUNTS, {"max_accounts": self.rules.max_accounts})

    # ------------------------------------------------------------------------------------------------------------- answers

    def _find(self, named: Cancel | Replace, request: Request) -> OrderRecord | Rejected:
        """The open order that the request names, or the refusal."""
        account = self.accounts.get(named.trader)
        record = find_order(account, named.order_id, named.client_order_id) if account else None
        if record is None:
            return self._refuse(request, Refusal(Reason.UNKNOWN_ORDER), named)
        if not record.leaves:
            return self._refuse(request, Refusal(Reason.ALREADY_CLOSED), named, record)
        return record

    def _answer_again(self, order: Order, known: OrderRecord | RefusedOrder) -> OrderAccepted | Rejected:
        if not known.order.same_as(order):
            return self._refuse(Request.ORDER, Refusal(Reason.DUPLICATE_CLIENT_ORDER_ID), order)
        answer: OrderAccepted | Rejected
        if isinstance(known, RefusedOrder):
            answer = known.answer
        else:
            answer = OrderAccepted(known.id, known.order, *unpacked(known.acceptance), repeated=True)
        self.events.append(answer)
        return answer

    def _refuse_and_burn(self, account: Account, order: Order, refusal: Refusal) -> Rejected:
        answer = self._refuse(Request.ORDER, refusal, order)
        if order.client_order_id is not None:
            account.burn(RefusedOrder(order, answer))
        return answer

    def _refuse(
        self, request: Request, refusal: Refusal, asked: Asked, record: OrderRecord | None = None
    ) -> Rejected:
        symbol = record.order.symbol if record else getattr(asked, "symbol", None) or ""
        order_id = record.id if record else getattr(asked, "order_id", None)
        client_order_id = record.order.client_order_id if record else getattr(asked, "client_order_id", None)
        answer = Rejected(
            request, refusal.reason, asked.trader, self.now_ns, symbol, order_id, client_order_id, refusal.details
        )
        self.events.append(answer)
        return answer


_DOING: dict[type[Command], Callable[[Exchange, Any], Answer | None]] = {
    Order: Exchange._place, Cancel: Exchange._cancel, CancelAll: Exchange._cancel_all, Replace: Exchange._replace,
    Tick: Exchange._tick, Login: Exchange._login, Logout: Exchange._logout, SessionLost: Exchange._session_lost,
    **dict.fromkeys(get_args(AdminCommand), admin.obey),
}  # fmt: skip
"""What each command does; a market is opened once, by the Exchange it makes, and never by a command after that."""
_PREVENTIONS = {each.value: each for each in SelfTradePrevention}
_RESTS = (TimeInForce.GTC, TimeInForce.GTD)
_FOK = TimeInForce.FOK


def find_order(account: Account, order_id: int | None, client_order_id: str | None) -> OrderRecord | None:
    """The accepted order, open or closed, that every given id names."""
    found = account.remembered_order(order_id, client_order_id)
    return found if isinstance(found, OrderRecord) else None


def _terms(order: Order, market: Market) -> Terms:
    if order.price is None:
        return Terms(order.side, order.qty, market.band_high if order.side == BUY else market.band_low, True, False)
    return Terms(order.side, order.qty, order.price, False, bool(order.off_tick))


def _unwanted(order: Order, terms: Terms, prospect: Prospect) -> Refusal | None:
    """The checks of what the order itself asked for: reduce-only, post-only, liquidity, fill-or-kill."""
    fok = order.time_in_force is _FOK
    if not (order.reduce_only or order.post_only or terms.market_order or fok):
        return None
    made = prospect.match
    if order.reduce_only:
        refusal = would_increase(prospect.position, order.side, order.qty if fok else 0)
        if refusal is not None:
            return refusal
    if order.post_only:
        refusal = would_cross(prospect.position.market, terms)
        if refusal is not None:
            return refusal
    if terms.market_order and not made.filled:
        return Refusal(Reason.NO_LIQUIDITY)
    if fok and made.left:
        return Refusal(Reason.FOK_UNFILLABLE, {"fillable_qty": made.filled})
    return None


def _rest_reason(order: Order) -> CancelReason:
    return CancelReason.PRICE_BAND if order.price is None else CancelReason.IOC
