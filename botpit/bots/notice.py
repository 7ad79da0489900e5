"""What a brain hands out: requests for the gateway and the feed, and notices for the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from message_schemas import SubscribeRequest, TradingRequest


@dataclass(frozen=True, slots=True)
class Notice:
    """Something whoever runs the bot should know.

    `routine`: it happens in any market. `error`: what the strategy raised, if that is it.
    """

    what: str
    details: dict[str, object]
    routine: bool = False
    error: Exception | None = None


Output = TradingRequest | SubscribeRequest | Notice
"""A SubscribeRequest is for the feed, every other request for the gateway; a Notice is for the log."""
Notify = Callable[[Notice], None]
"""Where a notice goes."""
