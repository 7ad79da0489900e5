"""The exchange as one deterministic machine: a command and a time in, events out.

No clock, no chance, no input or output, integers only. A client's mistake is a refusal, which is an event; our own mistake is
an assert, which stops the process. For a client's command the first event is its answer. Accounts, books and marks change
nowhere else.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from botpit.exchange.accounts import Account, OrderRecord, Position, RefusedOrder
from botpit.exchange.checks import Refusal, Terms, bad_qty, bad_terms, too_much, would_cross, would_increase
from botpit.exchange.commands import (
    BUY,
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
from botpit.exchange.events import (
    AllCancelled,
    CancelReason,
    Event,
    Fill,
    Liquidity,
    LoggedIn,
    LoggedOut,
    OrderAccepted,
    OrderAdded,
    OrderCancelled,
    OrderReduced,
    OrderRemoved,
    OrderReplaced,
    PositionUpdate,
    Reason,
    Rejected,
    Request,
    Trade,
)
from botpit.exchange.margin import Prospect, fee
from botpit.exchange.market import Market
from botpit.exchange.plan import Plan, plan


class Exchange:
    """All markets and accounts. `apply` is the only way in; everything else only looks."""

    def __init__(self, opening: Open) -> None:
        self.market_id = opening.market_id
        self.rules = opening.rules
        self.markets = {each.symbol: Market(each) for each in opening.instruments}
        self.first_symbol = opening.instruments[0].symbol
        self.accounts: dict[str, Account] = {}
        self.fees = 0
        self.insurance = opening.rules.insurance_fund
        self.now_ns = 0
        self._default_prevention = SelfTradePrevention(opening.rules.self_trade_prevention)
        self._last_order_id = 0
        self._last_trade_id = 0
        self._expiries: list[tuple[int, int, OrderRecord]] = []
        self._expiring = 0
        self._events: list[Event] = []
        self._moved: dict[Position, None] = {}

    # ------------------------------------------------------------------------------------------------------------ commands

    def apply(self, command: Command, now_ns: int) -> list[Event]:
        """Advance by one command. `now_ns` is kept from running backwards. Never raises on a client's mistake."""
        self.now_ns = max(self.now_ns, now_ns)
        events: list[Event] = []
        self._events = events
        match command:
            case Order():
                self._place(command)
            case Cancel():
                self._cancel(command)
            case Replace():
                self._replace(command)
            case CancelAll():
                self._cancel_all(command)
            case Tick():
                self._tick()
            case Login():
                self._login(command)
            case Logout():
                self._logout(command)
            case SessionLost():
                self._session_lost(command)
            case Open():
                raise AssertionError("a market is opened once, by the Exchange it makes")
        if self._moved:
            self._tell_positions()
        return events

    def next_due_ns(self, now_ns: int) -> int | None:
        """When a Tick would next change something, given no other command: at once, at an expiry, or (None) never."""
        if any(market.next_mark() != market.mark for market in self.markets.values()):
            return now_ns
        self._drop_closed_expiries()
        return self._expiries[0][0] if self._expiries else None

    # -------------------------------------------------------------------------------------------------------------- orders

    def _place(self, order: Order) -> None:
        account = self.accounts.get(order.trader)
        if account is None and len(self.accounts) >= self.rules.max_accounts:
            return self._refuse(Request.ORDER, self._too_many_accounts(), order)
        account = account or self._open_account(order.trader)
        if order.client_order_id is not None:
            known = account.by_client_id.get(order.client_order_id)
            if known is not None:
                return self._answer_again(order, known)
        market = self.markets.get(order.symbol)
        if market is None:
            return self._refuse_and_burn(account, order, Refusal(Reason.UNKNOWN_SYMBOL))
        terms = _terms(order, market)
        refusal = bad_terms(market, terms)
        if refusal is not None:
            return self._refuse_and_burn(account, order, refusal)
        position = account.position(market)
        prevention = order.self_trade_prevention or self._default_prevention
        made = plan(position, order.side, order.qty, terms.limit, market.book.side(-order.side), prevention, order.reduce_only)
        resting = made.left if order.time_in_force in _RESTS and not made.stopped else 0
        prospect = Prospect(position, order.side, made, resting, terms.limit, made.own_cancels(position))
        refusal = _unwanted(order, terms, prospect) or too_much(prospect)
        if refusal is not None:
            return self._refuse_and_burn(account, order, refusal)
        self._accept(order, terms.limit, prospect)

    def _accept(self, order: Order, limit: int, prospect: Prospect) -> None:
        position = prospect.position
        self._last_order_id += 1
        record = OrderRecord(self._last_order_id, order, limit, position)
        queue_ahead = position.market.book.side(order.side).qty_at(limit) if prospect.resting else 0
        answer = OrderAccepted(record.id, order, queue_ahead, position.account.next_seq(), self.now_ns)
        if order.client_order_id is not None:
            record.accepted = answer
        position.account.enter(record)
        self._events.append(answer)
        if order.expires_at_ns is not None:
            self._expire_later(record, order.expires_at_ns)
        self._carry_out(record, prospect)

    def _carry_out(self, record: OrderRecord, prospect: Prospect) -> None:
        """Make the plan's trades and cancels; then let the rest of the order rest, or cancel it."""
        for maker, qty in prospect.plan.steps:
            if qty:
                self._trade(record, maker, qty)
            else:
                self._take_off(maker, prospect.plan.cancels[maker.id])
        if record.leaves == 0:
            record.position.account.closed(record)
        elif prospect.resting:
            self._rest(record)
        else:
            self._cancel_lots(record, prospect.plan.stopped or _rest_reason(record.order))

    def _trade(self, taker: OrderRecord, maker: OrderRecord, qty: int) -> None:
        market, sign, price = taker.position.market, taker.order.side, maker.price
        self._last_trade_id += 1
        buyer, seller = (taker, maker) if sign == BUY else (maker, taker)
        market.traded(price, qty, self.now_ns)
        self._events.append(
            Trade(
                self._last_trade_id, market.instrument.symbol, price, qty, buyer.order.trader, seller.order.trader, sign,
                buyer.id, seller.id, self.now_ns,
            )
        )
        taker.leaves -= qty
        self._fill(taker, qty, price, market.instrument.taker_fee_bps, Liquidity.TAKER)
        self._shrink(maker, qty)
        self._fill(maker, qty, price, market.instrument.maker_fee_bps, Liquidity.MAKER)
        self._tell_shrunk(maker, qty)
        if maker.leaves == 0:
            maker.position.account.closed(maker)

    def _fill(self, record: OrderRecord, qty: int, price: int, rate_bps: int, liquidity: Liquidity) -> None:
        position, order = record.position, record.order
        account, instrument = position.account, position.market.instrument
        record.filled += qty
        paid = fee(qty * price * instrument.tick_value, rate_bps)
        self.fees += paid
        account.cash += position.trade(order.side, qty, price) - paid
        self._moved[position] = None
        self._events.append(
            Fill(
                record.id, order.client_order_id, self._last_trade_id, order.trader, order.symbol, order.side, price, qty,
                record.leaves, paid, liquidity, account.next_seq(), self.now_ns,
            )
        )

    def _rest(self, record: OrderRecord) -> None:
        position, order = record.position, record.order
        position.market.book.side(order.side).add(record)
        position.count_open(record, record.leaves)
        position.orders[record.id] = record
        self._events.append(
            OrderAdded(record.id, order.symbol, order.trader, order.side, record.price, record.leaves, self.now_ns)
        )

    def _shrink(self, record: OrderRecord, qty: int) -> None:
        """Take `qty` lots off a resting order; without any left it leaves the book."""
        position = record.position
        position.count_open(record, -qty)
        if qty == record.leaves:
            position.market.book.side(record.order.side).remove(record)
            del position.orders[record.id]
        else:
            assert record.level is not None, record.id
            record.level.qty -= qty
        record.leaves -= qty

    def _tell_shrunk(self, record: OrderRecord, qty: int) -> None:
        kind = OrderReduced if record.level is not None else OrderRemoved
        order = record.order
        self._events.append(kind(record.id, order.symbol, order.trader, order.side, record.price, qty, self.now_ns))

    # ------------------------------------------------------------------------------------------------------------- cancels

    def _cancel(self, cancel: Cancel) -> None:
        record = self._find(cancel, Request.CANCEL)
        if record is not None:
            self._take_off(record, CancelReason.REQUESTED)

    def _cancel_all(self, command: CancelAll) -> None:
        if command.symbol is not None and command.symbol not in self.markets:
            return self._refuse(Request.CANCEL, Refusal(Reason.UNKNOWN_SYMBOL), command)
        account = self.accounts.get(command.trader)
        records = [] if account is None else [
            record for record in account.open_orders()
            if command.symbol in (None, record.order.symbol) and command.side in (0, record.order.side)
        ]
        account_seq = len(records) + (account.seq if account else 0)
        self._events.append(AllCancelled(command.trader, len(records), account_seq, self.now_ns))
        for record in records:
            self._take_off(record, CancelReason.REQUESTED)

    def _take_off(self, record: OrderRecord, reason: CancelReason) -> None:
        """Cancel a resting order."""
        lots = record.leaves
        self._shrink(record, lots)
        self._tell_cancelled(record, lots, reason)
        self._tell_shrunk(record, lots)

    def _cancel_lots(self, record: OrderRecord, reason: CancelReason) -> None:
        """Cancel what is left of an order that does not rest."""
        lots, record.leaves = record.leaves, 0
        self._tell_cancelled(record, lots, reason)

    def _tell_cancelled(self, record: OrderRecord, lots: int, reason: CancelReason) -> None:
        order, account = record.order, record.position.account
        record.cancelled += lots
        account.closed(record)
        self._events.append(
            OrderCancelled(
                record.id, order.client_order_id, order.trader, order.symbol, lots, reason, account.next_seq(), self.now_ns
            )
        )

    # ------------------------------------------------------------------------------------------------------------- replace

    def _replace(self, replace: Replace) -> None:
        record = self._find(replace, Request.REPLACE)
        if record is None:
            return
        market = record.position.market
        qty = record.qty if replace.qty is None else replace.qty
        price = record.price if replace.price is None else replace.price
        terms = Terms(record.order.side, qty, price, False, bool(replace.off_tick), record.filled)
        leaves = qty - record.filled
        keeps_place = price == record.price and leaves <= record.leaves and not terms.off_tick
        refusal = bad_qty(market, qty, record.filled) if keeps_place else bad_terms(market, terms)
        if refusal is not None:
            return self._refuse(Request.REPLACE, refusal, replace, record)
        if keeps_place:
            self._reduce_in_place(record, qty, leaves)
        else:
            self._move(replace, record, terms, leaves)

    def _reduce_in_place(self, record: OrderRecord, qty: int, leaves: int) -> None:
        lots = record.leaves - leaves
        record.qty = qty
        self._tell_replaced(record, leaves, kept_priority=True)
        if lots:
            self._shrink(record, lots)
            self._tell_shrunk(record, lots)

    def _move(self, replace: Replace, record: OrderRecord, terms: Terms, leaves: int) -> None:
        """The incoming order's way, with the old leaves taken away; refused means untouched."""
        position, order, market = record.position, record.order, record.position.market
        prevention = order.self_trade_prevention or self._default_prevention
        made = plan(position, terms.sign, leaves, terms.limit, market.book.side(-terms.sign), prevention, order.reduce_only)
        resting = 0 if made.stopped else made.left
        prospect = Prospect(position, terms.sign, made, resting, terms.limit, [record, *made.own_cancels(position)])
        refusal = _unwanted(order, terms, prospect) or too_much(prospect)
        if refusal is not None:
            return self._refuse(Request.REPLACE, refusal, replace, record)
        lots = record.leaves
        self._shrink(record, lots)
        removed = OrderRemoved(record.id, order.symbol, order.trader, order.side, record.price, lots, self.now_ns)
        record.qty, record.leaves, record.price = terms.qty, leaves, terms.limit
        self._tell_replaced(record, leaves, kept_priority=False)
        self._events.append(removed)
        self._carry_out(record, prospect)

    def _tell_replaced(self, record: OrderRecord, leaves: int, *, kept_priority: bool) -> None:
        order = record.order
        self._events.append(
            OrderReplaced(
                record.id, order.client_order_id, order.trader, order.symbol, record.price, record.qty, leaves, kept_priority,
                record.position.account.next_seq(), self.now_ns,
            )
        )

    # ------------------------------------------------------------------------------------------------------------ sessions

    def _login(self, login: Login) -> None:
        account = self.accounts.get(login.trader)
        if account is None and len(self.accounts) >= self.rules.max_accounts:
            return self._refuse(Request.LOGIN, self._too_many_accounts(), login)
        account = account or self._open_account(login.trader)
        account.sessions += 1
        account.open_sessions[account.sessions] = login.cancel_on_disconnect
        self._events.append(LoggedIn(login.trader, account.sessions, account.seq, self.now_ns))

    def _logout(self, logout: Logout) -> None:
        account = self.accounts[logout.trader]
        del account.open_sessions[logout.session]
        self._events.append(LoggedOut(logout.trader, logout.session, account.seq, self.now_ns))

    def _session_lost(self, lost: SessionLost) -> None:
        account = self.accounts[lost.trader]
        if account.open_sessions.pop(lost.session):
            for record in account.open_orders():
                if record.order.session == lost.session:
                    self._take_off(record, CancelReason.DISCONNECT)

    def _too_many_accounts(self) -> Refusal:
        return Refusal(Reason.TOO_MANY_ACCOUNTS, {"max_accounts": self.rules.max_accounts})

    def _open_account(self, trader: str) -> Account:
        account = self.accounts[trader] = Account(trader, self.rules.starting_cash)
        return account

    # ---------------------------------------------------------------------------------------------------------------- time

    def _tick(self) -> None:
        due = []
        while self._expiries and self._expiries[0][0] <= self.now_ns:
            record = heappop(self._expiries)[2]
            if record.leaves:
                due.append(record)
        for record in sorted(due, key=lambda each: each.id):
            self._take_off(record, CancelReason.EXPIRED)
        for market in self.markets.values():
            mark = market.next_mark()
            if mark != market.mark:
                market.set_mark(mark)

    def _expire_later(self, record: OrderRecord, expires_at_ns: int) -> None:
        """Put it in the heap; when closed orders have come to be the most of it, it is made anew from the open ones."""
        heappush(self._expiries, (expires_at_ns, record.id, record))
        if len(self._expiries) > 2 * self._expiring + 1_000:
            self._expiries = [entry for entry in self._expiries if entry[2].leaves]
            heapify(self._expiries)
            self._expiring = len(self._expiries)

    def _drop_closed_expiries(self) -> None:
        while self._expiries and not self._expiries[0][2].leaves:
            heappop(self._expiries)

    # ------------------------------------------------------------------------------------------------------------- answers

    def _find(self, named: Cancel | Replace, request: Request) -> OrderRecord | None:
        """The open order the request names; refuses and returns None when there is none."""
        account = self.accounts.get(named.trader)
        record = find_order(account, named.order_id, named.client_order_id) if account else None
        if record is None:
            self._refuse(request, Refusal(Reason.UNKNOWN_ORDER), named)
        elif not record.leaves:
            self._refuse(request, Refusal(Reason.ALREADY_CLOSED), named, record)
        else:
            return record
        return None

    def _answer_again(self, order: Order, known: OrderRecord | RefusedOrder) -> None:
        if known.order != order:
            self._refuse(Request.ORDER, Refusal(Reason.DUPLICATE_CLIENT_ORDER_ID), order)
        elif isinstance(known, RefusedOrder):
            self._events.append(known.answer)
        else:
            first = known.accepted
            assert first is not None, known.id
            self._events.append(
                OrderAccepted(first.order_id, first.order, first.queue_ahead, first.account_seq, first.now_ns, repeated=True)
            )

    def _refuse_and_burn(self, account: Account, order: Order, refusal: Refusal) -> None:
        self._refuse(Request.ORDER, refusal, order)
        if order.client_order_id is not None:
            answer = self._events[-1]
            assert isinstance(answer, Rejected), answer
            account.burn(RefusedOrder(order, answer))

    def _refuse(
        self, request: Request, refusal: Refusal, asked: Asked, record: OrderRecord | None = None
    ) -> None:
        symbol = record.order.symbol if record else getattr(asked, "symbol", None) or ""
        order_id = record.id if record else getattr(asked, "order_id", None)
        client_order_id = record.order.client_order_id if record else getattr(asked, "client_order_id", None)
        self._events.append(
            Rejected(request, refusal.reason, asked.trader, self.now_ns, symbol, order_id, client_order_id, refusal.details)
        )

    def _tell_positions(self) -> None:
        for position in self._moved:
            account, market = position.account, position.market
            self._events.append(
                PositionUpdate(
                    account.trader, market.instrument.symbol, position.lots, position.cost, account.cash, position.realized,
                    position.unrealized(), account.equity(), market.mark, self.now_ns,
                )
            )
        self._moved = {}


Asked = Order | Cancel | CancelAll | Replace | Login
_RESTS = (TimeInForce.GTC, TimeInForce.GTD)


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
    made: Plan = prospect.plan
    fok = order.time_in_force is TimeInForce.FOK
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
