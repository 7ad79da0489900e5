"""The checks of an HTTP request before it becomes a WebSocket.

A page in a browser can send requests to 127.0.0.1, directly or through a name that it points there (DNS
rebinding). The browser then names the page in Origin, or that name in Host; so both must be ours, on /healthz
too. No answer repeats words of the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from picows import WSUpgradeRequest, WSUpgradeResponse

from botpit.io.addresses import bracketed

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(.+)", re.IGNORECASE)


class Reception:
    """Answers the HTTP requests that do not become WebSockets."""

    def __init__(self, bound_host: str, health: Callable[[], dict[str, object]]) -> None:
        self._hosts = {"127.0.0.1", "localhost", "[::1]", bracketed(bound_host).lower()}
        self._health = health

    def answer(self, request: WSUpgradeRequest) -> WSUpgradeResponse | None:
        """The response to a refused request or one for /healthz; None when it may become a WebSocket."""
        headers = request.headers
        path, _, _ = request.path.partition(b"?")
        if not self._is_ours(request):
            hosts = ", ".join(sorted(self._hosts))
            return _response(
                403, f"403: Host, and Origin where there is one, must be one of {hosts}"
            )
        if path == b"/healthz":
            return _response(200, json.dumps(self._health()), "application/json")
        if headers.get("Upgrade", "").lower() != "websocket":
            text = "426: this is a WebSocket server; over HTTP it answers /healthz alone"
            return _response(426, text, Upgrade="websocket")
        if headers.get("Sec-WebSocket-Version") != "13":
            text = "426: WebSocket version 13 is spoken here"
            return _response(426, text, **{"Sec-WebSocket-Version": "13"})
        connection = ",".join(headers.getall("Connection", []))
        if "upgrade" in re.split(r"[\s,]+", connection.lower()):
            # Firefox sends "keep-alive, Upgrade"; picows accepts only the one word.
            headers["Connection"] = "upgrade"
        return None

    def _is_ours(self, request: WSUpgradeRequest) -> bool:
        hosts = request.headers.getall("Host", [])
        origins = request.headers.getall("Origin", [])
        if len(hosts) != 1 or len(origins) > 1:
            return False
        return self._is_our_host(hosts[0]) and all(
            self._is_our_origin(origin) for origin in origins
        )

    def _is_our_host(self, text: str) -> bool:
        host = _HOST.fullmatch(text)
        return host is not None and host[1].lower() in self._hosts

    def _is_our_origin(self, text: str) -> bool:
        origin = _ORIGIN.fullmatch(text)
        return origin is not None and self._is_our_host(origin[1])


def _response(
    status: int, body: str, content_type: str = "text/plain; charset=utf-8", **headers: str
) -> WSUpgradeResponse:
    headers = {"Content-Type": content_type, "Cache-Control": "no-store", **headers}
    text = body.encode() + b"\n"
    if status < 400:
        response: WSUpgradeResponse = WSUpgradeResponse.create_ok_response(text, headers)
    else:
        response = WSUpgradeResponse.create_error_response(status, text, headers)
    return response
