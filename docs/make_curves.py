"""Makes docs/growth.svg: what an order costs as a market grows, in four directions, as
benchmarks/growth.py measures it.

    python docs/make_curves.py

Needs matplotlib, which is among benchmarks/requirements.txt; takes two minutes. The figures are
microseconds of CPU on the present machine: what a curve tells is its slope.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import uvloop

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from benchmarks.flows import RICH, bar
from benchmarks.growth import ACCOUNTS, INSTRUMENTS, RESTING, accounts, instruments, resting
from benchmarks.in_process import market
from benchmarks.targets import Figures

ROUNDS = 3
SLICE, SLICES = 10_000, 10
Curve = tuple[str, list[int], list[float]]
"""What grows, how far, and the cost of an order there, microseconds."""


async def sent() -> list[float]:
    """The whole way of an order, from frame to answer, slice after slice of the same market."""
    async with market(RICH) as running:
        running.read()
        requests = bar(SLICE * SLICES, 1)
        return [
            await running.take(requests[first : first + SLICE])
            for first in range(0, len(requests), SLICE)
        ]


def curves() -> list[Curve]:
    said: list[tuple[str, tuple[int, ...], Callable[[int], Figures]]] = [
        (
            "orders resting (engine: new and cancel)",
            RESTING,
            lambda size: resting(size, ROUNDS),
        ),
        (
            "accounts with a position (engine: an order that trades)",
            ACCOUNTS,
            lambda size: accounts(size, ROUNDS),
        ),
        (
            "instruments, eight traders in all (whole way)",
            INSTRUMENTS,
            lambda size: uvloop.run(instruments(size, ROUNDS)),
        ),
    ]
    found: list[Curve] = []
    for name, sizes, cost_of in said:
        print(f"measuring {name}", file=sys.stderr, flush=True)
        found.append((name, list(sizes), [cost_of(size)["order"] for size in sizes]))
    return [
        *found,
        (
            "orders sent (whole way)",
            [SLICE * (k + 1) for k in range(SLICES)],
            uvloop.run(sent()),
        ),
    ]


def draw(found: list[Curve], plots: Any) -> None:
    plots.rcParams["svg.hashsalt"] = "botpit"
    figure, panels = plots.subplots(2, 2, figsize=(10, 6), layout="constrained")
    for panel, (name, sizes, costs) in zip(panels.flat, found, strict=True):
        panel.plot(sizes, costs, marker="o", color="#2a6f97")
        if not name.startswith("orders sent"):
            panel.set_xscale("log")
        panel.set_ylim(0, max(costs) * 1.3)
        panel.set_xlabel(name)
        panel.set_ylabel("µs of CPU an order")
        panel.grid(alpha=0.3)
    figure.savefig(HOME / "docs" / "growth.svg", metadata={"Date": None})


def main() -> int:
    argparse.ArgumentParser(
        description="Draws what an order costs as a market grows.",
        epilog="example: python docs/make_curves.py",
    ).parse_args()
    try:
        pyplot = import_module("matplotlib.pyplot")
    except ImportError:
        print(
            "error: matplotlib is missing: pip install -r benchmarks/requirements.txt",
            file=sys.stderr,
        )
        return 2
    found = curves()
    for name, sizes, costs in found:
        print(
            f"{name}: "
            + ", ".join(
                f"{size:,} {cost:.1f} µs" for size, cost in zip(sizes, costs, strict=True)
            )
        )
    draw(found, pyplot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
