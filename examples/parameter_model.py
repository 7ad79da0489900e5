"""A bot whose parameters are a pydantic model: bounds on each, and a rule over several, checked before a
battle begins.

It trades a channel: buys at the low of its recent prices, sells at their high. `python bot_strategies.py`
shows its parameters:

    python bot_strategies.py examples/parameter_model.py:ChannelTrader

and `--strategy examples/parameter_model.py:ChannelTrader --strategy-param window=20` chooses some.
"""

from collections import deque

from pydantic import BaseModel, Field, model_validator

from bot_strategies import Market, Strategy


class Channel(BaseModel):
    window: int = Field(default=10, ge=2, le=1_000)
    size: int = Field(default=2, ge=1, le=100)
    max_position: int = Field(default=20, ge=1, le=1_000)

    @model_validator(mode="after")
    def size_fits_the_position(self) -> "Channel":
        if self.size > self.max_position:
            raise ValueError(f"size {self.size} is more than max_position {self.max_position}")
        return self


class ChannelTrader(Strategy):
    """Buys at the low of its recent prices and sells at their high.

    Source: the channel rule of Richard Donchian, as mean reversion (1960).
    """

    def __init__(self, *, params: Channel) -> None:
        self.params = params
        self.prices: deque[float] = deque(maxlen=params.window)

    def on_timer(self, market: Market) -> None:
        params, price = self.params, market.mid_price
        full = len(self.prices) == params.window
        low, high = (min(self.prices), max(self.prices)) if full else (0.0, float("inf"))
        self.prices.append(price)
        if market.orders:
            return
        if price <= low and market.position + params.size <= params.max_position:
            market.buy(params.size)
        elif price >= high and market.position - params.size >= -params.max_position:
            market.sell(params.size)
