"""A message whose bytes are made when somebody first wants them, and then kept: most of the past is never asked for."""

from __future__ import annotations

from collections.abc import Callable


class LazyMessage:
    """`make` is called at most once; a message that is there already is handed in instead."""

    __slots__ = ("_make", "_message")

    def __init__(self, make: Callable[[], bytes] | None, message: bytes = b"") -> None:
        self._make = make
        self._message = message

    def message(self) -> bytes:
        if self._make is not None:
            self._message, self._make = self._make(), None
        return self._message
