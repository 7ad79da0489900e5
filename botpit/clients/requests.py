"""A request of either port as its sender writes it down: what is None is left out."""

from __future__ import annotations

from typing import Any

from message_schemas import FeedRequest, TradingRequest


def request_fields(request: FeedRequest | TradingRequest) -> dict[str, Any]:
    """The request's type, then its fields, in the order of its class."""
    fields = {name: getattr(request, name) for name in request.__struct_fields__}
    return {"type": request.type} | {
        name: value for name, value in fields.items() if value is not None
    }
