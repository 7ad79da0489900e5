"""A battle's spectator: what it counts, what it asks for so that nothing is missed, and what it knows that it missed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from botpit.battle.feed import Spectator
from botpit.battle.ranking import trader_results
from tests.battle_stage import error, forced, of_the_house, position, resumed, snapshot, subscribed, told, trade


def test_trades_that_nobody_told_us_are_counted_as_unseen() -> None:
    spectator = Spectator()
    assert spectator.received(told(snapshot(trades=10), trade(11)))
    assert not spectator.received(told(trade(13)))
    assert spectator.received(told(snapshot(trades=15), trade(16)))
    result = spectator.result({})
    assert (result.trades, result.unseen_trades, result.volume, result.market_id) == (6, 3, 6, "m1")
    assert result.trades_before == 10


def test_a_market_that_takes_the_place_of_another_is_counted_from_its_beginning() -> None:
    spectator = Spectator({"alice": 9_000.0}, newcomers=10_000.0)
    spectator.received(told(snapshot(trades=10), trade(11)))
    spectator.received(told(snapshot(position("alice", 10_004.0), trades=4, market_id="m2"), trade(5)))
    result = spectator.result({})
    assert (result.trades, result.unseen_trades, result.trades_before, result.market_id) == (5, 4, 0, "m2")
    assert spectator.equities.gain("alice") == 4.0, "whoever is in a market that began while we watched began it as a newcomer"


def test_liquidations_deleveragings_and_the_fund_are_in_the_result_and_so_are_those_that_nobody_told_us() -> None:
    spectator = Spectator()
    before, after = ({"channel_seq": {"liquidations": {"SIM": number, "": 50}}} for number in (10, 16))
    spectator.received(told(snapshot() | before, forced(11, "alice"), forced(12, "bob", "auto_deleverage"), forced(13, "alice")))
    spectator.received(told(of_the_house("insurance_update", 51, cash=-7.5), snapshot() | after))
    result = spectator.result({})
    assert (result.liquidations, result.deleveragings, result.unseen_liquidations, result.insurance_cash) == (2, 1, 3, -7.5)
    spectator.received(told(snapshot(market_id="m2") | before))
    result = spectator.result({})
    assert (result.liquidations, result.deleveragings, result.unseen_liquidations, result.insurance_cash) == (0, 0, 10, None)


def test_the_result_has_the_terms_of_trading_and_the_prices_of_the_settlement() -> None:
    spectator = Spectator()
    spectator.received(told(snapshot()))
    result = spectator.result({"SIM": 101.5})
    assert result.settlement == {"SIM": 101.5}
    terms = result.instruments["SIM"]
    assert (terms.tick, terms.lot, terms.maker_fee_bps, terms.taker_fee_bps, terms.liquidation_fee_bps) == (0.01, 1.0, -1, 5, 50)


# ----------------------------------------------------------------------------------------------------------- what it asks for


def request(text: str) -> dict[str, Any]:
    return json.loads(text)


def test_a_look_asks_for_all_that_happened_since_and_loses_nothing() -> None:
    spectator = Spectator()
    assert request(spectator.ask("now"))["type"] == "subscribe", "there is nothing to go on from"
    spectator.received(told(snapshot(trades=10), trade(11)))
    asked = request(spectator.ask("later"))
    assert (asked["type"], asked["from_seq"], asked["market_id"]) == ("resume", 12, "m1")
    assert not spectator.answered
    spectator.received(told(resumed("later", 12), trade(12), trade(13), snapshot(trades=13)))
    assert spectator.answered
    assert spectator.result({}).unseen_trades == 0 and spectator.mirror.trades_by_trader["alice"] == 3


def test_only_the_snapshot_after_its_own_answer_is_the_answer() -> None:
    spectator = Spectator()
    spectator.received(told(snapshot()))
    spectator.ask("at the end")
    spectator.received(told(subscribed("first"), snapshot()))
    assert not spectator.answered
    spectator.received(told(resumed("at the end"), trade(1)))
    assert not spectator.answered
    spectator.received(told(snapshot(trades=1)))
    assert spectator.answered


def test_on_a_new_connection_the_missed_past_comes_first_and_nothing_is_unseen() -> None:
    spectator = Spectator()
    assert [request(text)["type"] for text in spectator.opening()] == ["subscribe"]
    spectator.received(told(snapshot(trades=10), trade(11)))
    first, second = map(request, spectator.opening())
    assert (first["type"], first["channels"], first["batch"]) == ("subscribe", ["trades", "positions", "liquidations"], True)
    assert (second["type"], second["from_seq"], second["market_id"]) == ("resume", 12, "m1")
    assert spectator.received(told(snapshot(trades=13), trade(14)))
    assert spectator.received(told(subscribed(first["request_id"]), snapshot(trades=14)))
    past = trade(12), trade(13), trade(14)
    assert spectator.received(told(resumed(second["request_id"], 12), *past, snapshot(trades=14), trade(15)))
    result = spectator.result({})
    assert (result.trades, result.unseen_trades) == (5, 0)


def test_a_past_that_is_not_kept_any_more_is_counted_as_unseen_and_a_look_is_answered_all_the_same() -> None:
    spectator = Spectator()
    spectator.received(told(snapshot(trades=10), trade(11)))
    again = request(spectator.opening()[1])["request_id"]
    spectator.ask("at the end")
    assert not spectator.received(told(snapshot(trades=14), error(again, "too_old"))), "it asks for a fresh start"
    asked = request(spectator.subscribe())
    assert spectator.received(told(subscribed(asked["request_id"]), snapshot(trades=15), trade(16)))
    assert (spectator.result({}).unseen_trades, spectator.answered) == (4, True)


def test_what_is_refused_beside_a_resume_changes_nothing() -> None:
    spectator = Spectator()
    spectator.received(told(snapshot(trades=10)))
    assert spectator.received(told(error("something else", "rate_limited"), trade(11)))
    assert spectator.result({}).unseen_trades == 0


@pytest.mark.parametrize(("status", "lots"), [("open", 5), ("closed", 0)])
def test_it_knows_when_a_market_is_closed_and_everybody_flat(status: str, lots: int) -> None:
    spectator = Spectator()
    assert not spectator.is_closed, "there is none yet"
    spectator.received(told(snapshot(position("alice", 1.0, lots=lots), position("bob", 1.0, lots=-lots), status=status)))
    assert (spectator.is_closed, spectator.is_flat) == (status == "closed", lots == 0)


# --------------------------------------------------------------------------------------------------- where a trader began


def test_a_gain_counts_from_the_account_else_from_first_sight_else_from_a_new_account_s_cash() -> None:
    spectator = Spectator({"alice": 12_000.0}, newcomers=5_000.0)
    spectator.received(told(snapshot(position("alice", 12_010.0), position("stranger", 8_000.0))))
    updates = {"alice": 12_030.0, "stranger": 8_001.0, "late": 5_002.0}
    spectator.received(told(*(position(name, equity, number=n) for n, (name, equity) in enumerate(updates.items(), 1))))
    gains = {row.trader_id: (row.rank, row.gain, row.total_equity) for row in trader_results(spectator)}
    assert gains == {"alice": (1, 30.0, 12_030.0), "late": (2, 2.0, 5_002.0), "stranger": (3, 1.0, 8_001.0)}


def test_a_newcomer_of_unknown_cash_counts_from_first_sight() -> None:
    spectator = Spectator()
    spectator.received(told(snapshot(), position("late", 5_002.0, number=1), position("late", 5_000.0, number=2)))
    assert spectator.equities.gain("late") == -2.0


def test_an_equity_that_the_mirror_has_already_is_no_fall() -> None:
    spectator = Spectator({"alice": 10_000.0}, 10_000.0)
    spectator.received(told(snapshot(), position("alice", 10_050.0, number=2)))
    spectator.received(told(position("alice", 9_000.0, number=1)))
    assert spectator.equities.max_drawdown("alice") == 0.0
