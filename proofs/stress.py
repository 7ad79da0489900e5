"""The stress battle under an independent recorder: liquidations, the fund, and no cent lost.

Two thin makers lean hard against their inventory, so a leveraged herd that follows the trend drives the price
away from whoever stands against it. Those are closed through the book while it is good enough, which pays
liquidation fees into the fund; when their equity is gone the fund pays, and the herd is deleveraged. At the
end the books are balanced from public data alone, and liquidations.csv and insurance.csv must be what was
recorded, row by row.

    python proofs/stress.py --seconds 60
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from botpit.battle.config import parse_battle
from proofs.harness.exports import Row, csv_rows, row_of
from proofs.harness.main import ProofParser, in_a_folder, verdict
from proofs.harness.recorder import Recorder
from proofs.harness.terminals import HOME, logs_with_tracebacks, terminals

STRESS_BATTLE = HOME / "bots_config_stress.json"
STARTING_CASH = Decimal(10_000)
CENT = Decimal("0.01")
QUIET_WITHIN_S = 30.0
THROUGH_THE_BOOK, BANKRUPTCY, DELEVERAGED = (
    "maintenance_margin_breach",
    "bankruptcy",
    "auto_deleverage",
)
PAID = "insurance payment"
EXPECTED = (THROUGH_THE_BOOK, PAID, DELEVERAGED)


class Liquidations(Recorder):
    """The event stream's liquidations and insurance payments. Money is in account currency.

    A subscriber gets a heartbeat after a second without events.
    """

    subscription = '{"type":"subscribe"}'

    def __init__(self) -> None:
        super().__init__()
        self.trades = 0
        self.liquidations: list[Row] = []
        self.insurance: list[Row] = []
        self.bankrupt: list[str] = []
        self.payments: list[Decimal] = []
        self.fund = Decimal(0)
        self.first_ms: dict[str, int] = {}
        self._began_ms = 0
        self._heartbeats = 0

    async def quiet(self) -> None:
        """Wait until nothing happens any more."""
        before = self._heartbeats
        await self.until(lambda: self._heartbeats > before, QUIET_WITHIN_S)

    def has_seen_all(self) -> bool:
        return all(each in self.first_ms for each in EXPECTED)

    def take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "snapshot":
                self._began_ms = message["timestamp"]
            case "heartbeat":
                self._heartbeats += 1
            case "trade":
                self.trades += 1
            case "liquidation":
                self.liquidations.append(row_of(message))
                self._saw(message["reason"], message)
            case "insurance_update":
                self.insurance.append(row_of(message))
                self._fund_told(money(message["cash"]), message)
            case "account_status" if message["status"] == "bankrupt":
                self.bankrupt.append(message["trader_id"])

    def _fund_told(self, cash: Decimal, message: dict[str, Any]) -> None:
        """It pays out of what it has, never more: a fall below zero is no payment."""
        paid = max(self.fund, Decimal(0)) - max(cash, Decimal(0))
        self.fund = cash
        if paid > 0:
            self.payments.append(paid)
            self._saw(PAID, message)

    def _saw(self, what: str, message: dict[str, Any]) -> None:
        self.first_ms.setdefault(what, message["timestamp"] - self._began_ms)


def money(number: float) -> Decimal:
    """A number of the wire, the nearest double to whole cents, as those cents."""
    return Decimal(number).quantize(CENT)


@dataclass(slots=True, kw_only=True)
class Balance:
    """The books at the end. `cash` is all traders'; `cost` is that of open positions, shorts negative."""

    accounts: int
    cash: Decimal
    cost: Decimal
    fund: Decimal
    lots: int

    @property
    def missing(self) -> Decimal:
        """Deposits that are neither cash nor in positions nor in the fund.

        There are no trading fees in this market.
        """
        return self.accounts * STARTING_CASH - (self.cash - self.cost + self.fund)

    def is_exact(self) -> bool:
        return self.missing == 0 and self.lots == 0

    def __str__(self) -> str:
        balance = self.cash - self.cost + self.fund
        verdict = "exact" if self.is_exact() else f"{self.missing:,} MISSING"
        return (
            f"cash {self.cash:,} - cost {self.cost:,} + fund {self.fund:,} = {balance:,}; "
            f"{self.accounts} x {STARTING_CASH:,} paid in: {verdict}"
        )


def balance(accounts: Iterable[dict[str, Any]], fund: Decimal) -> Balance:
    """Balance the books from the answers to `account`."""
    answers = list(accounts)
    positions = [position for account in answers for position in account["positions"]]
    return Balance(
        accounts=len(answers),
        cash=sum((money(account["cash"]) for account in answers), Decimal(0)),
        cost=sum(
            (money(each["position"] * each["avg_entry_price"]) for each in positions),
            Decimal(0),
        ),
        fund=fund,
        lots=sum(each["position"] for each in positions),
    )


@dataclass(slots=True)
class Outcome:
    """What one stress battle showed."""

    recorder: Liquidations
    balance: Balance
    csv_equal: bool
    tracebacks: list[str]
    exit_codes: dict[str, int]

    def is_good(self) -> bool:
        """Whether every expected event came, all books agree, and no process failed."""
        well = not self.tracebacks and not any(self.exit_codes.values())
        return (
            well and self.recorder.has_seen_all() and self.balance.is_exact() and self.csv_equal
        )

    def __str__(self) -> str:
        seen = self.recorder
        paid = sum(seen.payments)
        first = ", ".join(map(self._first, EXPECTED))
        return "\n".join(
            [
                f"trades                     {seen.trades:,}",
                *(
                    f"{reason:27}{self._liquidations(reason)}"
                    for reason in (THROUGH_THE_BOOK, BANKRUPTCY, DELEVERAGED)
                ),
                f"insurance payments         {len(seen.payments)}, {paid:,} in all, {seen.fund:,} left",
                f"bankrupt                   {', '.join(seen.bankrupt) or 'nobody'}",
                f"first seen after           {first}",
                f"conservation               {self.balance}",
                f"CSV files                  {'equal, row for row' if self.csv_equal else 'DIFFERENT'}",
                f"tracebacks in logs         {', '.join(self.tracebacks) or 'none'}",
                f"exit codes                 {self.exit_codes}",
            ]
        )

    def _first(self, what: str) -> str:
        """How long after the start it was first seen."""
        if what not in self.recorder.first_ms:
            return f"{what} NEVER"
        return f"{what} {self.recorder.first_ms[what] / 1_000:.1f} s"

    def _liquidations(self, reason: str) -> str:
        rows = [row for row in self.recorder.liquidations if row[2] == reason]
        lots = sum(int(row[4]) for row in rows)
        traders = {row[1] for row in rows}
        return f"{len(rows)} ({lots:,} lots of {len(traders)} traders)"


async def watch(
    seconds: float, config: Path, folder: Path, *, until_all_seen: bool = False
) -> Outcome:
    """One stress battle on free ports, all its files in `folder`; it ends early when all was seen."""
    recorder = Liquidations()
    async with terminals(folder) as parts:
        await parts.start_exchange("--csv-dir", str(folder))
        recording = asyncio.create_task(recorder.record(parts.events))
        await parts.start_relay()
        await parts.start_battle(config)
        with suppress(TimeoutError):
            await recorder.until(lambda: until_all_seen and recorder.has_seen_all(), seconds)
        await parts.stop("battle")
        await recorder.quiet()
        books = balance(await accounts(parts.orders, traders(config)), recorder.fund)
        await parts.stop("relay", "exchange")
        await recording
    written = csv_rows(folder / "liquidations.csv"), csv_rows(folder / "insurance.csv")
    return Outcome(
        recorder=recorder,
        balance=books,
        csv_equal=written == (recorder.liquidations, recorder.insurance),
        tracebacks=logs_with_tracebacks(folder),
        exit_codes=parts.exit_codes,
    )


def traders(config: Path) -> list[str]:
    battle = parse_battle(config.read_text(encoding="utf-8"), lambda bot: None)
    return [bot.trader_id for bot in battle.all_bots()]


async def accounts(uri: str, names: Iterable[str]) -> list[dict[str, Any]]:
    """The answer to `account` for each trader; any client may ask."""
    answers: list[dict[str, Any]] = []
    async with connect(uri) as gateway:
        for name in names:
            await gateway.send(json.dumps({"type": "account", "trader_id": name}))
            answers.append(json.loads(await gateway.recv()))
    return answers


def main() -> int:
    parser = ProofParser(
        "Run the stress battle on free ports; exit 0 when somebody was liquidated through the book, the fund "
        "paid, somebody was deleveraged, and the books balance to the cent; else 4.",
        "stress.py --seconds 60",
    )
    parser.number("--seconds", 60.0, "how long the bots trade")
    parser.battle(STRESS_BATTLE)
    options = parser.parse_args()
    outcome = in_a_folder(lambda folder: watch(options.seconds, options.config, folder))
    return verdict(outcome, is_good=outcome.is_good())


if __name__ == "__main__":
    sys.exit(main())
