"""A market maker that acts by events alone: on every change of the book, and at once when it has traded.

It stands a tick inside the spread, or at the best price where there is no room inside, with one order on each
side; the more it holds, the farther away it stands on the side that would add to it. Moved orders are
replaced, not cancelled and entered again: the exchange then never sees it with two orders or none.

Run it beside a battle: python bot_client.py --trader-id me --strategy
examples/event_driven_maker.py:EventDrivenMaker
"""

from bot_strategies import Fill, Market, OpenOrder, Strategy
from message_schemas import SideWord


class EventDrivenMaker(Strategy):
    def __init__(
        self, *, size: int = 2, lots_per_tick: int = 5, max_position: int = 30
    ) -> None:
        self.size = size
        self.lots_per_tick = lots_per_tick
        self.max_position = max_position

    def on_start(self, market: Market) -> None:
        self.quote(market)

    def on_book(self, market: Market) -> None:
        self.quote(market)

    def on_fill(self, market: Market, fill: Fill) -> None:
        self.quote(market)

    def quote(self, market: Market) -> None:
        self.quote_side(market, "buy", 1)
        self.quote_side(market, "sell", -1)

    def quote_side(self, market: Market, side: SideWord, sign: int) -> None:
        own = next((order for order in market.orders if order.side == side), None)
        price = self.price(market, side, sign, own)
        if own is None and sign * market.position < self.max_position:
            (market.buy if side == "buy" else market.sell)(self.size, price, post_only=True)
        elif own is not None and own.order_id is not None and own.price != price:
            market.replace(own, price=price)

    def price(self, market: Market, side: SideWord, sign: int, own: OpenOrder | None) -> float:
        """A tick better than the others on this side, but behind the other one and by the position's lean."""
        book, tick = market.book, market.instrument.tick
        levels, opposite = (
            (book.bids, book.best_ask) if side == "buy" else (book.asks, book.best_bid)
        )
        others = [
            price
            for price, qty in levels
            if not (own and price == own.price and qty <= own.leaves_qty)
        ]
        price = others[0] + sign * tick if others else market.mid_price - sign * 3 * tick
        if opposite is not None:
            price = sign * min(sign * price, sign * opposite - tick)
        lean = max(0, sign * market.position) // self.lots_per_tick
        return market.to_tick(price - sign * lean * tick, side)
