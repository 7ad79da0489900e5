"""What the audit reads of results.json, the bots' reports and the exporter's state.

Amounts are read digit by digit, never as floats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from botpit.runs.audit.fees import Rates, Terms

RESULTS_FORMAT = 2
REPORT_FORMAT = 1
STATE_FORMAT = 1


Money = Annotated[Decimal, Field(gt=-(10**16), lt=10**16)]
Positive = Annotated[Decimal, Field(gt=0, lt=10**16)]


class Unreadable(ValueError):
    """A file without the expected content; the text names the reason."""


class OtherFormat(ValueError):
    """A file of another version of botpit; the text names its format."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class InstrumentRecord(_Model):
    tick: Positive
    lot: Positive
    maker_fee_bps: int
    taker_fee_bps: int
    liquidation_fee_bps: int


class MarketRecord(_Model):
    """The market while the runner watched; what it missed counts for no trader."""

    market_id: str | None
    trades: int
    volume: int
    trades_before: int
    unseen_trades: int
    liquidations: int
    deleveragings: int
    unseen_liquidations: int
    insurance_cash: Money | None
    instruments: dict[str, InstrumentRecord]
    settlement: dict[str, Positive]

    def terms(self) -> dict[str, Terms]:
        """The terms of every instrument, by symbol."""
        return {
            symbol: self._terms(symbol, record) for symbol, record in self.instruments.items()
        }

    def _terms(self, symbol: str, record: InstrumentRecord) -> Terms:
        return Terms(
            tick=record.tick,
            lot=record.lot,
            rates=Rates(record.maker_fee_bps, record.taker_fee_bps, record.liquidation_fee_bps),
            settlement=self.settlement.get(symbol),
        )


class StandingRecord(_Model):
    trader_id: str
    total_equity: Money
    cash: Money
    realized_pnl: Money
    positions: dict[str, int]
    volume: int
    trades: int
    fees: Money | None
    liquidations: int
    deleveragings: int


class BotName(_Model):
    trader_id: str


class BotRecord(_Model):
    """`report` is the path of the bot's own report, below the folder of the results."""

    bot: BotName
    report: str | None


class ReportRecord(_Model):
    """A bot's own count of its fills and their lots."""

    market_id: str | None
    fills: int
    filled_qty: int


class RoundRecord(_Model):
    ended_at: str
    market: MarketRecord
    standings: list[StandingRecord]
    bots: list[BotRecord]

    def amounts(self) -> Iterator[Decimal]:
        """Money as the exchange sent it, which shows how fine it is."""
        for each in self.standings:
            yield from (each.cash, each.total_equity)


class ResultsRecord(_Model):
    rounds: list[RoundRecord]


class SliceRecord(_Model):
    """A market, and the byte of each file at which it began; 0 for a file not named."""

    market_id: str
    began: dict[str, int]


class StateRecord(_Model):
    """`counts`: events of the last market by channel and symbol.

    `sizes`: bytes of each file when last written.
    """

    market_id: str
    counts: list[tuple[str, str, int]]
    sizes: dict[str, int]
    markets: list[SliceRecord]


def read_results(text: str) -> ResultsRecord:
    """Raises Unreadable or OtherFormat."""
    return _read(ResultsRecord, text, RESULTS_FORMAT)


def read_report(text: str) -> ReportRecord:
    """Raises Unreadable or OtherFormat."""
    return _read(ReportRecord, text, REPORT_FORMAT)


def read_state(text: str) -> StateRecord:
    """Raises Unreadable or OtherFormat."""
    return _read(StateRecord, text, STATE_FORMAT)


_Record = TypeVar("_Record", bound=BaseModel)


def _read(record: type[_Record], text: str, present: int) -> _Record:
    try:
        found = json.loads(text, parse_float=Decimal)
        made_with = found.get("format", 1)
        if made_with == present:
            return record.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise Unreadable(f"{key}: {first['msg']}") from error
    except (AttributeError, ValueError, RecursionError) as error:
        raise Unreadable(f"not what it should be: {error}") from error
    age = "an older" if made_with == 1 else "another"
    formats = f"format {made_with}; this one reads format {present}"
    raise OtherFormat(f"made by {age} version of botpit ({formats})")
