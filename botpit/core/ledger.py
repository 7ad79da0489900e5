"""The ledger: markets, accounts and the operator's money, and the few moves by which they change.

Orders, liquidation and settlement are all made of these moves, so that a fill is booked, told and remembered in one place only.
Every move appends the events it causes; which positions and whose cash moved is kept until the command's end, when it is told
once.
"""

from __future__ import annotations

from typing import Any

from botpit.core.accounts import Account, Position
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
from botpit.core.market import Market, Moves
from botpit.core.orders import OrderRecord
from botpit.core.risk.margin import fee
from botpit.core.risk.watch import MarginWatch

NS_PER_S = 1_000_000_000


class Ledger:
    """`events` of the present command; `fees` and `insurance` are the operator's cash, account units.

    `restless`: markets in which something happened since a Tick, or a look at what one would do, found the mark in its place.
    """

    def __init__(self, opening: Open) -> None:
        self.market_id = opening.market_id
        self.rules = opening.rules
        self.moves = Moves()
        self.markets = {each.symbol: Market(each, index, self.moves) for index, each in enumerate(opening.instruments)}
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
        self.margin_watch = MarginWatch(self.markets.values())
        self.events: list[Event] = []
        self._moved: dict[Position, None] = {}
        self._paid: dict[Account, None] = {}

    def let_time_pass(self, now_ns: int) -> None:
        """The time of the next command, kept from running backwards. With the first one, the marks begin to stand."""
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

    # -------------------------------------------------------------------------------------------------------------- accounts

    def open_account(self, trader: str) -> Account:
        account = self.accounts[trader] = Account(trader, self.rules.starting_cash, self.moves)
        self.paid_in += self.rules.starting_cash
        return account

    def pay(self, account: Account, amount: int) -> None:
        """Change an account's cash otherwise than by a position's change."""
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
        """The margin rules let it only cancel and reduce, until a Tick finds it out of breach."""
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

    # ---------------------------------------------------------------------------------------------------------------- trades

    def trade(self, taker: OrderRecord, maker: OrderRecord, qty: int, taker_fee: int, house_fee: int = 0) -> None:
        """Both sides of a trade at the maker's price. The taker pays `taker_fee` and, when liquidated, `house_fee` to
        insurance."""
        market, sign, price = taker.position.market, taker.order.side, maker.price
        instrument = market.instrument
        self.last_trade_id += 1
        buyer, seller = (taker, maker) if sign == BUY else (maker, taker)
        market.traded(price, qty, self.now_ns)
        self.events.append(
            Trade(
                self.last_trade_id, instrument.symbol, price, qty, buyer.order.trader, seller.order.trader, sign,
                buyer.id, seller.id, self.now_ns,
            )
        )
        taker.leaves -= qty
        self.fees += taker_fee
        self.insurance += house_fee
        self._fill(taker, qty, price, taker_fee + house_fee, Liquidity.TAKER)
        self._shrink(maker, qty)
        maker_fee = fee(qty * price * instrument.tick_value, instrument.maker_fee_bps)
        self.fees += maker_fee
        self._fill(maker, qty, price, maker_fee, Liquidity.MAKER)
        self._emit_reduced(maker, qty)
        if maker.leaves == 0:
            maker.position.account.closed(maker)

    def _fill(self, record: OrderRecord, qty: int, price: int, paid: int, liquidity: Liquidity) -> None:
        order = record.order
        record.filled += qty
        self.book_fill(record.position, order.side, qty, price, paid)
        self.events.append(
            Fill(
                record.id, order.client_order_id, self.last_trade_id, order.trader, order.symbol, order.side, price, qty,
                record.leaves, paid, liquidity, record.position.account.next_seq(), self.now_ns,
            )
        )

    def book_fill(self, position: Position, side: int, qty: int, price: int, paid: int = 0) -> None:
        """Change a position and its account's cash by one fill."""
        account = position.account
        account.cash += position.trade(side, qty, price) - paid
        self._moved[position] = None
        self.margin_watch.invalidate(account)

    # ---------------------------------------------------------------------------------------------------------------- orders

    def rest(self, record: OrderRecord) -> None:
        """Let an order wait in the book."""
        position, order = record.position, record.order
        position.market.book.side(order.side).add(record)
        self.restless[position.market] = None
        position.count_open(record, record.leaves)
        self._emit_book_change(OrderAdded, record, record.leaves)

    def reduce(self, record: OrderRecord, lots: int) -> None:
        """Take lots off a resting order, without a word to its trader; with its last lots it leaves the book."""
        self._shrink(record, lots)
        self._emit_reduced(record, lots)

    def take_off(self, record: OrderRecord, reason: CancelReason) -> OrderCancelled:
        """Cancel a resting order."""
        lots = record.leaves
        self._shrink(record, lots)
        cancelled = self._emit_cancelled(record, lots, reason)
        self._emit_reduced(record, lots)
        return cancelled

    def cancel_all(self, trader: str, account_seq: int, records: list[OrderRecord]) -> AllCancelled:
        """Cancel resting orders of a trader whose last event is `account_seq`, one by one, after the answer that counts them."""
        answer = AllCancelled(trader, len(records), account_seq + len(records), self.now_ns)
        self.events.append(answer)
        for record in records:
            self.take_off(record, CancelReason.REQUESTED)
        return answer

    def cancel_rest(self, record: OrderRecord, reason: CancelReason) -> None:
        """Cancel what is left of an order that does not rest."""
        lots, record.leaves = record.leaves, 0
        self._emit_cancelled(record, lots, reason)

    def _shrink(self, record: OrderRecord, lots: int) -> None:
        position = record.position
        self.restless[position.market] = None
        position.count_open(record, -lots)
        if lots == record.leaves:
            position.market.book.side(record.order.side).remove(record)
        else:
            position.market.book.side(record.order.side).levels[record.price].qty -= lots
        record.leaves -= lots

    def _emit_reduced(self, record: OrderRecord, lots: int) -> None:
        self._emit_book_change(OrderReduced if record.leaves else OrderRemoved, record, lots)

    def _emit_book_change(self, kind: type[Any], record: OrderRecord, lots: int) -> None:
        order = record.order
        self.events.append(kind(record.id, order.symbol, order.trader, order.side, record.price, lots, self.now_ns))

    def _emit_cancelled(self, record: OrderRecord, lots: int, reason: CancelReason) -> OrderCancelled:
        order, account = record.order, record.position.account
        account.closed(record)
        cancelled = OrderCancelled(
            record.id, order.client_order_id, order.trader, order.symbol, lots, reason, account.next_seq(), self.now_ns
        )
        self.events.append(cancelled)
        return cancelled

    # ------------------------------------------------------------------------------------------------- at the command's end

    def emit_changed_positions(self) -> None:
        """One update per position that changed, then one for each account of which only the cash changed; then the fund."""
        told = {position.account for position in self._moved}
        for position in self._moved:
            self.emit_position(position)
        for account in self._paid:
            if account not in told:
                self.emit_position(account.position(self.first_market))
        self._moved, self._paid = {}, {}

    def emit_insurance(self) -> None:
        self.emitted_insurance = self.insurance
        self.events.append(InsuranceUpdate(self.insurance, self.now_ns))

    def emit_position(self, position: Position) -> None:
        account, market = position.account, position.market
        position.told_mark = market.mark
        self.events.append(
            PositionUpdate(
                account.trader, market.instrument.symbol, position.lots, position.cost, account.cash, position.realized,
                position.unrealized(), account.equity(), market.mark, self.now_ns,
            )
        )
