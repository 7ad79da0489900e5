"""One bot, two instruments: it bets that prices which used to move together will meet again.

It watches how many of the second instrument one of the first is worth. When that is far above what it lately
was, it sells the dear one and buys as much worth of the cheap one; when it has come back, it goes flat. What
both prices do together costs it nothing, because it holds as much of one as it owes of the other.

The first instrument is the bot's own (`market` in each hook of the clock), `market.of(symbol)` is the same
for the other one. In a market with SIM and ALT, beside others who trade them:

    python bot_client.py --trader-id me --strategy examples/pairs_trader.py:PairsTrader
"""

from collections import deque
from statistics import fmean, pstdev

from bot_strategies import Market, Strategy, TimeInForce


class PairsTrader(Strategy):
    """Sells the dear one of two instruments that move together and buys the cheap one, until they are back in
    step.

    Far is `entry` standard deviations of the last `window` decisions' ratios, back is `exit` of them. It
    holds at most `max_position` lots of the first instrument, and of the second what these are worth.

    Source: Gatev, Goetzmann and Rouwenhorst, Pairs trading: performance of a relative-value arbitrage rule
    (2006).
    """

    def __init__(
        self,
        *,
        first: str = "SIM",
        second: str = "ALT",
        size: int = 2,
        max_position: int = 20,
        window: int = 40,
        entry: float = 1.5,
        exit: float = 0.3,
    ) -> None:
        self.symbols = (first, second)
        self.second = second
        self.size, self.max_position = size, max_position
        self.entry, self.exit = entry, exit
        self.ratios: deque[float] = deque(maxlen=window)
        self.target = 0

    def on_timer(self, market: Market) -> None:
        second = market.of(self.second)
        ratio = market.mid_price / second.mid_price
        self.ratios.append(ratio)
        if len(self.ratios) == self.ratios.maxlen:
            self.decide(ratio)
            self.approach(market, self.target, self.size)
            self.approach(second, -round(market.position * ratio), round(self.size * ratio))

    def decide(self, ratio: float) -> None:
        """Short of the first instrument while it is dear, long of it while it is cheap."""
        away = ratio - fmean(self.ratios)
        deviation = pstdev(self.ratios)
        if abs(away) > self.entry * deviation:
            self.target = -self.max_position if away > 0 else self.max_position
        elif abs(away) <= self.exit * deviation:
            self.target = 0

    def approach(self, market: Market, target: int, most: int) -> None:
        """Take what the best opposite price offers; the next order only when this one has had its answer."""
        gap = target - market.position
        price = market.book.best_ask if gap > 0 else market.book.best_bid
        if gap and price is not None and not market.orders:
            order = market.buy if gap > 0 else market.sell
            order(min(abs(gap), most), price, time_in_force=TimeInForce.IOC)
