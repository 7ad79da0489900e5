"""When a book that changed is told again: soon while few change, never too often in all, and always
as it was in the end.
"""

from __future__ import annotations

import random

import pytest

from botpit.venue.feed.book_updates import INTERVAL_NS, SHARE_NS, BookUpdates

SECOND_NS = 1_000_000_000
TURN_NS = 1_000_000


def symbols(count: int) -> list[str]:
    return [f"S{number}" for number in range(count)]


def test_a_book_is_told_at_once_and_again_after_the_interval():
    updates = BookUpdates(["SIM"])
    updates.changed("SIM")
    assert updates.pop_due(5) == ["SIM"]
    updates.changed("SIM")
    updates.changed("SIM")
    assert updates.next_due_ns() == 5 + INTERVAL_NS
    assert updates.pop_due(4 + INTERVAL_NS) == []
    assert updates.pop_due(5 + INTERVAL_NS) == ["SIM"]
    assert updates.next_due_ns() is None


def test_books_that_are_due_together_come_in_the_order_of_their_instruments():
    updates = BookUpdates(symbols(30))
    for symbol in reversed(symbols(30)):
        updates.changed(symbol)
    assert updates.pop_due(0) == symbols(30)


@pytest.mark.parametrize(
    ("count", "most_per_s"), [(1, 20), (100, 2_000), (1_000, 2_000), (5_000, 2_000)]
)
def test_all_books_together_have_a_rate(count: int, most_per_s: int):
    updates, told = BookUpdates(symbols(count)), 0
    for now_ns in range(0, 2 * SECOND_NS, TURN_NS):
        for symbol in (
            symbols(count) if count < 50 else random.Random(now_ns).sample(symbols(count), 50)
        ):
            updates.changed(symbol)
        told += len(updates.pop_due(now_ns))
    assert (
        0.4 * most_per_s < told / 2 <= 1.1 * most_per_s + count / 2
    )  # each book is told at once when it first changes


def test_every_change_is_told_in_the_end():
    updates, rng, untold = BookUpdates(symbols(1_000)), random.Random(3), set[str]()
    for now_ns in range(0, SECOND_NS, TURN_NS):
        for symbol in rng.sample(symbols(1_000), 20):
            updates.changed(symbol)
            untold.add(symbol)
        untold -= set(updates.pop_due(now_ns))
    now_ns = SECOND_NS
    while (due_ns := updates.next_due_ns()) is not None:
        now_ns = max(now_ns, due_ns)
        untold -= set(updates.pop_due(now_ns))
    assert not untold and now_ns <= SECOND_NS + 1_000 * SHARE_NS
