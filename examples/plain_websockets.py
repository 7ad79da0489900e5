"""A bot on the bare wire: the `websockets` library and JSON, nothing of ours. docs/API_SPEC.md is all it was
written from.

It follows the last trade: when the price rises it buys a lot at the market, when it falls it sells one, up to
ten either way.

    python examples/plain_websockets.py --trader-id plain
"""

import argparse
import asyncio
import contextlib
import json
import signal

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

MAX_BYTES = 16 * 2**20
MAX_POSITION = 10


class Follower:
    def __init__(self, trader_id: str, gateway: ClientConnection) -> None:
        self.trader_id = trader_id
        self.gateway = gateway
        self.position = 0
        self.last_price: float | None = None
        self.waiting = False  # one request at a time: its answer first

    async def listen(self) -> None:
        """Answers and private events: here they come in order, each with its type."""
        async for text in self.gateway:
            message = json.loads(text)
            match message["type"]:
                case "logged_in":
                    await self.ask(type="account")
                case "account":
                    self.position = sum(each["position"] for each in message["positions"])
                    print(
                        f"logged in as {self.trader_id}, position {self.position}", flush=True
                    )
                case "fill":
                    self.position += (
                        message["qty"] if message["side"] == "buy" else -message["qty"]
                    )
                    print(
                        f"{message['side']} {message['qty']} at {message['price']}, position {self.position}",
                        flush=True,
                    )
                case "order_accepted":
                    self.waiting = False
                case "order_rejected" | "error":
                    self.waiting = False
                    print(f"refused: {message['reason']} {message['details']}", flush=True)

    async def watch(self, feed: ClientConnection) -> None:
        """Everybody's trades."""
        async for text in feed:
            message = json.loads(text)
            if message["type"] == "trade":
                await self.traded(message["price"])

    async def traded(self, price: float) -> None:
        before, self.last_price = self.last_price, price
        if before is None or price == before or self.waiting:
            return
        side = "buy" if price > before else "sell"
        if abs(self.position + (1 if side == "buy" else -1)) <= MAX_POSITION:
            self.waiting = True
            await self.ask(type="order", side=side, qty=1, order_type="market")

    async def ask(self, **request: object) -> None:
        await self.gateway.send(json.dumps(request))


async def trade(options: argparse.Namespace) -> None:
    """Until a connection is lost or somebody says stop."""
    async with (
        connect(options.order_gateway_uri) as gateway,
        connect(options.market_data_uri, max_size=MAX_BYTES) as feed,
    ):
        follower = Follower(options.trader_id, gateway)
        await follower.ask(type="login", trader_id=options.trader_id, cancel_on_disconnect=True)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        tasks = [
            asyncio.create_task(each)
            for each in (follower.listen(), follower.watch(feed), stop.wait())
        ]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        with contextlib.suppress(ConnectionClosed):
            for task in done:
                task.result()
        print(f"stopped, position {follower.position}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Follow the last trade, over the bare wire.")
    parser.add_argument("--trader-id", default="plain", help="default: %(default)s")
    parser.add_argument(
        "--order-gateway-uri", default="ws://127.0.0.1:9001", help="default: %(default)s"
    )
    parser.add_argument(
        "--market-data-uri", default="ws://127.0.0.1:9010", help="default: %(default)s"
    )
    asyncio.run(trade(parser.parse_args()))


if __name__ == "__main__":
    main()
