"""The exchange killed -9 under load and held against what its clients recorded:
proofs/exchange_kills.py, in short.
"""

import asyncio
import json

import pytest

from proofs.exchange_kills import watch
from proofs.harness.client_ledger import Account, ClientLedger, Difference, Sent

CYCLES = 20
MOST_CYCLES = 15
"""In which a planted fault is to be found; the first difference ends a run."""
ORDER = {
    "type": "order",
    "side": "buy",
    "qty": 5,
    "price": 100.0,
    "symbol": "SIM",
    "client_order_id": "a-1",
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return asyncio.run(watch(CYCLES, tmp_path_factory.mktemp("kills"), seed=20))


def test_twenty_kills_lose_nothing_double_nothing_and_invent_nothing(outcome):
    assert outcome.difference == ""
    assert outcome.counts["cycles"] == CYCLES


def test_there_was_something_to_lose(outcome):
    counts = outcome.counts
    assert counts["trades"] > 0 and counts["learnt"] > 0 and counts["replayed"] > 0, outcome
    assert counts["unanswered"] > 0 and counts["sent again"] > 0, outcome
    for kind in ("order_accepted", "order_rejected", "order_cancelled", "order_replaced"):
        assert counts[kind] > 0, outcome


def test_what_is_promised_to_outlive_a_loss_of_power_outlives_the_process(tmp_path):
    outcome = asyncio.run(watch(2, tmp_path, seed=21, durability="batch"))
    assert outcome.difference == "", outcome


@pytest.mark.parametrize("plant", ["ack-first", "skip-fill", "forget-ids"])
def test_a_planted_fault_is_found(plant, tmp_path):
    outcome = asyncio.run(watch(MOST_CYCLES, tmp_path, seed=22, plant=plant))
    assert outcome.difference and outcome.found.total() == 1, outcome


# ------------------------------------------------------------- the record by itself, fault by fault


@pytest.fixture
def ann() -> Account:
    """She has sent one order, which was accepted."""
    account = ClientLedger({"ann": False}).accounts["ann"]
    account.orders["a-1"] = Sent("ann", ORDER)
    takes(account, 1, "order_accepted", 7, **ORDER)
    return account


def takes(account: Account, number: int, kind: str, order_id: int, **told):
    event = told | {"type": kind, "order_id": order_id, "account_seq": number}
    account.takes(json.dumps(event).encode(), number)


def fill(**other):
    return {
        "side": "buy",
        "qty": 2,
        "leaves_qty": 3,
        "trade_id": 1,
        "symbol": "SIM",
        "price": 100.0,
        "trader_id": "ann",
    } | other


def test_events_make_orders_and_positions(ann):
    takes(ann, 2, "fill", 7, **fill())
    assert (ann.orders["a-1"].leaves, ann.positions["SIM"], list(ann.open)) == (3, 2, [7])


@pytest.mark.parametrize(("fault", "kind"), [
    (lambda ann: takes(ann, 1, "order_accepted", 8, **ORDER), "changed"),
    (lambda ann: takes(ann, 2, "order_accepted", 8, **ORDER), "doubled"),
    (lambda ann: takes(ann, 2, "order_accepted", 8, **ORDER | {"client_order_id": "a-2"}), "invented"),
    (lambda ann: takes(ann, 2, "fill", 9, **fill()), "invented"),
    (lambda ann: takes(ann, 2, "fill", 7, **fill(leaves_qty=4)), "changed"),
    (lambda ann: takes(ann, 2, "order_cancelled", 7, cancelled_qty=5, leaves_qty=0, reason="requested"), "invented"),
    (lambda ann: takes(ann, 2, "order_cancelled", 7, cancelled_qty=5, leaves_qty=0, reason="disconnect"), "invented"),
    (lambda ann: takes(ann, 2, "order_replaced", 7, price=100.0, qty=9, leaves_qty=9), "invented"),
    (lambda ann: ann.check_open_orders({"orders": []}), "lost"),
    (lambda ann: ann.check_account({"positions": [{"symbol": "SIM", "position": 1}], "account_seq": 1}), "changed"),
    (lambda ann: ann.check_status(ann.orders["a-1"], {"status": "unknown", "complete": True}), "lost"),
])  # fmt: skip
def test_what_does_not_fit_is_a_difference(ann, fault, kind):
    with pytest.raises(Difference) as found:
        fault(ann)
    assert found.value.kind == kind


def test_the_same_fill_twice_is_a_difference(ann):
    takes(ann, 2, "fill", 7, **fill())
    with pytest.raises(Difference, match="doubled"):
        takes(ann, 3, "fill", 7, **fill(leaves_qty=1))


def test_a_trade_without_its_other_side_is_a_difference():
    ledger = ClientLedger({"ann": False})
    trade = {"type": "trade", "trade_id": 1, "seq": 1}
    ledger.takes_trade(json.dumps(trade).encode(), trade, again=False)
    with pytest.raises(Difference, match="no fill"):
        ledger.settle()


def test_a_trade_after_a_missing_one_and_one_that_comes_twice_are_differences():
    ledger = ClientLedger({})
    with pytest.raises(Difference, match="lost"):
        ledger.takes_trade(b"{}", {"trade_id": 2}, again=False)
    ledger.takes_trade(b"{}", {"trade_id": 1}, again=False)
    with pytest.raises(Difference, match="doubled"):
        ledger.takes_trade(b"{}", {"trade_id": 1}, again=False)


def test_an_order_id_that_goes_back_is_a_difference():
    ledger = ClientLedger({})
    ledger.takes_order_id(5)
    ledger.settle()
    with pytest.raises(Difference, match="after 5"):
        ledger.takes_order_id(4)
