"""The flow of README's four terminals, as real processes on free ports, the relay killed under load; see
proofs/four_terminals.py."""

import asyncio

import pytest

from proofs.four_terminals import HOME, TradesAndQuotes, watch


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminals")
    return asyncio.run(
        watch(120, HOME / "bots_config.json", folder, kill_relay=True, trades=100)
    )


def test_the_bots_trade_and_trades_csv_is_what_was_recorded(outcome):
    assert outcome.trades >= 100
    assert outcome.rows_equal, outcome


def test_eight_bots_of_five_kinds_take_part(outcome):
    assert len(outcome.accepted) >= 8, outcome
    assert len(outcome.kinds) >= 5, outcome


def test_a_killed_relay_is_seen_and_survived(outcome):
    assert outcome.monitor_states[-3:] == ["CONNECTED", "DISCONNECTED", "CONNECTED"], outcome
    assert outcome.trades_after_restart > 0, outcome


def test_everything_ends_cleanly(outcome):
    assert outcome.exit_codes == {"battle": 0, "relay": 0, "monitor": 0, "exchange": 0}
    assert outcome.tracebacks == []


def test_the_recorder_counts_how_long_the_book_has_two_sides():
    recorder = TradesAndQuotes()
    for now_ms, ask in [(1_000, None), (2_000, 101.0), (5_000, None), (6_000, 101.0)]:
        recorder.take(
            {"type": "book_update", "timestamp": now_ms, "best_bid": 99.0, "best_ask": ask}
        )
    assert recorder.two_sided() == 0.75
