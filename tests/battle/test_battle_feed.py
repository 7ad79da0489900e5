"""A battle's feed: what it counts, what it asks for so that nothing is missed, and what it knows
that it missed.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from botpit.battle.feed import BattleFeed
from botpit.battle.ranking import trader_results
from tests.processes.feed_messages import (
    error,
    forced,
    of_the_house,
    position,
    resumed,
    snapshot,
    subscribed,
    told,
    trade,
)


def joined(*args: Any, **options: Any) -> BattleFeed:
    """A round's feed that has asked for the market."""
    feed = BattleFeed(*args, **options)
    assert [request(text)["type"] for text in feed.opening()] == ["subscribe"]
    return feed


def test_trades_that_nobody_told_us_are_counted_as_unseen() -> None:
    feed = joined()
    assert feed.received(told(snapshot(trades=10), trade(11))) == []
    assert feed.received(told(trade(13)))
    assert feed.received(told(snapshot(trades=15), trade(16))) == []
    result = feed.result({})
    assert (result.trades, result.unseen_trades, result.volume, result.market_id) == (
        6,
        3,
        6,
        "m1",
    )
    assert result.trades_before == 10


def test_a_market_that_takes_the_place_of_another_is_counted_from_its_beginning() -> None:
    feed = joined({"alice": 9_000.0}, newcomers=10_000.0)
    feed.received(told(snapshot(trades=10), trade(11)))
    feed.received(
        told(snapshot(position("alice", 10_004.0), trades=4, market_id="m2"), trade(5))
    )
    result = feed.result({})
    assert (result.trades, result.unseen_trades, result.trades_before, result.market_id) == (
        5,
        4,
        0,
        "m2",
    )
    assert feed.equities.gain("alice") == 4.0, (
        "whoever is in a market that began while we watched began it as a newcomer"
    )


def test_liquidations_deleveragings_and_the_fund_are_in_the_result_and_so_are_those_that_nobody_told_us() -> (
    None
):
    feed = joined()
    before, after = (
        {"channel_seq": {"liquidations": {"SIM": number, "": 50}}} for number in (10, 16)
    )
    feed.received(
        told(
            snapshot() | before,
            forced(11, "alice"),
            forced(12, "bob", "auto_deleverage"),
            forced(13, "alice"),
        )
    )
    feed.received(told(of_the_house("insurance_update", 51, cash=-7.5), snapshot() | after))
    result = feed.result({})
    assert (
        result.liquidations,
        result.deleveragings,
        result.unseen_liquidations,
        result.insurance_cash,
    ) == (2, 1, 3, -7.5)
    feed.received(told(snapshot(market_id="m2") | before))
    result = feed.result({})
    assert (
        result.liquidations,
        result.deleveragings,
        result.unseen_liquidations,
        result.insurance_cash,
    ) == (0, 0, 10, None)


def test_the_result_has_the_terms_of_trading_and_the_prices_of_the_settlement() -> None:
    feed = joined()
    feed.received(told(snapshot()))
    result = feed.result({"SIM": 101.5})
    assert result.settlement == {"SIM": 101.5}
    terms = result.instruments["SIM"]
    assert (
        terms.tick,
        terms.lot,
        terms.maker_fee_bps,
        terms.taker_fee_bps,
        terms.liquidation_fee_bps,
    ) == (0.01, 1.0, -1, 5, 50)


# --------------------------------------------------------------------------------- what it asks for


def request(text: str) -> dict[str, Any]:
    return json.loads(text)


def test_a_look_asks_for_all_that_happened_since_and_loses_nothing() -> None:
    feed = joined()
    assert [request(text)["type"] for text in feed.ask("now")] == ["subscribe"], (
        "there is nothing to go on from"
    )
    feed.received(told(snapshot(trades=10), trade(11)))
    asked = request(feed.ask("later")[0])
    assert (asked["type"], asked["from_seq"], asked["market_id"]) == ("resume", 12, "m1")
    assert not feed.answered
    feed.received(told(resumed("later", 12), trade(12), trade(13), snapshot(trades=13)))
    assert feed.answered
    assert feed.result({}).unseen_trades == 0 and feed.statistics.trades_by_trader["alice"] == 3


def test_only_the_snapshot_after_its_own_answer_is_the_answer() -> None:
    feed = joined()
    feed.received(told(snapshot()))
    feed.ask("at the end")
    feed.received(told(subscribed("first"), snapshot()))
    assert not feed.answered
    feed.received(told(resumed("at the end"), trade(1)))
    assert not feed.answered
    feed.received(told(snapshot(trades=1)))
    assert feed.answered


def test_on_a_new_connection_the_missed_past_comes_first_and_nothing_is_unseen() -> None:
    feed = joined()
    assert [request(text)["type"] for text in feed.opening()] == ["subscribe"]
    feed.received(told(snapshot(trades=10), trade(11)))
    first, second = map(request, feed.opening())
    assert (first["type"], first["channels"], first["batch"]) == (
        "subscribe",
        ["trades", "positions", "liquidations"],
        True,
    )
    assert (second["type"], second["from_seq"], second["market_id"]) == ("resume", 12, "m1")
    assert feed.received(told(snapshot(trades=13), trade(14))) == []
    assert feed.received(told(subscribed(first["request_id"]), snapshot(trades=14))) == []
    past = trade(12), trade(13), trade(14)
    assert (
        feed.received(
            told(resumed(second["request_id"], 12), *past, snapshot(trades=14), trade(15))
        )
        == []
    )
    result = feed.result({})
    assert (result.trades, result.unseen_trades) == (5, 0)


def test_a_past_that_is_not_kept_any_more_is_counted_as_unseen_and_a_look_is_answered_all_the_same() -> (
    None
):
    feed = joined()
    feed.received(told(snapshot(trades=10), trade(11)))
    again = request(feed.opening()[1])["request_id"]
    feed.ask("at the end")
    asked, *rest = map(
        request, feed.received(told(snapshot(trades=14), error(again, "too_old")))
    )
    assert (asked["type"], rest) == ("subscribe", []), "it asks for a fresh start"
    assert (
        feed.received(told(subscribed(asked["request_id"]), snapshot(trades=15), trade(16)))
        == []
    )
    assert (feed.result({}).unseen_trades, feed.answered) == (4, True)


def test_what_is_refused_beside_a_resume_changes_nothing() -> None:
    feed = joined()
    feed.received(told(snapshot(trades=10)))
    assert feed.received(told(error("something else", "rate_limited"), trade(11))) == []
    assert feed.result({}).unseen_trades == 0


@pytest.mark.parametrize(("status", "lots"), [("open", 5), ("closed", 0)])
def test_it_knows_when_a_market_is_closed_and_everybody_flat(status: str, lots: int) -> None:
    feed = joined()
    assert not feed.is_closed, "there is none yet"
    feed.received(
        told(
            snapshot(
                position("alice", 1.0, lots=lots),
                position("bob", 1.0, lots=-lots),
                status=status,
            )
        )
    )
    assert (feed.is_closed, feed.is_flat) == (status == "closed", lots == 0)


# ----------------------------------------------------------------------------- where a trader began


def test_a_gain_counts_from_the_account_else_from_first_sight_else_from_a_new_account_s_cash() -> (
    None
):
    feed = joined({"alice": 12_000.0}, newcomers=5_000.0)
    feed.received(told(snapshot(position("alice", 12_010.0), position("stranger", 8_000.0))))
    updates = {"alice": 12_030.0, "stranger": 8_001.0, "late": 5_002.0}
    feed.received(
        told(
            *(
                position(name, equity, number=n)
                for n, (name, equity) in enumerate(updates.items(), 1)
            )
        )
    )
    gains = {
        row.trader_id: (row.rank, row.gain, row.total_equity) for row in trader_results(feed)
    }
    assert gains == {
        "alice": (1, 30.0, 12_030.0),
        "late": (2, 2.0, 5_002.0),
        "stranger": (3, 1.0, 8_001.0),
    }


def test_a_newcomer_of_unknown_cash_counts_from_first_sight() -> None:
    feed = joined()
    feed.received(
        told(
            snapshot(), position("late", 5_002.0, number=1), position("late", 5_000.0, number=2)
        )
    )
    assert feed.equities.gain("late") == -2.0


def test_an_equity_that_the_mirror_has_already_is_no_fall() -> None:
    feed = joined({"alice": 10_000.0}, 10_000.0)
    feed.received(told(snapshot(), position("alice", 10_050.0, number=2)))
    feed.received(told(position("alice", 9_000.0, number=1)))
    assert feed.equities.max_drawdown("alice") == 0.0
