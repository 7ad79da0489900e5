"""Seeded random command streams: a few traders who do everything a client can do, on two instruments with different ticks."""

import random
from dataclasses import replace

from botpit.exchange.commands import (
    BUY,
    SELL,
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
from botpit.exchange.engine import Exchange
from botpit.settings import parse_settings

SETTINGS = """
[market]
starting_cash = 2000
maker_fee_bps = -1
taker_fee_bps = 3
max_open_orders = 6
max_position = 60
insurance_fund = 500
max_accounts = 8
max_order_qty = 50
max_order_notional = 1900
[[instruments]]
symbol = "SIM"
[[instruments]]
symbol = "OIL"
tick = 0.25
lot = 10
reference_price = 20
initial_margin_bps = 3000
"""
TRADERS = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"]
STEP_NS = 37_000_000


def opening(market_id: str = "laws") -> Open:
    settings = parse_settings(SETTINGS)
    return Open(market_id, settings.rules(), settings.engine_instruments())


class Stream:
    """Commands for one exchange, drawn with an eye on its books, so that they meet, cross and miss."""

    def __init__(self, exchange: Exchange, seed: int) -> None:
        self.exchange = exchange
        self.rng = random.Random(seed)
        self.count = 0

    def next(self) -> tuple[Command, int]:
        self.count += 1
        make = self.rng.choices(
            [self._order, self._cancel, self._replace, self._cancel_all, self._tick, self._session], [60, 16, 12, 1, 8, 3]
        )[0]
        return make(), self.count * STEP_NS

    def _order(self) -> Order:
        rng = self.rng
        symbol = rng.choice(["SIM", "SIM", "OIL"]) if rng.random() < 0.995 else "GOLD"
        side = rng.choice([BUY, SELL])
        in_force = rng.choice([TimeInForce.GTC] * 5 + [TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD])
        order = Order(
            rng.choice([*TRADERS, "mallory"] if rng.random() < 0.05 else TRADERS), symbol, side,
            rng.choice([1, 1, 2, 3, 5, 8, 20, rng.choice([0, 60, 4, 4, 4, 4])]),
            self._price(symbol, side), in_force,
            client_order_id=self._client_order_id(),
            reduce_only=rng.random() < 0.15,
            self_trade_prevention=rng.choice([None, *SelfTradePrevention]),
            expires_at_ns=(self.count + rng.randrange(1, 300)) * STEP_NS if in_force is TimeInForce.GTD else None,
            off_tick="100.005" if rng.random() < 0.01 else "",
        )
        if rng.random() < 0.1:
            return replace(order, price=None, time_in_force=TimeInForce.IOC, expires_at_ns=None, off_tick="")
        may_post = in_force in (TimeInForce.GTC, TimeInForce.GTD)
        return replace(order, post_only=may_post and rng.random() < 0.1, session=self._session_of(order.trader))

    def _client_order_id(self) -> str | None:
        """Mostly a new one; now and then one that was used a little before."""
        used = f"c{self.rng.randrange(max(0, self.count - 100), self.count)}"
        return self.rng.choices([None, f"c{self.count}", used], [30, 65, 5])[0]

    def _price(self, symbol: str, side: int) -> int:
        market = self.exchange.markets.get(symbol)
        mark = market.mark if market else 100
        spread = max(2, mark // 200)
        drift = self.rng.gauss(-side * spread / 2, spread)
        return max(0, mark + round(drift) if self.rng.random() < 0.98 else self.rng.randrange(2 * mark))

    def _session_of(self, trader: str) -> int:
        account = self.exchange.accounts.get(trader)
        return self.rng.choice([0, *account.open_sessions]) if account else 0

    def _named_order(self) -> tuple[str, int | None, str | None]:
        """A trader and an order of his; sometimes another's, an old one or none at all."""
        trader = self.rng.choice(TRADERS)
        account = self.exchange.accounts.get(trader)
        known = list(account.orders.values()) if account else []
        open_orders = account.open_orders() if account else []
        if not known or self.rng.random() < 0.03:
            return trader, self.rng.randrange(1, self.count + 2), None
        record = self.rng.choice(open_orders if open_orders and self.rng.random() < 0.9 else known)
        return trader, record.id, record.order.client_order_id if self.rng.random() < 0.3 else None

    def _cancel(self) -> Cancel:
        return Cancel(*self._named_order())

    def _replace(self) -> Replace:
        trader, order_id, client_order_id = self._named_order()
        account = self.exchange.accounts.get(trader)
        record = account.orders.get(order_id or 0) if account else None
        price, qty = None, None
        if record is None or self.rng.random() < 0.6:
            symbol, side = (record.order.symbol, record.order.side) if record else ("SIM", BUY)
            price = self._price(symbol, side)
        if price is None or self.rng.random() < 0.5:
            qty = max(0, (record.qty if record else 3) + self.rng.choice([-3, -1, -1, 0, 1, 4]))
        return Replace(trader, order_id, client_order_id, price, qty)

    def _cancel_all(self) -> CancelAll:
        return CancelAll(self.rng.choice(TRADERS), self.rng.choice([None, "SIM", "OIL", "GOLD"]), self.rng.choice([0, BUY, SELL]))

    def _tick(self) -> Tick:
        return Tick()

    def _session(self) -> Command:
        trader = self.rng.choice(TRADERS)
        account = self.exchange.accounts.get(trader)
        if account is None or not account.open_sessions or self.rng.random() < 0.5:
            return Login(trader, cancel_on_disconnect=self.rng.random() < 0.7)
        session = self.rng.choice(list(account.open_sessions))
        return self.rng.choice([Logout, SessionLost])(trader, session)
