"""A file that holds the present state of its process, for others to read and for its successor to continue from.

It is replaced whole, so that whoever reads it, or is started after a kill -9, finds one state and never half of two. A disk that
fails is told once and costs nothing else: the state is still in the process, and a later attempt may succeed.
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
    """A state file that cannot be read or made; the text says why."""


class StateFile:
    """The file at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = ""
        self._failed = False

    def read(self) -> str | None:
        """What it holds; None when it is not there, but could be: its folder is made if need be. Raises StateFileError."""
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
        """Hold this from now on. A failure is logged, but not the next ones in a row."""
        if text == self._kept:
            return
        try:
            replace_file(self.path, text)
        except OSError as error:
            if not self._failed:
                _log.error("cannot be written %s", fields(file=self.path, reason=error.strerror))
            self._failed = True
        else:
            self._kept, self._failed = text, False
