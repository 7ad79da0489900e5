"""The files that an exporter writes, held against the rows that they must have."""

from __future__ import annotations

import csv
import json
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import Any

STATE_FILE = ".export-state.json"
TRADES = "trades.csv"
COLUMNS = {
    "trade": (TRADES, ("timestamp", "price", "qty", "buy_trader_id", "sell_trader_id")),
    "position_update": (
        "performance.csv", ("timestamp", "trader_id", "position", "cash", "realized_pnl", "total_equity"),
    ),
    "liquidation": ("liquidations.csv", ("timestamp", "trader_id", "reason", "side", "qty", "price")),
    "insurance_update": ("insurance.csv", ("timestamp", "cash")),
}  # fmt: skip
"""Type of message -> the file it is in, and what of it."""
Row = tuple[str, ...]


def row_of(message: dict[str, Any]) -> Row:
    """What has to be written of a message of one of those types."""
    _, keys = COLUMNS[message["type"]]
    return tuple(str(message[key]) for key in keys)


def csv_rows(path: Path) -> list[Row]:
    """Without the header."""
    with path.open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file)][1:]


def recorded_seq(folder: Path) -> int:
    """The last event that the exporter has recorded as written."""
    path = folder / STATE_FILE
    if not path.exists():
        return 0
    return int(json.loads(path.read_bytes())["seq"])


def differences(recorded: dict[str, list[Row]], folder: Path) -> list[str]:
    """A sentence for each file that is not what was recorded."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*.csv")}
    sentences = [
        f"{file}: nobody recorded anything for it" for file in sorted(found - recorded.keys())
    ]
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
        f"{sum(missing.values())} rows missing, {sum(too_many.values())} too many; the first difference is "
        f"row {first + 1}: recorded {rows[first : first + 1]}, written {written[first : first + 1]}"
    )
