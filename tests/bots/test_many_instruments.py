"""One strategy, several instruments: what it sees, does and is told, in a real market without sockets."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bot_strategies import ALL, Book, Market, OrderRequest, Side, Strategy, load_strategy
from botpit.bots import Brain, request_text
from botpit.bots.brain import traded_symbols
from message_schemas import BookUpdate, PositionUpdate, Trade
from tests.bots.bot_stage import Recorder, Stage, book, snapshot
from tests.socketless.bot import BotInMarket, SharedView, settle
from tests.socketless.requests import order
from tests.socketless.rules import RICH, TWO_MARKETS
from tests.socketless.venue import SocketlessVenue

HOUSE = Path(__file__).resolve().parents[2]
THREE_MARKETS = RICH + TWO_MARKETS + '\n[[instruments]]\nsymbol = "THIRD"\n'


class Listening(Strategy):
    """Notes of each hook which market it is about, and does what the test says at its next decision."""

    def __init__(self, *symbols: str) -> None:
        if symbols:
            self.symbols = symbols
        self.told: list[str] = []
        self.next = None
        self.did = None

    def on_start(self, market):
        self.told.append(f"start {market.symbol}")

    def on_book(self, market):
        self.told.append(f"book {market.symbol} {market.book.best_bid} {market.book.best_ask}")

    def on_trade(self, market, trade):
        self.told.append(f"trade {market.symbol} {trade.qty} at {trade.price}")

    def on_fill(self, market, fill):
        self.told.append(f"fill {market.symbol} {fill.qty}, position {market.position}")

    def on_order(self, market, event):
        self.told.append(f"{event.type} {market.symbol}")

    def on_timer(self, market):
        if self.next is not None:
            self.did, self.next = self.next(market), None

    def on_stop(self, market):
        self.told.append(f"stop {market.symbol}")


def in_market(strategy: Strategy, toml: str = THREE_MARKETS, **options) -> BotInMarket:
    venue = SocketlessVenue(toml)
    bot = BotInMarket(venue, strategy, **options).connects()
    settle(venue, bot)
    return bot


def does(bot: BotInMarket, act):
    """At its next decision the strategy acts so; what that returned, once all is told."""
    bot.strategy.next = act
    bot.decides()
    settle(bot.venue, bot)
    return bot.strategy.did


def sells(bot: BotInMarket, symbol: str, qty: int, price: float) -> None:
    """Bob offers."""
    bot.venue.client().asks(order("bob", "sell", qty, price, symbol=symbol))
    settle(bot.venue, bot)


# --------------------------------------------------------------------------------------------- what it trades


@pytest.mark.parametrize(
    ("named", "own", "trades"),
    [
        ((), None, ["SIM"]), ((), "ALT", ["ALT"]), (ALL, None, ["SIM", "ALT"]), (ALL, "ALT", ["ALT", "SIM"]),
        (("ALT",), None, ["ALT"]), (["ALT", "SIM", "ALT"], None, ["ALT", "SIM"]), ("ALT", None, ["ALT"]),
        (("SIM",), "ALT", ["ALT", "SIM"]),
    ],
)  # fmt: skip
def test_what_a_strategy_trades(named, own, trades):
    strategy = Recorder()
    strategy.symbols = named
    assert traded_symbols(strategy, own, ["SIM", "ALT"]) == trades


def test_the_own_instrument_comes_first_and_of_leads_to_the_others():
    market = in_market(Listening("ALT", "SIM")).market
    assert (market.symbol, tuple(market.symbols)) == ("ALT", ("ALT", "SIM"))
    assert (market.instrument.tick, market.of("SIM").instrument.tick) == (0.05, 0.01)
    assert (market.mid_price, market.of("SIM").mid_price) == (20.0, 100.0)
    assert market.of("SIM").of("ALT") is market and market.of("ALT") is market
    assert (market.to_tick(20.03, "buy"), market.of("SIM").to_tick(20.03, "buy")) == (
        20.0,
        20.03,
    )


def test_what_a_strategy_did_not_name_it_cannot_reach():
    bot = in_market(Listening("SIM", "ALT"))
    sentence = "this bot trades SIM, ALT, not 'THIRD': name it in the class's `symbols`"
    for reach in (
        lambda m: m.of("THIRD"),
        lambda m: m.buy(1, symbol="THIRD"),
        lambda m: m.cancel_all(symbol="THIRD"),
    ):
        does(bot, reach)
        assert str(bot.notices.pop().error) == sentence


def test_a_later_market_without_the_instrument_is_the_end_as_well():
    stage = Stage(Listening("SIM")).opens()
    stage.brain.gateway_lost()
    stage.strategy.symbols = ("GOLD",)
    stage.logs_in(market_id="m2")
    assert stage.brain.failed
    stage.stops()
    assert stage.strategy.told == ["start SIM"]


def test_a_market_without_the_instrument_is_the_end_and_says_why():
    bot = in_market(Listening("SIM", "GOLD"))
    assert bot.brain.failed
    assert bot.brain.runner.failure == "symbol GOLD is not traded here, only SIM, ALT, THIRD"
    bot.stops()
    settle(bot.venue, bot)
    assert bot.brain.finished and bot.strategy.told == [] and bot.notices == []


# -------------------------------------------------------------------------------------------- what it is told


def test_each_hook_about_an_instrument_is_handed_its_market():
    bot = in_market(Listening("SIM", "ALT"))
    told = bot.strategy.told
    sells(bot, "ALT", 5, 20.05)
    assert told == ["start SIM", "book ALT None 20.05"]
    told.clear()
    assert does(bot, lambda market: market.of("ALT").buy(2, 20.05)) == "s1-4"
    assert sorted(told) == sorted(
        [
            "order_accepted ALT",
            "fill ALT 2, position 2",
            "trade ALT 2 at 20.05",
            "book ALT None 20.05",
        ]
    )
    told.clear()
    sells(bot, "THIRD", 5, 100.0)
    assert told == [], "it is none of its own"
    bot.stops()
    assert told == ["stop SIM"]


def test_refusals_replaces_and_cancels_name_their_instrument():
    bot = in_market(Listening("SIM", "ALT"))
    does(bot, lambda market: market.of("ALT").buy(2, 20.01))
    does(bot, lambda market: market.of("ALT").buy(2, 20.0))
    (own,) = bot.market.of("ALT").orders
    does(bot, lambda market: market.replace(own, price=19.95))
    does(bot, lambda market: market.replace(own, price=19.96))
    does(bot, lambda market: market.cancel(own))
    events = [
        each for each in bot.strategy.told if each.startswith(("order_", "replace_", "cancel_"))
    ]
    assert events == [
        "order_rejected ALT",
        "order_accepted ALT",
        "order_replaced ALT",
        "replace_rejected ALT",
        "order_cancelled ALT",
    ]
    assert own.symbol == "ALT"
    assert [
        each.details["tick"] for each in bot.notices if each.what == "price off the tick"
    ] == [0.05, 0.05]


def test_a_bot_of_one_instrument_is_told_nothing_of_its_traders_others():
    """A person trades ALT by hand, under the same name."""
    bot = in_market(Listening())
    sells(bot, "ALT", 5, 20.05)
    bot.venue.client().asks(order("alice", "buy", 2, 20.05, symbol="ALT"))
    settle(bot.venue, bot)
    assert bot.strategy.told == ["start SIM"]
    assert (bot.brain.counts.fills, bot.market.position, bot.brain.state.positions["ALT"]) == (
        1,
        0,
        2,
    )


# ----------------------------------------------------------------------------------------------- what it does


def test_orders_positions_and_cancels_are_kept_apart():
    bot = in_market(Listening(ALL))
    does(bot, lambda market: (market.buy(1, 99.0), market.sell(2, 20.5, symbol="ALT")))
    does(bot, lambda market: market.of("THIRD").buy(3, 98.0))
    orders = [bot.market.of(symbol).orders for symbol in ("SIM", "ALT", "THIRD")]
    assert [f"{each.side} {each.qty}" for (each,) in orders] == ["buy 1", "sell 2", "buy 3"]
    bot.venue.client().asks(order("bob", "buy", 1, 20.5, symbol="ALT"))
    settle(bot.venue, bot)
    assert [bot.market.of(symbol).position for symbol in bot.market.symbols] == [0, -1, 0]
    does(bot, lambda market: market.cancel_all(symbol="ALT"))
    assert [len(bot.market.of(symbol).orders) for symbol in bot.market.symbols] == [1, 0, 1]
    does(bot, lambda market: market.of("THIRD").cancel_all("buy"))
    assert [len(bot.market.of(symbol).orders) for symbol in bot.market.symbols] == [1, 0, 0]


def test_the_first_instrument_goes_without_saying_and_every_other_is_named():
    stage = Stage().opens()
    stage.strategy.next = lambda market: (
        market.buy(1, 99.0),
        market.buy(1, 99.0, symbol="SIM"),
    )
    first, named = (json.loads(request_text(each)) for each in stage.decides())
    assert "symbol" not in first and named["symbol"] == "SIM"
    bot = in_market(Listening(), symbol="ALT")
    does(bot, lambda market: market.buy(1, 19.0))
    assert bot.market.symbol == "ALT" and [each.symbol for each in bot.market.orders] == ["ALT"]


def test_the_polled_style_trades_the_instrument_that_the_bot_is_started_with():
    class Polling(Strategy):
        def next_order(self, context):
            return OrderRequest(side=Side.BUY, qty=2, price=context.mid_price)

    bot = in_market(Polling(), symbol="ALT")
    bot.decides()
    settle(bot.venue, bot)
    assert [(each.symbol, each.price) for each in bot.market.orders] == [("ALT", 20.0)]
    assert bot.subscriptions[-1].symbols == ["ALT"]


def test_the_polled_style_may_name_another_of_its_instruments():
    class Polling(Strategy):
        symbols = ("SIM", "ALT")

        def next_order(self, context):
            return OrderRequest(side=Side.BUY, qty=2, price=19.0, symbol="ALT")

    bot = in_market(Polling())
    bot.decides()
    settle(bot.venue, bot)
    assert [len(bot.market.of(symbol).orders) for symbol in bot.market.symbols] == [0, 1]


def test_equity_is_the_whole_accounts_and_the_margin_that_of_all_positions():
    bot = in_market(Listening("SIM", "ALT"))
    sells(bot, "SIM", 10, 100.0)
    sells(bot, "ALT", 10, 20.0)
    does(bot, lambda market: (market.buy(10, 100.0), market.buy(10, 20.0, symbol="ALT")))
    bot.venue.client().asks(order("bob", "sell", 1, 99.0))
    settle(bot.venue, bot)
    account = bot.venue.client().asks({"type": "account", "trader_id": "alice"})
    for market in (bot.market, bot.market.of("ALT")):
        context = market.context
        assert market.equity == context.total_equity == account["total_equity"]
        assert (context.cash, context.maintenance_margin) == (
            account["cash"],
            account["maintenance_margin"],
        )
    assert [bot.market.of(symbol).context.position for symbol in ("SIM", "ALT")] == [10, 10]


def test_a_position_elsewhere_counts_for_the_margin_although_its_book_is_not_read():
    venue = SocketlessVenue(THREE_MARKETS)
    venue.client().asks(order("bob", "sell", 10, 20.0, symbol="ALT"))
    venue.client().asks(order("alice", "buy", 10, 20.0, symbol="ALT"))
    bot = BotInMarket(venue, Listening()).connects()
    settle(venue, bot)
    account = venue.client().asks({"type": "account", "trader_id": "alice"})
    assert bot.market.context.maintenance_margin == account["maintenance_margin"] > 0
    assert "ALT" not in bot.brain.state.view.books


# --------------------------------------------------------------------------------------------- what it is fed


def test_a_bot_is_fed_only_what_it_trades():
    toml = RICH + "".join(f'\n[[instruments]]\nsymbol = "I{number}"\n' for number in range(200))
    bot = in_market(Listening("I3", "I7"), toml)
    bot.fed.clear()
    for number in range(200):
        bot.venue.client().asks(order("bob", "buy", 1, 99.0, symbol=f"I{number}"))
        bot.venue.client().asks(order("carol", "sell", 1, 99.0, symbol=f"I{number}"))
    settle(bot.venue, bot)
    events = [each for each in bot.fed if isinstance(each, BookUpdate | Trade | PositionUpdate)]
    assert {each.symbol for each in events} == {"I3", "I7"}
    assert set(bot.brain.state.view.books) == {"I3", "I7"}


@pytest.mark.parametrize(
    ("symbols", "asked"),
    [((), [None, ["SIM"]]), (("ALT", "SIM"), [None, ["ALT", "SIM"]]), ((ALL,), [None])],
)
def test_it_asks_for_its_instruments_as_soon_as_it_knows_which_there_are(symbols, asked):
    bot = in_market(Listening(*symbols))
    assert [each.symbols for each in bot.subscriptions] == asked
    bot.loses_gateway()
    bot.connects_gateway()
    settle(bot.venue, bot)
    assert [each.symbols for each in bot.subscriptions] == asked, "no need to ask again"
    bot.brain.feed_lost()
    bot.connects_feed()
    assert bot.subscriptions[-1].symbols == asked[-1]


def test_a_bot_that_reads_the_feed_already_asks_again_when_it_is_logged_in():
    venue = SocketlessVenue(THREE_MARKETS)
    bot = BotInMarket(venue, Listening("ALT"))
    bot.connects_feed()
    settle(venue, bot)
    bot.connects_gateway()
    settle(venue, bot)
    assert [each.symbols for each in bot.subscriptions] == [None, ["ALT"]]
    assert set(bot.brain.state.view.books) == {"ALT"} and bot.strategy.told == ["start ALT"]


def test_in_a_market_of_one_instrument_nothing_is_asked_twice():
    assert [each.symbols for each in in_market(Listening(), "").subscriptions] == [None]


def test_a_bot_whose_wish_was_refused_asks_again_when_the_feed_shows_its_market():
    """The feed still shows another market when the bot first asks it for an instrument of this one."""
    bot = in_market(Listening("ALT"))
    bot.brain.feed_lost()
    now, bot.venue = bot.venue, SocketlessVenue(RICH, market_id="before")
    bot.connects_feed()
    settle(bot.venue, bot)
    assert bot.notices[-1].what.startswith("the feed refused a request: invalid_message")
    bot.venue, bot.feed = (
        now,
        now.listener(),
    )  # the relay has found the market; to the bot nothing was cut
    settle(now, bot)
    assert [each.symbols for each in bot.subscriptions[-2:]] == [["ALT"], ["ALT"]]
    assert set(bot.brain.state.view.books) == {"ALT"} and bot.brain.entry.open


# ------------------------------------------------------------------------------------------- one view for all


def test_many_brains_share_one_view_that_is_folded_once():
    venue = SocketlessVenue(RICH + TWO_MARKETS)
    shared = SharedView(venue)
    names = [f"bot{number}" for number in range(20)]
    for name in names:
        shared.bots.append(
            BotInMarket(venue, Listening("SIM", "ALT"), name, view=shared.mirror).connects()
        )
    settle(venue, shared, *shared.bots)
    assert {tuple(bot.strategy.told) for bot in shared.bots} == {("start SIM",)}
    for bot in shared.bots:
        bot.strategy.next = lambda market: (
            market.buy(1, 99.0) and market.of("ALT").sell(2, 21.0)
        )
        bot.decides()
    settle(venue, shared, *shared.bots)
    folded = shared.folded
    venue.client().asks(order("bob", "sell", 20, 99.0))
    settle(venue, shared, *shared.bots)
    assert [bot.market.position for bot in shared.bots] == [1] * 20
    assert shared.folded - folded < 3 * 20, (
        "two position updates and a trade for each fill, whoever looks on"
    )
    assert {bot.market.book.bids for bot in shared.bots} == {
        tuple(shared.mirror.books["SIM"].bids)
    }
    assert [len(bot.market.orders) for bot in shared.bots] == [0] * 20
    assert [[each.qty for each in bot.market.of("ALT").orders] for bot in shared.bots] == [
        [2]
    ] * 20


def test_a_brain_that_joins_a_view_late_begins_at_once():
    venue = SocketlessVenue(RICH + TWO_MARKETS)
    shared = SharedView(venue)
    settle(venue, shared)
    late = BotInMarket(venue, Listening(), view=shared.mirror).connects()
    settle(venue, late)
    assert late.strategy.told == ["start SIM"] and late.subscriptions == []


def test_a_brain_does_not_begin_before_the_view_has_all_that_it_trades():
    venue = SocketlessVenue(RICH + TWO_MARKETS)
    shared = SharedView(venue)
    settle(venue, shared)
    del shared.mirror.books["ALT"]
    bot = BotInMarket(venue, Listening("SIM", "ALT"), view=shared.mirror).connects()
    settle(venue, bot)
    assert bot.strategy.told == [] and not bot.brain.entry.open


# ------------------------------------------------------------------------------------------------- the handle


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_the_handle_has_the_documented_names_and_no_others():
    handle = Stage().opens().handle
    assert public(handle) == public(Market)
    assert public(handle.book) == public(Book)


def test_nothing_can_be_put_on_a_handle_or_its_book():
    handle = Stage().opens().handle
    for thing in (handle, handle.book):
        for name in ("orders", "bids", "anything"):
            with pytest.raises(AttributeError):
                setattr(thing, name, 1)


def test_a_book_in_hand_goes_with_the_market():
    stage = Stage().opens()
    in_hand = stage.handle.book
    stage.sees(book([(99.0, 4)], [(101.0, 1)]))
    assert (in_hand.bids, in_hand.best_ask) == (((99.0, 4),), 101.0)
    stage.sees(snapshot(bids=[(98.0, 1)]))
    assert (in_hand.bids, in_hand.best_ask) == (((98.0, 1),), None)


def test_a_new_market_has_handles_of_its_own():
    stage = Stage().opens()
    before = stage.handle
    stage.brain.gateway_lost()
    stage.logs_in(market_id="m2")
    stage.sees(snapshot(market_id="m2"))
    assert stage.handle is not before and isinstance(stage.brain, Brain)


# ------------------------------------------------------------------------------------------------ the example


class Pair:
    """The pairs trader in a market of SIM and ALT, where bob quotes both at the prices that the test says."""

    def __init__(self, **params: object) -> None:
        self.venue = SocketlessVenue(RICH + TWO_MARKETS)
        given = {"window": 10, "max_position": 6, **params}
        name = str(HOUSE / "examples" / "pairs_trader.py") + ":PairsTrader"
        strategy = load_strategy(name, trader_id="alice", rng=random.Random(1), params=given)
        self.bot = BotInMarket(self.venue, strategy).connects()
        self.bob = self.venue.client()

    def decides(self, sim: float, alt: float, times: int = 1) -> None:
        for _ in range(times):
            self.bob.asks({"type": "cancel_all", "trader_id": "bob"})
            for symbol, price, width in (("SIM", sim, 0.01), ("ALT", alt, 0.05)):
                self.bob.asks(order("bob", "buy", 50, round(price - width, 2), symbol=symbol))
                self.bob.asks(order("bob", "sell", 50, round(price + width, 2), symbol=symbol))
            self.bob.takes()
            settle(self.venue, self.bot)
            self.bot.decides()
            settle(self.venue, self.bot)

    @property
    def positions(self) -> tuple[int, int]:
        return self.bot.market.position, self.bot.market.of("ALT").position


def test_the_pairs_trader_sells_the_dear_one_buys_the_cheap_one_and_goes_flat_when_they_are_back():
    pair = Pair()
    for middle in (100.0, 100.1, 99.9, 100.0, 100.1, 99.9, 100.0):
        pair.decides(middle, 20.0)
    pair.decides(110.0, 22.0, times=3)
    assert pair.positions == (0, 0), "both rose: nothing is dear"
    pair.decides(101.0, 20.0, times=4)
    assert pair.positions == (-6, 30)
    pair.decides(100.0, 20.0, times=40)
    assert pair.positions == (0, 0)
    assert pair.bot.market.equity > 1_000_000_000 and not pair.bot.notices


def test_the_pairs_trader_buys_the_first_when_that_is_the_cheap_one():
    pair = Pair(size=10)
    for middle in (100.0, 100.1, 99.9) * 4:
        pair.decides(middle, 20.0)
    pair.decides(99.0, 20.0, times=3)
    assert pair.positions == (6, -30)
