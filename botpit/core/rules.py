"""Other rules for a running market: what differs, what cannot be changed while positions are counted in it,
and the change.

Nothing that stands is touched: orders rest where they rest, marks and money stay. The next command meets the
new rules, and everybody's margin is looked at anew by the next Tick.
"""

from __future__ import annotations

from dataclasses import fields

from botpit.core.commands import Open, Reconfigure
from botpit.core.events import MarketStatus
from botpit.core.instrument import Instrument, Rules
from botpit.core.ledger import Ledger

_FIXED = frozenset(
    {
        "instruments",
        "money_decimals",
        "insurance_fund",
        "tick_units",
        "tick_decimals",
        "lot",
        "tick_value",
    }
)
"""Positions, prices and cash are counted in these; and the fund was paid in once, at the opening."""


def differences(old: Open, new: Open) -> list[str]:
    """`instruments.SIM.taker_fee_bps: 0, now 5`: every rule that is another one, in the engine's integers."""
    found = _different("market", old.rules, new.rules)
    before, after = (
        {each.symbol: each for each in opening.instruments} for opening in (old, new)
    )
    if list(before) != list(after):
        return [*found, f"instruments: {', '.join(before)}, now {', '.join(after)}"]
    for symbol, instrument in before.items():
        found += _different(f"instruments.{symbol}", instrument, after[symbol])
    return found


def not_changeable(ledger: Ledger, new: Open) -> list[str]:
    """What of it no running market can take, a sentence each."""
    old = Open(
        ledger.market_id,
        ledger.rules,
        tuple(market.instrument for market in ledger.markets.values()),
    )
    fixed = [
        each
        for each in differences(old, new)
        if each.partition(":")[0].rpartition(".")[2] in _FIXED
    ]
    if fixed:
        return fixed
    marks = ((each, ledger.markets[each.symbol].mark) for each in new.instruments)
    return [
        f"instruments.{each.symbol}: its mark, {mark} ticks, is outside {each.min_price} to {each.max_price}"
        for each, mark in marks
        if not each.min_price <= mark <= each.max_price
    ]


def _different(name: str, old: Rules | Instrument, new: Rules | Instrument) -> list[str]:
    pairs = (
        (field.name, getattr(old, field.name), getattr(new, field.name))
        for field in fields(old)
    )
    return [
        f"{name}.{key}: {before}, now {after}"
        for key, before, after in pairs
        if before != after
    ]


def reconfigure(ledger: Ledger, command: Reconfigure) -> None:
    """Put the rules in place. Whoever journals the command has seen that they can be changed."""
    refused = not_changeable(ledger, Open(ledger.market_id, command.rules, command.instruments))
    assert not refused, refused
    ledger.rules = command.rules
    for instrument in command.instruments:
        market = ledger.markets[instrument.symbol]
        market.set_terms(instrument)
        ledger.events.append(
            MarketStatus(instrument.symbol, market.status, "reconfigure", ledger.now_ns)
        )
    for account in ledger.accounts.values():
        ledger.margin_watch.invalidate(account)
