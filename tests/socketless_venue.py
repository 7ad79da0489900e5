"""A whole exchange without sockets, for tests of border, gateway and feed: text in, messages out,
on a clock the test turns.

Every message that anybody is sent is first validated, strictly and without spare keys, as the
message class of its type.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from botpit.core.commands import Command, Open
from botpit.core.exchange import Exchange
from botpit.settings import parse_settings
from botpit.venue.feed.publisher import Feed
from botpit.venue.feed.subscriptions import Reader
from botpit.venue.gateway.gateway import Gateway, text_of
from botpit.venue.gateway.market import LiveMarket
from botpit.venue.gateway.private import MAX_EVENTS_PER_TRADER, PrivateEventBuffer
from botpit.wire.explain import twin
from botpit.wire.sequencer import Sequencer
from message_schemas import MESSAGE_CLASSES

START_MS = 1_700_000_000_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
TWO_MARKETS = """
[[instruments]]
symbol = "SIM"
[[instruments]]
symbol = "ALT"
tick = 0.05
reference_price = 20
"""
_ADAPTERS = {name: TypeAdapter(twin(cls)) for name, cls in MESSAGE_CLASSES.items()}

Message = dict[str, Any]


def checked(message: bytes) -> Message:
    """The message, valid to the letter: known type, right types, no key that its class does not name."""
    fields: Message = json.loads(message, object_pairs_hook=_no_key_twice)
    _ADAPTERS[fields["type"]].validate_json(message, strict=True, extra="forbid")
    return fields


def _no_key_twice(pairs: list[tuple[str, Any]]) -> Message:
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


def text(**fields: object) -> str:
    return json.dumps(fields)


def order(
    trader: str | None = None,
    side: str = "buy",
    qty: int = 1,
    price: float | None = 100.0,
    **more: Any,
) -> Message:
    """An order; `trader` None: left to the login, `price` None: a market order."""
    fields = {"type": "order", "side": side, "qty": qty, **more}
    fields |= {} if trader is None else {"trader_id": trader}
    return fields | ({"order_type": "market"} if price is None else {"price": price})


RICH = """
[market]
starting_cash = 1000000000
max_requests_per_s = 1000000
max_cancels_per_s = 1000000
max_open_orders = 1000000
"""
"""Nobody meets a limit."""
BOTH = RICH + TWO_MARKETS
DEFAULT = ["book", "liquidations", "positions", "status", "trades"]
EVERYTHING = [*DEFAULT, "book_delta", "orders", "orders_full"]


class Ledger:
    """A journal that the test can look into."""

    def __init__(self) -> None:
        self.commands: list[Command] = []

    def append(self, command: Command, now_ns: int) -> None:
        self.commands.append(command)


class FakeOperator:
    """The house, as far as a gateway asks it; notes what it is told."""

    def __init__(self, token: str | None) -> None:
        self.told: list[object] = []
        self._token = token

    def knows(self, token: str) -> bool:
        return token == self._token

    def closed(self, symbols: list[str]) -> None:
        self.told.append(symbols)

    def reopen(self) -> None:
        self.told.append("reopen")


class Client:
    """One connection to order entry."""

    def __init__(self, venue: SocketlessVenue) -> None:
        self._venue = venue
        self.session = venue.gateway.connect()

    def sends(self, frame: object) -> list[Any]:
        """Send a frame (text, bytes, or what becomes JSON) and take the messages that wait; an
        array comes as a list.
        """
        return [_read(message) for message in self.sends_raw(frame)]

    def sends_raw(self, frame: object) -> list[bytes]:
        self.deliver(frame)
        return self.takes_raw()

    def deliver(self, frame: object) -> int:
        """Send a frame and leave what it brings waiting; returns the number of requests it was counted as."""
        self.session.inbox.append(_frame(frame))
        return self._venue.gateway.receive(self.session, 1, self._venue.now_ns)

    def asks(self, frame: object) -> Any:
        """The one answer, where there must be nothing else."""
        [answer] = self.sends(frame)
        return answer

    def takes(self) -> list[Any]:
        return [_read(message) for message in self.takes_raw()]

    def takes_raw(self) -> list[bytes]:
        messages, self.session.outbox = self.session.outbox, []
        self._venue.gateway.flushable.discard(self.session)
        return list(map(text_of, messages))

    def logs_in(self, trader: str, **more: object) -> Message:
        """Log in and return the answer; what follows it keeps waiting."""
        answer, *rest = self.sends_raw({"type": "login", "trader_id": trader, **more})
        self.session.outbox = rest
        fields = checked(answer)
        assert fields["type"] == "logged_in", fields
        return fields

    def is_lost(self) -> None:
        self._venue.gateway.lost(self.session, self._venue.now_ns)


class Listener:
    """One connection to the feed, and the sink of its own `Reader`."""

    def __init__(self, venue: Any) -> None:
        self._venue = venue
        self._frames: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.closed: tuple[int, str] | None = None
        self.reader = Reader(self)
        venue.feed.subscriptions.join(self.reader, venue.now_ns)

    def send(self, messages: Iterable[bytes]) -> None:
        self._frames += messages

    def write(self, frames: bytes) -> None:
        raise AssertionError("only a real port writes frames")

    def close(self, code: int, reason: str = "") -> None:
        self.closed = (code, reason)

    def asks(self, **fields: object) -> list[Any]:
        """Send a request and take everything that waits."""
        return self.sends(text(**fields))

    def sends(self, frame: object) -> list[Any]:
        self._venue.feed.subscriptions.receive(self.reader, _frame(frame), self._venue.now_ns)
        return self.takes()

    def takes(self) -> list[Message]:
        """The messages that wait, those of arrays one by one."""
        return [message for frame in self.takes_frames() for message in _messages(frame)]

    def takes_frames(self) -> list[bytes]:
        frames, self._frames = list(self._frames), deque()
        return frames

    def leaves(self) -> None:
        self._venue.feed.subscriptions.leave(self.reader)


class Crowd:
    """Four traders who do anything at all, near the middle of every market."""

    def __init__(self, venue: SocketlessVenue, rng: random.Random) -> None:
        self._rng = rng
        self._client = venue.client()
        self._markets = [(symbol, m.instrument) for symbol, m in venue.exchange.markets.items()]
        self._last_order_id = 1

    def acts(self) -> Any:
        """One request of one of them, and its answer."""
        answer = self._client.asks(
            self.request(self._rng.choice(("alice", "bob", "carol", "dave")))
        )
        self._last_order_id = max(self._last_order_id, answer.get("order_id") or 0)
        return answer

    def request(self, trader: str) -> Message:
        rng = self._rng
        match rng.randrange(10):
            case 0 | 1:
                return {"type": "cancel", "trader_id": trader, "order_id": self._some_order()}
            case 2:
                return {
                    "type": "replace",
                    "trader_id": trader,
                    "order_id": self._some_order(),
                    "qty": rng.randrange(1, 12),
                }
            case 3 if rng.random() < 0.1:
                return {"type": "cancel_all", "trader_id": trader}
            case _:
                return self._order(trader)

    def _some_order(self) -> int:
        return self._rng.randrange(max(1, self._last_order_id - 40), self._last_order_id + 1)

    def _order(self, trader: str) -> Message:
        rng = self._rng
        symbol, instrument = rng.choice(self._markets)
        ticks = instrument.reference_price + rng.randrange(-20, 21)
        price = (
            None
            if rng.random() < 0.1
            else ticks * instrument.tick_units / 10**instrument.tick_decimals
        )
        words = (
            {}
            if price is None
            else rng.choice(
                (
                    {},
                    {},
                    {},
                    {"time_in_force": "ioc"},
                    {"post_only": True},
                    {"time_in_force": "fok"},
                )
            )
        )
        return order(
            trader,
            rng.choice(("buy", "sell")),
            rng.randrange(1, 12),
            price,
            symbol=symbol,
            **words,
        )


class SocketlessVenue:
    """An exchange, its gateway and its feed. `now_ns` stands still until `passes`; without a token
    there is no house's door. `keeps`: so many of a trader's own events are kept for its next login.
    """

    def __init__(
        self,
        toml: str = "",
        market_id: str = "m1",
        token: str | None = None,
        keeps: int = MAX_EVENTS_PER_TRADER,
    ) -> None:
        settings = parse_settings(toml)
        self.exchange = Exchange(
            Open(market_id, settings.rules(), settings.engine_instruments())
        )
        self.sequencer = Sequencer(self.exchange)
        self.encoder = self.sequencer.encoder
        self.feed = Feed(self.sequencer)
        self.journal = Ledger()
        self.operator = FakeOperator(token)
        self.now_ns = START_MS * NS_PER_MS
        market = settings.market
        private = PrivateEventBuffer(self.encoder, keeps)
        self.gateway = Gateway(
            LiveMarket(self.sequencer, self.feed, private), self.journal, self.operator,
            max_requests_per_s=market.max_requests_per_s, max_cancels_per_s=market.max_cancels_per_s,
        )  # fmt: skip

    def client(self) -> Client:
        return Client(self)

    def listener(self) -> Listener:
        return Listener(self)

    def passes(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS_PER_S)

    def crowd(self, seed: int) -> Crowd:
        return Crowd(self, random.Random(seed))

    def ends_turn(self) -> None:
        """Deliver what the commands since the last time have caused."""
        for messages, readers in self.feed.end_turn(self.now_ns):
            for reader in readers:
                reader.sink.send(messages)

    def state(self) -> tuple[object, ...]:
        """Everything that a refused message must not change."""
        exchange = self.exchange
        accounts = {
            trader: (
                account.cash,
                account.seq,
                account.sessions,
                dict(account.open_sessions),
                sorted(account.by_client_id),
            )
            for trader, account in exchange.accounts.items()
        }
        books = {
            symbol: (market.mark, market.book.bids.top(1_000), market.book.asks.top(1_000))
            for symbol, market in exchange.markets.items()
        }
        return accounts, books, self.feed.seq, len(self.journal.commands)


def _frame(frame: object) -> bytes:
    if isinstance(frame, bytes):
        return frame
    return (frame if isinstance(frame, str) else json.dumps(frame)).encode()


def _read(message: bytes) -> Any:
    return _messages(message) if message[:1] == b"[" else checked(message)


def _messages(frame: bytes) -> list[Message]:
    """The messages of a frame, each checked; an array's elements are checked as they stand in it."""
    if frame[:1] != b"[":
        return [checked(frame)]
    return [checked(json.dumps(each).encode()) for each in json.loads(frame)]
