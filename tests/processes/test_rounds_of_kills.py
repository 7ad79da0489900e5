"""Exporter, relay and exchange dying in rounds, and trades.csv as the journal has it:
proofs/rounds_of_kills.py, in short.
"""

import asyncio

import pytest

from proofs.rounds_of_kills import watch

ROUNDS = 3


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return asyncio.run(
        watch(ROUNDS, tmp_path_factory.mktemp("rounds"), seed=1, trades_per_s=300)
    )


def test_no_row_is_missing_or_doubled(outcome):
    assert outcome.trades > 0
    assert outcome.differences == []


def test_each_of_them_died(outcome):
    for victim in ("exchange killed", "exchange stopped", "exporter killed", "relay killed"):
        assert outcome.deaths[victim] > 0, outcome


def test_the_relays_reader_missed_nothing_and_everything_else_ended_cleanly(outcome):
    assert outcome.relayed > 0 and outcome.relay_holes == [], outcome
    assert (set(outcome.exit_codes), outcome.tracebacks) == ({0}, []), outcome


def test_an_exporter_that_forgets_how_far_it_came_is_found_out(tmp_path):
    outcome = asyncio.run(watch(2, tmp_path, seed=1, trades_per_s=300, plant="no-record"))
    assert outcome.differences and not outcome.is_exact(), outcome
