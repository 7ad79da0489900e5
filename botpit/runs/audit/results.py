"""What the audit reads of a battle's results.json, its bots' reports and the exporter's state; whatever else they hold is left.

Amounts are taken as they are written, never as floats.
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
    """A file that is not what it should be; the text says why."""


class OtherFormat(ValueError):
    """A file of another version of botpit; the text says which."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class InstrumentRecord(_Model):
    tick: Positive
    lot: Positive
    maker_fee_bps: int
    taker_fee_bps: int
    liquidation_fee_bps: int


class MarketRecord(_Model):
    """The market while the runner looked; what it was not told counts for no trader."""

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
        """Of every instrument."""
        return {
            symbol: Terms(
                tick=each.tick, lot=each.lot, settlement=self.settlement.get(symbol),
                rates=Rates(each.maker_fee_bps, each.taker_fee_bps, each.liquidation_fee_bps),
            )
            for symbol, each in self.instruments.items()
        }  # fmt: skip


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
    """`report`: where the bot's own report is, below the folder of the results."""

    bot: BotName
    report: str | None


class ReportRecord(_Model):
    """What a bot says of itself: its fills and their lots."""

    market_id: str | None
    fills: int
    filled_qty: int


class RoundRecord(_Model):
    ended_at: str
    market: MarketRecord
    standings: list[StandingRecord]
    bots: list[BotRecord]

    def amounts(self) -> Iterator[Decimal]:
        """Money as the exchange told it, by which one sees how fine it is."""
        for each in self.standings:
            yield from (each.cash, each.total_equity)


class ResultsRecord(_Model):
    rounds: list[RoundRecord]


class SliceRecord(_Model):
    """A market, and the byte of each file at which it began; 0 where none is named."""

    market_id: str
    began: dict[str, int]


class StateRecord(_Model):
    """`counts`: events of the last market by channel and symbol; `sizes`: bytes of each file when it was last whole."""

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
        raise Unreadable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (AttributeError, ValueError, RecursionError) as error:
        raise Unreadable(f"not what it should be: {error}") from error
    age = "an older" if made_with == 1 else "another"
    raise OtherFormat(f"made by {age} version of botpit (format {made_with}; this one reads format {present})")
