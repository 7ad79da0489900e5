"""Why an export cannot begin or go on: each trouble is a sentence that says what to do, and an exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXIT_USAGE, EXIT_DAMAGED, EXIT_WRITE_FAILED = 2, 4, 5


class ExportError(Exception):
    """The base of them all. `exit_code` is the process's."""

    exit_code = EXIT_USAGE


class Unusable(ExportError):
    """The folder is in use, or holds what is not ours."""


class Damaged(ExportError):
    """The files are not what was recorded of them."""

    exit_code = EXIT_DAMAGED


class WriteFailed(ExportError):
    """The system refused to write."""

    exit_code = EXIT_WRITE_FAILED


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """An OSError within is WriteFailed, and names the file."""
    try:
        yield
    except OSError as error:
        raise WriteFailed(f"{path} cannot be written: {error.strerror or error}") from error
