"""Seeded nonsense against the server: the parser of the `websockets` library says what each client
should have been told.

More of it: `FUZZ_SEEDS=100 python -m pytest tests/processes/test_server_fuzz.py`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import pairwise

import pytest
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side, State

from tests.processes.raw_client import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    ServerUnderTest,
    close,
    close_code,
    frame,
    house,
    on_both_loops,
    request,
    text,
)

SEEDS = range(int(os.environ.get("FUZZ_SEEDS", "5")))
CLIENTS_PER_SEED = 250
OTHERWISE = (
    "16-bit payload len",
    "64-bit payload length",
    "payload size > 125",
    "fragmented control frame",
    "in a fragmented message",
    "invalid UTF-8 reason",
    "must not be sent",
    "invalid close code",
    "binary messages",
)
"""Reasons of closes for which `websockets` has none, a later or another one: lengths in more bytes
than need be, faults that show before the last byte of their frame, frames with two faults.
"""


def valid_stream(rng: random.Random) -> bytes:
    """What a client may send, of every kind of frame."""
    return b"".join(
        piece
        for _ in range(rng.randrange(1, 8))
        for piece in rng.choice([whole, in_fragments, control])(rng)
    )


def whole(rng: random.Random) -> list[bytes]:
    return [text(some_text(rng))]


def in_fragments(rng: random.Random) -> list[bytes]:
    payload = some_text(rng)
    cuts = [
        0,
        *sorted(rng.randrange(len(payload) + 1) for _ in range(rng.randrange(1, 4))),
        len(payload),
    ]
    parts = [payload[start:end] for start, end in pairwise(cuts)]
    frames = [
        frame(CONTINUATION if i else TEXT, part, final=i == len(parts) - 1)
        for i, part in enumerate(parts)
    ]
    frames.insert(rng.randrange(len(frames) + 1), frame(rng.choice([PING, PONG]), b"between"))
    return frames


def control(rng: random.Random) -> list[bytes]:
    if rng.random() < 0.05:
        return [
            rng.choice(
                [
                    close(),
                    close(rng.choice([1000, 1001, 1005, 3000, 5000])),
                    frame(BINARY, b"x"),
                ]
            )
        ]
    return [frame(rng.choice([PING, PONG]), rng.randbytes(rng.choice([0, 1, 125])))]


def some_text(rng: random.Random) -> bytes:
    size = (
        rng.choice([0, 1, 5, 30, 125, 126, 1_000])
        if rng.random() < 0.97
        else rng.choice([20_000, 65_536])
    )
    return (
        "".join(rng.choices('{"type":1} é€𝄞\x00', k=size))
        .encode()[:65_536]
        .decode("utf-8", "ignore")
        .encode()
    )


def nonsense(rng: random.Random) -> bytes:
    """A valid stream that is cut, has bits flipped or pieces swapped, or no stream at all."""
    stream = bytearray(valid_stream(rng))
    match rng.randrange(5):
        case 0:
            return rng.randbytes(rng.randrange(200))
        case 1:
            return bytes(stream[: rng.randrange(len(stream))])
        case 2:
            for _ in range(rng.randrange(1, 4)):
                stream[rng.randrange(len(stream))] ^= 1 << rng.randrange(8)
        case 3:
            stream[0] ^= 1 << rng.randrange(8)
        case 4:
            at = rng.randrange(len(stream))
            del stream[at : at + rng.randrange(8)]
    return bytes(stream)


def what_websockets_says(stream: bytes) -> tuple[list[bytes], int | None]:
    """(the texts that are to be heard, the code of the close frame, None without one)."""
    oracle = Protocol(Side.SERVER, state=State.OPEN, max_size=65_536)
    oracle.receive_data(stream)
    texts: list[bytes] = []
    message = bytearray()
    for each in oracle.events_received():
        if each.opcode is Opcode.BINARY:
            return texts, 1003
        if each.opcode is Opcode.CLOSE:
            return texts, oracle.close_sent.code
        if each.opcode in (Opcode.TEXT, Opcode.CONT):
            message += each.data
            if each.fin:
                if not is_utf8(message):
                    return texts, 1007
                texts.append(bytes(message))
                message.clear()
    if str(oracle.parser_exc) == "incomplete fragmented message":
        return texts, oracle.close_rcvd.code  # a close frame, which may come between fragments
    return texts, oracle.close_sent.code if oracle.close_sent else None


def is_utf8(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("seed", SEEDS)
@on_both_loops
async def test_nonsense_is_told_what_is_wrong_with_it(seed: int) -> None:
    rng = random.Random(seed)
    async with house() as here:
        for _ in range(CLIENTS_PER_SEED):
            await one_client(here, rng, nonsense(rng))
        assert here.server.connections == 0
        client = await here.open()
        client.sends(text("still there?"))
        assert await client.gets() == (TEXT, b"heard 12")


async def one_client(here: ServerUnderTest, rng: random.Random, stream: bytes) -> None:
    texts, code = what_websockets_says(stream)
    client = await here.open()
    for piece in pieces(rng, stream):
        client.sends(piece)
        await client.writer.drain()
    client.writer.write_eof()
    told = await client.gets_all()
    await here.peer.gone.wait()
    last = told[-1] if told and told[-1][0] == CLOSE else None
    if last is not None and any(reason.encode() in last[1] for reason in OTHERWISE):
        texts, code = texts[: len(here.peer.heard)], close_code(last)
    if code == 1005:
        code = 1000  # an empty close
    assert (here.peer.heard, last and close_code(last)) == (texts, code), stream.hex()


def pieces(rng: random.Random, stream: bytes) -> Iterator[bytes]:
    while stream:
        size = rng.choice([1, 2, 7, 100, 5_000, len(stream)])
        yield stream[:size]
        stream = stream[size:]


@pytest.mark.parametrize("seed", SEEDS)
@on_both_loops
async def test_a_handshake_of_nonsense_is_refused_or_harmless(seed: int) -> None:
    rng = random.Random(seed)
    async with house() as here:
        for _ in range(CLIENTS_PER_SEED):
            asked = bytearray(request("/", Origin="http://localhost"))
            for _ in range(rng.randrange(1, 4)):
                asked[rng.randrange(len(asked))] = rng.randrange(256)
            client = await here.dial()
            client.sends(bytes(asked))
            client.writer.write_eof()
            answer = await client.reader.read()
            assert answer[:12] in (
                b"",
                *(b"HTTP/1.1 %d" % status for status in (101, 200, 400, 403, 426)),
            ), (asked, answer)
            client.writer.close()
