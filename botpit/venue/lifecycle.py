"""One market on its two ports, from its first socket to its last.

The pure rooms are wired together here and given a clock and an end. When a market ends nothing of
it is left: the next one is another `Venue`, so that a market that follows another begins as one
after a start of the process does.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from time import monotonic, monotonic_ns, time_ns
from traceback import format_exception
from typing import Any

from botpit.core.commands import Reconfigure
from botpit.io.files import write_new
from botpit.io.listen import Endpoint
from botpit.io.log import fields
from botpit.settings import Settings
from botpit.venue.gateway.gateway import Culprit, Gateway
from botpit.venue.loader import LoadedMarket
from botpit.venue.server import FeedPort, OrderPort, every
from botpit.venue.tokens import Token
from botpit.venue.turn import Turns

IDLE_COLLECTION_S = 60.0
"""Full garbage collections happen this often at most, and only while nobody trades."""
log = logging.getLogger(__name__)


class Halted(Exception):
    """The exchange itself is at fault: the log says how, and nobody was sent anything more."""


class Venue:
    """The parts of one market. To its gateway it is the operator, known by its token."""

    def __init__(
        self,
        market: LoadedMarket,
        settings: Settings,
        token: Token,
        for_orders: Endpoint,
        for_events: Endpoint,
    ) -> None:
        live = market.live
        self.exchange, self.feed, self.folder = live.exchange, live.feed, market.folder
        self.gateway = Gateway(
            live,
            market.journal,
            self,
            max_requests_per_s=settings.market.max_requests_per_s,
            max_cancels_per_s=settings.market.max_cancels_per_s,
        )
        turns = Turns(self.gateway, live.feed, time_ns, monotonic_ns)
        self.traders = OrderPort(turns, live.feed, market.journal)
        self.readers = FeedPort(live.feed.subscriptions, self.traders.gate)
        self._market = market
        self.state = "open"
        self._settings = settings
        self._token = token
        self._for_orders, self._for_events = for_orders, for_events
        self._reopened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opened = monotonic()
        self._collected, self._seq_then = monotonic(), 0

    @property
    def market_id(self) -> str:
        return self.exchange.market_id

    async def open(self) -> None:
        """Let everybody in. Raises PortError when one cannot be had, OSError when the journal
        cannot be written.
        """
        if self._market.is_recovered:
            self._go_on()
        bounds = self._settings.server
        self.orders = await self._for_orders.open(self.traders.connect, bounds, self.health)
        self.events = await self._for_events.open(self.readers.connect, bounds, self.health)

    def _go_on(self) -> None:
        """What is to be done first in a market that an earlier process left: take over its rules,
        end its sessions.
        """
        changes = self._market.changes
        if changes is not None:
            self.gateway.reconfigure(Reconfigure(changes.rules, changes.instruments), time_ns())
            log.info("reconfigured %s", fields(market_id=self.market_id))
        self.gateway.end_sessions(time_ns())
        self.traders.finish()

    def health(self) -> dict[str, object]:
        return {
            "uptime_s": round(monotonic() - self._opened, 3),
            "seq": self.feed.seq,
            "sessions": self.gateway.sessions(),
            "market_id": self.market_id,
            "state": self.state,
        }

    # --------------------------------------------------------------------------------- the operator

    def knows(self, token: str) -> bool:
        return self._token.matches(token)

    def closed(self, symbols: list[str]) -> None:
        log.info("closed %s", fields(market_id=self.market_id, symbols=",".join(symbols)))

    def reopen(self) -> None:
        if not self._reopened.done():
            self._reopened.set_result(None)

    # ----------------------------------------------------------------------------- from open to end

    async def trade(self, stop: asyncio.Future[str]) -> bool:
        """Trade until told to stop, or until the operator wants another market (True). Raises Halted."""
        clock = asyncio.create_task(every(self._settings.market.tick_ms / 1_000, self._tick))
        faults: list[asyncio.Future[Any]] = [
            clock,
            self.orders.failed,
            self.events.failed,
            self.traders.failed,
        ]
        ends: list[asyncio.Future[Any]] = [stop, self._reopened, *faults]
        _spare_what_stays()
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        is_sound = not any(each.done() for each in faults)
        self.state = "stopping" if is_sound else "halted"
        clock.cancel()
        if is_sound:
            await self._end(reopening=self._reopened.done())
        else:
            await self._break_off()
        fault = next((each for each in faults if each.done() and not each.cancelled()), None)
        if fault is not None or stop.done():
            self._for_orders.release()
            self._for_events.release()
        self._market.journal.close()
        if fault is not None:
            self._log_fault(fault.exception())
            raise Halted
        return not stop.done()

    async def _end(self, *, reopening: bool) -> None:
        """Close both ports, after everybody got what is still his."""
        await self.traders.settle()
        await asyncio.gather(
            self._for_orders.close(self.orders, reopening=reopening), self.readers.caught_up()
        )
        await self.traders.end()
        await self._for_events.close(self.events, reopening=reopening)

    async def _break_off(self) -> None:
        """Send nobody anything more, but that it is over."""
        await asyncio.gather(self.orders.halt(), self.events.halt())

    def _log_fault(self, fault: BaseException | None) -> None:
        if isinstance(fault, OSError):
            remedy = (
                "what was acknowledged is safe; make room or mend the disk, then start again"
            )
            log.critical(
                "halted: the journal cannot be written %s",
                fields(reason=fault, folder=self.folder, remedy=remedy),
            )
            return
        log.critical("halted by a fault of the exchange itself", exc_info=fault)
        if isinstance(fault, Culprit) and self.folder is not None:
            path = write_new(
                self.folder / "crash.txt", f"{fault}\n{''.join(format_exception(fault))}"
            )
            log.critical("the command is not in the journal, but here %s", fields(file=path))

    def _tick(self) -> None:
        """Let time pass; use a quiet moment to collect garbage."""
        self.traders.tick()
        quiet, self._seq_then = self.feed.seq == self._seq_then, self.feed.seq
        if quiet and monotonic() - self._collected > IDLE_COLLECTION_S:
            gc.collect()
            _spare_what_stays()
            self._collected = monotonic()


def _spare_what_stays() -> None:
    """What lives now is not looked at by the collector again, and full collections come in quiet
    moments only.

    Orders, accounts and the past mostly stay, and looking through those of a large market stops it
    for a second. Of what is new only the youngest are looked at in between: one generation more
    would stop the market for a tenth of a second.
    """
    gc.freeze()
    gc.set_threshold(2_000, 1_000_000, 1_000_000)


def forget_what_was() -> None:
    """A market's parts name each other: when it is over only a full collection frees it, one that
    spares nothing.
    """
    gc.unfreeze()
    gc.collect()
