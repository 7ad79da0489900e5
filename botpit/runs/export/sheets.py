"""The CSV files below one folder, each event in them once, whenever the process that writes them is killed.

A flush is one transaction. It appends to the files first, and then replaces the record of their sizes and of
the last event in them (`botpit/runs/export/state.py`) in one step. A process that is killed before that step
leaves the old record and some bytes more, which the next start cuts off; one that is killed after it leaves
record and files in agreement. So that this holds for the first bytes of a file too, the file is recorded,
with what it has, before anything is appended to it.

Nothing is forced onto the disk itself: what a process has written survives its kill -9 in the system's cache.
A loss of power may leave files behind their record; the next start notices and refuses to go on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from botpit.clients.feed_session import Checkpoint
from botpit.io.files import open_private
from botpit.io.log import fields
from botpit.runs.export.disk import REAL_DISK, Disk
from botpit.runs.export.errors import Damaged, Unusable, writing
from botpit.runs.export.rows import HEADERS, RowEvent, file_below, row
from botpit.runs.export.state import STATE_FILE, Section, Sizes, State, parse_state

MAX_WAITING_ROWS = 100_000
"""So many rows may wait for a slow disk."""
MAX_MARKETS = 1_000
"""So many markets may follow each other in one folder."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    """Lines that wait, by file. `start`: how far their market was taken before the first of them."""

    start: Checkpoint
    lines: dict[str, list[str]]

    def is_of(self, market_id: str, files: Iterable[str]) -> bool:
        return self.start.market_id == market_id and self.lines.keys() >= set(files)


class Sheets:
    """The files of one folder (a market of several instruments: one sub-folder each), and the rows that wait
    for them.

    Making one cuts the files back to what is recorded. Raises Damaged when they are not what is recorded,
    OSError when they cannot be read, WriteFailed when they cannot be cut.
    """

    def __init__(self, folder: Path, disk: Disk = REAL_DISK) -> None:
        self.rows_written = 0
        self._folder = folder
        self._disk = disk
        self._state = _read_state(folder / STATE_FILE, disk)
        self._sizes: Sizes = {}
        self._markets: list[Section] = []
        if self._state:
            self._sizes.update(self._state.sizes)
            self._markets.extend(self._state.markets)
        self._by_symbol = False
        self._waiting: list[_Waiting] = []
        self._rows_waiting = 0
        self._cut_back()

    @property
    def checkpoint(self) -> Checkpoint | None:
        """How far the last market here was taken; None: nothing was recorded in this folder yet."""
        return self._state.checkpoint if self._state else None

    @property
    def full(self) -> bool:
        return self._rows_waiting >= MAX_WAITING_ROWS

    # --------------------------------------------------------------------------------------------------- rows

    def lay_out(self, start: Checkpoint, symbols: Sequence[str]) -> None:
        """Rows from now on are of this market, after `start`, and of these instruments.

        Files that are not there yet will be, with their headers. May be called any number of times.
        """
        self._by_symbol = len(symbols) > 1
        files = [self._file(symbol, name) for symbol in symbols for name in HEADERS]
        if not self._waiting or not self._waiting[-1].is_of(start.market_id, files):
            self._waiting.append(_Waiting(start, {file: [] for file in files}))

    def add(self, event: RowEvent) -> None:
        name, text = row(event)
        self._waiting[-1].lines.setdefault(
            self._file(getattr(event, "symbol", ""), name), []
        ).append(text)
        self._rows_waiting += 1

    def _file(self, symbol: str, name: str) -> str:
        return file_below(symbol, name) if self._by_symbol else name

    # -------------------------------------------------------------------------------------------------- flush

    async def flush(self, checkpoint: Checkpoint | None) -> None:
        """Append what waits. `checkpoint`: how far the market is taken now, with the last row that was added.

        Raises WriteFailed, Damaged and Unusable; the record then stands where it stood, and nothing more may
        be written.
        """
        if checkpoint is None or not self._waiting:
            return
        parts, self._rows_waiting = self._waiting, 0
        self._waiting = [_Waiting(checkpoint, {file: [] for file in parts[-1].lines})]
        for part in parts:
            await self._prepare(part)
            for file, lines in part.lines.items():
                await self._append(file, lines)
        await self._record(checkpoint)

    async def _prepare(self, part: _Waiting) -> None:
        """Record the files, and the market, that are new: from now on what is appended can be cut off
        again."""
        market_id, last = part.start.market_id, next(reversed(self._markets), None)
        found = {file: self._size_found(file) for file in part.lines if file not in self._sizes}
        if last is None or last.market_id != market_id:
            self._check_new_market(market_id)
            self._markets.append(Section(market_id, _not_empty(self._sizes | found)))
        elif found:
            self._markets[-1] = Section(market_id, last.began | _not_empty(found))
        else:
            return
        self._sizes |= found
        await self._record(part.start)

    def _check_new_market(self, market_id: str) -> None:
        folder = self._folder.absolute()
        if any(section.market_id == market_id for section in self._markets):
            raise Unusable(
                f"{folder} has rows of market {market_id}, and of another one after it; choose another folder"
            )
        if len(self._markets) >= MAX_MARKETS:
            raise Unusable(f"{folder} has rows of {MAX_MARKETS} markets; choose another folder")
        if self._state is not None:
            before = fields(
                market_id=market_id, before=self._state.market_id, seq=self._state.seq
            )
            _log.warning(
                "another market follows; what the one before did after its event seq is not here %s",
                before,
            )

    async def _append(self, file: str, lines: list[str]) -> None:
        path, size = self._folder / file, self._sizes[file]
        data = "".join(lines).encode()
        if size == 0:
            data = _header(file).encode() + data
        if not data:
            return
        with writing(path):
            found = await self._disk.append(path, size, data)
        if found != size:
            what = f"{path} was changed by somebody else ({found} bytes, not {size})"
            raise Damaged(f"{what}; choose another folder")
        self._sizes[file] = size + len(data)
        self.rows_written += len(lines)

    async def _record(self, checkpoint: Checkpoint) -> None:
        state = State.at(checkpoint, self._sizes, self._markets)
        if state == self._state:
            return
        path = self._folder / STATE_FILE
        with writing(path):
            await self._disk.replace(path, state.text())
        self._state = state

    # ------------------------------------------------------------------------------- what an earlier run left

    def _cut_back(self) -> None:
        surplus = {file: self._surplus(file, size) for file, size in self._sizes.items()}
        for file, too_many in surplus.items():
            if too_many:
                path, size = self._folder / file, self._sizes[file]
                with writing(path):
                    self._disk.cut(path, size)
                _log.warning(
                    "cut back to what is recorded %s",
                    fields(file=path, bytes=too_many, size=size),
                )

    def _surplus(self, file: str, size: int) -> int:
        """Bytes of a recorded file that came after its record. Raises Damaged when the others are not those
        recorded."""
        path = self._folder / file
        try:
            with open(path, "rb", opener=open_private) as sheet:
                found, ours = sheet.seek(0, os.SEEK_END), _begins_like_ours(sheet, file)
                whole = size == 0 or _ends_a_line(sheet, size)
        except FileNotFoundError:
            found, ours, whole = 0, True, True
        remedy = f"put back what was there, or choose another folder ({STATE_FILE} has {size} bytes for it)"
        if found < size:
            raise Damaged(f"{path} has only {found} bytes: {remedy}")
        if not (ours and whole):
            raise Damaged(
                f"{path} was changed {'at its end' if ours else 'in its first line'}: {remedy}"
            )
        return found - size

    def _size_found(self, file: str) -> int:
        """Bytes of a file that is not recorded; 0: there is none. Raises Unusable when it is none of ours.

        A torn last line is ended, so that rows begin on a line of their own.
        """
        path = self._folder / file
        with writing(path):
            try:
                sheet = open(path, "r+b", opener=open_private)  # noqa: SIM115
            except FileNotFoundError:
                return 0
            with sheet:
                size = sheet.seek(0, os.SEEK_END)
                if size and not (_begins_like_ours(sheet, file) and size >= len(_header(file))):
                    raise Unusable(
                        f"{path} does not begin with {_header(file).strip()!r}; choose another folder"
                    )
                if size and not _ends_a_line(sheet, size):
                    _log.warning(
                        "the last line of an earlier run is torn; rows begin on the next one %s",
                        fields(file=path),
                    )
                    sheet.seek(size)
                    size += sheet.write(b"\n")
                return size


def _read_state(path: Path, disk: Disk) -> State | None:
    try:
        return parse_state(disk.read(path))
    except FileNotFoundError:
        return None
    except Damaged as error:
        raise Damaged(
            f"{path} cannot be used ({error}); choose another folder, or move it away with the CSV files"
        ) from error


def _not_empty(sizes: Sizes) -> Sizes:
    return {file: size for file, size in sizes.items() if size}


def _header(file: str) -> str:
    return HEADERS[file.rpartition("/")[2]]


def _begins_like_ours(sheet: IO[bytes], file: str) -> bool:
    """Whether it begins with its header, as far as it goes."""
    header = _header(file).encode()
    sheet.seek(0)
    return header.startswith(sheet.read(len(header)))


def _ends_a_line(sheet: IO[bytes], size: int) -> bool:
    sheet.seek(max(0, size - 1))
    return sheet.read(1) == b"\n"
