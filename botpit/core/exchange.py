"""The exchange as one deterministic machine: a command and a time in, events out.

No clock, no chance, no input or output, integers only. A client's mistake is a refusal, which is an event;
our own mistake is an assert, which stops the process. For a client's command the first event is its answer.
What traders ask is done in `entry` and `sessions`, what the operator asks in `admin`, what time brings in
`ticks`; all of it by the moves of `ledger`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from botpit.core import admin, entry, sessions, ticks
from botpit.core.commands import (
    AdminCommand,
    Cancel,
    CancelAll,
    Command,
    Login,
    Logout,
    Order,
    Replace,
    SessionLost,
    Tick,
)
from botpit.core.events import Answer, Event
from botpit.core.ledger import Ledger
from botpit.core.prospects import Outcome

_DOING: dict[type[Command], Callable[[Any, Any], Answer | None]] = {
    Order: entry.place,
    Cancel: entry.cancel,
    CancelAll: entry.cancel_all,
    Replace: entry.replace,
    Login: sessions.log_in,
    Logout: sessions.log_out,
    SessionLost: sessions.lose,
    Tick: ticks.tick,
    **dict.fromkeys(get_args(AdminCommand), admin.obey),
}
"""What each command does, but for `Open`: a market is opened once, by the Exchange made of it."""


class Exchange(Ledger):
    """All markets and accounts. `apply` is the only way in; everything else only looks."""

    def apply(self, command: Command, now_ns: int) -> Outcome:
        """Advance by one command; time never runs backwards. Never raises on a client's mistake."""
        self.let_time_pass(now_ns)
        events: list[Event] = []
        self.events = events
        answer = _DOING[type(command)](self, command)
        if self._moved or self._paid:
            self.emit_changed_positions()
        if type(command) is Tick:
            ticks.mark_to_market(self)
        if self.insurance != self.emitted_insurance:
            self.emit_insurance()
        return Outcome(answer, events)

    def next_due_ns(self, now_ns: int) -> int | None:
        """When a Tick may next change something, given no other command: at once, later, or (None) never."""
        return ticks.next_due_ns(self, now_ns)
