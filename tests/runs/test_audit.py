"""The audit of a run's rows: what explains a row, and which row is wrong. Rows are made by hand,
from the market's rules.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from botpit.core.ticks import MAX_MARKED_ACCOUNTS
from botpit.runs.audit.fees import Rates, Terms
from botpit.runs.audit.ledger import Ledger
from botpit.runs.audit.marks import MAX_ROUND
from botpit.runs.audit.rows import COLUMNS, Sheet, Wrong
from botpit.runs.audit.text import summary
from botpit.runs.export.rows import HEADERS

KINDS = {
    "trades": "trades.csv",
    "told": "performance.csv",
    "forced": "liquidations.csv",
    "fund": "insurance.csv",
}
OPENING = {
    "trades": ["1000,100.0,5,alice,bob"],
    "told": ["1000,alice,5,10000.0,0.0,10000.0", "1000,bob,-5,10000.0,0.0,10000.0"],
}
"""Alice buys 5 from bob at 100.00."""


def read(terms=None, **rows) -> Ledger:
    """The ledger of a market of one instrument, its files given as lists of rows; what is not given is empty."""
    terms = terms or {"SIM": Terms()}
    (symbol, *_) = terms
    sheets = [
        Sheet(
            kind,
            kind,
            "" if kind == "insurance.csv" else symbol,
            1,
            [HEADERS[kind].rstrip("\n"), *rows.get(name, [])],
        )
        for name, kind in KINDS.items()
    ]
    ledger = Ledger(terms)
    ledger.read(sheets)
    return ledger


def wrong(terms=None, **rows) -> str:
    """What the audit finds."""
    with pytest.raises(Wrong) as found:
        read(terms, **rows)
    return str(found.value)


def after_opening(**rows):
    """The opening, and more rows of each file."""
    return {name: OPENING.get(name, []) + rows.get(name, []) for name in KINDS}


def rates(maker: int, taker: int, liquidation: int = 50) -> dict[str, Terms]:
    return {"SIM": Terms(tick=Decimal("0.01"), rates=Rates(maker, taker, liquidation))}


def test_the_audit_knows_the_files_as_they_are_written():
    assert {
        name: ",".join(column.name for column in columns) + "\n"
        for name, columns in COLUMNS.items()
    } == HEADERS
    assert MAX_ROUND == MAX_MARKED_ACCOUNTS


def test_what_is_right_is_summed_up():
    words = list(summary(read(**OPENING)))
    assert words[:3] == [
        "rows: 1 trades, 2 of accounts; all readable and in order of time",
        "positions: 2 rows of 2 traders explained by the trades, sum 0",
        "realized_pnl: 2 rows at average cost",
    ]


# --------------------------------------------------------------------------------------------- rows


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1000,100.0,5,alice", "expected 5 cells, found '1000,100.0,5,alice'"),
        ("1000,0.0,5,alice,bob", "price: expected a number above 0, found '0.0'"),
        ("1000,nan,5,alice,bob", "price: expected a number above 0, found 'nan'"),
        ("1000,100.0,0,alice,bob", "qty: expected a whole number of lots above 0, found '0'"),
        (
            "1000,100.0,5.0,alice,bob",
            "qty: expected a whole number of lots above 0, found '5.0'",
        ),
        ("1000,100.0,5,al ice,bob", "trader: expected a trader's id"),
        ("x,100.0,5,alice,bob", "timestamp: expected milliseconds, found 'x'"),
        ("1000,100.0,5,alice,alice", "expected two traders, found alice on both sides"),
        ("999,100.0,5,alice,bob", "the timestamp goes back: expected 1000 or later, found 999"),
    ],
)
def test_a_row_that_cannot_be_is_named_with_its_line(row, words):
    found = wrong(**after_opening(trades=[row]))
    assert found.startswith("trades.csv:3: ") and words in found


def test_a_price_off_the_tick_is_named():
    terms = {"SIM": Terms(tick=Decimal("0.05"))}
    assert wrong(terms, trades=["1000,100.01,5,alice,bob"]) == (
        "trades.csv:2: expected a price on the tick 0.05, found 100.01"
    )


def test_a_header_that_is_not_there_is_line_1():
    with pytest.raises(
        Wrong,
        match=r"^trades\.csv:1: expected the header timestamp,price,qty,buy_trader,sell_trader, found ''",
    ):
        Ledger({"SIM": Terms()}).read([Sheet("trades.csv", "trades.csv", "SIM", 1, [])])


def test_an_id_that_a_spreadsheet_would_run_is_the_same_with_its_apostrophe():
    ledger = read(
        trades=["1000,100.0,5,'-alice,bob"],
        told=["1000,'-alice,5,1.0,0.0,1.0", "1000,bob,-5,1.0,0.0,1.0"],
    )
    assert ledger.position("-alice", "SIM") == 5


# -------------------------------------------------------------------------------- positions and PnL


def test_a_position_that_no_trade_explains():
    told = ["2000,alice,6,10000.0,0.0,10001.0"]
    assert wrong(**after_opening(told=told)) == (
        "performance.csv:4: alice's position with nothing traded at this time should be 5, found 6"
    )


def test_a_trade_that_both_sides_contradict_is_itself_the_wrong_row():
    trades, told = (
        ["2000,100.0,2,alice,bob"],
        ["2000,alice,6,10000.0,0.0,10000.0", "2000,bob,-6,10000.0,0.0,10000.0"],
    )
    found = wrong(**after_opening(trades=trades, told=told))
    assert found.startswith(
        "trades.csv:3: these 2 lots at 100.0 explain neither side: performance.csv:4: alice's position after"
    )


def test_a_trade_that_one_side_contradicts_is_believed():
    trades, told = (
        ["2000,100.0,2,alice,bob"],
        ["2000,alice,8,10000.0,0.0,10000.0", "2000,bob,-7,10000.0,0.0,10000.0"],
    )
    assert wrong(**after_opening(trades=trades, told=told)) == (
        "performance.csv:4: alice's position after trades.csv:3 should be 7, found 8"
    )


def test_a_trade_that_nobody_tells_of_is_named():
    found = wrong(**after_opening(trades=["1000,100.0,5,alice,bob"]))
    assert (
        found == "trades.csv:3: no row of performance.csv at 1000 includes alice's +5 lots here"
    )


def test_the_last_row_of_a_millisecond_tells_all_of_it():
    found = wrong(
        trades=["1000,100.0,5,alice,bob", "1000,100.0,1,alice,bob"], told=OPENING["told"]
    )
    assert (
        found == "trades.csv:3: no row of performance.csv at 1000 includes alice's +1 lots here"
    )


def test_rows_of_one_millisecond_may_come_after_any_of_its_trades():
    trades = ["1000,100.0,5,alice,bob", "1000,100.0,2,bob,alice", "1000,100.0,3,alice,bob"]
    told = [f"1000,alice,{lots},10000.0,0.0,10000.0" for lots in (5, 6)] + [
        "1000,bob,-6,10000.0,0.0,10000.0"
    ]
    assert read(trades=trades, told=told).position("bob", "SIM") == -6


def test_closing_a_part_releases_its_share_of_the_cost_rounded_down():
    """Three lots for 300.02: one of them cost 100.00 (not 100.01), so selling it at 100.02 makes
    0.02; the others cost 200.02.
    """
    trades = [
        "1000,100.0,1,alice,bob",
        "1000,100.01,2,alice,bob",
        "2000,100.02,1,carol,alice",
        "3000,100.02,2,dave,alice",
    ]
    told = [
        "1000,alice,3,10000.0,0.0,10000.04", "1000,bob,-3,10000.0,0.0,9999.96",
        "2000,alice,2,10000.02,0.02,10000.04", "2000,carol,1,10000.0,0.0,10000.0",
        "3000,dave,2,10000.0,0.0,10000.0", "3000,alice,0,10000.04,0.04,10000.04",
    ]  # fmt: skip
    assert read(trades=trades, told=told).holdings["alice", "SIM"].realized == Decimal("0.04")
    told[2] = "2000,alice,2,10000.01,0.01,10000.03"
    assert wrong(trades=trades, told=told) == (
        "performance.csv:4: alice's realized_pnl after trades.csv:4 should be 0.02, found 0.01"
    )


def test_a_position_that_turns_round_is_closed_first():
    trades, told = (
        ["2000,101.0,8,bob,alice"],
        ["2000,alice,-3,10005.0,5.0,10005.0", "2000,bob,3,9995.0,-5.0,9995.0"],
    )
    assert read(**after_opening(trades=trades, told=told)).holdings["alice", "SIM"] == (
        -3,
        Decimal(-303),
        Decimal(5),
    )


def test_money_finer_than_was_ever_told_is_rounded_as_fine_as_it_must_be():
    """Four lots cost 1.02; two are sold one after the other: 0.255 twice is 0.51 exactly, in cents
    it would be 0.25 twice.
    """
    trades = [
        "1000,0.25,2,alice,bob",
        "1000,0.26,2,alice,bob",
        "2000,0.3,1,carol,alice",
        "2000,0.3,1,dave,alice",
    ]
    told = [
        "1000,alice,4,1.0,0.0,1.0", "1000,bob,-4,1.0,0.0,1.0", "2000,alice,2,1.09,0.09,1.18", "2000,carol,1,1.0,0.0,1.0",
        "2000,dave,1,1.0,0.0,1.0",
    ]  # fmt: skip
    assert read(trades=trades, told=told).holdings["alice", "SIM"].realized == Decimal("0.09")


# --------------------------------------------------------------------------------------------- cash


def test_cash_that_moves_without_pnl():
    told = ["2000,alice,5,10000.01,0.0,10005.01"]
    assert wrong(**after_opening(told=told)) == (
        "performance.csv:4: alice's cash should be 10000 (10000 before, 0 realised, no fees), found 10000.01"
    )


def test_without_rates_a_trade_that_cost_nobody_anything_proves_that_there_are_no_fees():
    """Alice's second row lacks a cent, which could be a fee, until carol and bob trade for nothing."""
    trades = ["2000,100.0,1,alice,carol", "3000,100.0,1,alice,bob", "4000,100.0,1,bob,carol"]
    told = ["2000,alice,6,10000.0,0.0,10000.0", "2000,carol,-1,10000.0,0.0,10000.0",
            "3000,alice,7,9999.99,0.0,9999.99", "3000,bob,-6,10000.0,0.0,10000.0"]  # fmt: skip
    ledger = read(**after_opening(trades=trades[:2], told=told))
    assert "cash: 2 of 6 rows explained, only where nothing was traded" in "\n".join(
        summary(ledger)
    )
    told += ["4000,bob,-5,10000.0,0.0,10000.0", "4000,carol,-2,10000.0,0.0,10000.0"]
    assert wrong(**after_opening(trades=trades, told=told)) == (
        "performance.csv:6: alice's cash should be 10000 (10000 before, 0 realised, no fees known), found 9999.99"
    )


def test_a_fee_is_the_makers_or_the_takers_rounded_up():
    """505.00 at 1 and 2 bps: 0.0505 and 0.101, so 0.06 and 0.11."""
    trades = ["2000,101.0,5,alice,bob"]
    opening = {
        "trades": OPENING["trades"],
        "told": ["1000,alice,5,9999.9,0.0,9999.9", "1000,bob,-5,9999.95,0.0,9999.95"],
    }

    def told(alice: str, bob: str) -> list[str]:
        return [
            *opening["told"],
            f"2000,alice,10,{alice},0.0,{alice}",
            f"2000,bob,-10,{bob},0.0,{bob}",
        ]

    assert read(
        rates(1, 2), trades=opening["trades"] + trades, told=told("9999.79", "9999.89")
    ).cash.start == {Decimal(10000)}
    assert wrong(
        rates(1, 2), trades=opening["trades"] + trades, told=told("9999.8", "9999.89")
    ) == (
        "performance.csv:4: alice's cash should be 9999.79 or 9999.84 (9999.9 before, 0 realised, less the fees of trades.csv:3),"
        " found 9999.8"
    )
    assert wrong(
        rates(1, 2), trades=opening["trades"] + trades, told=told("9999.84", "9999.89")
    ) == (
        "performance.csv:5: accounts paid -0.05 more than fees here, by their cash: expected nothing, as insurance.csv has "
        "no row of this time"
    )


def test_everybody_begins_with_the_same():
    told = ["1000,alice,5,10000.0,0.0,10000.0", "1000,bob,-5,9999.0,0.0,9999.0"]
    found = wrong(rates(0, 0), trades=OPENING["trades"], told=told)
    assert found.startswith(
        "performance.csv:3: bob's cash should be 10000 (10000 before, 0 realised, no fees), found 9999.0"
    )
    told = ["1000,alice,5,9999.95,0.0,9999.95", "1000,bob,-5,9990.0,0.0,9990.0"]
    assert wrong(rates(1, 2), trades=OPENING["trades"], told=told) == (
        "performance.csv:3: bob began with 9990.05 or 9990.1, by its cash here, and others with 10000 or 10000.05"
    )


# ------------------------------------------------------------------------------------- liquidations

WOUND_UP = {
    "trades": ["1000,100.0,50,alice,bob"],
    "told": [
        "1000,alice,50,1000.0,0.0,1000.0", "1000,bob,-50,1000.0,0.0,1000.0", "1500,alice,50,1000.0,0.0,950.0",
        "1500,bob,-50,1000.0,0.0,1050.0", "2000,alice,0,0.0,-1030.0,0.0", "2000,bob,0,2030.0,1030.0,2030.0",
    ],
    "forced": ["2000,alice,bankruptcy,sell,50,79.4", "2000,bob,auto_deleverage,buy,50,79.4"],
    "fund": ["1200,30.0", "2000,0.0"],
}  # fmt: skip
"""Alice brought 1,000.00 for 50 lots at 100.00 and cannot be closed above 79.40; of the 1,030.00
the fund pays its 30.00.
"""


def wound_up(**changes: tuple[int, str]) -> dict[str, list[str]]:
    """The same with one row of each named file put in the place of another."""
    rows = {name: list(each) for name, each in WOUND_UP.items()}
    rows["fund"] = rows["fund"][1:]
    for name, (at, row) in changes.items():
        rows[name][at] = row
    return rows


def test_what_the_fund_pays_for_a_bankrupt_is_explained():
    rows = wound_up()
    ledger = read(rates(0, 0), **rows)
    assert (
        ledger.cash.fund,
        ledger.position("bob", "SIM"),
        ledger.traders["bob"].deleveragings,
    ) == (0, 0, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"forced": (1, "2000,bob,auto_deleverage,buy,49,79.4")},
            "liquidations.csv:3: expected auto_deleverage against",
        ),
        (
            {"forced": (0, "2000,alice,auto_deleverage,sell,50,79.4")},
            "liquidations.csv:2: expected bankruptcy",
        ),
        (
            {"forced": (1, "2000,carol,auto_deleverage,buy,50,79.4")},
            "liquidations.csv:3: no row of performance.csv at 2000",
        ),
        (
            {"told": (4, "2000,alice,0,0.01,-1030.0,0.01")},
            "performance.csv:6: alice's cash should be 0 (1000 before",
        ),
        (
            {"told": (5, "2000,bob,0,2030.01,1030.0,2030.01")},
            "performance.csv:7: bob's cash should be 2030 (1000 before",
        ),
        (
            {"told": (5, "2000,bob,0,2030.0,1030.01,2030.0")},
            "performance.csv:7: bob's realized_pnl after liquidations.csv:3",
        ),
    ],
)
def test_a_fault_in_a_bankruptcy_is_found(changes, words):
    assert wrong(rates(0, 0), **wound_up(**changes)).startswith(words)


def test_a_bankruptcy_without_its_other_side():
    rows = wound_up()
    del rows["forced"][1]
    assert wrong(rates(0, 0), **rows) == (
        "liquidations.csv:2: expected a row of auto_deleverage after alice's bankruptcy, found none"
    )


def test_what_accounts_lose_to_the_fund_must_be_told_of_it():
    """20 lots are sold at 87.50 by force; 0.5 % of 1,750.00 is 8.75."""
    trades = ["1000,100.0,50,alice,bob", "2000,87.5,20,carol,alice"]
    told = [
        "1000,alice,50,1000.0,0.0,1000.0", "1000,bob,-50,1000.0,0.0,1000.0",
        "2000,alice,30,741.25,-250.0,381.25", "2000,carol,20,1000.0,0.0,1010.0",
    ]  # fmt: skip
    rows = {
        "trades": trades,
        "told": told,
        "forced": ["2000,alice,maintenance_margin_breach,sell,20,87.5"],
    }
    assert read(rates(0, 0), **rows, fund=["2000,8.75"]).cash.fund == Decimal("8.75")
    assert wrong(rates(0, 0), **rows) == (
        "performance.csv:5: accounts paid 8.75 more than fees here, by their cash: expected nothing, as insurance.csv has "
        "no row of this time"
    )
    assert read(rates(0, 0, 60), **rows, fund=["2000,8.75"]), (
        "a fee may be capped by what was left"
    )
    found = wrong(rates(0, 0, 40), **rows, fund=["2000,8.75"])
    assert found.startswith(
        "performance.csv:4: alice's cash should be 743 to 750 (1000 before, -250 realised, less the fees"
    )
    rows["forced"] = ["2000,alice,maintenance_margin_breach,sell,21,87.5"]
    assert wrong(rates(0, 0), **rows, fund=["2000,8.75"]) == (
        "liquidations.csv:2: alice sold 21 lots, the last at 87.5: no trades of this time add up to that"
    )


def test_the_price_of_a_liquidation_is_that_of_its_last_trade():
    trades = ["1000,100.0,50,alice,bob", "2000,87.5,20,carol,alice"]
    forced = ["2000,alice,maintenance_margin_breach,sell,20,87.6"]
    found = wrong(
        rates(0, 0),
        trades=trades,
        told=["1000,alice,50,1.0,0.0,1.0", "1000,bob,-50,1.0,0.0,1.0"],
        forced=forced,
    )
    assert found.startswith("liquidations.csv:2: alice sold 20 lots, the last at 87.6")


def test_who_has_less_than_nothing_and_no_position_ends_with_nothing():
    """Alice has 10.00 and loses 15.00 with her last lots; the fund has 20.00 and pays 5.00."""
    trades = ["1000,100.0,5,alice,bob", "2000,97.0,5,bob,alice"]
    told = [
        "1000,alice,5,10.0,0.0,10.0", "1000,bob,-5,10.0,0.0,10.0", "2000,alice,0,-5.0,-15.0,-5.0", "2000,bob,0,25.0,15.0,25.0",
        "3000,alice,0,0.0,-15.0,0.0",
    ]  # fmt: skip
    assert (
        read(rates(0, 0), trades=trades, told=told, fund=["3000,15.0"]).cash.held("alice") == 0
    )
    told[4] = "3000,alice,0,1.0,-15.0,1.0"
    assert "alice's cash should be -5 (-5 before" in wrong(
        rates(0, 0), trades=trades, told=told, fund=["3000,14.0"]
    )


def test_a_deleveraging_and_a_trade_of_one_millisecond_may_have_come_in_either_order():
    """Bob is short 5 for 0.52. Closing 2 by force and then 1 releases 0.20 + 0.10, the other way
    round 0.10 + 0.21.
    """
    trades = ["1000,0.1,3,dave,bob", "1000,0.11,2,alice,bob", "2000,0.1,1,bob,carol"]
    forced = ["2000,alice,bankruptcy,sell,2,0.1", "2000,bob,auto_deleverage,buy,2,0.1"]
    told = [
        "1000,dave,3,1.0,0.0,1.0", "1000,alice,2,1.0,0.0,0.98", "1000,bob,-5,1.0,0.0,1.02", "2000,alice,0,0.0,-0.02,0.0",
        "2000,bob,-2,{0},{1},{2}", "2000,carol,-1,1.0,0.0,1.0",
    ]  # fmt: skip
    for figures in (("1.0", "0.0", "1.02"), ("1.01", "0.01", "1.02")):
        assert (
            read(
                trades=trades, forced=forced, told=[row.format(*figures) for row in told]
            ).position("bob", "SIM")
            == -2
        )
    assert "should be" in wrong(
        trades=trades, forced=forced, told=[row.format("1.02", "0.02", "1.02") for row in told]
    )


def test_which_of_a_trade_and_a_deleveraging_cost_a_fee_is_left_open_within_a_millisecond():
    """Bob is deleveraged without a fee, then buys at the same price for 1.20; both could have come first."""
    rows = wound_up()
    rows["trades"].append("2000,79.4,50,bob,carol")
    rows["told"] += ["2000,bob,50,2028.8,1030.0,2008.8", "2000,carol,-50,1000.0,0.0,1020.0"]
    rows["told"][:4] = ["1000,alice,50,998.5,0.0,998.5", "1000,bob,-50,1000.0,0.0,1000.0"]
    assert read(rates(0, 3), **rows).cash.held("bob") == Decimal("2028.8")
    rows["told"][-2] = "2000,bob,50,2028.7,1030.0,2008.7"
    assert "bob's cash should be 2028.8 to 2030" in wrong(rates(0, 3), **rows)


def test_the_fund_moves_by_what_accounts_paid():
    rows = wound_up()
    rows["fund"] = ["1000,30.0", "2000,0.01"]
    assert wrong(rates(0, 0), **rows) == "insurance.csv:3: cash should be 0, found 0.01"
    rows["fund"] = ["2000,0.0", "2000,0.0"]
    assert (
        wrong(rates(0, 0), **rows)
        == "insurance.csv:3: expected another cash than in the row before, found 0.0 again"
    )


# ------------------------------------------------------------------------------- equity, settlement


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (["2000,alice,5,10000.0,0.0,10005.01"], "alice's 5 lots are worth 505.01 by total_equity 10005.01: expected a mark"),
        (["2000,alice,5,10000.0,0.0,10005.0", "2000,bob,-5,10000.0,0.0,9990.0"],
         "by total_equity 9990.0 the mark of this time was 102, by performance.csv:4 it was 101"),
        (["2000,alice,5,10000.0,0.0,10000.0"], "expected no row of alice here: it had no trade, and nothing else moved"),
        (["2000,carol,0,10000.0,0.0,10000.0"], "expected no row of carol here"),
        (["2000,alice,5,10000.0,0.0,9000.0"], "alice's 5 lots are worth -500 by total_equity 9000.0"),
    ],
)  # fmt: skip
def test_an_equity_that_cannot_be(told, words):
    assert words in wrong(rates(0, 0), **after_opening(told=told))


def test_both_sides_of_a_trade_are_told_at_one_mark():
    trades, told = (
        ["2000,100.0,1,alice,bob"],
        ["2000,alice,6,10000.0,0.0,10000.0", "2000,bob,-6,10000.0,0.0,9994.0"],
    )
    assert wrong(**after_opening(trades=trades, told=told)) == (
        "performance.csv:5: by total_equity 9994.0 the mark of trades.csv:3 was 101, by performance.csv:4 it was 100"
    )


def test_a_flat_account_is_worth_its_cash():
    trades, told = (
        ["2000,101.0,5,bob,alice"],
        ["2000,alice,0,10005.0,5.0,10005.01", "2000,bob,0,9995.0,-5.0,9995.0"],
    )
    assert wrong(**after_opening(trades=trades, told=told)) == (
        "performance.csv:4: total_equity of a flat account should be its cash 10005.0, found 10005.01"
    )


def test_a_settlement_leaves_everybody_flat_at_one_price():
    told = ["2000,alice,0,10013.3,13.3,10013.3", "2000,bob,0,9986.7,-13.3,9986.7"]
    ledger = read(**after_opening(told=told))
    assert list(summary(ledger))[-1] == "settlement: SIM at 102.66 (performance.csv:4)"
    told[1] = "2000,bob,0,9986.71,-13.29,9986.71"
    assert wrong(**after_opening(told=told)).startswith(
        "performance.csv:5: bob's realized_pnl after a settlement at 102.66"
    )


def test_a_settlement_is_at_the_price_of_the_results():
    terms = {"SIM": Terms(settlement=Decimal("102.65"))}
    told = ["2000,alice,0,10013.3,13.3,10013.3", "2000,bob,0,9986.7,-13.3,9986.7"]
    assert "should be 13.25, found 13.3" in wrong(terms, **after_opening(told=told))


def test_nothing_trades_after_a_settlement():
    told = ["2000,alice,0,10013.3,13.3,10013.3", "2000,bob,0,9986.7,-13.3,9986.7"]
    assert wrong(**after_opening(trades=["3000,100.0,1,alice,bob"], told=told)).startswith(
        "trades.csv:3: expected no trade after performance.csv:4, where everybody went flat without a trade"
    )


# ------------------------------------------------------------------------------ several instruments


def two_instruments(told_oil: list[str]) -> Ledger:
    """Alice buys 5 SIM and, in the same millisecond, 1 OIL of ten units."""
    terms = {
        symbol: Terms(tick=Decimal("0.01"), lot=lot, rates=Rates(0, 10, 0))
        for symbol, lot in (("SIM", 1), ("OIL", 10))
    }
    told_sim = ["1000,alice,5,9999.5,0.0,9999.5", "1000,bob,-5,10000.0,0.0,10000.0"]
    sheets = [
        Sheet(KINDS[name], f"{symbol}/{KINDS[name]}", symbol, 2, rows)
        for symbol, name, rows in [
            ("SIM", "trades", OPENING["trades"]), ("SIM", "told", told_sim), ("OIL", "trades", ["1000,20.0,1,alice,bob"]),
            ("OIL", "told", told_oil),
        ]
    ]  # fmt: skip
    ledger = Ledger(terms)
    ledger.read(sheets)
    return ledger


def test_cash_is_judged_at_the_end_of_a_millisecond_that_touched_several_instruments():
    ledger = two_instruments(
        ["1000,alice,1,9999.3,0.0,9999.3", "1000,bob,-1,10000.0,0.0,10000.0"]
    )
    assert ledger.position("alice", "OIL") == 1
    assert "left open" in "\n".join(summary(ledger))


def test_a_row_may_tell_the_same_equity_again_when_others_lie_between_them():
    """Alice's SIM is told at 100, at 101 with an OIL trade in the same millisecond, and at 100
    again when she has no OIL left.
    """
    rows = {
        "SIM/trades.csv": OPENING["trades"],
        "SIM/performance.csv": ["1000,alice,5,1.0,0.0,1.0", "1000,bob,-5,1.0,0.0,1.0", "2000,alice,5,1.0,0.0,6.0",
                                "3000,alice,5,1.0,0.0,11.0", "4000,alice,5,1.0,0.0,1.0"],
        "OIL/trades.csv": ["2000,20.0,1,alice,bob", "3000,20.0,1,bob,alice"],
        "OIL/performance.csv": ["2000,alice,1,1.0,0.0,6.0", "2000,bob,-1,1.0,0.0,-4.0", "3000,alice,0,1.0,0.0,11.0",
                                "3000,bob,0,1.0,0.0,-9.0"],
    }  # fmt: skip
    ledger = Ledger({"SIM": Terms(), "OIL": Terms()})
    ledger.read([Sheet(name[4:], name, name[:3], 2, lines) for name, lines in rows.items()])
    assert ledger.position("alice", "SIM") == 5


def test_a_realised_pnl_counts_lots_at_their_size():
    terms = {"OIL": Terms(tick=Decimal("0.25"), lot=Decimal(10), rates=Rates(0, 0, 0))}
    trades = ["1000,20.0,1,alice,bob", "2000,20.25,1,bob,alice"]
    told = ["1000,alice,1,900.0,0.0,900.0", "1000,bob,-1,900.0,0.0,900.0", "2000,bob,0,897.5,-2.5,897.5",
            "2000,alice,0,902.5,2.5,902.5"]  # fmt: skip
    assert read(terms, trades=trades, told=told).holdings["alice", "OIL"].realized == Decimal(
        "2.5"
    )
    assert "should be -0.25, found -2.5" in wrong(trades=trades, told=told)
