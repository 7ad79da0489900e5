"""How far an export got: the last event whose effect is in the files, and how many bytes each file had then.

`.export-state.json` lies beside the CSV files and is replaced after each flush. It is text from a disk, so
nothing in it is believed before it has passed these types: a name, for one, cannot lead out of the folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from botpit.clients.feed_session import Checkpoint
from botpit.io.files import file_name
from botpit.runs.export.errors import Damaged
from botpit.runs.export.rows import HEADERS

STATE_FILE = ".export-state.json"
_CHECKED = ConfigDict(strict=True, extra="forbid")


def _ours(name: str) -> str:
    *folder, file = name.split("/")
    if (
        file not in HEADERS
        or len(folder) > 1
        or any(not each or each != file_name(unquote(each)) for each in folder)
    ):
        raise ValueError(f"{name!r} is not a file of an export")
    return name


Sizes = dict[Annotated[str, AfterValidator(_ours)], NonNegativeInt]
"""File -> bytes; names as in `trades.csv`, `SYM/trades.csv`."""


@dataclass(frozen=True, slots=True)
class Section:
    """The rows of one market. `began`: the byte at which they begin in each file; not named: at 0."""

    __pydantic_config__ = _CHECKED

    market_id: str
    began: Sizes


@dataclass(frozen=True, slots=True)
class State:
    """`seq`: all rows up to this event of this market are in the files, and none after it. `sizes`: the bytes
    of each file then.

    `counts`: events so far as (channel, symbol, n); None: not known yet. `markets`: all that
    wrote here, in order.
    """

    __pydantic_config__ = _CHECKED

    format: Literal[1]
    market_id: str
    seq: NonNegativeInt
    counts: tuple[tuple[str, str, int], ...] | None
    sizes: Sizes
    markets: tuple[Section, ...]

    @property
    def checkpoint(self) -> Checkpoint:
        counts = None
        if self.counts is not None:
            counts = {(channel, symbol): n for channel, symbol, n in self.counts}
        return Checkpoint(self.market_id, self.seq, counts)

    @classmethod
    def at(cls, checkpoint: Checkpoint, sizes: Sizes, markets: Sequence[Section]) -> State:
        counts = None
        if checkpoint.counts is not None:
            counts = tuple((*key, n) for key, n in checkpoint.counts.items())
        return cls(1, checkpoint.market_id, checkpoint.seq, counts, dict(sizes), tuple(markets))

    def text(self) -> bytes:
        return _STATE.dump_json(self) + b"\n"


_STATE = TypeAdapter(State)


def parse_state(text: bytes) -> State:
    """Raises Damaged, saying what is wrong with the text."""
    try:
        state = _STATE.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Damaged(f"{where or 'not JSON'}: {first['msg']}") from error
    if not state.markets or state.markets[-1].market_id != state.market_id:
        raise Damaged(f"market_id: {state.market_id!r} is not the last of markets")
    return state
