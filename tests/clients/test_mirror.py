"""The client's picture of the market: what it folds, and that no hole in the stream stays unnoticed."""

from __future__ import annotations

import random
from zlib import crc32

import pytest

from botpit.clients.mirror import Mirror, checksum
from message_schemas import (
    AccountStatus,
    BookDelta,
    BookState,
    BookUpdate,
    Heartbeat,
    InstrumentInfo,
    InsuranceUpdate,
    LastTrade,
    Liquidation,
    MarketStatus,
    OrderAdd,
    PositionState,
    PositionUpdate,
    Snapshot,
    Subscribed,
    Trade,
)


def instrument(symbol="SIM", tick=0.01):
    return InstrumentInfo(
        symbol=symbol, tick=tick, lot=1.0, reference_price=100.0, min_price=0.01, max_price=1e6, min_qty=1, max_qty=10**6,
        maker_fee_bps=0, taker_fee_bps=0, liquidation_fee_bps=50, initial_margin_bps=2000, maintenance_margin_bps=1000,
        price_band_bps=1000, mark_move_bps=100, max_open_orders=200, max_order_qty=10**4, max_order_notional=1e6, max_position=0,
    )  # fmt: skip


def book(bids=(), asks=(), book_seq=0):
    best_bid, best_ask = bids[0][0] if bids else None, asks[0][0] if asks else None
    return BookState(
        bids=list(bids), asks=list(asks), best_bid=best_bid, best_ask=best_ask, book_seq=book_seq, last_trade=None,
        mark_price=100.0, status="open",
    )  # fmt: skip


def snapshot(seq=10, market_id="m1", channel_seq=None, books=None, positions=(), timestamp=1_000):
    books = books or {"SIM": book()}
    return Snapshot(
        seq=seq, market_id=market_id, channel_seq=channel_seq or {}, instruments=[instrument(s) for s in books], books=books,
        positions=list(positions), timestamp=timestamp,
    )  # fmt: skip


def trade(number, *, symbol="SIM", seq=None, price=100.0, qty=5, buyer="alice", seller="bob", aggressor="buy"):
    return Trade(
        trade_id=number, price=price, qty=qty, buy_trader_id=buyer, sell_trader_id=seller, symbol=symbol,
        aggressor_side=aggressor, seq=seq or 100 + number, channel_seq=number, timestamp=2_000 + number,
    )  # fmt: skip


def position(number, trader="alice", *, symbol="SIM", lots=5, equity=10_000.0, mark=100.0, cls=PositionUpdate):
    numbered = {"seq": 100 + number, "channel_seq": number} if cls is PositionUpdate else {}
    return cls(
        trader_id=trader, symbol=symbol, position=lots, cash=10_000.0, avg_entry_price=100.0, realized_pnl=0.0,
        unrealized_pnl=equity - 10_000.0, total_equity=equity, mark_price=mark, timestamp=2_000 + number, **numbered,
    )  # fmt: skip


def delta(book_seq, prev, bids=(), asks=(), text=""):
    return BookDelta(
        symbol="SIM", book_seq=book_seq, prev_book_seq=prev, bids=list(bids), asks=list(asks), checksum=crc32(text.encode()),
        seq=100 + book_seq, timestamp=3_000,
    )  # fmt: skip


def view(seq, bid):
    return BookUpdate(symbol="SIM", best_bid=bid, best_ask=None, bids=[(bid, 1)], asks=[], seq=seq, timestamp=3_000)


def market(**of_snapshot):
    mirror = Mirror(tape_length=3)
    assert mirror.apply(snapshot(**of_snapshot))
    return mirror


# ------------------------------------------------------------------------------------------------------------- the picture


def test_nothing_counts_before_the_first_snapshot():
    mirror = Mirror()
    assert mirror.waiting
    assert mirror.apply(trade(7))
    assert mirror.market_id is None
    assert (mirror.trade_count, mirror.holes) == (0, 0)


def test_a_snapshot_is_the_whole_picture():
    known = position(1, "carol", cls=PositionState)
    mirror = market(
        books={"SIM": book([(99.99, 5), (99.98, 1)], [(100.01, 2)], book_seq=4), "ALT": book()},
        positions=[known],
        channel_seq={"trades": {"SIM": 40, "ALT": 2}},
    )
    sim = mirror.books["SIM"]
    assert (mirror.market_id, mirror.seq, mirror.waiting, mirror.last_event_ms) == ("m1", 10, False, 1_000)
    assert list(mirror.instruments) == ["SIM", "ALT"]
    assert (sim.best_bid, sim.best_ask, sim.spread, sim.mid_price) == (99.99, 100.01, pytest.approx(0.02), 100.0)
    assert (mirror.books["ALT"].best_bid, mirror.books["ALT"].mid_price, mirror.books["ALT"].spread) == (None, None, None)
    assert mirror.positions == {("carol", "SIM"): known}
    assert mirror.trade_count == 42, "trades before our time are in the market's count"


def test_trades_are_counted_and_the_last_ones_kept():
    mirror = market()
    for number in range(1, 6):
        assert mirror.apply(trade(number, qty=number, buyer="alice", seller="bob" if number < 5 else "carol"))
    assert [each.trade_id for each in mirror.tape] == [3, 4, 5]
    assert (mirror.trade_count, mirror.volume) == (5, 15)
    assert mirror.trades_by_trader == {"alice": 5, "bob": 4, "carol": 1}
    assert mirror.books["SIM"].last_trade == LastTrade(price=100.0, qty=5, timestamp=2_005)
    assert (mirror.seq, mirror.last_event_ms) == (105, 2_005)


def test_a_trader_s_lots_count_on_both_sides_and_as_maker_where_his_order_was_first():
    mirror = market()
    mirror.apply(trade(1, qty=3))
    mirror.apply(trade(2, qty=4, aggressor="sell"))
    mirror.apply(trade(3, qty=5, buyer="bob", seller="carol"))
    mirror.apply(trade(4, qty=7, aggressor=None))
    assert mirror.volume_by_trader == {"alice": 14, "bob": 19, "carol": 5}
    assert mirror.maker_volume_by_trader == {"bob": 3, "alice": 4, "carol": 5}, "of the last nobody knows"


def test_the_last_position_update_per_trader_and_symbol_stands_and_comes_last():
    mirror = market(books={"SIM": book(), "ALT": book()})
    mirror.apply(position(1, "alice", lots=5))
    mirror.apply(position(2, "bob", lots=-5))
    mirror.apply(position(1, "alice", symbol="ALT", lots=1))
    mirror.apply(position(3, "alice", lots=0, mark=101.0))
    assert list(mirror.positions) == [("bob", "SIM"), ("alice", "ALT"), ("alice", "SIM")]
    assert mirror.positions["alice", "SIM"].position == 0
    assert mirror.books["SIM"].mark_price == 101.0
    assert mirror.books["ALT"].mark_price == 100.0


def test_liquidations_account_states_insurance_and_halts_are_folded():
    mirror = market()
    liquidation = Liquidation(
        trader_id="bob", reason="bankruptcy", qty=3, side="sell", symbol="SIM", price=90.0, seq=11, channel_seq=1, timestamp=5
    )
    mirror.apply(liquidation)
    mirror.apply(AccountStatus(trader_id="bob", status="bankrupt", seq=12, channel_seq=1, timestamp=5))
    mirror.apply(InsuranceUpdate(cash=-12.5, seq=13, channel_seq=2, timestamp=5))
    mirror.apply(MarketStatus(symbol="SIM", status="halted", reason="admin", seq=14, channel_seq=1, timestamp=5))
    assert list(mirror.liquidations) == [liquidation]
    assert mirror.account_status == {"bob": "bankrupt"}
    assert mirror.insurance_cash == -12.5
    assert mirror.books["SIM"].status == "halted"
    assert mirror.holes == 0, "what has no symbol counts under its own, empty one"


def forced(number, reason, trader="bob", symbol="SIM"):
    return Liquidation(
        trader_id=trader, reason=reason, qty=3, side="sell", symbol=symbol, price=90.0, seq=100 + number, channel_seq=number,
        timestamp=5,
    )  # fmt: skip


def test_liquidations_and_deleveragings_are_counted_by_trader_and_those_of_the_whole_market_together():
    mirror = market(books={"SIM": book(), "ALT": book()}, channel_seq={"liquidations": {"SIM": 4, "ALT": 1, "": 30}})
    assert (mirror.liquidation_count, mirror.unseen_liquidations) == (5, 5), "30 other events have no symbol"
    mirror.apply(forced(5, "maintenance_margin_breach"))
    mirror.apply(forced(6, "bankruptcy"))
    mirror.apply(forced(2, "auto_deleverage", "carol", "ALT"))
    mirror.apply(forced(2, "auto_deleverage", "carol", "ALT"))
    assert (mirror.liquidations_by_trader, mirror.deleveragings_by_trader) == ({"bob": 2}, {"carol": 1})
    assert (mirror.liquidation_count, mirror.unseen_liquidations) == (8, 5)
    mirror.apply(snapshot(seq=900, channel_seq={"liquidations": {"SIM": 9, "ALT": 2}}))
    assert (mirror.liquidation_count, mirror.unseen_liquidations) == (11, 8)


def test_another_market_drops_everything():
    mirror = market()
    mirror.apply(trade(1))
    mirror.apply(forced(1, "bankruptcy"))
    mirror.apply(position(1))
    mirror.apply(AccountStatus(trader_id="bob", status="frozen", seq=12, channel_seq=1, timestamp=5))
    mirror.apply(snapshot(seq=2, market_id="m2", books={"NEW": book()}))
    assert (mirror.market_id, mirror.seq, list(mirror.books)) == ("m2", 2, ["NEW"])
    assert not mirror.tape and not mirror.positions and not mirror.account_status and not mirror.liquidations
    assert (mirror.liquidation_count, mirror.unseen_liquidations) == (0, 0)
    assert (mirror.trade_count, mirror.volume, dict(mirror.trades_by_trader)) == (0, 0, {})
    assert not mirror.volume_by_trader and not mirror.maker_volume_by_trader


def test_the_same_market_again_keeps_the_tape_and_takes_the_books():
    mirror = market()
    mirror.apply(trade(1))
    mirror.apply(snapshot(seq=120, channel_seq={"trades": {"SIM": 9}}, books={"SIM": book([(99.0, 1)])}))
    assert [each.trade_id for each in mirror.tape] == [1]
    assert (mirror.trade_count, mirror.books["SIM"].best_bid) == (9, 99.0)


def test_a_heartbeat_tells_time_and_number():
    mirror = market()
    assert mirror.apply(Heartbeat(seq=77, timestamp=9_000))
    assert (mirror.seq, mirror.last_event_ms) == (77, 9_000)


# ------------------------------------------------------------------------------------------------------------------- holes


def test_jumps_in_seq_are_no_holes():
    mirror = market()
    assert mirror.apply(trade(1, seq=50))
    assert mirror.apply(trade(2, seq=5_000))
    assert mirror.holes == 0


def test_what_the_snapshot_includes_is_neither_applied_twice_nor_a_hole():
    mirror = market(seq=110, channel_seq={"trades": {"SIM": 3}})
    for number in (1, 2, 3):
        assert mirror.apply(trade(number))
    assert (mirror.trade_count, len(mirror.tape), mirror.holes) == (3, 0, 0)
    assert mirror.apply(trade(4, seq=111))
    assert mirror.trade_count == 4


def test_included_by_seq_alone_is_enough_when_the_snapshot_does_not_name_the_channel():
    mirror = market(seq=110)
    assert mirror.apply(trade(1, seq=109))
    assert mirror.apply(trade(2, seq=110))
    assert mirror.apply(trade(3, seq=111))
    assert (mirror.trade_count, mirror.holes) == (1, 0)


def test_a_channel_the_snapshot_does_not_name_begins_at_one():
    mirror = market()
    assert not mirror.apply(trade(2))
    assert mirror.holes == 1


def test_each_channel_and_symbol_counts_for_itself():
    mirror = market(books={"SIM": book(), "ALT": book()})
    assert mirror.apply(trade(1))
    assert mirror.apply(trade(1, symbol="ALT"))
    assert mirror.apply(position(1))
    assert not mirror.apply(trade(3, symbol="ALT"))


def test_a_hole_is_reported_once_and_the_event_after_it_still_counts():
    mirror = market()
    mirror.apply(trade(1))
    assert not mirror.apply(trade(4))
    assert mirror.waiting
    assert mirror.apply(trade(5))
    assert (mirror.holes, len(mirror.tape)) == (1, 3)


def test_further_holes_are_counted_but_not_asked_for_until_the_awaited_snapshot_came():
    mirror = market()
    assert not mirror.apply(trade(3))
    assert mirror.apply(trade(6)), "the snapshot asked for will come after this one too"
    assert mirror.holes == 2
    mirror.apply(snapshot(seq=200, channel_seq={"trades": {"SIM": 7}}))
    assert not mirror.waiting
    assert mirror.apply(trade(8, seq=201))
    assert not mirror.apply(trade(10, seq=203))
    assert mirror.holes == 3


def test_repeated_and_late_events_change_nothing():
    mirror = market()
    mirror.apply(trade(1))
    mirror.apply(trade(2))
    assert mirror.apply(trade(2))
    assert mirror.apply(trade(1))
    assert (mirror.trade_count, mirror.holes) == (2, 0)


def test_anonymous_and_full_orders_are_two_channels():
    mirror = market()
    order = {"symbol": "SIM", "side": "buy", "price": 99.0, "qty": 1, "timestamp": 5}
    for number in (1, 2):
        assert mirror.apply(OrderAdd(order_id=number, trader_id="bob", seq=10 + number, channel_seq=number, **order))
    assert not mirror.apply(OrderAdd(order_id=2, seq=12, channel_seq=2, **order)), "the first of these is missing"


# ------------------------------------------------------------------------------------------------------------------- books


def test_views_replace_the_book_and_an_older_one_does_not():
    mirror = market()
    mirror.apply(view(20, 99.5))
    mirror.apply(view(19, 98.0))
    assert mirror.books["SIM"].best_bid == 99.5
    mirror.apply(view(20, 99.6))
    assert mirror.books["SIM"].best_bid == 99.6, "the same seq may tell of a later turn"


def test_deltas_set_add_and_remove_levels_in_order():
    mirror = market(books={"SIM": book([(99.99, 5)], [(100.01, 2)], book_seq=4)})
    text = "10000:7|9998:1|10002:3|10003:4"
    changes = delta(5, 4, bids=[(99.98, 1), (100.0, 7), (99.99, 0)], asks=[(100.03, 4), (100.01, 0), (100.02, 3)], text=text)
    assert mirror.apply(changes)
    assert mirror.books["SIM"].bids == [(100.0, 7), (99.98, 1)]
    assert mirror.books["SIM"].asks == [(100.02, 3), (100.03, 4)]
    assert mirror.checksum_failures == 0


def test_the_checksum_is_of_ten_levels_a_side_and_an_empty_book_is_zero():
    mirror = market(books={"SIM": book([(100 - 0.01 * n, n + 1) for n in range(12)])})
    expected = "|".join(f"{10_000 - n}:{n + 1}" for n in range(10))
    assert checksum(mirror.books["SIM"], 0.01) == crc32(expected.encode())
    assert checksum(market().books["SIM"], 0.01) == 0


def test_the_checksum_counts_ticks_where_floats_fall_short():
    assert 1.15 / 0.01 < 115
    mirror = market(books={"SIM": book([(1.15, 1), (0.29, 2)])})
    assert checksum(mirror.books["SIM"], 0.01) == crc32(b"115:1|29:2")


def test_a_wrong_checksum_is_noticed_with_its_message():
    mirror = market()
    assert not mirror.apply(delta(1, 0, bids=[(99.0, 6)], text="9900:5"))
    assert (mirror.checksum_failures, mirror.waiting) == (1, True)
    assert mirror.apply(delta(2, 1, bids=[(99.0, 7)], text="9900:7")), "reported once; the snapshot will tell"
    assert mirror.books["SIM"].bids == [(99.0, 6)]
    assert mirror.checksum_failures == 1


def test_a_delta_that_does_not_follow_is_a_hole_and_changes_nothing():
    mirror = market()
    assert not mirror.apply(delta(2, 1, bids=[(99.0, 6)], text="9900:6"))
    assert (mirror.holes, mirror.books["SIM"].bids) == (1, [])
    mirror.apply(snapshot(seq=150, books={"SIM": book([(99.0, 6)], book_seq=2)}))
    assert mirror.apply(delta(2, 1, bids=[(99.0, 9)], text="9900:9")), "included in the snapshot"
    assert mirror.apply(delta(3, 2, bids=[(99.0, 0)]))
    assert mirror.books["SIM"].bids == []


def test_readers_of_deltas_do_not_let_views_touch_their_book():
    mirror = market()
    mirror.apply(Subscribed(channels=["book", "book_delta"], symbols=[], batch=False, timestamp=5))
    mirror.apply(view(20, 99.5))
    assert mirror.books["SIM"].bids == []
    mirror.apply(Subscribed(channels=["book"], symbols=[], batch=False, timestamp=5))
    mirror.apply(view(20, 99.5))
    assert mirror.books["SIM"].bids == [(99.5, 1)]


def test_two_mirrors_of_one_message_do_not_share_a_book():
    shared = snapshot()
    first, second = Mirror(), Mirror()
    first.apply(shared), second.apply(shared)
    first.apply(delta(1, 0, bids=[(99.0, 6)], text="9900:6"))
    assert second.books["SIM"].bids == shared.books["SIM"].bids == []


@pytest.mark.parametrize("seed", range(20))
def test_law_deltas_lead_to_the_book_they_came_from_and_one_changed_lot_is_seen(seed):
    rng = random.Random(seed)
    sides = {"bids": {}, "asks": {}}
    mirror = market()
    for number in range(1, 200):
        changes = {"bids": [], "asks": []}
        for name, low in (("bids", 9_950), ("asks", 10_001)):
            for tick in rng.sample(range(low, low + 50), rng.randrange(3)):
                qty = rng.randrange(4)
                changes[name].append((tick / 100, qty))
                sides[name][tick] = qty
        best_first = [
            sorted(((tick, qty) for tick, qty in sides[name].items() if qty), reverse=name == "bids") for name in ("bids", "asks")
        ]
        text = "|".join(f"{tick}:{qty}" for levels in best_first for tick, qty in levels[:10])
        assert mirror.apply(delta(number, number - 1, text=text, **changes))
        for levels, told in zip(best_first, (mirror.books["SIM"].bids, mirror.books["SIM"].asks), strict=True):
            assert [(tick / 100, qty) for tick, qty in levels] == told
    price, qty = mirror.books["SIM"].bids[0]
    altered = delta(200, 199, bids=[(price, qty + 1)], text=text)
    assert not mirror.apply(altered)
