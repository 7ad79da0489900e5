"""How far each channel and symbol of a feed has come, by which a reader notices that something is missing.

The numbers within a channel and symbol begin at 1 and have no holes; what a snapshot does not name stands at
0. Beside each number lies the `seq` of its event, from which on a reader can ask for what follows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

Key = tuple[str, str]
"""(channel, symbol)."""
_NONE = (0, 0)


class ChannelNumbers:
    """The last event of each channel and symbol; not `known` until somebody says how many there were."""

    def __init__(self, counts: Mapping[Key, int] | None) -> None:
        self.known = counts is not None
        self._last: dict[Key, tuple[int, int]] = {}
        self._start_seq = 0
        self.start(counts or {}, 0, known=self.known)

    def start(self, counts: Mapping[Key, int], seq: int, known: bool = True) -> None:
        """The counts as of event `seq`; nothing that was known before stands."""
        self.known, self._start_seq = known, seq
        self._last = {key: (number, seq) for key, number in counts.items()}

    def counts(self) -> dict[Key, int] | None:
        """None while they are not known."""
        if not self.known:
            return None
        return {key: number for key, (number, _) in self._last.items()}

    def gap(self, key: Key, number: int) -> int:
        """How many events are missing before this one; below 0: it is not new.

        An event without a number fits anywhere.
        """
        if not number or not self.known:
            return 0
        return number - self._last.get(key, _NONE)[0] - 1

    def accept(self, key: Key, number: int, seq: int) -> int:
        """The gap before this event, which is noted if there is none."""
        gap = number - self._last.get(key, _NONE)[0] - 1
        if gap == 0:
            self._last[key] = number, seq
        return gap

    def note(self, key: Key, number: int, seq: int) -> None:
        if number:
            self._last[key] = number, seq

    def last_seq(self, key: Key) -> int:
        """The `seq` up to which nothing of this channel and symbol is missing."""
        return self._last.get(key, (0, self._start_seq))[1]

    def includes(self, seq: int) -> bool:
        """Whether the counts that were started with had this event already."""
        return seq <= self._start_seq

    def ahead(self, counts: Mapping[Key, int]) -> Iterator[tuple[Key, int]]:
        """Where `counts` have come further than these, and by how many events."""
        for key, number in counts.items():
            if self.known and (missing := self.gap(key, number) + 1) > 0:
                yield key, missing

    def differing(self, counts: Mapping[Key, int], channels: Collection[str]) -> list[Key]:
        """Of these channels, where `counts` have come further than these, or less far."""
        keys = {**counts, **self._last}
        ours = {key: number for key, (number, _) in self._last.items()}
        return [
            key for key in keys if key[0] in channels and counts.get(key, 0) != ours.get(key, 0)
        ]
