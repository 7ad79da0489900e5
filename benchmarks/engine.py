"""Books driven from Python on the same flows: botpit's engine, bourse (Rust), order-matching (pandas).

    python benchmarks/engine.py

bourse is a bare book: no accounts, no margin, no events. order-matching is slow enough that it gets the first
operations only. Microseconds of CPU an operation, and how often bourse's cost goes into it: 0.5x is twice as
dear. Requests are taken apart before the clock starts. The peers are not among botpit's dependencies: `make
bench` installs them.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import process_time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.flows import FLOWS, RICH
from benchmarks.in_process import engine
from benchmarks.targets import EXIT_OK, EXIT_USAGE, Figures, in_rounds, parser_of, tell
from botpit.core.commands import BUY, SELL, Cancel, Command, Order, Replace, TimeInForce

OPERATIONS, QUICK_OPERATIONS = 50_000, 20_000
OF_ORDER_MATCHING = 300
"""Its book of resting orders is a table, which each order copies."""
TAKEN = ("rest", "cross", "life")
SYMBOL = "SIM"
DAY = datetime(2026, 1, 1)
NS_APART = 1_000
INSTALL = "pip install -r benchmarks/requirements.txt"


@dataclass(frozen=True, slots=True)
class Operation:
    """A request in the units of a book. `price` in ticks."""

    kind: str
    trader: str
    client_order_id: str
    side: int
    price: int
    qty: int
    at_once: bool


def operations_of(requests: list[bytes]) -> list[Operation]:
    return [_operation(json.loads(request)) for request in requests]


def _operation(request: dict[str, Any]) -> Operation:
    return Operation(
        request["type"],
        request["trader_id"],
        request["client_order_id"],
        BUY if request.get("side") == "buy" else SELL,
        round(request.get("price", 0) * 100),
        request.get("qty", 0),
        request.get("time_in_force") == "ioc",
    )


def botpit_s(operations: list[Operation]) -> float:
    """Seconds of CPU for all of them, as for the other books."""
    exchange, commands = engine(RICH), [_command(each) for each in operations]
    began = process_time()
    for number, command in enumerate(commands):
        exchange.apply(command, number * NS_APART)
    return process_time() - began


def _command(each: Operation) -> Command:
    if each.kind == "cancel":
        return Cancel(each.trader, None, each.client_order_id)
    if each.kind == "replace":
        return Replace(each.trader, None, each.client_order_id, each.price, each.qty)
    in_force = TimeInForce.IOC if each.at_once else TimeInForce.GTC
    return Order(
        each.trader, SYMBOL, each.side, each.qty, each.price, in_force, each.client_order_id
    )


def bourse_s(operations: list[Operation]) -> float:
    book = importlib.import_module("bourse.core").OrderBook(0, 1, True)
    ids: dict[str, int] = {}
    began = process_time()
    for each in operations:
        if each.kind == "cancel":
            book.cancel_order(ids[each.client_order_id])
        elif each.kind == "replace":
            book.modify_order(ids[each.client_order_id], each.price, each.qty)
        else:
            number = book.place_order(
                each.side == BUY, each.qty, int(each.trader[1:]), price=each.price
            )
            ids[each.client_order_id] = number
            if each.at_once:
                book.cancel_order(number)
    return process_time() - began


def order_matching_s(operations: list[Operation]) -> float:
    """It has no replace, so a replace is a cancel here."""
    named = importlib.import_module
    named("loguru").logger.remove()
    matching = named("order_matching.matching_engine").MatchingEngine(seed=1)
    limit_order, orders = (
        named("order_matching.order").LimitOrder,
        named("order_matching.orders").Orders,
    )
    sides = {
        side: getattr(named("order_matching.enums").Side, name)
        for side, name in ((BUY, "BUY"), (SELL, "SELL"))
    }
    began = process_time()
    for each in operations:
        if each.kind == "order":
            matching.place(
                orders(
                    [
                        limit_order(
                            side=sides[each.side],
                            price=each.price / 100,
                            size=each.qty,
                            timestamp=DAY,
                            order_id=each.client_order_id,
                            trader_id=each.trader,
                            price_number_of_digits=2,
                        )
                    ]
                )
            )
            matching.match(timestamp=DAY)
        rests = matching.unprocessed_orders.find_order_by_id(each.client_order_id) is not None
        if rests and (each.kind != "order" or each.at_once):
            matching.cancel_order(each.client_order_id)
    return process_time() - began


def us_each(play: Callable[[list[Operation]], float], operations: list[Operation]) -> float:
    """Each book alone in the process, with the collector off."""
    gc.collect()
    gc.disable()
    spent = play(operations)
    gc.enable()
    return 1e6 * spent / len(operations)


def one_round(count: int, seed: int) -> Figures:
    figures: Figures = {}
    for flow in TAKEN:
        operations = operations_of(FLOWS[flow](count, seed))
        ours, bourse = us_each(botpit_s, operations), us_each(bourse_s, operations)
        first = operations[:OF_ORDER_MATCHING]
        few, ours_of_few = us_each(order_matching_s, first), us_each(botpit_s, first)
        figures |= {
            f"engine.{flow}_us": ours,
            f"engine.{flow}_bourse_us": bourse,
            f"engine.{flow}_order_matching_us": few,
            f"engine.{flow}_vs_bourse": bourse / ours,
            f"engine.{flow}_vs_order_matching": few / ours_of_few,
        }
    return figures


def main() -> int:
    options = parser_of("engine", "Books beside one another.").parse_args()
    try:
        importlib.import_module("bourse.core")
        importlib.import_module("order_matching.matching_engine")
    except ImportError as error:
        print(f"error: {error.name} is missing: {INSTALL}", file=sys.stderr)
        return EXIT_USAGE
    count = QUICK_OPERATIONS if options.quick else OPERATIONS
    figures = in_rounds(options.rounds, lambda number: one_round(count, number))
    for flow in TAKEN:
        ours, bourse, few = (
            figures[f"engine.{flow}{whose}_us"] for whose in ("", "_bourse", "_order_matching")
        )
        print(
            f"{flow:6} botpit {ours:6.2f} µs, "
            f"{figures[f'engine.{flow}_vs_bourse']:.3f}x bourse ({bourse:.2f}), "
            f"{figures[f'engine.{flow}_vs_order_matching']:.0f}x order-matching ({few:,.0f})"
        )
    tell(figures, as_json=options.json)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
