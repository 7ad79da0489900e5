"""A market's journal played again in this process, as the lines that its archive must have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from botpit.core.exchange import Exchange
from botpit.history.archive.lines import lines_of
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import Reading
from botpit.history.vocabulary import EXCHANGE
from botpit.wire.encode import Encoder
from botpit.wire.sequence_numbers import SequenceNumbers


def replayed_lines(folder: Path) -> Iterator[bytes]:
    """Every event of the market in `folder`, in order."""
    reading = Reading(folder, Disk(), EXCHANGE)
    exchange = Exchange(reading.opening)
    encoder, numbers = Encoder(exchange), SequenceNumbers(exchange.markets)
    for record in reading.records():
        for _, line in lines_of(exchange.apply(record.command, record.now_ns).events, numbers, encoder):
            yield line
