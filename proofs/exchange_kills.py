"""The exchange killed -9 at random moments under load, and compared with what its clients recorded.

Per cycle: eight traders send ~1,000 orders a second, with cancels and replaces; the exchange is killed, every
other time with its archivist, so that the way back is a long one; it is started again on the same journal and
the same ports. Then every event that anybody was told must be there byte for byte, and every order that was
answered with the same id and result; every request that was not answered is told which way it went, and
orders are sent again: one order each. Nothing may have happened that nobody sent, and positions must be those
of the recorded fills. The first difference ends the run with exit code 4.

    python proofs/exchange_kills.py --cycles 1000
    python proofs/exchange_kills.py --cycles 3 --plant ack-first
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from time import monotonic

from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from proofs.harness.client_ledger import Account, ClientLedger, Difference, Sent
from proofs.harness.faulty_exchange import FAULTS, NONE, command
from proofs.harness.load import MARKET, Trading
from proofs.harness.main import Progress, ProofParser, in_a_folder, verdict
from proofs.harness.restartable_exchange import NotOpen, RestartableExchange
from proofs.harness.session import Asked, Session, log_in
from proofs.harness.trade_reader import TradeReader

TRADERS = {f"plain-{number}": False for number in range(3)} | {
    "ann": False,
    "ben": False,
    "cid": False,
    "dan": True,
    "eve": True,
}
"""Trader -> whether its orders go when its connection is lost. Those named plain trade without a login."""
SHORTEST_LOAD_S, LONGEST_LOAD_S = 0.05, 0.6
ARCHIVIST_DIES_TOO = 0.5
OLD_ORDERS, OLD_EVENTS = 10, 500
"""Of each trader's past so many orders, and up to so many events, are asked for again in each cycle."""
WHOLE_PAST = 5_000
"""A past of fewer events is sometimes asked for from the first one on."""
OVERLAP = 300
"""Public events that are asked for again."""
CYCLES_PER_MARKET = 100
STATUS_AT_A_TIME = 100
ANSWERS = (
    "order_accepted",
    "order_rejected",
    "order_cancelled",
    "cancel_rejected",
    "order_replaced",
    "replace_rejected",
)


@dataclass(slots=True)
class Outcome:
    """What a run showed. `counts` of requests and events, `difference` the first one."""

    counts: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    difference: str = ""
    seconds: float = 0.0
    load_s: float = 0.0

    def add(self, other: Outcome) -> None:
        """One of another process."""
        self.counts.update(other.counts)
        self.found.update(other.found)
        self.difference = self.difference or other.difference
        self.seconds = max(self.seconds, other.seconds)
        self.load_s += other.load_s

    def __str__(self) -> str:
        counts, found = self.counts, self.found
        kinds = ", ".join(f"{kind} {counts[kind]:,}" for kind in ANSWERS)
        each_s = self.seconds / max(1, counts["cycles"])
        per_s = counts["orders"] / max(self.load_s, 0.001)
        return "\n".join(
            [
                f"cycles               {counts['cycles']:,} in {self.seconds:.0f} s: {each_s:.2f} s "
                f"each, in {counts['markets']} markets",
                f"load                 {per_s:,.0f} orders/s while it lasted; "
                f"{counts['orders']:,} orders, {counts['answered'] + counts['unanswered']:,} requests",
                f"acknowledged         {counts['answered']:,}: {kinds}",
                f"unacknowledged       {counts['unanswered']:,}: {counts['happened']:,} had happened, "
                f"{counts['not happened']:,} had "
                f"not; {counts['sent again']:,} orders sent again, twice each",
                f"compared             {counts['orders compared']:,} orders, "
                f"{counts['private events']:,} private events "
                f"({counts['learnt']:,} learnt after a restart), {counts['trades']:,} trades",
                f"replayed             {counts['replayed']:,} records, what came after the newest snapshot; "
                f"{counts['archivists down']} archivists stayed down",
                f"differences          lost {found['lost']}, doubled {found['doubled']}, "
                f"invented {found['invented']}, "
                f"changed {found['changed']}",
                f"the first one        {self.difference or 'none'}",
            ]
        )


def batched(orders: list[Sent], size: int) -> Iterator[list[Sent]]:
    for first in range(0, len(orders), size):
        yield orders[first : first + size]


class Run:
    """One market through several cycles."""

    def __init__(
        self,
        exchange: RestartableExchange,
        rng: random.Random,
        outcome: Outcome,
        orders_per_s: float,
    ) -> None:
        self._exchange = exchange
        self._rng = rng
        self._outcome = outcome
        self._orders_per_s = orders_per_s
        self._ledger = ClientLedger(TRADERS)
        self._trades = TradeReader(self._ledger)
        self._market_id = ""
        self._compared: dict[str, int] = dict.fromkeys(TRADERS, 0)
        self._unanswered: dict[str, list[Asked]] = {trader: [] for trader in TRADERS}

    async def cycles(self, number: int) -> AsyncIterator[None]:
        """So many, one at a time, and a last comparison. Raises Difference."""
        await self._exchange.start("--fresh")
        self._market_id = self._exchange.market_id
        for _ in range(number):
            await self._cycle()
            yield
        for session in await self._open():
            await session.close()
        counts = self._outcome.counts
        counts["markets"] += 1
        counts["trades"] += len(self._ledger.trades)
        counts["private events"] += sum(
            len(account.events) for account in self._ledger.accounts.values()
        )
        await self._exchange.stop()

    async def _cycle(self) -> None:
        """Compare, trade, kill, restart."""
        sessions = await self._open()
        await self._resend(sessions)
        await self._trade_until_death(sessions)
        await self._restart()
        self._outcome.counts["cycles"] += 1

    # ----------------------------------------------------------------------------------------------- the load

    async def _resend(self, sessions: list[Session]) -> None:
        """Send each unanswered order again, twice; it must be one order in the end."""
        for session in sessions:
            unanswered, self._unanswered[session.account.trader] = (
                self._unanswered[session.account.trader],
                [],
            )
            orders = {
                each.order: None
                for each in unanswered
                if each.message["type"] == "order" and each.order is not None
            }
            for order in orders:
                await session.send(
                    *(Asked(dict(order.request), order) for _ in range(2)),
                    as_array=self._rng.random() < 0.5,
                )
            self._outcome.counts["sent again"] += len(orders)
        for session in sessions:
            await session.answered()

    async def _trade_until_death(self, sessions: list[Session]) -> None:
        counts, each_per_s = self._outcome.counts, self._orders_per_s / len(sessions)
        traders = [
            Trading(session, random.Random(self._rng.random()), each_per_s)
            for session in sessions
        ]
        load_s = self._rng.uniform(SHORTEST_LOAD_S, LONGEST_LOAD_S)
        assert self._trades.listening is not None
        death = self._exchange.die(
            load_s, with_archivist=self._rng.random() < ARCHIVIST_DIES_TOO
        )
        await asyncio.gather(
            death, self._trades.listening, *(trader.trade() for trader in traders)
        )
        for session in sessions:
            self._unanswered[session.account.trader] = list(session.unanswered)
            counts["unanswered"] += len(session.unanswered)
            counts["answered"] += session.answers.total()
            counts.update(session.answers)
        counts["orders"] += sum(trader.sent for trader in traders)
        self._outcome.load_s += load_s

    async def _restart(self) -> None:
        try:
            await self._exchange.start()
        except NotOpen as error:
            raise Difference("lost", f"the exchange does not start again: {error}") from error
        self._outcome.counts["replayed"] += self._exchange.replayed
        if self._exchange.market_id != self._market_id:
            raise Difference(
                "lost", f"market {self._market_id} is {self._exchange.market_id} now"
            )

    # ----------------------------------------------------------------------------------------- the comparison

    async def _open(self) -> list[Session]:
        """All traders log in again and compare; return the sessions to trade on."""
        exchange, accounts = self._exchange, list(self._ledger.accounts.values())
        from_seq = max(1, self._ledger.seq - self._rng.randint(0, OVERLAP))
        await self._trades.resume(exchange.events, self._market_id, from_seq)
        known = sum(len(account.events) + len(account.ahead) for account in accounts)
        logins = [
            log_in(exchange.orders, each, self._market_id, self._last_seq(each))
            for each in accounts
        ]
        sessions = list(await asyncio.gather(*logins))
        self._outcome.counts["learnt"] += (
            sum(len(account.events) for account in accounts) - known
        )
        for session in sessions:
            await self._compare(session)
        self._ledger.settle()
        return [await self._to_trade(session) for session in sessions]

    def _last_seq(self, account: Account) -> int:
        """The trader's claim of what it knows: everything, or less, so that events are sent again."""
        known = len(account.events)
        if known < WHOLE_PAST and self._rng.random() < 0.1:
            return 0
        return max(0, known - self._rng.choice((0, self._rng.randint(0, OLD_EVENTS))))

    async def _compare(self, session: Session) -> None:
        """Compare one trader's orders (the new and some old ones), its open orders and its account."""
        account, unanswered = session.account, self._unanswered[session.account.trader]
        orders = list(account.orders.values())
        new, old = (
            orders[self._compared[account.trader] :],
            orders[: self._compared[account.trader]],
        )
        self._compared[account.trader] = len(orders)
        asked = [each.order for each in unanswered if each.order is not None]
        wanted = dict.fromkeys(
            [*new, *asked, *self._rng.sample(old, min(len(old), OLD_ORDERS))]
        )
        there = await self._statuses(session, list(wanted))
        for each in unanswered:
            outcome = "happened" if self._has_happened(each, there) else "not happened"
            self._outcome.counts[outcome] += 1
        for order in wanted:
            order.forget_unanswered()
        open_orders, told = await session.ask({"type": "open_orders"}, {"type": "account"})
        account.check_open_orders(open_orders)
        account.check_account(told)

    async def _statuses(self, session: Session, orders: list[Sent]) -> set[Sent]:
        """The orders that the exchange knows."""
        there: set[Sent] = set()
        for some in batched(orders, STATUS_AT_A_TIME):
            told = await session.ask(
                *(
                    {"type": "order_status", "client_order_id": each.client_order_id}
                    for each in some
                )
            )
            there.update(
                each
                for each, status in zip(some, told, strict=True)
                if session.account.check_status(each, status)
            )
        self._outcome.counts["orders compared"] += len(orders)
        return there

    def _has_happened(self, asked: Asked, there: set[Sent]) -> bool:
        """Of a request without an answer. Events tell cancels and replaces of one order apart."""
        order, message = asked.order, asked.message
        assert order is not None
        if message["type"] == "order":
            return order in there
        if message["type"] == "cancel":
            order.cancels -= 1
            return order.cancels < 0
        terms = (message["price"], message["qty"])
        order.replaces[terms] -= 1
        return order.replaces[terms] < 0

    async def _to_trade(self, session: Session) -> Session:
        """The session itself, or a plain one for those who trade without a login."""
        if not session.account.trader.startswith("plain"):
            return session
        await session.close()
        socket = await connect(self._exchange.orders, max_size=None, compression=None)
        return Session(socket, session.account, is_plain=True)


async def watch(
    cycles: int,
    folder: Path,
    *,
    seed: int,
    orders_per_s: float = 1_000.0,
    durability: str = "os",
    plant: str = NONE,
    tell: Callable[[Outcome], None] = lambda outcome: None,
) -> Outcome:
    """So many cycles on fixed ports, all files in `folder`. Ends with the first difference."""
    outcome, rng, began_s = Outcome(), random.Random(seed), monotonic()
    flags, program = ("--no-export", "--durability", durability), command(plant)
    exchange = RestartableExchange(folder, *flags, settings=MARKET, program=program)
    try:
        for first in range(0, cycles, CYCLES_PER_MARKET):
            shutil.rmtree(exchange.data, ignore_errors=True)
            run = Run(exchange, rng, outcome, orders_per_s)
            async for _ in run.cycles(min(CYCLES_PER_MARKET, cycles - first)):
                outcome.seconds = monotonic() - began_s
                tell(outcome)
    except Difference as difference:
        outcome.found[difference.kind] += 1
        outcome.difference = f"seed {seed}, cycle {outcome.counts['cycles'] + 1}: {difference}"
    finally:
        outcome.seconds = monotonic() - began_s
        await exchange.stop()
    outcome.counts["archivists down"] = exchange.log.read_text(encoding="utf-8").count(
        "is not started again"
    )
    return outcome


def one_process(number: int, cycles: int, options: argparse.Namespace) -> Outcome:
    """A share of the cycles, with an exchange and a seed of its own."""
    seed, progress = options.seed + number, Progress()

    def tell(outcome: Outcome) -> None:
        counts = outcome.counts
        progress.tell(
            f"seed {seed}: {counts['cycles']:,} cycles in {outcome.seconds:.0f} s, {counts['answered']:,} "
            f"requests answered, {counts['unanswered']:,} not, no difference"
        )

    return in_a_folder(lambda folder: watch(
        cycles, folder, seed=seed, orders_per_s=options.orders_per_s, durability=options.durability,
        plant=options.plant, tell=tell,
    ))  # fmt: skip


def main() -> int:
    parser = ProofParser(
        "Kill the exchange -9 again and again under load; exit 0 when its clients' records agree with it, "
        "else 4.",
        "exchange_kills.py --cycles 1000",
    )
    parser.number("--cycles", 1_000, "kills in all")
    parser.number("--seed", 1, "of orders and kills, one more per process")
    parser.number("--orders-per-s", 1_000.0, "while it lives")
    durability = "the exchange's (default: %(default)s)"
    parser.add_argument("--durability", choices=("os", "batch"), default="os", help=durability)
    parser.number("--processes", 1, "exchanges at once, sharing the cycles")
    parser.plant(FAULTS, "exchange")
    options = parser.parse_args()
    print(f"seed                 {options.seed}", flush=True)
    numbers = range(options.processes)
    outcome, cycles = (
        Outcome(),
        [len(range(number, options.cycles, options.processes)) for number in numbers],
    )
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as pool:
        for share in pool.map(one_process, numbers, cycles, [options] * options.processes):
            outcome.add(share)
    return verdict(outcome, is_good=not outcome.difference)


if __name__ == "__main__":
    sys.exit(main())
