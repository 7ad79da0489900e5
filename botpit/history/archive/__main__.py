"""The archivist's program: run by its path, so that it works from a checkout in whatever folder its parent stands."""

import argparse
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[2])  # not this folder, but the one that `botpit` is in

from botpit.history.archive.process import keep  # noqa: E402
from botpit.io.processes import LOG_LEVELS, configure_logging, give_way, run  # noqa: E402

NICENESS = 10
"""It leaves the processors to those who trade."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="archive",
        description="Keep what a market said, and snapshots of it, made from its journal. The exchange starts this by itself.",
        epilog="example: python -m botpit.history.archive exchange-data/market-1f0c",
    )
    parser.add_argument("folder", type=Path, help="the market's folder")
    parser.add_argument("--follow", action="store_true", help="go on while somebody writes to the journal")
    parser.add_argument("--log-level", choices=LOG_LEVELS, default="info", help="(default: %(default)s)")
    options = parser.parse_args()
    configure_logging("archive", options.log_level)
    give_way(NICENESS)
    return run(lambda: keep(options.folder, following=options.follow))


if __name__ == "__main__":
    sys.exit(main())
