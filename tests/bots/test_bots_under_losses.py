"""Whatever is lost on the way, a bot knows what the exchange knows of it: seeded lives in two instruments."""

from __future__ import annotations

import random

import pytest

from bot_strategies import ALL, Market, OpenOrder, Strategy
from message_schemas import OrderState, SideWord
from tests.socketless.bot import BotInMarket, settle
from tests.socketless.rules import BOTH
from tests.socketless.venue import SocketlessVenue


class Restless(Strategy):
    """Does anything at all, in any instrument."""

    symbols = ALL

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.fills: list[int] = []

    def on_timer(self, market: Market) -> None:
        rng = self.rng
        for _ in range(rng.randrange(1, 4)):
            other = market.of(rng.choice(market.symbols))
            orders = [each for each in other.orders if not each.cancelling]
            match rng.randrange(6):
                case 0 if orders:
                    other.cancel(rng.choice(orders))
                case 1 if orders:
                    other.replace(rng.choice(orders), qty=rng.randrange(1, 12))
                case 2 if rng.random() < 0.2:
                    other.cancel_all(rng.choice(["buy", "sell", None]))
                case _:
                    self.orders(other, rng.choice(["buy", "sell"]))

    def orders(self, market: Market, side: SideWord) -> None:
        price = market.to_tick(market.mid_price * self.rng.uniform(0.999, 1.001), side)
        (market.buy if side == "buy" else market.sell)(self.rng.randrange(1, 9), price)

    def on_fill(self, market: Market, fill) -> None:
        assert market.symbol == fill.symbol
        self.fills.append(fill.account_seq)


class Life:
    """Restless alice among a crowd, over two connections that are cut again and again."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.venue = SocketlessVenue(BOTH)
        self.crowd = self.venue.crowd(seed)
        self.strategy = Restless(random.Random(seed))
        self.bot = BotInMarket(self.venue, self.strategy).connects()
        self.fills = 0
        settle(self.venue, self.bot)

    def lives(self, steps: int) -> None:
        for _ in range(steps):
            self.others_act()
            self.bot.decides()
            match self.rng.randrange(12):
                case 0:
                    self.loses_gateway()
                case 1:
                    self.loses_feed()
                case 2 | 3:
                    self.venue.ends_turn()
                case _:
                    settle(self.venue, self.bot)
        settle(self.venue, self.bot)

    def others_act(self) -> None:
        for trader in ("bob", "carol"):
            request = self.crowd.request(trader)
            if request["type"] != "cancel_all":
                self.venue.client().sends(request)

    def loses_gateway(self) -> None:
        """What was sent has arrived; of what it brought, nothing or all is heard."""
        if self.rng.random() < 0.5:
            self.bot.hears()
        self.bot.loses_gateway()
        self.others_act()
        self.bot.connects_gateway()

    def loses_feed(self) -> None:
        assert self.bot.feed is not None
        self.bot.feed.leaves()
        self.bot.brain.feed_lost()
        self.others_act()
        self.bot.connects_feed()


def terms(order: OpenOrder | OrderState) -> tuple[object, ...]:
    return order.symbol, order.order_id, order.side, order.leaves_qty, order.price


@pytest.mark.parametrize("seed", range(20))
def test_positions_orders_and_money_are_the_exchanges_own(seed):
    life = Life(seed)
    life.lives(60)
    ask = life.venue.client().asks
    account = ask({"type": "account", "trader_id": "alice"})
    held = {each["symbol"]: each["position"] for each in account["positions"]}
    markets = [life.bot.market.of(symbol) for symbol in life.bot.market.symbols]
    assert [market.position for market in markets] == [
        held.get(market.symbol, 0) for market in markets
    ]
    assert [market.equity for market in markets] == [account["total_equity"]] * 2

    known = [terms(each) for market in markets for each in market.orders]
    there = ask({"type": "open_orders", "trader_id": "alice"})["orders"]
    assert sorted(known) == sorted(terms(OrderState(**each)) for each in there)

    counts = life.bot.brain.counts
    assert counts.account_seq == account["account_seq"]
    assert len(life.strategy.fills) == len(set(life.strategy.fills)) == counts.fills > 0
    assert {each.what for each in life.bot.notices} <= {
        "order_rejected",
        "replace_rejected",
        "orders had no answer and are not open",
    }
