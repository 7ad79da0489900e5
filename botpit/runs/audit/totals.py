"""A market recomputed from its rows against its battle's results: counts, standings, fees.

The runner saw the market as any reader does. Figures that the results themselves call incomplete are not
compared, and the audit says so. A bot that was killed, or liquidated after it had left, cannot know all its
fills; no bot can know of more than there were.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from botpit.runs.audit.holdings import ZERO, Holding
from botpit.runs.audit.ledger import Ledger, Totals
from botpit.runs.audit.results import ReportRecord, RoundRecord, StandingRecord
from botpit.runs.audit.rows import Wrong

REPORTED_DECIMALS = 8
"""The results round sums to this."""
Reports = Mapping[str, tuple[str, ReportRecord]]
"""Trader -> its report, and that report's file."""


def compare(ledger: Ledger, record: RoundRecord, where: str, reports: Reports) -> str:
    """What was compared, in words. Raises Wrong at the first figure that differs.

    `where` names the record's file.
    """
    last = ledger.last_trade
    ended_ms = datetime.fromisoformat(record.ended_at).timestamp() * 1_000
    if last is not None and last.at > ended_ms:
        return f"not compared: trading went on after the battle's end ({last.place})"
    return _Comparison(ledger, record, where, reports).run()


class _Comparison:
    def __init__(
        self, ledger: Ledger, record: RoundRecord, where: str, reports: Reports
    ) -> None:
        market = record.market
        self._ledger = ledger
        self._record = record
        self._where = where
        self._reports = reports
        self._agreeing = 0
        self._knows_trades = not market.trades_before and not market.unseen_trades
        self._knows_liquidations = not market.trades_before and not market.unseen_liquidations

    def run(self) -> str:
        self._market()
        for number, standing in enumerate(self._record.standings):
            self._standing(f"standings[{number}] ({standing.trader_id})", standing)
        if self._knows_trades:
            self._nobody_missing()
        return self._words()

    def _words(self) -> str:
        record = self._record
        words = f"{record.market.trades} trades and {len(record.standings)} standings as in {self._where}"
        if self._reports:
            words += f", {self._agreeing} of {len(self._reports)} bots' reports agree"
        if self._agreeing < len(self._reports):
            words += " (the others were liquidated, or did not live to see all)"
        left_out = []
        if not self._knows_trades:
            left_out.append("volumes")
        if not self._knows_liquidations:
            left_out.append("liquidations")
        if left_out:
            words += f"; not compared, as the battle did not see all: {', '.join(left_out)}"
        return words

    def _expect(self, field: str, found: object, expected: object) -> None:
        if found != expected:
            raise Wrong(
                f"{self._where}.{field}", f"expected {expected} by the rows, found {found}"
            )

    def _market(self) -> None:
        market = self._record.market
        ledger = self._ledger
        traders = ledger.traders.values()
        self._expect(
            "market.trades", market.trades, ledger.rows["trades"] - market.trades_before
        )
        if self._knows_trades:
            self._expect("market.volume", market.volume, ledger.volume)
        if self._knows_liquidations:
            liquidations = sum(each.liquidations for each in traders)
            deleveragings = sum(each.deleveragings for each in traders)
            self._expect("market.liquidations", market.liquidations, liquidations)
            self._expect("market.deleveragings", market.deleveragings, deleveragings)
            self._expect("market.insurance_cash", market.insurance_cash, ledger.cash.fund)
        for symbol in market.settlement:
            self._expect(
                f"market.settlement.{symbol}: traders with a position",
                0,
                self._still_open(symbol),
            )

    def _still_open(self, symbol: str) -> int:
        holdings = self._ledger.holdings.items()
        return sum(1 for (_, other), held in holdings if other == symbol and held.lots)

    def _nobody_missing(self) -> None:
        ranked = {standing.trader_id for standing in self._record.standings}
        missing = sorted(self._ledger.traders.keys() - ranked) or ["none"]
        self._expect("standings: traders without one", "none", missing[0])

    def _standing(self, field: str, standing: StandingRecord) -> None:
        trader = standing.trader_id
        totals = self._ledger.traders.get(trader, Totals())
        if totals.last is None:
            self._expect(f"{field}.trades", standing.trades, 0)
            return
        self._account(field, standing)
        if self._knows_trades:
            self._expect(f"{field}.trades", standing.trades, totals.trades)
            self._expect(f"{field}.volume", standing.volume, totals.volume)
        if self._knows_liquidations:
            self._expect(f"{field}.liquidations", standing.liquidations, totals.liquidations)
            self._expect(f"{field}.deleveragings", standing.deleveragings, totals.deleveragings)
        if trader in self._reports and not totals.liquidations and not totals.deleveragings:
            self._report(field, standing, totals)

    def _account(self, field: str, standing: StandingRecord) -> None:
        """Positions, cash and realised PnL; equity only of a flat account, as no file has the last mark."""
        held = self._holdings(standing.trader_id)
        positions = _open_lots({symbol: holding.lots for symbol, holding in held.items()})
        self._expect(f"{field}.positions", _open_lots(standing.positions), positions)
        cash = self._ledger.cash.held(standing.trader_id)
        if cash is not None:
            self._expect(f"{field}.cash", standing.cash, cash)
        realized = sum((holding.realized for holding in held.values()), ZERO)
        self._expect(f"{field}.realized_pnl", standing.realized_pnl, _rounded(realized))
        if not positions:
            self._expect(f"{field}.total_equity", standing.total_equity, standing.cash)

    def _holdings(self, trader: str) -> dict[str, Holding]:
        """The trader's holdings by symbol."""
        holdings = self._ledger.holdings
        symbols = [symbol for symbol in self._ledger.terms if (trader, symbol) in holdings]
        return {symbol: holdings[trader, symbol] for symbol in symbols}

    def _report(self, field: str, standing: StandingRecord, totals: Totals) -> None:
        """The report of a trader that was never forced, and so has a fill for each trade.

        Its fees are what its cash lacks of the start and the PnL.
        """
        file, report = self._reports[standing.trader_id]
        if report.market_id != self._record.market.market_id:
            return
        if report.fills > totals.trades or report.filled_qty > totals.volume:
            expected = f"at most {totals.trades} fills of {totals.volume} lots by the rows"
            raise Wrong(
                file, f"expected {expected}, found {report.fills} of {report.filled_qty}"
            )
        if (report.fills, report.filled_qty) != (totals.trades, totals.volume):
            return
        self._agreeing += 1
        start = self._ledger.cash.known_start()
        if standing.fees is not None and start is not None:
            fees = start + standing.realized_pnl - standing.cash
            self._expect(f"{field}.fees", standing.fees, _rounded(fees))


def _open_lots(positions: Mapping[str, int]) -> dict[str, int]:
    return {symbol: lots for symbol, lots in positions.items() if lots}


def _rounded(amount: Decimal) -> Decimal:
    return round(amount, REPORTED_DECIMALS)
