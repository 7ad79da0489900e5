"""A market worked out from its rows against what its battle's results say: counts, standings, fees.

The runner saw the market as any reader does. Figures that the results themselves call incomplete are not compared, and that is
said. A bot that was killed, or liquidated when it had gone, cannot know all its fills; no bot can know more than there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from botpit.runs.audit.holdings import ZERO
from botpit.runs.audit.ledger import Ledger, Totals
from botpit.runs.audit.results import ReportRecord, RoundRecord, StandingRecord
from botpit.runs.audit.rows import Wrong

REPORTED_DECIMALS = 8
"""Sums in the results are rounded to so many."""


def compare(ledger: Ledger, record: RoundRecord, where: str, reports: Mapping[str, tuple[str, ReportRecord]]) -> str:
    """What was compared, in words. Raises Wrong at the first figure that differs.

    `where` says in which file `record` is. `reports`: by trader, each with its file.
    """
    last = ledger.last_trade
    if last is not None and last.at > datetime.fromisoformat(record.ended_at).timestamp() * 1_000:
        return f"not compared: trading went on after the battle's end ({last.place})"
    return _Comparison(ledger, record, where, reports).run()


class _Comparison:
    def __init__(
        self, ledger: Ledger, record: RoundRecord, where: str, reports: Mapping[str, tuple[str, ReportRecord]]
    ) -> None:
        market = record.market
        self._reports = reports
        self._agreeing = 0
        self._ledger = ledger
        self._record = record
        self._where = where
        self._knows_trades = not market.trades_before and not market.unseen_trades
        self._knows_liquidations = not market.trades_before and not market.unseen_liquidations

    def run(self) -> str:
        self._market()
        for number, standing in enumerate(self._record.standings):
            self._standing(f"standings[{number}] ({standing.trader_id})", standing)
        if self._knows_trades:
            self._nobody_missing()
        words = f"{self._record.market.trades} trades and {len(self._record.standings)} standings as in {self._where}"
        words += f", {self._agreeing} of {len(self._reports)} bots' reports agree" if self._reports else ""
        if self._agreeing < len(self._reports):
            words += " (the others were liquidated, or did not live to see all)"
        known = {"volumes": self._knows_trades, "liquidations": self._knows_liquidations}
        left = [what for what, is_known in known.items() if not is_known]
        return f"{words}; not compared, as the battle did not see all: {', '.join(left)}" if left else words

    def _expect(self, field: str, says: object, expected: object) -> None:
        if says != expected:
            raise Wrong(f"{self._where}.{field}", f"{expected} was expected by the rows, {says} stands there")

    def _market(self) -> None:
        market, ledger, traders = self._record.market, self._ledger, self._ledger.traders.values()
        self._expect("market.trades", market.trades, ledger.rows["trades"] - market.trades_before)
        if self._knows_trades:
            self._expect("market.volume", market.volume, ledger.volume)
        if self._knows_liquidations:
            self._expect("market.liquidations", market.liquidations, sum(each.liquidations for each in traders))
            self._expect("market.deleveragings", market.deleveragings, sum(each.deleveragings for each in traders))
            self._expect("market.insurance_cash", market.insurance_cash, ledger.cash.fund)
        for symbol in market.settlement:
            still_open = [trader for (trader, other), held in ledger.holdings.items() if other == symbol and held.lots]
            self._expect(f"market.settlement.{symbol}: traders with a position", 0, len(still_open))

    def _nobody_missing(self) -> None:
        missing = sorted(self._ledger.traders.keys() - {each.trader_id for each in self._record.standings})
        self._expect("standings: traders without one", "none", missing[0] if missing else "none")

    def _standing(self, field: str, says: StandingRecord) -> None:
        trader = says.trader_id
        totals = self._ledger.traders.get(trader, Totals())
        if totals.told is None:
            return self._expect(f"{field}.trades", says.trades, 0)
        held = {symbol: self._ledger.holdings[trader, symbol] for symbol in self._ledger.terms
                if (trader, symbol) in self._ledger.holdings}  # fmt: skip
        positions = {symbol: holding.lots for symbol, holding in held.items() if holding.lots}
        self._expect(f"{field}.positions", {symbol: lots for symbol, lots in says.positions.items() if lots}, positions)
        cash = self._ledger.cash.held(trader)
        self._expect(f"{field}.cash", says.cash, says.cash if cash is None else cash)
        self._expect(f"{field}.realized_pnl", says.realized_pnl, _sum(holding.realized for holding in held.values()))
        if not positions:
            self._expect(f"{field}.total_equity", says.total_equity, says.cash)
        if self._knows_trades:
            self._expect(f"{field}.trades", says.trades, totals.trades)
            self._expect(f"{field}.volume", says.volume, totals.volume)
        if self._knows_liquidations:
            self._expect(f"{field}.liquidations", says.liquidations, totals.liquidations)
            self._expect(f"{field}.deleveragings", says.deleveragings, totals.deleveragings)
        if trader in self._reports and not totals.liquidations and not totals.deleveragings:
            self._report(field, says, totals)

    def _report(self, field: str, says: StandingRecord, totals: Totals) -> None:
        """Of one who was never forced, and so has a fill for each trade. Fees are what cash lacks of its beginning and PnL."""
        file, report = self._reports[says.trader_id]
        if report.market_id != self._record.market.market_id:
            return
        if report.fills > totals.trades or report.filled_qty > totals.volume:
            expected, there = f"{totals.trades} fills of {totals.volume} lots", f"{report.fills} of {report.filled_qty}"
            raise Wrong(file, f"at most {expected} were expected by the rows, {there} stand there")
        if (report.fills, report.filled_qty) == (totals.trades, totals.volume):
            self._agreeing += 1
            start = self._ledger.cash.start or frozenset()
            if says.fees is not None and len(start) == 1:
                self._expect(f"{field}.fees", says.fees, _rounded(next(iter(start)) + says.realized_pnl - says.cash))


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return _rounded(sum(amounts, ZERO))


def _rounded(amount: Decimal) -> Decimal:
    return round(amount, REPORTED_DECIMALS)
