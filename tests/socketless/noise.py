"""What a line does to the messages on it: loses, doubles or swaps them, now and then by a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable

Noise = Callable[[list[bytes]], list[bytes]]
"""Gets the messages of each frame and returns what arrives."""
NUMBERED = ("trade", "position_update", "order_add", "order_reduce", "order_remove")
VIEWS = ("book_update", "book_delta")


def same(messages: list[bytes]) -> list[bytes]:
    return messages


def losing_the_first(kind: bytes) -> Noise:
    """Of all that comes from now on, the first message with these bytes in it is lost."""
    lost = iter([True])
    return lambda messages: [
        each for each in messages if kind not in each or not next(lost, False)
    ]


def on_events(
    change: Callable[[random.Random, list[bytes]], Iterable[bytes]],
    rate: float,
    seed: int,
    kinds: tuple[str, ...],
) -> Noise:
    """Do something to a message of these types now and then."""
    rng = random.Random(seed)

    def noise(messages: list[bytes]) -> list[bytes]:
        arriving: list[bytes] = []
        for message in messages:
            hit = rng.random() < rate and json.loads(message)["type"] in kinds
            arriving += change(rng, [message]) if hit else [message]
        return arriving

    return noise


def dropped(rng: random.Random, messages: list[bytes]) -> list[bytes]:
    return []


def doubled(rng: random.Random, messages: list[bytes]) -> list[bytes]:
    return messages * 2


class Swapped:
    """Holds a message back until the next one has passed it."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._held: list[bytes] = []

    def __call__(self, messages: list[bytes]) -> list[bytes]:
        arriving: list[bytes] = []
        for message in messages:
            if (
                not self._held
                and self._rng.random() < 0.03
                and json.loads(message)["type"] in NUMBERED + VIEWS
            ):
                self._held = [message]
            else:
                arriving += [message, *self._held]
                self._held = []
        return arriving
