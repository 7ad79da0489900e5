"""What the gateway needs to know of each kind of request, as one row of a table.

A request takes the same way whatever it asks: may this session ask it, for whom, can it be
understood, how fast; then it is carried out. Only the first and the last request of a session,
`login` and `logout`, have rules of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botpit.core.commands import Command
from botpit.core.events import Reason
from botpit.venue.gateway.sessions import Rate, Reply, Scope, Session
from botpit.wire.decode import refusal
from botpit.wire.encode import fault_bytes

Understand = Callable[[Any, str, Session], Any]
"""A request, its trader and its session to what `act` takes. Raises FieldError when its fields do
not go together.
"""
Act = Callable[[Any, int, Session], Reply]
"""Carries out what was understood, now (in ns), for a session."""
Perform = Callable[[Command, int, Session], Reply]
"""The same for a command of the engine."""


def for_trader(request: Any, trader: str, session: Session) -> tuple[Any, str]:
    """A request that can be read is understood: it asks about this trader."""
    return request, trader


@dataclass(frozen=True, slots=True)
class Route:
    """`scope` None: for every session. `names_trader`: it may name its trader, and must without a login."""

    scope: Scope | None
    act: Act
    rate: Rate = "requests"
    understand: Understand = for_trader
    names_trader: bool = True


def refuse(request: Any, reason: Reason, now_ns: int, **details: object) -> Reply:
    """The refusal of a request that could be read, by the gateway itself."""
    return fault_bytes(refusal(request, reason, **details), now_ns), []
