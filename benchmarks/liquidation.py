"""The cost of safe accounts in a Tick: 10 … 10,000 leveraged accounts whose mark moves every Tick.

    python benchmarks/liquidation.py

Half of the accounts are long, half short, each at its own leverage. Every Tick moves the mark one tick up or
down, so every account's equity changes with every Tick, and none is in breach. The peer is the obvious way:
working out every account's margin at every Tick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from time import perf_counter_ns

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.core.commands import BUY, SELL, Deposit, Open, Order, SetMark, Tick
from botpit.core.exchange import Exchange
from botpit.core.risk.margin import in_breach
from botpit.settings import parse_settings

SETTINGS = """
[market]
max_accounts = 20000
mark_to_market_ms = 3600000
"""
TICKS = 2_000
NS_PER_TICK = 100_000_000


def market_of(accounts: int) -> Exchange:
    settings = parse_settings(SETTINGS)
    exchange = Exchange(Open("liquidation", settings.rules(), settings.engine_instruments()))
    mark = exchange.first_market.mark
    for number in range(accounts // 2):
        lots = 50 + number % 300
        for trader, side in ((f"bull{number}", BUY), (f"bear{number}", SELL)):
            exchange.apply(Order(trader, "SIM", side, lots, mark), number)
    exchange.apply(Deposit("bull0", 1), accounts)
    exchange.apply(Tick(), accounts)
    return exchange


def cost_of_a_tick_ns(exchange: Exchange) -> tuple[float, float]:
    """Median cost of a Tick after the mark moved, and of working out every account's margin, nanoseconds."""
    mark, ticks, checks = exchange.first_market.mark, [], []
    for number in range(TICKS):
        exchange.apply(SetMark("SIM", mark + number % 2), NS_PER_TICK * number)
        started = perf_counter_ns()
        exchange.apply(Tick(), NS_PER_TICK * number)
        ticks.append(perf_counter_ns() - started)
        if number % 200 == 0:
            started = perf_counter_ns()
            assert not any(in_breach(account) for account in exchange.accounts.values())
            checks.append(perf_counter_ns() - started)
    return median(ticks), median(checks)


def main() -> int:
    print("accounts   a Tick   every account's margin   ratio")
    for accounts in (10, 100, 1_000, 10_000):
        tick_ns, check_ns = cost_of_a_tick_ns(market_of(accounts))
        print(
            f"{accounts:8,} {tick_ns / 1_000:6.1f} µs {check_ns / 1_000:21,.1f} µs {tick_ns / check_ns:8.4f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
