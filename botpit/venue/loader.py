"""Which market an exchange trades in: the present one of its data folder, recovered, or a new one.

A market in trade is its machine (exchange, feed, private events) with the journal that its commands go to. Recovery plays the
journal's tail through that machine, so that numbers, past and state are made by the same code that made them first.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from botpit.core.commands import Open
from botpit.core.exchange import Exchange
from botpit.core.rules import differences, not_changeable
from botpit.core.state import opening_of
from botpit.history.archive.reader import Past
from botpit.history.journal.disk import Disk
from botpit.history.journal.folder import DataFolder
from botpit.history.journal.records import Record
from botpit.history.journal.recovery import Recovered, recover
from botpit.history.journal.segments import DiscardingJournal, Durability, Journal
from botpit.history.vocabulary import EXCHANGE
from botpit.io.exit_codes import ProgramError
from botpit.io.log import fields
from botpit.settings import Settings
from botpit.venue.feed.publisher import Feed
from botpit.venue.gateway.private import MAX_EVENTS, PrivateEventBuffer
from botpit.wire.encode import Encoder
from botpit.wire.packed import PastMessage
from botpit.wire.private_events import private_events
from botpit.wire.sequence_numbers import SequenceNumbers

Track = Callable[[Iterable[Record]], Iterable[Record]]
"""Passes records on while it tells how many there were."""
TURN_RECORDS = 1_000
"""Replayed between two moments in which what was told to nobody is dropped."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class LoadedMarket:
    """One market. `folder` None: nothing of it is kept. `changes`: rules that it is to take over before it opens."""

    exchange: Exchange
    encoder: Encoder
    feed: Feed
    private: PrivateEventBuffer
    journal: Journal | DiscardingJournal
    folder: Path | None = None
    changes: Open | None = None
    is_recovered: bool = False


class MarketLoader:
    """The markets of one exchange, one after the other. With `data` they are kept there, as `durability` says."""

    def __init__(
        self, settings: Settings, data: DataFolder | None, durability: Durability, disk: Disk, *, track: Track = iter
    ) -> None:
        self._settings = settings
        self._data = data
        self._durability = durability
        self._disk = disk
        self._track = track

    def first(self, *, fresh: bool, reconfigure: bool) -> LoadedMarket:
        """The present market, or a new one if there is none or `fresh` is asked for.

        Raises ProgramError when its rules are not those of the settings and may not or cannot be changed; DamageError,
        OtherFormat, OSError.
        """
        folder = None if fresh or self._data is None else self._data.current()
        if folder is None:
            return self.new()
        return self._check_rules(self._recovered(folder), reconfigure)

    def new(self) -> LoadedMarket:
        """A new market beside those that were. Raises OSError."""
        opening = self._opening(secrets.token_hex(8))
        exchange = Exchange(opening)
        encoder = Encoder(exchange)
        if self._data is None:
            return LoadedMarket(exchange, encoder, Feed(exchange, encoder), PrivateEventBuffer(encoder), DiscardingJournal())
        folder = self._data.begin(EXCHANGE, opening)
        feed = Feed(exchange, encoder, archive=Past(folder))
        journal = Journal(folder, self._disk, EXCHANGE, market_id=opening.market_id, next_number=1, durability=self._durability)
        return LoadedMarket(exchange, encoder, feed, PrivateEventBuffer(encoder), journal, folder)

    def _opening(self, market_id: str) -> Open:
        return Open(market_id, self._settings.rules(), self._settings.engine_instruments())

    # -------------------------------------------------------------------------------------------------------------- recovery

    def _recovered(self, folder: Path) -> LoadedMarket:
        found = recover(folder, self._disk, EXCHANGE, _log.warning)
        exchange, encoder, past = found.machine, Encoder(found.machine), Past(folder)
        numbers = SequenceNumbers(exchange.markets)
        if found.beside:
            numbers.restore(found.beside["numbers"])
        feed = Feed(exchange, encoder, numbers, past)
        private = _private_past(exchange, past, encoder)
        from_record = found.number + 1
        _play(self._track(found.tail()), exchange, encoder, feed, private)
        self._log(found, from_record)
        return LoadedMarket(exchange, encoder, feed, private, found.go_on(self._durability), folder, is_recovered=True)

    def _log(self, found: Recovered[Exchange], from_record: int) -> None:
        replayed = found.last_number + 1 - from_record
        told = {"market_id": found.machine.market_id, "records": found.last_number, "replayed": replayed}
        _log.info("recovered %s", fields(**told))
        if found.torn is not None:
            torn = {"bytes": found.torn.dropped, "file": found.torn.path, "offset": found.torn.offset}
            _log.warning("the end of the journal was torn: what nobody was told of is dropped %s", fields(**torn))

    def _check_rules(self, market: LoadedMarket, reconfigure: bool) -> LoadedMarket:
        wanted = self._opening(market.exchange.market_id)
        changes = differences(opening_of(market.exchange), wanted)
        if not changes:
            return market
        fixed = not_changeable(market.exchange, wanted)
        if fixed:
            raise ProgramError(_sentence(fixed, "this cannot be changed in a running market; --fresh begins a new one"))
        if not reconfigure:
            raise ProgramError(_sentence(changes, "--reconfigure takes the new rules over, --fresh begins a new market"))
        market.changes = wanted
        return market


def _sentence(changes: list[str], remedy: str) -> str:
    return f"the market was opened with other rules: {'; '.join(changes)} (in the engine's units): {remedy}"


def _private_past(exchange: Exchange, past: Past, encoder: Encoder) -> PrivateEventBuffer:
    """Each trader's last events before the tail, as far back as none is missing."""
    newest = {trader: account.seq for trader, account in exchange.accounts.items()}
    by_trader: dict[str, list[PastMessage]] = {trader: [] for trader in newest}
    for line in past.private(MAX_EVENTS, lambda line: line.account_seq <= newest.get(line.trader, 0)):
        by_trader[line.trader].append(PastMessage(line.trader, line.account_seq, bytes(line.message)))
    tape = PrivateEventBuffer(encoder)
    for trader, messages in by_trader.items():
        if messages and messages[-1].account_seq == newest[trader]:
            for message in messages:
                tape.append(trader, message)
    return tape


def _play(
    records: Iterable[Record], exchange: Exchange, encoder: Encoder, feed: Feed, private: PrivateEventBuffer
) -> None:
    """What a gateway makes of each command, with nobody there to be told."""
    for record in records:
        events = exchange.apply(record.command, record.now_ns).events
        for trader, event in private_events(events):
            private.append(trader, event)
        feed.publish(events, record.now_ns)
        if record.number % TURN_RECORDS == 0:
            feed.end_turn(record.now_ns)
    feed.end_turn(exchange.now_ns)
