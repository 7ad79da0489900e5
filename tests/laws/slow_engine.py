"""A second exchange, slow and obvious: the market's rules over again, to be compared with the real
engine event by event.

It is written from the text of the rules alone and shares no code with the engine: a book is a
sorted list, every margin is added up anew from positions and open orders, every account is looked
at on every Tick. An event is a (class name, {field: value}). Prices are in ticks, quantities in
lots, money in account units; margins (but not equity) in 1/10,000 of a unit.
"""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

BUY, SELL = 1, -1
BPS = 10_000
TOLD_PER_TICK = 500
INITIAL, MAINTENANCE = "initial_margin_bps", "maintenance_margin_bps"
REQUESTS = {
    "Order": "order",
    "Replace": "replace",
    "Cancel": "cancel",
    "CancelAll": "cancel",
    "Login": "login",
}
STATUS = {"Halt": "halted", "Resume": "open", "Close": "closed"}


class Refused(Exception):
    """A command fails a check: (reason, details). Nothing has been touched."""


def refuse(fails: object, reason: str, **details: int) -> None:
    if fails:
        raise Refused(reason, details)


def fee(notional: int, rate_bps: int) -> int:
    """The rate's share, rounded up; negative when it is a rebate."""
    return -(-notional * rate_bps // BPS)


class Market:
    """One instrument: its mark and status, and its two books, each a list in order of priority."""

    def __init__(self, instrument: Any) -> None:
        self.instrument, self.symbol, self.tick_value = (
            instrument,
            instrument.symbol,
            instrument.tick_value,
        )
        self.mark, self.last, self.status = instrument.reference_price, None, "open"
        self.marks = [(0, self.mark)]  # (since when, in ns; mark)
        self.books: dict[int, list[Record]] = {BUY: [], SELL: []}

    def band(self) -> tuple[int, int]:
        width = max(1, self.mark * self.instrument.price_band_bps // BPS)
        return max(self.instrument.min_price, self.mark - width), min(
            self.instrument.max_price, self.mark + width
        )

    def next_mark(self) -> int:
        target, (bid, ask) = (
            self.mark,
            [next((each.price for each in book), None) for book in self.books.values()],
        )
        if self.last is not None:
            highest = max(self.mark, bid or 0) if ask is None else ask
            lowest = min(self.mark, ask or self.mark) if bid is None else bid
            target = max(lowest, min(highest, self.last))
        elif bid is not None and ask is not None:
            target = (bid + ask) // 2
        step = max(1, self.mark * self.instrument.mark_move_bps // BPS)
        return max(self.mark - step, min(self.mark + step, target))

    def set_mark(self, mark: int, now_ns: int) -> None:
        self.marks += [(now_ns, mark)] if mark != self.mark else []
        self.mark = mark

    def mean_mark(self, start_ns: int, now_ns: int) -> int:
        """The time-weighted mean of the marks since then, rounded down."""
        until, total = now_ns, 0
        for since, mark in reversed(self.marks):
            total += mark * (until - max(start_ns, since))
            until = max(start_ns, since)
        return total // (now_ns - start_ns) if now_ns > start_ns else self.mark


class Position:
    """Signed lots of one account in one instrument, with their signed cost basis."""

    def __init__(self, market: Market) -> None:
        self.market, self.lots, self.cost, self.realized, self.told_mark = market, 0, 0, 0, 0

    @property
    def sign(self) -> int:
        return (self.lots > 0) - (self.lots < 0)

    @property
    def unrealized(self) -> int:
        return self.lots * self.market.mark * self.market.tick_value - self.cost

    def margin(self, rate: str) -> int:
        return (
            abs(self.lots)
            * self.market.mark
            * self.market.tick_value
            * getattr(self.market.instrument, rate)
        )

    def trade(self, lots: int, price: int) -> int:
        """Take signed lots at a price; the PnL that this realises is returned."""
        sign, value, gain = self.sign, price * self.market.tick_value, 0
        if sign * lots < 0:
            closed = min(abs(lots), abs(self.lots))
            released = abs(self.cost) * closed // abs(self.lots)
            gain = sign * (closed * value - released)
            self.lots, self.cost, lots = (
                self.lots - sign * closed,
                self.cost - sign * released,
                lots + sign * closed,
            )
        self.lots, self.cost, self.realized = (
            self.lots + lots,
            self.cost + lots * value,
            self.realized + gain,
        )
        return gain


class Account:
    """One trader: cash, a position per instrument in configuration order, the open orders, and all
    that was ever answered.
    """

    def __init__(self, trader: str, cash: int, markets: list[Market]) -> None:
        self.trader, self.cash, self.seq, self.logins = trader, cash, 0, 0
        self.positions = {market.symbol: Position(market) for market in markets}
        self.open, self.records, self.cancels_on_disconnect = (
            [],
            {},
            {},
        )  # open orders; all by id; a flag by session
        self.answers: dict[
            str, tuple[Any, Any]
        ] = {}  # by client id: what was asked; its Record, or the event that refused it
        self.bankrupt = self.frozen_by_margin = self.frozen_by_house = False

    @property
    def status(self) -> str:
        return (
            "bankrupt"
            if self.bankrupt
            else "frozen"
            if self.frozen_by_margin or self.frozen_by_house
            else "active"
        )

    @property
    def equity(self) -> int:
        return self.cash + sum(each.unrealized for each in self.positions.values() if each.lots)

    def margin(self, rate: str) -> int:
        """Of the positions alone."""
        return sum(each.margin(rate) for each in self.positions.values() if each.lots)

    @property
    def in_breach(self) -> bool:
        return self.equity * BPS < self.margin(MAINTENANCE)

    def held(self) -> list[Position]:
        """Open positions, largest maintenance margin first, ties by symbol."""
        return sorted(
            (p for p in self.positions.values() if p.lots),
            key=lambda p: (-p.margin(MAINTENANCE), p.market.symbol),
        )


class Record:
    """An order from the moment it is judged: its terms as they are now. A market order's price is
    the edge of the band.
    """

    def __init__(
        self,
        account: Account,
        market: Market,
        order: Any,
        price: Any,
        qty: int,
        filled: int = 0,
    ) -> None:
        self.account, self.market, self.order, self.side = account, market, order, order.side
        self.off_tick = price is not None and not isinstance(price, int)
        self.price = (
            market.band()[order.side > 0] if price is None else 0 if self.off_tick else price
        )
        self.qty, self.filled, self.leaves = qty, filled, qty - filled
        self.position, self.id, self.answer = account.positions[market.symbol], 0, {}
        self.names = {
            "order_id": 0,
            "client_order_id": order.client_order_id,
            "symbol": market.symbol,
        }


class SlowExchange:
    """The exchange; `apply` is its one door, and what it holds may be read by anybody."""

    def __init__(self, opening: Any) -> None:
        self.rules = opening.rules
        self.markets = {each.symbol: Market(each) for each in opening.instruments}
        self.accounts: dict[str, Account] = {}  # by trader id, in its order
        self.fees, self.insurance, self.paid_in = (
            0,
            opening.rules.insurance_fund,
            opening.rules.insurance_fund,
        )
        self.first_ns, self.now_ns, self.last_order_id, self.last_trade_id = None, 0, 0, 0
        self.told_ns, self.told_until = (
            0,
            "",
        )  # mark-to-market: when it last told anything; where an unfinished pass stands

    def apply(self, command: Any, now_ns: int) -> list[tuple[str, dict[str, Any]]]:
        self.kind, self.now_ns, fund = (
            type(command).__name__,
            max(self.now_ns, now_ns),
            self.insurance,
        )
        self.events, self.moved, self.paid = (
            [],
            [],
            [],
        )  # moved: (account, position); paid: accounts whose cash changed
        self.found, self.asked = (
            None,
            None,
        )  # the order that a command names; what makes two orders the same
        self.first_ns = self.now_ns if self.first_ns is None else self.first_ns
        try:
            getattr(self, "_" + self.kind.lower())(command)
        except Refused as refused:
            self._reject(command, *refused.args)
        self._tell_changes()
        if self.kind == "Tick":
            self._mark_to_market()
        if self.insurance != fund:
            self._tell("InsuranceUpdate", cash=self.insurance)
        return self.events

    def _tell(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields | {"now_ns": self.now_ns}))

    def _notify(self, account: Account, event: str, **fields: Any) -> None:
        account.seq += 1
        self._tell(event, trader=account.trader, account_seq=account.seq, **fields)

    def _emit_book_change(self, event: str, record: Record, lots: int) -> None:
        own = {"order_id": record.id, "side": record.side, "price": record.price, "qty": lots}
        self._tell(event, symbol=record.market.symbol, trader=record.account.trader, **own)

    def _tell_position(self, account: Account, position: Position) -> None:
        position.told_mark = position.market.mark
        own = {
            "position": position.lots,
            "cost": position.cost,
            "realized": position.realized,
            "unrealized": position.unrealized,
        }
        whole = {"trader": account.trader, "cash": account.cash, "equity": account.equity}
        self._tell(
            "PositionUpdate",
            symbol=position.market.symbol,
            mark=position.market.mark,
            **own,
            **whole,
        )

    def _tell_changes(self) -> None:
        """One update per position that traded, then one per account of which nothing but the cash changed."""
        still = [account for account in self.paid if account not in dict(self.moved)]
        for account, position in dict.fromkeys(
            self.moved + [(each, next(iter(each.positions.values()))) for each in still]
        ):
            self._tell_position(account, position)

    def _reject(self, command: Any, reason: str, details: dict[str, int]) -> None:
        names = {
            name: getattr(command, name, None)
            for name in ("order_id", "client_order_id", "trader", "symbol")
        }
        names |= {"trader": names["trader"] or "", "symbol": names["symbol"] or ""} | (
            self.found.names if self.found else {}
        )
        self._tell(
            "Rejected",
            request=REQUESTS.get(self.kind, "house"),
            reason=reason,
            details=details,
            **names,
        )
        account = self.accounts.get(names["trader"])
        if self.kind == "Order" and account and command.client_order_id is not None:
            account.answers.setdefault(command.client_order_id, (self.asked, self.events[-1]))

    def _account(self, trader: str) -> Account:
        if trader not in self.accounts:
            refuse(
                len(self.accounts) >= self.rules.max_accounts,
                "too_many_accounts",
                max_accounts=self.rules.max_accounts,
            )
            self.accounts[trader] = Account(
                trader, self.rules.starting_cash, list(self.markets.values())
            )
            self.accounts = dict(sorted(self.accounts.items()))
            self.paid_in += self.rules.starting_cash
        return self.accounts[trader]

    def _order(self, order: Any) -> None:
        account, cid = self._account(order.trader), order.client_order_id
        self.asked = {
            name: getattr(order, name) for name in order.__slots__ if name != "session"
        }
        if cid in account.answers:
            first, answer = account.answers[cid]
            refuse(self.asked != first, "duplicate_client_order_id")
            self.events.append(
                ("OrderAccepted", answer.answer | {"repeated": True})
                if isinstance(answer, Record)
                else answer
            )
            return
        refuse(order.symbol not in self.markets, "unknown_symbol")
        refuse(account.bankrupt, "account_bankrupt")
        new = Record(account, self.markets[order.symbol], order, order.price, order.qty)
        plan = self._judged(new, None)
        self.last_order_id, account.seq = self.last_order_id + 1, account.seq + 1
        new.id = new.names["order_id"] = self.last_order_id
        ahead = sum(
            each.leaves
            for each in new.market.books[new.side]
            if plan.rest and each.price == new.price
        )
        numbers = {
            "order_id": new.id,
            "queue_ahead": ahead,
            "account_seq": account.seq,
            "now_ns": self.now_ns,
        }
        new.answer = numbers | {"order": self.asked, "repeated": False}
        account.records[new.id] = new
        account.answers |= {} if cid is None else {cid: (self.asked, new)}
        self.events.append(("OrderAccepted", new.answer))
        self._carry_out(new, plan)

    def _judged(self, new: Record, old: Record | None) -> Any:
        """Every check from market_halted on, in order; the plan, if any. `old`: the one that is
        replaced, or keeps its place.
        """
        refuse(new.market.status != "open", "market_halted")
        keeps = (
            old is not None
            and not new.off_tick
            and new.price == old.price
            and new.leaves <= old.leaves
        )
        self._check_terms(new, keeps)
        if keeps:
            return None
        order, has, meets = (
            new.order,
            new.position.lots,
            next((each.price for each in new.market.books[-new.side]), None),
        )
        too_large = order.time_in_force == "fok" and new.leaves > abs(has)
        refuse(
            order.reduce_only and (new.side * has >= 0 or too_large),
            "reduce_only_would_increase",
            position=has,
        )
        crosses = meets is not None and new.side * (new.price - meets) >= 0
        refuse(order.post_only and crosses, "post_only_would_cross", best_price=meets)
        plan = self._plan(new)
        refuse(order.price is None and not plan.filled, "no_liquidity")
        refuse(
            order.time_in_force == "fok" and plan.filled < new.leaves,
            "fok_unfillable",
            fillable_qty=plan.filled,
        )
        gone = [old] + [maker for maker, _, _ in plan.steps]
        self._check_account(new, plan, [each for each in new.account.open if each not in gone])
        return plan

    def _check_terms(self, new: Record, keeps: bool) -> None:
        limits, price, (low, high) = new.market.instrument, new.price, new.market.band()
        least, most, notional = (
            limits.min_price,
            limits.max_price,
            new.qty * price * limits.tick_value,
        )
        refuse(
            new.off_tick or not least <= price <= most,
            "invalid_price",
            tick=1,
            min_price=least,
            max_price=most,
        )
        least, most = limits.min_qty, limits.max_qty
        refuse(not least <= new.qty <= most, "invalid_qty", min_qty=least, max_qty=most)
        refuse(new.qty <= new.filled, "invalid_qty", filled_qty=new.filled)
        refuse(
            new.qty > limits.max_order_qty,
            "order_too_large",
            max_order_qty=limits.max_order_qty,
        )
        most = limits.max_order_notional
        refuse(
            notional > most, "notional_too_large", notional=notional, max_order_notional=most
        )
        refuse(
            not keeps and not low <= price <= high, "price_band", band_low=low, band_high=high
        )

    def _plan(self, new: Record) -> Any:
        """Walk the opposite book in order of priority; steps are (resting order, lots traded, why
        it is cancelled then).
        """
        steps, left, stop, side, reduces = [], new.leaves, "", new.side, new.order.reduce_only
        prevention = new.order.self_trade_prevention or self.rules.self_trade_prevention
        holds = {
            account: account.positions[new.market.symbol].lots
            for account in self.accounts.values()
        }
        for maker in new.market.books[-side]:
            if not left or stop or side * (new.price - maker.price) < 0:
                break
            if maker.account is new.account:
                steps += [(maker, 0, "self_trade")] if prevention != "cancel_incoming" else []
                stop = "self_trade" if prevention != "cancel_resting" else ""
                continue
            lots = min(left, maker.leaves, -side * holds[new.account] if reduces else left)
            lots = (
                min(lots, max(0, side * holds[maker.account]))
                if maker.order.reduce_only
                else lots
            )
            holds[new.account] += side * lots
            holds[maker.account] -= side * lots
            left -= lots
            used_up = (
                maker.order.reduce_only
                and side * holds[maker.account] <= 0
                and lots < maker.leaves
            )
            steps.append((maker, lots, "reduce_only" if used_up else ""))
            stop = "reduce_only" if reduces and left and not holds[new.account] else ""
        may_rest = (
            not stop
            and new.order.price is not None
            and new.order.time_in_force in ("gtc", "gtd")
        )
        return SimpleNamespace(
            steps=steps, filled=new.leaves - left, rest=left if may_rest else 0, stop=stop
        )

    def _check_account(self, new: Record, plan: Any, others: list[Record]) -> None:
        """`others`: the account's open orders that plan and replace leave."""
        limits, side, most = (
            new.market.instrument,
            new.side,
            new.market.instrument.max_open_orders,
        )
        here = [each for each in others if each.market is new.market]
        refuse(plan.rest and len(here) >= most, "too_many_open_orders", max_open_orders=most)
        waiting = sum(each.leaves for each in here if each.side == side)
        reach, most = (
            new.position.lots + side * (plan.filled + plan.rest + waiting),
            limits.max_position,
        )
        refuse(
            most and side * reach > most, "position_limit", max_position=most, would_reach=reach
        )
        reduces = side * reach <= 0
        refuse(new.account.status == "frozen" and not reduces, "account_frozen")
        fills = [(new.market, side, maker.price, lots) for maker, lots, _ in plan.steps]
        resting = [(each.market, each.side, each.price, each.leaves) for each in others]
        resting.append((new.market, side, new.price, plan.rest))
        fees = sum(
            fee(lots * price * at.tick_value, limits.taker_fee_bps)
            for at, _, price, lots in fills
        )
        fees += max(0, fee(plan.rest * new.price * limits.tick_value, limits.maker_fee_bps))
        loss = sum(
            lots * max(0, way * (price - at.mark)) * at.tick_value
            for at, way, price, lots in fills + resting
        )
        count = [
            (at, way, price if way == BUY else max(price, at.mark), lots)
            for at, way, price, lots in resting
        ]
        needs, equity = (
            0 if reduces else self._initial_margin(new.account, fills + count),
            new.account.equity,
        )
        fails = (equity - loss - fees) * BPS < needs
        refuse(
            fails,
            "initial_margin_insufficient",
            equity=equity,
            required_margin=-(-needs // BPS),
        )

    def _initial_margin(
        self, account: Account, orders: list[tuple[Market, int, int, int]]
    ) -> int:
        required = 0
        for position in account.positions.values():
            market = position.market
            exposure = {way: way * position.lots * market.mark for way in (BUY, SELL)}
            for _, side, price, lots in [each for each in orders if each[0] is market]:
                exposure[side] += lots * price
            required += (
                max(0, *exposure.values())
                * market.tick_value
                * market.instrument.initial_margin_bps
            )
        return required

    def _carry_out(self, record: Record, plan: Any) -> None:
        for maker, lots, cancelled in plan.steps:
            if lots:
                notional = lots * maker.price * maker.market.tick_value
                self._trade(
                    record, maker, lots, fee(notional, maker.market.instrument.taker_fee_bps)
                )
            if cancelled:
                self._take_off([maker], cancelled)
        if plan.rest:
            book = record.market.books[record.side]
            book.insert(
                sum(record.side * (each.price - record.price) >= 0 for each in book), record
            )
            record.account.open.append(record)
            self._emit_book_change("OrderAdded", record, record.leaves)
        elif record.leaves:
            self._emit_cancelled(
                record, plan.stop or ("price_band" if record.order.price is None else "ioc")
            )

    def _trade(
        self, taker: Record, maker: Record, lots: int, taker_fee: int, liquidation_fee: int = 0
    ) -> None:
        """Trade with a resting order at its price; both fees are the taker's."""
        market, price, self.last_trade_id = maker.market, maker.price, self.last_trade_id + 1
        buyer, seller = (taker, maker) if taker.side == BUY else (maker, taker)
        what, market.last = (
            {
                "trade_id": self.last_trade_id,
                "price": price,
                "qty": lots,
                "symbol": market.symbol,
            },
            price,
        )
        who = {
            "buyer": buyer.account.trader,
            "seller": seller.account.trader,
            "aggressor": taker.side,
        }
        self._tell("Trade", **what, **who, buy_order_id=buyer.id, sell_order_id=seller.id)
        maker_fee = fee(lots * price * market.tick_value, market.instrument.maker_fee_bps)
        self.fees, self.insurance = (
            self.fees + taker_fee + maker_fee,
            self.insurance + liquidation_fee,
        )
        for each, paid, liquidity in (
            (taker, taker_fee + liquidation_fee, "taker"),
            (maker, maker_fee, "maker"),
        ):
            each.filled, each.leaves = each.filled + lots, each.leaves - lots
            self._move(each.account, each.position, each.side * lots, price)
            self._pay(each.account, -paid)
            more = {
                "side": each.side,
                "leaves_qty": each.leaves,
                "fee": paid,
                "liquidity": liquidity,
            }
            self._notify(each.account, "Fill", **what | each.names | more)
        self._emit_book_change("OrderReduced" if maker.leaves else "OrderRemoved", maker, lots)
        if not maker.leaves:
            self._forget(maker)

    def _pay(self, account: Account, amount: int) -> None:
        account.cash += amount
        self.paid += [account] if amount and account not in self.paid else []

    def _move(self, account: Account, position: Position, lots: int, price: int) -> None:
        self._pay(account, position.trade(lots, price))
        self.moved.append((account, position))

    def _forget(self, record: Record) -> None:
        record.market.books[record.side].remove(record)
        record.account.open.remove(record)

    def _emit_cancelled(self, record: Record, reason: str) -> None:
        self._notify(
            record.account,
            "OrderCancelled",
            **record.names,
            cancelled_qty=record.leaves,
            reason=reason,
        )
        record.leaves = 0

    def _take_off(self, records: list[Record], reason: str) -> None:
        """Cancel resting orders, by order id."""
        for record in sorted(records, key=lambda each: each.id):
            lots = record.leaves
            self._emit_cancelled(record, reason)
            self._emit_book_change("OrderRemoved", record, lots)
            self._forget(record)

    def _find(self, command: Any) -> Record:
        """The open order that the command's ids name."""
        account, cid = self.accounts.get(command.trader), command.client_order_id
        refuse(account is None, "unknown_order")
        found = (
            account.records.get(command.order_id)
            if command.order_id is not None
            else account.answers.get(cid, "..")[1]
        )
        refuse(
            not isinstance(found, Record) or cid not in (None, found.order.client_order_id),
            "unknown_order",
        )
        self.found = found
        refuse(not found.leaves, "already_closed")
        return found

    def _cancel(self, command: Any) -> None:
        self._take_off([self._find(command)], "requested")

    def _cancelall(self, command: Any) -> None:
        refuse(
            command.symbol is not None and command.symbol not in self.markets, "unknown_symbol"
        )
        account = self.accounts.get(command.trader)
        seq, orders = (account.seq, account.open) if account else (0, [])
        orders = [
            each
            for each in orders
            if command.symbol in (None, each.market.symbol) and command.side in (0, each.side)
        ]
        self._tell(
            "AllCancelled",
            trader=command.trader,
            count=len(orders),
            account_seq=seq + len(orders),
        )
        self._take_off(orders, "requested")

    def _replace(self, command: Any) -> None:
        old = self._find(command)
        price, qty = (
            old.price if command.price is None else command.price,
            old.qty if command.qty is None else command.qty,
        )
        new = Record(old.account, old.market, old.order, price, qty, old.filled)
        plan = self._judged(new, old)
        told = {
            "price": price,
            "qty": qty,
            "leaves_qty": new.leaves,
            "kept_priority": plan is None,
        }
        self._notify(old.account, "OrderReplaced", **old.names, **told)
        if plan:
            self._emit_book_change("OrderRemoved", old, old.leaves)
            self._forget(old)
        elif new.leaves < old.leaves:
            self._emit_book_change("OrderReduced", old, old.leaves - new.leaves)
        old.price, old.qty, old.leaves = price, qty, new.leaves
        if plan:
            self._carry_out(old, plan)

    def _login(self, command: Any) -> None:
        account = self._account(command.trader)
        account.logins += 1
        account.cancels_on_disconnect[account.logins] = command.cancel_on_disconnect
        self._tell(
            "LoggedIn", trader=account.trader, session=account.logins, account_seq=account.seq
        )

    def _logout(self, command: Any) -> None:
        self._tell(
            "LoggedOut",
            trader=command.trader,
            session=command.session,
            account_seq=self.accounts[command.trader].seq,
        )

    def _sessionlost(self, command: Any) -> None:
        account = self.accounts[command.trader]
        if account.cancels_on_disconnect[command.session]:
            self._take_off(
                [each for each in account.open if each.order.session == command.session],
                "disconnect",
            )

    def _tick(self, _tick: Any) -> None:
        gtd = [
            each
            for account in self.accounts.values()
            for each in account.open
            if each.order.time_in_force == "gtd"
        ]
        self._take_off(
            [each for each in gtd if each.order.expires_at_ns <= self.now_ns], "expired"
        )
        for market in self.markets.values():
            if market.status == "open":
                market.set_mark(market.next_mark(), self.now_ns)
        for account in self.accounts.values():
            if account.frozen_by_margin and not account.in_breach:
                self._become(account, frozen_by_margin=False)
        self._liquidate()

    def _mark_to_market(self) -> None:
        """Tell every open position whose mark is another than in its last update, so many accounts at a time."""
        due = (
            self.told_until
            or self.now_ns - self.told_ns >= self.rules.mark_to_market_ms * 1_000_000
        )
        looked_at = [
            each for each in self.accounts.values() if due and each.trader > self.told_until
        ]
        stale = {
            each: [
                p for p in each.positions.values() if p.lots and p.told_mark != p.market.mark
            ]
            for each in looked_at
        }
        telling = [account for account in looked_at if stale[account]][:TOLD_PER_TICK]
        for account, position in [
            (each, position) for each in telling for position in stale[each]
        ]:
            self._tell_position(account, position)
            self.told_ns = self.now_ns
        self.told_until = telling[-1].trader if len(telling) == TOLD_PER_TICK else ""

    def _become(self, account: Account, *, always: bool = False, **flags: bool) -> None:
        before = account.status
        vars(account).update(flags)
        if always or account.status != before:
            self._notify(account, "AccountStatus", status=account.status)

    def _list(self, accounts: list[Account]) -> list[Account]:
        """Accounts without positions first, then lowest equity / maintenance, ties by trader id."""
        margin = {each: each.margin(MAINTENANCE) for each in accounts}
        return sorted(
            accounts,
            key=lambda a: (
                margin[a] > 0,
                margin[a] and Fraction(a.equity, margin[a]),
                a.trader,
            ),
        )

    def _liquidate(self) -> None:
        listed = self._list(
            [account for account in self.accounts.values() if account.in_breach]
        )
        for account in listed:
            self._take_off(account.open, "liquidation")
        for account in (
            each for each in listed if each.in_breach
        ):  # asked one by one, each when it is its turn
            for position in account.held():
                self._close_through_the_book(account, position)
            if account.equity <= 0:
                self._bankrupt(account, listed)
            elif account.in_breach:
                self._become(account, frozen_by_margin=True)

    def _bankruptcy_price(self, account: Account, position: Position) -> int:
        """Where the position will have used up its share of the equity; better than the mark when
        that is negative.
        """
        equity, market, limits, held = (
            account.equity,
            position.market,
            position.market.instrument,
            account.held(),
        )
        weights = {
            each: each.margin(MAINTENANCE) if equity > 0 else max(0, -each.unrealized)
            for each in held
        }
        if not any(weights.values()):
            weights = {each: each.margin(MAINTENANCE) for each in held}
        share = (
            equity
            * weights[position]
            // (sum(weights.values()) * abs(position.lots) * market.tick_value)
        )
        return max(limits.min_price, min(limits.max_price, market.mark - position.sign * share))

    def _close_through_the_book(self, account: Account, position: Position) -> None:
        """Fill by fill, until initial margin is restored or the best price is beyond the bankruptcy price."""
        market, sign, order_id, closed, price = position.market, position.sign, 0, 0, 0
        book = market.books[sign] if market.status == "open" else []
        while position.lots and book and account.equity * BPS < account.margin(INITIAL):
            maker = book[0]
            if sign * (maker.price - self._bankruptcy_price(account, position)) < 0:
                break
            lots = min(abs(position.lots), maker.leaves)
            lots = (
                min(lots, max(0, -sign * maker.position.lots))
                if maker.order.reduce_only
                else lots
            )
            if lots:
                lots, *fees = self._smallest_cure(account, position, maker.price, lots)
                self.last_order_id += 0 if order_id else 1
                order_id, price, closed = (
                    order_id or self.last_order_id,
                    maker.price,
                    closed + lots,
                )
                taker = Record(
                    account,
                    market,
                    SimpleNamespace(side=-sign, client_order_id=None),
                    price,
                    lots,
                )
                taker.id = taker.names["order_id"] = order_id
                self._trade(taker, maker, lots, *fees)
            if maker.order.reduce_only and maker.leaves and -sign * maker.position.lots <= 0:
                self._take_off([maker], "reduce_only")
        if closed:
            what = {
                "reason": "maintenance_margin_breach",
                "side": -sign,
                "qty": closed,
                "price": price,
            }
            self._notify(account, "Liquidation", symbol=market.symbol, **what)

    def _smallest_cure(
        self, account: Account, position: Position, price: int, most: int
    ) -> tuple[int, int, int]:
        """The fewest lots at the price after which equity covers initial margin, else the most;
        trading and liquidation fee.
        """
        market, limits, equity, margin = (
            position.market,
            position.market.instrument,
            account.equity,
            account.margin(INITIAL),
        )
        for lots in range(1, most + 1):
            notional = lots * price * market.tick_value
            left = equity + position.sign * lots * (price - market.mark) * market.tick_value
            trading_fee = min(fee(notional, limits.taker_fee_bps), max(0, left))
            liquidation_fee = min(
                fee(notional, limits.liquidation_fee_bps), max(0, left - trading_fee)
            )
            released = lots * market.mark * market.tick_value * limits.initial_margin_bps
            if (left - trading_fee - liquidation_fee) * BPS >= margin - released:
                break
        return lots, trading_fee, liquidation_fee

    def _bankrupt(self, account: Account, listed: list[Account]) -> None:
        payment = min(max(self.insurance, 0), -account.equity)
        self.insurance -= payment
        self._pay(account, payment)
        for position, price in [
            (each, self._bankruptcy_price(account, each)) for each in account.held()
        ]:
            queue = self._deleveraging_queue(position, listed)
            for other in queue:
                self._deleverage(
                    account, position, other, self._bearable(other, position, price), price
                )
            for other in queue:
                self._deleverage(
                    account, position, other, abs(position.lots), position.market.mark
                )
        self.insurance += account.cash
        self._pay(account, -account.cash)
        self._become(account, bankrupt=True, frozen_by_margin=False)

    def _deleveraging_queue(self, position: Position, listed: list[Account]) -> list[Account]:
        """Opposite positions: winners by gain and leverage, then the others, accounts on the list
        last, ties by trader id.
        """

        def rank(other: Account) -> tuple[bool, bool, Fraction, str]:
            theirs, equity, score = (
                other.positions[position.market.symbol],
                other.equity,
                Fraction(0),
            )
            gross = sum(
                abs(each.lots) * each.market.mark * each.market.tick_value
                for each in other.positions.values()
            )
            if theirs.unrealized > 0 and equity > 0:
                score = Fraction(theirs.unrealized * gross, abs(theirs.cost) * equity)
            return other in listed, not score, -score, other.trader

        opposite = [
            each
            for each in self.accounts.values()
            if each.positions[position.market.symbol].sign == -position.sign
        ]
        return sorted(opposite, key=rank)

    def _bearable(self, other: Account, position: Position, price: int) -> int:
        """Lots that the other may be given at the price without ending below his own maintenance margin."""
        market = position.market
        short = (
            abs(price - market.mark) * BPS
            - market.mark * market.instrument.maintenance_margin_bps
        )
        bears_all, excess = short <= 0, other.equity * BPS - other.margin(MAINTENANCE)
        return (
            0
            if excess < 0
            else abs(position.lots)
            if bears_all
            else excess // (market.tick_value * short)
        )

    def _deleverage(
        self, account: Account, position: Position, other: Account, most: int, price: int
    ) -> None:
        """The bankrupt account closes lots against the other: no order, no fee, no trade."""
        market, theirs, side = (
            position.market,
            other.positions[position.market.symbol],
            -position.sign,
        )
        lots = min(most, abs(position.lots), abs(theirs.lots))
        if not lots:
            return
        self._take_off([each for each in other.open if each.market is market], "liquidation")
        what = {"symbol": market.symbol, "price": price, "qty": lots}
        nulls = {
            "order_id": None,
            "client_order_id": None,
            "trade_id": None,
            "leaves_qty": 0,
            "fee": 0,
            "liquidity": "adl",
        }
        for each, its, way in ((account, position, side), (other, theirs, -side)):
            self._move(each, its, way * lots, price)
            self._notify(each, "Fill", side=way, **what, **nulls)
        self._notify(account, "Liquidation", reason="bankruptcy", side=side, **what)
        self._notify(other, "Liquidation", reason="auto_deleverage", side=-side, **what)

    def _status(self, command: Any) -> Market:
        market, setting = self.markets.get(command.symbol), self.kind == "SetMark"
        refuse(market is None, "unknown_symbol")
        refuse(market.status == "closed", "market_halted")
        if setting:
            least, most = market.instrument.min_price, market.instrument.max_price
            refuse(
                not least <= command.price <= most,
                "invalid_price",
                tick=1,
                min_price=least,
                max_price=most,
            )
            market.set_mark(command.price, self.now_ns)
        market.status = STATUS.get(self.kind, market.status)
        self._tell(
            "MarketStatus",
            symbol=market.symbol,
            status=market.status,
            reason="mark" if setting else self.kind.lower(),
        )
        return market

    _halt = _resume = _setmark = _status

    def _close(self, command: Any) -> None:
        market = self._status(command)
        self._take_off(market.books[BUY] + market.books[SELL], "closed")
        market.mark = market.mean_mark(
            max(self.first_ns, self.now_ns - self.rules.settle_window_s * 10**9), self.now_ns
        )
        listed = self._list(
            [account for account in self.accounts.values() if account.equity < 0]
        )
        for account in listed:
            self._take_off(account.open, "liquidation")
        for account in listed:
            self._bankrupt(account, listed)
        for account in self.accounts.values():
            if lots := account.positions[market.symbol].lots:
                self._move(account, account.positions[market.symbol], -lots, market.mark)

    def _trader(self, command: Any) -> Account:
        refuse(command.trader not in self.accounts, "invalid_message")
        return self.accounts[command.trader]

    def _freeze(self, command: Any) -> None:
        self._become(self._trader(command), always=True, frozen_by_house=self.kind == "Freeze")

    _unfreeze = _freeze

    def _canceltrader(self, command: Any) -> None:
        self._cancelall(
            SimpleNamespace(trader=self._trader(command).trader, symbol=None, side=0)
        )

    def _deposit(self, command: Any) -> None:
        account = self._trader(command)
        refuse(command.amount <= 0, "invalid_message")
        self.paid_in += command.amount
        self._pay(account, command.amount)
        self._become(account, bankrupt=False)
