"""Why an export cannot begin or go on: each trouble is a sentence that says what to do, and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botpit.io.exit_codes import ExitCode, ProgramError


class ExportError(ProgramError):
    """The base of them all: `code` is that of a folder that is in use, or holds what is not ours."""

    code = ExitCode.USAGE

    def __init__(self, text: str) -> None:
        super().__init__(text, exit_code=self.code)


class Unusable(ExportError):
    """The folder is in use, or holds what is not ours."""


class Damaged(ExportError):
    """The files are not what was recorded of them."""

    code = ExitCode.DAMAGED


class WriteFailed(ExportError):
    """The system refused to write."""

    code = ExitCode.HALTED


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """An OSError within is WriteFailed, and names the file."""
    try:
        yield
    except OSError as error:
        raise WriteFailed(f"{path} cannot be written: {error.strerror or error}") from error
