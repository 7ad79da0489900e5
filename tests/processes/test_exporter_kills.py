"""The exporter killed -9 under load: by proofs/exporter_kills.py, and as the exchange's child,
which is started again.
"""

import asyncio
import json
import os
import signal
from pathlib import Path
from time import monotonic, sleep

import pytest
from websockets.sync.client import connect

from proofs.exporter_kills import FAULTS, watch
from tests.processes.running import FREE, PATIENCE_S, Exchange, running


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    return asyncio.run(watch(5, folder, seed=7, flush_ms=10, trades_per_s=400))


def test_five_kills_neither_lose_nor_double_a_row(outcome):
    assert outcome.kills.total() == 5
    assert outcome.differences == [], outcome


def test_everything_else_goes_on_and_ends_cleanly(outcome):
    assert outcome.rows["SIM/trades.csv"] > 0, outcome
    assert (outcome.ended, outcome.exit_codes, outcome.tracebacks) == (
        [],
        {"exchange": 0, "exporter": 0},
        [],
    ), outcome


@pytest.mark.parametrize("plant", FAULTS[1:])
def test_a_planted_fault_is_found(plant, tmp_path):
    outcome = asyncio.run(
        watch(6, tmp_path, seed=7, flush_ms=10, trades_per_s=400, plant=plant)
    )
    assert outcome.differences != [], outcome


def trade(exchange: Exchange, *traders: str) -> None:
    """Each of them buys once."""
    with connect(exchange.orders) as gateway:
        for buyer in traders:
            for trader, side in (("bob", "sell"), (buyer, "buy")):
                gateway.send(
                    json.dumps(
                        {
                            "type": "order",
                            "trader_id": trader,
                            "side": side,
                            "qty": 1,
                            "price": 100.0,
                        }
                    )
                )
                assert json.loads(gateway.recv())["type"] == "order_accepted"


def buyers(csv_dir: Path, at_least: int = 0) -> list[str]:
    """Of the rows of trades.csv, waited for."""
    until_s, file = monotonic() + PATIENCE_S, csv_dir / "trades.csv"
    while True:
        rows = file.read_text(encoding="utf-8").splitlines()[1:] if file.exists() else []
        if len(rows) >= at_least:
            return [row.split(",")[3] for row in rows]
        assert monotonic() < until_s, rows
        sleep(0.02)


def test_the_exchange_starts_a_killed_exporter_again_and_no_row_is_missing(tmp_path):
    csv_dir = tmp_path / "csv"
    with running(
        "exchange_server.py", *FREE, "--csv-dir", str(csv_dir), folder=tmp_path
    ) as process:
        exchange = Exchange(process)
        trade(exchange, "ann", "ben")
        buyers(csv_dir, at_least=1)
        os.kill(int((csv_dir / ".export-lock").read_text(encoding="ascii")), signal.SIGKILL)
        assert "name=exporter exit_code=-9" in process.logs("ended by itself")
        trade(exchange, "cid")
        buyers(csv_dir, at_least=3)
        assert process.stops() == 0
    assert buyers(csv_dir) == ["ann", "ben", "cid"]
    assert "missing_events=0" in (csv_dir / "exporter.log").read_text(encoding="utf-8")


def test_an_exporter_that_refuses_its_folder_is_not_started_again_and_trading_goes_on(tmp_path):
    (tmp_path / "trades.csv").write_text("a table of mine\n", encoding="utf-8")
    with running("exchange_server.py", *FREE, folder=tmp_path) as process:
        exchange = Exchange(process)
        assert "name=exporter exit_code=2" in process.logs(
            "ERROR exchange", "is not started again"
        )
        trade(exchange, "ann")
        assert process.stops() == 0
    assert (tmp_path / "trades.csv").read_text(encoding="utf-8") == "a table of mine\n"
    assert "does not begin with 'timestamp" in (tmp_path / "exporter.log").read_text(
        encoding="utf-8"
    )
