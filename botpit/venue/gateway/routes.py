"""What the gateway needs to know of each kind of request, as one row of a table.

A request takes the same way whatever it asks: may this session ask it, for whom, can it be understood, how fast; then
it is carried out. Only the first and the last request of a session, `login` and `logout`, have rules of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from botpit.core.events import Reason
from botpit.venue.gateway.sessions import Reply, Scope, Session
from botpit.wire.decode import refusal
from botpit.wire.encode import fault_bytes

Rate = Literal["requests", "cancels"]
Act = Callable[[Session, Any, str, int], Reply]
"""Session, what was understood, trader, now in ns."""


def as_it_is(request: Any, trader: str, session: Session) -> Any:
    """A request that is understood when it can be read."""
    return request


@dataclass(frozen=True, slots=True)
class Route:
    """`scope` None: for every session. `understand` raises FieldError when the fields do not go together."""

    scope: Scope | None
    act: Act
    rate: Rate = "requests"
    understand: Callable[[Any, str, Session], Any] = as_it_is
    names_trader: bool = True


def refuse(request: Any, reason: Reason, now_ns: int, **details: object) -> Reply:
    """The refusal of a request that could be read, by the gateway itself."""
    return fault_bytes(refusal(request, reason, **details), now_ns), []
