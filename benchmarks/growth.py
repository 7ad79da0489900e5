"""The cost of an order as the market grows in resting orders, accounts and instruments.

    python benchmarks/growth.py
    python benchmarks/growth.py --quick             (up to 100,000 resting orders)

A ratio of 1 is a cost that does not grow. Printed with it, and not promised: the first order of an account
after the mark moved, a Tick with many instruments, and `next_due_ns`, which the exchange's clock asks for.
Resting orders and accounts are measured at the engine, instruments in the whole exchange with eight traders
in all of them and one reader. CPU time, the collector off at the engine and on in the whole. The row on
instruments: orders at random in all of them, after a first round in which the books got orders, against the
same in one instrument. The marking, whose timer would fall among them, is set to an hour and has its figure
in the Tick.
"""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.flows import PRICE, RICH, order
from benchmarks.in_process import engine, market
from benchmarks.targets import EXIT_OK, Figures, in_rounds, middle, parser_of, tell
from botpit.core.commands import BUY, SELL, Cancel, Command, Order, SetMark, Tick, TimeInForce
from botpit.core.exchange import Exchange

SIDES = (SELL, BUY)
SYMBOL = "SIM"
RESTING, QUICK_RESTING = (100, 10_000, 100_000, 1_000_000), (100, 10_000, 100_000)
ACCOUNTS = (2, 100, 10_000)
INSTRUMENTS = (1, 10, 100, 1_000)
LEVELS = 100
OWNERS = 100
"""Accounts that share the resting orders."""
SAMPLE = 2_000
INSTRUMENT_SAMPLE = 4_000
MANY = RICH + "max_accounts = 100000\nmark_to_market_ms = 100\n"
UNMARKED = RICH + "mark_to_market_ms = 3600000\n"
"""What an order costs is measured without the marking, which has a figure of its own."""
SECOND_NS = 1_000_000_000


def us(work: Callable[[], object], count: int = 1) -> float:
    """CPU of one, in microseconds."""
    began = process_time()
    work()
    return 1e6 * (process_time() - began) / count


def apply_all(exchange: Exchange, commands: list[Command], now_ns: int) -> None:
    for command in commands:
        exchange.apply(command, now_ns)


def quotes(owners: int, count: int, prefix: str) -> list[Command]:
    """Orders that rest, bids and asks in turn, over LEVELS prices a side."""
    made: list[Command] = []
    for number in range(count):
        side = SIDES[number % 2]
        price = PRICE - side * (1 + number // 2 % LEVELS)
        made.append(
            Order(
                f"t{number % owners}",
                SYMBOL,
                side,
                5,
                price,
                TimeInForce.GTC,
                f"{prefix}{number}",
            )
        )
    return made


class Uncollected:
    """A context in which the collector rests, to measure the work and not the garbage of the setup."""

    def __enter__(self) -> None:
        gc.collect()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()


def resting(size: int, rounds: int) -> Figures:
    """A new order and its cancel, an account's first order after a mark move, and the next due moment."""
    exchange = engine(MANY)
    with Uncollected():
        apply_all(exchange, quotes(OWNERS, size, "r"), 0)

        def one_round(number: int) -> Figures:
            now_ns = (number + 1) * SECOND_NS
            new = quotes(OWNERS, SAMPLE, f"n{number}-")
            gone: list[Command] = [
                Cancel(each.trader, None, each.client_order_id)
                for each in new
                if isinstance(each, Order)
            ]
            cost = us(lambda: apply_all(exchange, new, now_ns), SAMPLE) + us(
                lambda: apply_all(exchange, gone, now_ns), SAMPLE
            )
            exchange.apply(SetMark(SYMBOL, PRICE + number % 2), now_ns)
            first: list[Command] = [
                Order(f"t{owner}", SYMBOL, BUY, 1, PRICE - LEVELS) for owner in range(OWNERS)
            ]
            after_move = us(lambda: apply_all(exchange, first, now_ns), OWNERS)
            return {
                "order": cost,
                "after_move": after_move,
                "next_due": us(lambda: exchange.next_due_ns(now_ns)),
            }

        return in_rounds(rounds, one_round)


def accounts(size: int, rounds: int) -> Figures:
    """An order that trades, in a market of so many accounts with positions; a Tick over all of them."""
    exchange = engine(MANY)
    with Uncollected():
        holders: list[Command] = []
        for number in range(size):
            holders.append(Order(f"a{number}", SYMBOL, SIDES[number % 2], 2, PRICE))
        apply_all(exchange, holders, 0)

        def one_round(number: int) -> Figures:
            now_ns = (number + 1) * SECOND_NS
            trades: list[Command] = []
            for k in range(SAMPLE):
                trades.append(Order(f"a{k % size}", SYMBOL, SIDES[k % 2], 1, PRICE))
            cost = us(lambda: apply_all(exchange, trades, now_ns), SAMPLE)
            exchange.apply(SetMark(SYMBOL, PRICE + number % 2), now_ns)
            return {
                "order": cost,
                "tick": us(lambda: exchange.apply(Tick(), now_ns + SECOND_NS // 2)),
            }

        return in_rounds(rounds, one_round)


def many_instruments(settings: str, size: int) -> str:
    return settings + "".join(
        f'[[instruments]]\nsymbol = "S{number}"\n' for number in range(size)
    )


async def instruments(size: int, rounds: int) -> Figures:
    """An order in the whole exchange; a Tick of the engine in which all marks moved; the next due moment."""
    rng = random.Random(size)
    measured = []
    async with market(many_instruments(UNMARKED, size)) as running:
        running.read()
        exchange = running.parts.live.exchange
        await running.take(_anywhere(rng, size, INSTRUMENT_SAMPLE, "w"))
        for number in range(rounds):
            cost = await running.take(_anywhere(rng, size, INSTRUMENT_SAMPLE, f"i{number}-"))
            measured.append(
                {"order": cost, "next_due": us(lambda: exchange.next_due_ns(exchange.now_ns))}
            )
    return middle(measured) | {"tick": tick_us(size)}


def _anywhere(rng: random.Random, size: int, count: int, prefix: str) -> list[bytes]:
    requests = []
    for number in range(count):
        side, symbol = rng.choice((BUY, SELL)), f"S{rng.randrange(size)}"
        requests.append(
            order(
                number % 8,
                side,
                PRICE - side * rng.randint(-20, 20),
                1,
                f"{prefix}{number}",
                symbol=symbol,
            )
        )
    return requests


def tick_us(size: int) -> float:
    """A Tick after every mark moved, with eight traders who hold all instruments."""
    exchange = engine(many_instruments(MANY, size))
    for symbol in exchange.markets:
        for number in range(8):
            exchange.apply(Order(f"t{number}", symbol, SIDES[number % 2], 1, PRICE), 0)
    for symbol in exchange.markets:
        exchange.apply(SetMark(symbol, PRICE + 1), SECOND_NS)
    with Uncollected():
        return us(lambda: exchange.apply(Tick(), 2 * SECOND_NS))


def curve(name: str, sizes: tuple[int, ...], cost_of: Callable[[int], Figures]) -> Figures:
    """Print a line for each size; return the ratio of largest to smallest, and all of the largest."""
    costs = {}
    for size in sizes:
        costs[size] = cost_of(size)
        ratio = costs[size]["order"] / costs[sizes[0]]["order"]
        said = ", ".join(
            f"{what.replace('_', ' ')} {each:,.1f} µs" for what, each in costs[size].items()
        )
        print(f"{size:9,} {name:12} {said} ({ratio:.2f}x)", flush=True)
    first, last = costs[sizes[0]], costs[sizes[-1]]
    figures = {f"growth.{name}_{what}_us": each for what, each in last.items()}
    return figures | {
        f"growth.{name}": last["order"] / first["order"],
        f"growth.{name}_most": float(sizes[-1]),
    }


def main() -> int:
    options = parser_of("growth", "What an order costs as the market grows.").parse_args()
    figures: Figures = {}
    figures |= curve(
        "resting",
        QUICK_RESTING if options.quick else RESTING,
        lambda size: resting(size, options.rounds),
    )
    figures |= curve("accounts", ACCOUNTS, lambda size: accounts(size, options.rounds))
    figures |= curve(
        "instruments", INSTRUMENTS, lambda size: uvloop.run(instruments(size, options.rounds))
    )
    tell(figures, as_json=options.json)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
