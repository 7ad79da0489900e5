"""What is true of a market: the engine's own books and positions, as people write them; and what somebody's
mirror has of them, in the same form.
"""

from __future__ import annotations

from botpit.clients.mirror import Mirror
from tests.socketless.requests import Message
from tests.socketless.venue import SocketlessVenue

Levels = list[list[float]]
Books = dict[str, tuple[Levels, Levels]]
Positions = dict[tuple[str, str], int]


def engine_levels(venue: SocketlessVenue, symbol: str) -> tuple[Levels, Levels]:
    """The engine's own book, all of it: bids, then asks."""
    market = venue.exchange.markets[symbol]
    scale = market.instrument.tick_units / 10**market.instrument.tick_decimals
    bids, asks = ([[round(level.price * scale, 8), sum(each.leaves for each in level)] for level in side]
                  for side in (market.book.bids, market.book.asks))  # fmt: skip
    return bids, asks


def engine_queue(venue: SocketlessVenue, symbol: str, *, full: bool) -> list[Message]:
    market = venue.exchange.markets[symbol]
    scale = market.instrument.tick_units / 10**market.instrument.tick_decimals
    queue = []
    for name, side in (("buy", market.book.bids), ("sell", market.book.asks)):
        for each in (record for level in side for record in level):
            queue.append(
                {
                    "order_id": each.id,
                    "side": name,
                    "price": round(each.price * scale, 8),
                    "qty": each.leaves,
                }
            )
            queue[-1] |= {"trader_id": each.order.trader} if full else {}
    return queue


def books(venue: SocketlessVenue) -> Books:
    return {symbol: engine_levels(venue, symbol) for symbol in venue.exchange.markets}


def books_seen(mirror: Mirror) -> Books:
    return {
        symbol: ([*map(list, book.bids)], [*map(list, book.asks)])
        for symbol, book in mirror.books.items()
    }


def positions(venue: SocketlessVenue) -> Positions:
    return {
        (trader, symbol): each.lots
        for trader, account in venue.exchange.accounts.items()
        for symbol, each in account.positions.items()
        if each.lots
    }


def positions_seen(mirror: Mirror) -> Positions:
    return {key: each.position for key, each in mirror.positions.items() if each.position}
