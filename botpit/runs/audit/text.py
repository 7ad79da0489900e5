"""The words of a successful audit: one line for each thing that was checked, with its counts."""

from __future__ import annotations

from collections.abc import Iterator

from botpit.runs.audit.holdings import ZERO
from botpit.runs.audit.ledger import Ledger
from botpit.runs.audit.rows import plain


def summary(ledger: Ledger) -> Iterator[str]:
    """`name: what was checked`, in the order of the audit."""
    rows = ledger.rows
    lots = sum(holding.lots for holding in ledger.holdings.values())
    yield f"rows: {_row_counts(ledger)}; all readable and in order of time"
    accounts = f"{rows['accounts']} rows of {len(ledger.traders)} traders"
    yield f"positions: {accounts} explained by the trades, sum {lots}"
    yield f"realized_pnl: {rows['accounts']} rows at average cost"
    yield f"cash: {_cash(ledger)}"
    if rows["fund"]:
        yield f"insurance: {_fund(ledger)}"
    yield f"total_equity: {_equity(ledger)}"
    for symbol, settled in sorted(ledger.settlements.done.items()):
        price = plain(settled.lot_price / ledger.terms[symbol].lot)
        yield f"settlement: {symbol or 'all positions'} at {price} ({settled.row.place})"


def _row_counts(ledger: Ledger) -> str:
    rows = ledger.rows
    words = f"{rows['trades']} trades, {rows['accounts']} of accounts"
    if rows["forced"] or rows["fund"]:
        words += f", {rows['forced']} of liquidations, {rows['fund']} of the insurance fund"
    return words


def _cash(ledger: Ledger) -> str:
    cash = ledger.cash
    rows = ledger.rows["accounts"]
    words = f"{rows - cash.undecided} of {rows} rows explained"
    if markets := ", ".join(_without_rates(ledger)):
        return (
            f"{words}, only where nothing was traded: the fees of {markets} are in no file here"
        )
    start = cash.known_start()
    if start is not None:
        words += f", all began with {plain(start)}"
    words += f"; {_fees(ledger)}"
    if cash.undecided:
        words += f"; {cash.undecided} left open, as the cash before them is not known"
    return words


def _without_rates(ledger: Ledger) -> Iterator[str]:
    """The instruments that charge fees at unknown rates."""
    for symbol, terms in sorted(ledger.terms.items()):
        if terms.charged and not terms.rates:
            yield symbol or "this market"


def _fees(ledger: Ledger) -> str:
    rates = set()
    for terms in ledger.terms.values():
        if terms.rates:
            rates.add((terms.rates.maker_bps, terms.rates.taker_bps))
    if not rates:
        return "no fee was seen"
    if rates == {(0, 0)}:
        return "no fees"
    words = [f"{maker} bps (maker) and {taker} bps (taker)" for maker, taker in sorted(rates)]
    return f"fees of {', '.join(words)}"


def _fund(ledger: Ledger) -> str:
    cash = ledger.cash
    rows = f"{ledger.rows['fund']} rows, {plain(cash.fund or ZERO)} left"
    return f"{rows}; {cash.balanced} of {cash.moments} moments balance with all accounts' cash"


def _equity(ledger: Ledger) -> str:
    flat = ledger.marks.flat
    marked = ledger.marks.marked
    left = ledger.rows["accounts"] - flat - marked
    words = f"{flat} rows of flat accounts equal to cash"
    if marked:
        words += f", {marked} at a mark on the tick"
    if left:
        words += f"; {left} with several positions not judged"
    return words
