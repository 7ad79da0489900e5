"""WebSocket frames (RFC 6455, section 5) as bytes: a server's own, and a client's fragments.

There is no socket here, so that every rule can be tested with plain bytes. Whole messages never pass
`Fragments`: picows delivers them complete. A server's frames carry no mask, so a frame made once can be
written to every connection.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable

MAX_MESSAGE_BYTES = 64 * 1024
"""A longer message, in one frame or in many, closes its connection with 1009."""

CONTINUATION, TEXT, CLOSE, PING, PONG = 0x0, 0x1, 0x8, 0x9, 0xA
_FINAL, _RESERVED, _MASKED, _MASK_BYTES = 0x80, 0x70, 0x80, 4
_SHORT_HEADERS = tuple(bytes((_FINAL | TEXT, size)) for size in range(126))


class ProtocolError(Exception):
    """The client broke the protocol: close its connection with `code`; `reason` says what was wrong."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def frames(messages: Iterable[bytes]) -> bytes:
    """Each message (UTF-8) as one text frame, joined, to be written to any number of connections."""
    parts: list[bytes] = []
    for message in messages:
        size = len(message)
        if size < 126:
            parts.append(_SHORT_HEADERS[size])
        elif size < 65_536:
            parts.append(b"\x81\x7e" + size.to_bytes(2, "big"))
        else:
            parts.append(b"\x81\x7f" + size.to_bytes(8, "big"))
        parts.append(message)
    return b"".join(parts)


def control_frame(opcode: int, payload: bytes = b"") -> bytes:
    """A close, ping or pong frame; `payload` has at most 125 bytes."""
    assert len(payload) <= 125, f"control frame of {len(payload)} bytes"
    return bytes((_FINAL | opcode, len(payload))) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; a reason of more than 123 bytes is cut."""
    text = reason.encode()[:123].decode("utf-8", "ignore")
    return control_frame(CLOSE, code.to_bytes(2, "big") + text.encode())


def close_reply(payload: bytes) -> bytes:
    """The answer to a client's close frame: its own code, or 1000 without one.

    ProtocolError at an illegal code.
    """
    if not payload:
        return close_frame(1000)
    code = int.from_bytes(payload[:2], "big")
    if not _may_be_sent(code):
        raise ProtocolError(1002, f"close code {code} must not be sent")
    return close_frame(code)


def _may_be_sent(code: int) -> bool:
    """Section 7.4 and the codes registered since; 1005, 1006 and 1015 never appear in a frame."""
    return code in (1000, 1001, 1002, 1003) or 1007 <= code <= 1014 or 3000 <= code <= 4999


def check_text(message: bytes) -> None:
    """ProtocolError when `message` is not valid UTF-8."""
    try:
        message.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(1007, f"invalid UTF-8 at byte {error.start}") from None


class Fragments:
    """One message in fragments: the part that has come, and the size that its frames announce.

    `look_ahead` reads the sizes off the headers as they arrive, before picows has the whole frames. So the
    bound holds for the announced size, and no more than the bound is ever kept.
    """

    def __init__(self, first: bytes, behind_it: bytes) -> None:
        """`first` is the first fragment, `behind_it` the raw bytes that have arrived after it."""
        self._text = codecs.getincrementaldecoder("utf-8")()
        self._message = bytearray()
        self._announced = len(first)
        self._header = b""
        self._skip = 0
        self._all_announced = False
        self.look_ahead(behind_it)
        self.add(first)

    def add(self, payload: bytes, final: bool = False) -> None:
        """The next fragment. ProtocolError as soon as the text cannot become valid UTF-8."""
        try:
            self._text.decode(payload, final)
        except UnicodeDecodeError:
            raise ProtocolError(1007, "invalid UTF-8 in a fragmented message") from None
        self._message += payload

    def message(self) -> bytes:
        """The whole message, when the last fragment has been added."""
        return bytes(self._message)

    def look_ahead(self, fresh: bytes) -> None:
        """Take raw bytes as they arrive. ProtocolError when this message's frames announce too much."""
        if self._all_announced:
            return
        stream = self._header + fresh
        start = self._skip
        while (size := _announced_size(stream, start)) is not None:
            header_bytes, payload_bytes = size
            if self._announces_all(stream[start], stream[start + 1], payload_bytes):
                self._all_announced = True
                return
            start += header_bytes + payload_bytes
        self._header = stream[start:]
        self._skip = max(0, start - len(stream))

    def _announces_all(self, first_byte: int, second_byte: int, payload_bytes: int) -> bool:
        """Count the frame with this header. True when it is the last, or one that may not come here."""
        opcode = first_byte & 0x0F
        is_broken = first_byte & _RESERVED or not second_byte & _MASKED
        if is_broken or opcode not in (CONTINUATION, PING, PONG):
            return True
        if opcode == CONTINUATION:
            self._announced += payload_bytes
            if self._announced > MAX_MESSAGE_BYTES:
                raise ProtocolError(1009, f"message of more than {MAX_MESSAGE_BYTES} bytes")
        return opcode == CONTINUATION and bool(first_byte & _FINAL)


def _announced_size(stream: bytes, start: int) -> tuple[int, int] | None:
    """Sizes of header (with its mask) and payload of the frame at `start`; None while they are unknown."""
    if len(stream) < start + 2:
        return None
    size = stream[start + 1] & 0x7F
    extended = {126: 2, 127: 8}.get(size, 0)
    length_end = start + 2 + extended
    if len(stream) < length_end:
        return None
    if extended:
        size = int.from_bytes(stream[start + 2 : length_end], "big")
    return 2 + extended + _MASK_BYTES, size
