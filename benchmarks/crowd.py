"""How many bots a machine holds: more and more of them, until one decides less often than it should.

    python benchmarks/crowd.py
    python benchmarks/crowd.py --quick              (80, 120, 160, 200 bots)

The bots are those of bots_config_twenty.json, eight strategies that decide every 0.2 or 0.25 s, twenty more
at each step, each a process. Exchange and relay run as shipped: journal, archivist, exporter. A bot is held
to the interval that is configured for it: the crowd holds while each has made 90 % of the decisions for which
there was time. What counts is the largest crowd before the first that does not hold. This one needs the
machine for itself: other programs take from the bots.

The 60 bots of the table's `before` were read from the commands a second, which grew no further beyond some 50
bots. A strategy may decide to do nothing, so that is another figure: counted as here, the state before any
work on speed held 180 bots.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.counted_bot import COUNT_BYTES, counts_in
from benchmarks.peers import HOME, HOST, Exchange, Process, cpu_us, free_port
from benchmarks.targets import EXIT_OK, Figures, parser_of, tell
from botpit.battle.config import BattleConfig, Bot

CONFIG = HOME / "bots_config_twenty.json"
SIZES, QUICK_SIZES = range(20, 241, 20), range(80, 201, 40)
"""The exchange takes at most 256 connections of one address."""
LEAST_SHARE = 0.9
MEASURED_S = 9.0
SETTLE_S = 2.0
STAGGER_S = 0.02
CONNECTED_WITHIN_S = 60.0


@dataclass(slots=True)
class Crowd:
    """The market and the bots so far. `counts` has the decisions of each, in their order."""

    home: Path
    exchange: Exchange
    relay: Process
    config: BattleConfig
    counts: memoryview
    bots: list[tuple[Bot, Process]]

    def grow(self) -> None:
        """Start each bot of the configuration once more, and wait until all are logged in."""
        for each in self.config.all_bots():
            place = len(self.bots)
            bot = replace(each, trader_id=f"{each.trader_id}-{place}")
            argv = [
                str(HOME / "benchmarks" / "counted_bot.py"),
                str(self.home / "counts"),
                str(place),
                *bot.flags(),
            ]
            self.bots.append((bot, Process(argv, self.home / f"bot{place}.log", self.home)))
            time.sleep(STAGGER_S)
        until = time.monotonic() + CONNECTED_WITHIN_S
        while self.health("sessions") < len(self.bots):
            if time.monotonic() > until:
                sys.exit(
                    f"not all of {len(self.bots)} bots have logged in: {self.bots[-1][1].said()[-500:]}"
                )
            time.sleep(0.5)

    def health(self, what: str) -> int:
        """The exchange's own account of itself."""
        with urlopen(
            f"http://{HOST}:{self.exchange.order_port}/healthz", timeout=CONNECTED_WITHIN_S
        ) as answer:
            return int(json.load(answer)[what])

    def shares(self) -> list[float]:
        """Each bot's share of the decisions that its interval has room for, over MEASURED_S."""
        began, before = time.monotonic(), self.counts.tolist()
        time.sleep(MEASURED_S)
        seconds, after = time.monotonic() - began, self.counts.tolist()
        made = [late - early for early, late in zip(before, after, strict=True)]
        return [
            count * bot.decision_interval / seconds
            for count, (bot, _) in zip(made, self.bots, strict=False)
        ]

    def end(self) -> None:
        """Everything is measured: the bots need not end in good order."""
        for _, process in self.bots:
            os.kill(process.pid, signal.SIGKILL)
        for _, process in self.bots:
            process.stop()


@contextmanager
def crowd(home: Path) -> Iterator[Crowd]:
    """A market without bots."""
    (home / "counts").write_bytes(bytes(max(SIZES) * COUNT_BYTES))
    feed_port = free_port()
    with ExitStack() as until_the_end:
        exchange = Exchange(home / "exchange", "")
        until_the_end.callback(exchange.stop)
        relay_argv = [str(HOME / "market_data_server.py"), "--port", str(feed_port)]
        relay_argv += ["--upstream-uri", f"ws://{HOST}:{exchange.events_port}"]
        relay = until_the_end.enter_context(Process(relay_argv, home / "relay.log", home))
        relay.opened(feed_port)
        where = {
            "market_data_uri": f"ws://{HOST}:{feed_port}",
            "order_gateway_uri": f"ws://{HOST}:{exchange.order_port}",
        }
        config = BattleConfig.model_validate(
            json.loads(CONFIG.read_text(encoding="utf-8")) | where
        )
        running = Crowd(home, exchange, relay, config, counts_in(home / "counts"), [])
        until_the_end.callback(running.end)
        yield running


def largest(running: Crowd, sizes: Iterable[int]) -> Figures:
    """Grow until the crowd no longer holds; print each step."""
    figures: Figures = {"crowd.bots": 0.0}
    for size in sizes:
        while len(running.bots) < size:
            running.grow()
        time.sleep(SETTLE_S)
        exchange_us, relay_us, seq = (
            cpu_us(running.exchange.pid),
            cpu_us(running.relay.pid),
            running.health("seq"),
        )
        shares = running.shares()
        exchange_us, relay_us = (
            cpu_us(running.exchange.pid) - exchange_us,
            cpu_us(running.relay.pid) - relay_us,
        )
        events_per_s = (running.health("seq") - seq) / MEASURED_S
        print(
            f"{len(shares):3} bots  the slowest decides {min(shares):.0%} of what it should, all together "
            f"{sum(shares) / len(shares):.0%}; exchange {exchange_us / 1e6 / MEASURED_S:.2f} cores, "
            f"relay {relay_us / 1e6 / MEASURED_S:.2f}; {events_per_s:,.0f} events/s",
            flush=True,
        )
        if min(shares) < LEAST_SHARE:
            break
        figures = {"crowd.bots": float(len(shares)), "crowd.slowest": min(shares)}
    return figures


def main() -> int:
    options = parser_of("crowd", "How many bots a machine holds.", rounds=1).parse_args()
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        crowd(Path(folder)) as running,
    ):
        figures = largest(running, QUICK_SIZES if options.quick else SIZES)
    tell(figures, as_json=options.json)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
