"""A program's log: one line per record, with text from strangers made harmless."""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime

LOG_LEVELS = ("debug", "info", "warning", "error")
"""The choices of `--log-level`."""
CRASH_TRACEBACK_CHARS = 8_000
"""A longer traceback is logged from its end."""


def configure_logging(component: str, level: str) -> None:
    """Log to stderr, one line per record: `2026-01-01T00:00:00.000Z INFO exchange message key=value`.

    `level` is one of LOG_LEVELS. The `websockets` library logs only warnings and errors: at debug it would
    log whole frames.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("websockets").setLevel(logging.WARNING)


class _OneLine(logging.Formatter):
    """A record as one line of printable text, whatever its arguments or its traceback contain."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        moment = f"{seconds}.{int(record.msecs):03d}Z"
        line = f"{moment} {record.levelname} {self._component} {record.getMessage()}"
        if record.exc_info:
            traceback = self.formatException(record.exc_info)
            line += " " + fields(traceback=traceback[-CRASH_TRACEBACK_CHARS:])
        return printable(line)


def utc_now() -> str:
    """`2026-01-01T00:00:00.000+00:00`: ISO-8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def printable(text: str) -> str:
    """`text` with escapes (`\\n`, `\\x1b`) for what could move a cursor, hide text or end a line."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def fields(**values: object) -> str:
    """`key=value key2="quoted text"` for a log line: on one line and readable back, whatever the values."""
    return " ".join(f"{key}={_field(str(value))}" for key, value in values.items())


def _field(text: str) -> str:
    if text and text.isprintable() and not any(c in text for c in ' "=\\'):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'
