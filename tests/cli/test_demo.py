"""`botpit demo`: what it refuses before anything starts, what it says when a process fails, and
that it leaves nobody behind.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from botpit.cli.demo.plan import DemoSettings, battle_config, check_ports, new_run_folder
from botpit.io.exit_codes import ProgramError

HOUSE = Path(__file__).resolve().parents[2]
LeftBehind = Callable[..., list[str]]


def settings(folder: Path, **others: object) -> DemoSettings:
    usual: dict[str, object] = {
        "config": None, "duration_s": 1.0, "runs_dir": folder / "runs", "host": "127.0.0.1",
        "order_port": 9001, "events_port": 9002, "market_data_port": 9010, "log_level": "info",
    }  # fmt: skip
    return DemoSettings(**(usual | others))  # type: ignore[arg-type]


def write_battle(path: Path, *bots: dict[str, object], **others: object) -> Path:
    path.write_text(json.dumps({"bots": list(bots), **others}), encoding="utf-8")
    return path


# --------------------------------------------------------------------------------- before the start


def test_the_battle_goes_to_the_demos_own_addresses(tmp_path: Path) -> None:
    bot = {"trader_id": "ann", "strategy": "maker", "order_gateway_uri": "ws://10.0.0.1:9001"}
    config = write_battle(tmp_path / "battle.json", bot, market_data_uri="ws://10.0.0.1:9010")
    battle = battle_config(
        settings(tmp_path, config=config, order_port=7001, market_data_port=7010)
    )
    (ann,) = battle.all_bots()
    assert (ann.order_gateway_uri, ann.market_data_uri, battle.market_data_uri) == (
        "ws://127.0.0.1:7001", "ws://127.0.0.1:7010", "ws://127.0.0.1:7010",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("host", "uri"),
    [
        ("0.0.0.0", "ws://127.0.0.1:9001"),
        ("::", "ws://[::1]:9001"),
        ("10.0.0.1", "ws://10.0.0.1:9001"),
    ],
)
def test_bots_find_a_server_that_listens_everywhere(
    tmp_path: Path, host: str, uri: str
) -> None:
    assert settings(tmp_path, host=host).uri(9001) == uri


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("quiet_bot.py:Quiet", "{folder}/quiet_bot.py:Quiet"),
        ("quiet_bot:Quiet", "{folder}/quiet_bot.py:Quiet"),
        ("bots/quiet_bot.py:Quiet", "{folder}/bots/quiet_bot.py:Quiet"),
        ("{folder}/quiet_bot.py:Quiet", "{folder}/quiet_bot.py:Quiet"),
        ("bot_strategies:Maker", "bot_strategies:Maker"),
        ("maker", "maker"),
    ],
)
def test_a_plugin_beside_the_config_is_found_from_the_runs_folder(
    tmp_path: Path, named: str, found: str
) -> None:
    (tmp_path / "bots").mkdir()
    for file in ("quiet_bot.py", "bots/quiet_bot.py"):
        (tmp_path / file).write_text(
            "import bot_strategies\n\nclass Quiet(bot_strategies.Strategy): ...\n",
            encoding="utf-8",
        )
    config = write_battle(
        tmp_path / "battle.json",
        {"trader_id": "ann", "strategy": named.format(folder=tmp_path)},
    )
    assert battle_config(settings(tmp_path, config=config)).bots[0].strategy == found.format(
        folder=tmp_path
    )


def test_a_second_run_in_the_same_second_gets_its_own_folder(tmp_path: Path) -> None:
    folders = {new_run_folder(tmp_path / "runs") for _ in range(4)}
    assert len(folders) == 4
    assert all(folder.is_dir() and folder.parent == tmp_path / "runs" for folder in folders)


def test_a_runs_dir_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(ProgramError, match=r"--runs-dir .*runs: "):
        new_run_folder(tmp_path / "runs")


def test_one_port_for_two_servers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="three different ports"):
        check_ports(settings(tmp_path, events_port=9001))


# ----------------------------------------------------------------------------------- real processes


class Start:
    """Starts `botpit demo` from the clone, in the test's folder and on free ports."""

    def __init__(
        self, folder: Path, ports: dict[str, int], environment: dict[str, str]
    ) -> None:
        self.folder = folder
        self.flags = [str(word) for pair in ports.items() for word in pair]
        self.environment = environment

    def __call__(self, *flags: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "botpit", "demo", *self.flags, *flags],
            cwd=self.folder, env=self.environment | {"PYTHONPATH": str(HOUSE)},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture
def start(tmp_path: Path, demo_ports: dict[str, int], marked: dict[str, str]) -> Start:
    return Start(tmp_path, demo_ports, marked)


def wait_for_trades(demo: subprocess.Popen[str]) -> None:
    """Read its progress until it tells of the first trades."""
    assert demo.stdout is not None
    told = []
    for line in demo.stdout:
        told.append(line)
        if re.search(r"trades [1-9]", line):
            return
    raise AssertionError(f"it ended without a trade: {told}")


def last_line(log: Path) -> str:
    return log.read_text(encoding="utf-8").splitlines()[-1]


def test_a_port_in_use_is_one_line_and_exit_2(
    start: Start, demo_ports: dict[str, int], left_behind: LeftBehind
) -> None:
    with socket.create_server(("127.0.0.1", demo_ports["--events-port"])):
        demo = start()
        out, err = demo.communicate(timeout=60)
    sentence = f"error: port {demo_ports['--events-port']} is already in use; choose another with --events-port\n"
    assert (demo.returncode, out, err) == (2, "", sentence)
    assert left_behind() == []
    assert not (start.folder / "runs").exists()


def test_a_bad_config_is_a_line_for_each_problem_and_exit_2(
    start: Start, left_behind: LeftBehind
) -> None:
    ann, nobody = {"trader_id": "ann", "strategy": "maker", "sede": 1}, {"strategy": "taker"}
    config = write_battle(start.folder / "battle.json", ann, nobody)
    demo = start("--config", str(config))
    out, err = demo.communicate(timeout=60)
    sentences = f"error: {config}: bots[0].sede: unknown key\nerror: {config}: bots[1].trader_id: is missing\n"
    assert (demo.returncode, out, err) == (2, "", sentences)
    assert left_behind() == []


def test_a_process_that_dies_at_its_start_is_named_with_its_log(
    start: Start, left_behind: LeftBehind
) -> None:
    (start.folder / "exchange.toml").write_text("[market]\nfee = 1\n", encoding="utf-8")
    demo = start()
    out, err = demo.communicate(timeout=60)
    (log,) = start.folder.glob("runs/*/exchange.log")
    sentence = f"error: exchange ended with exit code 2: see {log.relative_to(start.folder)}\n"
    assert (demo.returncode, out, err) == (2, "", sentence)
    assert "market.fee: unknown key" in log.read_text(encoding="utf-8")
    assert left_behind() == []


@pytest.mark.parametrize("order", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_told_to_stop_it_leaves_files_and_nobody(
    start: Start, order: signal.Signals, left_behind: LeftBehind
) -> None:
    demo = start()
    wait_for_trades(demo)
    demo.send_signal(order)
    out, err = demo.communicate(timeout=60)
    assert (demo.returncode, err) == (0, "")
    assert "final standings after" in out and "\x1b" not in out
    assert left_behind() == []
    (run,) = start.folder.glob("runs/*")
    files = {
        "exchange.log",
        "relay.log",
        "battle.log",
        "monitor.log",
        "trades.csv",
        "performance.csv",
        "results.json",
        "bots",
    }
    assert files <= {file.name for file in run.iterdir()}
    assert run.joinpath("trades.csv").read_text(encoding="utf-8").count("\n") > 1
    battle = json.loads(run.joinpath("results.json").read_text(encoding="utf-8"))
    ends = [
        battle["ended_at"],
        *(
            last_line(run / f"{name}.log").split()[0]
            for name in ("relay", "exchange", "exporter")
        ),
    ]
    assert [datetime.fromisoformat(end) for end in ends] == sorted(
        datetime.fromisoformat(end) for end in ends
    )


def test_when_the_demo_is_killed_nobody_stays(start: Start, left_behind: LeftBehind) -> None:
    demo = start()
    wait_for_trades(demo)
    assert len(left_behind()) > 10
    demo.kill()
    assert demo.wait(timeout=60) == -signal.SIGKILL
    assert left_behind(patiently=True) == []
