"""`post_only` is refused if its price meets the best opposite price, whoever owns that."""

from __future__ import annotations


def test_a_post_only_order_that_would_trade_is_refused_and_touches_nothing(market):
    market.bob.sells(5, at="101.00")
    assert market.alice.buys(5, at="101.00", post_only=True).refused == "post_only_would_cross"
    assert (market.trades, market.bids, market.asks) == ([], [], ["5 at 101.00"])


def test_a_tick_away_it_rests(market):
    market.bob.sells(5, at="101.00")
    assert market.alice.buys(5, at="100.99", post_only=True).refused is None
    assert market.bids == ["5 at 100.99"]


def test_a_post_only_sell_must_not_meet_the_best_bid(market):
    market.bob.buys(5, at="99.00")
    assert market.alice.sells(5, at="99.00", post_only=True).refused == "post_only_would_cross"
    assert market.alice.sells(5, at="98.00", post_only=True).refused == "post_only_would_cross"
    assert market.alice.sells(5, at="99.01", post_only=True).refused is None


def test_into_an_empty_book_it_rests(market):
    assert market.alice.buys(5, at="110.00", post_only=True).refused is None


def test_it_is_refused_though_the_best_opposite_price_is_the_traders_own(market):
    market.alice.sells(5, at="101.00")
    assert (
        market.alice.buys(5, at="101.00", post_only=True, stp="cancel_resting").refused
        == "post_only_would_cross"
    )
    assert market.alice.open_orders == ["sell 5 at 101.00"]


def test_it_is_refused_though_the_best_opposite_order_could_give_nothing(market):
    market.carol.buys(5, at="100.00")
    market.bob.sells(5, at="100.00")
    market.carol.sells(5, at="101.00", reduce_only=True)
    market.dave.buys(5, at="100.00")
    market.carol.sells(5, at="100.00")
    assert market.carol.position == 0
    assert market.alice.buys(5, at="101.00", post_only=True).refused == "post_only_would_cross"


def test_once_resting_it_trades_like_any_other(market):
    market.alice.buys(5, at="100.00", post_only=True)
    market.bob.sells(5, at="100.00")
    assert market.trades == ["bob sells 5 to alice at 100.00"]
