"""A bot's report: what it says, that nothing is lost on the way to disk and back, and what is refused."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from botpit.bots import Counts, ReportError, counts_of, report_text
from botpit.bots.report import LatencyReport, Report
from message_schemas import Fill
from tests.docs.page import SPEC, Page, code, key


def fill(fee: float, qty: int = 1, liquidity: str = "taker") -> Fill:
    return Fill(
        order_id=1,
        trade_id=1,
        trader_id="alice",
        symbol="SIM",
        side="buy",
        price=100.0,
        qty=qty,
        leaves_qty=0,
        fee=fee,
        liquidity=liquidity,
        account_seq=1,
        timestamp=1,
    )


def some_counts() -> Counts:
    counts = Counts(
        market_id="m1",
        account_seq=17,
        sent=9,
        accepted=6,
        rejected=Counter(price_band=2, rate_limited=1),
        cancel_rejected=Counter(already_closed=4),
        callback_errors=3,
        slow_callbacks=1,
    )
    for each in (fill(0.07, 3), fill(-0.01, 2, "maker"), fill(0.0, 4, "adl")):
        counts.apply(each)
    for latency_us in (127.5, 256.0, 8_192.0):
        counts.latency.add(latency_us)
    return counts


def test_the_report_has_the_fields_that_others_read():
    assert json.loads(report_text("alice", some_counts())) == {
        "format": 1, "trader_id": "alice", "market_id": "m1", "account_seq": 17, "sent": 9, "accepted": 6,
        "rejected": {"price_band": 2, "rate_limited": 1}, "cancel_rejected": {"already_closed": 4}, "fills": 3, "maker_fills": 1,
        "filled_qty": 9, "maker_qty": 2, "fees": 0.06, "callback_errors": 3, "slow_callbacks": 1,
        "latency_us": {"count": 3, "p50": 256.0, "p99": 8_192.0, "max": 8_192.0,
                       "buckets": [[128.0, 1], [256.0, 1], [8_192.0, 1]]},
    }  # fmt: skip


def test_a_bot_that_has_done_nothing_has_a_report_too():
    report = json.loads(report_text("alice", Counts()))
    assert (report["market_id"], report["account_seq"], report["fills"], report["fees"]) == (
        None,
        None,
        0,
        0.0,
    )
    assert report["latency_us"] == {
        "count": 0,
        "p50": None,
        "p99": None,
        "max": None,
        "buckets": [],
    }


@pytest.mark.parametrize("counts", [Counts(), some_counts()], ids=["nothing", "something"])
def test_what_is_read_back_says_the_same_and_goes_on(counts):
    again = counts_of(report_text("alice", counts), "alice")
    assert report_text("alice", again) == report_text("alice", counts)
    again.apply(fill(0.5))
    assert (again.fills, again.fee_units) == (counts.fills + 1, counts.fee_units + 50_000_000)
    again.rejected["new_one"] += 1
    assert again.rejected.total() == counts.rejected.total() + 1


def test_fees_are_summed_to_the_last_decimal():
    counts = Counts()
    for _ in range(1_000):
        counts.apply(fill(0.1))
        counts.apply(fill(0.00000003))
        counts.apply(fill(-0.05))
    assert (counts.fee_units, counts.fees) == (5_000_003_000, 50.00003)
    assert counts_of(report_text("alice", counts), "alice").fee_units == 5_000_003_000
    counts.apply(fill(89_999_900.00000001))
    assert (
        counts_of(report_text("alice", counts), "alice").fee_units
        == counts.fee_units
        == 8_999_995_000_003_001
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"fills": "3"}, "Expected `int`, got `str` - at `$.fills`"),
        ({"fills": -1}, "Expected `int` >= 0 - at `$.fills`"),
        ({"sent": True}, "Expected `int`, got `bool` - at `$.sent`"),
        ({"fees": "1.5"}, "Expected `float`, got `str` - at `$.fees`"),
        ({"account_seq": 1.5}, "Expected `int | null`, got `float` - at `$.account_seq`"),
        ({"market_id": 7}, "Expected `str | null`, got `int` - at `$.market_id`"),
        ({"rejected": {"price_band": "2"}}, "Expected `int`, got `str` - at `$.rejected[...]`"),
        ({"cancel_rejected": []}, "Expected `object`, got `array` - at `$.cancel_rejected`"),
        ({"latency_us": None}, "Expected `object`, got `null` - at `$.latency_us`"),
        ({"latency_us": {"count": 1, "p50": None, "p99": None, "max": None, "buckets": [[5.0, "1"]]}},
         "Expected `int`, got `str` - at `$.latency_us.buckets[0][1]`"),
        ({"latency_us": {"count": 2, "p50": None, "p99": None, "max": None, "buckets": [[5.0, 1]]}},
         "buckets do not add up to count - at `$.latency_us`"),
        ({"account_seq": None}, "market_id and account_seq: one is null and the other is not"),
        ({"format": 2}, "Invalid enum value 2 - at `$.format`"),
        ({"trader_id": "bob"}, "this is the report of 'bob', not of 'alice'"),
        ({"extra": 1}, "Object contains unknown field `extra`"),
    ],
    ids=str,
)  # fmt: skip
def test_a_report_that_is_none_is_refused_by_the_name_of_its_fault(change, sentence):
    with pytest.raises(ReportError) as refused:
        counts_of(json.dumps(json.loads(report_text("alice", some_counts())) | change), "alice")
    assert str(refused.value) == sentence


@pytest.mark.parametrize("field", sorted(set(Report.__struct_fields__) - {"format"}))
def test_every_field_is_needed(field):
    report = json.loads(report_text("alice", some_counts()))
    del report[field]
    with pytest.raises(ReportError, match=f"^Object missing required field `{field}`$"):
        counts_of(json.dumps(report), "alice")


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"format": 1', '{"fees": NaN}'])
def test_what_is_no_report_at_all_is_refused(text):
    with pytest.raises(ReportError):
        counts_of(text, "alice")


def test_the_protocol_page_tells_every_field():
    rows = Page(SPEC.read_text(encoding="utf-8")).rows("The bot's report")
    assert [key(row) for row in rows] == list(Report.__struct_fields__)
    assert code(rows[-1]["meaning"]) == list(LatencyReport.__struct_fields__)
