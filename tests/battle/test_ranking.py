"""A battle's figures: gains and drawdowns, ranks, totals over rounds, and results.json as the
documentation says it.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from botpit.battle.config import parse_battle
from botpit.battle.equity import Equities
from botpit.battle.feed import BattleFeed
from botpit.battle.ranking import totals, trader_results
from botpit.battle.reports import BotReport
from botpit.battle.results import (
    BattleSettings,
    BotResult,
    InstrumentTerms,
    Latency,
    MarketResult,
    RestartResult,
    Results,
    RoundResult,
    TotalResult,
    TraderResult,
)
from botpit.battle.standings import Standing, ranked
from tests.docs.page import SPEC, Page, code, differences
from tests.processes.feed_messages import forced, of_the_house, position, snapshot, told, trade


def seen(*equities: float, began: float = 100.0) -> Equities:
    curve = Equities({"alice": began}, None)
    for equity in equities:
        curve.see("alice", equity, newcomer=False)
    return curve


@pytest.mark.parametrize(
    ("equities", "gain", "drawdown"),
    [
        ((), 0.0, 0.0),
        ((101.0, 103.0), 3.0, 0.0),
        ((99.0, 98.5), -1.5, 1.5),
        ((110.0, 90.0, 120.0, 105.0), 5.0, 20.0),
        ((110.0, 105.0, 111.0, 103.0), 3.0, 8.0),
        ((100.1, 100.3), 0.3, 0.0),
    ],
)
def test_a_drawdown_is_the_deepest_fall_below_an_earlier_best(
    equities: tuple[float, ...], gain: float, drawdown: float
) -> None:
    curve = seen(*equities)
    assert (curve.gain("alice"), curve.max_drawdown("alice")) == (gain, drawdown)


def test_what_was_before_the_end_of_the_warm_up_does_not_count() -> None:
    curve = seen(150.0, 50.0)
    curve.start_over()
    assert (curve.gain("alice"), curve.max_drawdown("alice")) == (0.0, 0.0)
    curve.see("alice", 45.0, newcomer=False)
    curve.see("alice", 60.0, newcomer=False)
    assert (curve.gain("alice"), curve.max_drawdown("alice")) == (10.0, 5.0)


def test_who_comes_after_the_warm_up_counts_from_where_he_began() -> None:
    curve = Equities({}, 100.0)
    curve.start_over()
    curve.see("late", 90.0, newcomer=True)
    assert (curve.gain("late"), curve.max_drawdown("late")) == (-10.0, 10.0)


def test_equal_is_equal_rank() -> None:
    rows = [Standing(trader_id=name, cash=0, realized_pnl=0, unrealized_pnl=0, total_equity=equity)
            for name, equity in (("bob", 9.0), ("alice", 10.0), ("al", 9.0), ("zoe", 1.0))]  # fmt: skip
    assert [(rank, row.trader_id) for rank, row in ranked(rows, by=lambda row: row.total_equity)] == [
        (1, "alice"), (2, "al"), (2, "bob"), (4, "zoe"),
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------- one round

REPORT = {
    "format": 1, "trader_id": "alice", "market_id": "m1", "account_seq": 9, "sent": 12, "accepted": 9,
    "rejected": {"price_band": 3}, "cancel_rejected": {"unknown_order": 2},
    "fills": 4, "maker_fills": 1, "filled_qty": 9, "maker_qty": 3, "fees": -1.25,
    "callback_errors": 0, "slow_callbacks": 0,
    "latency_us": {"count": 12, "p50": 800.5, "p99": 2_100, "max": 2_500.0, "buckets": [[840.0, 11], [2_600.0, 1]]},
}  # fmt: skip


def joined(*args: Any, **options: Any) -> BattleFeed:
    """A round's feed that has asked for the market."""
    feed = BattleFeed(*args, **options)
    feed.opening()
    return feed


def round_of_alice_bob_and_carol() -> BattleFeed:
    """Alice makes 2 lots and takes 6, the rest are bob's; carol, a bot, does not trade."""
    feed = joined({"alice": 9_000.0, "carol": 10_000.0}, 10_000.0)
    feed.received(told(snapshot(trades=7), trade(8, aggressor="sell"), trade(9, qty=6)))
    bob, alice = (
        position("bob", 10_010.0, lots=-8, number=1),
        position("alice", 9_020.0, lots=8, unrealized=20.0, number=2),
    )
    feed.received(told(*({**each, "seq": 9 + each["seq"]} for each in (bob, alice))))
    return feed


def test_a_round_s_rows_rank_by_gain_and_have_bots_that_did_not_trade() -> None:
    rows = trader_results(round_of_alice_bob_and_carol())
    assert [(row.rank, row.trader_id, row.gain, row.total_equity) for row in rows] == [
        (1, "alice", 20.0, 9_020.0), (2, "bob", 10.0, 10_010.0), (3, "carol", 0.0, 10_000.0),
    ]  # fmt: skip
    alice, bob, carol = rows
    assert (alice.volume, alice.trades, alice.maker_share, alice.positions) == (
        8,
        2,
        0.25,
        {"SIM": 8},
    )
    assert (bob.volume, bob.trades, bob.maker_share) == (8, 2, 0.75)
    assert (carol.volume, carol.trades, carol.maker_share, carol.positions, carol.status) == (
        0,
        0,
        None,
        {},
        "active",
    )
    assert (alice.cash, alice.unrealized_pnl) == (9_000.0, 20.0)


def test_what_only_a_bot_knows_is_its_report_s_and_unknown_without_one() -> None:
    report = BotReport.model_validate_json(json.dumps(REPORT))
    alice, bob, _ = trader_results(
        round_of_alice_bob_and_carol(), {"alice": report}, {"alice": 2}
    )
    assert (alice.fees, alice.rejects, alice.restarts) == (-1.25, {"price_band": 3}, 2)
    assert alice.latency_us == Latency(p50=800.5, p99=2_100.0, count=12)
    assert (bob.fees, bob.rejects, bob.restarts, bob.latency_us) == (
        None,
        {},
        0,
        Latency(p50=None, p99=None, count=None),
    )


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"fees": "1"}, {"rejected": {"x": -1}}, {"latency_us": None}]
)
def test_a_report_that_is_none_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        BotReport.model_validate_json(json.dumps(REPORT | change))


def test_a_liquidated_trader_is_told_so() -> None:
    feed = joined()
    feed.received(
        told(
            snapshot(position("alice", 0.0)),
            forced(1, "alice"),
            forced(2, "alice", "auto_deleverage"),
        )
    )
    feed.received(told(of_the_house("account_status", 1, trader_id="alice", status="bankrupt")))
    (alice,) = trader_results(feed)
    assert (alice.status, alice.liquidations, alice.deleveragings) == ("bankrupt", 1, 1)


# --------------------------------------------------------------------------------------- all rounds


def row(trader: str, rank: int, gain: float, **more: Any) -> TraderResult:
    usual = {
        "cash": 0.0, "realized_pnl": 0.0, "unrealized_pnl": 0.0, "total_equity": gain, "positions": {}, "volume": 10, "trades": 2,
        "maker_share": None, "fees": None, "max_drawdown": 1.0, "status": "active", "liquidations": 0, "deleveragings": 0,
    }  # fmt: skip
    return TraderResult(trader_id=trader, rank=rank, gain=gain, **(usual | more))


def market() -> MarketResult:
    terms = InstrumentTerms(
        tick=0.01, lot=1, maker_fee_bps=0, taker_fee_bps=0, liquidation_fee_bps=0
    )
    return MarketResult(
        market_id="m", trades=1, volume=1, trades_before=0, unseen_trades=0, liquidations=0, deleveragings=0,
        unseen_liquidations=0, insurance_cash=None, instruments={"SIM": terms}, settlement={"SIM": 1.0},
    )  # fmt: skip


def a_round(number: int, *rows: TraderResult, bots: tuple[BotResult, ...] = ()) -> RoundResult:
    times = {
        "started_at": "2026-01-01T00:00:00.000+00:00",
        "ended_at": "2026-01-01T00:01:00.000+00:00",
    }
    return RoundResult(
        round=number,
        **times,
        ended_by="duration",
        market=market(),
        standings=list(rows),
        bots=list(bots),
    )


def test_totals_are_sums_over_rounds_ranked_by_gain() -> None:
    first = a_round(
        1,
        row("alice", 1, 10.1, fees=1.5, rejects={"price_band": 1}, restarts=1),
        row("bob", 2, 5.0),
    )
    last = row("alice", 3, -7.0, rejects={"price_band": 2})
    second = a_round(2, row("bob", 1, 3.0, max_drawdown=4.0), row("carol", 1, 3.0), last)
    alice, bob, carol = sorted(totals([first, second]), key=lambda each: each.trader_id)
    assert [(each.rank, each.gain, each.rounds_won) for each in (bob, alice, carol)] == [
        (1, 8.0, 1),
        (2, 3.1, 1),
        (3, 3.0, 1),
    ]
    assert (alice.fees, alice.rejects, alice.restarts, alice.volume, alice.trades) == (
        1.5,
        {"price_band": 3},
        1,
        20,
        4,
    )
    assert (bob.fees, bob.max_drawdown, carol.volume) == (None, 4.0, 10)


# ------------------------------------------------------------------------------------- results.json

DOCUMENTED = {
    "`results.json`": Results, "`settings`": BattleSettings, "`rounds[]`": RoundResult, "`rounds[].market`": MarketResult,
    "`rounds[].market.instruments`": InstrumentTerms, "`rounds[].standings[]`": TraderResult, "`rounds[].bots[]`": BotResult,
    "`rounds[].bots[].restarts[]`": RestartResult, "`totals[]`": TotalResult,
}  # fmt: skip


def test_every_field_of_results_json_is_documented() -> None:
    page = Page(SPEC.read_text(encoding="utf-8"))
    for heading, kind in DOCUMENTED.items():
        fields = [name for each in page.rows(heading) for name in code(each["field"])]
        assert (
            list(
                differences(heading, fields, [field.name for field in dataclasses.fields(kind)])
            )
            == []
        )


def test_results_json_is_plain_json_that_says_how_to_run_the_battle_again() -> None:
    maker = {"trader_id": "alice", "strategy": "maker", "limits": {"cpu_s": 5}}
    config = parse_battle(json.dumps({"bots": [maker]}), lambda bot: None)
    (bot,) = config.all_bots()
    restart = RestartResult(
        at="2026-01-01T00:00:30.000+00:00", exit_code=-9, ran_s=12.5, backoff_s=0.5
    )
    alice = BotResult(bot=bot.in_round(2), exit_code=0, stopped=True, log="logs/alice.log", report=None, restarts=[restart],
                      gave_up=False)  # fmt: skip
    rounds = [a_round(1, row("alice", 1, 1.0), bots=(alice,))]
    settings = BattleSettings(
        duration_s=None, rounds=1, warm_up_s=0.0, cool_down_s=0.0, stagger_ms=20.0
    )
    text = Results(
        version="1", versions={"botpit": "1"}, started_at="", ended_at="", ended_by="SIGINT",
        config=config.model_dump(mode="json"), settings=settings, rounds=rounds, totals=totals(rounds),
    ).to_json()  # fmt: skip
    assert Results.from_json(text).rounds == rounds
    results = json.loads(text)
    assert results["format"] == 2
    assert parse_battle(json.dumps(results["config"]), lambda bot: None) == config
    (told_bot,) = results["rounds"][0]["bots"]
    assert told_bot["bot"]["seed"] == 1 + 1_000_003 and told_bot["bot"]["limits"] == {
        "cpu_s": 5
    }
    assert told_bot["restarts"] == [
        {"at": restart.at, "exit_code": -9, "ran_s": 12.5, "backoff_s": 0.5}
    ]
    assert results["rounds"][0]["standings"][0]["latency_us"] == {
        "p50": None,
        "p99": None,
        "count": None,
    }
