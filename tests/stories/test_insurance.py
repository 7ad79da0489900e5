"""The insurance fund: it gets the liquidation fees and what a bankrupt account leaves, pays what
such an account lacks as far as it can, and owes what nobody could bear.

Alice has 1,000.00 and is long 50 from 100.00: at 79.00 she is 50.00 below zero, 1.00 a lot.
"""

from __future__ import annotations

import pytest

from botpit.core.events import InsuranceUpdate

BOTH = ({"symbol": "SIM"}, {"symbol": "OIL"})


def opened(open_market, **rules):
    market = open_market(*BOTH, starting_cash="0", **rules)
    market.alice.brings("1000")
    for each in (market.bob, market.dave):
        each.brings("1000000")
    market.alice.buys_from(market.dave, 50, "100.00")
    return market


# ------------------------------------------------------------------------------------- what it gets


def test_it_begins_with_what_the_setting_says(open_market):
    market = open_market(insurance_fund="250.50")
    market.alice.logs_in()
    assert (market.insurance, market.paid_in) == ("250.50", "10250.50")


def test_it_gets_the_liquidation_fees(open_market):
    market = opened(open_market, insurance_fund="30")
    market.operator.marks("88.00")
    market.bob.buys(29, at="87.50")
    market.ticks()
    assert market.told[-1] == "insurance 42.69"


def test_it_gets_what_a_bankrupt_account_leaves(open_market):
    """30.00 paid, and 20.00 - 0.49 missing for 50 lots: 0.3902 a lot, closed at 0.40 better than the mark."""
    market = opened(open_market, insurance_fund="30")
    market.operator.pays_in(market.alice, "0.49")
    assert market.judged_at("79.00") == [
        "alice sells 50 at 79.40: bankruptcy",
        "dave buys 50 at 79.40: auto_deleverage",
        "alice is bankrupt",
        "insurance 0.49",
    ]


# ------------------------------------------------------------------------------------- what it pays


@pytest.mark.parametrize(
    ("fund", "price", "left"),
    [
        ("0.00", "80.00", []),
        ("30.00", "79.40", ["insurance 0.00"]),
        ("50.00", "79.00", ["insurance 0.00"]),
        ("80.00", "79.00", ["insurance 30.00"]),
    ],
)
def test_it_pays_what_the_account_lacks_and_at_most_what_it_has(open_market, fund, price, left):
    """And before the price is made at which the account is closed."""
    assert opened(open_market, insurance_fund=fund).judged_at("79.00") == [
        f"alice sells 50 at {price}: bankruptcy",
        f"dave buys 50 at {price}: auto_deleverage",
        "alice is bankrupt",
        *left,
    ]


def test_it_pays_nothing_for_an_account_that_has_something_left(open_market):
    market = opened(open_market, insurance_fund="80")
    assert market.judged_at("80.01") == ["alice is frozen"]


def test_the_first_on_the_list_gets_it_first(open_market):
    """Alice lacks 50.00 for 395.00 of margin, erin 40.00: of 60.00 she gets what is left, and 30.00
    are 0.60 a lot.
    """
    market = opened(open_market, insurance_fund="60")
    market.erin.brings("1010")
    market.erin.buys_from(market.dave, 50, "100.00")
    assert market.judged_at("79.00") == [
        "alice sells 50 at 79.00: bankruptcy",
        "dave buys 50 at 79.00: auto_deleverage",
        "alice is bankrupt",
        "erin sells 50 at 79.60: bankruptcy",
        "dave buys 50 at 79.60: auto_deleverage",
        "erin is bankrupt",
        "insurance 0.00",
    ]


def in_debt(market):
    """Carol, short 50 from 66.00, has 460.00 of 350.00 when the mark is 70.00, and alice is 10.00 a
    lot below zero. Carol bears 110.00 / (10.00 - 7.00), 36 lots; the other 14 cost insurance
    140.00.
    """
    market.carol.brings("660")
    market.operator.marks("66.00")
    market.dave.buys_from(market.carol, 50, "66.00")
    assert market.judged_at("70.00")[-1] == "insurance -140.00"
    return market


def test_what_nobody_can_bear_it_owes(open_market):
    market = in_debt(opened(open_market))
    assert (market.insurance, market.paid_in) == ("-140.00", "2001660.00")


def test_while_it_owes_it_pays_nothing(open_market):
    """Erin is 50.00 below zero at 55.00, 1.00 a lot."""
    market = in_debt(opened(open_market))
    market.erin.brings("700")
    market.erin.buys_from(market.dave, 50, "70.00")
    assert market.judged_at("55.00") == [
        "erin sells 50 at 56.00: bankruptcy",
        "dave buys 50 at 56.00: auto_deleverage",
        "erin is bankrupt",
    ]


def test_fees_pay_its_debt_off(open_market):
    market = in_debt(opened(open_market))
    market.erin.brings("700")
    market.erin.buys_from(market.dave, 50, "70.00")
    market.operator.marks("61.00")  # 250.00 of 305.00, and 610.00 needed
    market.bob.buys(1, at="60.00")
    market.ticks()
    assert market.told[-2:] == ["erin is frozen", "insurance -139.70"]


# ----------------------------------------------------------------------------------- how it is told


def test_it_is_told_once_at_the_end(open_market):
    """Erin's turn is first: 12.69 of the fund. Then alice's 29 lots pay 12.69 for being liquidated,
    and carol's 10 lots 4.38.
    """
    market = opened(open_market, insurance_fund="20")
    for person, cash, qty, symbol in (
        (market.erin, "1037.31", 50, "OIL"),
        (market.carol, "360", 18, "SIM"),
    ):
        person.brings(cash)
        person.buys_from(market.dave, qty, "100.00", of=symbol)
    market.operator.marks("79.00", of="OIL")
    market.operator.marks("88.00")
    market.bob.buys(29 + 10, at="87.50")
    market.ticks()
    assert market.liquidations[0] == "erin sells 50 OIL at 79.00: bankruptcy"
    assert market.liquidations[2:] == [
        "alice sells 29 at 87.50: maintenance_margin_breach",
        "carol sells 10 at 87.50: maintenance_margin_breach",
    ]
    assert [each.cash for each in market.events if isinstance(each, InsuranceUpdate)] == [24_38]
    assert market.last[-1] == "insurance 24.38"


def test_what_went_out_and_came_back_in_one_tick_is_not_told(open_market):
    market = opened(open_market, insurance_fund="12.69")
    market.erin.brings("1037.31")
    market.erin.buys_from(market.dave, 50, "100.00", of="OIL")
    market.operator.marks("79.00", of="OIL")
    market.operator.marks("88.00")
    market.bob.buys(29, at="87.50")
    market.ticks()
    assert [each for each in market.statuses if each.startswith("erin")] == ["erin is bankrupt"]
    assert market.liquidations[-1] == "alice sells 29 at 87.50: maintenance_margin_breach"
    assert (market.insurance, market.told[-1]) == (
        "12.69",
        "alice sells 29 at 87.50: maintenance_margin_breach",
    )


def test_the_houses_accounts_have_no_position_updates(open_market):
    market = opened(open_market, insurance_fund="12.69", maker_fee_bps=10)
    market.operator.marks("88.00")
    market.bob.buys(29, at="87.50")
    market.ticks()
    assert (market.insurance, market.exchange.fees > 0) == ("25.38", True)
    assert not [each for each in market.events if getattr(each, "trader", "").startswith("@")]
