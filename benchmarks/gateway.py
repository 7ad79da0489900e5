"""The exchange beside two echo servers: the cost of an order at the socket, in one run.

    python benchmarks/gateway.py                    (journal and exporter on, as shipped)
    python benchmarks/gateway.py --no-exporter

The peers only send each message back: one uses `websockets`, the other `picows`, the library of the exchange
itself. A ratio above 1 says that the exchange is better. `server CPU` is the
exchange's own process; its children, the archivist and the exporter, are printed beside it. One connection
carries the `bar` flow.

- Throughput: 10,000 orders with at most 2,000 unanswered, then the same in frames of 100, round after round.
  The servers take turns every 2,500 orders, so that a machine that is slower for a second is slower for all.
- Round trips: one order at a time, each sent when the last is answered, 80,000 of them on a new exchange.
- Growth: 100,000 orders on a new exchange; CPU of an order over the last 10,000 against the first 10,000.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import picows
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.flows import FLOWS, RICH
from benchmarks.peers import HOST, Echo, Exchange, children, cpu_us
from benchmarks.targets import EXIT_OK, Figures, middle, parser_of, tell

ORDERS = 10_000
WARM_UP = 1_000
A_TURN = 2_500
SEQUENTIAL, SEQUENTIAL_WARM_UP = 80_000, 500
GROWTH_ORDERS = 100_000
SLICE = 10_000
QUICK_LONG_ROUNDS = 3
"""With `--quick`: of round trips and growth, which take the longest."""
IN_A_FRAME = 100
MAX_UNANSWERED = 2_000
SENT_AT_ONCE = 32
STUCK_S = 120.0
SETTLE_S, SETTLES_WITHIN_S, RESTING_SHARE = 0.05, 5.0, 0.05
"""After a turn the children catch up: until they use less than a twentieth of a processor."""
BUSY_WAIT_BELOW = 200
Server = Exchange | Echo


class Answers(picows.WSListener):  # type: ignore[misc, unused-ignore]
    """Counts the messages that come back, also those within arrays."""

    def __init__(self) -> None:
        self.count = 0
        self.awaited = 0
        self.arrived: asyncio.Future[None] | None = None

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        text = frame.get_payload_as_bytes()
        self.count += text.count(b'"client_order_id"') if text.startswith(b"[") else 1
        if self.arrived is not None and self.count >= self.awaited and not self.arrived.done():
            self.arrived.set_result(None)


class Client:
    """One connection to one server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def __aenter__(self) -> Client:
        self._transport, listener = await picows.ws_connect(
            Answers, f"ws://{HOST}:{self.server.order_port}"
        )
        self._answers = cast(Answers, listener)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.disconnect()

    async def round_trips(self, requests: list[bytes]) -> list[float]:
        """Seconds of each, one after the other."""
        loop, answers, seconds = asyncio.get_running_loop(), self._answers, []
        for request in requests:
            answers.awaited, answers.arrived = answers.count + 1, loop.create_future()
            began = perf_counter()
            self._transport.send(picows.WSMsgType.TEXT, request)
            await answers.arrived
            seconds.append(perf_counter() - began)
        answers.arrived = None
        return seconds

    async def stream(self, requests: list[bytes], *, in_a_frame: int = 1) -> float:
        """Send all with at most MAX_UNANSWERED on their way, until all are answered; seconds it took."""
        answers, first = self._answers, self._answers.count
        began = perf_counter()
        for sent, frame in enumerate(framed(requests, in_a_frame), 1):
            self._transport.send(picows.WSMsgType.TEXT, frame)
            if sent % SENT_AT_ONCE == 0:
                await asyncio.sleep(0)
            while sent * in_a_frame - (answers.count - first) > MAX_UNANSWERED:
                await asyncio.sleep(0)
        while (missing := len(requests) - (answers.count - first)) > 0:
            await asyncio.sleep(0.0005 if missing > BUSY_WAIT_BELOW else 0)
            if perf_counter() - began > STUCK_S:
                sys.exit(
                    f"{type(self.server).__name__}: {missing} of {len(requests)} were never answered"
                )
        return perf_counter() - began


def framed(requests: list[bytes], in_a_frame: int) -> list[bytes]:
    if in_a_frame == 1:
        return requests
    return [
        b"[" + b",".join(requests[k : k + in_a_frame]) + b"]"
        for k in range(0, len(requests), in_a_frame)
    ]


@dataclass(slots=True)
class Cost:
    """Sums over `messages`: microseconds of CPU in the server and in its children, and seconds."""

    messages: int = 0
    own_us: float = 0.0
    others_us: float = 0.0
    seconds: float = 0.0

    @property
    def cpu_us(self) -> float:
        return self.own_us / self.messages

    @property
    def children_us(self) -> float:
        return self.others_us / self.messages

    @property
    def per_s(self) -> float:
        return self.messages / self.seconds

    async def add(self, client: Client, requests: list[bytes], in_a_frame: int) -> None:
        pid, pids = client.server.pid, children(client.server.pid)
        own, others = cpu_us(pid), sum(map(cpu_us, pids))
        self.seconds += await client.stream(requests, in_a_frame=in_a_frame)
        self.own_us += cpu_us(pid) - own
        self.others_us += await settled(pids) - others
        self.messages += len(requests)


async def settled(pids: list[int]) -> float:
    """Wait until these processes rest; the CPU time that they have used, in microseconds."""
    used, until_s = sum(map(cpu_us, pids)), perf_counter() + SETTLES_WITHIN_S
    while pids and perf_counter() < until_s:
        await asyncio.sleep(SETTLE_S)
        before, used = used, sum(map(cpu_us, pids))
        if used - before < 1e6 * SETTLE_S * RESTING_SHARE:
            break
    return used


async def in_turns(streams: list[tuple[Server, list[bytes], int]]) -> list[Cost]:
    """The cost of each stream: a server, requests, and so many in a frame."""
    costs = [Cost() for _ in streams]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(server)) for server, _, _ in streams]
        for client, (_, requests, _) in zip(clients, streams, strict=True):
            await client.stream(requests[:WARM_UP])
        for first in range(WARM_UP, WARM_UP + ORDERS, A_TURN):
            for client, (_, requests, in_a_frame), cost in zip(
                clients, streams, costs, strict=True
            ):
                await cost.add(client, requests[first : first + A_TURN], in_a_frame)
    return costs


async def throughput(
    exchange: Server, websockets: Server, picows: Server, round_number: int
) -> Figures:
    """One round over all servers, with the same requests."""
    flow = FLOWS["bar"]
    requests, in_frames = (
        flow(ORDERS + WARM_UP, 2 * round_number),
        flow(ORDERS + WARM_UP, 2 * round_number + 1),
    )
    ours, framed, echo, bare = await in_turns(
        [
            (exchange, requests, 1),
            (exchange, in_frames, IN_A_FRAME),
            (websockets, requests, 1),
            (picows, requests, 1),
        ]
    )
    return {
        "gateway.server_cpu_us": ours.cpu_us,
        "gateway.children_cpu_us": ours.children_us,
        "gateway.websockets_cpu_us": echo.cpu_us,
        "gateway.picows_cpu_us": bare.cpu_us,
        "gateway.server_cpu": echo.cpu_us / ours.cpu_us,
        "gateway.server_cpu_vs_picows": bare.cpu_us / ours.cpu_us,
        "gateway.throughput": ours.per_s / echo.per_s,
        "gateway.throughput_vs_picows": ours.per_s / bare.per_s,
        "gateway.per_s": ours.per_s,
        "gateway.websockets_per_s": echo.per_s,
        "gateway.frames_of_100": framed.per_s / echo.per_s,
    }


async def sequential(server: Server, count: int, round_number: int) -> list[float]:
    """Sorted seconds of round trips."""
    requests = FLOWS["bar"](count + SEQUENTIAL_WARM_UP, 1_000 + round_number)
    async with Client(server) as client:
        await client.round_trips(requests[:SEQUENTIAL_WARM_UP])
        return sorted(await client.round_trips(requests[SEQUENTIAL_WARM_UP:]))


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def tail(folder: Path, echo: Server, round_number: int, *, exporter: bool) -> Figures:
    """Round trips of an exchange of its own, and of the echo."""
    with Exchange(folder, RICH, exporter=exporter) as exchange:
        ours = await sequential(exchange, SEQUENTIAL, round_number)
    theirs = await sequential(echo, SEQUENTIAL // 4, round_number)
    return {
        "gateway.p50": quantile(ours, 0.5) / quantile(theirs, 0.5),
        "gateway.p50_us": 1e6 * quantile(ours, 0.5),
        "gateway.p99_ms": 1e3 * quantile(ours, 0.99),
        "gateway.p99_9_ms": 1e3 * quantile(ours, 0.999),
        "gateway.max_ms": 1e3 * ours[-1],
        "gateway.websockets_p50_us": 1e6 * quantile(theirs, 0.5),
        "gateway.websockets_p99_9_ms": 1e3 * quantile(theirs, 0.999),
        "gateway.websockets_max_ms": 1e3 * theirs[-1],
    }


async def growth(folder: Path, round_number: int, *, exporter: bool) -> Figures:
    """CPU of an order in the last slice against the first, on an exchange of its own."""
    requests, slices = FLOWS["bar"](GROWTH_ORDERS, 2_000 + round_number), []
    with Exchange(folder, RICH, exporter=exporter) as exchange:
        async with Client(exchange) as client:
            for first in range(0, GROWTH_ORDERS, SLICE):
                before = cpu_us(exchange.pid)
                await client.stream(requests[first : first + SLICE])
                slices.append((cpu_us(exchange.pid) - before) / SLICE)
    return {
        "gateway.growth": slices[-1] / slices[0],
        "gateway.worst_slice": max(slices) / slices[0],
    }


async def measure(options: argparse.Namespace, folder: Path) -> Figures:
    exporter, rounds = not options.no_exporter, range(options.rounds)
    long_rounds = range(min(QUICK_LONG_ROUNDS, options.rounds)) if options.quick else rounds
    with (
        Exchange(folder / "exchange", RICH, exporter=exporter) as exchange,
        Echo("websockets", folder) as websockets,
    ):
        with Echo("picows", folder) as bare:
            figures = middle(
                [await throughput(exchange, websockets, bare, number) for number in rounds]
            )
        exchange.stop()
        tails = [
            await tail(folder / f"tail{number}", websockets, number, exporter=exporter)
            for number in long_rounds
        ]
        growths = [
            await growth(folder / f"growth{number}", number, exporter=exporter)
            for number in long_rounds
        ]
    return figures | middle(tails) | middle(growths)


def show(figures: Figures) -> None:
    f = {name.removeprefix("gateway."): value for name, value in figures.items()}
    print(
        f"server CPU a message    {f['server_cpu_us']:.1f} µs, children {f['children_cpu_us']:.1f}; "
        f"websockets {f['websockets_cpu_us']:.1f}, picows {f['picows_cpu_us']:.1f}: "
        f"{f['server_cpu']:.2f}x websockets, {f['server_cpu_vs_picows']:.3f}x picows"
    )
    print(
        f"throughput              {f['per_s']:,.0f}/s: {f['throughput']:.2f}x websockets, "
        f"{f['throughput_vs_picows']:.3f}x picows; in frames of {IN_A_FRAME}: "
        f"{f['frames_of_100']:.2f}x websockets, which has one message a frame"
    )
    print(
        f"one order at a time     p50 {f['p50_us']:.0f} µs, {f['p50']:.2f}x websockets; "
        f"p99 {f['p99_ms']:.2f}, p99.9 {f['p99_9_ms']:.2f}, max {f['max_ms']:.1f} ms "
        f"(websockets p99.9 {f['websockets_p99_9_ms']:.2f}, max {f['websockets_max_ms']:.1f})"
    )
    print(
        f"over {GROWTH_ORDERS:,} orders     last {SLICE:,} {f['growth']:.2f}x the first, "
        f"the dearest {f['worst_slice']:.2f}x"
    )


def main() -> int:
    parser = parser_of("gateway", "The exchange beside echo servers.")
    parser.add_argument(
        "--no-exporter",
        action="store_true",
        help="without the exporter, which reads all that happens",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        figures = uvloop.run(measure(options, Path(folder)))
    show(figures)
    tell(figures, as_json=options.json)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
