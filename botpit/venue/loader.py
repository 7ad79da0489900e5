"""Which market an exchange trades in: the present one of its data folder, recovered, or a new one.

Recovery plays the tail of the journal through a `LiveMarket`, as a gateway would.
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
from botpit.io.log import fields
from botpit.settings import Settings
from botpit.venue.feed.publisher import Feed
from botpit.venue.gateway.market import LiveMarket
from botpit.venue.gateway.private import MAX_EVENTS, PrivateEventBuffer
from botpit.wire.encode import Encoder
from botpit.wire.packed import PastMessage
from botpit.wire.sequencer import Sequencer

Track = Callable[[Iterable[Record]], Iterable[Record]]
"""Passes records on and shows how many there were."""
TURN_RECORDS = 1_000
"""So many are replayed before what they would have delivered is dropped."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class LoadedMarket:
    """A market with the journal of its commands. `folder` None: nothing of it is kept.

    `changes`: rules that it is to take over before it opens.
    """

    live: LiveMarket
    journal: Journal | DiscardingJournal
    folder: Path | None = None
    changes: Open | None = None
    is_recovered: bool = False


class OtherRules(Exception):
    """The market was opened with other rules than those of the settings. `changeable`: it can take
    over these.
    """

    def __init__(self, changes: list[str], *, changeable: bool) -> None:
        super().__init__(
            f"the market was opened with other rules: {'; '.join(changes)} (in the engine's units)"
        )
        self.changeable = changeable


class MarketLoader:
    """The markets of one exchange, one after the other. With `data` they are kept there, as
    `durability` says.
    """

    def __init__(
        self,
        settings: Settings,
        data: DataFolder | None,
        durability: Durability,
        disk: Disk,
        *,
        track: Track = iter,
    ) -> None:
        self._settings = settings
        self._data = data
        self._durability = durability
        self._disk = disk
        self._track = track

    def first(self, *, fresh: bool, reconfigure: bool) -> LoadedMarket:
        """The present market, or a new one if there is none or `fresh` is asked for.

        Raises OtherRules when its rules are not those of the settings; DamageError, OtherFormat, OSError.
        """
        if not fresh and self._data is not None:
            folder = self._data.current()
            if folder is not None:
                return self._check_rules(self._recovered(folder), reconfigure)
        return self.new()

    def new(self) -> LoadedMarket:
        """A new market beside those that were. Raises OSError."""
        opening = self._opening(secrets.token_hex(8))
        sequencer = Sequencer(Exchange(opening))
        private = PrivateEventBuffer(sequencer.encoder)
        if self._data is None:
            return LoadedMarket(
                LiveMarket(sequencer, Feed(sequencer), private), DiscardingJournal()
            )
        folder = self._data.begin(EXCHANGE, opening)
        live = LiveMarket(sequencer, Feed(sequencer, Past(folder)), private)
        journal = Journal(
            folder,
            self._disk,
            EXCHANGE,
            market_id=opening.market_id,
            next_number=1,
            durability=self._durability,
        )
        return LoadedMarket(live, journal, folder)

    def _opening(self, market_id: str) -> Open:
        return Open(market_id, self._settings.rules(), self._settings.engine_instruments())

    # ------------------------------------------------------------------------------------- recovery

    def _recovered(self, folder: Path) -> LoadedMarket:
        found = recover(folder, self._disk, EXCHANGE, _log.warning)
        past, sequencer = Past(folder), Sequencer(found.machine)
        if found.beside:
            sequencer.numbers.restore(found.beside["numbers"])
        private = _private_past(found.machine, past, sequencer.encoder)
        from_record = found.number + 1
        live = LiveMarket(sequencer, Feed(sequencer, past), private)
        _play(self._track(found.tail()), live)
        self._log(found, from_record)
        return LoadedMarket(live, found.go_on(self._durability), folder, is_recovered=True)

    def _log(self, found: Recovered[Exchange], from_record: int) -> None:
        replayed = found.last_number + 1 - from_record
        recovered = {
            "market_id": found.machine.market_id,
            "records": found.last_number,
            "replayed": replayed,
        }
        _log.info("recovered %s", fields(**recovered))
        if found.torn is not None:
            torn = {
                "bytes": found.torn.dropped,
                "file": found.torn.path,
                "offset": found.torn.offset,
            }
            _log.warning(
                "the end of the journal was torn: what nobody was told of is dropped %s",
                fields(**torn),
            )

    def _check_rules(self, market: LoadedMarket, reconfigure: bool) -> LoadedMarket:
        wanted = self._opening(market.live.exchange.market_id)
        changes = differences(opening_of(market.live.exchange), wanted)
        if not changes:
            return market
        fixed = not_changeable(market.live.exchange, wanted)
        if fixed:
            raise OtherRules(fixed, changeable=False)
        if not reconfigure:
            raise OtherRules(changes, changeable=True)
        market.changes = wanted
        return market


def _private_past(exchange: Exchange, past: Past, encoder: Encoder) -> PrivateEventBuffer:
    """Each trader's last events before the tail, as far back as none is missing."""
    newest = {trader: account.seq for trader, account in exchange.accounts.items()}
    by_trader: dict[str, list[PastMessage]] = {trader: [] for trader in newest}
    for line in past.private(
        MAX_EVENTS, lambda line: line.account_seq <= newest.get(line.trader, 0)
    ):
        by_trader[line.trader].append(
            PastMessage(line.trader, line.account_seq, bytes(line.message))
        )
    tape = PrivateEventBuffer(encoder)
    for trader, messages in by_trader.items():
        if messages and messages[-1].account_seq == newest[trader]:
            for message in messages:
                tape.append(trader, message)
    return tape


def _play(records: Iterable[Record], market: LiveMarket) -> None:
    """What a gateway makes of each command, with nobody there to be notified."""
    for record in records:
        market.apply(record.command, record.now_ns)
        if record.number % TURN_RECORDS == 0:
            market.feed.end_turn(record.now_ns)
    market.feed.end_turn(market.exchange.now_ns)
