"""Seeded faults in the engine, at least one for each heading of the rules, and whether the laws and
the second engine catch them.

    python -m tests.laws.mutants             all of them, by name
    python -m tests.laws.mutants lifo fee    those whose names contain one of the words

Each fault is planted into a copy of the tree, and random commands run through it until a difference
or a broken law shows. A fault that survives is printed as MISSED and the exit code is 1: then a
rule is not tested.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
EPISODES = 40
"""Each of 10,000 commands; most faults show in the first."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands once in the file of `botpit/core`, and is replaced by `new`."""

    name: str
    heading: str
    file: str
    old: str
    new: str


MUTANTS = [
    Mutant("tick value forgotten in fees", "Units", "entry.py",
           "fee(qty * maker.price * instrument.tick_value, instrument.taker_fee_bps)",
           "fee(qty * maker.price, instrument.taker_fee_bps)"),
    Mutant("lifo queue", "Priority", "book.py",
           "        order.previous = level.last\n        if level.last is None:\n            level.first = order\n"
           "        else:\n            level.last.next = order\n        level.last = order\n",
           "        order.next = level.first\n        if level.first is None:\n            level.last = order\n"
           "        else:\n            level.first.previous = order\n        level.first = order\n"),
    Mutant("second best price first", "Priority", "book.py",
           "        for rank in reversed(self.ranks):\n",
           "        for rank in sorted(self.ranks, key=lambda r: (r == self.ranks[-1], -r)):\n"),
    Mutant("plan ignores its own earlier fills of a reduce-only maker", "Plan, then act", "matching.py",
           "holds = reducible(maker) - already", "holds = reducible(maker)"),
    Mutant("band before size", "Checks", "risk/checks.py",
           "    if qty > instrument.max_order_qty:\n",
           "    if qty > instrument.max_order_qty and market.band_low <= limit <= market.band_high:\n"),
    Mutant("fok that half fills", "Order types", "entry.py",
           "    if fok and made.left:\n", "    if fok and not made.filled:\n"),
    Mutant("post-only may lock the book", "Order types", "risk/checks.py",
           "sign * (limit - best) < 0", "sign * (limit - best) <= 0"),
    Mutant("gtd expires a Tick late", "Order types", "timers.py",
           "self._expiries[0][0] <= now_ns", "self._expiries[0][0] < now_ns"),
    Mutant("reduce-only may go through zero", "Order types", "matching.py",
           "room = min(qty, -sign * taker.lots) if reduce_only else qty", "room = qty"),
    Mutant("market order off the edge of the band", "Order types", "entry.py",
           "market.band_high if order.side == BUY else market.band_low",
           "market.band_high - 1 if order.side == BUY else market.band_low"),
    Mutant("cancel-both leaves the resting order", "Self-trade prevention", "matching.py",
           "if prevention is not SelfTradePrevention.CANCEL_INCOMING:", "if prevention is SelfTradePrevention.CANCEL_RESTING:"),
    Mutant("replace keeps its place at a larger quantity", "replace", "entry.py",
           "price == record.price and leaves <= record.leaves", "price == record.price and leaves <= record.leaves + 1"),
    Mutant("replace counts its old lots", "replace", "entry.py",
           "    removed = [*old]\n", "    removed = []\n"),
    Mutant("off-by-one fee", "Accounts", "risk/margin.py",
           "return -(-notional * rate_bps // BPS)", "return notional * rate_bps // BPS"),
    Mutant("released cost rounded up", "Accounts", "positions.py",
           "share = abs(self.cost) * closing // held", "share = -(-abs(self.cost) * closing // held)"),
    Mutant("mark without cap", "Mark price", "market.py",
           "return min(max(self._target(), self.mark - most), self.mark + most)", "return self._target()"),
    Mutant("a new order does not wake its market's mark", "Mark price", "ledger.py",
           "        self.restless[market] = None\n        record.position.count_open", "        record.position.count_open"),
    Mutant("a moved mark crosses no threshold", "Maintenance margin", "ledger.py",
           "        self.margin_watch.mark_moved(market)\n", ""),
    Mutant("mark painted in an empty book", "Mark price", "market.py",
           "            highest = max(self.mark, bid)\n", "            highest = 10**12\n"),
    Mutant("margin without open orders", "Initial margin", "risk/margin.py",
           "long, short = held + buys.value, sells.value + sells.loss - held", "long, short = held, -held"),
    Mutant("sells at their limit, not at the mark", "Initial margin", "risk/margin.py",
           "long, short = held + buys.value, sells.value + sells.loss - held",
           "long, short = held + buys.value, sells.value - held"),
    Mutant("an account's sums stay when a mark moves", "Initial margin", "positions.py",
           "        if self.valued_at != self.moves.count:\n", "        if self.valued_at < 0:\n"),
    Mutant("a change of orders does not reach the account's margin", "Initial margin", "positions.py",
           "self._set_totals(sign, _NOTHING_OPEN)\n        if not self.is_changed:\n            self.note_change()\n",
           "self._set_totals(sign, _NOTHING_OPEN)\n"),
    Mutant("losses of open orders as of an earlier mark", "Initial margin", "positions.py",
           "totals.loss = sum(\n                lots * self.loss_per_lot(side, price) for price, lots in totals.lots.items()\n            )",
           "pass"),
    Mutant("the order's own position is counted as it was", "Initial margin", "risk/margin.py",
           "return loss + then[0] - before[0], initial + then[1] - before[1]", "return loss + then[0], initial + then[1]"),
    Mutant("losses on the way forgotten", "Initial margin", "risk/margin.py",
           "free = equity - loss - _fees(prospect)", "free = equity - _fees(prospect)"),
    Mutant("threshold two ticks late", "Maintenance margin", "risk/watch.py",
           "sign * (excess // (parts * per_tick))", "sign * (excess // (parts * per_tick) + 2)"),
    Mutant("threshold as if there were one position", "Maintenance margin", "risk/watch.py",
           "self._push(position, excess, len(held))", "self._push(position, excess, 1)"),
    Mutant("richest liquidated first", "Liquidation", "risk/liquidation.py",
           "_order(left, right) or", "_order(right, left) or"),
    Mutant("orders of the listed stay", "Liquidation", "risk/liquidation.py",
           "    listed = sorted(breached(ledger), key=_WORST_FIRST)\n    cancel_orders(ledger, listed)\n",
           "    listed = sorted(breached(ledger), key=_WORST_FIRST)\n"),
    Mutant("liquidated past the bankruptcy price", "Liquidation", "risk/liquidation.py",
           "return position.sign() * (maker.price - bankruptcy_price(position)) >= 0", "return True"),
    Mutant("one lot too many", "Liquidation", "risk/liquidation.py",
           "        if _cures(position, price, qty):\n            return qty\n",
           "        if _cures(position, price, qty):\n            return qty + 1\n"),
    Mutant("liquidation fee below zero", "Liquidation", "risk/liquidation.py",
           "min(max(0, equity - trading), fee(notional, instrument.liquidation_fee_bps))",
           "fee(notional, instrument.liquidation_fee_bps)"),
    Mutant("never frozen", "Liquidation", "risk/liquidation.py", "        ledger.freeze(account)\n", "        pass\n"),
    Mutant("fund pays nothing", "Liquidation", "risk/liquidation.py",
           "from_fund = min(max(ledger.insurance, 0), -account.equity())", "from_fund = 0"),
    Mutant("skipped deleverage", "Liquidation", "risk/liquidation.py",
           "min(abs(position.lots), _bearable(other, price)), price\n", "0, price\n"),
    Mutant("deleveraged beyond what he can bear", "Liquidation", "risk/liquidation.py",
           "return min(abs(position.lots), excess // (instrument.tick_value * burden))", "return abs(position.lots)"),
    Mutant("queue by trader id alone", "Liquidation", "risk/liquidation.py",
           "sorted(filter(_wins, positions), key=_MOST_GAIN_AND_RISK_FIRST)",
           "sorted(filter(_wins, positions), key=_trader)"),
    Mutant("frozen may add", "Guards", "risk/checks.py",
           "(account.frozen or account.held) and reached(prospect) > 0:",
           "(account.frozen or account.held) and reached(prospect) > 10**9:"),
    Mutant("halted mark moves", "Guards", "market.py",
           "        if not self.phase.trades:\n            return self.mark\n", ""),
    Mutant("close at the last mark", "Guards", "valuation.py",
           "return area // length_ns if length_ns else self.mark", "return self.mark"),
    Mutant("an order is taken while trading is halted", "Guards", "phases.py",
           "            _HALTED,\n            takes_orders=False,\n", "            _HALTED,\n            takes_orders=True,\n"),
    Mutant("a closed instrument opens again", "Guards", "phases.py",
           "Phase(_CLOSED, takes_orders=False, trades=False, leads_to={})",
           "Phase(_CLOSED, takes_orders=False, trades=False, leads_to={Resume: _OPEN})"),
    Mutant("unfreeze thaws margin's freeze", "Guards", "admin.py",
           "            account.held = isinstance(command, Freeze)\n",
           "            account.held = isinstance(command, Freeze)\n            account.frozen &= account.held\n"),
    Mutant("disconnect cancels every session's orders", "Sessions", "sessions.py",
           "            if record.order.session == lost.session:\n", "            if True:\n"),
    Mutant("refusal does not burn the id", "Idempotency", "entry.py",
           "        account.burn(RefusedOrder(order, answer))\n", "        pass\n"),
    Mutant("the incoming side is not filled", "Order of events", "ledger.py",
           "        self._fill(taker, qty, price, taker_fee + house_fee, Liquidity.TAKER)\n        self._shrink(maker, qty)\n",
           "        self._shrink(maker, qty)\n"),
    Mutant("a Tick marks five accounts at most", "Order of events", "ticks.py",
           "        marked += bool(moved)\n", "        marked += bool(moved)\n        if marked > 4:\n            break\n"),
]  # fmt: skip


def caught(mutant: Mutant) -> bool:
    """Plant it in a copy and run until something shows."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for part in (
            "botpit",
            "tests/laws",
            "proofs/laws.py",
            "proofs/harness",
            "message_schemas.py",
        ):
            source = HOME / part
            (tree / part).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(
                    source, tree / part, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(source, tree / part)
        plant(mutant, tree / "botpit" / "core")
        run = [
            sys.executable,
            "proofs/laws.py",
            "--commands",
            str(EPISODES * 10_000),
            "--seeds",
            "2",
            "--processes",
            "1",
        ]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        outcome = subprocess.run(
            run, cwd=tree, capture_output=True, text=True, env=environment, check=False
        )
    return outcome.returncode not in (0, 2) and "0 differences" not in outcome.stdout


def plant(mutant: Mutant, exchange: Path) -> None:
    path = exchange / mutant.file
    source = path.read_text(encoding="utf-8")
    assert source.count(mutant.old) == 1, (
        f"{mutant.name}: its text stands {source.count(mutant.old)} times in {mutant.file}"
    )
    path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")


def main(words: list[str]) -> int:
    chosen = [
        mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)
    ]
    missed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, found in zip(chosen, pool.map(caught, chosen), strict=True):
            print(
                f"{'caught' if found else 'MISSED'}  {mutant.heading:22} {mutant.name}",
                flush=True,
            )
            missed += not found
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
