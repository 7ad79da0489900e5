"""The brain of a bot, driven with messages: no socket, no clock."""

from __future__ import annotations

import json

import pytest

from bot_strategies import OpenOrder, OrderRequest, OrderType, Polled, Side, Strategy
from botpit.bots import Brain, Counts, request_text
from botpit.bots.runner import MAX_CRASHES_IN_A_ROW
from botpit.clients.trading_session import MAX_IN_FLIGHT
from message_schemas import (
    AccountRequest,
    AllCancelled,
    CancelAllRequest,
    CancelRejected,
    CancelRequest,
    Error,
    Heartbeat,
    Liquidation,
    LoggedIn,
    LoggedOut,
    LoginRequest,
    LogoutRequest,
    OpenOrders,
    OpenOrdersRequest,
    OrderReplaced,
    PositionState,
    ReplaceRejected,
    SubscribeRequest,
)
from tests.bots.bot_stage import SIM, Recorder, Stage, book, bought, snapshot, state, trade

# ---------------------------------------------------------------------------------------- beginning


def test_it_logs_in_learns_account_and_orders_and_begins_when_both_sides_are_there():
    stage = Stage()
    assert [*map(request_text, stage.brain.gateway_opened(1_000))] == [
        '{"type":"login","trader_id":"alice","cancel_on_disconnect":true,"request_id":1}'
    ]
    stage.brain.gateway_lost()
    stage.logs_in()
    assert [type(each) for each in stage.sent] == [AccountRequest, OpenOrdersRequest]
    assert stage.strategy.told == []
    stage.sees(snapshot())
    assert stage.strategy.told == ["start"]


def test_the_strategy_begins_once_per_market():
    stage = Stage().opens()
    stage.brain.feed_lost()
    stage.sees(snapshot())
    assert stage.strategy.told == ["start"]
    stage.brain.gateway_lost()
    stage.logs_in(market_id="m2")
    assert stage.strategy.told == ["start"], "the relay still shows the old market"
    stage.sees(snapshot(market_id="m2"))
    assert stage.strategy.told == ["start", "start"]


def test_a_new_market_knows_nothing_of_the_old_one():
    stage = Stage().opens()
    stage.accepts(bought(stage))
    stage.fills(stage.handle.orders[0], 2)
    stage.brain.gateway_lost()
    stage.account_seq = 0
    (login,) = stage.brain.gateway_opened(2_000)
    stage.hears(
        LoggedIn(
            trader_id="alice",
            scope="trade",
            account_seq=0,
            market_id="m2",
            session=1,
            instruments=[SIM],
            timestamp=2_000,
            request_id=login.request_id,
        )
    )
    assert (stage.handle.orders, stage.handle.position, stage.brain.state.account) == (
        [],
        0,
        None,
    )


def test_nothing_is_sent_while_one_side_is_missing():
    stage = Stage().opens()
    answers = []
    stage.strategy.next = lambda market: answers.append(market.buy(5, 99.0))
    stage.brain.feed_lost()
    stage.hears(Heartbeat(account_seq=0, timestamp=1_000))
    assert stage.decides() == []
    stage.sees(snapshot())
    assert len(stage.decides()) == 1
    stage.brain.gateway_lost()
    assert stage.decides() == []
    assert answers == ["s1-4"]


def test_no_hook_can_send_while_one_side_is_missing():
    class Eager(Recorder):
        def on_fill(self, market, fill):
            self.told.append(market.sell(1, 101.0))

    stage = Stage(Eager()).opens()
    stage.accepts(bought(stage))
    stage.brain.feed_lost()
    stage.fills(stage.handle.orders[0], 1)
    assert (
        stage.strategy.told[-1] is None
        and [type(each) for each in stage.sent].count(OrderRequest) == 1
    )


def test_what_is_told_twice_is_counted_once():
    stage = Stage().opens()
    stage.accepts(bought(stage))
    stage.fills(stage.handle.orders[0], 2)
    stage.account_seq -= 1
    stage.fills(stage.handle.orders[0], 2)
    assert (stage.handle.position, stage.brain.counts.fills) == (2, 1)
    assert stage.strategy.told[-1] == "fill 2, position 2"


def test_while_the_two_sides_speak_of_different_markets_nothing_is_told():
    stage = Stage().opens()
    stage.sees(snapshot(market_id="m2"))
    stage.sees(trade(2, 101.0, "buy"))
    assert stage.strategy.told == ["start"]


def test_after_a_loss_it_asks_for_what_it_missed():
    stage = Stage().opens()
    stage.accepts(bought(stage))
    stage.brain.gateway_lost()
    (login,) = stage.brain.gateway_opened(2_000)
    assert (login.last_seq, login.market_id, login.cancel_on_disconnect) == (1, "m1", True)


@pytest.mark.parametrize("reason", ["seq_ahead", "too_old", "other_market"])
def test_when_the_exchange_cannot_go_on_it_starts_anew(reason):
    stage = Stage().opens()
    stage.accepts(bought(stage))
    stage.brain.gateway_lost()
    (login,) = stage.brain.gateway_opened(2_000)
    (again,) = stage.hears(Error(reason=reason, timestamp=2_000, request_id=login.request_id))
    assert (
        isinstance(again, LoginRequest) and again.last_seq is None and again.market_id is None
    )


def test_a_login_that_is_refused_for_another_reason_is_tried_again_when_the_exchange_says_so():
    stage = Stage()
    (login,) = stage.brain.gateway_opened(1_000)
    refused = Error(
        reason="rate_limited",
        details={"retry_after_ms": 500},
        timestamp=1_000,
        request_id=login.request_id,
    )
    assert stage.hears(refused) == []
    assert [notice.what for notice in stage.notices] == ["login refused, trying again"]
    stage.now = 1_499
    assert stage.decides() == []
    stage.now = 1_500
    assert [type(each) for each in stage.decides()] == [LoginRequest]
    assert stage.decides() == []


def test_after_a_login_the_exchange_says_which_orders_are_open():
    stage = Stage().opens()
    kept, lost = bought(stage), bought(stage)
    stage.accepts(kept, order_id=7, queue_ahead=3)
    stage.brain.gateway_lost()
    stage.logs_in(
        orders=[state(kept.client_order_id, 7), state("by-hand", 8, side="sell", price=101.0)]
    )
    assert [
        (order.client_order_id, order.order_id, order.queue_ahead)
        for order in stage.handle.orders
    ] == [
        (kept.client_order_id, 7, 3),
        ("by-hand", 8, None),
    ]
    assert lost.client_order_id not in {order.client_order_id for order in stage.handle.orders}
    assert stage.notices[-1].what == "orders had no answer and are not open"
    assert stage.notices[-1].details == {"count": 1}


def test_a_position_from_before_is_known_from_the_account():
    stage = Stage()
    stage.logs_in(position=-7)
    stage.sees(snapshot())
    context = stage.handle.context
    assert (context.position, context.cash, context.total_equity, context.avg_entry_price) == (
        -7,
        9_000.0,
        9_100.0,
        98.0,
    )


# ------------------------------------------------------------------------------------------- orders


def test_ids_never_meet_those_of_an_earlier_run():
    first, second = Stage().opens(), Stage()
    second.session = 1
    second.opens()
    assert bought(first).client_order_id.split("-")[0] == "s1"
    assert bought(second).client_order_id.split("-")[0] == "s2"
    ids = [bought(first).client_order_id for _ in range(5)]
    assert len(set(ids)) == 5


def test_an_order_is_known_before_and_after_its_answer():
    stage = Stage().opens()
    request = bought(stage)
    (order,) = stage.handle.orders
    assert (order.order_id, order.leaves_qty, order.price, order.side) == (None, 5, 99.0, "buy")
    stage.accepts(request, order_id=7, queue_ahead=12)
    assert stage.handle.orders == [order] and (order.order_id, order.queue_ahead) == (7, 12)


def test_fills_change_order_and_position_before_the_strategy_is_told():
    stage = Stage().opens()
    stage.accepts(bought(stage))
    (order,) = stage.handle.orders
    stage.fills(order, 2)
    assert (order.leaves_qty, stage.handle.position) == (3, 2)
    stage.fills(order, 3)
    assert (stage.handle.orders, stage.handle.position) == ([], 5)
    assert stage.strategy.told[-2:] == ["fill 2, position 2", "fill 3, position 5"]
    assert (
        stage.brain.counts.accepted,
        stage.brain.counts.fills,
        stage.brain.counts.filled_qty,
    ) == (1, 2, 5)


def test_a_rejection_is_remembered_and_the_order_forgotten():
    stage = Stage().opens()
    request = bought(stage)
    stage.now = 2_000
    stage.rejects(request, "initial_margin_insufficient", equity=1)
    context = stage.handle.context
    assert (context.last_rejection_reason, context.last_rejection_ts) == (
        "initial_margin_insufficient",
        2_000,
    )
    assert stage.handle.orders == []
    assert stage.brain.counts.rejected == {"initial_margin_insufficient": 1}
    assert (stage.notices[-1].what, stage.notices[-1].details) == (
        "order_rejected",
        {"reason": "initial_margin_insufficient", "equity": 1},
    )


def test_an_order_refused_for_an_id_in_use_does_not_hide_the_one_that_uses_it():
    stage = Stage().opens()
    mine = OrderRequest(side=Side.BUY, qty=1, price=99.0, client_order_id="mine")
    stage.strategy.next = lambda market: stage.brain.entry.place(mine, market.symbol)
    (first,), (second,) = stage.decides(), stage.decides()
    stage.accepts(first, order_id=7)
    stage.rejects(second, "duplicate_client_order_id")
    assert [(order.order_id, order.qty) for order in stage.handle.orders] == [(7, 1)]


def test_the_answer_to_an_order_of_an_earlier_run_opens_nothing():
    stage = Stage().opens()
    stage.accepts(bought(stage), order_id=3, repeated=True)
    assert stage.handle.orders == [] and stage.brain.counts.accepted == 0


def test_cancels_are_sent_once_and_undone_when_refused():
    stage = Stage().opens()
    stage.accepts(bought(stage))
    (order,) = stage.handle.orders
    stage.strategy.next = lambda market: market.cancel(order)
    (cancel,) = stage.decides()
    assert isinstance(cancel, CancelRequest) and order.cancelling
    stage.hears(
        CancelRejected(reason="rate_limited", timestamp=1_000, request_id=cancel.request_id)
    )
    assert not order.cancelling
    stage.now += 5_000
    (cancel,) = stage.decides()
    stage.hears(
        CancelRejected(reason="already_closed", timestamp=1_000, request_id=cancel.request_id)
    )
    assert stage.handle.orders == []


def test_a_cancelled_order_is_gone():
    stage = Stage().opens()
    stage.accepts(bought(stage))
    stage.cancelled(stage.handle.orders[0], "disconnect")
    assert stage.handle.orders == [] and stage.strategy.told[-1] == "order_cancelled"


def test_cancel_all_of_one_side_marks_that_side():
    stage = Stage().opens()
    stage.accepts(bought(stage))
    stage.strategy.next = lambda market: (market.sell(5, 101.0), market.cancel_all("sell"))
    _, cancel = stage.decides()
    assert (cancel.symbol, cancel.side) == ("SIM", "sell")
    assert [(order.side, order.cancelling) for order in stage.handle.orders] == [
        ("buy", False),
        ("sell", True),
    ]


def test_a_replaced_order_has_its_new_terms_and_place():
    stage = Stage().opens()
    stage.accepts(bought(stage), queue_ahead=4)
    (order,) = stage.handle.orders
    stage.strategy.next = lambda market: market.replace(order, price=99.5, qty=9)
    (request,) = stage.decides()
    assert (request.client_order_id, request.price, request.qty) == (
        order.client_order_id,
        99.5,
        9,
    )
    stage.hears(
        OrderReplaced(
            order_id=1,
            client_order_id=order.client_order_id,
            trader_id="alice",
            price=99.5,
            qty=9,
            leaves_qty=9,
            kept_priority=False,
            account_seq=2,
            timestamp=1_500,
            request_id=request.request_id,
        )
    )
    assert (order.price, order.qty, order.leaves_qty, order.queue_ahead) == (99.5, 9, 9, None)


def test_buy_and_sell_say_what_they_are_told():
    stage = Stage().opens()
    stage.strategy.next = lambda market: (
        market.buy(3),
        market.sell(2, 101.0, post_only=True, reduce_only=True),
    )
    market_order, limit = (json.loads(request_text(each)) for each in stage.decides())
    assert market_order == {
        "type": "order",
        "side": "buy",
        "qty": 3,
        "order_type": "market",
        "client_order_id": "s1-4",
        "request_id": 4,
    }
    assert limit == {
        "type": "order",
        "side": "sell",
        "qty": 2,
        "order_type": "limit",
        "price": 101.0,
        "post_only": True,
        "reduce_only": True,
        "client_order_id": "s1-5",
        "request_id": 5,
    }


# -------------------------------------------------------------------------------- what stands ahead


def queued(stage: Stage, ahead: int = 10) -> OpenOrder:
    stage.accepts(bought(stage), queue_ahead=ahead)
    return stage.handle.orders[0]


def test_trades_at_its_price_take_from_the_front_of_the_queue():
    stage = Stage().opens()
    order = queued(stage)
    stage.sees(trade(3, 99.0, "sell", 1))
    stage.sees(trade(2, 99.05, "sell", 2))
    stage.sees(trade(2, 99.0, "buy", 3))
    assert order.queue_ahead == 7
    stage.sees(trade(50, 99.0, "sell", 4))
    assert order.queue_ahead == 0


def test_what_happened_before_the_order_came_says_nothing():
    stage = Stage().opens()
    stage.now = 3_000
    order = queued(stage)
    stage.sees(trade(3, 99.0, "sell", 1, timestamp=3_000))
    stage.sees(book([(99.0, 6)], [], timestamp=2_999))
    assert order.queue_ahead == 10


def test_its_level_bounds_what_stands_ahead():
    stage = Stage().opens()
    order = queued(stage)
    stage.sees(book([(99.05, 1), (99.0, 11)], [(101.0, 1)]))
    assert order.queue_ahead == 6
    stage.sees(book([(99.0, 20)], [], seq=2, timestamp=2_001))
    assert order.queue_ahead == 6


def test_when_it_trades_as_maker_nothing_stands_ahead():
    stage = Stage().opens()
    order = queued(stage)
    stage.fills(order, 1)
    assert order.queue_ahead == 0


# ------------------------------------------------------------------------------------------ context


def test_the_context_tells_the_market_and_the_account():
    stage = Stage()
    stage.logs_in(position=4)
    held = PositionState(
        trader_id="alice",
        symbol="SIM",
        position=4,
        cash=9_990.0,
        avg_entry_price=99.5,
        realized_pnl=-10.0,
        unrealized_pnl=2.0,
        total_equity=9_992.0,
        mark_price=100.0,
        timestamp=2_000,
    )
    stage.sees(snapshot(bids=[(99.9, 5)], asks=[(100.15, 2)], positions=[held]))
    stage.hears(
        Liquidation(
            trader_id="alice",
            reason="bankruptcy",
            qty=1,
            side="buy",
            account_seq=1,
            timestamp=1_900,
        )
    )
    stage.now = 2_500
    stage.decides()
    context = stage.handle.context
    assert (context.trader_id, context.best_bid, context.best_ask, context.spread) == (
        "alice",
        99.9,
        100.15,
        0.25,
    )
    assert (context.mid_price, context.timestamp, context.position) == (100.025, 2_500, 4)
    assert (context.cash, context.avg_entry_price, context.realized_pnl) == (
        9_990.0,
        99.5,
        -10.0,
    )
    assert (context.unrealized_pnl, context.total_equity, context.maintenance_margin) == (
        2.0,
        9_992.0,
        40.0,
    )
    assert (
        context.last_rejection_reason,
        context.last_rejection_ts,
        context.last_liquidation_ts,
    ) == (None, 0, 1_900)


def test_in_a_book_without_two_sides_the_middle_is_the_mark():
    stage = Stage().opens()
    assert (
        stage.handle.context.mid_price,
        stage.handle.context.best_bid,
        stage.handle.context.spread,
    ) == (100.0, None, None)
    stage.sees(book([(99.0, 1)], []))
    assert stage.handle.context.mid_price == 100.0


@pytest.mark.parametrize(
    ("price", "bid", "ask"),
    [
        (100.0, 100.0, 100.0),
        (100.01, 100.0, 100.05),
        (100.04, 100.0, 100.05),
        (100.05000000000001, 100.05, 100.05),
        (0.1 + 0.2, 0.3, 0.3),
        (33.349999999999994, 33.35, 33.35),
        (999_999.99, 999_999.95, 1_000_000.0),
    ],
)
def test_bids_are_rounded_down_to_the_tick_and_asks_up(price, bid, ask):
    handle = Stage().opens().handle
    assert (handle.to_tick(price, "buy"), handle.to_tick(price, "sell")) == (bid, ask)


def test_an_off_tick_price_is_sent_and_told_with_the_remedy():
    stage = Stage().opens()
    assert bought(stage, price=99.01).price == 99.01
    assert [(each.what, each.details["nearest"]) for each in stage.notices] == [
        ("price off the tick", 99.0)
    ]
    assert "to_tick" in stage.notices[0].details["hint"]
    stage.strategy.next = lambda market: market.replace(market.orders[0], price=99.06)
    stage.decides()
    assert stage.notices[1].details["nearest"] == 99.05


# ----------------------------------------------------------------------------------------- the feed


def test_the_strategy_hears_of_book_and_trades():
    stage = Stage().opens()
    stage.sees(book([(99.0, 1)], [(101.0, 1)]))
    stage.sees(trade(2, 101.0, "buy"))
    assert stage.strategy.told[1:] == ["book 99.0 101.0", "trade 2 at 101.0"]


def test_a_hole_in_the_feed_asks_for_a_fresh_snapshot():
    stage = Stage().opens()
    stage.sees(trade(2, 101.0, "buy", 1))
    assert stage.sees(trade(2, 101.0, "buy", 3)) == stage.brain.feed_opened()
    assert request_text(SubscribeRequest()) == '{"type":"subscribe"}'


class OnlyPolled(Strategy):
    def next_order(self, context):
        return None


class OnlyTimed(Strategy):
    def on_timer(self, market):
        return None


@pytest.mark.parametrize(("strategy", "channels"), [
    (OnlyPolled(), {"book", "positions"}), (Polled(OnlyPolled()), {"book", "positions"}),
    (OnlyTimed(), {"book", "positions", "trades", "status"}),
])  # fmt: skip
def test_a_bot_asks_for_the_channels_its_strategy_can_see(strategy, channels):
    """By the market handle it sees the last trade and the status; by the context neither. Both show
    mark and own money.
    """
    (asked,) = Brain(strategy, trader_id="alice").feed_opened()
    assert (set(asked.channels), asked.batch) == (channels, True)


# ------------------------------------------------------------------------------------------- bounds


def test_no_more_than_so_many_requests_wait_for_their_answer():
    stage = Stage().opens()
    stage.strategy.next = lambda market: [
        market.buy(1, 99.0) for _ in range(MAX_IN_FLIGHT + 10)
    ]
    requests = stage.decides()
    assert len(requests) == MAX_IN_FLIGHT
    assert stage.decides() == []
    stage.accepts(requests[0])
    assert len(stage.decides()) == 1


def test_what_waited_when_the_connection_was_lost_waits_no_longer():
    stage = Stage().opens()
    stage.strategy.next = lambda market: [market.buy(1, 99.0) for _ in range(MAX_IN_FLIGHT)]
    stage.decides()
    stage.brain.gateway_lost()
    stage.logs_in()
    assert len(stage.decides()) == MAX_IN_FLIGHT


def test_it_slows_down_when_told():
    stage = Stage().opens()
    stage.rejects(bought(stage), "rate_limited", retry_after_ms=250)
    stage.strategy.next = lambda market: market.buy(1, 99.0)
    stage.now += 249
    assert stage.decides() == []
    stage.now += 1
    assert len(stage.decides()) == 1


# ------------------------------------------------------------------------------------------- counts


def test_fills_are_counted_by_liquidity_with_lots_and_fees():
    stage = Stage().opens()
    stage.accepts(bought(stage, 9))
    (order,) = stage.handle.orders
    stage.fills(order, 2, "maker", fee=-0.1)
    stage.fills(order, 3, "taker", fee=0.3)
    stage.fills(order, 1, "adl")
    stage.fills(order, 3, "maker", fee=-0.1)
    counts = stage.brain.counts
    assert (
        counts.fills,
        counts.maker_fills,
        counts.filled_qty,
        counts.maker_qty,
        counts.fees,
    ) == (4, 2, 9, 5, 0.1)
    assert (counts.market_id, counts.account_seq) == ("m1", 5)
    assert counts.maker_share == 5 / 9


def test_orders_are_counted_when_they_are_handed_over_and_by_their_answer():
    stage = Stage().opens()
    first, second, third = (bought(stage) for _ in range(3))
    stage.accepts(first)
    stage.rejects(second, "price_band")
    assert (
        stage.brain.counts.sent,
        stage.brain.counts.accepted,
        stage.brain.counts.rejected,
    ) == (3, 1, {"price_band": 1})
    stage.brain.gateway_lost()
    stage.logs_in()
    stage.accepts(third, repeated=True)
    assert (stage.brain.counts.sent, stage.brain.counts.accepted) == (3, 1)


def test_refused_cancels_are_counted_apart_from_refused_orders_and_replaces():
    stage = Stage().opens()
    stage.accepts(bought(stage))
    (order,) = stage.handle.orders
    stage.strategy.next = lambda market: (market.cancel(order), market.replace(order, qty=9))
    cancel, replace = stage.decides()
    stage.hears(
        CancelRejected(reason="already_closed", timestamp=1_000, request_id=cancel.request_id)
    )
    stage.hears(
        ReplaceRejected(reason="market_halted", timestamp=1_000, request_id=replace.request_id)
    )
    counts = stage.brain.counts
    assert (counts.cancel_rejected, counts.rejected) == (
        {"already_closed": 1},
        {"market_halted": 1},
    )


def test_the_latency_of_an_order_is_from_handing_it_over_until_its_answer_is_taken():
    stage = Stage().opens()
    stage.clock_s = 5.0
    slow, quick, refused = (bought(stage) for _ in range(3))
    stage.clock_s = 5.000127
    stage.accepts(quick)
    stage.clock_s = 5.000255
    stage.rejects(refused, "price_band")
    stage.clock_s = 5.004095
    stage.accepts(slow)
    latency = stage.brain.counts.latency
    assert (latency.count, latency.buckets()) == (3, [(128.0, 1), (256.0, 1), (4096.0, 1)])


def test_what_is_no_order_or_has_no_answer_has_no_latency():
    stage = Stage().opens()
    order = bought(stage)
    stage.brain.gateway_lost()
    stage.logs_in()
    stage.accepts(order)  # an event of the past by now, whatever number it bears
    stage.strategy.next = lambda market: market.cancel_all()
    (cancel,) = stage.decides()
    stage.hears(
        AllCancelled(
            trader_id="alice",
            count=0,
            account_seq=2,
            timestamp=1_000,
            request_id=cancel.request_id,
        )
    )
    assert stage.brain.counts.latency.count == 0


def test_crashes_and_slow_callbacks_are_counted():
    class Ponderous(Strategy):
        def on_book(self, market):
            stage.clock_s += 1.5

        def on_trade(self, market, trade):
            raise ValueError

    stage = Stage(Ponderous()).opens()
    stage.sees(book([(99.0, 1)], []))
    stage.sees(trade(1, 99.0, "sell", 1))
    stage.sees(trade(1, 99.0, "sell", 2))
    assert (stage.brain.counts.slow_callbacks, stage.brain.counts.callback_errors) == (1, 2)


def comes_back(counts: Counts) -> tuple[Stage, LoginRequest]:
    """A second process of alice's bot, with the counts of the first, says its first words."""
    stage = Stage(counts=counts)
    return stage, *stage.brain.gateway_opened(1_000)


def logged_in(login: LoginRequest, account_seq: int, market_id: str = "m1") -> LoggedIn:
    return LoggedIn(
        trader_id="alice",
        scope="trade",
        account_seq=account_seq,
        market_id=market_id,
        session=2,
        instruments=[SIM],
        timestamp=1_000,
        request_id=login.request_id,
    )


def test_a_bot_that_goes_on_counts_what_it_missed_and_tells_its_strategy_nothing_of_it():
    stage, login = comes_back(
        Counts(market_id="m1", account_seq=7, accepted=3, fills=2, filled_qty=9)
    )
    assert (login.last_seq, login.market_id) == (7, "m1")
    account, open_orders = stage.hears(logged_in(login, 9))
    stage.account_seq = 7
    stage.fills(
        OpenOrder(
            client_order_id="s1-4", order_id=3, side="buy", qty=5, leaves_qty=5, price=99.0
        ),
        2,
        fee=0.25,
    )
    stage.accepts(
        OrderRequest(side=Side.BUY, qty=1, price=98.0, client_order_id="s1-5"), order_id=4
    )
    stage.answers_account(account, position=40)
    stage.hears(
        OpenOrders(
            trader_id="alice",
            orders=[],
            account_seq=9,
            timestamp=1_000,
            request_id=open_orders.request_id,
        )
    )
    stage.sees(snapshot())
    assert stage.strategy.told == ["start"]
    assert (stage.handle.position, stage.handle.orders) == (40, [])
    counts = stage.brain.counts
    assert (
        counts.account_seq,
        counts.accepted,
        counts.fills,
        counts.filled_qty,
        counts.fees,
    ) == (9, 4, 3, 11, 0.25)


@pytest.mark.parametrize(
    ("reason", "market_id"), [("other_market", "m2"), ("too_old", "m1"), ("seq_ahead", "m1")]
)
def test_where_the_exchange_cannot_go_on_the_counts_go_on_from_the_present(reason, market_id):
    stage, login = comes_back(Counts(market_id="m1", account_seq=7, fills=2))
    (again,) = stage.hears(Error(reason=reason, timestamp=1_000, request_id=login.request_id))
    assert (again.last_seq, again.market_id) == (None, None)
    assert (stage.brain.counts.market_id, stage.brain.counts.account_seq) == ("m1", 7), (
        "until it is logged in"
    )
    assert [(each.what, each.details["reason"]) for each in stage.notices] == [
        ("beginning anew, what happened meanwhile is not counted", reason)
    ]
    stage.hears(logged_in(again, 4, market_id))
    assert (
        stage.brain.counts.market_id,
        stage.brain.counts.account_seq,
        stage.brain.counts.fills,
    ) == (market_id, 4, 2)


# ------------------------------------------------------------------------------------------ crashes


class Fragile(Strategy):
    def __init__(self, good_decisions: set[int] | None = None) -> None:
        self.decisions = 0
        self.good_decisions = good_decisions or set()

    def on_book(self, market):
        pass

    def next_order(self, context):
        self.decisions += 1
        if self.decisions not in self.good_decisions:
            raise ZeroDivisionError("oh")
        return OrderRequest(
            trader_id="alice",
            side=Side.BUY,
            qty=1,
            price=99.0,
            client_order_id=f"n{self.decisions}",
        )


def test_a_crash_is_told_with_its_error_and_the_bot_goes_on():
    stage = Stage(Fragile(good_decisions={2})).opens()
    assert stage.decides() == []
    assert (stage.notices[0].details, str(stage.notices[0].error)) == (
        {"hook": "next_order"},
        "oh",
    )
    assert [each.client_order_id for each in stage.decides()] == ["n2"]
    assert not stage.brain.failed


def test_ten_crashes_in_a_row_are_the_end_whatever_else_goes_well():
    stage = Stage(Fragile(good_decisions={5})).opens()
    for _ in range(5 + MAX_CRASHES_IN_A_ROW - 1):
        stage.decides()
        stage.sees(book([(99.0, 1)], []))
    assert not stage.brain.failed
    stage.decides()
    assert stage.brain.failed
    before = stage.strategy.decisions
    stage.decides()
    assert stage.strategy.decisions == before


def test_a_strategy_that_is_given_up_is_ended_in_the_midst_of_its_hook_and_asked_only_to_stop():
    class Endless(Recorder):
        def on_timer(self, market):
            self.told.append("timer")
            stage.brain.runner.give_up(TimeoutError("enough"))
            self.told.append("further")

    stage = Stage(Endless()).opens()
    stage.decides()
    assert (stage.strategy.told, stage.brain.failed, str(stage.notices[0].error)) == (
        ["start", "timer"],
        True,
        "enough",
    )
    stage.decides()
    stage.stops()
    assert stage.strategy.told == ["start", "timer", "stop"]


def test_a_hook_that_has_used_up_all_memory_leaves_the_reserve_to_those_who_tell_it():
    class Hoarder(Strategy):
        def __init__(self):
            self.seen = []

        def on_timer(self, market):
            self.seen.append(len(stage.brain.runner.reserve))
            raise MemoryError

    stage = Stage(Hoarder()).opens()
    stage.brain.runner.reserve_bytes = 1_000
    for _ in range(2):
        stage.decides()
        assert len(stage.brain.runner.reserve) == 0
    assert stage.strategy.seen == [1_000, 1_000]
    stage.brain.runner.reserve_bytes = 2**62
    stage.decides()
    assert stage.strategy.seen == [1_000, 1_000], "without a reserve it is not asked"
    assert [type(each.error) for each in stage.notices] == [MemoryError] * 3


def test_between_two_hooks_giving_up_interrupts_nobody():
    stage = Stage().opens()
    stage.brain.runner.give_up(TimeoutError("enough"))
    stage.decides()
    assert (stage.brain.failed, stage.strategy.told, stage.notices) == (True, ["start"], [])


@pytest.mark.parametrize(
    "order",
    [
        OrderRequest(side="north", qty=1, price=99.0),
        OrderRequest(side=Side.BUY, qty=1, price="99"),
        {"side": "buy"},
        OrderRequest(side=Side.BUY, qty=1, price=float("nan")),
    ],
)
def test_an_order_that_is_none_is_the_strategys_crash(order):
    class Wrong(Strategy):
        def next_order(self, context):
            return order

    stage = Stage(Wrong()).opens()
    assert stage.decides() == []
    assert [notice.what for notice in stage.notices] == ["strategy crashed"]


# ------------------------------------------------------------------------------------- polled style


def test_the_polled_style_is_asked_at_each_decision_and_gets_an_id_if_it_gives_none():
    class Simple(Strategy):
        def next_order(self, context):
            return OrderRequest(
                trader_id=context.trader_id, side=Side.SELL, qty=2, order_type=OrderType.MARKET
            )

    stage = Stage(Simple()).opens()
    (order,) = stage.decides()
    assert json.loads(request_text(order)) == {
        "type": "order",
        "trader_id": "alice",
        "side": "sell",
        "qty": 2,
        "order_type": "market",
        "client_order_id": "s1-4",
        "request_id": 4,
    }


# ------------------------------------------------------------------------------------------ the end


def test_it_stops_by_cancelling_everything_and_logging_out():
    stage = Stage().opens()
    stage.accepts(bought(stage))
    (cancel,) = stage.stops()
    assert isinstance(cancel, CancelAllRequest) and cancel.symbol is None
    assert not stage.brain.finished and stage.strategy.told[-1] == "stop"
    (logout,) = stage.hears(
        AllCancelled(
            trader_id="alice",
            count=1,
            account_seq=2,
            timestamp=1_000,
            request_id=cancel.request_id,
        )
    )
    assert isinstance(logout, LogoutRequest) and not stage.brain.finished
    stage.cancelled(stage.handle.orders[0])
    assert stage.strategy.told[-1] == "stop", "after the goodbye nothing more is told"
    stage.hears(
        LoggedOut(
            trader_id="alice", account_seq=2, timestamp=1_000, request_id=logout.request_id
        )
    )
    assert stage.brain.finished


def test_what_it_wants_at_the_end_goes_out_before_the_cancel():
    class Tidy(Strategy):
        def on_stop(self, market):
            market.sell(5, reduce_only=True)

    stage = Stage(Tidy()).opens()
    assert [type(each) for each in stage.stops()] == [OrderRequest, CancelAllRequest]


def test_it_does_not_wait_for_an_exchange_that_is_not_there():
    stage = Stage().opens()
    stage.brain.gateway_lost()
    assert stage.stops() == [] and stage.brain.finished
    stage = Stage().opens()
    stage.stops()
    stage.brain.gateway_lost()
    assert stage.brain.finished


def test_a_refused_cancel_all_is_left_to_cancel_on_disconnect():
    stage = Stage().opens()
    (cancel,) = stage.stops()
    assert (
        stage.hears(
            CancelRejected(reason="rate_limited", timestamp=1_000, request_id=cancel.request_id)
        )
        == []
    )
    assert stage.brain.finished
