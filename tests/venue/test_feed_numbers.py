"""The feed's numbers go on from where they were kept, whatever text they were kept as."""

from __future__ import annotations

import json
from copy import deepcopy

from botpit.core.exchange import Exchange
from botpit.wire.sequence_numbers import SequenceNumbers
from tests.kept_market import stream_of


def test_they_go_on_from_where_they_were_kept():
    begun, commands = stream_of(4, 1_200)
    exchange = Exchange(begun)
    numbers, again = SequenceNumbers(exchange.markets), SequenceNumbers(exchange.markets)
    for count, (command, now_ns) in enumerate(commands):
        events = exchange.apply(command, now_ns).events
        told = numbers.count(events)
        if count > 600:
            assert again.count(events) == told
        if count == 600:
            again.restore(json.loads(json.dumps(numbers.capture())))
    assert again.capture() == numbers.capture()
    assert again.seq > 0 and all(again.book_seq.values()) and sum(map(len, again.channel_seq.values())) > 6


def test_what_was_kept_stays_as_it_is_when_counting_goes_on():
    begun, commands = stream_of(4, 300)
    exchange = Exchange(begun)
    numbers = SequenceNumbers(exchange.markets)
    first = numbers.capture()
    before = deepcopy(first)
    again = SequenceNumbers(exchange.markets)
    again.restore(first)
    for command, now_ns in commands:
        events = exchange.apply(command, now_ns).events
        numbers.count(events)
        again.count(events)
    assert numbers.capture() != before
    assert first == before


def test_they_count_without_holes():
    begun, commands = stream_of(4, 600)
    exchange = Exchange(begun)
    numbers, seqs, channels = SequenceNumbers(exchange.markets), [], dict[tuple[str, str], list[int]]()
    for command, now_ns in commands:
        for _, channel, symbol, seq, number in numbers.count(exchange.apply(command, now_ns).events):
            seqs.append(seq)
            channels.setdefault((channel, symbol), []).append(number)
    assert seqs == list(range(1, len(seqs) + 1))
    assert all(counted == list(range(1, len(counted) + 1)) for counted in channels.values())
