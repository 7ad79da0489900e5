"""The two ports of a server as peers of its sockets: order entry with its turns, and the feed.

This is where the pure rooms meet the event loop. A *turn* reads what the sockets have brought,
carries it out one command after another, and then, in this order: writes the journal, sends each
session its answers and private events, sends the public events, sends the views. What one of these
steps does for many commands it does for all of them in one go, and each socket gets one joined
write per turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import time_ns

from botpit.history.journal.segments import DiscardingJournal, Journal
from botpit.io.gate import Gate, Gated
from botpit.io.server import Connection, frames
from botpit.venue.feed.publisher import Feed
from botpit.venue.feed.subscriptions import Delivery, Reader, Sink, Subscriptions
from botpit.venue.gateway.sessions import Session
from botpit.venue.turn import MAX_INBOX, Turns, Written

CATCH_UP_PAUSE_S = 0.002
LAST_PAST_S = 2.0
"""So long a reader may still take the past that it asked for when its port is to be closed."""
LAST_VIEWS_S, A_VIEW_S = 2.0, 0.05
"""So long a market that ends waits for the last update of each book, and how often it looks."""
CATCH_UP_WAITING_BYTES = 65_536
"""A reader gets the next slice of the past when less than this waits to be sent to it."""


def deliver(deliveries: list[Delivery]) -> None:
    """Send each group its messages: framed once, written once per reader."""
    for messages, readers in deliveries:
        joined = frames(messages)
        for reader in readers:
            reader.sink.write(joined)


class FeedPort:
    """One port of readers; without a `gate` nothing that they are sent has to wait."""

    def __init__(self, subscriptions: Subscriptions, gate: Gate | None = None) -> None:
        self._subscriptions = subscriptions
        self._gate = gate
        self._catching_up = False

    def connect(self, connection: Connection) -> FeedPeer:
        return FeedPeer(
            self,
            self._subscriptions,
            Gated(connection, self._gate) if self._gate else connection,
        )

    def keep_catching_up(self) -> None:
        """Send slices of the past to those who asked for it, as fast as each of them reads."""
        if not self._catching_up:
            self._catch_up()

    async def caught_up(self) -> None:
        """Wait until each has the past that he asked for; not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_PAST_S):
                while self._catching_up:
                    await asyncio.sleep(CATCH_UP_PAUSE_S)

    def _catch_up(self) -> None:
        behind = self._subscriptions.catching_up()
        for reader in behind:
            if (
                reader.sink.waiting_bytes < CATCH_UP_WAITING_BYTES
                and not self._subscriptions.catch_up(reader, time_ns())
            ):
                reader.sink.close(1008, "slow_consumer")
        self._catching_up = bool(behind)
        if behind:
            asyncio.get_running_loop().call_later(CATCH_UP_PAUSE_S, self._catch_up)


class FeedPeer:
    """One reader's connection."""

    def __init__(self, port: FeedPort, subscriptions: Subscriptions, sink: Sink) -> None:
        self._port = port
        self._subscriptions = subscriptions
        self._reader = Reader(sink)
        subscriptions.join(self._reader, time_ns())

    def received(self, message: bytes) -> None:
        self._subscriptions.receive(self._reader, message, time_ns())
        self._port.keep_catching_up()

    def lost(self) -> None:
        self._subscriptions.leave(self._reader)


class OrderPeer:
    """One session's connection."""

    def __init__(self, port: OrderPort, turns: Turns, connection: Gated) -> None:
        self._port = port
        self._turns = turns
        self.connection = connection
        self.session = turns.connect()

    def received(self, message: bytes) -> None:
        waiting = self._turns.receive(self.session, message)
        if waiting == 1:
            self._port.arm()
        elif waiting == MAX_INBOX:
            self.connection.pause_reading()

    def lost(self) -> None:
        self._port.lost(self)


class OrderPort:
    """The turns of one market on the event loop: sockets bring frames, turns are taken, sockets are
    written to.

    `failed` ends with the exception when the exchange itself or its disk is at fault; nothing more
    is sent to anybody then. `gate` stands before all sockets: shut while a journal that is asked
    for it has yet to make durable what they would send.
    """

    def __init__(self, turns: Turns, feed: Feed, journal: Journal | DiscardingJournal) -> None:
        self.gate = Gate()
        self._syncing: asyncio.Future[None] | None = None
        self._turns = turns
        self._feed = feed
        self._journal = journal
        self._peers: dict[Session, OrderPeer] = {}
        self._armed = False
        self._view_timer: asyncio.TimerHandle | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # -------------------------------------------------------------------------------------- sockets

    def connect(self, connection: Connection) -> OrderPeer:
        peer = OrderPeer(self, self._turns, Gated(connection, self.gate))
        self._peers[peer.session] = peer
        return peer

    def lost(self, peer: OrderPeer) -> None:
        del self._peers[peer.session]
        self._turns.lose(peer.session)
        self.arm()

    # ---------------------------------------------------------------------------------------- turns

    def tick(self) -> None:
        """Let time pass: expiries, marks, heartbeats."""
        self._write(self._turns.tick())
        self._write(self._turns.heartbeats())

    def finish(self) -> None:
        """Write what commands outside of any turn have caused."""
        self._write(self._turns.finish())

    def arm(self) -> None:
        """Have a turn taken soon."""
        if not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_soon(self._guarded, self._turn)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            if not self.failed.done():
                work()
        except Exception as error:
            self.failed.set_exception(error)

    def _turn(self) -> None:
        self._armed = False
        if self.gate.full:
            return  # until the disk has caught up
        self._write(self._turns.run())
        if self._turns.waiting:
            self.arm()

    def _write(self, written: Written) -> None:
        """Journal, then answers and private events, then public events and views."""
        self._journal.write()
        if self._journal.holds:
            self.gate.hold(self._journal.written)
            self._sync()
        for session, messages in written.sessions:
            self._send(session, messages)
        deliver(written.deliveries)
        for session in written.readable:
            if session in self._peers:
                self._peers[session].connection.resume_reading()
        self._wake_for_views()

    def _send(self, session: Session, messages: list[bytes]) -> None:
        peer = self._peers.get(session)
        if peer is None:
            return
        peer.connection.send(messages)
        if session.ended:
            peer.connection.close(1000)

    def _wake_for_views(self) -> None:
        due_ns = self._feed.next_view_ns()
        if due_ns is not None and self._view_timer is None:
            delay_s = max(0, due_ns - time_ns()) / 1_000_000_000
            self._view_timer = asyncio.get_running_loop().call_later(
                delay_s, self._guarded, self._publish_views
            )

    def _publish_views(self) -> None:
        self._view_timer = None
        self.finish()

    # -------------------------------------------------------------------------------------- the end

    def drain(self) -> None:
        """Take everything that still waits, however long that is."""
        while self._turns.waiting and not self.failed.done() and not self.gate.full:
            self._guarded(self._turn)

    async def end(self) -> None:
        """Take everything that still waits, and send the last state of each book."""
        await self.settle()
        clock = asyncio.get_running_loop().time
        until_s = clock() + LAST_VIEWS_S
        while self._view_timer is not None and clock() < until_s:
            await asyncio.sleep(A_VIEW_S)
            await self.settle()

    async def settle(self) -> None:
        """Take everything that still waits, and wait until all that it caused may be sent."""
        self.drain()
        while self._syncing is not None:
            await asyncio.wait({self._syncing})
            await asyncio.sleep(0)
            self.drain()

    def _sync(self) -> None:
        """Have the journal made durable in another thread; what is written meanwhile is the next one's."""
        if self._syncing is None and not self.failed.done():
            self._syncing = asyncio.get_running_loop().run_in_executor(None, self._journal.sync)
            self._syncing.add_done_callback(
                lambda done: self._guarded(lambda: self._synced(done))
            )

    def _synced(self, done: asyncio.Future[None]) -> None:
        self._syncing = None
        done.result()
        self.gate.release(self._journal.synced)
        if self._journal.holds:
            self._sync()
        if self._turns.waiting:
            self.arm()


async def every(interval_s: float, action: Callable[[], None]) -> None:
    """Do it again and again, on a steady beat, until cancelled."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + interval_s, loop.time())
        await asyncio.sleep(due - loop.time())
        action()
