"""The files of a run: their markets and instruments, where each market begins in them, and their lines.

The exporter's state file records where markets begin; without it everything counts as one market. With it,
only what was complete when the state was written is read, so that a run can be checked while it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from botpit.io.exit_codes import ProgramError
from botpit.io.files import file_name
from botpit.runs.audit.results import OtherFormat, StateRecord, Unreadable, read_state
from botpit.runs.audit.rows import COLUMNS, Sheet, Wrong

STATE = ".export-state.json"
NEEDED = ("trades.csv", "performance.csv")
OF_THE_MARKET = "insurance.csv"
CHANNELS = {
    "trades.csv": "trades",
    "performance.csv": "positions",
    "liquidations.csv": "liquidations",
}
MAX_LINE_BYTES = 1_000
MAX_JSON_BYTES = 64 * 2**20
BLOCK_BYTES = 2**20
PROGRESS_LINES = 10_000
"""Progress is reported each time so many lines were read."""
Progressed = Callable[[int], None]
"""Called now and then with how many bytes more were read."""


@dataclass(slots=True)
class Portion:
    """What one file has of one market: bytes `start` to `end`. `expected_rows` None: unknown.

    `kind` is the file's bare name, `folder` that of its instrument ("" without one). `rows`, `line` and `at`
    count how far it was read.
    """

    path: Path
    kind: str
    folder: str
    start: int
    end: int
    expected_rows: int | None = None
    rows: int = 0
    line: int = 0
    at: int = 0

    def sheet(self, symbol: str, progressed: Progressed) -> Sheet:
        """The portion in the audit's form."""
        self.rows = 0
        self.line = _lines_before(self.path, self.start)
        self.at = self.start
        return Sheet(self.kind, str(self.path), symbol, self.line + 1, self._lines(progressed))

    def _lines(self, progressed: Progressed) -> Iterator[str]:
        reported = self.at
        with self.path.open("rb") as file:
            file.seek(self.start)
            while self.at < self.end and (raw := file.readline(MAX_LINE_BYTES)):
                self.line += 1
                self.at += len(raw)
                self.rows += self.line > 1  # line 1 is the header
                if self.at > self.end or raw[-1:] != b"\n":
                    raise Wrong(
                        f"{self.path}:{self.line}", f"expected a whole line, found {raw[:80]!r}"
                    )
                if self.line % PROGRESS_LINES == 0:
                    progressed(self.at - reported)
                    reported = self.at
                yield raw[:-1].decode("utf-8", "backslashreplace")
        progressed(self.at - reported)

    @property
    def bytes_after(self) -> int:
        """The file's bytes behind the portion."""
        return max(0, self.path.stat().st_size - self.end)

    def check_complete(self) -> None:
        """Raise Wrong when, after all lines were read, some that were written are missing."""
        place = f"{self.path}:{self.line + 1}"
        if self.at < self.end:
            raise Wrong(
                place, f"expected {self.end} bytes by {STATE}, the file ends after {self.at}"
            )
        if self.expected_rows not in (None, self.rows):
            raise Wrong(
                place, f"expected {self.expected_rows} rows by {STATE}, found {self.rows}"
            )


@dataclass(frozen=True, slots=True)
class MarketFiles:
    """One market's portions. `market_id` None: there is no state file to name it."""

    market_id: str | None
    portions: list[Portion]

    @property
    def folders(self) -> set[str]:
        """The folders of its instruments that have rows; "" of an instrument without a folder."""
        return {portion.folder for portion in self.portions if portion.kind != OF_THE_MARKET}


def read_text(path: Path) -> str:
    """Raises ProgramError when the file is missing, too large or unreadable."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ProgramError(f"{path}: more than {MAX_JSON_BYTES:,} bytes")
        return path.read_text(encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ProgramError(f"{path}: {error.strerror}") from error


def markets_of(folder: Path) -> list[MarketFiles]:
    """The markets with rows in a run's folder, in their order.

    Raises ProgramError; Wrong for a damaged state file.
    """
    if not folder.is_dir():
        raise ProgramError(
            f"{folder}: not a folder; name the one that has {' and '.join(NEEDED)}"
        )
    path = folder / STATE
    if not path.exists():
        return [MarketFiles(None, [_whole(folder, name) for name in _names(folder)])]
    try:
        state = read_state(read_text(path))
    except Unreadable as error:
        raise Wrong(str(path), str(error)) from error
    except OtherFormat as error:
        raise ProgramError(f"{path}: {error}") from error
    return [
        MarketFiles(market.market_id, _portions(folder, state, place))
        for place, market in enumerate(state.markets)
    ]


def _names(folder: Path) -> list[str]:
    """The CSV files: side by side or, in a market of several instruments, in a folder for each."""
    folders = _instrument_folders(folder)
    for within in folders:
        for name in NEEDED:
            path = folder / within / name
            if not path.is_file():
                raise ProgramError(
                    f"there is no {path}; name the folder that has {' and '.join(NEEDED)}"
                )
    names = [f"{within}/{name}".lstrip("/") for within in folders for name in CHANNELS]
    names.append(OF_THE_MARKET)
    return [name for name in names if (folder / name).is_file()]


def _instrument_folders(folder: Path) -> list[str]:
    if any((folder / name).exists() for name in NEEDED):
        return [""]
    return sorted(path.parent.name for path in folder.glob("*/trades.csv")) or [""]


def _whole(folder: Path, name: str) -> Portion:
    within, _, kind = name.rpartition("/")
    path = folder / name
    if kind not in COLUMNS or within in (".", "..") or "/" in within:
        raise Wrong(
            str(folder / STATE), f"expected the name of a CSV file in sizes, found {name!r}"
        )
    if not path.is_file():
        raise ProgramError(f"there is no {path}, which {STATE} names")
    return Portion(path, kind, within, 0, path.stat().st_size)


def _portions(folder: Path, state: StateRecord, place: int) -> list[Portion]:
    """What each file has of the market in that place: from its beginning to the next one's."""
    began = state.markets[place].began
    is_last = place + 1 == len(state.markets)
    ends = state.sizes if is_last else state.markets[place + 1].began
    found = []
    for name in state.sizes:
        portion = _whole(folder, name)
        portion.start = began.get(name, 0)
        portion.end = ends.get(name, 0)
        if portion.start > portion.end:
            text = (
                f"{name} of a market begins at byte {portion.start} and ends at {portion.end}"
            )
            raise Wrong(str(folder / STATE), text)
        if is_last:
            portion.expected_rows = _expected_rows(state, portion)
        if portion.start < portion.end or portion.expected_rows:
            found.append(portion)
    return found


def _expected_rows(state: StateRecord, portion: Portion) -> int | None:
    """How many rows of the last market the portion should have, by the events' own numbers."""
    if portion.kind not in CHANNELS:
        return None
    rows = 0
    for channel, symbol, number in state.counts:
        is_of_the_file = symbol and portion.folder in ("", file_name(symbol))
        if channel == CHANNELS[portion.kind] and is_of_the_file:
            rows += number
    return rows


def _lines_before(path: Path, end: int) -> int:
    lines = 0
    with path.open("rb") as file:
        while end > 0 and (block := file.read(min(end, BLOCK_BYTES))):
            lines += block.count(b"\n")
            end -= len(block)
    return lines
