"""The feed's numbers continue where they were kept, whatever text they were kept as."""

from __future__ import annotations

import json
from copy import deepcopy

from botpit.core.exchange import Exchange
from botpit.wire.sequencer import Sequencer
from tests.kept_market import stream_of


def test_they_continue_where_they_were_kept():
    begun, commands = stream_of(4, 1_200)
    exchange = Exchange(begun)
    first, again = Sequencer(exchange), Sequencer(exchange)
    for count, (command, now_ns) in enumerate(commands):
        outcome = exchange.apply(command, now_ns)
        expected = [(each.seq, each.channel_seq) for each in first.number(outcome)[2]]
        if count > 600:
            assert [
                (each.seq, each.channel_seq) for each in again.number(outcome)[2]
            ] == expected
        if count == 600:
            again.numbers.restore(json.loads(json.dumps(first.numbers.capture())))
    numbers = again.numbers
    assert numbers.capture() == first.numbers.capture()
    assert (
        numbers.seq > 0
        and all(numbers.book_seq.values())
        and sum(map(len, numbers.channel_seq.values())) > 6
    )


def test_what_was_kept_stays_as_it_is_when_counting_goes_on():
    begun, commands = stream_of(4, 300)
    exchange = Exchange(begun)
    sequencer = Sequencer(exchange)
    kept = sequencer.numbers.capture()
    before = deepcopy(kept)
    again = Sequencer(exchange)
    again.numbers.restore(kept)
    for command, now_ns in commands:
        outcome = exchange.apply(command, now_ns)
        sequencer.number(outcome)
        again.number(outcome)
    assert sequencer.numbers.capture() != before
    assert kept == before


def test_they_count_without_holes():
    begun, commands = stream_of(4, 600)
    sequencer, seqs, channels = (
        Sequencer(Exchange(begun)),
        [],
        dict[tuple[str, str], list[int]](),
    )
    for command, now_ns in commands:
        for event in sequencer.apply(command, now_ns)[2]:
            seqs.append(event.seq)
            channels.setdefault((event.channel, event.symbol), []).append(event.channel_seq)
    assert seqs == list(range(1, len(seqs) + 1))
    assert all(counted == list(range(1, len(counted) + 1)) for counted in channels.values())


def test_a_command_changes_each_book_at_most_once():
    begun, commands = stream_of(4, 600)
    sequencer = Sequencer(Exchange(begun))
    for command, now_ns in commands:
        before = dict(sequencer.numbers.book_seq)
        changed = {
            each.symbol
            for each in sequencer.apply(command, now_ns)[2]
            if each.channel == "orders"
        }
        assert sequencer.numbers.book_seq == {
            symbol: n + (symbol in changed) for symbol, n in before.items()
        }
