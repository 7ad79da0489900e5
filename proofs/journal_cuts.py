"""A journal cut anywhere: whole records of the last segment come back; a cut before it is refused.

    python proofs/journal_cuts.py                    (100,000 commands, 10,000 cuts; some minutes)
    python proofs/journal_cuts.py --seed 7 --cuts 100

A seeded market (tests/laws/streams.py) is written turn by turn, with snapshots, and restarted before its last
thousand commands, so that these are a segment of their own. That is cut at every byte of the last three
records and at random bytes. Each time the market is recovered as an exchange does it: the number of the last
record, the state's hash and the count of dropped bytes must be what the bytes that are left say. Then each
earlier segment is cut at random bytes, and the journal must be refused with file, line and byte. Exit code 4
at the first difference, with the cut that shows it.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.history.journal.reading import DamageError
from botpit.history.journal.segments import segments
from proofs.harness.main import Difference, ProofParser, judged
from proofs.harness.stored_market import (
    PLACE,
    StoredMarket,
    copy_of,
    make_market,
    remembering_little,
)
from tests.kept_market import Restored, restored

Recovery = Callable[[Path], Restored]


def sizes_of_cuts(path: Path, cuts: int, rng: random.Random) -> list[int]:
    """Every size that cuts one of the last three records, and random ones."""
    whole = path.read_bytes()
    third = len(whole) - sum(map(len, whole.splitlines(keepends=True)[-3:]))
    return [*range(third, len(whole)), *(rng.randrange(len(whole)) for _ in range(cuts))]


def cut_the_last(market: StoredMarket, sizes: list[int], restored: Recovery) -> int:
    """Cut the last segment of the market to each of the sizes. Raises Difference."""
    path = segments(market.folder)[-1]
    whole = path.read_bytes()
    for size in sizes:
        path.write_bytes(whole[:size])
        left = whole[: whole[:size].rfind(b"\n") + 1]
        number = market.snapshot + sum(not line.startswith(b"#") for line in left.splitlines())
        found = restored(market.folder)
        expected = (number, size - len(left), market.expected[number], market.snapshot)
        if (found.number, found.dropped, found.state, found.snapshot) != expected:
            raise Difference(f"{path.name} cut to {size} bytes: {found}, and not {expected}")
    path.write_bytes(whole)
    return len(sizes)


def cut_an_earlier(
    market: StoredMarket, path: Path, sizes: list[int], restored: Recovery
) -> int:
    """Cut an earlier segment to each of the sizes. Raises Difference."""
    whole = path.read_bytes()
    for size in sizes:
        path.write_bytes(whole[:size])
        try:
            found = restored(market.folder)
        except DamageError as error:
            if not PLACE.fullmatch(str(error)):
                raise Difference(
                    f"{path.name} cut to {size} bytes: refused without a place: {error}"
                ) from error
        else:
            raise Difference(f"{path.name} cut to {size} bytes: not refused, but {found}")
    path.write_bytes(whole)
    return len(sizes)


def share(
    market: StoredMarket,
    seed: str,
    cuts: int,
    every_byte: bool,
    restored: Recovery = restored,
) -> tuple[int, int]:
    """One process's part of the work, on a copy of its own.

    How many cuts there were in the last segment, and before it. `restored`: a recovery to be judged.
    """
    rng = random.Random(f"cuts {seed}")
    with copy_of(market) as mine:
        *earlier, last = segments(mine.folder)
        sizes = sizes_of_cuts(last, cuts, rng)
        in_last = cut_the_last(mine, sizes if every_byte else sizes[-cuts:], restored)
        before = 0
        for path in earlier:
            length, cuts_of_it = path.stat().st_size, -(-cuts // 10 // len(earlier))
            before += cut_an_earlier(
                mine, path, [rng.randrange(length) for _ in range(cuts_of_it)], restored
            )
    return in_last, before


def run(seed: int, commands: int, cuts: int, processes: int) -> tuple[int, int]:
    """How many cuts there were in the last segment, and before it. Raises Difference."""
    with tempfile.TemporaryDirectory() as temporary:
        with remembering_little():
            market = make_market(Path(temporary) / "market", seed, commands)
        if processes == 1:
            return share(market, f"{seed}.0", cuts, True)
        with ProcessPoolExecutor(processes) as pool:
            parts = [
                pool.submit(share, market, f"{seed}.{each}", cuts // processes, each == 0)
                for each in range(processes)
            ]
            done = [part.result() for part in parts]
    return sum(part[0] for part in done), sum(part[1] for part in done)


def main() -> int:
    parser = ProofParser("Cut a journal anywhere, and recover.", "journal_cuts.py --cuts 100")
    parser.random_seed()
    parser.number("--commands", 100_000)
    parser.number("--cuts", 10_000, "at random bytes of the last segment")
    parser.number("--processes", 2)
    options = parser.parse_args()

    def prove() -> list[str]:
        in_last, before = run(options.seed, options.commands, options.cuts, options.processes)
        whole = "all recovered to the last whole record, state and dropped bytes told exactly"
        return [
            f"{in_last:,} cuts of the last segment: {whole}",
            f"{before:,} cuts before it: all refused with file, line and byte",
        ]

    return judged(options.seed, prove)


if __name__ == "__main__":
    sys.exit(main())
