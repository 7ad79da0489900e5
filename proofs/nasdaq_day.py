"""A trading day of Google on Nasdaq through the engine: every book and fill against the venue's own.

The file (not part of this repository) lists the day's orders as commands and the venue's book and fills as
expectations: `N` a resting order, `R` a reduction in place, `C` a cancel, `X` an incoming immediate-or-cancel
order with the fills it must have, in order, `B` the CRC-32 of the ten best levels. Margin is off: both sides
of the day are one rich account each.

    python proofs/nasdaq_day.py goog_2012-06-21_commands.txt.xz            the engine alone, the whole day
    python proofs/nasdaq_day.py goog_2012-06-21_commands.txt.xz --wire  (the first 10,000 lines, by sockets)
"""

from __future__ import annotations

import json
import lzma
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any
from zlib import crc32

from websockets.asyncio.client import ClientConnection, connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.core.commands import BUY, Cancel, Open, Order, Replace, TimeInForce
from botpit.core.entry import find_order
from botpit.core.events import OrderAccepted, OrderAdded, OrderRemoved
from botpit.core.events import Trade as Traded
from botpit.core.exchange import Exchange
from botpit.core.instrument import Instrument, Rules
from message_schemas import BookDelta, Message, Subscribed, Trade, parse_messages
from proofs.harness.main import EXIT_UNUSABLE, ProofParser, in_a_folder, verdict
from proofs.harness.terminals import terminals

WIRE_LINES = 10_000
RESTING, INCOMING = "resting", "incoming"
SYMBOL = "GOOG"
TICKS_PER_USD = 10_000
UNLIMITED = 10**15
Fills = list[tuple[str, int, int]]
"""(resting order's id in the file, lots, price in ticks), in order of trading."""


@dataclass(slots=True)
class Score:
    """What was compared, and what was right."""

    lines: int = 0
    books: int = 0
    books_right: int = 0
    incoming: int = 0
    incoming_right: int = 0
    adds: int = 0
    crossing_adds: int = 0
    seconds: float = 0.0
    first_wrong: str = ""

    def book(self, line: int, expected: int, levels: str) -> None:
        self.books += 1
        if crc32(levels.encode()) == expected:
            self.books_right += 1
        else:
            self.first_wrong = self.first_wrong or f"line {line}: another book: {levels}"

    def fills(self, line: int, expected: Fills, made: Fills) -> None:
        self.incoming += 1
        if made == expected:
            self.incoming_right += 1
        else:
            self.first_wrong = (
                self.first_wrong or f"line {line}: fills {made} instead of {expected}"
            )

    def all_right(self) -> bool:
        return (
            self.books_right == self.books
            and self.incoming_right == self.incoming
            and not self.crossing_adds
        )

    def __str__(self) -> str:
        lines = [
            f"lines read            {self.lines:,}",
            f"book checksums equal  {self.books_right:,} of {self.books:,}",
            f"fill lists equal      {self.incoming_right:,} of {self.incoming:,} incoming orders",
            f"crossing adds         {self.crossing_adds:,} of {self.adds:,}",
            f"time                  {self.seconds:.1f} s, {self.lines / self.seconds:,.0f} lines/s",
        ]
        if self.first_wrong:
            lines.append(f"first difference      {self.first_wrong}")
        return "\n".join(lines)


@dataclass(slots=True)
class Ids:
    """An id of the file may come back after its cancel: only the latest order of that id is meant."""

    latest: dict[str, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    def learn(self, name: str, order_id: int) -> None:
        self.latest[name] = order_id
        self.names[order_id] = name


def read_lines(path: Path, most: int | None = None) -> Iterator[list[str]]:
    """The file's lines, split at their commas."""
    with lzma.open(path, "rt", encoding="ascii") as lines:
        for line in islice(lines, most):
            yield line.rstrip("\n").split(",")


def expected_fills(text: str) -> Fills:
    if not text:
        return []
    parts = [part.split(":") for part in text.split("|")]
    return [(name, int(qty), int(price)) for name, qty, price in parts]


def levels_text(bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> str:
    """Ten levels as the venue's book file prints them."""
    asks = [*asks, *[(9_999_999_999, 0)] * 10]
    bids = [*bids, *[(-9_999_999_999, 0)] * 10]
    levels = zip(asks[:10], bids[:10], strict=True)
    return ",".join(
        f"{ask},{ask_qty},{bid},{bid_qty}" for (ask, ask_qty), (bid, bid_qty) in levels
    )


# ------------------------------------------------------------------------------------------- the engine alone


def opening() -> Open:
    """One instrument with Nasdaq's tick, and no cap, band or margin that could refuse an order of the day."""
    goog = Instrument(
        symbol=SYMBOL,
        tick_units=1,
        tick_decimals=4,
        lot="1",
        tick_value=1,
        reference_price=580 * TICKS_PER_USD,
        min_price=1,
        max_price=UNLIMITED,
        min_qty=1,
        max_qty=UNLIMITED,
        maker_fee_bps=0,
        taker_fee_bps=0,
        liquidation_fee_bps=0,
        initial_margin_bps=0,
        maintenance_margin_bps=0,
        price_band_bps=10_000,
        mark_move_bps=100,
        max_open_orders=UNLIMITED,
        max_order_qty=UNLIMITED,
        max_order_notional=UNLIMITED,
        max_position=0,
    )
    rules = Rules(
        money_decimals=4,
        starting_cash=UNLIMITED,
        self_trade_prevention="cancel_resting",
        insurance_fund=0,
        max_accounts=2,
        mark_to_market_ms=1_000,
        settle_window_s=30,
    )
    return Open("nasdaq", rules, (goog,))


class EngineDay:
    """The day's commands on `Exchange.apply`, each result compared at once."""

    def __init__(self) -> None:
        self.exchange = Exchange(opening())
        self.book = self.exchange.markets[SYMBOL].book
        self.ids = Ids()
        self.score = Score()

    def run(self, lines: Iterable[list[str]]) -> Score:
        started = perf_counter()
        for number, line in enumerate(lines, start=1):
            self._do(number, line)
            self.score.lines = number
        self.score.seconds = perf_counter() - started
        return self.score

    def _do(self, number: int, line: list[str]) -> None:
        match line:
            case ["B", _row, crc]:
                self.score.book(
                    number,
                    int(crc, 16),
                    levels_text(self.book.bids.top(10), self.book.asks.top(10)),
                )
            case ["N", name, side, price, qty]:
                self._add(number, name, Order(RESTING, SYMBOL, int(side), int(qty), int(price)))
            case ["C", name]:
                self._change(number, Cancel(RESTING, self.ids.latest[name]))
            case ["R", name, qty]:
                order_id = self.ids.latest[name]
                record = find_order(self.exchange.accounts[RESTING], order_id, None)
                assert record is not None, name
                self._change(number, Replace(RESTING, order_id, qty=record.qty - int(qty)))
            case ["X", side, limit, qty, *fills]:
                order = Order(
                    INCOMING, SYMBOL, int(side), int(qty), int(limit), TimeInForce.IOC
                )
                events = self.exchange.apply(order, number).events
                made = [
                    (self.ids.names[_resting_id(each)], each.qty, each.price)
                    for each in events
                    if isinstance(each, Traded)
                ]
                self.score.fills(number, expected_fills("".join(fills)), made)

    def _add(self, number: int, name: str, order: Order) -> None:
        events = self.exchange.apply(order, number).events
        accepted = events[0]
        assert isinstance(accepted, OrderAccepted), (number, accepted)
        self.ids.learn(name, accepted.order_id)
        self.score.adds += 1
        self.score.crossing_adds += not isinstance(events[1], OrderAdded)

    def _change(self, number: int, command: Cancel | Replace) -> None:
        events = self.exchange.apply(command, number).events
        assert len(events) == 2, (number, events)
        assert isinstance(command, Replace) or isinstance(events[1], OrderRemoved), (
            number,
            events,
        )


def _resting_id(trade: Traded) -> int:
    return trade.sell_order_id if trade.aggressor == BUY else trade.buy_order_id


# ---------------------------------------------------------------------------------------------- over the wire

EXCHANGE_TOML = """
[market]
money_decimals = 4
starting_cash = 100000000000
initial_margin_bps = 10000
maintenance_margin_bps = 5000
price_band_bps = 9900
max_open_orders = 1000000
max_order_qty = 1000000
max_order_notional = 100000000000
max_requests_per_s = 1000000
max_cancels_per_s = 1000000
tick_ms = 3600000
[[instruments]]
symbol = "GOOG"
tick = 0.0001
reference_price = 580
"""


class WireDay:
    """The same over two sockets: orders and fills on one, the book, made of `book_delta`, on the other."""

    def __init__(self, orders: ClientConnection, events: ClientConnection) -> None:
        self.orders = orders
        self.events = events
        self.ids = Ids()
        self.score = Score()
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.totals: dict[str, int] = {}
        self.waiting: deque[Message] = deque()

    async def run(self, lines: Iterable[list[str]]) -> Score:
        await self.events.send(
            json.dumps({"type": "subscribe", "channels": ["trades", "book_delta"]})
        )
        while not isinstance(await self._next(), Subscribed):
            pass
        started = perf_counter()
        for number, line in enumerate(lines, start=1):
            await self._do(number, line)
            self.score.lines = number
        self.score.seconds = perf_counter() - started
        return self.score

    async def _do(self, number: int, line: list[str]) -> None:
        match line:
            case ["B", _row, crc]:
                self.score.book(number, int(crc, 16), levels_text(*self._top()))
            case ["N", name, side, price, qty]:
                accepted = await self._ask(_order(RESTING, side, qty, price))
                self.ids.learn(name, accepted["order_id"])
                self.totals[name] = int(qty)
                self.score.adds += 1
                self.score.crossing_adds += bool(await self._fold())
            case ["C", name]:
                await self._ask(
                    {"type": "cancel", "trader_id": RESTING, "order_id": self.ids.latest[name]}
                )
                assert not await self._fold()
            case ["R", name, qty]:
                self.totals[name] -= int(qty)
                order_id = self.ids.latest[name]
                await self._ask(
                    {
                        "type": "replace",
                        "trader_id": RESTING,
                        "order_id": order_id,
                        "qty": self.totals[name],
                    }
                )
                assert not await self._fold()
            case ["X", side, limit, qty, *fills]:
                expected = expected_fills("".join(fills))
                await self._take(number, _order(INCOMING, side, qty, limit, "ioc"), expected)

    async def _take(self, number: int, order: dict[str, Any], expected: Fills) -> None:
        await self._ask(order)
        trades = await self._fold() if expected else []
        made = [
            (
                self.ids.names[_resting_side_id(each)],
                each.qty,
                round(each.price * TICKS_PER_USD),
            )
            for each in trades
        ]
        self.score.fills(number, expected, made)

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        await self.orders.send(json.dumps(request))
        answer: dict[str, Any] = json.loads(await self.orders.recv())
        assert not answer["type"].endswith(("rejected", "error")), (request, answer)
        return answer

    async def _fold(self) -> list[Trade]:
        """Fold the next delta into the book; the trades that came before it."""
        trades: list[Trade] = []
        while not isinstance(message := await self._next(), BookDelta):
            if isinstance(message, Trade):
                trades.append(message)
        for side, changes in zip(self.sides, (message.bids, message.asks), strict=True):
            for price, qty in changes:
                side[round(price * TICKS_PER_USD)] = qty
                if qty == 0:
                    del side[round(price * TICKS_PER_USD)]
        return trades

    async def _next(self) -> Message:
        while not self.waiting:
            self.waiting.extend(parse_messages(await self.events.recv()))
        return self.waiting.popleft()

    def _top(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        bids, asks = self.sides
        return sorted(bids.items(), reverse=True)[:10], sorted(asks.items())[:10]


def _resting_side_id(trade: Trade) -> int:
    order_id = trade.sell_order_id if trade.aggressor_side == "buy" else trade.buy_order_id
    assert order_id is not None, trade
    return order_id


def _order(
    trader: str, side: str, qty: str, price: str, time_in_force: str = "gtc"
) -> dict[str, Any]:
    return {
        "type": "order",
        "trader_id": trader,
        "side": "buy" if side == "1" else "sell",
        "qty": int(qty),
        "price": int(price) / TICKS_PER_USD,
        "time_in_force": time_in_force,
    }


async def over_the_wire(path: Path, folder: Path) -> Score:
    """The first lines of the day against an exchange process of our own, on free ports."""
    async with terminals(folder) as parts:
        await parts.start_exchange("--no-export", settings=EXCHANGE_TOML)
        async with (
            connect(parts.orders, compression=None) as orders,
            connect(parts.events, compression=None) as events,
        ):
            return await WireDay(orders, events).run(read_lines(path, WIRE_LINES))


def main() -> int:
    parser = ProofParser(
        "Replay a Nasdaq day and compare every book and every fill with the venue's.",
        "nasdaq_day.py goog_2012-06-21_commands.txt.xz",
    )
    parser.add_argument("file", type=Path, help="the day as commands, xz-packed")
    parser.add_argument(
        "--wire", action="store_true", help=f"over real sockets, the first {WIRE_LINES:,} lines"
    )
    parser.add_argument("--lines", type=int, help="stop after this many lines")
    options = parser.parse_args()
    if not options.file.is_file():
        print(
            f"error: {options.file} is not there; see the docstring for what it holds",
            file=sys.stderr,
        )
        return EXIT_UNUSABLE
    if options.wire:
        score = in_a_folder(lambda folder: over_the_wire(options.file, folder))
    else:
        score = EngineDay().run(read_lines(options.file, options.lines))
    return verdict(score, is_good=score.all_right())


if __name__ == "__main__":
    sys.exit(main())
