"""A log that cannot be flooded: lines beyond its rate are counted instead of written."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from botpit.io.log import fields


class RateLimitedLog:
    """Logs at most `per_s` lines a second; the first line after a flood follows the number left out."""

    def __init__(self, log: logging.Logger, *, per_s: int) -> None:
        self._log = log
        self._per_s = per_s
        self._second = 0
        self._logged = 0
        self._left_out = 0

    def say(
        self,
        level: int,
        text: str,
        details: Mapping[str, object],
        error: Exception | None = None,
    ) -> None:
        """Log `text key=value …`, with the traceback of `error`."""
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._logged = 0
        if self._logged >= self._per_s:
            self._left_out += 1
            return
        if self._left_out:
            self._log.warning("lines left out %s", fields(count=self._left_out))
            self._left_out = 0
        self._logged += 1
        self._log.log(level, "%s %s", text, fields(**details), exc_info=error)
