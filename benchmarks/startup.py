"""The cost of starting a program: CPU and memory of an exchange, a relay and a bot, until each works.

    python benchmarks/startup.py

The exchange is in business when it says that it is open, the relay when its upstream is connected too, the
bot when it is connected to both. Milliseconds of CPU of the process itself, without its children, and
resident MB at that moment. Target: the exchange and a bot at most 150 ms each.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import HOME, HOST, Process, cpu_us, free_port, resident_bytes
from benchmarks.targets import EXIT_OK, Figures, in_rounds, parser_of, tell

PROGRAMS = ("exchange", "relay", "bot")
WITHIN_S = 30.0
LOOK_EVERY_S = 0.002
MB = 1e6


def in_business(name: str, process: Process, signs: tuple[str, ...]) -> Figures:
    """Wait until the process has said all the `signs`, and count."""
    until = time.monotonic() + WITHIN_S
    while not all(sign in process.said() for sign in signs):
        if time.monotonic() > until:
            sys.exit(
                f"{name}: expected it to say {' and '.join(signs)}, found: {process.said()[-500:]}"
            )
        time.sleep(LOOK_EVERY_S)
    cpu_ms, mb = cpu_us(process.pid) / 1_000, resident_bytes(process.pid) / MB
    return {f"startup.{name}_cpu_ms": cpu_ms, f"startup.{name}_mb": mb}


def one_round(home: Path) -> Figures:
    """The three of one market, one after the other."""
    orders, events, feed = free_port(), free_port(), free_port()
    exchange_argv = [
        str(HOME / "exchange_server.py"),
        "--order-port",
        str(orders),
        "--events-port",
        str(events),
    ]
    relay_argv = [
        str(HOME / "market_data_server.py"),
        "--port",
        str(feed),
        "--upstream-uri",
        f"ws://{HOST}:{events}",
    ]
    bot_argv = [
        str(HOME / "bot_client.py"),
        "--trader-id",
        "alice",
        "--strategy",
        "maker",
        "--market-data-uri",
    ]
    bot_argv += [f"ws://{HOST}:{feed}", "--order-gateway-uri", f"ws://{HOST}:{orders}"]
    with Process(exchange_argv, home / "exchange.log", home) as exchange:
        figures = in_business("exchange", exchange, (" open ",))
        with Process(relay_argv, home / "relay.log", home) as relay:
            figures |= in_business("relay", relay, (" open ", "upstream connected"))
            with Process(bot_argv, home / "bot.log", home) as bot:
                figures |= in_business("bot", bot, ("to=gateway", "to=feed"))
    return figures


def main() -> int:
    options = parser_of("startup", "What it costs to start a program.").parse_args()

    def in_a_folder(_: int) -> Figures:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            return one_round(Path(folder))

    figures = in_rounds(options.rounds, in_a_folder)
    for name in PROGRAMS:
        print(
            f"{name:8}  {figures[f'startup.{name}_cpu_ms']:.0f} ms of CPU, "
            f"{figures[f'startup.{name}_mb']:.1f} MB"
        )
    tell(figures, as_json=options.json)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
