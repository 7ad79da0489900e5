"""Events in the plain form in which the second engine speaks: (class name, {field: value})."""

from functools import cache
from typing import Any

from botpit.core.commands import Order


@cache
def _names(kind: type) -> tuple[str, ...]:
    names: tuple[str, ...] = kind.__struct_fields__
    return (
        names[:-1] if kind is Order else names
    )  # all but the session: it says by which way, not what


def plain(event: Any) -> tuple[str, dict[str, Any]]:
    shown = {name: getattr(event, name) for name in _names(type(event))}
    if "order" in shown:
        shown["order"] = {
            name: getattr(event.order, name) for name in _names(type(event.order))
        }
    return type(event).__name__, shown
