"""The trading session in talk with a real gateway: its way to work, and back to work after any loss."""

from __future__ import annotations

import random

import pytest

from botpit.clients.trading_session import (
    LONGEST_WAIT_MS,
    MAX_IN_FLIGHT,
    TRANSITIONS,
    Cause,
    PrivateEvent,
    State,
    TradingSession,
)
from message_schemas import (
    Account,
    CancelAllRequest,
    CancelRejected,
    CancelRequest,
    Error,
    Fill,
    LoggedIn,
    LoginRequest,
    OpenOrders,
    OrderAccepted,
    OrderRejected,
    OrderRequest,
    OrderStatusRequest,
    PingRequest,
    Side,
)
from tests.bots.bot_stage import SIM
from tests.socketless.requests import order
from tests.socketless.rules import RICH
from tests.socketless.trading_pair import TradingPair
from tests.socketless.venue import SocketlessVenue

# -------------------------------------------------------------------------------------------- the way to work


def test_it_logs_in_asks_what_it_has_and_is_ready():
    pair = TradingPair().opens()
    assert pair.asked == ["login", "account", "open_orders"]
    assert pair.told == ["logged_in", "account", "open_orders"]
    session = pair.session
    assert (session.market_id, session.account_seq, session.login) == ("m1", 0, 1)
    assert [each.symbol for each in session.instruments] == ["SIM"]


def test_nothing_is_sent_before_it_is_ready():
    pair = TradingPair()
    assert not pair.buys()
    pair.connects()
    assert not pair.buys()
    pair.pumps()
    assert pair.buys()


def test_it_is_ready_whichever_of_the_two_answers_comes_first():
    session = TradingSession("alice")
    session.opened()
    (login,) = session.requests()
    session.receive(logged_in(login), 0)
    account, open_orders = session.requests()
    session.receive(no_orders(open_orders.request_id), 0)
    assert session.state is State.SYNCING
    session.receive(an_account(account.request_id), 0)
    assert session.state is State.READY


def test_an_answer_comes_with_its_request_and_an_event_with_none():
    pair = TradingPair().opens()
    pair.buys(3, name="a")
    pair.pumps()
    answer, heard = pair.heard[-1]
    assert isinstance(answer, OrderAccepted) and heard.request.client_order_id == "a"
    pair.venue.client().asks(order("bob", "sell", 2))
    pair._take_from_venue()
    pair._hear()
    fill, heard = pair.heard[-1]
    assert isinstance(fill, Fill) and heard.request is None
    assert pair.session.account_seq == 2


def test_no_more_than_so_many_requests_wait_for_their_answer():
    pair = TradingPair(SocketlessVenue(RICH)).opens()
    assert [pair.buys() for _ in range(MAX_IN_FLIGHT + 1)] == [True] * MAX_IN_FLIGHT + [False]
    pair.pumps()
    assert pair.buys()


# ----------------------------------------------------------------------------------------------------- losses


def test_after_a_loss_it_is_told_what_it_missed():
    pair = TradingPair().opens()
    pair.buys(5, name="a")
    pair.pumps()
    pair.is_cut()
    assert pair.session.state is State.AWAY
    pair.opens()
    login = pair.sent[-3]
    assert isinstance(login, LoginRequest) and login.cancel_on_disconnect
    assert (login.last_seq, login.market_id) == (1, "m1")
    assert pair.told[-4:] == ["logged_in", "order_cancelled", "account", "open_orders"]
    assert pair.session.account_seq == 2


def test_orders_stay_when_it_is_asked_not_to_cancel_them():
    pair = TradingPair(session=TradingSession("alice", cancel_on_disconnect=False)).opens()
    pair.buys(5, name="a")
    pair.pumps()
    pair.is_cut()
    pair.opens()
    open_orders = pair.heard[-1][0]
    assert [each.client_order_id for each in open_orders.orders] == ["a"]


def test_of_orders_without_an_answer_those_that_arrived_are_told_and_the_others_named():
    pair = TradingPair().opens()
    pair.buys(1, name="arrived")
    pair.buys(2, name="lost")
    pair.is_cut(arrived=1)
    pair.opens()
    accepted = [
        message.client_order_id
        for message, _ in pair.heard
        if isinstance(message, OrderAccepted)
    ]
    assert (accepted, pair.unresolved) == (["arrived"], ["lost"])
    pair.is_cut()
    pair.opens()
    assert pair.unresolved == ["lost"], "once"


def test_what_waited_when_the_connection_was_lost_waits_no_longer_and_is_not_sent_again():
    pair = TradingPair(SocketlessVenue(RICH)).opens()
    for _ in range(MAX_IN_FLIGHT):
        pair.buys()
    pair.is_cut()
    pair.opens()
    assert pair.asked.count("order") == MAX_IN_FLIGHT
    assert pair.buys()


def test_a_later_session_goes_on_from_where_an_earlier_one_was():
    pair = TradingPair().opens()
    pair.buys(5, name="a")
    pair.pumps()
    pair.is_cut()
    later = TradingPair(
        pair.venue, TradingSession("alice", market_id="m1", account_seq=1)
    ).opens()
    assert later.told == ["logged_in", "order_cancelled", "account", "open_orders"]


def test_another_market_is_begun_anew():
    pair = TradingPair().opens()
    pair.buys(5, name="a")
    pair.buys(5, name="b")
    pair.is_cut(arrived=1)
    pair.venue = SocketlessVenue(market_id="m2")
    pair.opens()
    assert pair.told[-4:] == ["error", "logged_in", "account", "open_orders"]
    assert (pair.session.market_id, pair.session.account_seq) == ("m2", 0)
    assert pair.unresolved == [], "they ended with their market"


def test_a_market_that_lost_its_last_moments_is_begun_anew():
    pair = TradingPair().opens()
    pair.buys(5, name="a")
    pair.pumps()
    pair.is_cut()
    pair.venue = SocketlessVenue()
    pair.opens()
    assert pair.heard[-4][0].reason == "seq_ahead" and pair.session.account_seq == 0


def test_when_the_exchange_has_forgotten_what_was_missed_it_begins_anew():
    venue = SocketlessVenue(keeps=2)
    pair = TradingPair(venue).opens()
    for number in range(5):
        pair.buys(1, name=f"n{number}")
    pair.pumps()
    pair.is_cut()
    pair.opens()
    assert pair.heard[-4][0].reason == "too_old" and pair.session.account_seq == 10


def test_an_order_that_is_open_has_its_fate_also_when_the_session_begins_anew():
    venue = SocketlessVenue(keeps=1)
    pair = TradingPair(venue, TradingSession("alice", cancel_on_disconnect=False)).opens()
    for name in ("a", "b", "c"):
        pair.buys(1, name=name)
    pair.is_cut(arrived=2)
    pair.opens()
    assert pair.heard[-4][0].reason == "too_old" and pair.unresolved == ["c"]


def test_a_hole_in_the_numbers_is_no_end_but_asks_for_account_and_orders_again():
    session = TradingPair().opens().session
    session.receive(accepted(3), 0)
    assert session.state is State.SYNCING
    assert [each.type for each in session.requests()] == ["account", "open_orders"]
    assert session.account_seq == 3


def test_whoever_leaves_does_not_mind_a_hole():
    session = TradingPair().opens().session
    session.stop()
    session.receive(accepted(3), 0)
    assert session.state is State.LEAVING
    assert [each.type for each in session.requests()] == ["cancel_all"]


def test_what_was_told_before_is_no_news_unless_it_is_an_answer():
    pair = TradingPair().opens()
    pair.buys(1, name="a")
    pair.pumps()
    assert not pair.session.receive(accepted(1), 0).is_news
    pair.buys(1, name="a")
    pair.pumps()
    again, heard = pair.heard[-1]
    assert again.repeated and heard.is_news and pair.session.account_seq == 1


def test_what_comes_before_the_login_is_granted_is_no_news():
    session = TradingSession("alice", market_id="m1", account_seq=0)
    session.opened()
    assert not session.receive(accepted(1), 0).is_news and session.account_seq == 0


# --------------------------------------------------------------------------------------------------- refusals

SLOW = "[market]\nmax_requests_per_s = 1\n"


def test_whatever_is_refused_of_the_login_and_the_sync_is_asked_again_when_the_exchange_says_so():
    """One request a second: the account's question has to wait, then that for the open orders."""
    pair = TradingPair(SocketlessVenue(SLOW))
    pair.connects()
    pair.pumps()
    waits = 0
    while pair.session.state is not State.READY and waits < 20:
        wait_ms = pair.session.quiet_until_ms - pair.now_ms
        assert wait_ms > 0
        asked = len(pair.sent)
        pair.passes((wait_ms - 1) / 1_000)
        assert len(pair.sent) == asked, "not a moment too early"
        pair.passes(0.001)
        pair.pumps()
        waits += 1
    assert pair.session.state is State.READY and waits > 0
    asked = len(pair.sent)
    pair.passes(60)
    pair.pumps()
    assert len(pair.sent) == asked, "nothing is left to be asked again"


@pytest.mark.parametrize(
    ("retry_after_ms", "wait_ms"),
    [(None, 1_000), (250.5, 251), (0, 1), (10**9, LONGEST_WAIT_MS)],
)
def test_how_long_a_refused_login_waits(retry_after_ms, wait_ms):
    details = {} if retry_after_ms is None else {"retry_after_ms": retry_after_ms}
    session = TradingSession("alice")
    session.opened()
    (login,) = session.requests()
    refused = Error(
        reason="server_busy", details=details, timestamp=0, request_id=login.request_id
    )
    session.receive(refused, 5_000)
    session.time_passes(5_000 + wait_ms - 1)
    assert session.requests() == []
    session.time_passes(5_000 + wait_ms)
    assert [each.type for each in session.requests()] == ["login"]


def test_a_retry_does_not_outlive_its_connection():
    session = TradingSession("alice")
    session.opened()
    (login,) = session.requests()
    session.receive(Error(reason="server_busy", timestamp=0, request_id=login.request_id), 0)
    session.lost()
    session.opened()
    session.requests()
    session.time_passes(10_000)
    assert session.requests() == []


@pytest.mark.parametrize("refusal", [OrderRejected, Error])
def test_it_is_quiet_for_as_long_as_the_exchange_says(refusal):
    pair = TradingPair().opens()
    session = pair.session
    session.send(
        PingRequest() if refusal is Error else OrderRequest(side=Side.BUY, qty=1, price=1.0), 0
    )
    (request,) = session.requests()
    details = {"retry_after_ms": 250}
    told = refusal(
        reason="rate_limited", details=details, timestamp=0, request_id=request.request_id
    )
    session.receive(told, 1_000)
    assert (session.may_send(1_249), session.may_send(1_250)) == (False, True)
    session.time_passes(5_000)
    assert session.requests() == [], "what the trader asked is not asked again"


def test_a_query_that_is_refused_for_another_reason_changes_nothing():
    pair = TradingPair().opens()
    pair.asks(OrderStatusRequest())
    pair.pumps()
    assert pair.told[-1] == "error" and pair.session.may_send(pair.now_ms)


# ---------------------------------------------------------------------------------------------------- the end


def test_it_leaves_by_cancelling_everything_and_logging_out():
    pair = TradingPair().opens()
    pair.buys(5, name="a")
    pair.pumps()
    pair.stops()
    assert pair.session.state is State.LEAVING and not pair.buys()
    pair.pumps()
    assert pair.asked[-2:] == ["cancel_all", "logout"]
    assert pair.told[-3:] == ["all_cancelled", "order_cancelled", "logged_out"]
    assert pair.session.state is State.DONE


def test_only_the_answer_to_its_own_cancel_all_lets_it_log_out():
    pair = TradingPair().opens()
    pair.asks(CancelAllRequest(symbol="SIM"))
    pair.stops()
    pair.pumps()
    assert pair.asked[-3:] == ["cancel_all", "cancel_all", "logout"]


def test_a_refused_farewell_is_left_to_the_end_of_the_connection():
    session = TradingPair().opens().session
    session.send(CancelRequest(order_id=7), 0)
    session.stop()
    cancel, farewell = session.requests()
    session.receive(
        CancelRejected(reason="unknown_order", timestamp=0, request_id=cancel.request_id), 0
    )
    assert session.state is State.LEAVING
    session.receive(
        CancelRejected(reason="rate_limited", timestamp=0, request_id=farewell.request_id), 0
    )
    assert session.state is State.DONE


@pytest.mark.parametrize("pumped", [False, True])
def test_who_is_not_ready_has_nothing_to_take_leave_of(pumped):
    pair = TradingPair()
    pair.stops()
    assert pair.session.state is State.DONE
    pair = TradingPair()
    pair.connects()
    pair.stops()
    if pumped:
        pair.pumps()
    assert pair.session.state is State.DONE and pair.asked == ["login"]
    pair.is_cut()
    pair.connects()
    assert pair.asked == ["login"], "it does not come back"


# -------------------------------------------------------------------------------------------------- the table


def test_every_state_is_reached_and_every_transition_leads_on():
    reached = {State.AWAY}
    for _ in State:
        reached |= {to for (state, _), to in TRANSITIONS.items() if state in reached}
    assert reached == set(State)
    assert {cause for _, cause in TRANSITIONS} == set(Cause)


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.STOPPED])
def test_in_every_state_the_connection_may_end_and_somebody_say_stop(cause):
    assert {state for state, each in TRANSITIONS if each is cause} == set(State)


def test_what_is_not_in_the_table_is_our_own_mistake():
    session = TradingSession("alice")
    session.opened()
    with pytest.raises(
        AssertionError, match=r"Cause.OPENED cannot happen while State.LOGGING_IN"
    ):
        session.opened()


# ------------------------------------------------------------------------------------------------ under seeds


class Life:
    """Alice trades with a crowd over a line that is cut again and again, whatever is on it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.pair = TradingPair(SocketlessVenue(RICH)).opens()
        self.crowd = self.pair.venue.crowd(seed)
        self.names: list[str] = []

    def lives(self, steps: int) -> None:
        for _ in range(steps):
            for _ in range(self.rng.randrange(4)):
                self.acts()
            match self.rng.randrange(6):
                case 0:
                    self.is_cut_and_back()
                case 1:
                    self.pair.venue.passes(0.01)
                case _:
                    self.pair.pumps()
        self.pair.pumps()

    def acts(self) -> None:
        rng = self.rng
        match rng.randrange(5):
            case 0 | 1:
                name = f"n{len(self.names)}"
                price = 99.9 + rng.randrange(20) / 100
                if self.pair.buys(rng.randrange(1, 9), price, name, rng.choice([*Side])):
                    self.names.append(name)
            case 2 if self.names:
                self.pair.asks(CancelRequest(client_order_id=rng.choice(self.names)))
            case 3 if rng.random() < 0.2:
                self.pair.asks(CancelAllRequest())
            case _:
                self.others_act()

    def others_act(self) -> None:
        while (request := self.crowd.request("bob")) and request["type"] == "cancel_all":
            pass
        self.pair.venue.client().sends(request)

    def is_cut_and_back(self) -> None:
        """Part of what is on the line still arrives, and part of what that brings is still heard."""
        pair, rng = self.pair, self.rng
        for _ in range(rng.randrange(3)):
            if pair._to_venue:
                pair._arrive()
        pair._take_from_venue()
        pair.is_cut(arrived=rng.randrange(3), heard=rng.randrange(8))
        for _ in range(rng.randrange(3)):
            self.others_act()
        pair.connects()
        if rng.random() < 0.3:
            pair.is_cut(arrived=rng.randrange(2), heard=0)
            pair.connects()
        pair.pumps()

    def own_events(self) -> list[PrivateEvent]:
        """The numbered ones that were news, answers that repeat an old one left out."""
        events = [
            message for message, _ in self.pair.heard if isinstance(message, PrivateEvent)
        ]
        return [each for each in events if not getattr(each, "repeated", False)]


@pytest.mark.parametrize("seed", range(25))
def test_wherever_the_line_is_cut_every_private_event_is_told_once_and_every_order_has_its_fate(
    seed,
):
    life = Life(seed)
    life.lives(150)
    pair = life.pair
    account = pair.venue.exchange.accounts["alice"]
    assert pair.session.state is State.READY
    assert pair.session.account_seq == account.seq
    assert [event.account_seq for event in life.own_events()] == list(range(1, account.seq + 1))

    accepted = [
        event.client_order_id for event in life.own_events() if isinstance(event, OrderAccepted)
    ]
    answers = [heard for message, heard in pair.heard if isinstance(message, OrderRejected)]
    refused = [heard.request.client_order_id for heard in answers]
    assert sorted(accepted + refused + pair.unresolved) == sorted(life.names), (
        "each order has one fate"
    )
    assert len(pair.logins()) > 5 and accepted and pair.unresolved


@pytest.mark.parametrize("seed", range(10))
def test_a_life_over_several_markets(seed):
    """Markets follow each other, each with its own numbers; in the end the session is where the last is."""
    rng = random.Random(seed)
    life = Life(seed)
    for number in range(2, 6):
        life.lives(rng.randrange(1, 20))
        heard = len(life.pair.heard)
        life.pair.is_cut(arrived=rng.randrange(3), heard=rng.randrange(3))
        life.pair.venue = SocketlessVenue(RICH, market_id=f"m{number}")
        life.crowd = life.pair.venue.crowd(seed)
        life.pair.opens()
    life.lives(10)
    account = life.pair.venue.exchange.accounts["alice"]
    assert (life.pair.session.market_id, life.pair.session.account_seq) == ("m5", account.seq)
    assert [each.market_id for each in life.pair.logins()][-1] == "m5" and heard > 0


# --------------------------------------------------------------------------------------------------- messages


def logged_in(login: LoginRequest) -> LoggedIn:
    return LoggedIn(
        trader_id="alice", scope="trade", account_seq=0, market_id="m1", session=1, instruments=[SIM],
        timestamp=0, request_id=login.request_id,
    )  # fmt: skip


def an_account(request_id: object) -> Account:
    return Account(
        trader_id="alice", cash=0.0, total_equity=0.0, initial_margin=0.0, maintenance_margin=0.0,
        positions=[], status="active", account_seq=0, timestamp=0, request_id=request_id,
    )  # fmt: skip


def no_orders(request_id: object) -> OpenOrders:
    return OpenOrders(
        trader_id="alice", orders=[], account_seq=0, timestamp=0, request_id=request_id
    )


def accepted(account_seq: int) -> OrderAccepted:
    return OrderAccepted(
        order_id=1, trader_id="alice", client_order_id="a", symbol="SIM", side="buy", qty=1, price=1.0,
        account_seq=account_seq, timestamp=0,
    )  # fmt: skip
