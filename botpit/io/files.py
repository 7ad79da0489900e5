"""Files that our processes write: safely named, private to their owner, never over a foreign file.

Ids of the wire become file names here and nowhere else: an id may hold `/` and `:`, or be `..`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

MAX_NUMBERED_FILES = 10_000


def file_name(text: str) -> str:
    """`text` as the name of one file or folder that is neither hidden nor a way up."""
    quoted = quote(text, safe="@")
    if quoted.startswith("."):
        return "%2E" + quoted[1:]
    return quoted


def open_private(path: str, flags: int) -> int:
    """An `opener` that makes files with mode 0600 and follows no symbolic link."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)


def new_folder(path: Path) -> Path:
    """Make the folder `path`, or `name-2`, `name-3` … beside it if it exists; return its path.

    Raises OSError.
    """
    for free in _numbered(path):
        try:
            free.mkdir(parents=True)
            return free
        except FileExistsError:
            continue
    raise _all_taken(path)


def write_new(path: Path, text: str) -> Path:
    """Write `text` to `path`, or to `name-2`, `name-3` … beside it if it exists; return the file's path.

    Raises OSError. No half-written file is left under any of these names.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(draft, "x", encoding="utf-8", opener=open_private) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        return _link_to_free_name(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def replace_file(path: Path, text: str) -> None:
    """Replace the content of `path` by `text` at once: a reader finds the old text or the new, whichever
    process dies.

    A symbolic link is replaced, not followed. Raises OSError; `path` is then as it was. The new text may be
    lost in a power cut.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)  # left by a killed process with our pid
    try:
        with open(draft, "x", encoding="utf-8", opener=open_private) as file:
            file.write(text)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _link_to_free_name(draft: Path, path: Path) -> Path:
    for free in _numbered(path):
        try:
            os.link(draft, free)
            return free
        except FileExistsError:
            continue
    raise _all_taken(path)


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in range(2, MAX_NUMBERED_FILES + 1):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def _all_taken(path: Path) -> FileExistsError:
    numbered = MAX_NUMBERED_FILES - 1
    return FileExistsError(
        f"{path} and {numbered} numbered ones beside it exist already; move some away"
    )
