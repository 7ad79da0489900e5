"""A battle of twenty bots, one of them killed (-9) every so often, watched by an independent recorder.

The pids come from the runner's log. Between two kills the others must trade on, and results.json must account
for every kill: bot, time, signal and restart. The recorder is a plain `websockets` client of the event
stream. The trades, volumes and makers in results.json must be what it counted, bot by bot, and so must the
bots' own reports, which continue over a bot's deaths. At the end `botpit check` goes through the files.

    python proofs/battle_kills.py --seconds 300 --every 20
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from proofs.harness import processes
from proofs.harness.main import EXIT_DIFFERENT, EXIT_OK, ProofParser, in_a_folder
from proofs.harness.recorder import Recorder
from proofs.harness.terminals import HOME, Terminals, logs_with_tracebacks, terminals

BATTLE = HOME / "bots_config_twenty.json"
ACCOUNTED_WITHIN_S = 15.0
"""A restart follows its kill by no more than this, backoff included."""
PATIENCE_S = 60.0
MS_PER_S = 1_000


@dataclass(frozen=True, slots=True)
class Kill:
    """`at_s`: Unix time.

    `trades`, `log_bytes`: how many the recorder had seen, how long the bot's log was by then.
    """

    trader_id: str
    at_s: float
    trades: int
    log_bytes: int


class TradeRecorder(Recorder):
    """Every trade of the event stream."""

    def __init__(self) -> None:
        super().__init__()
        self.trades: list[dict[str, Any]] = []

    def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "trade":
            self.trades.append(message)

    async def grows(self, beyond: int, without: str) -> bool:
        """Wait for a trade of others than `without` beyond the first `beyond`; return whether one came."""
        try:
            await self.until(lambda: bool(self.of_others(beyond, without)), PATIENCE_S)
        except TimeoutError:
            return False
        return True

    def of_others(
        self, beyond: int, without: str, until: int | None = None
    ) -> list[dict[str, Any]]:
        return [trade for trade in self.trades[beyond:until] if without not in traders(trade)]

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Trades, lots, and lots as maker, by trader."""
        number, lots, made = Counter[str](), Counter[str](), Counter[str]()
        for trade in self.trades:
            buyer, seller = traders(trade)
            maker = seller if trade["aggressor_side"] == "buy" else buyer
            made[maker] += trade["qty"]
            for trader in (buyer, seller):
                number[trader] += 1
                lots[trader] += trade["qty"]
        return {trader: (number[trader], lots[trader], made[trader]) for trader in number}


def traders(trade: dict[str, Any]) -> tuple[str, str]:
    return trade["buy_trader_id"], trade["sell_trader_id"]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What one such battle showed.

    `reports`: filled lots by bot, of those that reported; `check`: what `botpit check` said.
    """

    kills: list[Kill]
    recorder: TradeRecorder
    results: dict[str, Any]
    reports: dict[str, int]
    tracebacks: list[str]
    exit_codes: dict[str, int]
    check: str

    def differences(self) -> Iterator[str]:
        """The differences, a sentence each."""
        if any(self.exit_codes.values()) or self.tracebacks:
            yield f"exit codes {self.exit_codes}, tracebacks in {self.tracebacks}"
        if not self.kills:
            yield "nobody ever traded"
        for kill, others in zip(self.kills, self.trades_of_others(), strict=True):
            if not others:
                yield f"nobody traded after {kill.trader_id} was killed"
        yield from self._wrong_restarts()
        yield from self._wrong_counts()

    def trades_of_others(self) -> list[int]:
        """Between each kill and the next, or the end."""
        ends = [*(kill.trades for kill in self.kills[1:]), len(self.recorder.trades)]
        return [
            len(self.recorder.of_others(kill.trades, kill.trader_id, end))
            for kill, end in zip(self.kills, ends, strict=True)
        ]

    def came_back(self) -> int:
        """How many of the killed traded again."""
        return sum(
            any(
                kill.trader_id in traders(trade)
                for trade in self.recorder.trades[kill.trades :]
            )
            for kill in self.kills
        )

    def longest_pause_s(self) -> float:
        """The longest time between two trades."""
        times = [trade["timestamp"] for trade in self.recorder.trades]
        return max((after - before for before, after in pairwise(times)), default=0) / MS_PER_S

    def _wrong_restarts(self) -> Iterator[str]:
        (battle,) = self.results["rounds"]
        told = {each["bot"]["trader_id"]: each for each in battle["bots"]}
        for name, bot in told.items():
            kills = [kill for kill in self.kills if kill.trader_id == name]
            if len(bot["restarts"]) != len(kills):
                restarts = len(bot["restarts"])
                yield f"{name} was killed {len(kills)} times, results.json has {restarts} restarts"
            for kill, restart in zip(kills, bot["restarts"], strict=False):
                late_s = datetime.fromisoformat(restart["at"]).timestamp() - kill.at_s
                if (
                    restart["exit_code"] != -signal.SIGKILL
                    or not restart["backoff_s"] <= late_s <= ACCOUNTED_WITHIN_S
                ):
                    yield f"{name} was killed at {kill.at_s:.3f}, results.json has {restart}"
            if bot["gave_up"] or not bot["stopped"] or bot["exit_code"]:
                yield f"{name} did not last until the end: {bot}"
        rows = {row["trader_id"]: row["restarts"] for row in battle["standings"]}
        if sum(rows.values()) != len(self.kills):
            yield f"{len(self.kills)} kills, {sum(rows.values())} restarts in the standings"

    def _wrong_counts(self) -> Iterator[str]:
        (battle,) = self.results["rounds"]
        counted = self.recorder.counts()
        for row in battle["standings"]:
            name, told = (
                row["trader_id"],
                (
                    row["trades"],
                    row["volume"],
                    round(row["volume"] * (row["maker_share"] or 0)),
                ),
            )
            if told != counted.get(name, (0, 0, 0)):
                yield f"{name}: trades, lots, lots as maker are {told}, recorded were {counted.get(name)}"
            if (
                self.reports.get(name, row["volume"]) != row["volume"]
                and not row["deleveragings"]
            ):
                reported = self.reports[name]
                yield f"{name}: its report has {reported} filled lots, the recorder {row['volume']}"

    def __str__(self) -> str:
        others = self.trades_of_others()
        killed = ", ".join(kill.trader_id for kill in self.kills)
        least = min(others, default=0)
        bots = len(self.results["rounds"][0]["bots"])
        return "\n".join(
            [
                f"kills                    {len(self.kills)}: {killed}",
                f"trades                   {len(self.recorder.trades):,}",
                f"trades of the others     {least:,} at least between two kills, {sum(others):,} in all",
                f"longest pause            {self.longest_pause_s():.1f} s without a trade",
                f"killed that traded again {self.came_back()} of {len(self.kills)}",
                f"reports                  {len(self.reports)} of {bots} bots",
                f"tracebacks in logs       {', '.join(self.tracebacks) or 'none'}",
                f"exit codes               {self.exit_codes}",
                f"botpit check             {self.check.strip()}",
            ]
        )


async def watch(
    kills: int, every_s: float, seed: int, config: Path, folder: Path, *flags: str
) -> Outcome:
    """One battle on free ports, all its files in `folder`, with a kill every so often."""
    recorder = TradeRecorder()
    async with terminals(folder) as parts:
        await parts.start_exchange("--csv-dir", str(folder))
        recording = asyncio.create_task(recorder.record(parts.events))
        await parts.start_relay()
        await parts.start_battle(config, *flags)
        done = await kill_each(victims(config, kills, seed), every_s, parts, recorder)
        await parts.stop("battle", "relay", "exchange")
        await recording
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    check = [sys.executable, "-m", "botpit", "check", str(folder)]
    checked = subprocess.run(check, capture_output=True, text=True, cwd=HOME, check=False)
    return Outcome(
        kills=done,
        recorder=recorder,
        results=results,
        reports=reports(results, folder),
        tracebacks=logs_with_tracebacks(folder),
        exit_codes={**parts.exit_codes, "check": checked.returncode},
        check=checked.stdout + checked.stderr,
    )


async def kill_each(
    names: list[str], every_s: float, parts: Terminals, recorder: TradeRecorder
) -> list[Kill]:
    """Those that were killed, each so long after the one before: all, or fewer if nobody trades any more."""
    done, last = list[Kill](), Kill("", 0.0, 0, 0)
    for name in names:
        await asyncio.sleep(every_s)
        if not await recorder.grows(last.trades, last.trader_id):
            return done
        done.append(last := await kill(name, parts, recorder))
    await asyncio.sleep(every_s)
    await came_back(last, parts)
    await recorder.grows(last.trades, last.trader_id)
    return done


def victims(config: Path, kills: int, seed: int) -> list[str]:
    """The bots to kill, in order: each once in random order, then again."""
    entries = json.loads(config.read_text(encoding="utf-8"))["bots"]
    names = []
    for entry in entries:
        if "count" in entry:
            names += [f"{entry['trader_id']}-{number + 1}" for number in range(entry["count"])]
        else:
            names.append(entry["trader_id"])
    random.Random(seed).shuffle(names)
    return [names[number % len(names)] for number in range(kills)]


async def kill(victim: str, parts: Terminals, recorder: TradeRecorder) -> Kill:
    """kill -9 of the process that the runner's log names."""
    pid = int(await parts.logged("battle", rf"started name={re.escape(victim)} pid=(\d+)"))
    killed = Kill(
        victim, time.time(), len(recorder.trades), log_of(victim, parts).stat().st_size
    )
    processes.kill(pid)
    return killed


def log_of(bot: str, parts: Terminals) -> Path:
    return parts.folder / "bots" / f"{bot}.log"


async def came_back(last: Kill, parts: Terminals) -> None:
    """Wait until the killed bot is connected to the exchange again."""
    async with asyncio.timeout(PATIENCE_S):
        while (
            b"connected to=gateway"
            not in log_of(last.trader_id, parts).read_bytes()[last.log_bytes :]
        ):
            await asyncio.sleep(0.05)


def reports(results: dict[str, Any], folder: Path) -> dict[str, int]:
    (battle,) = results["rounds"]
    found = {
        each["bot"]["trader_id"]: each["report"] for each in battle["bots"] if each["report"]
    }
    return {
        name: json.loads((folder / path).read_text(encoding="utf-8"))["filled_qty"]
        for name, path in found.items()
    }


def main() -> int:
    parser = ProofParser(
        "Run a battle of twenty bots on free ports and kill one of them (-9) every so often; exit 0 when the "
        "others traded on and results.json accounts for every kill, else 4 with the first difference.",
        "battle_kills.py --seconds 300 --every 20",
    )
    parser.number("--seconds", 300.0, "how long the battle is")
    parser.number("--every", 20.0, "seconds between two kills")
    parser.number("--seed", 1, "of who is killed")
    parser.battle(BATTLE)
    options = parser.parse_args()
    kills = max(1, round(options.seconds / options.every) - 1)
    outcome = in_a_folder(
        lambda folder: watch(kills, options.every, options.seed, options.config, folder)
    )
    print(outcome)
    for difference in outcome.differences():
        print(f"DIFFERENCE {difference}")
        return EXIT_DIFFERENT
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
