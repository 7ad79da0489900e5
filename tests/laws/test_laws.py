"""100,000 random commands, and no law broken; the seed in the test's id is the reproduction."""

from collections import Counter

import pytest

from botpit.core.commands import SELL, Deposit, Order, Reconfigure, SessionLost, Tick
from botpit.core.events import Rejected
from botpit.core.exchange import Exchange
from tests.laws.judge import episode, never_seen
from tests.laws.laws import Laws
from tests.laws.streams import EPISODE, TRADERS, Stream, opening


@pytest.mark.parametrize("seed", range(1, 11))
def test_both_engines_tell_the_same_and_no_law_is_broken(seed):
    episode(f"{seed}.0", EPISODE)


@pytest.mark.parametrize("seed", range(3))
def test_the_answer_is_the_first_event_and_only_who_asks_gets_one(seed: int) -> None:
    exchange = Exchange(opening(seed))
    stream = Stream(exchange, seed)
    for _ in range(5_000):
        command, now_ns = stream.next()
        outcome = exchange.apply(command, now_ns)
        if isinstance(command, Tick | SessionLost | Deposit | Reconfigure):
            assert outcome.answer is None or type(outcome.answer) is Rejected, command
        else:
            assert outcome.answer is outcome.events[0], command


def test_the_streams_cause_everything_that_can_happen():
    seen = Counter()
    for number in range(12):
        exchange = Exchange(opening(number))
        stream, laws = Stream(exchange, number), Laws(exchange)
        for _ in range(EPISODE):
            laws.check(exchange.apply(*stream.next()).events)
        seen.update(laws.counts)
    assert never_seen(seen) == []


def test_the_same_commands_give_the_same_events():
    runs = []
    for _ in range(2):
        exchange = Exchange(opening(11))
        stream = Stream(exchange, seed=11)
        runs.append([repr(exchange.apply(*stream.next()).events) for _ in range(5_000)])
    assert runs[0] == runs[1]


class TestTheLawsBite:
    """Each law is broken once by hand, and noticed."""

    def market(self):
        exchange = Exchange(opening())
        stream, laws = Stream(exchange, seed=5), Laws(exchange)
        for _ in range(500):
            laws.check(exchange.apply(*stream.next()).events)
        return exchange, laws

    def test_money_from_nowhere(self):
        exchange, laws = self.market()
        exchange.accounts["alice"].cash += 1
        with pytest.raises(AssertionError):
            laws.check([])

    def test_the_last_in_the_queue_first(self):
        exchange = Exchange(opening())
        laws, price = Laws(exchange), exchange.markets["SIM"].mark
        for trader in TRADERS[:2]:
            laws.check(exchange.apply(Order(trader, "SIM", SELL, 1, price), 1).events)
        laws.check_structures()
        first, last = exchange.markets["SIM"].book.asks.levels[price]
        first.id, last.id = last.id, first.id
        with pytest.raises(AssertionError):
            laws.check_structures()

    def test_a_margin_total_that_drifted(self):
        exchange, laws = self.market()
        position = next(
            p
            for a in exchange.accounts.values()
            for p in a.positions.values()
            if p.open_count()
        )
        first = position.account.open_orders(position.market.instrument.symbol)[0]
        position.open_totals(first.order.side).value += 1
        with pytest.raises(AssertionError):
            laws.check_structures()
