"""Orders sent again over connections cut anywhere, and over restarts: exactly one order each.

Each `client_order_id` is sent one to five times, most of them at the same time on several connections. A
connection is cut after the answers, before them, among them, or in the middle of a frame, by FIN or by RST;
meanwhile the exchange is killed -9 and stopped in turn. Every answer for an id must name the same order and
the same `account_seq`, and at the end the journal, replayed, must have accepted as many orders as there are
ids, each once. The client speaks WebSocket by hand, byte by byte.

    python proofs/resends.py --orders 100000
    python proofs/resends.py --orders 1000 --plant forget-ids
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.core.events import OrderAccepted
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import Reading
from botpit.history.replay import Replay
from botpit.history.vocabulary import EXCHANGE
from proofs.harness.faulty_exchange import NONE, command
from proofs.harness.load import MARKET
from proofs.harness.main import Progress, ProofParser, in_a_folder, verdict
from proofs.harness.restartable_exchange import RestartableExchange

TRADERS = ("ann", "ben", "cid", "dan")
"""The first two buy, the others sell, so that orders trade."""
MOST_TIMES = 5
ORDERS_AT_ONCE = 200
"""Orders of one trader, on CONNECTIONS connections."""
CONNECTIONS = 6
MOST_PER_FRAME, MOST_FRAMES = 8, 4
LOGINS = 0.3
CUTS = (
    "after the answers",
    "before the answers",
    "among the answers",
    "in the middle of a frame",
)
ORDERS_PER_RESTART = 500
"""After so many orders, on average, the exchange dies, at any moment."""
WAITS_S = 30.0
LINGERS_S = 0.003
"""With half a frame sent."""
FAULTS = (NONE, "forget-ids", "ack-first")
_split = msgspec.json.Decoder(list[dict[str, Any]]).decode
_decode = msgspec.json.Decoder().decode
_CUT_BY_RESET = struct.pack("ii", 1, 0)


class Cut(Exception):
    """The other side is gone."""


@dataclass(slots=True)
class Outcome:
    """What one run showed. `ids` client order ids, `orders` what the journal accepted."""

    ids: int = 0
    orders: int = 0
    sent: int = 0
    answers: int = 0
    repeated: int = 0
    records: int = 0
    seconds: float = 0.0
    cuts: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def is_exact(self) -> bool:
        return not self.differences and self.orders == self.ids > 0

    def __str__(self) -> str:
        return "\n".join(
            [
                f"orders               {self.ids:,} ids, sent {self.sent:,} times, "
                f"answered {self.answers:,} times, of these "
                f"{self.repeated:,} as repeated; {self.seconds:.0f} s",
                f"connections cut      {self.cuts.total():,}: "
                + ", ".join(f"{count:,} {how}" for how, count in self.cuts.items()),
                "exchange             "
                + (
                    ", ".join(f"{how} {count} times" for how, count in self.deaths.items())
                    or "ran through"
                ),
                f"journal              {self.records:,} records, {self.orders:,} orders accepted",
                f"double orders        {max(0, self.orders - self.ids)}, differences {len(self.differences)}",
                *self.differences[:1],
            ]
        )


class Raw:
    """A WebSocket client that can stop in the middle of a frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Raw:
        """Raises OSError, Cut."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        try:
            await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise Cut from error
        return cls(reader, writer)

    async def send(self, data: bytes) -> None:
        """Raises OSError."""
        self._writer.write(data)
        await self._writer.drain()

    async def message(self) -> bytes:
        """The next text frame. Raises Cut, OSError."""
        try:
            while True:
                first, size = await self._reader.readexactly(2)
                if size > 125:
                    size = int.from_bytes(
                        await self._reader.readexactly(2 if size == 126 else 8), "big"
                    )
                payload = await self._reader.readexactly(size)
                if first & 15 == 1:
                    return payload
        except asyncio.IncompleteReadError as error:
            raise Cut from error

    def cut(self, *, reset: bool) -> None:
        """Drop the connection; with `reset`, undelivered bytes may be lost, too."""
        if reset:
            with suppress(OSError):  # the other side was quicker
                self._writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _CUT_BY_RESET
                )
        self._writer.transport.abort()


def frame(payload: bytes) -> bytes:
    """As a client sends it; the mask is zero."""
    size = len(payload)
    head = bytes((0x81, 0xFE)) + size.to_bytes(2, "big")
    if size < 126:
        head = bytes((0x81, 0x80 | size))
    return head + b"\0\0\0\0" + payload


class Client:
    """Sends orders and keeps the answers.

    `answers`: id -> the order id and account_seq of its first answer.
    """

    def __init__(
        self, exchange: RestartableExchange, rng: random.Random, outcome: Outcome
    ) -> None:
        self.answers: dict[str, tuple[int, int]] = {}
        self._first: set[str] = set()
        self._exchange = exchange
        self._rng = rng
        self._outcome = outcome

    async def send(self, orders: list[dict[str, Any]]) -> None:
        """Send each one to five times, over connections that are cut and at last over one that is not."""
        copies = [
            order for order in orders for _ in range(self._rng.randint(0, MOST_TIMES - 1))
        ]
        self._rng.shuffle(copies)
        await asyncio.gather(
            *(self._send_and_cut(copies[number::CONNECTIONS]) for number in range(CONNECTIONS))
        )
        async with asyncio.timeout(WAITS_S):
            for some in self._shares(orders):
                while not await self._converse(some, "after the answers"):
                    await asyncio.sleep(0.01)

    async def _send_and_cut(self, orders: list[dict[str, Any]]) -> None:
        for some in self._shares(orders):
            while not await self._converse(some, self._rng.choice(CUTS)):
                await asyncio.sleep(0.01)

    def _shares(self, orders: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
        """Parts for a connection each."""
        first = 0
        while first < len(orders):
            size = self._rng.randint(1, MOST_FRAMES * MOST_PER_FRAME)
            yield orders[first : first + size]
            first += size

    async def _converse(self, orders: list[dict[str, Any]], how: str) -> bool:
        """One connection; whether it came to the cut as it was meant to."""
        try:
            raw = await Raw.open(self._exchange.order_port)
        except (OSError, Cut):
            return False
        try:
            await self._talk(raw, orders, how)
        except (OSError, Cut):
            return False
        finally:
            raw.cut(reset=self._rng.random() < 0.5)
        self._outcome.cuts[how] += 1
        return True

    async def _talk(self, raw: Raw, orders: list[dict[str, Any]], how: str) -> None:
        """Raises OSError, Cut."""
        if self._rng.random() < LOGINS:
            await raw.send(
                frame(
                    json.dumps({"type": "login", "trader_id": orders[0]["trader_id"]}).encode()
                )
            )
        sent = b"".join(self._frames(orders))
        self._outcome.sent += len(orders)
        if how == "in the middle of a frame":
            await raw.send(sent[: self._rng.randrange(len(sent))])
            return await asyncio.sleep(self._rng.uniform(0, LINGERS_S))
        await raw.send(sent)
        if how == "before the answers":
            return None
        return await self._listen(
            raw, len(orders) if how == "after the answers" else self._rng.randrange(len(orders))
        )

    def _frames(self, orders: list[dict[str, Any]]) -> Iterator[bytes]:
        """Arrays, and now and then an order alone."""
        first = 0
        while first < len(orders):
            some = orders[first : first + self._rng.randint(1, MOST_PER_FRAME)]
            yield frame(json.dumps(some if len(some) > 1 else some[0]).encode())
            first += len(some)

    async def _listen(self, raw: Raw, least: int) -> None:
        """Until so many answers were taken. Raises Cut, OSError."""
        taken = 0
        while taken < least:
            text = await asyncio.wait_for(raw.message(), WAITS_S)
            for told in _split(text) if text.startswith(b"[") else [_decode(text)]:
                if "request_id" in told:
                    self._take(told)
                    taken += 1

    def _take(self, told: dict[str, Any]) -> None:
        """An answer. (An event has no `request_id`.)"""
        self._outcome.answers += 1
        if told["type"] != "order_accepted":
            return self._outcome.differences.append(f"refused: {told}")
        number, answer = told["client_order_id"], (told["order_id"], told["account_seq"])
        if self.answers.setdefault(number, answer) != answer:
            self._outcome.differences.append(
                f"{number} was order {self.answers[number]}, and now {told}"
            )
        if told.get("repeated"):
            self._outcome.repeated += 1
        elif number in self._first:
            self._outcome.differences.append(f"{number} is told as new twice: {told}")
        else:
            self._first.add(number)
        return None


async def watch(
    orders: int,
    folder: Path,
    *,
    seed: int,
    plant: str = NONE,
    orders_per_restart: int = ORDERS_PER_RESTART,
) -> Outcome:
    """One run on fixed ports, all its files in `folder`; the exchange dies once per so many orders."""
    outcome, rng, began_s = Outcome(), random.Random(seed), monotonic()
    exchange = RestartableExchange(
        folder, "--no-export", settings=MARKET, program=command(plant)
    )
    try:
        await exchange.start()
        client = Client(exchange, rng, outcome)
        await _send_all(client, exchange, orders, orders_per_restart, rng, outcome)
    finally:
        await exchange.stop()
    check_journal(exchange.market, client.answers, outcome)
    outcome.seconds = monotonic() - began_s
    return outcome


async def _send_all(
    client: Client,
    exchange: RestartableExchange,
    orders: int,
    orders_per_restart: int,
    rng: random.Random,
    outcome: Outcome,
) -> None:
    progress = Progress()
    while outcome.ids < orders and not outcome.differences:
        some = list(_orders(outcome.ids, min(ORDERS_AT_ONCE, orders - outcome.ids), rng))
        before, outcome.ids = outcome.ids, outcome.ids + len(some)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(client.send(some))
            if outcome.ids // orders_per_restart > before // orders_per_restart:
                tasks.create_task(_die(exchange, rng, outcome))
        progress.tell(f"{outcome.ids:,} orders, sent {outcome.sent:,} times")


def _orders(first: int, number: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Of one trader."""
    place = first // ORDERS_AT_ONCE % len(TRADERS)
    side = "buy" if place < 2 else "sell"
    order = {
        "type": "order",
        "trader_id": TRADERS[place],
        "side": side,
        "symbol": "SIM",
        "request_id": 1,
    }
    for each in range(first, first + number):
        terms = {"qty": rng.randint(1, 9), "price": round(100 + rng.randint(-3, 3) / 100, 2)}
        yield order | terms | {"client_order_id": f"r-{each}"}


async def _die(exchange: RestartableExchange, rng: random.Random, outcome: Outcome) -> None:
    """Kill or stop the exchange in turn, soon, and start it again."""
    delay_s = rng.uniform(0.0, 0.1)
    if outcome.deaths["killed -9"] <= outcome.deaths["stopped"]:
        await exchange.die(delay_s, with_archivist=rng.random() < 0.5)
        outcome.deaths["killed -9"] += 1
    else:
        await asyncio.sleep(delay_s)
        code = await exchange.stop()
        outcome.deaths["stopped"] += 1
        if code:
            outcome.differences.append(f"the exchange ended with exit code {code}")
    await exchange.start()


def check_journal(folder: Path, answers: dict[str, tuple[int, int]], outcome: Outcome) -> None:
    """Replay it: each id is one order, the one that was answered."""
    reading = Reading(folder, Disk(), EXCHANGE)
    replay, orders = Replay(reading.opening), Counter[str]()
    for record in reading.records():
        for event in replay.apply(record).events:
            if isinstance(event, OrderAccepted) and not event.repeated:
                number, kept = (
                    str(event.order.client_order_id),
                    (event.order_id, event.account_seq),
                )
                orders[number] += 1
                if answers.get(number) != kept:
                    outcome.differences.append(
                        f"{number} is {kept} in the journal, and was answered {answers.get(number)}"
                    )
    outcome.records, outcome.orders = replay.number, orders.total()
    outcome.differences += [
        f"{number} is accepted {times} times" for number, times in orders.items() if times > 1
    ]
    outcome.differences += [
        f"{number} is not in the journal" for number in answers.keys() - orders.keys()
    ]


def main() -> int:
    parser = ProofParser(
        "Send orders again over cut connections and restarts; exit 0 when each is one order, else 4.",
        "resends.py --orders 100000",
    )
    parser.number("--orders", 100_000)
    parser.number("--seed", 1, "of orders, cuts and restarts")
    parser.plant(FAULTS, "exchange")
    options = parser.parse_args()
    print(f"seed                 {options.seed}", flush=True)
    outcome = in_a_folder(
        lambda folder: watch(options.orders, folder, seed=options.seed, plant=options.plant)
    )
    return verdict(outcome, is_good=outcome.is_exact())


if __name__ == "__main__":
    sys.exit(main())
