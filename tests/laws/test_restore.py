"""Snapshot, restore, go on: the same events as going on, at random points of random streams."""

import json
import random

import pytest

from botpit.core.exchange import Exchange
from botpit.core.state import capture, restore
from tests.laws.laws import Laws
from tests.laws.streams import Stream, opening


@pytest.mark.parametrize("seed", range(6))
def test_going_on_from_a_restored_state_gives_the_same_events(seed):
    first, rng = Exchange(opening(seed)), random.Random(seed)
    stream = Stream(first, seed)
    for _ in range(6):
        for _ in range(rng.randrange(1, 1_500)):
            first.apply(*stream.next())
        second = restore(opening(seed), json.loads(json.dumps(capture(first))))
        assert capture(second) == capture(first)
        for _ in range(400):
            command, now_ns = stream.next()
            assert first.next_due_ns(now_ns) == second.next_due_ns(now_ns)
            assert first.apply(command, now_ns).events == second.apply(command, now_ns).events, command
        assert capture(second) == capture(first)


def test_a_restored_exchange_holds_the_laws():
    """Its totals and thresholds are made anew; they must be true."""
    exchange = Exchange(opening(3))
    stream = Stream(exchange, 3)
    for _ in range(2_000):
        exchange.apply(*stream.next())
    again = restore(opening(3), capture(exchange))
    laws = Laws(again)
    for account in again.accounts.values():
        for position in account.positions.values():
            laws._totals_are_true(position)
    laws._breaches_are_suspected()
    laws._money_is_conserved()


def test_an_exchange_in_which_nothing_has_happened_is_restored():
    """No last trade, no mark but the first one, no account."""
    untouched = Exchange(opening())
    assert capture(restore(opening(), json.loads(json.dumps(capture(untouched))))) == capture(untouched)
