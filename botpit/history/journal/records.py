"""One command as one line of text, and back; and the vocabulary that says which commands there are.

`number time kind [values] checksum`: the number counts the commands of a market without holes, the time is
nanoseconds since the Unix epoch, the values are the command's own, in its integers. Nothing in a line holds a
space (ids have passed their pattern), so a line can be read by eye and split at spaces. The checksum is
CRC-32 of the market's id and of all before it, so neither a damaged line nor a line of another market passes
for a good one. The first line of any format is sealed in this way too, with no market's id, so that a program
which does not know the format can name it.

Between records stand notes, which begin with `#` and matter only to the question what was promised (see
reading.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import GenericAlias
from typing import Any, Generic, NamedTuple, TypeVar, get_type_hints
from zlib import crc32

import msgspec
from msgspec.structs import astuple

FORMAT = 1
"""Of the lines themselves."""
MAX_LINE_BYTES = 4 * 2**20
"""Longer than any line that is written, also than the opening of as many instruments as settings allow."""
_NOTES = {b"#synced": tuple[int], b"#segment": tuple[int, str]}
_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    RecursionError,
    msgspec.MsgspecError,
)
"""What reading a value that nobody wrote may raise."""
_encode = msgspec.json.Encoder().encode
_decode_any: Callable[[bytes], Any] = msgspec.json.Decoder().decode
_Read = Callable[[bytes], Sequence[Any]]
M = TypeVar("M")


class Damaged(ValueError):
    """A line that is not as it was written. The text says why."""


class OtherFormat(ValueError):
    """A journal of a format or of rules that this program does not know. The text names both versions."""


class Record(NamedTuple):
    """A command and when it was taken, nanoseconds since the Unix epoch."""

    number: int
    now_ns: int
    command: Any


class Note(NamedTuple):
    """`synced` n: records up to n are durable. `segment` n: here n comes first, and all before it are in
    earlier segments."""

    word: str
    number: int
    durability: str = ""


class Vocabulary(Generic[M]):
    """What a journal is handed about the machine M whose commands it keeps. Nothing else here knows which
    machine that is.

    `opening` and `kinds` are msgspec structs; `opening` has the `market_id` as its first field. A line holds
    the fields of its struct, unless the kind has its own way: `values()`, which gives what a line holds, and
    `of(...)`, whose annotated arguments are those values. `rules_version` is that of what the machine makes
    of commands: if the same commands are to give other events, it needs another. `start` makes the machine of
    an opening; `capture` gives its state as plain values, `restore` the machine of an opening and such a
    state; `opening_of` is the opening as it would be now.
    """

    def __init__(
        self,
        *,
        opening: type[Any],
        kinds: Iterable[type[Any]],
        rules_version: int,
        start: Callable[[Any], M],
        capture: Callable[[M], dict[str, Any]],
        restore: Callable[[Any, dict[str, Any]], M],
        opening_of: Callable[[M], Any],
    ) -> None:
        self.rules_version = rules_version
        self.start = start
        self.capture = capture
        self.restore = restore
        self.opening_of = opening_of
        self._opening = opening
        self._read_opening = _reader_of(opening, int, int)
        self._writing: dict[type[Any], tuple[bytes, Callable[[Any], tuple[Any, ...]]]] = {}
        self._reading: dict[bytes, tuple[Callable[..., Any], _Read]] = {}
        for kind in kinds:
            name, make = kind.__name__.encode(), getattr(kind, "of", kind)
            self._writing[kind] = (name, getattr(kind, "values", astuple))
            self._reading[name] = (make, _reader_of(make))

    def written(self, number: int, now_ns: int, command: Any, seed: int) -> bytes:
        """A command's line, with its end."""
        name, values = self._writing[type(command)]
        return _sealed(b"%d %d %b %b " % (number, now_ns, name, _encode(values(command))), seed)

    def written_opening(self, opening: Any) -> bytes:
        """The first line of a market, with its end."""
        return _sealed(b"0 0 Open %b " % _encode(self.opening_values(opening)), 0)

    def opening_values(self, opening: Any) -> list[Any]:
        """An opening as lines and snapshots hold it: the versions first, so that others can name them."""
        return [FORMAT, self.rules_version, *astuple(opening)]

    def decoded(self, number: int, now_ns: int, kind: bytes, values: bytes) -> Record:
        """The record of what `checked` found. Raises Damaged and OtherFormat."""
        try:
            make, read = self._reading[kind]
        except KeyError:
            unknown = f"record {number} is a command of kind {kind!r}, which this program does not know"
            raise OtherFormat(unknown) from None
        try:
            return Record(number, now_ns, make(*read(values)))
        except _UNREADABLE as error:
            raise Damaged(f"record {number} is not a valid {kind.decode()}: {error}") from error

    def read_opening(self, line: bytes) -> tuple[Any, int]:
        """A market's first line, without its end, and the seed of all others. Raises Damaged, OtherFormat."""
        number, now_ns, kind, values = checked(line, 0)
        if (number, now_ns, kind) != (0, 0, b"Open"):
            raise Damaged("the first record does not open a market")
        opening = self.read_opening_values(values)
        return opening, seed_of(opening.market_id)

    def read_opening_values(self, values: bytes) -> Any:
        """What `opening_values` are as JSON. Raises Damaged and OtherFormat."""
        known = (FORMAT, self.rules_version)
        try:
            file_format, rules_version, *_ = _decode_any(values)
            if (file_format, rules_version) == known:
                return self._opening(*self._read_opening(values)[2:])
        except _UNREADABLE as error:
            raise Damaged(f"this opens no market: {error}") from error
        found = f"its format and rules are version {file_format} and {rules_version}"
        raise OtherFormat(f"{found}, this program knows {known[0]} and {known[1]}")


def _reader_of(make: Callable[..., Any], *before: type[Any]) -> _Read:
    """Reads an array of `before` and what `make` takes; every value must have its annotated type."""
    types = {name: kind for name, kind in get_type_hints(make).items() if name != "return"}
    read: _Read = msgspec.json.Decoder(GenericAlias(tuple, (*before, *types.values()))).decode
    return read


# -------------------------------------------------------------------------------------------- seals and notes


def seed_of(market_id: str) -> int:
    """What the checksums of a market's lines begin with."""
    return crc32(market_id.encode())


def checked(line: bytes, seed: int) -> tuple[int, int, bytes, bytes]:
    """Number, time, kind and values of a record's line (without its end), if its checksum is right. Raises
    Damaged or another ValueError."""
    number, now_ns, kind, values, rest = _unsealed(line, seed).split(b" ")
    if rest or not (number + now_ns).isdigit():
        raise Damaged("this is not a record")
    return int(number), int(now_ns), kind, values


def written_note(word: str, *values: object, seed: int) -> bytes:
    """A note's line, with its end."""
    return _sealed(b"#%b %b " % (word.encode(), _encode(values)), seed)


def read_note(line: bytes, seed: int) -> Note:
    """The note of a line without its end. Raises Damaged."""
    body = _unsealed(line, seed)
    try:
        word, values, _ = body.split(b" ")
        return Note(word[1:].decode(), *msgspec.json.decode(values, type=_NOTES[word]))
    except _UNREADABLE as error:
        raise Damaged(f"this is not a note: {error}") from error


def _sealed(body: bytes, seed: int) -> bytes:
    return b"%b%08x\n" % (body, crc32(body, seed))


def _unsealed(line: bytes, seed: int) -> bytes:
    body = line[:-8]
    if line[-8:] != b"%08x" % crc32(body, seed):
        raise Damaged("the checksum is another")
    return body
