"""A market's journal played again in this process, as the lines that its archive must have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from botpit.core.exchange import Exchange
from botpit.history.archive.lines import lines_of
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import Reading
from botpit.history.vocabulary import EXCHANGE
from botpit.wire.sequencer import Sequencer


def replayed_lines(folder: Path) -> Iterator[bytes]:
    """Every event of the market in `folder`, in order."""
    reading = Reading(folder, Disk(), EXCHANGE)
    sequencer = Sequencer(Exchange(reading.opening))
    for record in reading.records():
        _, private, public = sequencer.apply(record.command, record.now_ns)
        for _, line in lines_of(private, public):
            yield line
