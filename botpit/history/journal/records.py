"""One command as one line of text, and back.

`number time kind [fields] checksum`: the number counts the commands of a market without holes, the time is nanoseconds since the
Unix epoch, the fields are the command's own, in its integers. Nothing in a line holds a space (ids have passed their pattern), so
a line can be read by eye and split at spaces. The checksum is CRC-32 of the market's id and of all before it: a damaged line, and
a line of another market, are told from a good one. The first line of any format is sealed in this way too, with no market's id,
so that a program which does not know the format can name it.

Between records stand notes, which begin with `#` and count for nothing but the question what was promised (see reading.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import GenericAlias
from typing import Any, NamedTuple, get_type_hints
from zlib import crc32

import msgspec
from msgspec.structs import astuple

from botpit.core import commands as cmd
from botpit.core.commands import Command, Open

FORMAT = 1
"""Of the lines themselves."""
RULES_VERSION = 1
"""Of what the engine makes of commands: a change of rules that would give other events for the same commands needs another."""
MAX_LINE_BYTES = 4 * 2**20
"""Longer than any line that is written: the opening of as many instruments as settings allow stays below it."""
_KINDS: tuple[type[Any], ...] = (
    cmd.Order, cmd.Cancel, cmd.CancelAll, cmd.Replace, cmd.Login, cmd.Logout, cmd.SessionLost, cmd.Tick, cmd.Halt, cmd.Resume,
    cmd.Close, cmd.SetMark, cmd.Freeze, cmd.Unfreeze, cmd.CancelTrader, cmd.Deposit, cmd.Reconfigure,
)
_NOTES = {b"#synced": tuple[int], b"#segment": tuple[int, str]}
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, RecursionError, msgspec.MsgspecError)
"""Whatever reading a value that is not what was written may end with."""
_encode = msgspec.json.Encoder().encode
_decode_any: Callable[[bytes], Any] = msgspec.json.Decoder().decode
_Read = Callable[[bytes], Sequence[Any]]


class Damaged(ValueError):
    """A line that is not what was written. The text says why."""


class OtherFormat(ValueError):
    """A journal of a format or of rules that this program does not know. The text names both versions."""


class Record(NamedTuple):
    """A command and when it was taken, nanoseconds since the Unix epoch."""

    number: int
    now_ns: int
    command: Command


class Note(NamedTuple):
    """`synced` n: records up to n are durable. `segment` n: here n comes first, and all before it are in earlier segments."""

    word: str
    number: int
    durability: str = ""


def _reader_of(kind: type[Any], *before: type[Any]) -> _Read:
    """Reads an array of `before` and the kind's own fields; every value must be of its field's type."""
    read: _Read = msgspec.json.Decoder(GenericAlias(tuple, (*before, *get_type_hints(kind).values()))).decode
    return read


_NAMES = {kind: kind.__name__.encode() for kind in _KINDS}
_READING = {kind.__name__.encode(): (kind, _reader_of(kind)) for kind in _KINDS}
_read_open = _reader_of(Open, int, int)


def seed_of(market_id: str) -> int:
    """What the checksums of a market's lines begin with."""
    return crc32(market_id.encode())


# ------------------------------------------------------------------------------------------------------------------ writing


def written(number: int, now_ns: int, command: Command, seed: int) -> bytes:
    """A command's line, with its end."""
    return _sealed(b"%d %d %b %b " % (number, now_ns, _NAMES[type(command)], _encode(astuple(command))), seed)


def written_opening(opening: Open) -> bytes:
    """The first line of a market, with its end."""
    return _sealed(b"0 0 Open %b " % _encode(opening_values(opening)), 0)


def written_note(word: str, *values: object, seed: int) -> bytes:
    """A note's line, with its end."""
    return _sealed(b"#%b %b " % (word.encode(), _encode(values)), seed)


def opening_values(opening: Open) -> list[Any]:
    return [FORMAT, RULES_VERSION, opening.market_id, opening.rules, opening.instruments]


def _sealed(body: bytes, seed: int) -> bytes:
    return b"%b%08x\n" % (body, crc32(body, seed))


# ------------------------------------------------------------------------------------------------------------------ reading


def _unsealed(line: bytes, seed: int) -> bytes:
    body = line[:-8]
    if line[-8:] != b"%08x" % crc32(body, seed):
        raise Damaged("the checksum is another")
    return body


def checked(line: bytes, seed: int) -> tuple[int, int, bytes, bytes]:
    """Number, time, kind and fields of a record's line (without its end), its checksum held. Raises Damaged or another
    ValueError."""
    number, now_ns, kind, values, rest = _unsealed(line, seed).split(b" ")
    if rest or not (number + now_ns).isdigit():
        raise Damaged("this is not a record")
    return int(number), int(now_ns), kind, values


def decoded(number: int, now_ns: int, kind: bytes, values: bytes) -> Record:
    """The record of what `checked` found. Raises Damaged and OtherFormat."""
    try:
        command, read = _READING[kind]
    except KeyError:
        unknown = f"record {number} is a command of kind {kind!r}, which this program does not know"
        raise OtherFormat(unknown) from None
    try:
        return Record(number, now_ns, command(*read(values)))
    except _UNREADABLE as error:
        raise Damaged(f"record {number} is not a valid {kind.decode()}: {error}") from error


def read_note(line: bytes, seed: int) -> Note:
    """The note of a line without its end. Raises Damaged."""
    body = _unsealed(line, seed)
    try:
        word, values, _ = body.split(b" ")
        return Note(word[1:].decode(), *msgspec.json.decode(values, type=_NOTES[word]))
    except _UNREADABLE as error:
        raise Damaged(f"this is not a note: {error}") from error


def read_opening(line: bytes) -> tuple[Open, int]:
    """The first line of a market, without its end, and the seed of all others. Raises Damaged and OtherFormat."""
    number, now_ns, kind, values = checked(line, 0)
    if (number, now_ns, kind) != (0, 0, b"Open"):
        raise Damaged("the first record does not open a market")
    opening = read_opening_values(values)
    return opening, seed_of(opening.market_id)


def read_opening_values(values: bytes) -> Open:
    """What `opening_values` are as JSON. Raises Damaged and OtherFormat."""
    try:
        file_format, rules_version, *_ = _decode_any(values)
        if (file_format, rules_version) == (FORMAT, RULES_VERSION):
            return Open(*_read_open(values)[2:])
    except _UNREADABLE as error:
        raise Damaged(f"this opens no market: {error}") from error
    raise OtherFormat(
        f"its format and rules are version {file_format} and {rules_version}, this program knows {FORMAT} and {RULES_VERSION}"
    )
