"""The bounds of a server's sockets.

They stand apart from the settings, so that a relay need not import pydantic to have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Bounds(Protocol):
    """Seconds and bytes. `botpit.settings.ServerSettings` is one."""

    @property
    def slow_reader_bytes(self) -> int: ...
    @property
    def max_connections_per_address(self) -> int: ...
    @property
    def ping_s(self) -> float: ...
    @property
    def pong_s(self) -> float: ...
    @property
    def handshake_s(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualBounds:
    """The defaults of `ServerSettings`, for a server without a settings file."""

    slow_reader_bytes: int = 1_048_576
    max_connections_per_address: int = 256
    ping_s: float = 5
    pong_s: float = 5
    handshake_s: float = 5
