"""100,000 random commands, and no law broken; the seed in the test's id is the reproduction."""

import pytest

from botpit.exchange.commands import SELL, Order
from botpit.exchange.engine import Exchange
from botpit.exchange.events import CancelReason, Reason
from tests.laws.laws import Laws
from tests.laws.streams import TRADERS, Stream, opening

COMMANDS = 25_000


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_no_law_is_broken(seed):
    exchange = Exchange(opening())
    stream, laws = Stream(exchange, seed), Laws(exchange)
    for count in range(COMMANDS):
        command, now_ns = stream.next()
        laws.check(exchange.apply(command, now_ns))
        if count % 50 == 0:
            laws.check_structures()
    laws.check_structures()
    never = [reason for reason in Reason if not laws.counts[f"Rejected {reason}"]]
    never += [reason for reason in CancelReason if not laws.counts[f"OrderCancelled {reason}"]]
    assert not never, f"the stream never caused {never}: {dict(laws.counts)}"


def test_the_same_commands_give_the_same_events():
    runs = []
    for _ in range(2):
        exchange = Exchange(opening())
        stream = Stream(exchange, seed=11)
        runs.append([repr(exchange.apply(*stream.next())) for _ in range(5_000)])
    assert runs[0] == runs[1]


class TestTheLawsBite:
    """Each law is broken once by hand, and noticed."""

    def market(self):
        exchange = Exchange(opening())
        stream, laws = Stream(exchange, seed=5), Laws(exchange)
        for _ in range(500):
            laws.check(exchange.apply(*stream.next()))
        return exchange, laws

    def test_money_from_nowhere(self):
        exchange, laws = self.market()
        exchange.accounts["alice"].cash += 1
        with pytest.raises(AssertionError):
            laws.check([])

    def test_the_last_in_the_queue_first(self):
        exchange, laws = self.market()
        price = exchange.markets["SIM"].mark
        for trader in TRADERS[:2]:
            laws.check(exchange.apply(Order(trader, "SIM", SELL, 1, price + 40), 10**12))
        side = exchange.markets["SIM"].book.asks
        first, *_, last = side.levels[price + 40]
        first.id, last.id = last.id, first.id
        with pytest.raises(AssertionError):
            laws.check_structures()

    def test_a_margin_total_that_drifted(self):
        exchange, laws = self.market()
        position = next(p for a in exchange.accounts.values() for p in a.positions.values() if p.orders)
        position.totals[next(iter(position.orders.values())).order.side].value += 1
        with pytest.raises(AssertionError):
            laws.check_structures()
