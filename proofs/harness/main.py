"""What the proofs' mains have in common: arguments, progress, the verdict and the exit code."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

EXIT_OK, EXIT_UNUSABLE, EXIT_DIFFERENT = 0, 2, 4
PROGRESS_S = 5.0
Outcome = TypeVar("Outcome")


class Difference(AssertionError):
    """Something came to something else than it must. The text says where, and is its own reproduction."""


class ProofParser(argparse.ArgumentParser):
    """The arguments of a proof. `example`: its file and flags."""

    def __init__(self, description: str, example: str) -> None:
        super().__init__(description=description, epilog=f"example: python proofs/{example}")

    def number(self, flag: str, default: float, meaning: str = "") -> None:
        """A flag that takes a number of the kind of its default."""
        text = f"{meaning} (default: %(default)s)".lstrip()
        self.add_argument(flag, type=type(default), default=default, help=text)

    def random_seed(self) -> None:
        """`--seed`, another one each time."""
        another = random.randrange(10**6)
        self.add_argument(
            "--seed", type=int, default=another, help="(default: another one each time)"
        )

    def battle(self, default: Path) -> None:
        """`--config`."""
        self.add_argument(
            "--config", type=Path, default=default, help="the battle (default: a shipped one)"
        )

    def plant(self, faults: Iterable[str], whose: str) -> None:
        """`--plant`, one of the faults; the first is none."""
        names = tuple(faults)
        text = f"give the {whose} a fault, which must be found"
        self.add_argument("--plant", choices=names, default=names[0], help=text)


def in_a_folder(watch: Callable[[Path], Coroutine[Any, Any, Outcome]]) -> Outcome:
    """One run, whose files are gone when it has ended."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(watch(Path(folder)))


def verdict(outcome: object, *, is_good: bool) -> int:
    """Tell the outcome; the exit code."""
    print(outcome)
    return EXIT_OK if is_good else EXIT_DIFFERENT


def judged(seed: int, prove: Callable[[], Iterable[str]]) -> int:
    """Tell the seed, then what `prove` gives (and its seconds) or the difference it raises; the exit code."""
    print(f"seed {seed}", flush=True)
    began_s = monotonic()
    try:
        lines = "\n".join(prove())
    except Difference as difference:
        print(difference, file=sys.stderr)
        return EXIT_DIFFERENT
    print(f"{lines} ({monotonic() - began_s:,.0f} s)")
    return EXIT_OK


class Progress:
    """Print a line to stderr every few seconds, however often it is called."""

    def __init__(self) -> None:
        self._told_s = monotonic()

    def tell(self, line: str) -> None:
        if monotonic() - self._told_s > PROGRESS_S:
            self._told_s = monotonic()
            print(line, file=sys.stderr, flush=True)
