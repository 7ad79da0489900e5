"""The four-terminal flow as processes (exchange, relay, battle, monitor), watched by a recorder.

The recorder counts trades and how long the book had two sides, and at the end its trades must be the rows of
trades.csv, one by one. With `--kill-relay` the relay is killed (-9) half-way and started again: the monitor
must say DISCONNECTED and CONNECTED, and the bots must trade on.

    python proofs/four_terminals.py --seconds 60
    python proofs/four_terminals.py --seconds 30 --kill-relay
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from proofs.harness.exports import TRADES, Row, csv_rows, row_of
from proofs.harness.main import ProofParser, in_a_folder, verdict
from proofs.harness.recorder import Recorder
from proofs.harness.terminals import (
    HOME,
    OPENS_WITHIN_S,
    Terminals,
    logs_with_tracebacks,
    terminals,
)


class TradesAndQuotes(Recorder):
    """Trades as rows of trades.csv, and how long the book had two sides."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._two_sided_ms = 0
        self._first_ms = self._last_ms = 0
        self._two_sided = False

    async def half(self, seconds: float, trades: int) -> None:
        """Half of a run: that many seconds, or as long as half of `trades` take."""
        if not trades:
            return await asyncio.sleep(seconds / 2)
        enough = len(self.rows) + trades // 2
        return await self.until(lambda: len(self.rows) >= enough, seconds / 2)

    def take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "trade":
                self.rows.append(row_of(message))
            case "book_update":
                self._quotes(
                    message["timestamp"],
                    message["best_bid"] is not None and message["best_ask"] is not None,
                )

    def _quotes(self, now_ms: int, two_sided: bool) -> None:
        """Time counts from the first book with two sides."""
        if self._first_ms and self._two_sided:
            self._two_sided_ms += now_ms - self._last_ms
        if two_sided and not self._first_ms:
            self._first_ms = now_ms
        self._last_ms, self._two_sided = now_ms, two_sided

    def two_sided(self) -> float:
        """The share of the time, 0 … 1."""
        return self._two_sided_ms / max(1, self._last_ms - self._first_ms)


@dataclass(slots=True)
class Outcome:
    """What one run of the flow showed."""

    trades: int
    rows_equal: bool
    two_sided: float
    accepted: dict[str, int]
    kinds: set[str]
    tracebacks: list[str]
    exit_codes: dict[str, int]
    monitor_states: list[str] = field(default_factory=list)
    trades_after_restart: int = 0

    def __str__(self) -> str:
        accepted = ", ".join(
            f"{trader} {count}" for trader, count in sorted(self.accepted.items())
        )
        return "\n".join(
            [
                f"trades recorded         {self.trades:,}",
                f"rows of trades.csv      {'equal, row for row' if self.rows_equal else 'DIFFERENT'}",
                f"book two-sided          {self.two_sided:.1%} of the time",
                f"bots                    {len(self.accepted)} of {len(self.kinds)} kinds",
                f"accepted orders         {accepted}",
                f"tracebacks in logs      {', '.join(self.tracebacks) or 'none'}",
                f"exit codes              {self.exit_codes}",
                *(
                    [f"monitor                 {' -> '.join(self.monitor_states)}"]
                    if self.monitor_states
                    else []
                ),
                *(
                    [f"trades after restart    {self.trades_after_restart:,}"]
                    if self.trades_after_restart
                    else []
                ),
            ]
        )


async def watch(
    seconds: float, config: Path, folder: Path, *, kill_relay: bool = False, trades: int = 0
) -> Outcome:
    """One run on free ports, all its files in `folder`: so many seconds; or `trades`, within the seconds."""
    recorder = TradesAndQuotes()
    async with terminals(folder) as parts:
        await parts.start_exchange("--csv-dir", str(folder))
        recording = asyncio.create_task(recorder.record(parts.events))
        await parts.start_relay()
        await parts.start("monitor", "monitor_client.py", "--json", "--uri", parts.relay)
        await parts.start_battle(config)
        await recorder.half(seconds, trades)
        if kill_relay:
            await restart_relay(parts)
        trades_then = len(recorder.rows)
        await recorder.half(seconds, trades)
        trades_after, states = (
            len(recorder.rows) - trades_then,
            monitor_states(parts.log("monitor")),
        )
        await parts.stop("battle", "relay", "monitor", "exchange")
        await recording
    return Outcome(
        trades=len(recorder.rows),
        rows_equal=csv_rows(folder / TRADES) == recorder.rows,
        two_sided=recorder.two_sided(),
        accepted=accepted_orders(folder / "bots"),
        kinds=kinds_of_bots(config),
        tracebacks=logs_with_tracebacks(folder),
        exit_codes=parts.exit_codes,
        monitor_states=states if kill_relay else [],
        trades_after_restart=trades_after if kill_relay else 0,
    )


async def restart_relay(parts: Terminals) -> None:
    """kill -9, and start it again where it was; the monitor has to notice both."""
    await monitor_says("CONNECTED", parts)
    await parts.kill("relay")
    await monitor_says("DISCONNECTED", parts)
    await parts.start_relay()
    await monitor_says("CONNECTED", parts)


async def monitor_says(state: str, parts: Terminals) -> None:
    """Wait until the monitor's newest line says so."""
    async with asyncio.timeout(OPENS_WITHIN_S):
        while monitor_states(parts.log("monitor"))[-1:] != [state]:
            await asyncio.sleep(0.05)


def kinds_of_bots(config: Path) -> set[str]:
    return {bot["strategy"] for bot in json.loads(config.read_text(encoding="utf-8"))["bots"]}


def accepted_orders(folder: Path) -> dict[str, int]:
    """What each bot counted in the last line of its log."""
    counts: dict[str, int] = {}
    for log in folder.glob("*.log"):
        found = re.findall(r"stopped accepted=(\d+)", log.read_text(encoding="utf-8"))
        counts[log.stem] = int([0, *found][-1])
    return counts


def monitor_states(log: Path) -> list[str]:
    """CONNECTED and DISCONNECTED, each change once, from the monitor's JSON lines."""
    states: list[str] = []
    for line in log.read_text(encoding="utf-8").splitlines():
        if line.startswith("{"):
            state = "CONNECTED" if json.loads(line)["connected"] else "DISCONNECTED"
            if states[-1:] != [state]:
                states.append(state)
    return states


def main() -> int:
    parser = ProofParser(
        "Run the four-terminal flow on free ports and compare what it wrote with what a recorder saw.",
        "four_terminals.py --seconds 60",
    )
    parser.number("--seconds", 60.0, "how long the bots trade")
    parser.battle(HOME / "bots_config.json")
    killed = "kill -9 the relay half-way and start it again"
    parser.add_argument("--kill-relay", action="store_true", help=killed)
    options = parser.parse_args()
    outcome = in_a_folder(
        lambda folder: watch(
            options.seconds, options.config, folder, kill_relay=options.kill_relay
        )
    )
    return verdict(outcome, is_good=outcome.rows_equal and not outcome.tracebacks)


if __name__ == "__main__":
    sys.exit(main())
