"""A long journal read again: `botpit replay --verify` of 1,000,000 commands, and an exchange's start.

    python benchmarks/recovery.py
    python benchmarks/recovery.py --quick           (100,000 commands, from which 1,000,000 are scaled)

The journal is that of benchmarks/replay.py: makers who quote around the mark, move and cancel their quotes
and take each other's. Both are processes as a user would start them, and their seconds are of CPU, which
other programs disturb less than the clock. An exchange is started until it says that it is open: from the
journal alone, then with a snapshot of its last command. What the command costs without a journal, its
`--help`, is not scaled.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import HOME, Process, cpu_us, free_port, resident_bytes
from benchmarks.replay import make_journal
from benchmarks.targets import EXIT_OK, Figures, in_rounds, parser_of, tell
from botpit.history.journal.disk import Disk
from botpit.history.journal.folder import DataFolder
from botpit.io.child import command_of

COMMANDS, QUICK_COMMANDS = 1_000_000, 100_000
ROUNDS = 3
OPENS_WITHIN_S = 120.0
MB = 1e6


def made(home: Path, commands: int) -> tuple[Path, Path]:
    """Two data folders with the same market: with its snapshot, and without."""
    data = DataFolder(home / "with", Disk())
    folder = data.folder_of("replay-1")
    make_journal(folder, commands, 1)
    data.set_current(folder)
    data.close()
    shutil.copytree(
        home / "with", home / "without", ignore=shutil.ignore_patterns("snapshot-*")
    )
    return home / "with", home / "without"


def replay_s(*arguments: str) -> float:
    """CPU seconds of `botpit replay` with these."""
    before = _children_s()
    argv = command_of("replay", *arguments)
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"replay ended with {done.returncode}: {done.stderr}")
    return _children_s() - before


def _children_s() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def start(data: Path, scratch: Path) -> tuple[float, float]:
    """CPU seconds and resident MB of an exchange until it is open; on a copy, because it writes."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    shutil.copytree(data, folder / "data")
    argv = [
        str(HOME / "exchange_server.py"),
        "--order-port",
        str(free_port()),
        "--events-port",
        str(free_port()),
    ]
    with Process(
        [*argv, "--no-export", "--data-dir", "data"], folder / "log", folder
    ) as exchange:
        until = time.monotonic() + OPENS_WITHIN_S
        while " open " not in exchange.said():
            if time.monotonic() > until or "error" in exchange.said():
                sys.exit(f"the exchange does not open: {exchange.said()[-500:]}")
            time.sleep(0.005)
        spent = cpu_us(exchange.pid) / 1e6, resident_bytes(exchange.pid) / MB
    shutil.rmtree(folder, ignore_errors=True)
    return spent


def one_round(with_snapshot: Path, without: Path, scratch: Path) -> Figures:
    (long_s, long_mb), (short_s, short_mb) = (
        start(without, scratch),
        start(with_snapshot, scratch),
    )
    journal = str(next(with_snapshot.glob("market-*")))
    return {
        "recovery.measured_s": replay_s(journal, "--verify"),
        "recovery.help_s": replay_s("--help"),
        "recovery.start_s": long_s,
        "recovery.start_mb": long_mb,
        "recovery.start_with_snapshot_s": short_s,
        "recovery.start_with_snapshot_mb": short_mb,
    }


def main() -> int:
    options = parser_of("recovery", "A long journal read again.", rounds=ROUNDS).parse_args()
    commands = QUICK_COMMANDS if options.quick else COMMANDS
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        folders = made(Path(home), commands)
        figures = in_rounds(options.rounds, lambda _: one_round(*folders, Path(home)))
    measured_s, help_s = figures["recovery.measured_s"], figures["recovery.help_s"]
    figures["recovery.replay_s"] = help_s + (measured_s - help_s) * COMMANDS / commands
    scaled = (
        f", so {figures['recovery.replay_s']:.1f} s for {COMMANDS:,}"
        if commands != COMMANDS
        else ""
    )
    print(
        f"replay --verify  {measured_s:.2f} s of CPU for {commands:,} commands{scaled}; "
        f"load {os.getloadavg()[0]:.1f}"
    )
    for how, name in (("the journal alone", "start"), ("a snapshot", "start_with_snapshot")):
        seconds, mb = figures[f"recovery.{name}_s"], figures[f"recovery.{name}_mb"]
        print(f"start            {seconds:.2f} s of CPU, {mb:.0f} MB from {how}")
    tell(figures, as_json=options.json)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
