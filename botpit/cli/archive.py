"""The archivist: keeps a market's events, beside the exchange that writes its journal."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from botpit.cli.program import add_usual_flags, parser_of, start
from botpit.history.archive.process import keep
from botpit.io.run import give_way

NICENESS = 10
"""It leaves the processors to the processes that trade."""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Archive a market's journal, to its end or until told to stop; return the exit code."""
    options = arguments(argv, prog)
    give_way(NICENESS)
    return start(
        "archive", options.log_level, lambda: keep(options.folder, following=options.follow)
    )


def arguments(argv: Sequence[str] | None, prog: str | None = None) -> argparse.Namespace:
    parser = parser_of(
        prog,
        "Keep a market's events and snapshots, made from its journal. The exchange starts this by itself.",
        "example: %(prog)s exchange-data/market-1f0c",
    )
    parser.add_argument("folder", type=Path, help="the market's folder")
    parser.add_argument(
        "--follow", action="store_true", help="continue while an exchange writes the journal"
    )
    add_usual_flags(parser)
    return parser.parse_args(argv)
