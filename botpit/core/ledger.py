"""The ledger: markets, accounts and the operator's money, and the few moves by which they change.

Orders, liquidation and settlement are all made of these moves, so that a fill is booked, published and
remembered in one place only. Every move appends the events it causes; the positions and accounts that it
changed are kept until the command's end, when each gets one update.
"""

from __future__ import annotations

from typing import Any

from botpit.core.accounts import Account
from botpit.core.commands import BUY, Open
from botpit.core.events import (
    AccountStatus,
    AllCancelled,
    CancelReason,
    Event,
    Fill,
    InsuranceUpdate,
    Liquidity,
    OrderAdded,
    OrderCancelled,
    OrderReduced,
    OrderRemoved,
    PositionUpdate,
    Trade,
)
from botpit.core.market import Market
from botpit.core.orders import OrderRecord
from botpit.core.positions import Holdings, Position
from botpit.core.risk.margin import fee
from botpit.core.risk.watch import MarginWatch
from botpit.core.timers import Timers
from botpit.core.valuation import Moves

NS_PER_S = 1_000_000_000


class Ledger:
    """`events` of the present command; `fees` and `insurance` are the operator's cash, account units.

    `restless`: markets in which something happened since a Tick, or a look at what one would do, found the
    mark in its place.
    """

    def __init__(self, opening: Open) -> None:
        self.market_id = opening.market_id
        self.rules = opening.rules
        self.moves = Moves()
        self.markets: dict[str, Market] = {}
        for index, instrument in enumerate(opening.instruments):
            self.markets[instrument.symbol] = Market(instrument, index, self.moves)
        self.restless = dict.fromkeys(self.markets.values())
        self.first_market = self.markets[opening.instruments[0].symbol]
        self.accounts: dict[str, Account] = {}
        self.fees = 0
        self.insurance = self.emitted_insurance = opening.rules.insurance_fund
        self.paid_in = opening.rules.insurance_fund
        self.now_ns = 0
        self.last_order_id = 0
        self.last_trade_id = 0
        self.frozen: set[str] = set()
        self.timers = Timers()
        self.margin_watch = MarginWatch(self.markets.values())
        self.events: list[Event] = []
        self._moved: dict[Position, None] = {}
        self._paid: dict[Holdings, None] = {}

    def let_time_pass(self, now_ns: int) -> None:
        """Take the next command's time, unless it is an earlier one. The first one begins the marks' past."""
        begun = self.now_ns > 0
        if now_ns > self.now_ns:
            self.now_ns = now_ns
        if not begun:
            for market in self.markets.values():
                market.marks.append((self.now_ns, market.mark))

    def set_mark(self, market: Market, mark: int) -> None:
        market.set_mark(mark, self.now_ns, self.rules.settle_window_s * NS_PER_S)
        self.margin_watch.mark_moved(market)
        self.restless[market] = None

    # ----------------------------------------------------------------------------------------------- accounts

    def account_of(self, trader: str) -> Account | None:
        """The trader's account, opened if need be; None when there are too many."""
        account = self.accounts.get(trader)
        if account is None and len(self.accounts) < self.rules.max_accounts:
            account = self.open_account(trader)
        return account

    def open_account(self, trader: str) -> Account:
        account = self.accounts[trader] = Account(trader, self.rules.starting_cash, self.moves)
        self.paid_in += self.rules.starting_cash
        return account

    def pay(self, account: Account, amount: int) -> None:
        """Change an account's cash, but not by a change of a position."""
        account.cash += amount
        self._paid[account] = None
        self.margin_watch.invalidate(account)

    def deposit(self, account: Account, amount: int) -> None:
        """Money from outside; it wakes a bankrupt account."""
        self.paid_in += amount
        self.pay(account, amount)
        if account.bankrupt:
            account.bankrupt = False
            self.emit_status(account)

    def freeze(self, account: Account) -> None:
        """From now on it may only cancel and reduce, until a Tick finds it out of breach."""
        self._change_standing(account, frozen=True, bankrupt=False)

    def thaw(self, account: Account) -> None:
        self._change_standing(account, frozen=False, bankrupt=False)

    def go_bankrupt(self, account: Account) -> None:
        self._change_standing(account, frozen=False, bankrupt=True)

    def _change_standing(self, account: Account, *, frozen: bool, bankrupt: bool) -> None:
        before = account.state()
        account.frozen, account.bankrupt = frozen, bankrupt
        if frozen:
            self.frozen.add(account.trader)
        else:
            self.frozen.discard(account.trader)
        if account.state() is not before:
            self.emit_status(account)

    def emit_status(self, account: Account) -> AccountStatus:
        status = AccountStatus(account.trader, account.state(), account.next_seq(), self.now_ns)
        self.events.append(status)
        return status

    def next_order_id(self) -> int:
        self.last_order_id += 1
        return self.last_order_id

    # ------------------------------------------------------------------------------------------------- trades

    def trade(
        self,
        taker: OrderRecord,
        maker: OrderRecord,
        qty: int,
        taker_fee: int,
        house_fee: int = 0,
    ) -> None:
        """Both sides of a trade at the maker's price. The taker pays `taker_fee` and, when liquidated,
        `house_fee` to insurance."""
        price = maker.price
        market = self.markets[maker.order.symbol]
        market.traded(price, qty, self.now_ns)
        self._emit_trade(taker, maker, qty)
        taker.leaves -= qty
        self.fees += taker_fee
        self.insurance += house_fee
        self._fill(taker, qty, price, taker_fee + house_fee, Liquidity.TAKER)
        self._shrink(maker, qty)
        maker_fee = fee(qty * price * market.tick_value, market.instrument.maker_fee_bps)
        self.fees += maker_fee
        account = self._fill(maker, qty, price, maker_fee, Liquidity.MAKER)
        self._emit_reduced(maker, qty)
        if maker.leaves == 0:
            account.closed(maker)

    def _emit_trade(self, taker: OrderRecord, maker: OrderRecord, qty: int) -> None:
        self.last_trade_id += 1
        sign = taker.order.side
        buyer, seller = (taker, maker) if sign == BUY else (maker, taker)
        trade = Trade(
            self.last_trade_id,
            maker.order.symbol,
            maker.price,
            qty,
            buyer.order.trader,
            seller.order.trader,
            sign,
            buyer.id,
            seller.id,
            self.now_ns,
        )
        self.events.append(trade)

    def _fill(
        self, record: OrderRecord, qty: int, price: int, paid: int, liquidity: Liquidity
    ) -> Account:
        """One side of a trade; returns whose."""
        order = record.order
        account = self.accounts[order.trader]
        record.filled += qty
        self.book_fill(record.position, order.side, qty, price, paid)
        fill = Fill(
            record.id,
            order.client_order_id,
            self.last_trade_id,
            order.trader,
            order.symbol,
            order.side,
            price,
            qty,
            record.leaves,
            paid,
            liquidity,
            account.next_seq(),
            self.now_ns,
        )
        self.events.append(fill)
        return account

    def book_fill(
        self, position: Position, side: int, qty: int, price: int, paid: int = 0
    ) -> None:
        """Change a position and its account's cash by one fill."""
        account = position.account
        account.cash += position.trade(side, qty, price) - paid
        self._moved[position] = None
        self.margin_watch.invalidate(account)

    # ------------------------------------------------------------------------------------------------- orders

    def rest(self, record: OrderRecord) -> None:
        """Let an order wait in the book."""
        self.put_in_book(record)
        self._emit_book_change(OrderAdded, record, record.leaves)

    def put_in_book(self, record: OrderRecord) -> None:
        """The same without an event, also for an order of a restored state."""
        order = record.order
        market = self.markets[order.symbol]
        market.book.side(order.side).add(record)
        self.restless[market] = None
        record.position.count_open(order.side, record.price, record.leaves, 1)
        self.accounts[order.trader].opened(record)

    def reduce(self, record: OrderRecord, lots: int) -> None:
        """Take lots off a resting order without a private event; without lots it leaves the book."""
        self._shrink(record, lots)
        self._emit_reduced(record, lots)

    def remove(self, record: OrderRecord, reason: CancelReason) -> OrderCancelled:
        """Cancel a resting order."""
        lots = record.leaves
        self._shrink(record, lots)
        cancelled = self._emit_cancelled(record, lots, reason)
        self._emit_reduced(record, lots)
        return cancelled

    def cancel_all(
        self, trader: str, account_seq: int, records: list[OrderRecord]
    ) -> AllCancelled:
        """Cancel resting orders of a trader whose last event is `account_seq`, one by one, after the answer
        that counts them."""
        answer = AllCancelled(trader, len(records), account_seq + len(records), self.now_ns)
        self.events.append(answer)
        for record in records:
            self.remove(record, CancelReason.REQUESTED)
        return answer

    def cancel_rest(self, record: OrderRecord, reason: CancelReason) -> None:
        """Cancel what is left of an order that does not rest."""
        lots, record.leaves = record.leaves, 0
        self._emit_cancelled(record, lots, reason)

    def _shrink(self, record: OrderRecord, lots: int) -> None:
        order, price = record.order, record.price
        market = self.markets[order.symbol]
        side = market.book.side(order.side)
        self.restless[market] = None
        if lots == record.leaves:
            record.position.count_open(order.side, price, -lots, -1)
            self.accounts[order.trader].left_book(record)
            side.remove(record)
        else:
            record.position.count_open(order.side, price, -lots, 0)
            side.levels[price].qty -= lots
        record.leaves -= lots

    def _emit_reduced(self, record: OrderRecord, lots: int) -> None:
        self._emit_book_change(OrderReduced if record.leaves else OrderRemoved, record, lots)

    def _emit_book_change(self, kind: type[Any], record: OrderRecord, lots: int) -> None:
        order = record.order
        self.events.append(
            kind(
                record.id,
                order.symbol,
                order.trader,
                order.side,
                record.price,
                lots,
                self.now_ns,
            )
        )

    def _emit_cancelled(
        self, record: OrderRecord, lots: int, reason: CancelReason
    ) -> OrderCancelled:
        order = record.order
        account = self.accounts[order.trader]
        account.closed(record)
        cancelled = OrderCancelled(
            record.id,
            order.client_order_id,
            order.trader,
            order.symbol,
            lots,
            reason,
            account.next_seq(),
            self.now_ns,
        )
        self.events.append(cancelled)
        return cancelled

    # ----------------------------------------------------------------------------------- at the command's end

    def emit_changed_positions(self) -> None:
        """One update per position that changed, then one for each account of which only the cash changed."""
        published = {position.account for position in self._moved}
        for position in self._moved:
            self.emit_position(position)
        for account in self._paid:
            if account not in published:
                self.emit_position(account.position(self.first_market))
        self._moved, self._paid = {}, {}

    def emit_insurance(self) -> None:
        self.emitted_insurance = self.insurance
        self.events.append(InsuranceUpdate(self.insurance, self.now_ns))

    def emit_position(self, position: Position) -> None:
        account, market = position.account, position.market
        position.told_mark = market.mark
        update = PositionUpdate(
            account.trader,
            market.instrument.symbol,
            position.lots,
            position.cost,
            account.cash,
            position.realized,
            position.unrealized(),
            account.equity(),
            market.mark,
            self.now_ns,
        )
        self.events.append(update)
