"""How far a long run is: a bar with its rate on a terminal, a line now and then elsewhere; both on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
LINE_S = 5.0
"""A line comes this far apart."""
STEP = 2_000
"""The count is looked at each time it has grown by this."""


def tracked(items: Iterable[T], doing: str, what: str) -> Iterator[T]:
    """The same items, while stderr tells how many there were: `replaying 120,000 records, 85,000/s`."""
    return (_bar if sys.stderr.isatty() else _lines)(items, doing, what)


def _words(doing: str, what: str, count: int, took_s: float) -> str:
    return f"{doing} {count:,} {what}, {count / max(took_s, 1e-9):,.0f}/s"


def _bar(items: Iterable[T], doing: str, what: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task, began_s = progress.add_task(doing), time.monotonic()
        for count, item in enumerate(items, start=1):
            if count % STEP == 0:
                progress.update(task, description=_words(doing, what, count, time.monotonic() - began_s))
            yield item


def _lines(items: Iterable[T], doing: str, what: str) -> Iterator[T]:
    began_s = told_s = time.monotonic()
    for count, item in enumerate(items, start=1):
        if count % STEP == 0 and time.monotonic() - told_s >= LINE_S:
            told_s = time.monotonic()
            print(_words(doing, what, count, told_s - began_s), file=sys.stderr, flush=True)
        yield item
