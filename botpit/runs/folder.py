"""The files of a run: which belong to which market and instrument, where each market begins in them, and their lines.

Where markets begin is told by the exporter's state file; without it all is taken for one market. With it only what was whole when
it was written is read, so that a run may be looked at while it goes on.
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
CHANNELS = {"trades.csv": "trades", "performance.csv": "positions", "liquidations.csv": "liquidations"}
MAX_LINE_BYTES = 1_000
MAX_JSON_BYTES = 64 * 2**20
BLOCK_BYTES = 2**20
TELL_EVERY_LINES = 10_000


@dataclass(slots=True)
class Portion:
    """What one file has of one market: bytes `start` to `end`. `expected_rows` None: not known.

    `kind` is the file's bare name, `folder` that of its instrument ("" without one); `rows`, `line` and `at` tell how far it
    was read.
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

    def sheet(self, symbol: str, tell: Callable[[int], None]) -> Sheet:
        """As the audit reads it; `tell` hears now and then how many bytes more were read."""
        self.rows, self.line, self.at = 0, _lines_before(self.path, self.start), self.start
        return Sheet(self.kind, str(self.path), symbol, self.line + 1, self._lines(tell))

    def _lines(self, tell: Callable[[int], None]) -> Iterator[str]:
        told = self.at
        with self.path.open("rb") as file:
            file.seek(self.start)
            while self.at < self.end and (raw := file.readline(MAX_LINE_BYTES)):
                self.line += 1
                self.at += len(raw)
                self.rows += self.line > 1
                if self.at > self.end or raw[-1:] != b"\n":
                    raise Wrong(f"{self.path}:{self.line}", f"a whole line was expected, {raw[:80]!r} stands there")
                if self.line % TELL_EVERY_LINES == 0:
                    tell(self.at - told)
                    told = self.at
                yield raw[:-1].decode("utf-8", "backslashreplace")
        tell(self.at - told)

    @property
    def bytes_after(self) -> int:
        """What the file has beyond the portion."""
        return max(0, self.path.stat().st_size - self.end)

    def check_complete(self) -> None:
        """Raise Wrong when, all lines being read, some are missing that were written."""
        place = f"{self.path}:{self.line + 1}"
        if self.at < self.end:
            raise Wrong(place, f"{self.end} bytes were written ({STATE}), the file ends after {self.at}")
        if self.expected_rows not in (None, self.rows):
            raise Wrong(place, f"{self.expected_rows} rows were expected by {STATE}, {self.rows} are there")


@dataclass(frozen=True, slots=True)
class MarketFiles:
    """One market's portions. `market_id` None: no state file tells it."""

    market_id: str | None
    portions: list[Portion]

    @property
    def folders(self) -> set[str]:
        """Of its instruments that have rows; "" of an instrument without a folder."""
        return {portion.folder for portion in self.portions if portion.kind != OF_THE_MARKET}


def read_text(path: Path) -> str:
    """Raises ProgramError when there is no such file, or none that can be read."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ProgramError(f"{path}: more than {MAX_JSON_BYTES:,} bytes")
        return path.read_text(encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise ProgramError(f"{path}: {error.strerror}") from error


def markets_of(folder: Path) -> list[MarketFiles]:
    """The markets whose rows are in a run's folder, in their order. Raises ProgramError; Wrong for a damaged state file."""
    if not folder.is_dir():
        raise ProgramError(f"{folder}: not a folder; name the one that has {' and '.join(NEEDED)}")
    path = folder / STATE
    if not path.exists():
        return [MarketFiles(None, [_whole(folder, name) for name in _names(folder)])]
    try:
        state = read_state(read_text(path))
    except Unreadable as error:
        raise Wrong(str(path), str(error)) from error
    except OtherFormat as error:
        raise ProgramError(f"{path}: {error}") from error
    return [MarketFiles(each.market_id, _portions(folder, state, place)) for place, each in enumerate(state.markets)]


def _names(folder: Path) -> list[str]:
    """The CSV files that are there: beside each other or, in a market of several instruments, in a folder for each."""
    is_one = any((folder / name).exists() for name in NEEDED)
    folders = [""] if is_one else [path.parent.name for path in folder.glob("*/trades.csv")]
    missing = [str(folder / each / name) for each in folders or [""] for name in NEEDED if not (folder / each / name).is_file()]
    if missing:
        raise ProgramError(f"there is no {missing[0]}; name the folder that has {' and '.join(NEEDED)}")
    names = [f"{each}/{name}".lstrip("/") for each in sorted(folders) for name in CHANNELS]
    return [name for name in [*names, OF_THE_MARKET] if (folder / name).is_file()]


def _whole(folder: Path, name: str) -> Portion:
    within, _, kind = name.rpartition("/")
    path = folder / name
    if kind not in COLUMNS or within in (".", "..") or "/" in within:
        raise Wrong(str(folder / STATE), f"the name of a CSV file was expected in sizes, {name!r} stands there")
    if not path.is_file():
        raise ProgramError(f"there is no {path}, which {STATE} tells of")
    return Portion(path, kind, within, 0, path.stat().st_size)


def _portions(folder: Path, state: StateRecord, place: int) -> list[Portion]:
    """What each file has of the market in that place: from where it began to where the next one did."""
    began, is_last = state.markets[place].began, place + 1 == len(state.markets)
    ends = state.sizes if is_last else state.markets[place + 1].began
    found = []
    for name in state.sizes:
        portion = _whole(folder, name)
        portion.start, portion.end = began.get(name, 0), ends.get(name, 0)
        if portion.start > portion.end:
            raise Wrong(str(folder / STATE), f"{name} of a market begins at byte {portion.start} and ends at {portion.end}")
        if is_last:
            portion.expected_rows = _counted(state, portion)
        if portion.start < portion.end or portion.expected_rows:
            found.append(portion)
    return found


def _counted(state: StateRecord, portion: Portion) -> int | None:
    """How many rows the last market has had, by its events' own numbers."""
    if portion.kind not in CHANNELS:
        return None
    return sum(
        number for channel, symbol, number in state.counts
        if channel == CHANNELS[portion.kind] and symbol and portion.folder in ("", file_name(symbol))
    )  # fmt: skip


def _lines_before(path: Path, end: int) -> int:
    lines = 0
    with path.open("rb") as file:
        while end > 0 and (block := file.read(min(end, BLOCK_BYTES))):
            lines += block.count(b"\n")
            end -= len(block)
    return lines
