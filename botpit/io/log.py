"""What a program says: one line per log record, and text from strangers made harmless."""

from __future__ import annotations

import logging
import sys
import time

LOG_LEVELS = ("debug", "info", "warning", "error")
"""What `--log-level` takes."""
CRASH_TRACEBACK_CHARS = 8_000
"""The last so many characters of a traceback are logged."""


def configure_logging(component: str, level: str) -> None:
    """Log to stderr, one line per record: `2026-01-01T00:00:00.000Z INFO exchange message key=value`.

    `level` is one of LOG_LEVELS. The `websockets` library speaks up only from warnings on: at debug it would log whole frames.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(component))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("websockets").setLevel(logging.WARNING)


class _OneLine(logging.Formatter):
    """A record as one line of printable text, whatever its arguments or its traceback hold."""

    def __init__(self, component: str) -> None:
        super().__init__()
        self._component = component

    def format(self, record: logging.LogRecord) -> str:
        seconds, ms = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)), int(record.msecs)
        line = f"{seconds}.{ms:03d}Z {record.levelname} {self._component} {record.getMessage()}"
        if record.exc_info:
            line += " " + fields(traceback=self.formatException(record.exc_info)[-CRASH_TRACEBACK_CHARS:])
        return printable(line)


def printable(text: str) -> str:
    """`text` with every character that could move a cursor, hide or end a line written as its escape (`\\n`, `\\x1b`)."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def fields(**values: object) -> str:
    """`key=value key2="quoted text"` for a log line: on one line and readable back, whatever the values hold."""
    return " ".join(f"{key}={_field(str(value))}" for key, value in values.items())


def _field(text: str) -> str:
    if text and text.isprintable() and not any(c in text for c in ' "=\\'):
        return text
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'
