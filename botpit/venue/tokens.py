"""The operator's token: a secret in a file for its owner's eyes only, made when it is not there.

A file, because arguments and environments are seen by others and end up in logs. What was read is
kept as a digest: no error, log or crash can show what is not known here.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from botpit.io.files import open_private
from botpit.io.log import fields

MIN_CHARS = 32
MAX_CHARS = 256
"""What a login takes."""
_MAX_FILE_BYTES = 4_096
_MADE_BYTES = 32
_OTHERS = 0o077
_log = logging.getLogger(__name__)


class TokenError(Exception):
    """A token file that cannot be used; the text says what is wrong with it and what to do."""


class Token:
    """A token to compare others with."""

    def __init__(self, text: str) -> None:
        self._digest = _digest(text)

    def matches(self, offered: str) -> bool:
        """Takes the same time for every wrong one of a length, however much of it is right."""
        return compare_digest(self._digest, _digest(offered))


def read_token(path: Path | None) -> Token:
    """The token in the file, which is made (0600, and never over anything) when it is not there;
    None: one that nobody knows.

    Raises TokenError.
    """
    if path is None:
        return Token(secrets.token_hex(_MADE_BYTES))
    try:
        try:
            return Token(_read(path))
        except FileNotFoundError:
            return Token(make_token(path))
    except OSError as error:
        raise TokenError(error.strerror or str(error)) from error


def _read(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with open(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise TokenError("it is not a file")
        if os.name == "posix" and mode & _OTHERS:
            raise TokenError(f"others than its owner may use it; chmod 600 {path}")
        content = file.read(_MAX_FILE_BYTES)
    try:
        text = content.decode().strip()
    except UnicodeDecodeError as error:
        raise TokenError("it is not UTF-8 text") from error
    if not MIN_CHARS <= len(text) <= MAX_CHARS:
        raise TokenError(
            f"it holds {len(text)} characters, a token has {MIN_CHARS} to {MAX_CHARS}; "
            "without a file one is made"
        )
    return text


def make_token(path: Path) -> str:
    """A new token, also in a file that is not there yet. Raises OSError."""
    text = secrets.token_hex(_MADE_BYTES)
    with open(path, "x", encoding="ascii", opener=open_private) as file:
        file.write(text + "\n")
    _log.info("made the operator's token %s", fields(file=path))
    return text


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
