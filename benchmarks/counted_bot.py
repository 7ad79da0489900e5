"""A bot as bot_client.py runs it, which counts its decisions where benchmarks/crowd.py can see them.

    python benchmarks/counted_bot.py FILE PLACE --trader-id alice …     (then the flags of bot_client.py)

FILE holds a 64-bit number for each bot, so that a look at all of them disturbs none. A bot that may not send
decides nothing.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.bots import Brain, Output
from botpit.cli import bot as bot_client

COUNT_BYTES = 8


def counts_in(file: Path) -> memoryview:
    """The numbers of the file, as they change."""
    with file.open("r+b") as opened:
        return memoryview(mmap.mmap(opened.fileno(), 0)).cast("q")


def count_decisions(counts: memoryview, place: int) -> None:
    """Have every bot of this process do so."""
    decide = Brain.timer

    def counted(self: Brain, now_ms: int) -> list[Output]:
        counts[place] += self.entry.may_send
        return decide(self, now_ms)

    Brain.timer = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    count_decisions(counts_in(Path(sys.argv[1])), int(sys.argv[2]))
    del sys.argv[1:3]
    sys.exit(bot_client.main())
