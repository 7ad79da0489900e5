"""Bad input and attacks on the real exchange process (short versions): each has its documented
answer and nothing changes.

Before and after every attack the market is asked for all that a client can see; in the end the
process is up and its log clean.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.processes.raw_client import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawClient,
    close_code,
    frame,
    size_field,
    text,
)
from tests.processes.running import PATIENCE_S, Exchange, exchange, health

FAST = "[market]\nmax_requests_per_s = 1000000\nmax_cancels_per_s = 1000000\n"
TRADERS = ("alice", "bob")
ORDER = {"type": "order", "trader_id": "alice", "side": "buy", "qty": 1, "price": 95}
SEED = 20_240_601


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """A market that has traded and in which orders rest, evenly around the mark, so that time alone
    changes nothing.
    """

    async def opens(uri: str) -> None:
        async with connect(uri, compression=None, proxy=None) as client:
            for trader, side, price in (
                ("bob", "sell", 100),
                ("alice", "buy", 100),
                ("alice", "buy", 99),
                ("bob", "sell", 101),
            ):
                await client.send(
                    json.dumps(
                        {
                            "type": "order",
                            "trader_id": trader,
                            "side": side,
                            "qty": 3,
                            "price": price,
                        }
                    )
                )
                assert json.loads(await client.recv())["type"] == "order_accepted"

    with exchange(tmp_path_factory.mktemp("hostile"), config=FAST) as running:
        asyncio.run(opens(running.orders))
        yield running
        assert running.process.is_up()
        assert running.process.troubles() == []
        assert running.process.stops() == 0


def unchanged(market: Exchange, attack: Callable[[], Awaitable[None]]) -> None:
    """Run the attack; afterwards everything is as it was, and everybody is still served."""

    async def story() -> None:
        async with asyncio.timeout(PATIENCE_S):
            before = await state(market)
            await attack()
            assert await state(market) == before

    asyncio.run(story())


async def state(market: Exchange) -> list[Any]:
    async with (
        connect(market.orders, compression=None, proxy=None) as client,
        connect(market.events, compression=None, proxy=None) as reader,
    ):
        snapshot = json.loads(await reader.recv())
        seen = [
            {key: value for key, value in each.items() if key != "timestamp"}
            for each in (snapshot, *snapshot.pop("positions"))
        ]
        for trader in TRADERS:
            for kind in ("account", "open_orders"):
                await client.send(json.dumps({"type": kind, "trader_id": trader}))
                seen.append(
                    {
                        key: value
                        for key, value in json.loads(await client.recv()).items()
                        if key != "timestamp"
                    }
                )
    return [*seen, health(market.order_port)["seq"], health(market.events_port)["seq"]]


async def answers(uri: str, *frames: str) -> list[Any]:
    """One answer to each frame, and the connection still stands afterwards."""
    got = []
    async with connect(uri, compression=None, proxy=None) as client:
        for each in frames:
            await client.send(each)
            got.append(json.loads(await client.recv()))
        await client.send('{"type":"ping","request_id":"end"}')
        assert json.loads(await client.recv())["request_id"] == "end"
    return got


@asynccontextmanager
async def raw(
    market: Exchange, port: int | None = None, **headers: str
) -> AsyncIterator[RawClient]:
    """A socket with its handshake behind it, on which any bytes may follow."""
    client = RawClient(*await asyncio.open_connection("127.0.0.1", port or market.order_port))
    status, head, _ = await client.asks("/", **headers)
    assert status == 101
    assert "extension" not in head.lower(), "nothing is negotiated"
    yield client
    client.writer.close()


async def everything(client: RawClient) -> list[tuple[int, bytes]]:
    """Every frame until the server ends the stream, or cuts it."""
    try:
        return await client.gets_all()
    except (asyncio.IncompleteReadError, ConnectionError):
        return []


def written(**change: Any) -> str:
    return json.dumps(ORDER | change)


def with_raw(field: str, raw_value: str) -> str:
    return (
        json.dumps({key: value for key, value in ORDER.items() if key != field})[:-1]
        + f', "{field}": {raw_value}}}'
    )


# ------------------------------------------------------------------------------ A5 to A10: messages

INVALID_JSON = [
    "", "{",
    "nonsense", with_raw("price", "NaN"), with_raw("price", "-Infinity"), with_raw("spare", "Infinity"), written() + "x",
    "[", '["x"',
    with_raw("spare", "[" * 64 + "]" * 64), "[" * 30_000, '{"a":' * 10_000, with_raw("client_order_id", '"\\ud800"'),
]  # fmt: skip
INVALID_MESSAGE = {
    "price": ["1e999", '"5"', "true", "9" * 5_000, "[5]"],
    "qty": ["1.0", '"5"', "true", "1e3", "9" * 5_000, "1.5"],
    "side": ['"hold"', "1", '"BÜY"'], "order_type": ['"stop"'], "time_in_force": ['"day"', '"gtd"'],
    "trader_id": ['"@fees"', '""', "5"],
    "client_order_id": ['"a b"', '"\\u0000"', '"\\u202e"', '"😀"', '"a\\nb"',
                        '"\\u001b[2J"', '"' + "x" * 65 + '"', '"=1"', '"%s{}"'],
    "symbol": ['"@SIM"', '"a b"'], "spare": ["9" * 41],
}  # fmt: skip
BY_THE_ENGINE = [
    ("price", "0", "invalid_price"), ("price", "-0", "invalid_price"), ("price", "-5", "invalid_price"),
    ("price", "95.001", "invalid_price"),
    ("price", str(2**63), "invalid_price"), ("price", str(2**64), "invalid_price"), ("price", "1000000.01", "invalid_price"),
    ("price", "500", "price_band"), ("qty", "0", "invalid_qty"), ("qty", "-1", "invalid_qty"), ("qty", str(2**63), "invalid_qty"),
    ("qty", str(2**64), "invalid_qty"), ("qty", "1000001", "invalid_qty"), ("qty", "1000000", "order_too_large"),
    ("symbol", '"NONE"', "unknown_symbol"),
]  # fmt: skip


def test_what_is_no_json_is_refused_and_the_connection_stays(market):
    async def attack() -> None:
        got = await answers(market.orders, *INVALID_JSON)
        assert [(each["type"], each["reason"]) for each in got] == [
            ("order_rejected", "invalid_json")
        ] * len(INVALID_JSON)

    unchanged(market, attack)


def test_what_is_ill_formed_is_refused_by_the_name_of_its_field(market):
    async def attack() -> None:
        sent = [
            (field, with_raw(field, value))
            for field, values in INVALID_MESSAGE.items()
            for value in values
        ]
        got = await answers(market.orders, *(each for _, each in sent))
        for (field, each), answer in zip(sent, got, strict=True):
            assert (answer["type"], answer["reason"]) == (
                "order_rejected",
                "invalid_message",
            ), each[:200]
            expected = "expires_at" if '"gtd"' in each else field
            assert answer["details"]["error"].startswith(f"{expected}: "), each[:200]

    unchanged(market, attack)


def test_what_is_out_of_range_has_its_own_reason(market):
    async def attack() -> None:
        got = await answers(
            market.orders, *(with_raw(field, value) for field, value, _ in BY_THE_ENGINE)
        )
        assert [each["reason"] for each in got] == [reason for _, _, reason in BY_THE_ENGINE]

    unchanged(market, attack)


def test_unknown_keys_repeated_keys_and_arrays(market):
    async def attack() -> None:
        for sent, reason, named in (
            ('{"type":"cancel","trader_id":"alice","order_id":3,"spare":1}', "invalid_message", "spare:"),
            ('{"type":"cancel_all","trader_id":"alice","sides":"buy"}', "invalid_message", "sides:"),
            ("[" + ",".join(["1"] * 30_000) + "]", "invalid_message", "1 to 100"), ("[]", "invalid_message", "1 to 100"),
            (written()[:-1] + ',"qty":1000,"qty":true}', "invalid_message", "qty:"),
            ('{"type":"nope"}', "invalid_message", "type:"),
        ):  # fmt: skip
            [answer] = await answers(market.orders, sent)
            assert (answer["reason"], named in answer["details"]["error"]) == (reason, True), (
                sent[:100]
            )
        [array] = await answers(market.orders, "[" + ",".join([written(qty=0)] * 100) + "]")
        assert [each["reason"] for each in array] == ["invalid_qty"] * 100
        [last_wins] = await answers(market.orders, written()[:-1] + ',"qty":5,"qty":0}')
        assert last_wins["reason"] == "invalid_qty"

    unchanged(market, attack)


def test_one_message_cannot_hold_up_the_others(market):
    """Text that is never ended, full of escapes, brackets or digits: 64 KiB of it must not take
    more than a moment.
    """

    async def attack() -> None:
        for filling in ('\\"', '"', "[", '["', "1", '{"', "\\\\", '"\\', "'", "\\u0022"):
            async with (
                connect(market.orders, compression=None, proxy=None) as hostile,
                connect(market.orders, compression=None, proxy=None) as other,
            ):
                await hostile.send(('{"type":"order","x":"' + filling * 65_000)[:65_000])
                async with asyncio.timeout(5):
                    assert json.loads(await hostile.recv())["reason"] in (
                        "invalid_json",
                        "invalid_message",
                    ), filling
                    await other.send('{"type":"ping"}')
                    assert json.loads(await other.recv())["type"] == "pong", filling

    unchanged(market, attack)


def test_mangled_orders_have_one_typed_answer_each(market):
    """Bits are flipped in an order that has three faults of its own, so that no mangling can make
    it a good one.
    """

    async def attack() -> None:
        rng = random.Random(SEED)
        async with connect(market.orders, compression=None, proxy=None) as client:
            for _ in range(1_500):
                mangled = bytearray(
                    written(
                        qty=0,
                        price=95.001,
                        symbol="NO-SUCH",
                        client_order_id=f"f{rng.randrange(50)}",
                    ).encode()
                )
                for _ in range(rng.choice([1, 1, 1, 2])):
                    mangled[rng.randrange(len(mangled))] ^= 1 << rng.randrange(7)
                await client.send(bytes(mangled).decode("ascii"))
                answer = json.loads(await client.recv())
                assert answer["type"] in ("order_rejected", "error"), (mangled, answer)
            await client.send('{"type":"ping"}')
            assert json.loads(await client.recv())["type"] == "pong"

    unchanged(market, attack)


# --------------------------------------------------------------------------------- A1 to A4: frames

PROTOCOL_FAULTS = {1002, 1003, 1007, 1009}


def test_random_bytes_get_a_protocol_close_or_a_typed_answer(market):
    async def attack() -> None:
        rng = random.Random(SEED)
        for number in range(150):
            async with raw(
                market, market.order_port if number % 2 else market.events_port
            ) as client:
                client.sends(_noise(rng))
                client.writer.write_eof()
                for opcode, payload in await everything(client):
                    assert opcode in (TEXT, CLOSE, PING, PONG)
                    if opcode == TEXT:
                        assert json.loads(payload)["type"] in (
                            "order_rejected",
                            "error",
                            "snapshot",
                        )
                    elif opcode == CLOSE:
                        assert close_code((opcode, payload)) in {
                            *PROTOCOL_FAULTS,
                            1000,
                            1005,
                        } or _is_echo(payload)

    unchanged(market, attack)


def _noise(rng: random.Random) -> bytes:
    match rng.randrange(4):
        case 0:
            return rng.randbytes(rng.randrange(1, 300))
        case 1:
            return frame(
                rng.randrange(16),
                rng.randbytes(rng.randrange(130)),
                final=rng.random() < 0.7,
                reserved=rng.choice([0, 0, 0, 1, 4]),
            )
        case 2:
            cut = text(written(qty=0, price=95.001))
            return cut[: rng.randrange(1, len(cut))]
        case _:
            mangled = bytearray(text(written(qty=0, price=95.001)))
            mangled[rng.randrange(len(mangled))] ^= 1 << rng.randrange(8)
            return bytes(mangled)


def _is_echo(payload: bytes) -> bool:
    """The answer to a close frame that the noise happened to be."""
    return len(payload) >= 2 and (
        int.from_bytes(payload[:2], "big") >= 3_000
        or 1_000 <= int.from_bytes(payload[:2], "big") <= 1_014
    )


@pytest.mark.parametrize(("name", "sent", "code"), [
    ("too long", [text(b" " * 66_560)], 1009),
    ("too long in 10,000 fragments", [text(b"1234567", final=False), *[frame(CONTINUATION, b"1234567", final=False)] * 9_999],
     1009),
    ("announced too long", [b"\x81" + size_field(2**40)], 1009),
    ("top bit set", [b"\x81\xff" + (2**63 + 5).to_bytes(8, "big")], 1009),
    ("compressed bit", [text(written(), reserved=4)], 1002), ("unknown opcode", [frame(3, b"x")], 1002),
    ("binary", [frame(BINARY, b"{}")], 1003),
    ("not masked", [text(written(), masked=False)], 1002), ("ping too long", [frame(PING, b"x" * 126)], 1002),
    ("ping in fragments", [frame(PING, b"x", final=False)], 1002), ("continuation of nothing", [frame(CONTINUATION, b"x")], 1002),
    ("new message in the middle", [text("{", final=False), text("{}")], 1002), ("no utf-8", [text(b"\xff")], 1007),
    ("no utf-8 in fragments", [text(b"\xc3", final=False), frame(CONTINUATION, b"(")], 1007),
])  # fmt: skip
def test_broken_framing_is_closed_with_its_code_and_nothing_of_it_is_done(
    market, name, sent, code
):
    async def attack() -> None:
        async with raw(market) as client:
            client.sends(*sent)
            client.sends(text(written()))
            got = await everything(client)
            assert [close_code(each) for each in got] == [code]

    unchanged(market, attack)


def test_compression_is_never_negotiated(market):
    async def attack() -> None:
        async with raw(
            market, Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits"
        ) as client:
            client.sends(text('{"type":"ping"}'))
            opcode, payload = await client.gets()
            assert (opcode, json.loads(payload)["type"]) == (TEXT, "pong")

    unchanged(market, attack)


def test_fragments_with_a_ping_between_them_are_one_message(market):
    async def attack() -> None:
        async with raw(market) as client:
            message = '{"type":"ping","request_id":"ü😀"}'.encode()
            pieces = [message[n : n + 1] for n in range(len(message))]
            client.sends(
                text(pieces[0], final=False),
                frame(PING, b"hello"),
                *(frame(CONTINUATION, each, final=False) for each in pieces[1:]),
            )
            client.sends(frame(CONTINUATION))
            assert await client.gets() == (PONG, b"hello")
            assert json.loads((await client.gets())[1])["request_id"] == "ü😀"

    unchanged(market, attack)


def test_a_frame_cut_at_every_byte_is_an_order_only_when_it_is_whole(market):
    async def attack() -> None:
        whole = text(written(price=95.001, client_order_id="cut"))
        for cut in range(1, len(whole) + 1, 5):
            async with raw(market) as client:
                client.sends(whole[:cut])
                client.writer.write_eof()
                got = await everything(client)
                assert all(close_code(each) == 1002 for each in got if each[0] == CLOSE)
                assert not any(opcode == TEXT for opcode, _ in got)
        async with raw(market) as client:
            client.sends(whole)
            assert json.loads((await client.gets())[1])["reason"] == "invalid_price"

    unchanged(market, attack)


# ---------------------------------------------------------------------------------------- strangers


@pytest.mark.parametrize("path", ["/", "/healthz"])
@pytest.mark.parametrize("headers", [
    {"Origin": "http://evil.test"}, {"Origin": "null"}, {"Host": "evil.test"}, {"Host": "evil.test:9001"},
    {"Origin": "http://localhost.evil.test"},
])  # fmt: skip
def test_a_page_from_elsewhere_is_refused_before_it_is_a_websocket(market, path, headers):
    async def attack() -> None:
        for port in (market.order_port, market.events_port):
            client = RawClient(*await asyncio.open_connection("127.0.0.1", port))
            status, _, body = await client.asks(path, **headers)
            assert status == 403
            assert b"evil" not in body
            client.writer.close()

    unchanged(market, attack)


def test_our_own_page_is_served(market):
    assert health(market.order_port, Origin="http://localhost:3000")["state"] == "open"
    assert health(market.order_port, Origin="http://evil.test") == {"status": 403}


def test_many_strangers_who_say_nothing_leave_room_for_the_others(market):
    async def attack() -> None:
        silent = [
            await asyncio.open_connection("127.0.0.1", market.order_port) for _ in range(100)
        ]
        assert (await answers(market.orders, '{"type":"ping"}'))[0]["type"] == "pong"
        for _, writer in silent:
            writer.transport.abort()

    unchanged(market, attack)


def test_the_log_has_no_character_that_could_move_a_cursor(market):
    async def attack() -> None:
        await answers(
            market.orders,
            *(
                with_raw(field, '"\\u001b[2J\\n%s{}\\u202e"')
                for field in ("trader_id", "client_order_id", "symbol", "side")
            ),
        )
        client = RawClient(*await asyncio.open_connection("127.0.0.1", market.order_port))
        client.sends(
            b"GET /\x1b[2J HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://\x1b[2J\r\n\r\n"
        )
        await client.reaches_the_end()

    unchanged(market, attack)
    assert all(line.isprintable() for line in market.process.lines)


def test_ten_thousand_refusals_cost_no_memory(market):
    def resident_kib() -> int:
        with open(f"/proc/{market.process.popen.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    async def attack() -> None:
        async with connect(market.orders, compression=None, proxy=None) as client:
            before = 0
            for round_ in range(10):
                for _ in range(10):
                    await client.send(
                        "[" + ",".join([with_raw("client_order_id", '"a b"')] * 100) + "]"
                    )
                    assert len(json.loads(await client.recv())) == 100
                before = before or resident_kib()
                assert resident_kib() - before < 20 * 1_024, round_

    if not os.path.exists(f"/proc/{market.process.popen.pid}/status"):
        pytest.skip("this system has no /proc, in which to see how much memory a process has")
    unchanged(market, attack)
