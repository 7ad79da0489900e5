"""A record of a market: each event once and in order, whatever the connection does, and after an earlier
record's checkpoint."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from botpit.clients.feed_session import Checkpoint, FeedSession, Need
from botpit.clients.requests import request_fields
from botpit.runs.export.rows import CHANNELS, RowEvent
from message_schemas import parse_messages
from tests.processes.told_market import Exchange, Message

# -------------------------------------------------------------------------------------------- each event once


class Reader:
    """A session on a connection that a test makes and loses. `taken` are the seqs of the events that make a
    row."""

    def __init__(
        self,
        exchange: Exchange,
        from_seq: int | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.exchange = exchange
        self.complaints: list[str] = []
        self.taken: list[int | None] = []
        self._asked: list[Message] = []
        self.session = FeedSession(
            Need.RECORD,
            lambda: CHANNELS,
            from_seq=from_seq,
            checkpoint=checkpoint,
            complain=self.complaints.append,
        )

    def connect(self, *, meanwhile: Callable[[], object] = lambda: None) -> None:
        """As the wire has it: a snapshot at once, live events of the default set, then the answers."""
        self.session.opened()
        self._asked.clear()
        self.hear(self.exchange.snapshot())
        before = self.exchange.seq
        meanwhile()
        self.hear(*self.exchange.events[before:])
        self.answered()

    def answered(self) -> None:
        while self.asked():
            self.hear(*self.exchange.answer(self._asked.pop(0)))

    def asked(self) -> list[Message]:
        """The requests that are not answered yet."""
        self._asked += map(request_fields, self.session.requests())
        return self._asked

    def hear(self, *messages: Message) -> None:
        for message in parse_messages(json.dumps(list(messages))):
            if self.session.receive(message) and isinstance(message, RowEvent):
                self.taken.append(message.seq)


def test_nothing_is_doubled_between_the_default_set_and_the_subscription() -> None:
    exchange = Exchange()
    exchange.trade()
    reader = Reader(exchange)
    reader.connect(meanwhile=exchange.trade)
    reader.hear(exchange.trade(), exchange.position("alice", 1, 10_000.0))
    assert reader.taken == [2, 3, 4]
    assert reader.complaints == []


def test_after_a_lost_connection_the_lost_events_come_first_and_once() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade())
    exchange.trade()
    exchange.position("alice", 2, 10_000.0)
    reader.connect(meanwhile=exchange.trade)
    reader.hear(exchange.trade())
    assert reader.taken == [1, 2, 3, 4, 5]
    assert reader.session.missing == 0


def test_liquidations_and_the_fund_come_once_too_and_what_makes_no_row_is_only_counted() -> (
    None
):
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.liquidation(), exchange.status(), exchange.insurance(-5.0))
    exchange.status(status="bankrupt")
    exchange.liquidation(reason="auto_deleverage")
    reader.connect(meanwhile=lambda: exchange.insurance(0.0))
    reader.hear(exchange.status(status="active"), exchange.insurance(7.5))
    assert reader.taken == [1, 3, 5, 6, 8]
    assert (reader.session.missing, reader.complaints) == (0, [])


@pytest.mark.parametrize(
    "lost", [Exchange.liquidation, Exchange.status, lambda exchange: exchange.insurance(1.0)]
)
def test_a_hole_among_the_liquidations_is_counted(lost: Callable[[Exchange], Message]) -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    lost(exchange)
    reader.hear(exchange.liquidation(), exchange.insurance(2.0))
    assert reader.session.missing == 1
    assert "1 events of channel liquidations" in reader.complaints[0]


def test_a_child_that_starts_late_has_the_market_from_its_first_event() -> None:
    exchange = Exchange()
    exchange.trade()
    exchange.trade()
    reader = Reader(exchange, from_seq=1)
    reader.connect(meanwhile=exchange.trade)
    assert reader.taken == [1, 2, 3]


def test_what_the_exchange_no_longer_keeps_is_counted_and_the_rest_is_taken() -> None:
    exchange = Exchange(kept=2)
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade())
    for _ in range(5):
        exchange.trade()
    reader.connect(meanwhile=exchange.trade)
    reader.hear(exchange.trade())
    assert reader.taken == [1, 6, 7, 8]
    assert reader.session.missing == 4
    assert any("too_old" in each for each in reader.complaints) and any(
        "4 events" in each for each in reader.complaints
    )


def test_another_market_is_taken_from_its_beginning() -> None:
    reader = Reader(Exchange())
    reader.connect()
    reader.hear(reader.exchange.trade(), reader.exchange.trade())
    reader.exchange = Exchange(market_id="m2")
    reader.exchange.trade()
    reader.connect()
    reader.hear(reader.exchange.trade())
    assert reader.taken == [1, 2, 1, 2]
    assert reader.session.checkpoint == Checkpoint("m2", 2, {("trades", "SIM"): 2})


def test_another_market_behind_a_connection_that_never_broke_is_taken_from_its_beginning_too() -> (
    None
):
    reader = Reader(Exchange())
    reader.connect()
    reader.hear(reader.exchange.trade())
    reader.exchange = Exchange(market_id="m2")
    reader.exchange.trade()
    reader.hear(reader.exchange.snapshot(), reader.exchange.trade())
    reader.answered()
    assert reader.taken == [1, 1, 2]


def test_a_market_that_lost_its_end_goes_on_from_where_it_stands() -> None:
    reader = Reader(Exchange())
    reader.connect()
    reader.hear(*(reader.exchange.trade() for _ in range(3)))
    reader.exchange.events.pop()
    reader.exchange.counts["trades", "SIM"] = 2
    reader.connect()
    reader.hear(reader.exchange.trade())
    assert reader.taken == [1, 2, 3, 3]
    assert any("seq_ahead" in each for each in reader.complaints)


def test_a_hole_in_a_live_stream_is_counted() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade())
    exchange.trade()
    reader.hear(exchange.trade())
    assert reader.session.missing == 1
    exchange.position("alice", 1, 10_000.0)
    reader.hear(exchange.snapshot())
    assert reader.session.missing == 2


def test_a_feed_that_repeats_nothing_is_read_live_after_a_bounded_number_of_attempts() -> None:
    exchange = Exchange(kept=-10)
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade())
    exchange.trade()
    reader.connect()
    reader.hear(exchange.trade())
    assert reader.taken == [1, 3]
    assert reader.session.missing == 1


def test_an_event_that_is_told_twice_is_taken_once() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(
        exchange.trade(),
        *exchange.events,
        exchange.position("alice", 1, 10_000.0),
        *exchange.events,
    )
    assert reader.taken == [1, 2]
    assert reader.session.missing == 0


def test_a_quiet_feed_s_heartbeats_keep_the_past_that_we_would_ask_for_short() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade(), {"type": "heartbeat", "seq": 500, "timestamp": 1})
    assert reader.session.seq == 500


def test_a_pause_for_a_slow_disk_loses_nothing() -> None:
    exchange = Exchange()
    reader = Reader(exchange)
    reader.connect()
    reader.hear(exchange.trade())
    reader.session.pause()
    reader.hear(exchange.trade(), exchange.trade())
    assert reader.taken == [1]
    reader.session.end_pause()
    reader.answered()
    assert reader.taken == [1, 2, 3]
    reader.session.end_pause()
    assert reader.asked() == []


# --------------------------------------------------------------------------------- checkpoints: after another


def read_until(exchange: Exchange, seq: int, from_seq: int | None = 1) -> Checkpoint:
    """The checkpoint of a reader who heard the first `seq` events."""
    reader = Reader(exchange, from_seq)
    reader.session.opened()
    reader.hear(Exchange(symbols=exchange.symbols).snapshot())
    reader.hear(
        {"type": "resumed", "from_seq": 1, "timestamp": 1, "request_id": "resume"},
        *exchange.events[:seq],
    )
    assert reader.session.checkpoint is not None
    return reader.session.checkpoint


@pytest.mark.parametrize("seq", range(6))
def test_a_reader_with_a_checkpoint_takes_the_next_event_first(seq: int) -> None:
    exchange = Exchange()
    exchange.trade()
    exchange.position("alice", 1, 10_000.0)
    exchange.status()
    exchange.liquidation()
    exchange.insurance(1.0)
    checkpoint = read_until(exchange, seq)
    assert checkpoint.seq == seq
    reader = Reader(exchange, checkpoint=checkpoint)
    reader.connect(meanwhile=exchange.trade)
    assert reader.taken == [each for each in (1, 2, 4, 5, 6) if each > seq]
    assert (reader.session.missing, reader.complaints) == (0, [])


def test_a_checkpoint_counts_more_than_from_seq() -> None:
    exchange = Exchange()
    exchange.trade()
    exchange.trade()
    reader = Reader(exchange, from_seq=1, checkpoint=read_until(exchange, 1))
    reader.connect()
    assert reader.taken == [2]


def test_a_checkpoint_in_the_forgotten_past_tells_how_much_is_missing() -> None:
    exchange = Exchange(kept=2)
    for _ in range(6):
        exchange.trade()
    reader = Reader(exchange, checkpoint=read_until(exchange, 1))
    reader.connect()
    assert reader.taken == [5, 6]
    assert reader.session.missing == 3


def test_behind_the_checkpoint_of_another_market_this_one_begins_with_its_first_event() -> None:
    before = Exchange()
    before.trade()
    before.trade()
    exchange = Exchange(market_id="m2")
    exchange.trade()
    reader = Reader(exchange, checkpoint=read_until(before, 2))
    reader.connect(meanwhile=exchange.trade)
    assert reader.taken == [1, 2]
    assert (reader.session.missing, reader.complaints) == (0, [])


def test_a_checkpoint_knows_what_nobody_has_told_it_yet() -> None:
    """From event 3 on, how many there were before is known with the snapshot that ends the past."""
    exchange = Exchange()
    for _ in range(4):
        exchange.trade()
    checkpoint = read_until(exchange, 3, from_seq=3)
    assert (checkpoint.seq, checkpoint.counts) == (3, None)
    reader = Reader(exchange, checkpoint=checkpoint)
    reader.connect()
    assert (reader.taken, reader.session.missing) == ([4], 0)
    assert reader.session.checkpoint == Checkpoint("m1", 4, {("trades", "SIM"): 4})


def test_there_is_no_checkpoint_before_there_is_a_market() -> None:
    assert FeedSession(Need.RECORD, lambda: CHANNELS, from_seq=1).checkpoint is None
    assert FeedSession(Need.RECORD, lambda: CHANNELS).checkpoint is None
