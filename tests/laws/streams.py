"""Seeded random command streams: traders who do everything a client can do, and a house that does
everything a house can do.

Each episode has rules of its own, drawn from the seed: fees, margins, caps, tick values, money in
the fund. Commands are drawn with an eye on the books, so that they meet, cross and miss; marks are
pushed now and then, so that margin is called.
"""

import random

from msgspec.structs import replace

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
from botpit.settings import parse_settings

TRADERS = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"]
STEP_NS = 37_000_000
EPISODE = 10_000
"""Commands of one market; then another one is opened, with other rules."""


def opening(seed: object = 0) -> Open:
    """The market of one episode."""
    rng = random.Random(f"rules {seed}")
    maker_fee, taker_fee = rng.choice([(0, 0), (-1, 3), (2, 5), (30, 70)])
    settings = parse_settings(f"""
[market]
starting_cash = {rng.choice([300, 450, 900])}
self_trade_prevention = "{rng.choice(["cancel_resting", "cancel_incoming", "cancel_both"])}"
maker_fee_bps = {maker_fee}
taker_fee_bps = {taker_fee}
liquidation_fee_bps = {rng.choice([0, 50, 200])}
max_open_orders = 6
max_accounts = {len(TRADERS)}
max_order_qty = 50
max_order_notional = 4000
max_position = {rng.choice([0, 25, 60])}
insurance_fund = {rng.choice([0, 0, 40, 5000])}
mark_move_bps = {rng.choice([100, 400])}
settle_window_s = {rng.choice([1, 30])}
[[instruments]]
symbol = "SIM"
initial_margin_bps = {rng.choice([2000, 1100])}
maintenance_margin_bps = {rng.choice([1000, 500])}
[[instruments]]
symbol = "OIL"
tick = 0.25
lot = 10
reference_price = 20
initial_margin_bps = 3000
maintenance_margin_bps = {rng.choice([500, 2900])}
[[instruments]]
symbol = "A/B"
tick = 0.05
lot = 100
reference_price = {rng.choice([0.3, 0.8, 2])}
max_price = 20
max_order_notional = 2500
taker_fee_bps = 40
""")
    return Open(f"laws-{seed}", settings.rules(), settings.engine_instruments())


class Stream:
    """Commands for one exchange."""

    def __init__(self, exchange: Exchange, seed: object) -> None:
        self.exchange = exchange
        self.rng = random.Random(f"commands {seed}")
        self.symbols = [symbol for symbol in exchange.markets for _ in range(2)]
        self.count = 0
        self.coming: list[Command] = []

    def next(self) -> tuple[Command, int]:
        self.count += 1
        if self.coming:
            return self.coming.pop(), self.count * STEP_NS
        makers = [
            self._order,
            self._cancel,
            self._replace,
            self._cancel_all,
            self._tick,
            self._session,
            self._house,
            self._shock,
        ]
        make = self.rng.choices(makers, [66, 7, 10, 0.5, 13, 2.5, 2.5, 0.8])[0]
        return make(), self.count * STEP_NS

    # --------------------------------------------------------------------------------------- orders

    def _order(self) -> Order:
        rng = self.rng
        symbol = rng.choice(self.symbols) if rng.random() < 0.995 else "GOLD"
        trader = rng.choice(TRADERS) if rng.random() < 0.99 else "mallory"
        side = self._lean(trader, symbol)
        in_force = rng.choice(
            [TimeInForce.GTC] * 5 + [TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD]
        )
        order = Order(
            trader,
            symbol,
            side,
            rng.choice([1, 1, 2, 3, 5, 8, 15, rng.choice([0, 60, 4, 4, 4, 4])]),
            self._price(symbol, side),
            in_force,
            client_order_id=self._client_order_id(),
            reduce_only=rng.random() < 0.15,
            self_trade_prevention=rng.choice([None, *SelfTradePrevention]),
            expires_at_ns=(self.count + rng.randrange(1, 300)) * STEP_NS
            if in_force is TimeInForce.GTD
            else None,
        )
        if rng.random() < 0.01:
            order.price = OffTick("100.005")
        if rng.random() < 0.1:
            return replace(order, price=None, time_in_force=TimeInForce.IOC, expires_at_ns=None)
        may_post = in_force in (TimeInForce.GTC, TimeInForce.GTD)
        return replace(
            order, post_only=may_post and rng.random() < 0.1, session=self._session_of(trader)
        )

    def _lean(self, trader: str, symbol: str) -> int:
        """Half of the traders mostly buy, the others mostly sell, so that positions grow until
        somebody is hurt.
        """
        bull = (len(trader) + len(symbol)) % 2 == 0
        return BUY if (self.rng.random() < 0.65) == bull else SELL

    def _client_order_id(self) -> str | None:
        """Mostly a new one; now and then one that was used a little before."""
        used = f"c{self.rng.randrange(max(0, self.count - 100), self.count)}"
        return self.rng.choices([None, f"c{self.count}", used], [30, 65, 5])[0]

    def _price(self, symbol: str, side: int) -> int:
        market = self.exchange.markets.get(symbol)
        mark = market.mark if market else 100
        spread = max(2, mark // 200)
        drift = self.rng.gauss(-side * spread / 2, spread)
        return max(
            0,
            mark + round(drift)
            if self.rng.random() < 0.98
            else self.rng.randrange(2 * mark + 1),
        )

    def _session_of(self, trader: str) -> int:
        account = self.exchange.accounts.get(trader)
        return self.rng.choice([0, *account.open_sessions]) if account else 0

    def _named_order(self) -> tuple[str, int | None, str | None]:
        """A trader and an order of his; sometimes another's, an old one or none at all."""
        trader = self.rng.choice(TRADERS)
        account = self.exchange.accounts.get(trader)
        known = account.known_orders()[-200:] if account else []
        open_orders = account.open_orders() if account else []
        if not known or self.rng.random() < 0.03:
            return trader, self.rng.randrange(1, self.count + 2), None
        record = self.rng.choice(
            open_orders if open_orders and self.rng.random() < 0.9 else known
        )
        return (
            trader,
            record.id,
            record.order.client_order_id if self.rng.random() < 0.3 else None,
        )

    def _cancel(self) -> Cancel:
        return Cancel(*self._named_order())

    def _replace(self) -> Replace:
        trader, order_id, client_order_id = self._named_order()
        account = self.exchange.accounts.get(trader)
        record = account.remembered_order(order_id or 0, None) if account else None
        price, qty = None, None
        if record is None or self.rng.random() < 0.6:
            symbol, side = (record.order.symbol, record.order.side) if record else ("SIM", BUY)
            price = self._price(symbol, side)
        if price is None or self.rng.random() < 0.5:
            qty = max(0, (record.qty if record else 3) + self.rng.choice([-3, -1, -1, 0, 1, 4]))
        if self.rng.random() < 0.01:
            price = OffTick("0.017")
        return Replace(trader, order_id, client_order_id, price, qty)

    def _cancel_all(self) -> CancelAll:
        return CancelAll(
            self.rng.choice(TRADERS),
            self.rng.choice([None, "SIM", "OIL", "GOLD"]),
            self.rng.choice([0, BUY, SELL]),
        )

    # ------------------------------------------------------------------------ time, sessions, house

    def _tick(self) -> Tick:
        return Tick()

    def _session(self) -> Command:
        trader = self.rng.choice(TRADERS) if self.rng.random() < 0.97 else "mallory"
        account = self.exchange.accounts.get(trader)
        if account is None or not account.open_sessions or self.rng.random() < 0.5:
            return Login(trader, cancel_on_disconnect=self.rng.random() < 0.7)
        session = self.rng.choice(list(account.open_sessions))
        return self.rng.choice([Logout, SessionLost])(trader, session)

    def _bankrupt_or(self, trader: str) -> str:
        """Money goes where none is: to one who already has some only now and then, or nobody would
        ever be in trouble.
        """
        bankrupt = [
            account.trader for account in self.exchange.accounts.values() if account.bankrupt
        ]
        return self.rng.choice(bankrupt) if bankrupt and self.rng.random() < 0.9 else trader

    def _gap(self) -> float:
        return self.rng.choice([self.rng.uniform(0.4, 0.9), self.rng.uniform(1.1, 2.1)])

    def _shock(self) -> Command:
        """Every mark jumps before anybody is judged: who wins in one market may have lost in another."""
        marks = [(symbol, market.mark) for symbol, market in self.exchange.markets.items()]
        self.coming = [
            Tick(),
            *(SetMark(symbol, round(mark * self._gap())) for symbol, mark in marks),
        ]
        return self.coming.pop()

    def _house(self) -> Command:
        rng = self.rng
        trader = rng.choice(TRADERS) if rng.random() < 0.97 else "nobody"
        symbol = rng.choice(self.symbols) if rng.random() < 0.98 else "GOLD"
        kind = rng.choices(
            [Halt, Resume, Close, SetMark, Freeze, Unfreeze, CancelTrader, Deposit],
            [2, 50, 0.1, 30, 3, 10, 3, 20],
        )[0]
        if kind is SetMark:
            market = self.exchange.markets.get(symbol)
            mark = market.mark if market else 100
            return SetMark(
                symbol,
                round(
                    mark
                    * rng.choice([rng.uniform(0.9, 0.98), rng.uniform(1.02, 1.1), self._gap()])
                ),
            )
        if kind is Deposit:
            return Deposit(self._bankrupt_or(trader), rng.choice([0, 1, 5_000, 20_000, 60_000]))
        return kind(trader if kind in (Freeze, Unfreeze, CancelTrader) else symbol)
