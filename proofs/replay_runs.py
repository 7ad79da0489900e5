"""One journal replayed again and again, in fresh processes: one state and one stream of events.

    python proofs/replay_runs.py                                   (20,000 commands, 100 runs; about a minute)
    python proofs/replay_runs.py --python python3.12 --python /opt/python3.13/bin/python

Each run is `botpit replay` in a process of its own with a random PYTHONHASHSEED, in a random time zone. Every
interpreter named with `--python` (it needs the libraries of pyproject.toml) replays it too, some runs each.
Exit code 4 when two runs differ.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.io.child import command_of
from proofs.harness.main import EXIT_DIFFERENT, EXIT_OK, ProofParser
from tests.kept_market import archive, stream_of, write_journal

ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia")
RUNS_OF_OTHERS = 5
TOLD = "import sys; print(sys.version.split()[0])"


def replayed(python: str, folder: Path, hash_seed: int, zone: str) -> str:
    """What the command prints."""
    argv = command_of("replay", str(folder), "--verify", python=python)
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed), "TZ": zone}
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        return f"exit code {done.returncode}: {done.stderr}"
    return done.stdout


def version(python: str) -> str:
    return subprocess.run(
        [python, "-c", TOLD], capture_output=True, text=True, check=True
    ).stdout.strip()


def run(
    seed: int, commands: int, runs: int, others: list[str]
) -> tuple[Counter[str], Counter[str]]:
    """How often each Python ran, and how often what was printed."""
    rng, pythons = random.Random(f"runs {seed}"), Counter[str]()
    asked = [sys.executable] * runs + [
        python for python in others for _ in range(RUNS_OF_OTHERS)
    ]
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(2) as pool:
        folder = Path(temporary) / "market"
        write_journal(folder, *stream_of(seed, commands), segment_bytes=400_000)
        archive(folder, snapshot_records=commands // 3)
        outputs = [
            pool.submit(replayed, each, folder, rng.randrange(2**32), rng.choice(ZONES))
            for each in asked
        ]
        printed = Counter(each.result() for each in outputs)
    for python in {sys.executable, *others}:
        pythons[version(python)] += asked.count(python)
    return pythons, printed


def main() -> int:
    parser = ProofParser(
        "Replay one journal again and again.", "replay_runs.py --python python3.12"
    )
    parser.random_seed()
    parser.number("--commands", 20_000)
    parser.number("--runs", 100)
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="PROGRAM",
        help="another interpreter; may be repeated",
    )
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    started = monotonic()
    pythons, printed = run(options.seed, options.commands, options.runs, options.python)
    for said, count in printed.most_common():
        print(f"{count} runs:\n{said}", end="")
    ran = ", ".join(f"Python {name}: {count}" for name, count in sorted(pythons.items()))
    print(
        f"{printed.total()} runs ({ran}), {len(printed)} outcome ({monotonic() - started:,.0f} s)"
    )
    return EXIT_OK if len(printed) == 1 else EXIT_DIFFERENT


if __name__ == "__main__":
    sys.exit(main())
