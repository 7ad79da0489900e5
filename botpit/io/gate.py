"""Messages that may not be sent yet: they wait, in order, until the commands behind them are durable.

One gate stands before all sockets of an exchange, so that no answer, event, view or snapshot can slip past
it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from botpit.io.connection import Connection

MAX_WAITING_BYTES = 64 * 2**20
"""Beyond this, `full` asks the exchange to take no more commands until the disk has caught up."""


class Gate:
    """Open until `hold`. Records have numbers; whatever is sent after `hold(n)` waits for `release(n)`."""

    def __init__(self) -> None:
        self._held = self._durable = 0
        self._waiting: deque[tuple[int, int, Callable[[], None]]] = deque()
        self.waiting_bytes = 0

    @property
    def full(self) -> bool:
        return self.waiting_bytes >= MAX_WAITING_BYTES

    @property
    def is_open(self) -> bool:
        return self._held <= self._durable and not self._waiting

    def hold(self, number: int) -> None:
        """From now on, messages may depend on record `number`."""
        self._held = number

    def release(self, number: int) -> None:
        """Records up to `number` are durable: send what waited for them."""
        self._durable = number
        while self._waiting and self._waiting[0][0] <= number:
            _, size, say = self._waiting.popleft()
            self.waiting_bytes -= size
            say()

    def pass_on(self, say: Callable[[], None], size: int = 0) -> None:
        """Call `say` now or, behind everything that waits, when it may be sent; `size` in bytes."""
        if self._held <= self._durable:
            return say()
        self._waiting.append((self._held, size, say))
        self.waiting_bytes += size
        return None


class Gated:
    """A connection behind a gate."""

    def __init__(self, connection: Connection, gate: Gate) -> None:
        self._connection = connection
        self._gate = gate
        self._held_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        return self._connection.waiting_bytes + self._held_bytes

    def send(self, messages: Iterable[bytes]) -> None:
        if self._gate.is_open:
            return self._connection.send(messages)
        kept = list(messages)
        self._pass_on(lambda: self._connection.send(kept), sum(map(len, kept)))

    def write(self, frames: bytes) -> None:
        if self._gate.is_open:
            return self._connection.write(frames)
        self._pass_on(lambda: self._connection.write(frames), len(frames))

    def close(self, code: int, reason: str = "") -> None:
        self._gate.pass_on(lambda: self._connection.close(code, reason))

    def pause_reading(self) -> None:
        self._connection.pause_reading()

    def resume_reading(self) -> None:
        self._connection.resume_reading()

    def _pass_on(self, say: Callable[[], None], size: int) -> None:
        def said() -> None:
            self._held_bytes -= size
            say()

        self._held_bytes += size
        self._gate.pass_on(said, size)
