"""The progress of a long run, on stderr: a bar with its rate on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
LINE_S = 5.0
"""Time between two lines."""
STEP = 2_000
"""The clock is read once per so many items."""


def tracked(items: Iterable[T], doing: str, what: str) -> Iterator[T]:
    """The same items, counted on stderr: `replaying 120,000 records, 85,000/s`."""
    if sys.stderr.isatty():
        return _bar(items, doing, what)
    return _lines(items, doing, what)


def _words(doing: str, what: str, count: int, took_s: float) -> str:
    per_s = count / max(took_s, 1e-9)
    return f"{doing} {count:,} {what}, {per_s:,.0f}/s"


def _bar(items: Iterable[T], doing: str, what: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(doing)
        began_s = time.monotonic()
        for count, item in enumerate(items, start=1):
            if count % STEP == 0:
                took_s = time.monotonic() - began_s
                progress.update(task, description=_words(doing, what, count, took_s))
            yield item


def _lines(items: Iterable[T], doing: str, what: str) -> Iterator[T]:
    began_s = printed_s = time.monotonic()
    for count, item in enumerate(items, start=1):
        if count % STEP == 0 and time.monotonic() - printed_s >= LINE_S:
            printed_s = time.monotonic()
            print(_words(doing, what, count, printed_s - began_s), file=sys.stderr, flush=True)
        yield item
