"""Bots that want too much of the machine, as real processes on a real exchange."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.processes.running import Exchange, exchange, running

GREEDY = """
from bot_strategies import Strategy

class Endless(Strategy):
    def on_start(self, market):
        market.buy(1, 99.0)

    def on_order(self, market, event):
        while event.type == "order_accepted":
            pass

class Greedy(Strategy):
    def on_start(self, market):
        self.memory = []
        self.files = [open(__file__) for _ in range(100)]

    def on_timer(self, market):
        while True:
            self.memory.append([1, 2, 3])
"""


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    folder = tmp_path_factory.mktemp("limits")
    (folder / "greedy.py").write_text(GREEDY)
    with exchange(folder) as started:
        started.folder = folder
        yield started


def bot(market: Exchange, strategy: str, *flags: str):
    where = (
        "--order-gateway-uri",
        market.orders,
        "--market-data-uri",
        market.events,
        "--decision-interval",
        "0.01",
    )
    return running(
        "bot_client.py",
        "--trader-id",
        strategy.lower(),
        "--strategy",
        f"greedy.py:{strategy}",
        *where,
        *flags,
        folder=market.folder,
    )


def test_a_bot_that_never_comes_back_from_a_callback_ends_in_order_when_its_cpu_time_is_used_up(
    market,
):
    with bot(market, "Endless", "--max-cpu-s", "2", "--report", "endless.json") as process:
        assert process.ends() == 3
    assert process.logs("strategy crashed", "hook=on_order", "CpuLimitReached", "greedy.py")
    assert process.logs('ERROR bot:endless stopping reason="CPU limit reached"')
    assert process.logs("stopped accepted=1")
    report = json.loads((market.folder / "endless.json").read_text())
    assert (report["accepted"], report["callback_errors"]) == (1, 1)
    assert report["account_seq"] == 2, "the order, and its cancel"


def test_too_many_files_and_too_much_memory_are_crashes_of_the_strategy(market):
    with bot(market, "Greedy", "--max-memory-mb", "100", "--max-open-files", "40") as process:
        assert process.ends() == 3
    assert process.logs("strategy crashed", "hook=on_start", "Too many open files")
    assert process.logs("strategy crashed", "hook=on_timer", "MemoryError")
    assert process.logs("stopping", "crashed too often")
