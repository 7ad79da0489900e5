"""A market on a stage: named people act in it with prices as people write them, and what happened
is kept as sentences.

Stories drive the bare engine (commands in, events out), so that they are exact and quick: a
`Person` writes the commands, the `Stage` hears the events. Money and prices are text ("101.00"):
what a trader would say, and no float to excuse.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from botpit.core import events as ev
from botpit.core.commands import (
    BUY,
    SELL,
    Cancel,
    CancelAll,
    CancelTrader,
    Close,
    Command,
    Deposit,
    Freeze,
    Halt,
    Login,
    Logout,
    OffTick,
    Open,
    Order,
    Replace,
    Resume,
    SelfTradePrevention,
    SessionLost,
    SetMark,
    Tick,
    TimeInForce,
    Unfreeze,
)
from botpit.core.exchange import Exchange
from botpit.core.instrument import Instrument
from botpit.core.risk.watch import LOOKS_BEFORE_THRESHOLDS, MarginWatch
from botpit.settings import Settings

NS_PER_MS = 1_000_000
STEPS_OF_A_WALK = 100
"""Ticks that a mark may take to be walked anywhere a story sends it."""


class Answer:
    """What a request was answered: the first of its `events`. `refused`: the reason, if any. Names
    its order later on.
    """

    def __init__(self, events: list[ev.Event]) -> None:
        self.events: list[Any] = events
        self.event: Any = events[0]
        self.refused = self.event.reason if isinstance(self.event, ev.Rejected) else None
        self.order_id = getattr(self.event, "order_id", None)


def _numbers(table: dict[str, Any]) -> dict[str, Any]:
    """A table of exchange.toml: stories write its numbers as text."""
    words = ("symbol", "self_trade_prevention")
    return {
        key: Decimal(value) if isinstance(value, str) and key not in words else value
        for key, value in table.items()
    }


class Stage:
    """A market with five people and the house in it. `rules`: keys of [market] in exchange.toml;
    `instruments`: tables of [[instruments]].

    `trades`, `fills`, `cancels`, `liquidations`, `statuses` and `refusals` are all there were;
    `last` and `last_in_book` what the last command said, `events` its events.
    """

    def __init__(self, *instruments: dict[str, Any], **rules: Any) -> None:
        listed = (
            {"instruments": [_numbers(each) for each in instruments]} if instruments else {}
        )
        settings = Settings.model_validate({"market": _numbers(rules)} | listed)
        self.exchange = Exchange(Open("story", settings.rules(), settings.engine_instruments()))
        self.now_ms = 1_000
        self.trades: list[str] = []
        self.fills: list[str] = []
        self.cancels: list[str] = []
        self.liquidations: list[str] = []
        self.statuses: list[str] = []
        self.refusals: list[str] = []
        self.events: list[Any] = []
        self.last: list[str] = []
        self.last_in_book: list[str] = []
        self.alice, self.bob, self.carol, self.dave, self.erin = (
            Person(self, name) for name in ("alice", "bob", "carol", "dave", "erin")
        )
        self.operator = Operator(self)

    # --------------------------------------------------------------------------------- what happens

    def apply(self, command: Command) -> list[ev.Event]:
        events = self.events = self.exchange.apply(command, self.now_ms * NS_PER_MS).events
        told = [(event, self._sentence(event)) for event in events]
        in_book = (ev.OrderAdded, ev.OrderReduced, ev.OrderRemoved)
        self.last = [sentence for event, sentence in told if not isinstance(event, in_book)]
        self.last_in_book = [sentence for event, sentence in told if isinstance(event, in_book)]
        kept = (
            (ev.Trade, self.trades),
            (ev.Fill, self.fills),
            (ev.OrderCancelled, self.cancels),
            (ev.Rejected, self.refusals),
            (ev.Liquidation, self.liquidations),
            (ev.AccountStatus, self.statuses),
        )
        for kind, sentences in kept:
            sentences += [sentence for event, sentence in told if isinstance(event, kind)]
        return events

    def ticks(self, times: int = 1) -> None:
        """Every 100 ms a Tick."""
        for _ in range(times):
            self.now_ms += 100
            self.apply(Tick())

    def ticks_at(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.apply(Tick())

    def judged_at(self, price: str, of: str | None = None) -> list[str]:
        """The house puts the mark there, and a Tick comes, which must find nothing to move it by.
        What the Tick told, but for the positions.
        """
        self.operator.marks(price, of=of)
        self.ticks()
        assert self.mark_of(of or self.symbol) == price
        return self.told

    def mark_walks_to(self, price: str, of: str | None = None) -> None:
        """Two strangers quote around the price, and go when the Ticks have brought the mark there.
        Nobody trades.
        """
        market = self.exchange.markets[of or self.symbol]
        buyer, seller = Person(self, "left-hand"), Person(self, "right-hand")
        goal, trades = self._ticks(price, market.instrument), len(self.trades)
        for _ in range(STEPS_OF_A_WALK):
            if market.mark == goal:
                break
            step = min(max(goal, market.mark * 95 // 100), market.mark * 105 // 100)
            bid = step if market.last_trade is None or market.last_trade <= step else step - 1
            answers = [
                each.trades(1, sign, self.price(ticks, market.instrument.symbol), of=of)
                for each, sign, ticks in ((buyer, BUY, bid), (seller, SELL, bid + 1))
            ]
            self.ticks()
            for each, answer in zip((buyer, seller), answers, strict=True):
                each.cancels(answer)
        assert market.mark == goal, (price, market.mark)
        assert len(self.trades) == trades, self.trades[trades:]

    # ----------------------------------------------------------------------------- what one can see

    @property
    def symbol(self) -> str:
        """The first instrument's."""
        return self.exchange.first_market.instrument.symbol

    @property
    def told(self) -> list[str]:
        """What the last command said, but for the fills and positions, which repeat it from each side."""
        each_side = (
            ev.Fill,
            ev.PositionUpdate,
            ev.OrderAdded,
            ev.OrderReduced,
            ev.OrderRemoved,
        )
        return [
            self._sentence(event) for event in self.events if not isinstance(event, each_side)
        ]

    @property
    def mark(self) -> str:
        return self.mark_of(self.symbol)

    def mark_of(self, symbol: str) -> str:
        return self.price(self.exchange.markets[symbol].mark, symbol)

    @property
    def bids(self) -> list[str]:
        return self._levels(BUY)

    @property
    def asks(self) -> list[str]:
        return self._levels(SELL)

    def queue(self, price: str) -> list[str]:
        """Who waits at this price, the first first."""
        market = self.exchange.markets[self.symbol]
        ticks = self._ticks(price, market.instrument)
        levels = [
            side.levels[ticks]
            for side in (market.book.bids, market.book.asks)
            if ticks in side.levels
        ]
        return [f"{each.order.trader} {each.leaves}" for level in levels for each in level]

    @property
    def fees(self) -> str:
        """What `@fees` has."""
        return self.money(self.exchange.fees)

    @property
    def insurance(self) -> str:
        """What `@insurance` has, or owes."""
        return self.money(self.exchange.insurance)

    @property
    def paid_in(self) -> str:
        """Everybody's and the house's cash, less the cost of what is held: what was ever paid in."""
        held = [
            each
            for account in self.exchange.accounts.values()
            for each in account.positions.values()
        ]
        cash = sum(account.cash for account in self.exchange.accounts.values())
        return self.money(
            cash
            + self.exchange.fees
            + self.exchange.insurance
            - sum(each.cost for each in held)
        )

    def settles(self) -> None:
        """Tick until who does not change any more is looked at no more."""
        self.ticks(LOOKS_BEFORE_THRESHOLDS)

    @property
    def due_for_check(self) -> list[str]:
        """Whose margin the next Tick would work out, were the marks to stay. A copy is asked: to
        ask is to take.
        """
        watch, asked = self.exchange.margin_watch, MarginWatch([])
        asked._heaps = {side: heap.copy() for side, heap in watch._heaps.items()}
        asked._stirred, asked._due_for_check = (
            watch._stirred.copy(),
            watch._due_for_check.copy(),
        )
        return sorted(account.trader for account in asked.due_for_check())

    @property
    def due_ms(self) -> int | None:
        """In how many milliseconds a Tick would change something; None: never, by itself."""
        due_ns = self.exchange.next_due_ns(self.now_ms * NS_PER_MS)
        return None if due_ns is None else max(0, due_ns // NS_PER_MS - self.now_ms)

    def money(self, units: int) -> str:
        return str(Decimal(units).scaleb(-self.exchange.rules.money_decimals))

    def _levels(self, sign: int) -> list[str]:
        symbol = self.symbol
        levels = self.exchange.markets[symbol].book.side(sign).top(1_000)
        return [f"{qty} at {self.price(price, symbol)}" for price, qty in levels]

    # ------------------------------------------------------------------------- prices and sentences

    def priced(self, at: str | None, of: str | None) -> int | OffTick | None:
        """What the border makes of a price."""
        if at is None:
            return None
        market = self.exchange.markets.get(of or self.symbol)
        if market is None or Decimal(at) % self._tick(market.instrument):
            return OffTick(at)
        return self._ticks(at, market.instrument)

    def _ticks(self, price: str, instrument: Instrument) -> int:
        return int(Decimal(price) / self._tick(instrument))

    def _tick(self, instrument: Instrument) -> Decimal:
        return Decimal(instrument.tick_units).scaleb(-instrument.tick_decimals)

    def price(self, ticks: int, symbol: str) -> str:
        instrument = self.exchange.markets[symbol].instrument
        return str(Decimal(ticks * instrument.tick_units).scaleb(-instrument.tick_decimals))

    def _lots(self, qty: int, symbol: str) -> str:
        return f"{qty}" if symbol == self.symbol else f"{qty} {symbol}"

    def _sentence(self, event: Any) -> str:
        match event:
            case ev.Rejected():
                return f"{event.trader or event.symbol} refused: {event.reason}"
            case ev.OrderAccepted():
                return f"{event.order.trader}'s order accepted" + (
                    " (again)" if event.repeated else ""
                )
            case ev.Trade():
                lots, price = (
                    self._lots(event.qty, event.symbol),
                    self.price(event.price, event.symbol),
                )
                if event.aggressor == BUY:
                    return f"{event.buyer} buys {lots} from {event.seller} at {price}"
                return f"{event.seller} sells {lots} to {event.buyer} at {price}"
            case ev.Fill():
                deed = f"{event.trader} {'bought' if event.side == BUY else 'sold'} {self._lots(event.qty, event.symbol)}"
                fee = f", fee {self.money(event.fee)}" if event.fee else ""
                return f"{deed} at {self.price(event.price, event.symbol)} as {event.liquidity}, {event.leaves_qty} left{fee}"
            case ev.OrderCancelled():
                return f"{event.trader}'s {self._lots(event.cancelled_qty, event.symbol)} cancelled: {event.reason}"
            case ev.OrderReplaced():
                place = "in its place" if event.kept_priority else "anew"
                return (
                    f"{event.trader}'s order replaced: {event.leaves_qty} of {event.qty} at "
                    f"{self.price(event.price, event.symbol)}, {place}"
                )
            case ev.AllCancelled():
                return f"{event.trader} cancels {event.count}"
            case ev.PositionUpdate():
                return f"{event.trader} holds {self._lots(event.position, event.symbol)}"
            case ev.Liquidation():
                deed = f"{event.trader} {'buys' if event.side == BUY else 'sells'} {self._lots(event.qty, event.symbol)}"
                return f"{deed} at {self.price(event.price, event.symbol)}: {event.reason}"
            case ev.AccountStatus():
                return f"{event.trader} is {event.status}"
            case ev.InsuranceUpdate():
                return f"insurance {self.money(event.cash)}"
            case ev.MarketStatus():
                return f"{event.symbol} is {event.status}: {event.reason}"
            case ev.LoggedIn():
                return f"{event.trader} logged in"
            case ev.LoggedOut():
                return f"{event.trader} logged out"
        word = {ev.OrderAdded: "add", ev.OrderReduced: "reduce", ev.OrderRemoved: "remove"}[
            type(event)
        ]
        return f"{word} {event.trader} {event.qty} at {self.price(event.price, event.symbol)}"


class Person:
    """Somebody in the market. `at` None: a market order; `of`: another than the first instrument."""

    def __init__(self, stage: Stage, name: str) -> None:
        self._stage = stage
        self.name = name

    def brings(self, money: str) -> Answer:
        """Open an account and pay in."""
        self.logs_in()
        return self._stage.operator.pays_in(self, money)

    def buys_from(self, seller: Person, qty: int, at: str, of: str | None = None) -> None:
        """The two meet at a price, and trade with nobody else."""
        before = len(self._stage.trades)
        seller.sells(qty, at, of=of)
        self.buys(qty, at, of=of)
        symbol = of or self._stage.symbol
        lots = f"{qty}" if symbol == self._stage.symbol else f"{qty} {symbol}"
        assert self._stage.trades[before:] == [
            f"{self.name} buys {lots} from {seller.name} at {at}"
        ], self._stage.last

    def buys(self, qty: int, at: str | None = None, **terms: Any) -> Answer:
        return self.trades(qty, BUY, at, **terms)

    def sells(self, qty: int, at: str | None = None, **terms: Any) -> Answer:
        return self.trades(qty, SELL, at, **terms)

    def trades(
        self,
        qty: int,
        sign: int,
        at: str | None,
        *,
        of: str | None = None,
        tif: str = "",
        until_ms: int | None = None,
        id: str | None = None,
        post_only: bool = False,
        reduce_only: bool = False,
        stp: str | None = None,
        session: Answer | None = None,
    ) -> Answer:
        price = self._stage.priced(at, of)
        usual = "ioc" if price is None else "gtc" if until_ms is None else "gtd"
        order = Order(
            self.name,
            of or self._stage.symbol,
            sign,
            qty,
            price,
            TimeInForce(tif or usual),
            id,
            post_only,
            reduce_only,
            SelfTradePrevention(stp) if stp else None,
            until_ms and until_ms * NS_PER_MS,
            session.event.session if session else 0,
        )
        return self._asks(order)

    def cancels(self, order: Answer | None = None, *, id: str | None = None) -> Answer:
        return self._asks(Cancel(self.name, order.order_id if order else None, id))

    def cancels_all(self, *, of: str | None = None, side: str = "both") -> Answer:
        return self._asks(CancelAll(self.name, of, {"both": 0, "buy": BUY, "sell": SELL}[side]))

    def replaces(
        self,
        order: Answer | None = None,
        *,
        id: str | None = None,
        at: str | None = None,
        qty: int | None = None,
    ) -> Answer:
        price = self._stage.priced(at, None)
        return self._asks(Replace(self.name, order.order_id if order else None, id, price, qty))

    def logs_in(self, *, cancel_on_disconnect: bool = False) -> Answer:
        return self._asks(Login(self.name, cancel_on_disconnect))

    def logs_out(self, session: Answer) -> None:
        self._stage.apply(Logout(self.name, session.event.session))

    def is_cut_off(self, session: Answer) -> None:
        self._stage.apply(SessionLost(self.name, session.event.session))

    def _asks(self, command: Command) -> Answer:
        return Answer(self._stage.apply(command))

    @property
    def account(self) -> Any:
        return self._stage.exchange.accounts[self.name]

    @property
    def cash(self) -> str:
        return self._stage.money(self.account.cash)

    @property
    def equity(self) -> str:
        return self._stage.money(self.account.equity())

    @property
    def position(self) -> int:
        return self.position_in(self._stage.symbol)

    @property
    def state(self) -> str:
        return str(self.account.state())

    def position_in(self, symbol: str) -> int:
        held = self.account.positions.get(symbol)
        return held.lots if held else 0

    @property
    def cost(self) -> str:
        """The signed cost of the position in the first instrument."""
        return self._stage.money(self.account.positions[self._stage.symbol].cost)

    @property
    def open_orders(self) -> list[str]:
        """By order id."""
        verb = {BUY: "buy", SELL: "sell"}
        return [
            f"{verb[each.order.side]} {each.leaves} at {self._stage.price(each.price, each.order.symbol)}"
            for each in self.account.open_orders()
        ]


class Operator:
    """What the house may do. `of`: another than the first instrument."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def halts(self, of: str | None = None) -> Answer:
        return self._does(Halt(of or self._stage.symbol))

    def resumes(self, of: str | None = None) -> Answer:
        return self._does(Resume(of or self._stage.symbol))

    def closes(self, of: str | None = None) -> Answer:
        return self._does(Close(of or self._stage.symbol))

    def marks(self, at: str, of: str | None = None) -> Answer:
        ticks = self._stage.priced(at, of)
        assert ticks is not None
        return self._does(SetMark(of or self._stage.symbol, ticks))

    def freezes(self, person: Person) -> Answer:
        return self._does(Freeze(person.name))

    def unfreezes(self, person: Person) -> Answer:
        return self._does(Unfreeze(person.name))

    def cancels_all_of(self, person: Person) -> Answer:
        return self._does(CancelTrader(person.name))

    def pays_in(self, person: Person, money: str) -> Answer:
        return self._does(
            Deposit(
                person.name,
                int(Decimal(money).scaleb(self._stage.exchange.rules.money_decimals)),
            )
        )

    def _does(self, command: Command) -> Answer:
        return Answer(self._stage.apply(command))
