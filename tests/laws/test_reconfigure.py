"""The laws hold while the rules change under way, and a state restored after a change goes on with
the same events.
"""

import random
from dataclasses import replace

import msgspec
import pytest

from botpit.core.commands import Open, Reconfigure
from botpit.core.exchange import Exchange
from botpit.core.rules import not_changeable
from botpit.core.state import capture, opening_of, restore
from tests.laws.laws import Laws
from tests.laws.streams import Stream, opening

CHANGES_EVERY = 150


def other_rules(exchange: Exchange, rng: random.Random) -> Reconfigure:
    """What a house may change, changed at random."""
    rules = replace(
        exchange.rules,
        starting_cash=rng.choice([30_000, 60_000]),
        max_accounts=rng.choice([5, 10, 20]),
        self_trade_prevention=rng.choice(["cancel_resting", "cancel_incoming", "cancel_both"]),
        mark_to_market_ms=rng.choice([100, 1_000]),
        settle_window_s=rng.choice([1, 30]),
    )
    instruments = []
    for market in exchange.markets.values():
        maker_fee_bps, taker_fee_bps = rng.choice([(0, 0), (-1, 3), (30, 70)])
        initial_margin_bps = rng.choice([1_100, 2_000, 5_000])
        instruments.append(replace(
            market.instrument, min_price=rng.randrange(1, market.mark + 1), max_price=rng.randrange(market.mark, 3 * market.mark),
            maker_fee_bps=maker_fee_bps, taker_fee_bps=taker_fee_bps, liquidation_fee_bps=rng.choice([0, 200]),
            initial_margin_bps=initial_margin_bps, maintenance_margin_bps=rng.randrange(200, initial_margin_bps),
            price_band_bps=rng.randrange(200, 1_000), mark_move_bps=rng.choice([100, 400]), max_position=rng.choice([0, 25]),
            max_open_orders=rng.choice([3, 6]), max_order_qty=rng.choice([10, 50]),
        ))  # fmt: skip
    return Reconfigure(rules, tuple(instruments))


def changing(seed: int, count: int):
    """An exchange and its commands, which follow from what it is when they are asked for."""
    exchange, rng = Exchange(opening(seed)), random.Random(f"rules {seed}")
    stream = Stream(exchange, seed)

    def commands():
        for number in range(count):
            command, now_ns = stream.next()
            yield command, now_ns
            if number % CHANGES_EVERY == 0:
                yield other_rules(exchange, rng), now_ns

    return exchange, commands()


@pytest.mark.parametrize("seed", range(4))
def test_the_laws_hold_while_the_rules_change(seed):
    exchange, commands = changing(seed, 2_500)
    laws = Laws(exchange)
    for command, now_ns in commands:
        if isinstance(command, Reconfigure):
            assert (
                not_changeable(
                    exchange, Open(exchange.market_id, command.rules, command.instruments)
                )
                == []
            )
        laws.check(exchange.apply(command, now_ns).events)
        if isinstance(command, Reconfigure):
            laws.check_structures()
    laws.check_structures()


@pytest.mark.parametrize("seed", range(4))
def test_a_state_restored_after_a_change_goes_on_with_the_same_events(seed):
    first, commands = changing(seed, 2_500)
    second = None
    for number, (command, now_ns) in enumerate(commands):
        told = first.apply(command, now_ns).events
        if second is not None:
            assert second.apply(command, now_ns).events == told, (number, command)
        if number % 400 == 250:
            kept = msgspec.json.encode(
                capture(first), order="deterministic"
            )  # as a snapshot keeps it: the accounts in order
            second = restore(opening_of(first), msgspec.json.decode(kept))
    assert second is not None
    assert capture(second) == capture(first)
