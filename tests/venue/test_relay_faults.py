"""The relay on a line that loses, doubles, swaps, alters and invents messages: no fault stays
unnoticed, and none stops it.
"""

from __future__ import annotations

import json
import random

import pytest

from tests.socketless.messages import events, pieces
from tests.socketless.noise import (
    NUMBERED,
    VIEWS,
    Swapped,
    doubled,
    dropped,
    losing_the_first,
    on_events,
    same,
)
from tests.socketless.reader import ConnectedReader
from tests.socketless.relay import RelayLine, connected, trades
from tests.socketless.requests import EVERYTHING, order, text
from tests.socketless.rules import BOTH
from tests.socketless.truth import books, books_seen, positions, positions_seen
from tests.socketless.venue import SocketlessVenue

# -------------------------------------------------------------------------- a line that is not good


def runs(line: RelayLine, bots: list[ConnectedReader], seed: int, steps: int = 250) -> None:
    """A busy market, then a while on a good line, at last without a trade."""
    crowd = line.exchange.crowd(seed)
    for _ in range(steps):
        crowd.acts()
        line.passes(0.06)
        for bot in bots:
            bot.reads()
    line.noise = same
    for left in range(60, 0, -1):
        if left > 20:
            crowd.acts()  # a view that was lost is only noticed, or made good, by the next one
        line.passes()
        for bot in bots:
            bot.reads()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", ["dropped", "doubled", "swapped"])
def test_whatever_the_line_does_to_messages_the_readers_end_with_the_truth(fault, seed):
    line = connected()
    bots = [
        ConnectedReader(line),
        ConnectedReader(line, "book_delta", "trades", "positions"),
        ConnectedReader(line, *EVERYTHING),
    ]
    line.settles()
    line.noise = {
        "dropped": on_events(dropped, 0.03, seed, NUMBERED + VIEWS), "doubled": on_events(doubled, 0.03, seed, NUMBERED + VIEWS),
        "swapped": Swapped(seed),
    }[fault]  # fmt: skip
    runs(line, bots, seed)
    assert fault == "swapped" or (line.feed.holes > 0) == (fault == "dropped")
    for bot in bots:
        assert bot.statistics.trade_count == line.exchange.exchange.last_trade_id
        assert bot.trade_ids == sorted(set(bot.trade_ids)), "no trade twice, none out of order"
        assert positions_seen(bot.mirror) == positions(line.exchange)
    assert {
        symbol: (bids[:10], asks[:10]) for symbol, (bids, asks) in books(line.exchange).items()
    } == books_seen(bots[0].mirror)
    for bot in bots[1:]:
        assert books_seen(bot.mirror) == books(line.exchange)


@pytest.mark.parametrize("kind", [b'"trade"', b'"position_update"', b'"order_add"'])
def test_one_lost_event_is_one_hole(kind):
    line = connected()
    bot = ConnectedReader(line, *EVERYTHING)
    line.settles()
    bot.reads()
    line.noise = losing_the_first(kind)
    trades(line, 3)
    line.settles()
    bot.reads()
    assert line.feed.holes == 1
    assert (bot.session.holes, bot.statistics.trade_count, bot.session.waiting) == (0, 3, False)
    asked = len(line.asked)
    trades(line, 3)
    line.settles()
    bot.reads()
    assert line.feed.holes == 1, "and then it is over"
    assert "resume" not in [each["type"] for each in line.asked[asked:]]
    assert (bot.statistics.trade_count, positions_seen(bot.mirror)) == (
        6,
        positions(line.exchange),
    )


def test_what_was_lost_is_in_its_place_for_whoever_resumes():
    line = connected()
    bot = ConnectedReader(line, *EVERYTHING)
    record = line.exchange.listener()
    record.asks(type="subscribe", channels=EVERYTHING)
    line.settles()
    line.noise = losing_the_first(b'"trade"')
    trades(line, 5)
    line.settles()
    bot.reads()
    assert line.feed.holes == 1
    told = events(record.takes())
    for from_seq in range(1, line.feed.seq + 2):
        reader = line.listener()
        reader.sends(text(type="subscribe", channels=EVERYTHING))
        line.passes()
        reader.takes()
        reader.sends(text(type="resume", from_seq=from_seq))
        line.passes()
        assert sorted(map(str, events(reader.takes()))) == sorted(
            str(each) for each in told if each["seq"] >= from_seq
        )


def test_a_hole_that_is_still_open_when_the_line_breaks_is_filled_afterwards():
    line = connected()
    bot = ConnectedReader(line, "trades", "positions")
    line.settles()
    line.noise = losing_the_first(b'"trade"')
    client = line.exchange.client()
    for _ in range(2):
        client.asks([order("bob", "sell", 1, 100.0), order("alice", "buy", 1, 100.0)])
        line.exchange.ends_turn()
        for frame in line.upstream.takes_frames():
            line.brings(b"[%b]" % b",".join(line.noise(pieces(frame))))
    assert line.feed.holes == 1
    line.breaks()
    trades(line, 1)
    line.connects()
    line.settles()
    bot.reads()
    assert (line.feed.holes, bot.statistics.trade_count, positions_seen(bot.mirror)) == (
        1,
        3,
        positions(line.exchange),
    )


def test_a_loss_at_the_very_end_is_noticed_when_it_has_become_quiet():
    line = connected()
    bot = ConnectedReader(line, *EVERYTHING)
    line.settles()
    trades(line, 2)
    line.noise = losing_the_first(b'"trade"')
    trades(line, 1)
    assert line.feed.holes == 0
    line.settles()
    bot.reads()
    assert (line.feed.holes, bot.statistics.trade_count, positions_seen(bot.mirror)) == (
        1,
        3,
        positions(line.exchange),
    )


def test_one_lost_delta_is_noticed_by_whoever_reads_the_book_from_deltas():
    line = connected()
    bot = ConnectedReader(line, "book_delta")
    line.settles()
    bot.reads()
    lost = iter([True])
    line.noise = lambda messages: [
        each for each in messages if b'"book_delta"' not in each or not next(lost, False)
    ]
    trades(line, 3)
    line.settles()
    bot.reads()
    line.settles()
    bot.reads()
    assert (bot.session.holes, bot.session.waiting) == (1, False)
    assert books_seen(bot.mirror) == books(line.exchange)


@pytest.mark.parametrize("kind", ["subscribed", "snapshot", "resumed", "error"])
@pytest.mark.parametrize("fault", [dropped, doubled])
def test_a_lost_or_doubled_answer_does_not_stop_the_relay_for_ever(fault, kind):
    line = connected()
    bots = [ConnectedReader(line, "trades", "book_delta"), ConnectedReader(line)]
    line.settles()
    once = iter([True])

    def noise(messages: list[bytes]) -> list[bytes]:
        return [
            x
            for each in messages
            for x in (
                fault(None, [each])
                if json.loads(each)["type"] == kind and next(once, False)
                else [each]
            )
        ]

    line.noise = noise
    match kind:
        case "error":
            line.breaks()
            line.meets(SocketlessVenue(BOTH, market_id="m2"))
            line.connects()
        case "resumed":
            line.breaks()
            line.connects()
        case _:
            line.listener()
    line.settles()
    assert not next(once, False), "it was lost"
    trades(line, 3)
    for _ in range(10):
        line.passes(2)
    late = ConnectedReader(line)
    line.settles()
    for bot in (*bots, late):
        bot.reads()
        assert bot.mirror.market_id == line.exchange.feed.market_id
        assert bot.statistics.trade_count == 3


def test_an_overtaken_snapshot_is_not_believed():
    line = connected()
    bots = [ConnectedReader(line, "trades", "book_delta"), ConnectedReader(line)]
    line.settles()
    held_back: list[bytes] = []

    def noise(messages: list[bytes]) -> list[bytes]:
        snapshots = [each for each in messages if b'"type":"snapshot"' in each]
        held_back.extend(snapshots)
        return [each for each in messages if each not in snapshots]

    line.noise = noise
    late = ConnectedReader(line)
    line.passes()
    line.noise = same
    trades(line, 3)
    for each in held_back:
        line.brings(each)
    line.settles()
    for bot in (*bots, late):
        bot.reads()
        assert (bot.statistics.trade_count, positions_seen(bot.mirror)) == (
            3,
            positions(line.exchange),
        )


def test_an_exchange_that_answers_no_more_for_a_while_is_asked_again():
    line = connected()
    bots = [ConnectedReader(line, "trades", "book_delta"), ConnectedReader(line)]
    line.settles()
    for _ in range(60):
        line.feed.hole()
    assert line.exchange.feed.seq == 0
    line.carries()
    trades(line, 3)
    line.settles()
    for bot in bots:
        bot.reads()
        assert (
            bot.statistics.trade_count,
            positions_seen(bot.mirror),
            bot.session.waiting,
        ) == (
            3,
            positions(line.exchange),
            False,
        )


@pytest.mark.parametrize("seed", range(6))
def test_an_altered_line_is_noticed_by_number_or_by_checksum_and_mended(seed):
    line = connected()
    bot = ConnectedReader(line, "book_delta", "trades")
    line.settles()
    line.noise = on_events(altered, 0.05, seed, NUMBERED + VIEWS)
    runs(line, [bot], seed)
    assert books_seen(bot.mirror) == books(line.exchange)
    assert bot.statistics.trade_count == line.exchange.exchange.last_trade_id


def altered(rng: random.Random, messages: list[bytes]) -> list[bytes]:
    """One digit is another one, anywhere in the message."""
    message = bytearray(messages[0])
    digits = [n for n, byte in enumerate(message) if chr(byte).isdigit()]
    at = rng.choice(digits)
    message[at] = rng.choice([each for each in b"123456789" if each != message[at]])
    return [bytes(message)]


def test_one_altered_quantity_is_seen_within_its_message():
    line = connected()
    bot = ConnectedReader(line, "book_delta")
    line.settles()
    bot.reads()
    line.noise = lambda messages: [each.replace(b"[99.0,5]", b"[99.0,6]") for each in messages]
    line.exchange.client().asks(order("alice", "buy", 5, 99.0))
    line.exchange.ends_turn()
    line.carries()
    bot.reads()
    assert (bot.mirror.checksum_failures, bot.session.waiting) == (1, True)
    line.noise = same
    line.settles()
    bot.reads()
    assert (bot.mirror.checksum_failures, bot.session.waiting) == (1, False)
    assert books_seen(bot.mirror) == books(line.exchange)


# ------------------------------------------------------------------------------------------ garbage


GARBAGE = [
    b"", b"{", b"[", b"[]", b"5", b"null", b'"trade"', b"{}", b"[{}]", b'{"type":5}', b'{"type":"trade"}',
    b'{"type":"trade","seq":"x"}',
    b'{"type":"trade","seq":1,"channel_seq":{},"symbol":"SIM"}', b'{"type":"trade","seq":null,"channel_seq":1}',
    b'{"type":"snapshot"}',
    b'{"type":"snapshot","seq":1,"market_id":"m1","channel_seq":5,"instruments":[],"books":{},"positions":[]}',
    b'{"type":"snapshot","seq":"1","market_id":"m1","channel_seq":{},"instruments":[],"books":{},"positions":[]}',
    b'{"type":"snapshot","seq":1,"market_id":"m9","channel_seq":{},"instruments":[{}],"books":{"SIM":{}},"positions":[{}]}',
    b'{"type":"snapshot","seq":1,"market_id":"m9","channel_seq":{},"instruments":[],"books":{"SIM":5},"positions":5}',
    b'{"type":"subscribed"}', b'{"type":"resumed","request_id":"x"}', b'{"type":"error"}', b'{"type":"hello"}', b"\xff\xfe",
    b"[[1]]",
    b'[{"type":"hello"},5]',
    b'{"type":"snapshot","seq":0,"market_id":"m1","channel_seq":{},"instruments":[],"books":{"SIM":{"bids":[],"asks":[]}},'
    b'"positions":[]}',
]  # fmt: skip


@pytest.mark.parametrize(
    "frame", GARBAGE, ids=[f"{n}-{frame[:20]!r}" for n, frame in enumerate(GARBAGE)]
)
def test_garbage_from_upstream_stops_nothing(frame):
    line = connected()
    bot = ConnectedReader(line, *EVERYTHING)
    line.settles()
    bot.reads()
    waiting = ConnectedReader(line, *EVERYTHING)
    line.brings(frame)
    trades(line, 3)
    for each in (bot, waiting):
        line.settles()
        each.reads()
        line.settles()
        each.reads()
        assert each.mirror.market_id == "m1"
        assert each.statistics.trade_count == 3
        assert positions_seen(each.mirror) == positions(line.exchange)
        assert books_seen(each.mirror) == books(line.exchange)


@pytest.mark.parametrize("seed", range(10))
def test_a_mangled_message_of_any_kind_is_a_value_error_at_worst(seed):
    rng = random.Random(seed)
    line = connected()
    ConnectedReader(line, *EVERYTHING)
    crowd = line.exchange.crowd(seed)

    def mangled(messages: list[bytes]) -> list[bytes]:
        frame = bytearray(b",".join(messages))
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(frame))
            frame[at : at + rng.randrange(3)] = rng.choice(
                [b"", b" ", b'"', b"[", b"}", b"9", b"null", rng.randbytes(1)]
            )
        return [bytes(frame)]

    line.noise = mangled
    for _ in range(60):
        crowd.acts()
        ConnectedReader(line, *rng.sample(EVERYTHING, 3))
        line.passes()
