"""One client of a server: what reaches its Peer, what it is sent, and how it is closed.

A connection passes through these states, and never goes back:

- *Opening*: the socket is accepted, the handshake is not done. There is no Peer yet, nothing is sent, and the
  server ends such a connection by aborting its socket.
- *Open* (`upgraded`): `connect` has made the Peer, which receives each whole message in the callback in which
  the message arrives. `pause_reading` stops the flow without a change of state.
- *Closing* (`closing`): no more messages are delivered, but answers to earlier ones still go out. The client
  causes this: by a close frame, by a frame that breaks the protocol, or by the end of its stream. It lasts
  one turn of the event loop, so that the answers come before the close frame.
- *Sealed* (`_sealed`): the close frame is written, and nothing is sent after it. What we cause ourselves
  (`close`, a client that reads too slowly or leaves a ping unanswered) seals at once, without a turn of
  closing.
- *Gone*: the client has closed the socket, or GRACE_S after the seal we have aborted it.

The Peer hears of an end once, by `lost`, when the socket is gone, whichever way led there; before and after
its time `_NOBODY` stands in its place. A Peer that raises is our own fault: the exception goes to
`on_failure`, never to the client.

Every state has a bound: the handshake `handshake_s` (the server's parser keeps it), silence `ping_s` and then
`pong_s`, a message MAX_MESSAGE_BYTES, unread output `slow_reader_bytes`, the end GRACE_S.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from botpit.io.bounds import Bounds
from botpit.io.frames import (
    PING,
    PONG,
    Fragments,
    ProtocolError,
    check_text,
    close_frame,
    close_reply,
    control_frame,
    frames,
)
from botpit.io.log import fields

GRACE_S = 2.0
"""So long a client has to read what was written and to answer a close, until its socket is aborted."""
BEHIND_BYTES = 65_536
"""The event loop reports when more than this waits, and only then a write counts it. No bound may be less."""

_TEXT = WSMsgType.TEXT
_log = logging.getLogger(__name__)


class Peer(Protocol):
    """The server's side of one connection. A call that raises ends the server: see `Server.failed`."""

    def received(self, message: bytes) -> None:
        """One whole text message: valid UTF-8, at most 64 KiB."""

    def lost(self) -> None:
        """The connection is over, for whatever reason. Called once."""


class _Nobody:
    """Stands in for a Peer before the handshake and after the end."""

    def received(self, message: bytes) -> None:
        raise AssertionError("a message before the handshake or after the end")

    def lost(self) -> None:
        pass


_NOBODY = _Nobody()


class Connection(WSListener):
    """A client as its Peer sees it; `closing` is true once no more of its messages will be delivered.

    `behind`: by the event loop's last report, more than BEHIND_BYTES wait for the client.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        address: str,
        settings: Bounds,
        connect: Callable[[Connection], Peer],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.address = address
        self.closing = False
        self.upgraded = False
        self.behind = False
        self._transport = transport
        transport.set_write_buffer_limits(BEHIND_BYTES)
        self._settings = settings
        self._connect = connect
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._peer: Peer = _NOBODY
        self._paused = False
        self._quiet_s = 0.0
        self._fresh = b""
        self._fragments: Fragments | None = None
        self._stream_ended = False
        self._ending = False
        self._last_frame = b""
        self._sealed = False
        self._abort: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------------------------------- for the Peer

    def send(self, messages: Iterable[bytes]) -> None:
        """Send each message (UTF-8) as a text frame, all in one write. Nothing is sent after a close."""
        self.write(frames(messages))

    def write(self, frames: bytes) -> None:
        """Send frames made by `frames()` in one write. It may have any size, so that a snapshot may be as
        large as its market.

        A client for which more than `slow_reader_bytes` of earlier output wait is closed with 1008 instead.
        """
        if self._sealed:
            return
        if self.behind and self.waiting_bytes > self._settings.slow_reader_bytes:
            self._too_slow()
        else:
            self._transport.write(frames)

    def close(self, code: int, reason: str = "") -> None:
        """Close now: send a close frame, then send and deliver nothing more. `reason`: at most 123 bytes."""
        if not self._sealed:
            self._seal()
            self._finish(close_frame(code, reason))

    @property
    def waiting_bytes(self) -> int:
        """Output that the socket has not taken yet."""
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Read no more from the socket; bytes already read (less than 128 KiB) are still delivered."""
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._paused = False
        self._transport.resume_reading()

    # --------------------------------------------------------------------------------------- called by picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.upgraded = True
        try:
            self._peer = self._connect(self)
        except Exception as error:
            self._on_failure(error)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self.closing:
            return
        self._quiet_s = 0.0
        try:
            if frame.rsv1 or frame.rsv2 or frame.rsv3:
                raise ProtocolError(1002, "reserved bits are set")
            if frame.msg_type is _TEXT and frame.fin and self._fragments is None:
                message = frame.get_payload_as_bytes()
                if not message.isascii():
                    check_text(message)
                self._peer.received(message)
            else:
                self._take(frame)
        except ProtocolError as error:
            self._refuse(error)
        except Exception as error:
            self._on_failure(error)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._seal()
        if self._abort is not None:
            self._abort.cancel()
        peer, self._peer = self._peer, _NOBODY
        try:
            peer.lost()
        except Exception as error:
            self._on_failure(error)

    def _take(self, frame: WSFrame) -> None:
        """Any frame except a whole text message."""
        payload = frame.get_payload_as_bytes()
        match frame.msg_type:
            case WSMsgType.PING:
                self.write(control_frame(PONG, payload))
            case WSMsgType.CLOSE:
                self._end_after_this_turn(close_reply(payload))
                self.closing = True
            case WSMsgType.BINARY:
                raise ProtocolError(1003, "binary messages are not taken")
            case WSMsgType.TEXT if self._fragments is None:
                behind_it = self._fresh[len(self._fresh) - frame.tail_size :]
                self._fragments = Fragments(payload, behind_it)
            case WSMsgType.TEXT:
                raise ProtocolError(
                    1002, "a new message before the end of the one in fragments"
                )
            case WSMsgType.CONTINUATION:
                self._continue(payload, frame.fin)

    def _continue(self, payload: bytes, final: bool) -> None:
        if self._fragments is None:
            raise ProtocolError(1002, "a continuation of nothing")
        self._fragments.add(payload, final)
        if final:
            message = self._fragments.message()
            self._fragments = None
            self._peer.received(message)

    # ----------------------------------------------------------------------------------- called by the server

    def arriving(self, fresh: bytes) -> bool:
        """Take raw bytes before picows gets them. False: the connection takes no more."""
        self._fresh = fresh
        if self._fragments is not None:
            try:
                self._fragments.look_ahead(fresh)
            except ProtocolError as error:
                self._refuse(error)
        return not (self._ending or self.closing)

    def broken(self, code: int, reason: str) -> None:
        """picows cannot parse the input; the frame before it may still be on its way here."""
        if self.closing:
            return
        is_about_length = code == 1002 and reason.endswith("64-bit payload length")
        if is_about_length and b"\xff" + bytes(6) not in self._fresh:
            # picows has one text for two faults. A length that needs no 64 bits begins with six zeros; else
            # it is too long.
            code = 1009
        self._end_after_this_turn(self._fault(code, reason))

    def stream_ended(self) -> bool:
        """The client will send nothing more. True: answers may still go out before the socket is closed."""
        if self._sealed:
            return False
        self.closing = True
        self._stream_ended = True
        self._end_after_this_turn(self._last_frame)
        return True

    def time_passed(self, seconds: float) -> None:
        """Called by the server's clock: ping a silent client, drop one that does not answer."""
        if self._sealed or self._paused:
            return
        before = self._quiet_s
        self._quiet_s += seconds
        if before < self._settings.ping_s <= self._quiet_s:
            self.write(control_frame(PING))
        elif self._quiet_s >= self._settings.ping_s + self._settings.pong_s:
            self._seal()
            self._finish(self._fault(1008, "ping_timeout"))
            self._transport.abort()

    # ------------------------------------------------------------------------------------------------ the end

    def _too_slow(self) -> None:
        self._seal()
        self._finish(self._fault(1008, "slow_consumer"))

    def _refuse(self, error: ProtocolError) -> None:
        self.closing = True
        self._end_after_this_turn(self._fault(error.code, error.reason))

    def _fault(self, code: int, reason: str) -> bytes:
        """The close frame for what the client did wrong."""
        _log.info("client closed %s", fields(address=self.address, code=code, reason=reason))
        return close_frame(code, reason)

    def _end_after_this_turn(self, last_frame: bytes) -> None:
        """Close with this frame, once the answers to earlier messages are out.

        picows reports a broken frame before it delivers the frame ahead of it. So a later call replaces the
        last frame, and two `call_soon`s put the end behind the answer to the frame ahead.
        """
        if not self._ending:
            self._ending = True
            self._loop.call_soon(self._loop.call_soon, self._end_now)
        self._last_frame = last_frame

    def _end_now(self) -> None:
        if not self._sealed:
            self._seal()
            self._finish(self._last_frame)

    def _seal(self) -> None:
        self.closing = self._sealed = True

    def _finish(self, last_frame: bytes) -> None:
        """Send the last frame, and leave it to the client to close the socket.

        If we closed it while the client still sends, TCP would reset it, and the client could lose the close
        frame and all other output that it has not read.
        """
        if self._transport.is_closing():
            return
        self._transport.write(last_frame)
        if self._stream_ended:
            self._transport.close()
        else:
            self._transport.write_eof()
            self._transport.resume_reading()
        self._abort = self._loop.call_later(GRACE_S, self._transport.abort)
