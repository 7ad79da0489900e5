"""The stress battle as real processes, until it has shown everything it is for; see proofs/stress.py."""

import asyncio

import pytest

from proofs.stress import EXPECTED, STRESS_BATTLE, watch

PATIENCE_S = 180


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stress")
    return asyncio.run(watch(PATIENCE_S, STRESS_BATTLE, folder, until_all_seen=True))


def test_somebody_is_liquidated_the_fund_pays_and_somebody_is_deleveraged(outcome):
    assert set(EXPECTED) <= outcome.recorder.first_ms.keys(), outcome
    assert outcome.recorder.bankrupt, outcome


def test_the_books_balance_to_the_cent(outcome):
    assert outcome.balance.is_exact(), outcome


def test_liquidations_and_the_fund_are_in_the_csv_files(outcome):
    assert outcome.csv_equal, outcome
    assert not outcome.tracebacks, outcome
