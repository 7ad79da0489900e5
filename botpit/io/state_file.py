"""A file with the present state of its process, for others to read and for its successor to continue from.

It is replaced whole, so that a reader, or a successor after a kill -9, finds one state and never half of two.
A failing disk is logged once and has no other effect: the process still has the state, and a later attempt
may succeed.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from botpit.io.files import open_private, replace_file
from botpit.io.log import fields

MAX_STATE_BYTES = 2**20

_log = logging.getLogger(__name__)


class StateFileError(ValueError):
    """A state file that cannot be read or made; the text is the reason."""


class StateFile:
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = ""
        self._failed = False

    def read(self) -> str | None:
        """Its content; None when there is no file. Makes its folder if need be. Raises StateFileError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not stat.S_ISREG(os.lstat(self.path).st_mode):
                raise StateFileError("is not a regular file")
            with open(self.path, "rb", opener=open_private) as file:
                content = file.read(MAX_STATE_BYTES + 1)
            if len(content) > MAX_STATE_BYTES:
                raise StateFileError(f"has more than {MAX_STATE_BYTES} bytes")
            return content.decode("utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateFileError(error.strerror) from error
        except UnicodeDecodeError as error:
            raise StateFileError("is not UTF-8 text") from error

    def keep(self, text: str) -> None:
        """Write this state. Of several failures in a row the first is logged."""
        if text == self._kept:
            return
        try:
            replace_file(self.path, text)
        except OSError as error:
            if not self._failed:
                _log.error(
                    "cannot be written %s", fields(file=self.path, reason=error.strerror)
                )
            self._failed = True
        else:
            self._kept = text
            self._failed = False
