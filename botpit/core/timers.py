"""What waits for its time: the expiries of orders, and the round of marking positions to market."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from botpit.core.orders import OrderRecord


class Timers:
    """`marked_ns`: when a Tick last published a mark. `marked_until`: last trader of an unfinished round."""

    def __init__(self) -> None:
        self.marked_ns = 0
        self.marked_until: str | None = None
        self._expiries: list[tuple[int, int, OrderRecord]] = []
        self._compact_above = 1_000

    def expire_later(self, record: OrderRecord, expires_at_ns: int) -> None:
        """The order is due at that time, if it is still open then."""
        heappush(self._expiries, (expires_at_ns, record.id, record))
        if len(self._expiries) > self._compact_above:
            self._expiries = [entry for entry in self._expiries if entry[2].leaves]
            heapify(self._expiries)
            self._compact_above = 2 * len(self._expiries) + 1_000

    def expired(self, now_ns: int) -> list[OrderRecord]:
        """The open orders whose time has come, by id."""
        due = []
        while self._expiries and self._expiries[0][0] <= now_ns:
            record = heappop(self._expiries)[2]
            if record.leaves:
                due.append(record)
        return sorted(due, key=lambda record: record.id)

    def next_expiry_ns(self) -> int | None:
        """When the next open order expires."""
        while self._expiries and not self._expiries[0][2].leaves:
            heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else None

    def capture(self) -> dict[str, int | str | None]:
        """The round of marking; expiries follow from the orders."""
        return {"marked_ns": self.marked_ns, "marked_until": self.marked_until}

    def restore(self, marked_ns: int, marked_until: str | None) -> None:
        self.marked_ns, self.marked_until = marked_ns, marked_until
