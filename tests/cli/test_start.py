"""What a program does not need at its start, it does not import: a machine starts a process for every bot."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes.running import running_command

ROOT = Path(__file__).resolve().parents[2]
FOR_SCREENS = {"rich"}
FOR_CONFIGURATIONS = {"pydantic", "tomllib"}
FOR_RESULTS = {"openskill", "plotly", "aiofiles"}
MAKER = """
import random
from bot_strategies import load_strategy
text = {"levels": "3", "step_ticks": "2"}
load_strategy("maker", trader_id="alice", rng=random.Random(1), params=text)
from botpit.bots import Counts, counts_of, report_text
counts_of(report_text("alice", Counts()), "alice")
from message_schemas import parse_messages
parse_messages('{"type":"pong","timestamp":1}')
"""


@pytest.mark.parametrize(("program", "does_without"), [
    ("import bot_client", FOR_SCREENS | FOR_CONFIGURATIONS | FOR_RESULTS),
    ("import bot_client" + MAKER, FOR_SCREENS | FOR_CONFIGURATIONS | FOR_RESULTS),
    ("import market_data_server", FOR_SCREENS | FOR_CONFIGURATIONS | FOR_RESULTS),
    ("import monitor_client", FOR_CONFIGURATIONS | FOR_RESULTS),
    ("import exchange_server", FOR_SCREENS | FOR_RESULTS),
    ("import botpit.cli.archive", FOR_SCREENS | FOR_CONFIGURATIONS | FOR_RESULTS),
], ids=["bot", "maker", "relay", "monitor", "exchange", "archivist"])  # fmt: skip
def test_a_program_starts_without_what_it_does_not_need(program, does_without):
    script = f"{program}\nimport sys\nprint(*sorted({does_without!r} & set(sys.modules)))"
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == []


@pytest.mark.parametrize("program", [("bot_client.py", "--trader-id", "alice", "--strategy", "hangs.py:Hangs"),
                                     ("bot_battle_runner.py", "--config", "battle.json")])  # fmt: skip
def test_ctrl_c_ends_a_program_in_which_a_strategy_hangs_while_it_is_loaded(program, tmp_path):
    (tmp_path / "hangs.py").write_text(
        "import sys, time\nprint('loading', file=sys.stderr, flush=True)\ntime.sleep(600)\n"
    )
    (tmp_path / "battle.json").write_text(
        '{"bots": [{"trader_id": "alice", "strategy": "hangs.py:Hangs"}]}'
    )
    name, *flags = program
    command = (sys.executable, str(ROOT / name), *flags)
    with running_command(*command, folder=tmp_path) as process:
        process.logs("loading")
        assert process.stops(signal.SIGINT) == 130
    assert not any("Traceback" in line for line in process.lines)
