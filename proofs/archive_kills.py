"""An archivist killed again and again (SIGKILL) while it writes: the archive ends as if unhurt.

    python proofs/archive_kills.py                 (20,000 commands, 100 kills; about two minutes)
    python proofs/archive_kills.py --seed 7 --kills 10

The process is a real one that kills itself at a seeded call to the disk (tests/history/dying_archivist.py):
mostly half-way through a snapshot's draft, before it is synced, between its naming and the end of the older
ones; now and then while it writes events or cuts them. After each death the market is recovered: its state
must be that of a replay of the whole journal. At the end one archivist lives; its files must be those of
`botpit replay --events`, byte for byte, and every snapshot the state of the full replay. Exit code 4 at the
first difference.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.history.archive.files import events_files
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import Reading
from botpit.history.journal.snapshots import read_snapshot, snapshots
from botpit.history.vocabulary import EXCHANGE
from proofs.harness.main import Difference, ProofParser, judged
from proofs.harness.replayed import replayed_lines
from proofs.harness.terminals import HOME
from tests.kept_market import restored, states, stream_of, write_journal

DYING = HOME / "tests" / "history" / "dying_archivist.py"
CALLS = {
    "write draft": 4,
    "sync draft": 4,
    "sync_folder": 4,
    "remove": 2,
    "write": 2,
    "sync": 1,
    "sync_file": 1,
    "open": 1,
    "cut": 1,
}
"""What a process may die of, and how often it does."""


def archivist(folder: Path, call: str, count: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DYING), str(folder), call, str(count)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def run(seed: int, commands: int, kills: int) -> Counter[str]:
    """How many deaths there were of what. Raises Difference."""
    rng, deaths = random.Random(f"kills {seed}"), Counter[str]()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "market"
        write_journal(folder, *stream_of(seed, commands), segment_bytes=200_000)
        state = states(folder, [commands])[commands]
        while deaths.total() < kills:
            call = rng.choices(list(CALLS), list(CALLS.values()))[0]
            died = archivist(folder, call, rng.randrange(1, 4))
            if died.returncode == -signal.SIGKILL:
                deaths[died.stdout.strip()] += 1
            elif died.returncode:
                raise Difference(
                    f"after {deaths.total()} kills: exit code {died.returncode}: {died.stderr}"
                )
            else:
                start_again(folder)
            found = restored(folder)
            if (found.number, found.state) != (commands, state):
                raise Difference(
                    f"after {deaths.total()} kills, the last at {call!r}: {found}, and not {state}"
                )
        check_the_end(folder, archivist(folder, "any", 0))
    return deaths


def start_again(folder: Path) -> None:
    """It lived to the end: take its work away."""
    for _, path in [*events_files(folder), *snapshots(folder)]:
        path.unlink()


def check_the_end(folder: Path, lived: subprocess.CompletedProcess[str]) -> None:
    if lived.returncode:
        raise Difference(f"the last one: {lived.stderr}")
    if b"".join(path.read_bytes() for _, path in events_files(folder)) != b"".join(
        replayed_lines(folder)
    ):
        raise Difference("the archive is not what a replay writes")
    market_id = Reading(folder, Disk(), EXCHANGE).opening.market_id
    for number, path in snapshots(folder):
        if (
            read_snapshot(path, number, market_id, EXCHANGE).state_hash()
            != states(folder, [number])[number]
        ):
            raise Difference(f"the snapshot of record {number} is not the state of the replay")
    drafts = list(folder.glob(".*.draft"))
    if drafts:
        raise Difference(f"drafts are left: {drafts}")


def main() -> int:
    parser = ProofParser("Kill an archivist again and again.", "archive_kills.py --kills 10")
    parser.random_seed()
    parser.number("--commands", 20_000)
    parser.number("--kills", 100)
    options = parser.parse_args()

    def prove() -> list[str]:
        deaths = run(options.seed, options.commands, options.kills)
        causes = [f"{count:5}  killed at: {what}" for what, count in deaths.most_common()]
        return [
            *causes,
            f"{deaths.total():5}  kills: 100 % recovered, the archive as if unhurt",
        ]

    return judged(options.seed, prove)


if __name__ == "__main__":
    sys.exit(main())
