"""The relay on a line that loses, doubles, swaps, alters and invents messages: no fault stays unnoticed, and none stops it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable

import pytest
from relay_line import Bot, Line, Noise, connected, held, positions, same, seen, trades, truth
from trading_floor import BOTH, EVERYTHING, Floor, order

# ----------------------------------------------------------------------------------------------------- a line that is not good


def on_events(
    change: Callable[[random.Random, list[bytes]], Iterable[bytes]], rate: float, seed: int, kinds: tuple[str, ...]
) -> Noise:
    """Do something to a message of these types now and then."""
    rng = random.Random(seed)

    def noise(messages: list[bytes]) -> list[bytes]:
        arriving: list[bytes] = []
        for message in messages:
            hit = rng.random() < rate and json.loads(message)["type"] in kinds
            arriving += change(rng, [message]) if hit else [message]
        return arriving

    return noise


NUMBERED = ("trade", "position_update", "order_add", "order_reduce", "order_remove")
VIEWS = ("book_update", "book_delta")


def dropped(rng: random.Random, messages: list[bytes]) -> list[bytes]:
    return []


def doubled(rng: random.Random, messages: list[bytes]) -> list[bytes]:
    return messages * 2


class Swapped:
    """Holds a message back until the next one has passed it."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._held: list[bytes] = []

    def __call__(self, messages: list[bytes]) -> list[bytes]:
        arriving: list[bytes] = []
        for message in messages:
            if not self._held and self._rng.random() < 0.03 and json.loads(message)["type"] in NUMBERED + VIEWS:
                self._held = [message]
            else:
                arriving += [message, *self._held]
                self._held = []
        return arriving


def runs(line: Line, bots: list[Bot], seed: int, steps: int = 250) -> None:
    """A busy market, then a quiet while on a good line."""
    crowd = line.exchange.crowd(seed)
    for _ in range(steps):
        crowd.acts()
        line.passes(0.06)
        for bot in bots:
            bot.reads()
    line.noise = same
    for _ in range(30):
        line.passes()
        for bot in bots:
            bot.reads()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fault", ["dropped", "doubled", "swapped"])
def test_whatever_the_line_does_to_messages_the_readers_end_with_the_truth(fault, seed):
    line = connected()
    bots = [Bot(line), Bot(line, "book_delta", "trades", "positions"), Bot(line, *EVERYTHING)]
    line.settles()
    line.noise = {
        "dropped": on_events(dropped, 0.03, seed, NUMBERED + VIEWS), "doubled": on_events(doubled, 0.03, seed, NUMBERED + VIEWS),
        "swapped": Swapped(seed),
    }[fault]  # fmt: skip
    runs(line, bots, seed)
    assert (line.feed.holes > 0) == (fault != "doubled")
    for bot in bots:
        assert bot.mirror.trade_count == line.exchange.exchange._last_trade_id
        assert bot.trade_ids == sorted(set(bot.trade_ids)), "no trade twice, none out of order"
        assert held(bot) == positions(line.exchange)
    assert {symbol: (bids[:10], asks[:10]) for symbol, (bids, asks) in truth(line.exchange).items()} == seen(bots[0])
    for bot in bots[1:]:
        assert seen(bot) == truth(line.exchange)


@pytest.mark.parametrize("kind", [b'"trade"', b'"position_update"', b'"order_add"'])
def test_one_lost_event_is_one_hole(kind):
    line = connected()
    bot = Bot(line, *EVERYTHING)
    line.settles()
    bot.reads()
    lost = iter([True])
    line.noise = lambda messages: [each for each in messages if kind not in each or not next(lost, False)]
    trades(line, 3)
    line.settles()
    bot.reads()
    assert line.feed.holes == 1
    assert (bot.mirror.holes, bot.mirror.trade_count, bot.mirror.waiting) == (0, 3, False)
    asked = len(line.asked)
    trades(line, 3)
    line.settles()
    bot.reads()
    assert (line.feed.holes, len(line.asked)) == (1, asked), "and then it is over"
    assert (bot.mirror.trade_count, held(bot)) == (6, positions(line.exchange))


def test_one_lost_delta_is_noticed_by_whoever_reads_the_book_from_deltas():
    line = connected()
    bot = Bot(line, "book_delta")
    line.settles()
    bot.reads()
    lost = iter([True])
    line.noise = lambda messages: [each for each in messages if b'"book_delta"' not in each or not next(lost, False)]
    trades(line, 3)
    line.settles()
    bot.reads()
    line.settles()
    bot.reads()
    assert (bot.mirror.holes, bot.mirror.waiting) == (1, False)
    assert seen(bot) == truth(line.exchange)


@pytest.mark.parametrize("kind", ["subscribed", "snapshot", "resumed", "error"])
@pytest.mark.parametrize("fault", [dropped, doubled])
def test_a_lost_or_doubled_answer_does_not_stop_the_relay_for_ever(fault, kind):
    line = connected()
    bots = [Bot(line, "trades", "book_delta"), Bot(line)]
    line.settles()
    once = iter([True])

    def noise(messages: list[bytes]) -> list[bytes]:
        return [
            x
            for each in messages
            for x in (fault(None, [each]) if json.loads(each)["type"] == kind and next(once, False) else [each])
        ]

    line.noise = noise
    match kind:
        case "error":
            line.breaks()
            line.meets(Floor(BOTH, market_id="m2"))
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
    late = Bot(line)
    line.settles()
    for bot in (*bots, late):
        bot.reads()
        assert bot.mirror.market_id == line.exchange.feed.market_id
        assert bot.mirror.trade_count == 3


@pytest.mark.parametrize("seed", range(6))
def test_an_altered_line_is_noticed_by_number_or_by_checksum_and_mended(seed):
    line = connected()
    bot = Bot(line, "book_delta", "trades")
    line.settles()
    line.noise = on_events(altered, 0.05, seed, NUMBERED + VIEWS)
    runs(line, [bot], seed)
    assert seen(bot) == truth(line.exchange)
    assert bot.mirror.trade_count == line.exchange.exchange._last_trade_id
    assert line.feed.holes + bot.mirror.holes + bot.mirror.checksum_failures > 0


def altered(rng: random.Random, messages: list[bytes]) -> list[bytes]:
    """One digit is another one, anywhere in the message."""
    message = bytearray(messages[0])
    digits = [n for n, byte in enumerate(message) if chr(byte).isdigit()]
    at = rng.choice(digits)
    message[at] = rng.choice([each for each in b"123456789" if each != message[at]])
    return [bytes(message)]


def test_one_altered_quantity_is_seen_within_its_message():
    line = connected()
    bot = Bot(line, "book_delta")
    line.settles()
    bot.reads()
    line.noise = lambda messages: [each.replace(b"[99.0,5]", b"[99.0,6]") for each in messages]
    line.exchange.client().asks(order("alice", "buy", 5, 99.0))
    line.exchange.ends_turn()
    line.carries()
    bot.reads()
    assert (bot.mirror.checksum_failures, bot.mirror.waiting) == (1, True)
    line.noise = same
    line.settles()
    bot.reads()
    assert (bot.mirror.checksum_failures, bot.mirror.waiting) == (1, False)
    assert seen(bot) == truth(line.exchange)


# ------------------------------------------------------------------------------------------------------------------- garbage


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
]  # fmt: skip


@pytest.mark.parametrize("frame", GARBAGE, ids=[f"{n}-{frame[:20]!r}" for n, frame in enumerate(GARBAGE)])
def test_garbage_from_upstream_stops_nothing(frame):
    line = connected()
    bot = Bot(line, "book_delta", "trades", "positions")
    line.settles()
    bot.reads()
    waiting = Bot(line)
    line.brings(frame)
    trades(line, 3)
    for each in (bot, waiting):
        line.settles()
        each.reads()
        line.settles()
        each.reads()
        assert each.mirror.market_id == "m1"
        assert each.mirror.trade_count == 3
        assert held(each) == positions(line.exchange)
    assert seen(bot) == truth(line.exchange)


@pytest.mark.parametrize("seed", range(10))
def test_a_mangled_message_of_any_kind_is_a_value_error_at_worst(seed):
    rng = random.Random(seed)
    line = connected()
    Bot(line, *EVERYTHING)
    crowd = line.exchange.crowd(seed)

    def mangled(messages: list[bytes]) -> list[bytes]:
        frame = bytearray(b",".join(messages))
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(frame))
            frame[at : at + rng.randrange(3)] = rng.choice([b"", b" ", b'"', b"[", b"}", b"9", b"null", rng.randbytes(1)])
        return [bytes(frame)]

    line.noise = mangled
    for _ in range(60):
        crowd.acts()
        Bot(line, *rng.sample(EVERYTHING, 3))
        line.passes()
