"""A data folder that an earlier version wrote: this one comes to the same fingerprints and goes on
where that one stopped.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.processes.running import HOUSE, exchange

KEPT = HOUSE / "tests" / "kept_folder"
REPLAYED = (KEPT / "replayed.txt").read_text(encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of it, where an exchange that runs in `tmp_path` looks."""
    return Path(shutil.copytree(KEPT / "data", tmp_path / "exchange-data"))


def replayed(data: Path, *flags: str) -> str:
    command = [sys.executable, "-m", "botpit", "replay", str(data), "--verify", *flags]
    done = subprocess.run(
        command,
        cwd=HOUSE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_replay_has_the_same_fingerprints(data: Path) -> None:
    assert replayed(data, "--show", "accounts") == REPLAYED


def test_an_exchange_goes_on_from_it(data: Path, tmp_path: Path) -> None:
    with exchange(tmp_path) as house:
        assert house.market_id in (data / "current").read_text()
        for line in (line for line in REPLAYED.splitlines() if " active " in line):
            trader, _, cash, _, lots, _ = line.split()
            with connect(house.orders, compression=None, proxy=None) as client:
                client.send(json.dumps({"type": "login", "trader_id": trader}))
                client.send(json.dumps({"type": "account", "trader_id": trader}))
                said = [json.loads(client.recv()) for _ in range(2)]
            assert [said[1]["cash"], said[1]["positions"][0]["position"]] == [
                float(cash),
                int(lots),
            ]
        assert house.process.stops() == 0
    assert REPLAYED.splitlines()[0].split()[1] in replayed(data)
