"""The table of phases is what the exchange does: every command in every phase, held against its row."""

from __future__ import annotations

import pytest

from botpit.core.commands import (
    BUY,
    SELL,
    Cancel,
    Close,
    Halt,
    Order,
    Replace,
    Resume,
    SetMark,
    Tick,
)
from botpit.core.events import Rejected, TradingStatus
from botpit.core.exchange import Exchange
from botpit.core.phases import PHASES
from tests.laws.streams import opening

EVERY_PHASE = pytest.mark.parametrize("status", TradingStatus)
LEADING_TO = {
    TradingStatus.OPEN: Resume("SIM"),
    TradingStatus.HALTED: Halt("SIM"),
    TradingStatus.CLOSED: Close("SIM"),
}


class Stand:
    """An exchange whose SIM has one resting bid of alice's, and is then brought into a phase."""

    def __init__(self, status: TradingStatus) -> None:
        self.exchange = Exchange(opening())
        self.market = self.exchange.markets["SIM"]
        self.now_ns = 0
        self.bid = self.answer_to(Order("alice", "SIM", BUY, 1, self.market.mark - 1)).order_id
        self.answer_to(LEADING_TO[status])
        assert self.market.status is status

    def answer_to(self, command):
        self.now_ns += 1
        return self.exchange.apply(command, self.now_ns).answer

    def refuses(self, command) -> bool:
        answer = self.answer_to(command)
        assert not isinstance(answer, Rejected) or answer.reason in (
            "market_halted",
            "already_closed",
        ), answer
        return isinstance(answer, Rejected) and answer.reason == "market_halted"


def test_every_status_has_its_row_under_its_name():
    assert {status: row.status for status, row in PHASES.items()} == {
        status: status for status in TradingStatus
    }


@EVERY_PHASE
def test_orders_and_replaces_are_taken_where_the_table_says(status):
    takes = PHASES[status].takes_orders
    stand = Stand(status)
    assert stand.refuses(Order("bob", "SIM", BUY, 1, stand.market.mark - 2)) is not takes
    if status is not TradingStatus.CLOSED:  # where nothing is left to be replaced
        assert (
            stand.refuses(Replace("alice", stand.bid, price=stand.market.mark - 3)) is not takes
        )
        assert stand.refuses(Replace("alice", stand.bid, qty=1)) is not takes


@EVERY_PHASE
def test_a_cancel_is_taken_in_every_phase(status):
    stand = Stand(status)
    assert not stand.refuses(Cancel("alice", stand.bid))


@EVERY_PHASE
@pytest.mark.parametrize("kind", [Halt, Resume, Close, SetMark])
def test_each_command_of_the_operator_leads_where_the_table_says(status, kind):
    stand = Stand(status)
    command = SetMark("SIM", stand.market.mark) if kind is SetMark else kind("SIM")
    leads_to = PHASES[status].leads_to.get(kind)
    assert stand.refuses(command) is (leads_to is None)
    assert stand.market.status is (leads_to or status)


@EVERY_PHASE
def test_the_mark_follows_the_book_where_the_table_says(status):
    stand = Stand(TradingStatus.OPEN)
    mark = stand.market.mark
    stand.answer_to(Order("bob", "SIM", BUY, 1, mark + 3))
    stand.answer_to(Order("carol", "SIM", SELL, 1, mark + 9))
    if status is not TradingStatus.OPEN:
        stand.answer_to(LEADING_TO[status])
    settled = stand.market.mark
    stand.answer_to(Tick())
    assert (stand.market.mark != settled) is PHASES[status].trades


def test_nothing_leads_out_of_the_last_phase_and_its_book_is_empty():
    stand = Stand(TradingStatus.CLOSED)
    assert PHASES[TradingStatus.CLOSED].leads_to == {}
    assert not stand.market.book.bids.ranks and not stand.market.book.asks.ranks
