"""The client's picture of the market: what it folds, and what it notices when it reads a feed by itself."""

from __future__ import annotations

import random
from zlib import crc32

import pytest

from botpit.clients.mirror import Mirror, checksum
from message_schemas import (
    AccountStatus,
    Heartbeat,
    InsuranceUpdate,
    LastTrade,
    MarketStatus,
    PositionState,
    Subscribed,
)
from tests.socketless.told import book, delta, forced, position, snapshot, trade, view


def market(**of_snapshot):
    mirror = Mirror()
    assert mirror.fold(snapshot(**of_snapshot))
    return mirror


# ------------------------------------------------------------------------------------------------ the picture


def test_a_snapshot_is_the_whole_picture():
    known = position(1, "carol", cls=PositionState)
    mirror = market(
        books={"SIM": book([(99.99, 5), (99.98, 1)], [(100.01, 2)], book_seq=4), "ALT": book()},
        positions=[known],
    )
    sim = mirror.books["SIM"]
    assert (mirror.market_id, mirror.seq, mirror.last_event_ms) == ("m1", 10, 1_000)
    assert list(mirror.instruments) == ["SIM", "ALT"]
    assert (sim.best_bid, sim.best_ask, sim.spread, sim.mid_price) == (
        99.99,
        100.01,
        pytest.approx(0.02),
        100.0,
    )
    assert (
        mirror.books["ALT"].best_bid,
        mirror.books["ALT"].mid_price,
        mirror.books["ALT"].spread,
    ) == (
        None,
        None,
        None,
    )
    assert mirror.positions == {("carol", "SIM"): known}


def test_the_last_trade_is_shown_in_its_book():
    mirror = market()
    for number in (1, 2):
        assert mirror.fold(trade(number, qty=number))
    assert mirror.books["SIM"].last_trade == LastTrade(price=100.0, qty=2, timestamp=2_002)
    assert (mirror.seq, mirror.last_event_ms) == (102, 2_002)


def test_the_last_position_update_per_trader_and_symbol_stands_and_comes_last():
    mirror = market(books={"SIM": book(), "ALT": book()})
    mirror.fold(position(1, "alice", lots=5))
    mirror.fold(position(2, "bob", lots=-5))
    mirror.fold(position(1, "alice", symbol="ALT", lots=1))
    mirror.fold(position(3, "alice", lots=0, mark=101.0))
    assert list(mirror.positions) == [("bob", "SIM"), ("alice", "ALT"), ("alice", "SIM")]
    assert mirror.positions["alice", "SIM"].position == 0
    assert mirror.books["SIM"].mark_price == 101.0
    assert mirror.books["ALT"].mark_price == 100.0


def test_account_states_insurance_and_halts_are_folded():
    mirror = market()
    mirror.fold(forced(1, "bankruptcy"))
    mirror.fold(
        AccountStatus(trader_id="bob", status="bankrupt", seq=12, channel_seq=1, timestamp=5)
    )
    mirror.fold(InsuranceUpdate(cash=-12.5, seq=13, channel_seq=2, timestamp=5))
    mirror.fold(
        MarketStatus(
            symbol="SIM", status="halted", reason="admin", seq=14, channel_seq=1, timestamp=5
        )
    )
    assert mirror.account_status == {"bob": "bankrupt"}
    assert mirror.insurance_cash == -12.5
    assert mirror.books["SIM"].status == "halted"


def test_another_market_drops_everything():
    mirror = market()
    mirror.fold(position(1))
    mirror.fold(
        AccountStatus(trader_id="bob", status="frozen", seq=12, channel_seq=1, timestamp=5)
    )
    mirror.fold(InsuranceUpdate(cash=-12.5, seq=13, channel_seq=2, timestamp=5))
    mirror.fold(snapshot(seq=2, market_id="m2", books={"NEW": book()}))
    assert (mirror.market_id, mirror.seq, list(mirror.books)) == ("m2", 2, ["NEW"])
    assert not mirror.positions and not mirror.account_status and mirror.insurance_cash is None


def test_the_same_market_again_keeps_what_no_snapshot_says_and_takes_the_books():
    mirror = market()
    mirror.fold(
        AccountStatus(trader_id="bob", status="frozen", seq=12, channel_seq=1, timestamp=5)
    )
    mirror.fold(
        snapshot(seq=120, channel_seq={"trades": {"SIM": 9}}, books={"SIM": book([(99.0, 1)])})
    )
    assert mirror.account_status == {"bob": "frozen"}
    assert mirror.books["SIM"].best_bid == 99.0


def test_a_heartbeat_tells_time_and_number():
    mirror = market()
    assert mirror.fold(Heartbeat(seq=77, timestamp=9_000))
    assert (mirror.seq, mirror.last_event_ms) == (77, 9_000)


# ------------------------------------------------------------------------------------------------------ books


def test_views_replace_the_book_and_an_older_one_does_not():
    mirror = market()
    mirror.fold(view(20, 99.5))
    mirror.fold(view(19, 98.0))
    assert mirror.books["SIM"].best_bid == 99.5
    mirror.fold(view(20, 99.6))
    assert mirror.books["SIM"].best_bid == 99.6, "the same seq may tell of a later turn"


def test_deltas_set_add_and_remove_levels_in_order():
    mirror = market(books={"SIM": book([(99.99, 5)], [(100.01, 2)], book_seq=4)})
    text = "10000:7|9998:1|10002:3|10003:4"
    changes = delta(
        5,
        4,
        bids=[(99.98, 1), (100.0, 7), (99.99, 0)],
        asks=[(100.03, 4), (100.01, 0), (100.02, 3)],
        text=text,
    )
    assert mirror.fold(changes)
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
    assert not mirror.fold(delta(1, 0, bids=[(99.0, 6)], text="9900:5"))
    assert mirror.checksum_failures == 1
    assert mirror.fold(delta(2, 1, bids=[(99.0, 7)], text="9900:7"))
    assert mirror.checksum_failures == 1


def test_readers_of_deltas_do_not_let_views_touch_their_book():
    mirror = market()
    mirror.fold(
        Subscribed(channels=["book", "book_delta"], symbols=[], batch=False, timestamp=5)
    )
    mirror.fold(view(20, 99.5))
    assert mirror.books["SIM"].bids == []
    mirror.fold(Subscribed(channels=["book"], symbols=[], batch=False, timestamp=5))
    mirror.fold(view(20, 99.5))
    assert mirror.books["SIM"].bids == [(99.5, 1)]


def test_two_mirrors_of_one_message_do_not_share_a_book():
    shared = snapshot()
    first, second = Mirror(), Mirror()
    first.fold(shared), second.fold(shared)
    first.fold(delta(1, 0, bids=[(99.0, 6)], text="9900:6"))
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
            sorted(
                ((tick, qty) for tick, qty in sides[name].items() if qty),
                reverse=name == "bids",
            )
            for name in ("bids", "asks")
        ]
        text = "|".join(f"{tick}:{qty}" for levels in best_first for tick, qty in levels[:10])
        assert mirror.fold(delta(number, number - 1, text=text, **changes))
        for levels, told in zip(
            best_first, (mirror.books["SIM"].bids, mirror.books["SIM"].asks), strict=True
        ):
            assert [(tick / 100, qty) for tick, qty in levels] == told
    price, qty = mirror.books["SIM"].bids[0]
    altered = delta(200, 199, bids=[(price, qty + 1)], text=text)
    assert not mirror.fold(altered)
