"""Addresses to listen on, and where this machine's own programs reach a server that listens there."""

from __future__ import annotations

_LOOPBACK = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""For a server that listens on every address."""


def local_address(host: str) -> str:
    """Where programs on this machine reach a server that listens on `host`."""
    return _LOOPBACK.get(host, host)


def local_uri(host: str, port: int) -> str:
    """The same as a WebSocket address: `ws://127.0.0.1:9001`, `ws://[::1]:9001`."""
    return f"ws://{bracketed(local_address(host))}:{port}"


def bracketed(host: str) -> str:
    """`host` as it stands in a URI: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
