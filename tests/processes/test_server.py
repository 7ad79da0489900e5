"""What the server of the house makes of frames, whole and broken, as raw bytes over a real socket,
on both event loops.
"""

from __future__ import annotations

import asyncio
import tracemalloc

import picows
import pytest
import websockets
from websockets.asyncio.client import connect

from botpit.io.frames import Fragments, ProtocolError
from tests.processes.raw_client import (
    BINARY,
    CLOSE,
    CONTINUATION,
    LIMIT,
    PING,
    PONG,
    TEXT,
    close,
    close_code,
    frame,
    house,
    on_both_loops,
    size_field,
    text,
)

# ----------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    "message",
    ["", "a", "é€𝄞", "x" * 125, "x" * 126, "x" * 65_535, "x" * LIMIT, "€" * 21_845 + "x"],
)
@on_both_loops
async def test_a_text_comes_whole(message: str) -> None:
    async with house() as here:
        client = await here.open()
        client.sends(text(message))
        assert await here.peer.hears() == message.encode()
        assert await client.gets() == (TEXT, b"heard %d" % len(message.encode()))


@on_both_loops
async def test_a_message_is_not_kept_back_until_the_buffer_is_empty() -> None:
    async with house() as here:
        client = await here.open()
        client.sends(text("one"), text("two")[:-1])
        assert await client.gets() == (TEXT, b"heard 3")
        client.sends(text("two")[-1:])
        assert await client.gets() == (TEXT, b"heard 3")
        assert here.peer.heard == [b"one", b"two"]


@on_both_loops
async def test_a_message_in_fragments_comes_whole_and_pings_between_are_answered() -> None:
    async with house() as here:
        client = await here.open()
        client.sends(
            frame(TEXT, b"one, ", final=False),
            frame(PING, b"still there?"),
            frame(CONTINUATION, b"", final=False),
        )
        assert await client.gets() == (PONG, b"still there?")
        client.sends(frame(PING), frame(CONTINUATION, b"two"), text("three"))
        assert await here.peer.hears()
        assert await client.gets() == (PONG, b"")
        assert await client.gets() == (TEXT, b"heard 8")
        assert here.peer.heard == [b"one, two", b"three"]


@pytest.mark.parametrize("sizes", [[30_000, 35_536], [LIMIT, 0, 0], [1] * 1_000 + [64_536]])
@on_both_loops
async def test_fragments_may_add_up_to_the_limit(sizes: list[int]) -> None:
    async with house() as here:
        client = await here.open()
        client.sends(*fragments(*sizes), *fragments(1, 1), *fragments(*sizes))
        assert [await client.gets() for _ in range(3)] == [
            (TEXT, b"heard 65536"),
            (TEXT, b"heard 2"),
            (TEXT, b"heard 65536"),
        ]


def fragments(*sizes: int) -> list[bytes]:
    last = len(sizes) - 1
    return [
        frame(CONTINUATION if i else TEXT, b"x" * size, final=i == last)
        for i, size in enumerate(sizes)
    ]


@on_both_loops
async def test_a_character_may_be_split_anywhere() -> None:
    characters = "aé€𝄞".encode()

    async with house() as here:
        client = await here.open()
        for split in range(len(characters) + 1):
            client.sends(
                frame(TEXT, characters[:split], final=False),
                frame(CONTINUATION, characters[split:]),
            )
            assert await here.peer.hears() == characters


@pytest.mark.parametrize("payload", [b"", b"x", b"x" * 125])
@on_both_loops
async def test_a_ping_is_answered_with_its_payload(payload: bytes) -> None:
    async with house() as here:
        client = await here.open()
        client.sends(frame(PONG, b"unasked"), frame(PING, payload))
        assert await client.gets() == (PONG, payload)


# ---------------------------------------------------------------------------------- broken protocol

INVALID_UTF8 = {
    "stray": b"\xbf",
    "overlong": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "too high": b"\xf4\x90\x80\x80",
    "cut": b"\xe2\x82",
}
BROKEN: dict[str, tuple[int, bytes]] = {
    **{f"reserved bit {bit}": (1002, text("x", reserved=bit)) for bit in (1, 2, 4)},
    "reserved bit, ping": (1002, frame(PING, reserved=4)),
    "reserved bit, pong": (1002, frame(PONG, reserved=1)),
    "reserved bit, close": (1002, frame(CLOSE, reserved=2)),
    "compressed": (1002, text(b"\xf2H\xcd\xc9\xc9\x07\x00", reserved=4)),
    **{
        f"opcode {opcode}": (1002, frame(opcode))
        for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)
    },
    "unmasked": (1002, text("x", masked=False)),
    "unmasked ping": (1002, frame(PING, masked=False)),
    "ping in fragments": (1002, frame(PING, final=False)),
    "close in fragments": (1002, frame(CLOSE, final=False)),
    "ping too long": (1002, frame(PING, b"x" * 126)),
    "close too long": (1002, frame(CLOSE, b"\x03\xe8" + b"x" * 124)),
    "continuation of nothing": (1002, frame(CONTINUATION, b"x")),
    "open continuation of nothing": (1002, frame(CONTINUATION, b"x", final=False)),
    "text within a message": (1002, frame(TEXT, b"x", final=False) + text("y")),
    "binary": (1003, frame(BINARY, b"x")),
    "binary in fragments": (1003, frame(BINARY, b"x", final=False)),
    "binary within a message": (1003, frame(TEXT, b"x", final=False) + frame(BINARY, b"y")),
    "16 bits for a small length": (
        1002,
        b"\x81" + size_field(125, width=2) + b"\0\0\0\0" + b"x" * 125,
    ),
    "64 bits for a small length": (1002, b"\x81" + size_field(LIMIT - 1, width=8)),
    "length with the top bit": (1009, b"\x81" + size_field(1 << 63, width=8)),
    "length of nothing but bits": (1009, b"\x81" + size_field((1 << 64) - 1, width=8)),
    "length of a terabyte": (1009, b"\x81" + size_field(1 << 40)),
    "one byte too long": (1009, b"\x81" + size_field(LIMIT + 1)),
    "65 KiB": (1009, text("x" * 66_560)),
    "fragments too long": (1009, b"".join(fragments(40_000, 25_536, 1))),
    "fragments announced too long": (
        1009,
        frame(TEXT, b"x" * 40_000, final=False) + b"\x80" + size_field(25_537),
    ),
    "fragments announced too long after a ping": (
        1009,
        frame(TEXT, final=False)
        + frame(PING)
        + frame(CONTINUATION, b"x" * LIMIT, final=False)
        + b"\x80"
        + size_field(1),
    ),
    "10,000 fragments": (1009, b"".join(fragments(*[7] * 10_000))),
    **{f"{name} UTF-8": (1007, text(b"ok" + wrong)) for name, wrong in INVALID_UTF8.items()},
    **{
        f"{name} UTF-8 in fragments": (
            1007,
            frame(TEXT, b"ok" + wrong[:1], final=False) + frame(CONTINUATION, wrong[1:]),
        )
        for name, wrong in INVALID_UTF8.items()
    },
    "UTF-8 wrong before the last fragment": (1007, frame(TEXT, b"\xe2\x28", final=False)),
    "close of one byte": (1002, frame(CLOSE, b"\x03")),
    **{
        f"close {code}": (1002, close(code))
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535)
    },
    "close with invalid UTF-8": (1007, close(1000, b"\xff")),
}


@pytest.mark.parametrize("broken", BROKEN)
@on_both_loops
async def test_a_broken_frame_closes_with_its_code(broken: str) -> None:
    """What came before it is heard and answered, whatever the packets; nothing after it is."""
    code, wrong = BROKEN[broken]

    async with house() as here:
        client = await here.open()
        client.sends(text("before"), wrong, text("after"), frame(PING))
        *answers, last = await client.gets_all()
        assert sorted(answers) == [(TEXT, b"heard 6")] + [(PONG, b"")] * (
            "after a ping" in broken
        )
        assert close_code(last) == code
        await here.peer.gone.wait()
        assert here.peer.heard == [b"before"]


@pytest.mark.parametrize(
    "broken", [name for name, (_, wrong) in BROKEN.items() if len(wrong) < 200]
)
@on_both_loops
async def test_a_broken_frame_that_comes_byte_by_byte_closes_with_its_code(broken: str) -> None:
    code, wrong = BROKEN[broken]

    async with house() as here:
        client = await here.open()
        await client.sends_byte_by_byte(text("before") + wrong + text("after"))
        assert await client.gets() == (TEXT, b"heard 6")
        [last] = await client.gets_all()
        # Nothing tells two faults of a 64-bit length apart when the header comes in pieces: both
        # are 1009 then.
        assert close_code(last) == (1009 if broken.startswith("64 bits") else code)
        assert here.peer.heard == [b"before"]


@on_both_loops
async def test_a_message_that_is_too_long_is_refused_while_its_sender_is_still_sending() -> (
    None
):
    """The close frame arrives, no reset: 16 MiB are sent without reading."""
    async with house() as here:
        client = await here.open()
        client.sends(b"\x81", size_field(1 << 24), b"\0\0\0\0")
        for _ in range(256):
            client.sends(b"x" * 65_536)
            await client.writer.drain()
        [last] = await client.gets_all()
        assert close_code(last) == 1009
        assert not here.peer.heard


def test_fragments_take_no_more_memory_than_their_message() -> None:
    tracemalloc.start()
    try:
        message = Fragments(b"", behind_it=b"")
        for _ in range(LIMIT):
            message.add(b"x")
            message.add(b"")
        assert tracemalloc.get_traced_memory()[1] < 3 * LIMIT
    finally:
        tracemalloc.stop()
    assert message.message() == b"x" * LIMIT


def test_the_sizes_of_fragments_are_found_wherever_the_packets_are_cut() -> None:
    """Whatever the payloads look like: these hold the header of a frame of 9 GB."""
    looks_huge = b"\x80\xff\0\0\0\2" + bytes(64_000)
    raw = [
        b"\0" + size_field(len(looks_huge)) + b"\0\0\0\0" + looks_huge,
        frame(PING, b"?"),
        fragments(0, 1_530)[1],
    ]
    stream = b"".join(raw)
    for cut in [*range(30), *range(64_000, len(stream))]:
        message = Fragments(b"", behind_it=stream[:cut])
        message.look_ahead(stream[cut:])
        message.look_ahead(looks_huge)
    stream = b"".join([*raw[:-1], frame(CONTINUATION, final=False), b"\x80", size_field(1_531)])
    for cut in [*range(30), *range(64_000, len(stream))]:
        with pytest.raises(ProtocolError, match="1009"):
            Fragments(b"", behind_it=stream[:cut]).look_ahead(stream[cut:])


@pytest.mark.parametrize(
    "last",
    [
        close(),
        frame(3),
        frame(11),
        text(""),
        frame(CONTINUATION),
        frame(CONTINUATION, final=False, reserved=4),
        frame(CONTINUATION, final=False, masked=False) + bytes(4),
    ],
)
def test_no_sizes_are_looked_for_behind_what_ends_a_message(last: bytes) -> None:
    Fragments(b"", behind_it=last + b"\x80" + size_field(1 << 40))


# ---------------------------------------------------------------------------- other implementations


@on_both_loops
async def test_a_websockets_client_and_the_server_understand_each_other() -> None:
    async with (
        house() as here,
        connect(f"ws://127.0.0.1:{here.server.port}", max_size=None) as client,
    ):
        for message in ("order", "é" * 200, "x" * LIMIT):
            await client.send(message)
            assert await client.recv() == f"heard {len(message.encode())}"
        await client.send(["in ", "three ", "pieces"])
        assert await client.recv() == "heard 15"
        await (await client.ping())
        here.peer.connection.close(1000, "logged out")
        with pytest.raises(websockets.ConnectionClosedOK) as closed:
            await client.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.reason == "logged out"
        assert closed.value.sent is not None

    async with house() as here:
        async with connect(f"ws://127.0.0.1:{here.server.port}") as client:
            await client.send("order")
        await here.peer.gone.wait()
        assert client.close_code == 1000
        client = await connect(f"ws://127.0.0.1:{here.server.port}")
        with pytest.raises(websockets.ConnectionClosedError) as refused:
            await client.send("x" * (1 << 24))
            await client.recv()
        assert refused.value.rcvd is not None and refused.value.rcvd.code == 1009


@on_both_loops
async def test_a_picows_client_and_the_server_understand_each_other() -> None:
    class Client(picows.WSListener):
        def __init__(self) -> None:
            self.answers: asyncio.Queue[bytes] = asyncio.Queue()

        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            self.answers.put_nowait(frame.get_payload_as_bytes())

    async with house() as here:
        transport, client = await picows.ws_connect(
            Client, f"ws://127.0.0.1:{here.server.port}"
        )
        for message in (b"order", b"x" * LIMIT):
            transport.send(picows.WSMsgType.TEXT, message)
            assert await client.answers.get() == b"heard %d" % len(message)
        transport.send_close(picows.WSCloseCode.OK)
        await transport.wait_disconnected()
        await here.peer.gone.wait()
        assert transport.close_handshake.recv.code == picows.WSCloseCode.OK
