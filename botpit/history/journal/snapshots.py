"""Snapshots: the whole state after a record, in a file of its own, so that not all of the past must be
replayed.

`snapshot-<number>.json` holds three lines: what it is with the checksum of the rest; the market's name and
rules as they were then, and what others keep beside; the state. The state stands alone so that its hash is
that of the line, and a replay can be compared with it unread. Nothing depends on a snapshot being there or
good: for a bad one an older one is taken, and without any the journal alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from botpit.history.journal.disk import Disk
from botpit.history.journal.records import FORMAT, M, Vocabulary

KEPT = 2
"""Snapshots that stay when a new one is written."""
_NAME = re.compile(r"snapshot-(\d{12})\.json")
_encode = msgspec.json.Encoder(order="deterministic").encode
_read_head = msgspec.json.Decoder(tuple[int, int, int, str]).decode
_read_rest = msgspec.json.Decoder(tuple[msgspec.Raw, dict[str, Any]]).decode
_read_state = msgspec.json.Decoder(dict[str, Any]).decode


def state_text(vocabulary: Vocabulary[M], machine: M) -> bytes:
    """The state as one line of JSON without its end, the same for the same state."""
    return _encode(vocabulary.capture(machine))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after record `number`, as JSON. `beside`: what others keep with it, as plain values."""

    number: int
    opening: Any
    beside: dict[str, Any]
    state: bytes

    @classmethod
    def of(
        cls, vocabulary: Vocabulary[M], machine: M, number: int, beside: dict[str, Any]
    ) -> Snapshot:
        return cls(
            number, vocabulary.opening_of(machine), beside, state_text(vocabulary, machine)
        )

    def restored(self, vocabulary: Vocabulary[M]) -> M:
        """The machine in that state."""
        return vocabulary.restore(self.opening, _read_state(self.state))

    def state_hash(self) -> str:
        return sha256(self.state).hexdigest()


def write_snapshot(
    folder: Path, disk: Disk, vocabulary: Vocabulary[Any], snapshot: Snapshot
) -> Path:
    """Put it on disk, durable when this returns; then the older ones but one may go. Raises OSError."""
    second = _encode([vocabulary.opening_values(snapshot.opening), snapshot.beside])
    rest = b"%b\n%b\n" % (second, snapshot.state)
    head = _encode(
        [FORMAT, vocabulary.rules_version, snapshot.number, sha256(rest).hexdigest()]
    )
    path = folder / f"snapshot-{snapshot.number:012d}.json"
    disk.replace(path, b"%b\n%b" % (head, rest))
    for _, old in snapshots(folder)[KEPT:]:
        disk.remove(old)
    return path


def snapshots(folder: Path) -> list[tuple[int, Path]]:
    """(number, path) of all snapshots, newest first. Raises OSError."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted(((int(match[1]), path) for match, path in named if match), reverse=True)


def good_snapshots(
    folder: Path, market_id: str, vocabulary: Vocabulary[Any], complain: Callable[[str], None]
) -> Iterator[Snapshot]:
    """Those that can be used, newest first; `complain` gets the reason why one cannot. Raises OSError."""
    for number, path in snapshots(folder):
        try:
            yield read_snapshot(path, number, market_id, vocabulary)
        except FileNotFoundError:
            continue  # an archivist at work has just replaced it by a newer one
        except ValueError as reason:
            complain(f"{path}: not used: {reason}")


def read_snapshot(
    path: Path, number: int, market_id: str, vocabulary: Vocabulary[Any]
) -> Snapshot:
    """Raises ValueError if it is damaged, of another version or of another market, and OSError."""
    head, _, rest = path.read_bytes().partition(b"\n")
    try:
        file_format, rules, written_number, checksum = _read_head(head)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"its first line cannot be read: {error}") from error
    known = (FORMAT, vocabulary.rules_version)
    if (file_format, rules) != known:
        other = f"it is of format {file_format} and rules {rules}"
        raise ValueError(f"{other}, this program knows {known[0]} and {known[1]}")
    if written_number != number or sha256(rest).hexdigest() != checksum:
        raise ValueError("the checksum is another")
    second, _, state = rest.partition(b"\n")
    opening, beside = _read_rest(second)
    opened = vocabulary.read_opening_values(bytes(opening))
    found = Snapshot(number, opened, beside, state.removesuffix(b"\n"))
    if found.opening.market_id != market_id:
        raise ValueError(f"it is of market {found.opening.market_id!r}")
    return found
