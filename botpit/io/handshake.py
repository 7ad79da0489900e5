"""Who may speak to a server here at all: the checks of an HTTP request before it becomes a WebSocket.

A page in a browser can send requests to 127.0.0.1, straight or through a name that it points there (DNS rebinding). The browser
then names the page in Origin, or that name in Host; so both must be ours, on /healthz too. No answer repeats what was asked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from picows import WSUpgradeRequest, WSUpgradeResponse

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE)
_ORIGIN = re.compile(r"https?://(.+)", re.IGNORECASE)


class Reception:
    """Answers the HTTP requests that are not to become WebSockets."""

    def __init__(self, bound_host: str, health: Callable[[], dict[str, object]]) -> None:
        bound = f"[{bound_host}]" if ":" in bound_host else bound_host
        self._hosts = {"127.0.0.1", "localhost", "[::1]", bound.lower()}
        self._health = health

    def answer(self, request: WSUpgradeRequest) -> WSUpgradeResponse | None:
        """The response to a request that is refused or asks for /healthz; None when it may become a WebSocket."""
        if not self._is_ours(request):
            return _response(403, f"403: Host, and Origin where there is one, must be one of {', '.join(sorted(self._hosts))}")
        if request.path.partition(b"?")[0] == b"/healthz":
            return _response(200, json.dumps(self._health()), "application/json")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return _response(426, "426: this is a WebSocket server; over HTTP it answers /healthz alone", Upgrade="websocket")
        if request.headers.get("Sec-WebSocket-Version") != "13":
            return _response(426, "426: WebSocket version 13 is spoken here", **{"Sec-WebSocket-Version": "13"})
        if "upgrade" in re.split(r"[\s,]+", ",".join(request.headers.getall("Connection", [])).lower()):
            request.headers["Connection"] = "upgrade"  # Firefox says "keep-alive, Upgrade"; picows knows the one word alone
        return None

    def _is_ours(self, request: WSUpgradeRequest) -> bool:
        hosts = request.headers.getall("Host", [])
        origins = request.headers.getall("Origin", [])
        if len(hosts) != 1 or len(origins) > 1:
            return False
        return self._is_our_host(hosts[0]) and all(self._is_our_origin(origin) for origin in origins)

    def _is_our_host(self, text: str) -> bool:
        host = _HOST.fullmatch(text)
        return host is not None and host[1].lower() in self._hosts

    def _is_our_origin(self, text: str) -> bool:
        origin = _ORIGIN.fullmatch(text)
        return origin is not None and self._is_our_host(origin[1])


def _response(status: int, body: str, content_type: str = "text/plain; charset=utf-8", **headers: str) -> WSUpgradeResponse:
    headers = {"Content-Type": content_type, "Cache-Control": "no-store", **headers}
    text = body.encode() + b"\n"
    if status < 400:
        response: WSUpgradeResponse = WSUpgradeResponse.create_ok_response(text, headers)
    else:
        response = WSUpgradeResponse.create_error_response(status, text, headers)
    return response
