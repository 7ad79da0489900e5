"""Events in the plain form in which the second engine speaks: (class name, {field: value})."""

from dataclasses import fields
from functools import cache
from typing import Any


@cache
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.compare)


def plain(event: Any) -> tuple[str, dict[str, Any]]:
    shown = {name: getattr(event, name) for name in _names(type(event))}
    if "order" in shown:
        shown["order"] = {name: getattr(event.order, name) for name in _names(type(event.order))}
    return type(event).__name__, shown
