"""The least memory and the fewest files with which a bot trades: the lower bounds of its limits.

A bot with the shipped random strategy is started under tighter and tighter limits, set from outside, until
none of its orders is accepted any more. Memory is address space, of which a thread's stack (ulimit -s) is a
part.

    python benchmarks/bot_limits.py
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HOME))

from botpit.io.limits import LEAST_MEMORY_MB, LEAST_OPEN_FILES
from tests.processes.running import Exchange, exchange

TRADES_WITHIN_S = 4.0
MIB = 2**20


def trades(market: Exchange, folder: Path, kind: int, limit: int) -> bool:
    """Whether a bot under this limit gets an order accepted."""
    report = folder / f"{kind}-{limit}.json"
    bot = subprocess.Popen(
        [
            sys.executable,
            str(HOME / "bot_client.py"),
            "--trader-id",
            f"bot-{kind}-{limit}",
            "--decision-interval",
            "0.02",
            "--order-gateway-uri",
            market.orders,
            "--market-data-uri",
            market.events,
            "--report",
            str(report),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"BOTPIT_LIFELINE": "1"},
        preexec_fn=lambda: resource.setrlimit(kind, (limit, limit)),
    )
    try:
        end_s = time.monotonic() + TRADES_WITHIN_S
        while time.monotonic() < end_s and bot.poll() is None:
            if report.exists() and json.loads(report.read_text(encoding="utf-8"))["accepted"]:
                return True
            time.sleep(0.05)
        return False
    finally:
        bot.kill()
        bot.communicate()


def least(works: Callable[[int], bool], low: int, high: int) -> int:
    """The least value that works, of those above `low`, which does not, up to `high`, which does."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def main() -> int:
    with tempfile.TemporaryDirectory() as name, exchange(Path(name)) as market:
        folder = Path(name)
        memory_mb = least(
            lambda mb: trades(market, folder, resource.RLIMIT_AS, mb * MIB), 8, 512
        )
        files = least(
            lambda number: trades(market, folder, resource.RLIMIT_NOFILE, number), 3, 256
        )
    print(
        f"memory      a bot needs {memory_mb} MiB; --max-memory-mb takes {LEAST_MEMORY_MB} and more"
    )
    print(
        f"open files  a bot needs {files}; --max-open-files takes {LEAST_OPEN_FILES} and more"
    )
    return 0 if memory_mb <= LEAST_MEMORY_MB and files <= LEAST_OPEN_FILES else 4


if __name__ == "__main__":
    sys.exit(main())
