"""A bot that is killed and started again, as real processes; see proofs/killed_bot.py."""

import asyncio

import pytest

from proofs.killed_bot import BY_HAND_LOTS, watch

KILLS = 2


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return asyncio.run(watch(KILLS, tmp_path_factory.mktemp("killed")))


def test_its_report_counts_every_fill_once_with_lots_and_fees_and_liquidity(outcome):
    assert outcome.agrees, outcome
    assert (
        outcome.reported["fees"] > 0
        and 0 < outcome.reported["maker_fills"] < outcome.reported["fills"]
    ), outcome


def test_there_was_something_to_miss(outcome):
    assert outcome.kills == KILLS
    assert outcome.missed >= KILLS, (
        f"at least one of {BY_HAND_LOTS} lots at each death: {outcome}"
    )


def test_latencies_and_orders_are_counted_over_all_lives(outcome):
    latency = outcome.reported["latency_us"]
    assert 0 < latency["count"] <= outcome.reported["sent"]
    assert 0 < latency["p50"] <= latency["p99"] <= latency["max"]


def test_everything_ends_cleanly(outcome):
    assert outcome.exit_codes == {"alice": 0, "bob": 0, "exchange": 0}
    assert outcome.tracebacks == []
