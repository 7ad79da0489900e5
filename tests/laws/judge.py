"""Random commands through the real engine and the second one, side by side: events equal, laws true
after every command.
"""

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from botpit.core.events import (
    BEFORE_THE_ENGINE,
    AccountState,
    CancelReason,
    Event,
    LiquidationReason,
    Liquidity,
    Reason,
)
from botpit.core.exchange import Exchange
from tests.laws.laws import Laws
from tests.laws.plain import plain
from tests.laws.slow_engine import SlowExchange
from tests.laws.streams import Stream, opening

STRUCTURES_EVERY = 50


class Difference(AssertionError):
    """The two engines disagree; the text says where, and is its own reproduction."""


def never_seen(counts: Counter[str]) -> list[str]:
    """Event kinds and reasons that a long run must have caused and did not."""
    kinds = [kind.__name__ for kind in get_args(Event)]
    expected = [
        *(f"Rejected {reason}" for reason in Reason if reason not in BEFORE_THE_ENGINE),
        *(f"OrderCancelled {reason}" for reason in CancelReason),
        *(f"Liquidation {reason}" for reason in LiquidationReason),
        *(f"Fill {liquidity}" for liquidity in Liquidity),
        *(f"AccountStatus {standing}" for standing in AccountState),
        *(f"MarketStatus {reason}" for reason in ("halt", "resume", "close", "mark")),
        *(
            kind
            for kind in kinds
            if kind not in ("Rejected", "OrderCancelled", "Liquidation", "MarketStatus")
        ),
    ]
    return [name for name in expected if not counts[name]]


def episode(seed: str, commands: int) -> Counter[str]:
    exchange, second = Exchange(opening(seed)), SlowExchange(opening(seed))
    stream, laws = Stream(exchange, seed), Laws(exchange)
    for count in range(commands):
        command, now_ns = stream.next()
        due_ns = exchange.next_due_ns(now_ns)
        events = exchange.apply(command, now_ns).events
        expected = second.apply(command, now_ns)
        told = [plain(event) for event in events]
        if told != expected:
            raise Difference(
                f"episode {seed}, command {count}: {command}\n{_first_difference(told, expected)}"
            )
        assert (
            not events or due_ns is None or type(command).__name__ != "Tick" or due_ns <= now_ns
        ), (seed, count, events)
        laws.check(events)
        if count % STRUCTURES_EVERY == 0:
            laws.check_structures()
    laws.check_structures()
    return Counter(laws.counts)


def _first_difference(told: Sequence[object], expected: Sequence[object]) -> str:
    for index in range(max(len(told), len(expected))):
        one = told[index] if index < len(told) else "nothing"
        other = expected[index] if index < len(expected) else "nothing"
        if one != other:
            return f"event {index}:\n  the engine  {one}\n  the second  {other}"
    return ""
