"""What an audit says when all is well: one line for each thing that was checked, with how much of it there was."""

from __future__ import annotations

from collections.abc import Iterator

from botpit.runs.audit.holdings import ZERO
from botpit.runs.audit.ledger import Ledger
from botpit.runs.audit.rows import plain


def summary(ledger: Ledger) -> Iterator[str]:
    """`name: what was checked`, in the order of the audit."""
    rows, lots = ledger.rows, sum(holding.lots for holding in ledger.holdings.values())
    forced = f", {rows['forced']} of liquidations, {rows['fund']} of the insurance fund" if rows["forced"] or rows["fund"] else ""
    yield f"rows: {rows['trades']} trades, {rows['told']} of accounts{forced}; all readable and in order of time"
    yield f"positions: {rows['told']} rows of {len(ledger.traders)} traders explained by the trades, sum {lots}"
    yield f"realized_pnl: {rows['told']} rows at average cost"
    yield f"cash: {_cash(ledger)}"
    if rows["fund"]:
        balanced = f"{ledger.cash.balanced} of {ledger.cash.moments} moments balance with all accounts' cash"
        yield f"insurance: {rows['fund']} rows, {plain(ledger.cash.fund or ZERO)} left; {balanced}"
    yield f"total_equity: {_equity(ledger)}"
    for symbol, settled in sorted(ledger.settlements.done.items()):
        price = plain(settled.lot_price / ledger.terms[symbol].lot)
        yield f"settlement: {symbol or 'all positions'} at {price} ({settled.told.place})"


def _cash(ledger: Ledger) -> str:
    cash, rows = ledger.cash, ledger.rows["told"]
    start = f", all began with {plain(next(iter(cash.start)))}" if cash.start and len(cash.start) == 1 else ""
    charged = [symbol or "this market" for symbol, terms in sorted(ledger.terms.items()) if terms.charged and not terms.rates]
    if charged:
        left = "only held where nothing was traded: the fees of"
        return f"{rows - cash.undecided} of {rows} rows explained, {left} {', '.join(charged)} are in no file here"
    left = f"; {cash.undecided} left open, as it is not known what went before" if cash.undecided else ""
    return f"{rows - cash.undecided} of {rows} rows explained{start}; {_fees(ledger)}{left}"


def _fees(ledger: Ledger) -> str:
    rates = {terms.rates[:2] for terms in ledger.terms.values() if terms.rates}
    if not rates:
        return "no fee was seen"
    if rates == {(0, 0)}:
        return "no fees"
    return "fees of " + ", ".join(f"{maker} bps (maker) and {taker} bps (taker)" for maker, taker in sorted(rates))


def _equity(ledger: Ledger) -> str:
    flat, marked = ledger.marks.flat, ledger.marks.marked
    words = f"{flat} rows of flat accounts equal to cash"
    left = ledger.rows["told"] - flat - marked
    words += f", {marked} at a mark on the tick" if marked else ""
    return words + (f"; {left} with several positions not judged" if left else "")

