"""Snapshots: the whole state after a record, in a file of its own, so that not all of the past must be replayed.

`snapshot-<number>.json` holds three lines: what it is with the checksum of the rest; the market's name and rules as they are
then, and what others keep beside; the state. The state stands alone so that its hash is that of the line, and a replay can be
held against it unread. Nothing depends on a snapshot being there or good: a bad one is passed over for an older one, at last for
the journal alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from botpit.core.commands import Open
from botpit.core.exchange import Exchange
from botpit.core.state import capture, opening_of, restore
from botpit.history.journal.disk import Disk
from botpit.history.journal.records import FORMAT, RULES_VERSION, opening_values, read_opening_values

KEPT = 2
"""Snapshots that stay when a new one is written."""
_NAME = re.compile(r"snapshot-(\d{12})\.json")
_encode = msgspec.json.Encoder(order="deterministic").encode
_read_head = msgspec.json.Decoder(tuple[int, int, int, str]).decode
_read_rest = msgspec.json.Decoder(tuple[msgspec.Raw, dict[str, Any]]).decode
_read_state = msgspec.json.Decoder(dict[str, Any]).decode


def state_text(exchange: Exchange) -> bytes:
    """The state as one line of JSON without its end, the same for the same state."""
    return _encode(capture(exchange))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after record `number`, as JSON. `beside`: what others keep with it, as plain values."""

    number: int
    opening: Open
    beside: dict[str, Any]
    state: bytes

    @classmethod
    def of(cls, exchange: Exchange, number: int, beside: dict[str, Any]) -> Snapshot:
        return cls(number, opening_of(exchange), beside, state_text(exchange))

    def exchange(self) -> Exchange:
        return restore(self.opening, _read_state(self.state))

    def state_hash(self) -> str:
        return sha256(self.state).hexdigest()


def write_snapshot(folder: Path, disk: Disk, snapshot: Snapshot) -> Path:
    """Put it on disk, durable when this returns; then the older ones but one may go. Raises OSError."""
    rest = b"%b\n%b\n" % (_encode([opening_values(snapshot.opening), snapshot.beside]), snapshot.state)
    head = _encode([FORMAT, RULES_VERSION, snapshot.number, sha256(rest).hexdigest()])
    path = folder / f"snapshot-{snapshot.number:012d}.json"
    disk.replace(path, b"%b\n%b" % (head, rest))
    for _, old in snapshots(folder)[KEPT:]:
        disk.remove(old)
    return path


def snapshots(folder: Path) -> list[tuple[int, Path]]:
    """(number, path) of all snapshots, newest first. Raises OSError."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted(((int(match[1]), path) for match, path in named if match), reverse=True)


def good_snapshots(folder: Path, market_id: str, complain: Callable[[str], None]) -> Iterator[Snapshot]:
    """Those that can be used, newest first; of the others `complain` is told why not. Raises OSError."""
    for number, path in snapshots(folder):
        try:
            yield read_snapshot(path, number, market_id)
        except FileNotFoundError:
            continue  # an archivist at work has just replaced it by a newer one
        except ValueError as reason:
            complain(f"{path}: not used: {reason}")


def read_snapshot(path: Path, number: int, market_id: str) -> Snapshot:
    """Raises ValueError when it is not what was written, of another version or of another market, and OSError."""
    head, _, rest = path.read_bytes().partition(b"\n")
    try:
        file_format, rules, told, checksum = _read_head(head)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"its first line cannot be read: {error}") from error
    if (file_format, rules) != (FORMAT, RULES_VERSION):
        raise ValueError(f"it is of format {file_format} and rules {rules}, this program knows {FORMAT} and {RULES_VERSION}")
    if told != number or sha256(rest).hexdigest() != checksum:
        raise ValueError("the checksum is another")
    second, _, state = rest.partition(b"\n")
    opening, beside = _read_rest(second)
    found = Snapshot(number, read_opening_values(bytes(opening)), beside, state.removesuffix(b"\n"))
    if found.opening.market_id != market_id:
        raise ValueError(f"it is of market {found.opening.market_id!r}")
    return found
