"""One bit of a market's files flipped: it is noticed, always, and no state is ever recovered that was not.

    python proofs/journal_flips.py                   (100,000 commands, 10,000 flips; some minutes)
    python proofs/journal_flips.py --seed 7 --flips 100

The markets are those of proofs/journal_cuts.py, one whose last segment was written under `os` and one under
`batch`. A bit is flipped at a random place of all segments and snapshots, and the market is recovered. It
must be refused with file, line and byte; or an end of the journal with the flipped bit be reported as torn;
or the snapshot be passed over with a complaint that names it. The state must be that of the record it claims.
Exit code 4 at the first difference, with the flip that shows it.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.history.journal.reading import DamageError
from botpit.history.journal.segments import Durability, segments
from botpit.history.journal.snapshots import snapshots
from proofs.harness.main import Difference, ProofParser, judged
from proofs.harness.stored_market import (
    PLACE,
    StoredMarket,
    copy_of,
    make_market,
    remembering_little,
)
from tests.kept_market import Restored, restored

Recovery = Callable[[Path, list[str]], Restored]

REFUSED, TORN, PASSED_OVER = (
    "refused with file, line and byte",
    "told as a torn end",
    "a snapshot passed over with a complaint",
)


def flip(market: StoredMarket, path: Path, place: int, bit: int, restored: Recovery) -> str:
    """Flip the bit, recover, flip it back. Returns how it was noticed. Raises Difference."""
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
    try:
        with only_older_snapshots(path):
            return noticed(market, path, place, restored)
    except Difference as difference:
        raise Difference(f"{path.name}, byte {place}, bit {bit}: {difference}") from difference
    finally:
        path.write_bytes(whole)


@contextmanager
def only_older_snapshots(path: Path) -> Iterator[None]:
    """Hide the snapshots that are newer than this one: it would not be looked at."""
    newer = [
        each
        for _, each in snapshots(path.parent)
        if path.suffix == ".json" and each.name > path.name
    ]
    for each in newer:
        each.rename(each.with_suffix(".hidden"))
    try:
        yield
    finally:
        for each in newer:
            each.with_suffix(".hidden").rename(each)


def noticed(market: StoredMarket, path: Path, place: int, restored: Recovery) -> str:
    complaints: list[str] = []
    try:
        found = restored(market.folder, complaints)
    except DamageError as error:
        if not PLACE.fullmatch(str(error)) or path.suffix != ".log":
            raise Difference(f"refused: {error}") from error
        return REFUSED
    if found.state != market.expected.get(found.number):
        raise Difference(f"a state that never was: {found}")
    if (
        found.dropped
        and path == segments(market.folder)[-1]
        and place >= path.stat().st_size - found.dropped
    ):
        return TORN
    if path.suffix == ".json" and [
        complaint.startswith(f"{path}: not used: ") for complaint in complaints
    ] == [True]:
        return PASSED_OVER
    raise Difference(f"not noticed: {found}, {complaints}")


def share(
    market: StoredMarket, seed: str, flips: int, restored: Recovery = restored
) -> Counter[str]:
    """One process's part of the work, on a copy of its own. `restored`: a recovery to be judged."""
    rng, counts = random.Random(f"flips {seed}"), Counter[str]()
    with copy_of(market) as mine:
        paths = [
            *segments(mine.folder),
            *(path for number, path in snapshots(mine.folder) if number <= market.snapshot),
        ]
        sizes = [path.stat().st_size for path in paths]
        for _ in range(flips):
            path = rng.choices(paths, sizes)[0]
            place = rng.randrange(path.stat().st_size)
            how = flip(mine, path, place, rng.randrange(8), restored)
            counts[f"{path.name.partition('-')[0]}: {how}"] += 1
        last = segments(mine.folder)[-1]
        for place in range(max(0, last.stat().st_size - 40), last.stat().st_size):
            how = flip(mine, last, place, rng.randrange(8), restored)
            counts[f"the last 40 bytes: {how}"] += 1
    return counts


def run(seed: int, commands: int, flips: int, processes: int) -> Counter[str]:
    """Counts by how the flip was noticed. Raises Difference."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary, ProcessPoolExecutor(processes) as pool:
        parts = []
        for durability in Durability:
            with remembering_little():
                market = make_market(Path(temporary) / durability, seed, commands, durability)
            shares = [f"{seed}.{durability}.{number}" for number in range(processes)]
            parts += [
                pool.submit(share, market, name, flips // processes // 2) for name in shares
            ]
        for part in parts:
            counts += part.result()
    return counts


def main() -> int:
    parser = ProofParser("Flip bits of a market, and recover.", "journal_flips.py --flips 100")
    parser.random_seed()
    parser.number("--commands", 100_000)
    parser.number("--flips", 10_000)
    parser.number("--processes", 2)
    options = parser.parse_args()

    def prove() -> list[str]:
        counts = run(options.seed, options.commands, options.flips, options.processes)
        ways = [f"{count:8,}  {how}" for how, count in sorted(counts.items())]
        return [*ways, f"{counts.total():8,}  flipped bits, all noticed"]

    return judged(options.seed, prove)


if __name__ == "__main__":
    sys.exit(main())
