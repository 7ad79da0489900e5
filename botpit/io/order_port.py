"""A battle's requests to the order port: accounts' equity and, as the operator, close and reopen.

Each conversation is short and has a socket of its own: a request, its answer, the next request. No socket
stays open in between, so that none can be lost while bots trade for hours.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from botpit.io.log import fields

ANSWERS = {"login": "logged_in", "account": "account", "close": "closed", "reopen": "reopening"}
"""Request -> its answer; `error` may come instead of any. Other messages (heartbeats) are ignored."""
ACCOUNTS_WITHIN_S = 5.0
OPERATOR_WITHIN_S = 10.0
RETRY_S = 0.25
OPERATOR = "@house"
NOTHING_TO_CLOSE = "market_halted"
"""The reason with which the exchange refuses a `close` when every instrument is closed already."""

Request = dict[str, Any]
Answer = dict[str, Any]
_log = logging.getLogger(__name__)


class OrderPortError(Exception):
    """There was no answer, or no valid one; the text is the reason."""


class Refused(OrderPortError):
    """The exchange answered with an error; the text is its reason."""


async def ask(uri: str, requests: Iterable[Request], within_s: float) -> list[Answer]:
    """Send one request after the other; return their answers, `error` included. Raises OrderPortError."""
    connecting = connect(
        uri, compression=None, proxy=None, open_timeout=None, close_timeout=1.0
    )
    try:
        async with asyncio.timeout(within_s), connecting as connection:
            return [await _answer(connection, request) for request in requests]
    except TimeoutError as error:
        raise OrderPortError(f"no answer within {within_s:g} s") from error
    except (OSError, WebSocketException, ValueError) as error:
        raise OrderPortError(f"{error}" or type(error).__name__) from error


async def _answer(connection: ClientConnection, request: Request) -> Answer:
    await connection.send(json.dumps(request))
    while True:
        answer = json.loads(await connection.recv())
        if isinstance(answer, dict) and answer.get("type") in (
            ANSWERS[request["type"]],
            "error",
        ):
            return answer


# --------------------------------------------------------------------------------------------------- accounts


async def equities(
    uri: str, trader_ids: Sequence[str]
) -> tuple[dict[str, float], float | None]:
    """The equity of each trader (a new account's where it has none yet), and the cash of a new account.

    Traders that the exchange does not answer for are left out; without an exchange, that is all of them.
    """
    newcomer = f"newcomer-{secrets.token_hex(8)}"
    requests = [
        {"type": "account", "trader_id": trader_id} for trader_id in (*trader_ids, newcomer)
    ]
    try:
        answers = await ask(uri, requests, ACCOUNTS_WITHIN_S)
    except OrderPortError as error:
        _log.info("accounts are not known before the start %s", fields(uri=uri, reason=error))
        return {}, None
    accounts = [answer for answer in answers if answer["type"] == "account"]
    found = {account["trader_id"]: float(account["total_equity"]) for account in accounts}
    return found, found.pop(newcomer, None)


# --------------------------------------------------------------------------------------------------- operator


class Operator:
    """The operator's session, which needs the token. Its methods raise OrderPortError, also as Refused."""

    def __init__(self, uri: str, token: str) -> None:
        self.uri = uri
        self._login: Request = {"type": "login", "trader_id": OPERATOR, "token": token}

    async def knock(self) -> None:
        """Check the token; wait a while for an exchange that does not answer yet."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + OPERATOR_WITHIN_S
        while True:
            try:
                await self._enter()
                return
            except Refused:
                raise
            except OrderPortError:
                if loop.time() + RETRY_S > deadline_s:
                    raise
                await asyncio.sleep(RETRY_S)

    async def close(self) -> dict[str, float]:
        """Close every open instrument and settle all accounts; return the settlement price by symbol."""
        try:
            answer = await self._enter({"type": "close"})
        except Refused as error:
            if str(error) == NOTHING_TO_CLOSE:
                return {}
            raise
        return {str(symbol): float(price) for symbol, price in answer["settlement"].items()}

    async def reopen(self) -> None:
        """Ask for a new market: it has begun when the feed shows another `market_id`."""
        await self._enter({"type": "reopen"})

    async def _enter(self, *requests: Request) -> Answer:
        """Log in, send the requests, return the last answer."""
        answers = await ask(self.uri, [self._login, *requests], OPERATOR_WITHIN_S)
        for answer in answers:
            if answer["type"] == "error":
                raise Refused(str(answer.get("reason")))
        return answers[-1]
