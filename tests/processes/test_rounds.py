"""Two rounds of real bots on one exchange: each in a market of its own, each settled to plain cash
by the house.
"""

import json
import signal
import subprocess
import sys

import pytest

from tests.processes.running import HOUSE, exchange, relay, running

FLAG = "--house-token-file"


def has_a_door():
    return FLAG in subprocess.check_output(
        [sys.executable, str(HOUSE / "exchange_server.py"), "--help"], text=True
    )


pytestmark = pytest.mark.skipif(not has_a_door(), reason="this exchange has no house's door")


def test_two_rounds_are_two_markets_and_end_flat(tmp_path):
    bots = [
        {"trader_id": "maker", "strategy": "maker", "decision_interval": 0.05},
        {"trader_id": "taker", "strategy": "taker", "count": 2, "decision_interval": 0.05},
    ]
    with (
        exchange(tmp_path, FLAG, "token") as market,
        relay(tmp_path, market.events) as (_, port),
    ):
        uris = {"market_data_uri": f"ws://127.0.0.1:{port}", "order_gateway_uri": market.orders}
        (tmp_path / "bots.json").write_text(json.dumps({**uris, "bots": bots}))
        flags = (
            "--config",
            "bots.json",
            "--rounds",
            "2",
            "--duration",
            "2",
            "--house-token",
            "token",
            "--stagger-ms",
            "0",
        )
        with running("bot_battle_runner.py", *flags, folder=tmp_path) as battle:
            assert battle.ends() == 0, battle.lines
        assert market.process.stops(signal.SIGINT) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    first, second = results["rounds"]
    assert first["market"]["trades"] + second["market"]["trades"] > 0
    assert first["market"]["market_id"] == market.market_id != second["market"]["market_id"]
    for each in (first, second):
        assert each["market"]["trades_before"] == each["market"]["unseen_trades"] == 0
        assert each["market"]["settlement"].keys() == {"SIM"}
        assert {row["trader_id"] for row in each["standings"]} == {
            "maker",
            "taker-1",
            "taker-2",
        }
        for row in each["standings"]:
            assert not any(row["positions"].values()) and row["total_equity"] == row["cash"]
            assert row["gain"] == round(row["total_equity"] - 10_000, 8)
        assert sum(row["total_equity"] for row in each["standings"]) == pytest.approx(
            30_000, abs=1e-6
        ), "there are no fees"
    gains = {row["trader_id"]: row["gain"] for row in results["totals"]}
    for name, gain in gains.items():
        rows = [
            row
            for each in (first, second)
            for row in each["standings"]
            if row["trader_id"] == name
        ]
        assert gain == pytest.approx(sum(row["gain"] for row in rows))
