"""Where the time of a request goes inside the exchange: each stage by itself, beside the whole.

    python benchmarks/stages.py

Microseconds of CPU a request. `whole` is the exchange in this process with everything but its sockets, 32
requests a turn, with its journal, its clock and its collector; `one a turn` is what a lone request pays,
`with a reader` has somebody on the feed. Then the parts, each alone over what the whole recorded: hot, and so
cheaper than in the whole. `share` is a part's of the whole, the limit that it is held against; the rest is
what lies between the parts.
"""

from __future__ import annotations

import gc
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.flows import FLOWS, RICH
from benchmarks.in_process import engine, market, opening
from benchmarks.targets import EXIT_OK, Figures, middle, parser_of, tell
from botpit.core.events import OrderAccepted, OrderCancelled, OrderReplaced, Rejected
from botpit.core.prospects import Outcome
from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import Reading
from botpit.history.journal.records import Record
from botpit.history.journal.segments import Durability, Journal, begin_market
from botpit.history.vocabulary import EXCHANGE
from botpit.io.frames import frames
from botpit.venue.feed.publisher import Feed
from botpit.wire.decode import parse
from botpit.wire.sequencer import Sequencer, Step

REQUESTS = 20_000
QUICK_REQUESTS = 5_000
A_TURN = 32
ANSWERS = OrderAccepted, OrderReplaced, OrderCancelled, Rejected
Parts = dict[str, float]


def us_each(work: Callable[[], object], count: int) -> float:
    """CPU of one, in microseconds, with the collector off."""
    gc.collect()
    gc.disable()
    began = process_time()
    work()
    spent = process_time() - began
    gc.enable()
    return 1e6 * spent / count


async def whole(requests: list[bytes], *, a_turn: int = A_TURN, readers: int = 0) -> float:
    async with market(RICH) as running:
        for _ in range(readers):
            running.read()
        return await running.take(requests, a_turn=a_turn)


async def recorded(requests: list[bytes]) -> list[Record]:
    """The commands that the exchange made of the requests, as its journal has them."""
    async with market(RICH) as running:
        await running.take(requests)
        assert running.parts.folder is not None
        return list(Reading(running.parts.folder, Disk(), EXCHANGE).records())


def parts(requests: list[bytes], records: list[Record]) -> Parts:
    """Each stage alone."""
    count = len(requests)
    exchange = engine(RICH)
    sequencer = Sequencer(exchange)
    feed = Feed(sequencer)
    outcomes: list[Outcome] = []
    steps: list[Step] = []
    answers: list[bytes] = []

    def apply() -> None:
        outcomes.extend([exchange.apply(record.command, record.now_ns) for record in records])

    def number() -> None:
        steps.extend(map(sequencer.number, outcomes))

    def encode() -> None:
        answers.extend(
            [
                answer.bytes("own")
                for answer, *_ in steps
                if answer and isinstance(answer.event, ANSWERS)
            ]
        )

    def publish() -> None:
        for number, (_, _, public) in enumerate(steps):
            feed.publish(public, records[number].now_ns)
            if number % A_TURN == 0:
                feed.end_turn(records[number].now_ns)

    def send() -> None:
        for first in range(0, len(answers), A_TURN):
            frames(answers[first : first + A_TURN])

    return {
        "decode": us_each(lambda: [parse(request) for request in requests], count),
        "journal": journal_us(records, count),
        "engine": us_each(apply, count),
        "numbers": us_each(number, count),
        "encode": us_each(encode, count),
        "feed": us_each(publish, count),
        "frames": us_each(send, count),
    }


def journal_us(records: list[Record], count: int) -> float:
    """Appending, and one write a turn."""
    with tempfile.TemporaryDirectory() as home:
        folder, market_opening = Path(home) / "market", opening(RICH)
        begin_market(folder, Disk(), EXCHANGE, market_opening)
        journal = Journal(
            folder,
            Disk(),
            EXCHANGE,
            market_id=market_opening.market_id,
            next_number=1,
            durability=Durability.OS,
        )

        def append() -> None:
            for number, record in enumerate(records):
                journal.append(record.command, record.now_ns)
                if number % A_TURN == 0:
                    journal.write()
            journal.write()

        spent = us_each(append, count)
        journal.close()
        return spent


async def one_round(flow: str, count: int, seed: int) -> Figures:
    requests = FLOWS[flow](count, seed)
    measured = {"whole": await whole(requests), "one a turn": await whole(requests, a_turn=1)}
    measured["with a reader"] = await whole(requests, readers=1)
    measured |= (alone := parts(requests, await recorded(requests)))
    measured["rest"] = measured["whole"] - sum(alone.values())
    return {f"stages.{flow}.{name.replace(' ', '_')}_us": us for name, us in measured.items()}


async def measure(rounds: int, count: int) -> Figures:
    figures: Figures = {}
    for flow in FLOWS:
        figures |= middle([await one_round(flow, count, seed) for seed in range(rounds)])
    return figures


def show(figures: Figures) -> None:
    print("µs a request   " + "".join(f"{flow:>17}" for flow in FLOWS))
    for name in (
        "whole",
        "one_a_turn",
        "with_a_reader",
        "decode",
        "journal",
        "engine",
        "encode",
        "feed",
        "frames",
        "rest",
    ):
        cells = ""
        for flow in FLOWS:
            us, all_us = figures[f"stages.{flow}.{name}_us"], figures[f"stages.{flow}.whole_us"]
            cells += f"{us:8.2f} ({us / all_us:5.2f}x)"
        print(f"{name.replace('_', ' '):15}{cells}")


def main() -> int:
    options = parser_of("stages", "What a request costs in each stage.").parse_args()
    figures = uvloop.run(measure(options.rounds, QUICK_REQUESTS if options.quick else REQUESTS))
    show(figures)
    tell(figures, as_json=options.json)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
