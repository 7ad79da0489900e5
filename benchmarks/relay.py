"""The relay's fan-out beside `websockets.broadcast`: the cost of a delivery, 100 readers, the same messages.

    python benchmarks/relay.py
    python benchmarks/relay.py --quick

The relay's parts are those of market_data_server.py: a frame of the exchange goes through `RelayFeed.receive`
and `end_turn`, and `deliver` writes it to the sockets. The wait by which a relay of many readers gathers its
turns is left out: the turns are given, 8 messages or 1. `websockets.broadcast` is called once a message, for
it knows no turns, and does not look into what it sends. CPU time of the server, of one delivery; a ratio
above 1 says that the relay is cheaper. The readers are raw sockets of another process, which throws away what
it reads.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import selectors
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, perf_counter, process_time, sleep, time_ns

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.asyncio.server import serve as serve_websockets

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import HOST, free_port
from benchmarks.targets import EXIT_OK, Figures, in_rounds, parser_of, tell
from botpit.io.bounds import UsualBounds
from botpit.io.server import Connection, Peer, serve
from botpit.venue.feed.relay import RelayFeed
from botpit.venue.server import FeedPort, deliver

READERS = 100
TURNS_OF = (8, 1)
MESSAGES, QUICK_MESSAGES = 20_000, 1_600
FIRST_SEQ = 1_000_000
MAX_WAITING_BYTES = 200_000
"""Bytes that may wait for the slowest reader; then the server rests until it has read."""
LOOKED_AT_BYTES = 16_384
"""The server looks at the waiting bytes after sending each reader this much."""
WITHIN_S = 120.0
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SNAPSHOT = {
    "type": "snapshot",
    "seq": FIRST_SEQ,
    "market_id": "benchmark",
    "channel_seq": {"trades": {}},
    "instruments": [{"symbol": "SIM"}],
    "books": {"SIM": {"bids": [], "asks": []}},
    "positions": [],
    "timestamp": 1,
}


@dataclass(frozen=True, slots=True)
class Server:
    """One fan-out to measure.

    `push` sends a turn to all; `ready`: all readers are there; `waiting` bytes of the slowest reader.
    """

    push: Callable[[list[bytes]], None]
    ready: Callable[[], bool]
    waiting: Callable[[], int]


def trade(number: int) -> bytes:
    return (
        b'{"type":"trade","trade_id":%d,"price":100.05,"qty":3,'
        b'"buy_trader_id":"maker_1","sell_trader_id":"taker_2","symbol":"SIM",'
        b'"aggressor_side":"buy","buy_order_id":%d,"sell_order_id":%d,'
        b'"seq":%d,"channel_seq":%d,"timestamp":1795831148853}'
        % (number, number, number + 1, FIRST_SEQ + number, number)
    )


# ------------------------------------------------------------------------------------------------ the servers


async def websockets_server(port: int) -> Server:
    readers: set[ServerConnection] = set()

    async def stay(connection: ServerConnection) -> None:
        readers.add(connection)
        await connection.wait_closed()

    def push(messages: list[bytes]) -> None:
        for message in messages:
            broadcast(readers, message, text=True)

    await serve_websockets(stay, HOST, port, compression=None, ping_interval=None)
    return Server(
        push,
        ready=lambda: len(readers) == READERS,
        waiting=lambda: max(each.transport.get_write_buffer_size() for each in readers),
    )


async def relay_server(port: int) -> Server:
    feed, peers = RelayFeed(lambda _: True), list[Connection]()
    readers = FeedPort(feed.subscriptions)

    def connect(connection: Connection) -> Peer:
        peers.append(connection)
        return readers.connect(connection)

    def push(messages: list[bytes]) -> None:
        now_ns = time_ns()
        feed.receive(b"[" + b",".join(messages) + b"]", now_ns)
        deliver(feed.end_turn(now_ns))

    def ready() -> bool:
        if len(peers) < READERS:
            return False
        feed.receive(json.dumps(SNAPSHOT).encode(), time_ns())
        return True

    await serve(HOST, port, connect, UsualBounds(), dict)
    request_id = json.loads(feed.opening()[0])["request_id"]
    feed.receive(
        json.dumps({"type": "subscribed", "request_id": request_id}).encode(), time_ns()
    )
    return Server(push, ready, waiting=lambda: max(each.waiting_bytes for each in peers))


SERVERS = {"relay": relay_server, "websockets": websockets_server}


async def pushed(library: str, port: int, turn: int, messages: int) -> dict[str, float]:
    """Cost of a delivery, in microseconds of CPU, and deliveries a second."""
    server = await SERVERS[library](port)
    while not server.ready():
        await asyncio.sleep(0.01)
    turns = [
        [trade(number) for number in range(first, first + turn)]
        for first in range(1, messages + 1, turn)
    ]
    look_every = max(1, LOOKED_AT_BYTES // (turn * len(turns[0][0])))
    gc.collect()
    gc.freeze()
    began, cpu = perf_counter(), process_time()
    for number, each in enumerate(turns):
        server.push(each)
        await asyncio.sleep(0)
        while number % look_every == 0 and server.waiting() > MAX_WAITING_BYTES:
            await asyncio.sleep(0.0005)
    while server.waiting():
        await asyncio.sleep(0.001)
    seconds, cpu = perf_counter() - began, process_time() - cpu
    deliveries = turn * len(turns) * READERS
    return {"us": 1e6 * cpu / deliveries, "per_s": deliveries / seconds}


# ------------------------------------------------------------------------------------------------ the readers


def drained(process: subprocess.Popen[str], port: int) -> str:
    """Read as READERS readers until the server ends; return its output."""
    opened_by = monotonic() + WITHIN_S
    with selectors.DefaultSelector() as selector, suppress(ConnectionResetError):
        for _ in range(READERS):
            reader = dialled(port, opened_by)
            reader.sendall(UPGRADE)
            reader.setblocking(False)
            selector.register(reader, selectors.EVENT_READ)
        read_all(selector, bytearray(1 << 18), monotonic() + WITHIN_S)
    said, _ = process.communicate(timeout=WITHIN_S)
    return said


def dialled(port: int, until: float) -> socket.socket:
    while True:
        try:
            return socket.create_connection((HOST, port))
        except ConnectionRefusedError:
            if monotonic() > until:
                raise
        sleep(0.02)


def read_all(selector: selectors.BaseSelector, buffer: bytearray, until: float) -> None:
    while selector.get_map() and monotonic() < until:
        for key, _ in selector.select(1):
            reader = key.fileobj
            assert isinstance(reader, socket.socket)
            with suppress(BlockingIOError):
                if not reader.recv_into(buffer):
                    selector.unregister(reader)
                    reader.close()


def costs(library: str, turn: int, messages: int) -> dict[str, float]:
    port = free_port()
    argv = [
        sys.executable,
        str(Path(__file__).resolve()),
        "--serve",
        library,
        str(port),
        str(turn),
        str(messages),
    ]
    with subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said = drained(process, port)
        finally:
            process.kill()
    return {name: float(value) for name, value in json.loads(said).items()}


def one_round(messages: int) -> Figures:
    figures: Figures = {}
    for turn in TURNS_OF:
        ours, theirs = costs("relay", turn, messages), costs("websockets", turn, messages)
        figures |= {
            f"relay.turn_of_{turn}": theirs["us"] / ours["us"], f"relay.turn_of_{turn}_us": ours["us"],
            f"relay.turn_of_{turn}_websockets_us": theirs["us"], f"relay.turn_of_{turn}_per_s": ours["per_s"],
            f"relay.turn_of_{turn}_throughput": ours["per_s"] / theirs["per_s"],
        }  # fmt: skip
    return figures


def main() -> int:
    parser = parser_of("relay", "The relay's fan-out beside websockets.broadcast.")
    parser.add_argument(
        "--serve",
        nargs=4,
        metavar=("LIBRARY", "PORT", "TURN", "MESSAGES"),
        help=argparse.SUPPRESS,
    )
    options = parser.parse_args()
    if options.serve:
        library, *numbers = options.serve
        print(json.dumps(uvloop.run(pushed(library, *map(int, numbers)))))
        return EXIT_OK
    messages = QUICK_MESSAGES if options.quick else MESSAGES
    figures = in_rounds(options.rounds, lambda _: one_round(messages))
    for turn in TURNS_OF:
        name = f"relay.turn_of_{turn}"
        print(
            f"{READERS} readers, {turn} a turn  {figures[f'{name}_us']:.3f} µs a delivery, "
            f"websockets.broadcast {figures[f'{name}_websockets_us']:.3f}: {figures[name]:.2f}x; "
            f"{figures[f'{name}_per_s']:,.0f} deliveries/s, "
            f"{figures[f'{name}_throughput']:.2f}x"
        )
    tell(figures, as_json=options.json)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
