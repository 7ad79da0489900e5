"""Your own bot in eight lines: it sides with the heavier half of the book, two lots at a time, up to twenty
either way.

Run it beside a battle: python bot_client.py --trader-id me --strategy examples/my_first_bot.py:MyFirstBot
"""

from bot_strategies import Market, Strategy


class MyFirstBot(Strategy):
    def on_timer(self, market: Market) -> None:
        pressure = sum(q for _, q in market.book.bids) - sum(q for _, q in market.book.asks)
        if pressure > 0 and market.position < 20:
            market.buy(2)
        elif pressure < 0 and market.position > -20:
            market.sell(2)
