"""What the audit reads of a battle's results.json and of the exporter's `.export-state.json`; whatever else they hold is left.

Amounts are taken as they are written, never as floats.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from botpit.audit.fees import Rates, Terms

RESULTS_FORMAT = 2
STATE_FORMAT = 1


class Unreadable(ValueError):
    """A file that is not what it should be; the text says why."""


class OtherFormat(ValueError):
    """A file of another version of botpit; the text says which."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class InstrumentRecord(_Model):
    tick: Decimal = Field(gt=0)
    lot: Decimal = Field(gt=0)
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
    insurance_cash: Decimal | None
    instruments: dict[str, InstrumentRecord]
    settlement: dict[str, Decimal]

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
    total_equity: Decimal
    cash: Decimal
    realized_pnl: Decimal
    positions: dict[str, int]
    volume: int
    trades: int
    fees: Decimal | None
    liquidations: int
    deleveragings: int


class BotName(_Model):
    trader_id: str


class BotRecord(_Model):
    bot: BotName
    exit_code: int | None


class RoundRecord(_Model):
    ended_at: str
    market: MarketRecord
    standings: list[StandingRecord]
    bots: list[BotRecord]

    def amounts(self) -> Iterator[Decimal]:
        """Money, by which one sees how fine it is."""
        for each in self.standings:
            yield from (each.cash, each.total_equity, each.realized_pnl, each.fees or Decimal(0))


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
