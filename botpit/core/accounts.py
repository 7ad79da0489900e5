"""One trader: what it holds, what it may do, its sessions, and its orders, open and remembered.

There may be a hundred thousand accounts, most of them at rest, so a dict is made with its first entry and
dropped with its last one; in between, all accounts share the same empty one.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Final

from botpit.core.events import AccountState
from botpit.core.orders import OrderRecord, RefusedOrder, restored_record, restored_refusal
from botpit.core.positions import Holdings
from botpit.core.valuation import Moves, Valuation

MAX_REMEMBERED_ORDERS = 100_000
"""Closed and refused orders kept per trader; older ones are forgotten, oldest closing first."""

_EMPTY: Final[dict[Any, Any]] = {}
"""Stands where nothing is kept yet; nobody writes to it."""
_BY_ID = attrgetter("id")
_KEPT = ("cash", "seq", "sessions", "frozen", "held", "bankrupt", "forgot")
"""What a snapshot keeps of an account as it stands."""


class Account(Holdings):
    """`seq` counts private events, `sessions` logins; `open_sessions` maps a live login to its
    cancel-on-disconnect.

    `frozen`: by the margin rules, `held`: by the operator; either way it may only cancel and reduce.
    `bankrupt`: only cancel. `resting`: the open orders by id. `forgot`: some of its closed orders are
    remembered no longer.
    """

    __slots__ = (
        "_closed_by_id",
        "_closed_count",
        "_first_closed",
        "_last_closed",
        "bankrupt",
        "by_client_id",
        "forgot",
        "frozen",
        "held",
        "open_sessions",
        "resting",
        "seq",
        "sessions",
    )

    def __init__(self, trader: str, cash: int, moves: Moves) -> None:
        super().__init__(trader, cash, moves)
        self.seq = self.sessions = 0
        self.frozen = self.held = self.bankrupt = self.forgot = False
        self.open_sessions: dict[int, bool] = _EMPTY
        self.resting: dict[int, OrderRecord] = _EMPTY
        self.by_client_id: dict[str, OrderRecord | RefusedOrder] = _EMPTY
        self._first_closed: OrderRecord | RefusedOrder | None = None
        self._last_closed: OrderRecord | RefusedOrder | None = None
        self._closed_count = 0
        self._closed_by_id: dict[int, OrderRecord] | None = None

    def state(self) -> AccountState:
        if self.bankrupt:
            return AccountState.BANKRUPT
        return AccountState.FROZEN if self.frozen or self.held else AccountState.ACTIVE

    def next_seq(self) -> int:
        self.seq += 1
        return self.seq

    def log_in(self, *, cancel_on_disconnect: bool) -> int:
        """Begin a session and return its number."""
        self.sessions += 1
        if not self.open_sessions:
            self.open_sessions = {}
        self.open_sessions[self.sessions] = cancel_on_disconnect
        return self.sessions

    def log_out(self, session: int) -> bool:
        """End a session; whether its orders were to be cancelled had it been lost."""
        cancel_on_disconnect = self.open_sessions.pop(session)
        if not self.open_sessions:
            self.open_sessions = _EMPTY
        return cancel_on_disconnect

    # -------------------------------------------------------------------------------------------- open orders

    def opened(self, record: OrderRecord) -> None:
        """The order rests in a book from now on."""
        if not self.resting:
            self.resting = {}
        self.resting[record.id] = record

    def left_book(self, record: OrderRecord) -> None:
        """The order rests no longer."""
        del self.resting[record.id]
        if not self.resting:
            self.resting = _EMPTY

    def open_orders(self, symbol: str | None = None) -> list[OrderRecord]:
        """All open orders, or those of one instrument, by order id."""
        records = sorted(self.resting.values(), key=_BY_ID)
        if symbol is None:
            return records
        return [record for record in records if record.order.symbol == symbol]

    # -------------------------------------------------------------------------------------- remembered orders

    def enter(self, entry: OrderRecord | RefusedOrder) -> None:
        """Remember an order under its client id, if it has one."""
        client_order_id = entry.order.client_order_id
        if client_order_id is not None:
            if not self.by_client_id:
                self.by_client_id = {}
            self.by_client_id[client_order_id] = entry

    def burn(self, refused: RefusedOrder) -> None:
        """Remember a refused order under its client id."""
        assert refused.order.client_order_id is not None
        self.enter(refused)
        self.closed(refused)

    def closed(self, entry: OrderRecord | RefusedOrder) -> None:
        """The order is over; from now on it is remembered only among the last MAX_REMEMBERED_ORDERS."""
        if self._last_closed is None:
            self._first_closed = entry
        else:
            self._last_closed.next = entry
        self._last_closed = entry
        self._closed_count += 1
        if self._closed_by_id is not None and isinstance(entry, OrderRecord):
            self._closed_by_id[entry.id] = entry
        if self._closed_count > MAX_REMEMBERED_ORDERS:
            self._forget_first()

    def _forget_first(self) -> None:
        entry = self._first_closed
        assert entry is not None
        self.forgot = True
        self._first_closed, entry.next = entry.next, None
        self._closed_count -= 1
        if self._closed_by_id is not None and isinstance(entry, OrderRecord):
            del self._closed_by_id[entry.id]
        if entry.order.client_order_id is not None:
            del self.by_client_id[entry.order.client_order_id]

    def closed_orders(self) -> list[OrderRecord | RefusedOrder]:
        """The closed and refused orders that are remembered, in the order in which they closed."""
        found, entry = [], self._first_closed
        while entry is not None:
            found.append(entry)
            entry = entry.next
        return found

    def known_orders(self) -> list[OrderRecord]:
        """The accepted orders that are remembered, open or closed, by order id."""
        closed = [entry for entry in self.closed_orders() if isinstance(entry, OrderRecord)]
        return sorted([*closed, *self.resting.values()], key=_BY_ID)

    def order_count(self) -> int:
        """How many orders are remembered, open, closed and refused."""
        return len(self.resting) + self._closed_count

    def remembered_order(
        self, order_id: int | None, client_order_id: str | None
    ) -> OrderRecord | RefusedOrder | None:
        """The order, open, closed or refused, that every given id names."""
        if client_order_id is None:
            if order_id is None:
                return None
            return self._accepted_order(order_id)
        named = self.by_client_id.get(client_order_id)
        if order_id is None or (isinstance(named, OrderRecord) and named.id == order_id):
            return named
        return None

    def _accepted_order(self, order_id: int) -> OrderRecord | None:
        """Few traders ask for closed orders by id, so the first who does pays for the index."""
        found = self.resting.get(order_id)
        if found is not None:
            return found
        if self._closed_by_id is None:
            closed = self.closed_orders()
            self._closed_by_id = {
                entry.id: entry for entry in closed if isinstance(entry, OrderRecord)
            }
        return self._closed_by_id.get(order_id)

    # ---------------------------------------------------------------------------------------------- snapshots

    def capture(self) -> dict[str, Any]:
        """Its state as plain values."""
        return {
            **{name: getattr(self, name) for name in _KEPT},
            "open_sessions": [
                [session, cancel] for session, cancel in self.open_sessions.items()
            ],
            "positions": {
                symbol: position.capture() for symbol, position in self.positions.items()
            },
            "orders": [record.capture() for record in self.known_orders()],
            "remembered": [_remembered(entry) for entry in self.closed_orders()],
        }

    def restore(self, values: dict[str, Any], markets: Mapping[str, Valuation]) -> None:
        """Take over what `capture` gave; the open orders have yet to be put into the books again."""
        for name in _KEPT:
            setattr(self, name, values[name])
        self.open_sessions = dict(values["open_sessions"]) or _EMPTY
        for symbol, numbers in values["positions"].items():
            self.position(markets[symbol]).restore(numbers)
        self.valued_at = -1  # its sums are still those of an account without positions
        self._restore_orders(values["orders"], values["remembered"])

    def _restore_orders(self, accepted: list[list[Any]], remembered: list[Any]) -> None:
        records = {}
        for recorded in accepted:
            record = restored_record(recorded, self.positions)
            records[record.id] = record
            self.enter(record)
        for entry in remembered:
            if isinstance(entry, int):
                self.closed(records.pop(entry))
            else:
                self.burn(restored_refusal(entry))
        self.resting = records or _EMPTY


def _remembered(entry: OrderRecord | RefusedOrder) -> Any:
    """The id of an order that stands among the accepted ones already, or all that is known of a refused
    one."""
    return entry.id if isinstance(entry, OrderRecord) else entry.capture()
