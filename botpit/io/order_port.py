"""What a battle asks of the exchange's order port: what accounts have, and, as the operator, to close and to begin anew.

Each conversation is a short one on a socket of its own: a request, its answer, the next. Nothing is kept open between them, so
that there is nothing to lose while bots trade for hours.
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
"""Request -> its answer; any of them may be answered by `error` instead. What else comes (heartbeats) is not for us."""
ACCOUNTS_WITHIN_S = 5.0
OPERATOR_WITHIN_S = 10.0
RETRY_S = 0.25
OPERATOR = "@house"
NOTHING_TO_CLOSE = "market_halted"
"""The reason of a refused `close` of everything when all is closed."""

Request = dict[str, Any]
Answer = dict[str, Any]
_log = logging.getLogger(__name__)


class OrderPortError(Exception):
    """No answer, or none of sense; the text says why."""


class Refused(OrderPortError):
    """The exchange answered with an error; the text is its reason."""


async def ask(uri: str, requests: Iterable[Request], within_s: float) -> list[Answer]:
    """Send one request after the other and return their answers, `error` among them. Raises OrderPortError."""
    try:
        async with (
            asyncio.timeout(within_s),
            connect(uri, compression=None, proxy=None, open_timeout=None, close_timeout=1.0) as connection,
        ):
            return [await _answer(connection, request) for request in requests]
    except TimeoutError as error:
        raise OrderPortError(f"no answer within {within_s:g} s") from error
    except (OSError, WebSocketException, ValueError) as error:
        raise OrderPortError(f"{error}" or type(error).__name__) from error


async def _answer(connection: ClientConnection, request: Request) -> Answer:
    await connection.send(json.dumps(request))
    while True:
        answer = json.loads(await connection.recv())
        if isinstance(answer, dict) and answer.get("type") in (ANSWERS[request["type"]], "error"):
            return answer


# ---------------------------------------------------------------------------------------------------------------- accounts


async def equities(uri: str, trader_ids: Sequence[str]) -> tuple[dict[str, float], float | None]:
    """The equity of each trader, of a new account where there is none yet, and the cash of a new account.

    Of whom the exchange tells nothing, nothing is known; it need not be there at all.
    """
    newcomer = f"newcomer-{secrets.token_hex(8)}"
    try:
        requests = [{"type": "account", "trader_id": each} for each in (*trader_ids, newcomer)]
        answers = await ask(uri, requests, ACCOUNTS_WITHIN_S)
    except OrderPortError as error:
        _log.info("accounts are not known before the start %s", fields(uri=uri, reason=error))
        return {}, None
    told = {answer["trader_id"]: float(answer["total_equity"]) for answer in answers if answer["type"] == "account"}
    return told, told.pop(newcomer, None)


# ------------------------------------------------------------------------------------------------------------------- house


class Operator:
    """The exchange's own door, for whoever has the token. All raise OrderPortError, among them Refused."""

    def __init__(self, uri: str, token: str) -> None:
        self.uri = uri
        self._login: Request = {"type": "login", "trader_id": OPERATOR, "token": token}

    async def knock(self) -> None:
        """See whether the token opens; waits a while for an exchange that is not there yet."""
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
        """Close every instrument that is still open and settle all accounts; returns the settlement price by symbol."""
        try:
            answer = await self._enter({"type": "close"})
        except Refused as error:
            if str(error) == NOTHING_TO_CLOSE:
                return {}
            raise
        return {str(symbol): float(price) for symbol, price in answer["settlement"].items()}

    async def reopen(self) -> None:
        """Have a new market begin: it has begun when the feed tells of another `market_id`."""
        await self._enter({"type": "reopen"})

    async def _enter(self, *requests: Request) -> Answer:
        """Log in and ask; returns the last answer."""
        answers = await ask(self.uri, [self._login, *requests], OPERATOR_WITHIN_S)
        for answer in answers:
            if answer["type"] == "error":
                raise Refused(str(answer.get("reason")))
        return answers[-1]
