"""Random commands through the real engine and the slow second one: equal events, and true laws.

    python proofs/laws.py --commands 10_000_000 --seed 1

The commands are shared out over `--seeds` seeds (from `--seed` on), each in episodes of 10,000 with rules of
their own. At the first difference or broken law it stops with the episode's seed, which is its reproduction:
`--episode 7.12` runs that one alone. At the end it prints how often each kind of event and each reason came;
none may be missing.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from proofs.harness.main import EXIT_DIFFERENT, EXIT_OK, ProofParser
from tests.laws.judge import episode, never_seen
from tests.laws.streams import EPISODE


def run_episodes(names: list[str], length: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name in names:
        counts += episode(name, length)
    return counts


def shares(commands: int, first_seed: int, seeds: int) -> list[str]:
    """The episodes' names, seed by seed."""
    episodes = -(-commands // EPISODE)
    return [f"{first_seed + number % seeds}.{number // seeds}" for number in range(episodes)]


def run(options: argparse.Namespace) -> Counter[str]:
    names = (
        [options.episode]
        if options.episode
        else shares(options.commands, options.seed, options.seeds)
    )
    length = min(EPISODE, options.commands)
    counts: Counter[str] = Counter()
    started, done = monotonic(), 0
    with ProcessPoolExecutor(options.processes) as pool:
        batches = [names[start : start + 10] for start in range(0, len(names), 10)]
        for finished in as_completed(
            [pool.submit(run_episodes, batch, length) for batch in batches]
        ):
            try:
                counts += finished.result()
            except AssertionError:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            done += 1
            share = done / len(batches)
            seconds = monotonic() - started
            commands = share * len(names) * length
            left_s = seconds / share - seconds
            print(
                f"\r{share:6.1%}  {commands:,.0f} commands  {seconds:,.0f} s, {left_s:,.0f} s left",
                end="" if sys.stderr.isatty() else "\n",
                file=sys.stderr,
                flush=True,
            )
    return counts


def main() -> int:
    description = "Compare the engine with the second engine and hold it to the laws."
    parser = ProofParser(description, "laws.py --commands 200_000 --seed 1")
    parser.number("--commands", 200_000)
    parser.number("--seed", 1, "the first seed")
    parser.number("--seeds", 20, "how many seeds")
    parser.number("--processes", 2)
    parser.add_argument("--episode", help="one episode alone, as printed with a difference")
    options = parser.parse_args()
    started = monotonic()
    try:
        counts = run(options)
    except AssertionError as broken:
        print(f"\n{type(broken).__name__}: {broken}", file=sys.stderr)
        return EXIT_DIFFERENT
    for name, count in sorted(counts.items()):
        print(f"{count:12,}  {name}")
    missing = never_seen(counts)
    if options.episode:
        missing = []
    seeds, seconds = (
        f"{options.seed} to {options.seed + options.seeds - 1}",
        monotonic() - started,
    )
    print(
        f"{options.commands:,} commands, seeds {seeds}, {seconds:,.0f} s: 0 differences, 0 broken laws"
    )
    if missing:
        print(f"never seen: {', '.join(missing)}", file=sys.stderr)
    return EXIT_DIFFERENT if missing else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
