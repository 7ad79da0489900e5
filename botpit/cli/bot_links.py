"""A bot's brain on its two links: what comes is handed to it, what it wants is sent, and its log is written.

The brain has neither sockets nor clock; here it is lent both.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress

from botpit.bots import Brain, Notice, Output, report_text, request_text
from botpit.io.limits import CpuLimitReached
from botpit.io.link import Link
from botpit.io.log import fields
from botpit.io.rate_limited_log import RateLimitedLog
from botpit.io.state_file import StateFile
from message_schemas import (
    LoggedIn,
    Message,
    OrderAccepted,
    OrderRequest,
    SubscribeRequest,
    parse_messages,
)

GOODBYE_S = 1.0
"""How long a stopping bot waits for the answer to its cancel_all; a lost connection cancels as well."""
SUMMARY_S = 10.0
"""Fills are summed up in the log this often."""
REPORT_S = 2.0
"""The report is written at most this often, and at each login, so before any order is sent."""
TROUBLE_LINES_PER_S = 10
"""Refused orders, crashes and hints beyond this are counted instead of logged."""

_log = logging.getLogger("bot")


class Bot:
    """A brain on its two links, and its `report` with what the brain counts.

    `over` is set when it is to stop: the strategy has failed, or somebody said so.
    """

    def __init__(
        self,
        brain: Brain,
        *,
        gateway_uri: str,
        feed_uri: str,
        decision_interval_s: float,
        report: StateFile | None = None,
    ) -> None:
        self.brain = brain
        self.over = asyncio.Event()
        self._report = report
        self._said_goodbye = asyncio.Event()
        self._gateway = Link(
            gateway_uri,
            on_open=self._greeting,
            on_frame=self._gateway_frame,
            on_state=self._gateway_state,
        )
        self._feed = Link(
            feed_uri,
            on_open=self._subscription,
            on_frame=self._feed_frame,
            on_state=self._feed_state,
        )
        self._decision_interval_s = decision_interval_s
        self._trouble = RateLimitedLog(_log, per_s=TROUBLE_LINES_PER_S)
        self._link_reasons: dict[str, str] = {}

    async def trade(self) -> None:
        """Connect, listen and decide until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._gateway.run())
            group.create_task(self._feed.run())
            group.create_task(self._sum_up())
            group.create_task(self._keep_report())
            while True:
                await asyncio.sleep(self._decision_interval_s)
                self._carry_out(self.brain.timer(now_ms()))

    async def say_goodbye(self) -> None:
        """Cancel all own orders and log out, as far as the exchange answers within a second."""
        self._carry_out(self.brain.stop(now_ms()))
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await self._said_goodbye.wait()

    def cpu_limit_reached(self) -> None:
        """Give the strategy up, whatever it does at this moment, as one that has failed."""
        self.brain.runner.give_up(CpuLimitReached("CPU limit reached"))

    def write_report(self) -> None:
        if self._report is not None:
            self._report.keep(report_text(self.brain.session.trader_id, self.brain.counts))

    def summary(self) -> str:
        counts = self.brain.counts
        done = {"accepted": counts.accepted, "fills": counts.fills, "lots": counts.filled_qty}
        rejected = {
            f"rejected_{reason}": times for reason, times in sorted(counts.rejected.items())
        }
        holds = self.brain.state.summary()
        return fields(
            **done, **holds, rejected=counts.rejected.total(), **rejected, **counts.summary()
        )

    # -------------------------------------------------------------------------------------------------- links

    def _greeting(self) -> Iterable[str]:
        return map(request_text, self.brain.gateway_opened(now_ms()))

    def _subscription(self) -> Iterable[str]:
        return map(request_text, self.brain.feed_opened())

    def _gateway_frame(self, frame: bytes) -> None:
        for message in self._messages(frame):
            self._carry_out(self.brain.gateway_message(message, now_ms()))
            if isinstance(message, LoggedIn):
                self.write_report()
            if isinstance(message, OrderAccepted):
                ids = fields(order_id=message.order_id, client_order_id=message.client_order_id)
                _log.debug("accepted %s", ids)

    def _feed_frame(self, frame: bytes) -> None:
        for message in self._messages(frame):
            self._carry_out(self.brain.feed_message(message, now_ms()))

    def _gateway_state(self, connected: bool, reason: str) -> None:
        self._note_link("gateway", self._gateway.uri, connected, reason)
        if not connected:
            self.brain.gateway_lost()
            self._carry_out([])

    def _feed_state(self, connected: bool, reason: str) -> None:
        self._note_link("feed", self._feed.uri, connected, reason)
        if not connected:
            self.brain.feed_lost()

    def _messages(self, frame: bytes) -> list[Message]:
        try:
            return parse_messages(frame)
        except ValueError as error:
            self._trouble.say(
                logging.WARNING, "ignored a frame that is not a message", {"reason": error}
            )
            return []

    def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Notice():
                    level = logging.INFO if output.routine else logging.WARNING
                    self._trouble.say(level, output.what, output.details, output.error)
                case SubscribeRequest():
                    self._feed.send(request_text(output))
                case _:
                    if self._gateway.send(request_text(output)) and isinstance(
                        output, OrderRequest
                    ):
                        self.brain.handed_over(output)
        if self.brain.failed:
            self.over.set()
        if self.brain.finished:
            self._said_goodbye.set()

    # ---------------------------------------------------------------------------------------------------- log

    def _note_link(self, name: str, uri: str, connected: bool, reason: str) -> None:
        """Log a failed attempt once, not at each of its repetitions."""
        if self._link_reasons.get(name) != reason:
            self._link_reasons[name] = reason
            what = "connected" if connected else "not connected"
            _log.info("%s %s", what, fields(to=name, uri=uri, reason=reason))

    async def _sum_up(self) -> None:
        logged = 0
        while True:
            await asyncio.sleep(SUMMARY_S)
            if self.brain.counts.fills != logged:
                logged = self.brain.counts.fills
                _log.info("trading %s", self.summary())

    async def _keep_report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self.write_report()


def now_ms() -> int:
    return time.time_ns() // 1_000_000
