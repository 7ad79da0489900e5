"""What the built-in strategies do: each shows its defining behaviour on a stage, where the test
plays exchange and relay.
"""

from __future__ import annotations

import random
from math import log
from pathlib import Path

import pytest

from bot_strategies import BUILT_IN, Strategy, TimeInForce, load_strategy
from botpit.battle.config import parse_battle
from botpit.bots.strategies.value import Fundamental
from message_schemas import CancelRequest, OrderReplaced, OrderRequest
from tests.bots.bot_stage import Stage, book, snapshot, trade

HOUSE = Path(__file__).resolve().parents[2]


class Market(Stage):
    """A stage whose exchange takes every order; `tick` is 0.05, the mark 100.00."""

    def __init__(self, name: str, position: int = 0, seed: int = 1, **params: object) -> None:
        super().__init__(load(name, seed, **params))
        self.logs_in(position=position)
        self.sees(snapshot())
        self.seq = self.trade_number = 0

    def shows(self, bids, asks) -> list[str]:
        """The book changes; what the strategy did at once, in words."""
        self.seq += 1
        return self.answers(
            self.sees(book(bids, asks, seq=self.seq, timestamp=2_000 + self.seq))
        )

    def trades(
        self, qty: int, price: float, aggressor: str = "buy", buyer: str = "bob"
    ) -> None:
        """Two others trade, or alice with one of them."""
        self.trade_number += 1
        event = trade(qty, price, aggressor, self.trade_number)
        event.buy_trader_id = buyer
        self.answers(self.sees(event))

    def waits(self, seconds: int) -> list[str]:
        self.now += seconds * 1_000
        return self.accepts_all()

    def accepts_all(self) -> list[str]:
        """Let it decide once and take its orders; what it did in words."""
        return self.answers(self.decides())

    def fills_all(self) -> list[str]:
        """As `accepts_all`, but what it takes it gets."""
        return self.answers(self.decides(), filled=True)

    def answers(self, requests, *, filled: bool = False) -> list[str]:
        words = []
        for request in requests:
            if isinstance(request, OrderRequest):
                words.append(f"{request.side} {request.qty} at {request.price}")
                self.accepts(request, order_id=self.account_seq + 1)
                if request.time_in_force is not None:
                    self.ends(self.handle.orders[-1], filled)
            elif isinstance(request, CancelRequest):
                words.append(f"cancel {request.client_order_id}")
            else:
                words.append(f"replace by {request.price}")
                self.replaces(request)
        return words

    def ends(self, order, filled: bool) -> None:
        if filled:
            self.fills(order, order.leaves_qty, liquidity="taker")
        else:
            self.cancelled(order, "ioc")

    def replaces(self, request) -> None:
        (order,) = (
            each
            for each in self.handle.orders
            if each.client_order_id == request.client_order_id
        )
        self.hears(OrderReplaced(
            order_id=order.order_id, client_order_id=order.client_order_id, trader_id="alice", price=request.price, qty=order.qty,
            leaves_qty=order.leaves_qty, kept_priority=False, account_seq=self._next_seq(), timestamp=self.now,
            request_id=request.request_id,
        ))  # fmt: skip


def load(name: str, seed: int = 1, **params: object) -> Strategy:
    return load_strategy(name, trader_id="alice", rng=random.Random(seed), params=params)


# --------------------------------------------------- maker, taker, random, momentum, mean reversion


def test_a_maker_quotes_both_sides_of_the_mark_in_an_empty_book():
    market = Market("maker", levels=2, size=5, half_spread_ticks=2, step_ticks=3)
    assert market.accepts_all() == [
        "buy 5 at 99.9",
        "buy 5 at 99.75",
        "sell 5 at 100.1",
        "sell 5 at 100.25",
    ]
    assert market.accepts_all() == [], "it leaves good quotes where they are"
    assert all(
        request.post_only for request in market.sent if isinstance(request, OrderRequest)
    )


def test_a_maker_leans_against_its_inventory():
    quotes = Market("maker", position=10, levels=1, half_spread_ticks=2, skew=0.5).accepts_all()
    assert quotes == ["buy 5 at 99.65", "sell 5 at 99.85"]
    quotes = Market(
        "maker", position=-10, levels=1, half_spread_ticks=2, skew=0.5
    ).accepts_all()
    assert quotes == ["buy 5 at 100.15", "sell 5 at 100.35"]


def test_a_maker_never_quotes_through_the_other_side():
    market = Market("maker", position=-40, levels=1, half_spread_ticks=1, skew=0.5)
    market.shows([(99.95, 3)], [(100.05, 3)])
    assert market.accepts_all()[0] == "buy 5 at 100.0"


def test_a_maker_cancels_stale_quotes_and_keeps_the_others():
    market = Market("maker", levels=2, half_spread_ticks=1, step_ticks=2, refresh=1)
    assert market.accepts_all() == [
        "buy 5 at 99.95",
        "buy 5 at 99.85",
        "sell 5 at 100.05",
        "sell 5 at 100.15",
    ]
    ids = {
        f"{order.side} {order.price}": order.client_order_id for order in market.handle.orders
    }
    market.shows([(100.0, 9)], [(100.2, 9)])
    assert market.accepts_all() == [
        f"cancel {ids['buy 99.85']}",
        "buy 5 at 100.05",
        f"cancel {ids['sell 100.05']}",
        "sell 5 at 100.25",
    ]


def test_a_maker_stays_within_its_position():
    assert Market(
        "maker", position=18, levels=3, size=5, max_position=20, skew=0
    ).accepts_all() == [
        "buy 2 at 99.9",
        "sell 5 at 100.1",
        "sell 5 at 100.15",
        "sell 5 at 100.2",
    ]


def test_a_taker_works_its_orders_off_in_one_direction_and_within_its_position():
    market = Market("taker", activity=1, size=2, slices=50, max_position=4)
    market.shows([(99.0, 50)], [(101.0, 50)])
    words = [word for _ in range(8) for word in market.accepts_all()]
    assert len(words) == 8 and len({word.split()[0] for word in words}) == 1
    assert {int(word.split()[1]) for word in words} <= {1, 2, 3, 4}


def test_a_taker_with_a_full_position_turns_back():
    for seed in range(50):
        full = {"position": 60, "max_position": 60}
        market = Market("taker", seed=seed, activity=1, slices=1, size=1, **full)
        market.shows([(99.0, 50)], [(101.0, 50)])
        assert market.accepts_all()[0].startswith("sell")


def test_a_taker_waits_while_nobody_stands_there():
    assert Market("taker", activity=1).accepts_all() == []


def test_a_random_trader_offers_less_than_a_lot_is_worth_and_asks_for_more():
    market = Market("random", width_ticks=4, max_orders=100, max_position=10_000)
    for _ in range(100):
        market.accepts_all()
    bids = [order.price for order in market.handle.orders if order.side == "buy"]
    asks = [order.price for order in market.handle.orders if order.side == "sell"]
    assert len(bids) > 20 and sum(bids) / len(bids) < 99.95
    assert len(asks) > 20 and sum(asks) / len(asks) > 100.05


def test_a_random_trader_never_orders_more_than_it_may_hold():
    market = Market("random", max_orders=100, max_position=5, position=5)
    for _ in range(100):
        market.accepts_all()
    assert {order.side for order in market.handle.orders} == {"sell"}
    assert sum(order.qty for order in market.handle.orders) == 10


def test_a_random_trader_cancels_its_oldest_order_when_it_has_enough():
    market = Market("random", max_orders=2)
    market.accepts_all(), market.accepts_all()
    oldest = market.handle.orders[0]
    assert market.accepts_all() == [f"cancel {oldest.client_order_id}"]


def test_momentum_follows_the_trend_and_keeps_its_position_while_there_is_none():
    market = Market("momentum", fast=1, slow=3, size=3, max_position=10)
    for middle in (100.0, 100.0, 100.5):
        market.shows([(middle - 0.05, 9)], [(middle + 0.05, 9)])
        words = market.accepts_all()
    assert words == ["buy 3 at 100.55"]
    for _ in range(20):
        market.shows([(100.45, 9)], [(100.55, 9)])
        words = market.accepts_all()
    assert words == ["buy 3 at 100.55"]
    market.shows([(99.45, 9)], [(99.55, 9)])
    assert market.accepts_all() == ["sell 3 at 99.45"]


def test_mean_reversion_sells_what_stands_far_above_its_mean_and_goes_flat_on_the_way_back():
    market = Market("mean_reversion", window=4, entry=1.2, exit=0.5, size=3, position=-2)
    for middle in (200.0, 100.0, 100.0, 100.0, 102.0):
        market.shows([(middle - 0.05, 9)], [(middle + 0.05, 9)])
        words = market.accepts_all()
    assert words == ["sell 3 at 101.95"]
    for middle in (100.0, 102.0, 100.0, 101.0):
        market.shows([(middle - 0.05, 9)], [(middle + 0.05, 9)])
        words = market.accepts_all()
    assert words == ["buy 2 at 101.05"]


def test_the_shipped_battle_has_bots_of_every_kind_that_can_be_made():
    made = parse_battle(
        (HOUSE / "bots_config.json").read_text(),
        lambda bot: load(bot.strategy, **bot.strategy_params),
    )
    bots = made.all_bots()
    assert len(bots) >= 8 and {"maker", "taker", "random", "momentum", "mean_reversion"} <= {
        bot.strategy for bot in bots
    }
    assert len({bot.seed for bot in bots}) == len(bots)


@pytest.mark.parametrize("name", ["taker", "momentum", "mean_reversion"])
def test_takers_leave_nothing_in_the_book_and_wait_for_their_answer(name):
    quick = {
        "taker": {"activity": 1},
        "momentum": {"fast": 1, "slow": 2},
        "mean_reversion": {"window": 2, "entry": 0.5},
    }[name]
    market = Market(name, **quick)
    market.shows([(99.0, 9)], [(99.1, 9)])
    market.accepts_all()
    market.shows([(101.0, 9)], [(101.1, 9)])
    requests = market.decides()
    assert [request.time_in_force for request in requests] == [TimeInForce.IOC]
    assert market.decides() == []


# ------------------------------------------------------------------------------- avellaneda_stoikov

STEADY = {
    "risk_aversion": 0.1,
    "arrival_decay": 1.5,
    "horizon_s": 10,
    "volatility_ticks": 2,
    "memory_s": 86_400,
    "size": 5,
}
"""γ 0.1, k 1.5, σ² 4 ticks² a second: with 10 s to go γσ²(T-t) is 4 ticks, and 2/γ·ln(1+γ/k) 1.29."""


def formulas(market: Market) -> tuple[float, float]:
    """Reservation price and spread in ticks from the mark."""
    reservation, spread = market.strategy.reservation_and_spread(market.handle)
    return (reservation - 100.0) / 0.05, spread / 0.05


def test_avellaneda_stoikov_quotes_by_the_two_formulas_of_the_paper():
    liquidity = 2 / 0.1 * log(1 + 0.1 / 1.5)
    assert formulas(Market("avellaneda_stoikov", **STEADY)) == pytest.approx((0, 4 + liquidity))
    assert formulas(Market("avellaneda_stoikov", position=10, **STEADY)) == pytest.approx(
        (-8, 4 + liquidity)
    ), "2 orders long"
    assert formulas(Market("avellaneda_stoikov", position=-5, **STEADY)) == pytest.approx(
        (4, 4 + liquidity)
    )
    assert Market("avellaneda_stoikov", **STEADY).accepts_all() == [
        "buy 5 at 99.85",
        "sell 5 at 100.15",
    ]
    assert Market("avellaneda_stoikov", position=10, **STEADY).accepts_all() == [
        "buy 5 at 99.45",
        "sell 5 at 99.75",
    ]


def test_avellaneda_stoikov_minds_its_inventory_less_towards_the_horizon_and_then_begins_anew():
    market = Market("avellaneda_stoikov", position=5, **STEADY)
    before = formulas(market)
    market.waits(5)
    halfway = formulas(market)
    market.waits(5)
    assert (before[0], halfway[0], formulas(market)[0]) == pytest.approx((-4, -2, -4), abs=0.01)
    assert halfway[1] < before[1] == pytest.approx(formulas(market)[1], abs=0.01)


def test_avellaneda_stoikov_quotes_wider_when_the_price_has_become_wilder_and_closer_when_it_rests():
    market = Market("avellaneda_stoikov", **STEADY | {"memory_s": 5})
    calm = formulas(market)[1]
    for middle in (100.5, 100.0, 100.5, 100.0, 100.5, 100.0, 100.5, 100.0, 100.5, 100.0):
        market.shows([(middle - 1, 9)], [(middle + 1, 9)])
        market.waits(1)
    wild = formulas(market)[1]
    for _ in range(30):
        market.waits(1)
    assert formulas(market)[1] < calm < wild


def test_avellaneda_stoikov_measures_the_variance_of_a_second():
    market = Market("avellaneda_stoikov", **STEADY | {"memory_s": 0.1, "volatility_ticks": 50})
    market.shows([(99.2, 9)], [(101.2, 9)])
    market.waits(4)
    spread = formulas(market)[1]
    assert spread == pytest.approx(0.1 * 4 * 6 + 2 / 0.1 * log(1 + 0.1 / 1.5)), (
        "4 ticks in 4 s are 4 ticks² a second"
    )


def test_avellaneda_stoikov_keeps_within_its_position_and_never_takes():
    market = Market("avellaneda_stoikov", position=18, max_position=20, **STEADY)
    market.shows([(99.45, 9)], [(100.55, 9)])
    words = market.accepts_all()
    assert words[0].startswith("buy 2 at ")
    assert words[1] == "sell 5 at 99.5", (
        "a tick above the best bid, although it would sell for less"
    )
    assert all(
        request.post_only for request in market.sent if isinstance(request, OrderRequest)
    )


# --------------------------------------------------------------------------------------------- grid


def test_a_grid_stands_on_both_sides_of_where_it_began():
    market = Market("grid", step_ticks=4, lines=2, size=3)
    lines = ["buy 3 at 99.8", "buy 3 at 99.6", "sell 3 at 100.2", "sell 3 at 100.4"]
    assert market.accepts_all() == lines
    market.shows([(99.85, 9)], [(100.15, 9)])
    assert market.accepts_all() == [], "the price moves, the lines do not"


def test_what_a_grid_bought_on_a_line_it_sells_a_line_higher():
    market = Market("grid", step_ticks=4, lines=2, size=3)
    market.accepts_all()
    market.fills(market.handle.orders[0], 2)
    assert market.accepts_all() == [], "the line is not bought yet"
    market.fills(market.handle.orders[0], 1)
    top = market.handle.orders[-1]
    assert market.accepts_all() == [
        "buy 3 at 99.4",
        f"cancel {top.client_order_id}",
        "sell 3 at 100.0",
    ]
    market.fills(market.handle.orders[-1], 3)
    assert "buy 3 at 99.8" in market.accepts_all()


def test_a_grid_that_was_restarted_goes_on_from_its_position_and_leaves_lines_out_that_would_trade():
    market = Market("grid", position=-6, step_ticks=4, lines=2, size=3)
    assert market.accepts_all() == [
        "buy 3 at 100.2",
        "buy 3 at 100.0",
        "sell 3 at 100.6",
        "sell 3 at 100.8",
    ]
    market = Market("grid", position=-6, step_ticks=4, lines=2, size=3, max_position=7)
    market.shows([(100.05, 9)], [(100.15, 9)])
    assert market.accepts_all() == ["buy 3 at 100.0", "sell 1 at 100.6"]


# ------------------------------------------------------------------------------------------- sniper


def in_wait(**params: object) -> Market:
    """A sniper that saw trades at 100.0, 100.1 and 100.2: mean 100.1."""
    market = Market("sniper", memory=3, edge_ticks=2, narrow_ticks=2, size=3, **params)
    for price in (100.0, 100.1, 100.2):
        market.trades(1, price)
    return market


def test_a_sniper_waits_for_a_price_better_than_all_recent_ones():
    market = in_wait()
    assert market.shows([(99.0, 9)], [(100.0, 9)]) == market.accepts_all() == []
    assert market.shows([(99.0, 9)], [(99.95, 9)]) == ["buy 3 at 99.95"]
    assert in_wait().shows([(100.25, 9)], [(102.0, 9)]) == ["sell 3 at 100.25"]


def test_a_sniper_strikes_before_others_agree_when_the_price_is_still_good():
    assert in_wait().shows([(99.9, 9)], [(100.0, 9)]) == ["buy 3 at 100.0"]
    assert in_wait().shows([(99.95, 9)], [(100.05, 9)]) == [], (
        "one tick off the mean is too little"
    )
    assert in_wait().shows([(99.85, 9)], [(100.0, 9)]) == [], (
        "three ticks apart is too far from an agreement"
    )
    assert in_wait().shows([(100.2, 9)], [(100.3, 9)]) == ["sell 3 at 100.2"]


def test_a_sniper_never_quotes_keeps_within_its_position_and_waits_for_its_answer():
    market = in_wait(position=29, max_position=30)
    (request,) = market.sees(book([(99.0, 9)], [(99.0, 9)]))
    assert (request.qty, request.time_in_force) == (1, TimeInForce.IOC)
    market = in_wait()
    market.sees(book([(99.0, 9)], [(99.0, 9)]))
    market.seq = 1
    assert market.shows([(98.0, 9)], [(98.5, 9)]) == [], "its order is on its way"


# ---------------------------------------------------------------------------------------- execution


def offered(name: str, **params: object) -> Market:
    market = Market(name, **params)
    market.shows([(99.0, 50)], [(101.0, 50)])
    return market


def test_a_twap_takes_equal_slices_at_equal_times():
    market = offered("twap", side="sell", qty=10, duration_s=20, slices=4)
    taken = []
    for second in range(0, 30, 1):
        words = market.fills_all()
        taken += [(second, *words)] if words else []
        market.now += 1_000
    assert taken == [
        (0, "sell 2 at 99.0"),
        (5, "sell 3 at 99.0"),
        (10, "sell 2 at 99.0"),
        (15, "sell 3 at 99.0"),
    ]


def test_a_twap_makes_up_for_what_it_could_not_get():
    market = offered("twap", qty=8, duration_s=20, slices=4)
    (first,) = market.decides()
    assert market.decides() == [], "its order is on its way"
    market.accepts(first)
    market.fills(market.handle.orders[0], 1, liquidity="taker")
    market.cancelled(market.handle.orders[0], "ioc")
    market.now += 5_000
    assert first.time_in_force == TimeInForce.IOC
    assert market.accepts_all() == ["buy 3 at 101.0"]


def test_a_pov_trades_its_share_of_all_that_trades():
    market = offered("pov", qty=20, share=0.2)
    assert market.fills_all() == [], "nobody has traded yet"
    market.trades(8, 100.0)
    assert market.fills_all() == ["buy 2 at 101.0"]
    market.trades(8, 101.0, buyer="alice")
    assert market.fills_all() == [], "its own trades are no volume of others"
    market.trades(4, 100.0)
    assert market.fills_all() == ["buy 1 at 101.0"]
    market.trades(500, 100.0)
    assert market.fills_all() == ["buy 17 at 101.0"], "20 in all"
    market.trades(500, 100.0)
    assert market.fills_all() == []


@pytest.mark.parametrize(
    ("name", "params"), [("twap", {"qty": 8, "slices": 1}), ("pov", {"qty": 8, "share": 0.5})]
)
def test_a_new_market_is_a_new_order(name, params):
    market = offered(name, **params)
    market.trades(50, 100.0)
    assert market.fills_all() == ["buy 8 at 101.0"]
    market.brain.gateway_lost()
    market.account_seq = 0
    market.logs_in(market_id="m2")
    market.sees(snapshot(market_id="m2"))
    market.seq = market.trade_number = 0
    market.shows([(99.0, 50)], [(101.0, 50)])
    market.trades(5, 100.0)
    assert market.fills_all() == [f"buy {8 if name == 'twap' else 5} at 101.0"]


# -------------------------------------------------------------------------------------- zic and zip


def test_zic_shouts_uniformly_within_its_customers_limit():
    market = Market("zic", range_ticks=100)
    market.accepts_all()
    customer = market.strategy.customer
    shouts = []
    for _ in range(400):
        market.accepts_all()
        shouts.append(market.handle.orders[0].price)
    inside = [
        (customer.limit - price) * (1 if customer.side == "buy" else -1) / 0.05
        for price in shouts
    ]
    assert min(inside) >= 0, "never at a loss"
    assert max(inside) <= 101 and sum(inside) / 400 == pytest.approx(50, abs=6)
    quarters = [sum(low <= each < low + 25 for each in inside) for low in (0, 25, 50, 75)]
    assert min(quarters) > 60, quarters


def test_zic_has_one_order_and_serves_the_next_customer_when_it_has_traded():
    market = Market("zic", size=2)
    sides, limits = set(), set()
    for _ in range(30):
        market.accepts_all(), market.accepts_all()
        (order,) = market.handle.orders
        customer = market.strategy.customer
        assert (
            order.qty == 2 and order.side == customer.side and 97.5 <= customer.limit <= 102.5
        )
        sides.add(customer.side)
        limits.add(customer.limit)
        market.fills(order, 1)
        assert market.strategy.customer is customer, "it wants one more"
        market.fills(order, 1)
    assert sides == {"buy", "sell"} and len(limits) == 30


@pytest.mark.parametrize("name", ["zic", "zip"])
def test_a_customer_who_was_not_served_goes_and_the_order_follows_the_next(name):
    market = Market(name, patience_s=5)
    words = []
    for _ in range(40):
        market.accepts_all()
        before, (order,) = market.strategy.customer, market.handle.orders
        market.waits(4)
        assert market.strategy.customer is before
        words += market.waits(1)
        assert market.strategy.customer is not before
        if market.strategy.customer.side != before.side:
            assert words[-1] == f"cancel {order.client_order_id}" and order.cancelling
            market.cancelled(order)
            assert market.accepts_all()[0].startswith(market.strategy.customer.side)
    assert any(each.startswith("replace") for each in words) and any(
        each.startswith("cancel") for each in words
    )


@pytest.mark.parametrize("name", ["zic", "zip"])
@pytest.mark.parametrize(("position", "side"), [(10, "sell"), (-10, "buy")])
def test_customers_of_a_full_trader_are_on_the_way_back(name, position, side):
    sides = set()
    for seed in range(10):
        market = Market(name, position=position, max_position=10, seed=seed)
        sides |= {words.split()[0] for words in market.accepts_all()}
    assert sides == {side}


def zip_trader(side: str, **params: object) -> Market:
    """A ZIP trader whose customer is on `side`, with a limit of about 100."""
    given = {
        "margin": 0.01,
        "nudge": 0,
        "momentum": 0,
        "learning": 0.5,
        "range_ticks": 1,
    } | params
    for seed in range(50):
        market = Market("zip", seed=seed, **given)
        if market.strategy.customer.side == side:
            return market
    raise AssertionError("no such customer in 50 seeds")


def test_zip_raises_its_margin_when_it_could_have_had_more():
    seller = zip_trader("sell")
    before = seller.strategy.price
    seller.trades(1, before + 2)
    assert seller.strategy.price == pytest.approx(before + 1), "half way to the price seen"
    buyer = zip_trader("buy")
    before = buyer.strategy.price
    buyer.trades(1, before - 2)
    assert buyer.strategy.price == pytest.approx(before - 1)


def test_zip_lowers_its_margin_when_others_get_the_trade():
    seller = zip_trader("sell")
    before = seller.strategy.price
    seller.trades(1, before - 0.1, "buy")
    assert seller.strategy.price == before, (
        "the offer of another seller was taken: what a buyer shouts tells more"
    )
    seller.trades(1, before - 0.1, "sell")
    assert seller.strategy.price == pytest.approx(before - 0.05)
    buyer = zip_trader("buy")
    before = buyer.strategy.price
    buyer.trades(1, before + 0.1, "buy")
    assert buyer.strategy.price == pytest.approx(before + 0.05)


def test_zip_lowers_its_margin_when_it_is_outbid_once_per_shout():
    buyer = zip_trader("buy")
    before = buyer.strategy.price
    better = round(before + 0.2, 2)
    buyer.shows([(better, 3)], [])
    after = buyer.strategy.price
    assert before < after < better
    buyer.shows([(better, 4)], [])
    assert buyer.strategy.price == after
    buyer.shows([(99.0, 3)], [])
    assert buyer.strategy.price == after, "a worse shout is no news"


def test_zip_aims_a_little_beyond_the_price_it_sees():
    sure = {"learning": 1, "nudge": 0.001}
    seller, buyer, outbid = (
        zip_trader("sell", **sure),
        zip_trader("buy", **sure),
        zip_trader("buy", **sure),
    )
    seller.trades(1, 103.0)
    buyer.trades(1, 97.0)
    seen = round(outbid.strategy.price + 0.1, 2)
    outbid.shows([(seen, 3)], [])
    assert 103.0 < seller.strategy.price <= 103.0 * 1.001
    assert 97.0 * 0.999 <= buyer.strategy.price < 97.0
    assert seen < outbid.strategy.price <= seen * 1.001


@pytest.mark.parametrize(("side", "seen"), [("buy", 110.0), ("sell", 90.0)])
def test_zip_never_trades_at_a_loss(side, seen):
    market = zip_trader(side)
    for _ in range(20):
        market.trades(1, seen, side)
    assert market.strategy.price == market.strategy.customer.limit
    market.accepts_all()
    (order,) = market.handle.orders
    assert (market.strategy.customer.limit - order.price) * (1 if side == "buy" else -1) >= 0


def test_zip_moves_its_one_order_and_keeps_what_it_learned_for_the_next_customer():
    market = zip_trader("sell")
    market.accepts_all()
    market.trades(1, market.strategy.price + 2)
    price = market.handle.to_tick(market.strategy.price, "sell")
    assert market.accepts_all() == [f"replace by {price}"]
    assert market.accepts_all() == [], "where it should be it stays"
    margin = market.strategy.margins["sell"]
    market.fills(market.handle.orders[0], 2)
    assert market.strategy.margins["sell"] == margin and market.handle.orders == []


# -------------------------------------------------------------------------------------------- value

KNOWS = {"noise_ticks": 0, "volatility_ticks": 0, "trust": 1, "edge_ticks": 3, "size": 3}
"""A trader that knows for sure: the instrument is worth its reference price, 100."""


def test_value_buys_below_its_belief_and_sells_above():
    market = Market("value", **KNOWS)
    assert market.shows([(99.8, 9)], [(99.9, 9)]) == []
    assert market.accepts_all() == [], "two ticks are no edge"
    market.shows([(99.8, 9)], [(99.85, 9)])
    assert market.accepts_all() == ["buy 3 at 99.85"]
    market.shows([(100.15, 9)], [(100.3, 9)])
    assert market.accepts_all() == ["sell 3 at 100.15"]
    assert market.sent[-1].time_in_force == TimeInForce.IOC


def test_value_keeps_within_its_position():
    market = Market("value", position=4, max_position=5, **KNOWS)
    market.shows([(98.0, 9)], [(99.0, 9)])
    assert market.accepts_all() == ["buy 1 at 99.0"]


def test_value_comes_to_believe_what_it_sees_again_and_again():
    market = Market("value", **KNOWS | {"noise_ticks": 40, "trust": 0.02, "edge_ticks": 100})
    market.shows([(99.0, 9)], [(101.0, 9)])
    beliefs = []
    for _ in range(1_000):
        market.accepts_all()
        beliefs.append(market.strategy.belief)
    assert abs(sum(beliefs[500:]) / 500 - 100.0) < 0.5
    assert max(abs(each - 100.0) for each in beliefs[500:]) < 1.0, "one look is 2.0 off"


def test_the_fundamental_is_one_world_for_all_however_late_they_come():
    early, late, elsewhere = Fundamental(1, 2, 10), Fundamental(1, 2, 10), Fundamental(2, 2, 10)
    path = [early.ticks_at(1_000_000 + second * 1_000) for second in range(400)]
    assert late.ticks_at(1_399_000) == pytest.approx(path[-1], abs=0.05)
    assert elsewhere.ticks_at(1_399_000) != pytest.approx(path[-1], abs=0.05)
    assert early.ticks_at(1_399_999) == path[-1], "within a second it stands"


def test_the_fundamental_wanders_and_returns():
    path = [Fundamental(3, 2, 10).ticks_at(second * 1_000) for second in range(1_000, 9_000, 7)]
    assert sum(path) / len(path) == pytest.approx(0, abs=1)
    deviation = (sum(each**2 for each in path) / len(path)) ** 0.5
    assert deviation == pytest.approx(2 / (1 - 0.5**0.2) ** 0.5, rel=0.2), "σ / sqrt(1 - kept²)"


# ---------------------------------------------------------------------------------------------- all


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_the_same_seed_does_the_same(name):
    def told() -> list[str]:
        market = Market(name)
        words = []
        for step in range(60):
            market.now += 1_000
            market.trades(5, 100.5)
            words += market.shows([(99.9 + step % 7 * 0.05, 9)], [(100.3 + step % 7 * 0.05, 9)])
            words += market.accepts_all()
        return words

    assert told() == told() != []
