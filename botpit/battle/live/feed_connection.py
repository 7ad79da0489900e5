"""A connection to the feed that outlives every round, and the present round's market behind it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from botpit.battle.feed import BattleFeed
from botpit.io.link import Link
from botpit.io.log import fields

FIRST_SNAPSHOT_S = 2.0
"""A round begins without a picture of the market when the feed has none to show by then."""
FRESH_SNAPSHOT_S = 2.0
_CONNECTING = "connecting"

log = logging.getLogger(__name__)


class FeedConnection:
    """`feed` is the present round's. Raises ValueError when `uri` is not an address."""

    def __init__(self, uri: str) -> None:
        self.feed = BattleFeed()
        self.link = Link(
            uri, on_open=lambda: self.feed.opening(), on_frame=self._frame, on_state=self._state
        )
        self.reason = _CONNECTING
        """Why there is no connection, or "connected"."""
        self._changed = asyncio.Event()

    async def begin_round(self, began: Mapping[str, float], newcomers: float | None) -> None:
        """Forget the last round and wait for the first picture of the market, if the feed is there to show
        one."""
        self.feed = BattleFeed(began, newcomers)
        self._send(self.feed.opening())
        await self.until(
            lambda: self.feed.mirror.market_id is not None or self._cannot_connect(),
            FIRST_SNAPSHOT_S,
        )

    async def look(self, what: str) -> bool:
        """Have the market shown as it is now; False: there was no answer, and all is as last seen.

        `what` is a word that was not used before in this round.
        """
        requests = self.feed.ask(what)
        asked = await self.until(lambda: self._send(requests), FRESH_SNAPSHOT_S)
        if asked and await self.until(lambda: self.feed.answered, FRESH_SNAPSHOT_S):
            return True
        log.warning(
            "no fresh snapshot: the standings are those last seen %s",
            fields(when=what, feed=self.reason),
        )
        return False

    async def until(self, seen: Callable[[], bool], within_s: float) -> bool:
        """Wait until something is seen; False: it was not, within so many seconds."""
        try:
            async with asyncio.timeout(within_s):
                while not seen():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return seen()
        return True

    def _send(self, requests: list[str]) -> bool:
        sent = [self.link.send(request) for request in requests]
        return all(sent)

    def _cannot_connect(self) -> bool:
        return not self.link.connected and self.reason != _CONNECTING

    def _frame(self, frame: bytes) -> None:
        try:
            self._send(self.feed.received(frame))
        except ValueError as error:
            log.error("a frame cannot be read %s", fields(reason=str(error)[:300]))
        self._changed.set()

    def _state(self, connected: bool, reason: str) -> None:
        if reason != self.reason:
            log.info(
                "%s %s",
                "connected" if connected else "disconnected",
                fields(uri=self.link.uri, reason=reason),
            )
        if not connected:
            self.feed.session.lost()
        self.reason = reason
        self._changed.set()
