"""Who traded how much and who was closed by force, and how much of it nobody here has seen."""

from __future__ import annotations

from botpit.clients.statistics import Statistics
from tests.socketless.told import book, forced, snapshot, trade


def seen(**of_snapshot):
    statistics = Statistics(tape_length=3)
    statistics.fold(snapshot(**of_snapshot))
    return statistics


def test_trades_of_before_are_in_the_markets_count():
    assert seen(channel_seq={"trades": {"SIM": 40, "ALT": 2}}).trade_count == 42


def test_trades_are_counted_and_the_last_ones_kept():
    statistics = seen()
    for number in range(1, 6):
        statistics.fold(
            trade(number, qty=number, buyer="alice", seller="bob" if number < 5 else "carol")
        )
    assert [each.trade_id for each in statistics.tape] == [3, 4, 5]
    assert (statistics.trade_count, statistics.volume) == (5, 15)
    assert statistics.trades_by_trader == {"alice": 5, "bob": 4, "carol": 1}


def test_a_trader_s_lots_count_on_both_sides_and_as_maker_where_its_order_was_first():
    statistics = seen()
    statistics.fold(trade(1, qty=3))
    statistics.fold(trade(2, qty=4, aggressor="sell"))
    statistics.fold(trade(3, qty=5, buyer="bob", seller="carol"))
    statistics.fold(trade(4, qty=7, aggressor=None))
    assert statistics.volume_by_trader == {"alice": 14, "bob": 19, "carol": 5}
    assert statistics.maker_volume_by_trader == {"bob": 3, "alice": 4, "carol": 5}, (
        "of the last nobody knows"
    )


def test_liquidations_and_deleveragings_are_counted_by_trader_and_those_of_the_whole_market_together():
    statistics = seen(
        books={"SIM": book(), "ALT": book()},
        channel_seq={"liquidations": {"SIM": 4, "ALT": 1, "": 30}},
    )
    assert (statistics.liquidation_count, statistics.unseen_liquidations) == (5, 5), (
        "30 other events have no symbol"
    )
    statistics.fold(forced(5, "maintenance_margin_breach"))
    statistics.fold(forced(6, "bankruptcy"))
    statistics.fold(forced(2, "auto_deleverage", "carol", "ALT"))
    assert (statistics.liquidations_by_trader, statistics.deleveragings_by_trader) == (
        {"bob": 2},
        {"carol": 1},
    )
    assert (statistics.liquidation_count, statistics.unseen_liquidations) == (8, 5)
    statistics.fold(snapshot(seq=900, channel_seq={"liquidations": {"SIM": 9, "ALT": 2}}))
    assert (statistics.liquidation_count, statistics.unseen_liquidations) == (11, 8)


def test_another_market_drops_everything_and_the_same_one_keeps_what_was_seen():
    statistics = seen()
    statistics.fold(trade(1))
    statistics.fold(forced(1, "bankruptcy"))
    statistics.fold(snapshot(seq=120, channel_seq={"trades": {"SIM": 9}}))
    assert (
        statistics.trade_count,
        statistics.volume,
        [each.trade_id for each in statistics.tape],
    ) == (
        9,
        5,
        [1],
    )
    statistics.fold(snapshot(seq=2, market_id="m2"))
    assert (statistics.trade_count, statistics.volume, dict(statistics.trades_by_trader)) == (
        0,
        0,
        {},
    )
    assert not statistics.tape and not statistics.liquidations
    assert (statistics.liquidation_count, statistics.unseen_liquidations) == (0, 0)
    assert not statistics.volume_by_trader and not statistics.maker_volume_by_trader
