"""The files that an exporter writes, held against the rows that they must have."""

from __future__ import annotations

import csv
import json
from collections import Counter
from itertools import zip_longest
from pathlib import Path

STATE_FILE = ".export-state.json"
Row = tuple[str, ...]


def csv_rows(path: Path) -> list[Row]:
    """Without the header."""
    with path.open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def recorded_seq(folder: Path) -> int:
    """The last event that the exporter has recorded as written."""
    path = folder / STATE_FILE
    return int(json.loads(path.read_bytes())["seq"]) if path.exists() else 0


def differences(recorded: dict[str, list[Row]], folder: Path) -> list[str]:
    """A sentence for each file that is not what was recorded."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.csv")}
    sentences = [f"{file}: nobody recorded anything for it" for file in sorted(found - recorded.keys())]
    for file, rows in recorded.items():
        written = csv_rows(folder / file) if file in found else []
        if written != rows:
            sentences.append(f"{file}: {_difference(rows, written)}")
    return sentences


def _difference(rows: list[Row], written: list[Row]) -> str:
    missing, too_many = Counter(rows) - Counter(written), Counter(written) - Counter(rows)
    pairs = enumerate(zip_longest(rows, written))
    first = next(number for number, (one, other) in pairs if one != other)
    return (
        f"{sum(missing.values())} rows missing, {sum(too_many.values())} too many; the first difference is row "
        f"{first + 1}: recorded {rows[first : first + 1]}, written {written[first : first + 1]}"
    )
