"""The conversations of docs/API_SPEC.md, held again with the real programs on free ports: they must
say what is pasted there.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.docs.page import SPEC, Line, Page, differences, key, lines_of
from tests.processes.running import exchange, relay

DEADLINE_S = 20.0
"""Nothing here takes a second; only a broken program waits so long."""
Ports = dict[str, str]
"""Who speaks -> its port: `feed` and `public` read 9002, `relay` reads 9010, anybody else is on
9001 (`order`).
"""


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[Ports]:
    """A fresh exchange with default settings, and a relay."""
    with exchange(tmp_path) as house, relay(tmp_path, house.events) as (_, relay_port):
        yield {
            "order": str(house.order_port),
            "feed": str(house.events_port),
            "relay": str(relay_port),
        }


async def hold(conversation: list[Line], ports: Ports) -> list[str]:
    """What is really said, for each line that is received."""
    heard = []
    async with AsyncExitStack() as stack, asyncio.timeout(DEADLINE_S):
        sockets: dict[str, ClientConnection] = {}
        for line in conversation:
            if line.who not in sockets:
                uri = f"ws://127.0.0.1:{ports.get(line.who, ports['order'])}"
                sockets[line.who] = await stack.enter_async_context(
                    connect(uri, compression=None)
                )
            if line.sent:
                await sockets[line.who].send(line.text)
            else:
                heard.append(await next_message(sockets[line.who]))
    return heard


async def next_message(socket: ClientConnection) -> str:
    """Heartbeats come when a machine is slow; no conversation tells of them."""
    while '"heartbeat"' in (text := str(await socket.recv())):
        continue
    return text


def conversation_faults(conversations: list[list[Line]], ports: Ports) -> Iterator[str]:
    for conversation in conversations:
        pasted = [line for line in conversation if not line.sent]
        for line, really in zip(pasted, asyncio.run(hold(conversation, ports)), strict=True):
            if not line.agrees_with(really):
                yield f"the page has {line.text}, the program says {really}"


def health_faults(page: Page, ports: Ports) -> Iterator[str]:
    for who, column in {
        "order": "on 9001 and 9002",
        "feed": "on 9001 and 9002",
        "relay": "on 9010",
    }.items():
        with urlopen(f"http://127.0.0.1:{ports[who]}/healthz", timeout=DEADLINE_S) as answer:
            health = json.load(answer)
        yield from differences(
            f"health of {who}",
            (key(row) for row in page.rows("8. Health") if row[column]),
            health,
        )


def test_the_conversations_are_what_the_programs_say(ports: Ports) -> None:
    conversations = Page(SPEC.read_text(encoding="utf-8")).conversations()
    assert len(conversations) == 4
    assert list(conversation_faults(conversations, ports)) == []


def test_the_conversations_in_markets_of_their_own_are_what_the_exchange_says(
    tmp_path: Path,
) -> None:
    markets = Page(SPEC.read_text(encoding="utf-8")).own_markets()
    assert len(markets) == 2
    for number, (settings, conversation) in enumerate(markets):
        folder = tmp_path / str(number)
        folder.mkdir()
        with exchange(folder, *door(folder, conversation), config=settings) as house:
            ports = {"order": str(house.order_port), "public": str(house.events_port)}
            assert list(conversation_faults([conversation], ports)) == []


def door(folder: Path, conversation: list[Line]) -> list[str]:
    """The flag for an exchange that knows the last token that somebody logs in with."""
    tokens = [
        match[1]
        for line in conversation
        if line.sent and (match := re.search(r'"token":"([^"]+)"', line.text))
    ]
    if not tokens:
        return []
    path = folder / "house.token"
    path.write_text(tokens[-1], encoding="utf-8")
    path.chmod(0o600)
    return ["--house-token-file", str(path)]


@pytest.mark.parametrize(
    "pasted", ['{"type":"pong","timestamp":1,"more":2}', '{"type":"pong"}', "(snapshot)"]
)
def test_a_conversation_that_the_programs_do_not_hold_is_found(
    ports: Ports, pasted: str
) -> None:
    faults = list(
        conversation_faults([lines_of(f'plain > {{"type":"ping"}}\nplain < {pasted}\n')], ports)
    )
    assert len(faults) == 1
    assert faults[0].startswith(
        f'the page has {pasted}, the program says {{"type":"pong","timestamp":'
    )


def test_the_health_of_each_port_is_documented(ports: Ports) -> None:
    spec = SPEC.read_text(encoding="utf-8")
    assert list(health_faults(Page(spec), ports)) == []
    assert set(health_faults(Page(spec.replace("| `holes` | | how", "| `gaps` | | how")), ports)) == {
        "health of relay: gaps is documented and does not exist", "health of relay: holes is not documented",
    }  # fmt: skip
