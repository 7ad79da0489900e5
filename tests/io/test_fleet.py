"""A fleet: who fails is started again as long as that was asked for, and an order to stop finds
everybody, alive or not.
"""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import sys
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from botpit.battle.live.bot_processes import RESTARTS
from botpit.io.fleet import Fleet
from tests.battle.battle_stage import until

GRACE_S = 20.0


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(story, 60))


SOON = replace(RESTARTS, backoff_s=(0.01, 0.02, 0.03, 0.04, 0.05))
"""The policy of bots, with less patience."""


def dies(code: str) -> list[str]:
    return [
        sys.executable,
        "-S",
        "-c",
        f"import os, signal, sys; print('up', flush=True); {code}",
    ]


KILLED = dies("os.kill(os.getpid(), signal.SIGKILL)")
STAYS = dies("signal.pause()")


def test_the_backoffs_of_bots_are_those_of_the_documentation() -> None:
    assert RESTARTS.backoff_s == (0.5, 1.0, 2.0, 4.0, 8.0)


def test_who_fails_is_started_again_five_times_and_then_given_up(tmp_path: Path) -> None:
    async def story() -> None:
        fleet, began = Fleet(tmp_path), datetime.now(UTC)
        await fleet.start("alice", KILLED, SOON)
        await fleet.until_all_ended()
        restarts = fleet.restarts("alice")
        assert [(each.exit_code, each.backoff_s) for each in restarts] == [
            (-9, s) for s in (0.01, 0.02, 0.03, 0.04, 0.05)
        ]
        times = [datetime.fromisoformat(each.at) for each in restarts]
        assert began <= times[0] and times == sorted(times) and times[-1] <= datetime.now(UTC)
        assert all(each.ran_s >= 0 for each in restarts)
        assert (fleet.gave_up, fleet.stopped, fleet.exit_code("alice")) == (
            {"alice"},
            set(),
            -signal.SIGKILL,
        )
        assert fleet.log_path("alice").read_text() == 6 * "up\n", "one log for all lives"

    play(story())


@pytest.mark.parametrize(
    ("argv", "on_failure", "code", "lives"),
    [
        (dies("sys.exit(2)"), True, 2, 1), (dies("sys.exit(0)"), True, 0, 1), (KILLED, False, -9, 1),
        (dies("sys.exit(3)"), True, 3, 6),
    ],
    ids=["usage", "well", "never", "fault"],
)  # fmt: skip
def test_only_a_failure_is_worth_a_new_start(
    tmp_path: Path, argv: list[str], on_failure: bool, code: int, lives: int
) -> None:
    async def story() -> None:
        fleet = Fleet(tmp_path)
        await fleet.start("alice", argv, SOON if on_failure else None)
        await fleet.until_all_ended()
        assert (fleet.exit_code("alice"), len(fleet.restarts("alice"))) == (code, lives - 1)
        assert fleet.gave_up == ({"alice"} if lives == 6 else set())

    play(story())


def test_the_end_of_one_and_its_new_start_are_nothing_to_another(tmp_path: Path) -> None:
    async def story() -> None:
        fleet = Fleet(tmp_path)
        await fleet.start("alice", STAYS)
        await fleet.start("bob", KILLED, SOON)
        await until(lambda: "bob" in fleet.gave_up)
        assert fleet.exit_code("alice") is None
        await fleet.stop(GRACE_S)
        assert (fleet.stopped, fleet.exit_code("alice")) == ({"alice"}, -signal.SIGTERM)
        assert fleet.restarts("alice") == [], "to be stopped is no failure"

    play(story())


def test_a_fleet_told_to_stop_during_a_backoff_does_not_start_again(tmp_path: Path) -> None:
    patient = replace(RESTARTS, backoff_s=(3_600.0,))

    async def story() -> None:
        fleet = Fleet(tmp_path)
        await fleet.start("alice", KILLED, patient)
        await until(lambda: fleet.exit_code("alice") is not None)
        waiting = asyncio.create_task(fleet.until_all_ended())
        await asyncio.sleep(0)
        assert not waiting.done(), "it is to come back"
        await fleet.stop(GRACE_S)
        await waiting
        assert (fleet.restarts("alice"), fleet.stopped, fleet.gave_up) == ([], set(), set())
        assert fleet.log_path("alice").read_text() == "up\n"

    play(story())


def test_a_program_that_is_gone_when_it_is_to_start_again_is_an_error_and_no_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        program = tmp_path / "program"
        program.write_text("#!/bin/sh\nrm $0\nexit 1\n")
        program.chmod(0o755)
        fleet = Fleet(tmp_path)
        await fleet.start("alice", [str(program)], SOON)
        await fleet.until_all_ended()
        assert (fleet.restarts("alice"), fleet.exit_code("alice"), fleet.gave_up) == (
            [],
            1,
            {"alice"},
        )

    play(story())
    assert caplog.text.count("cannot be started name=alice") == len(SOON.backoff_s)


def test_the_log_names_the_process_of_every_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def story() -> None:
        fleet = Fleet(tmp_path)
        await fleet.start("alice", dies("print(os.getpid(), flush=True); sys.exit(1)"), SOON)
        await fleet.until_all_ended()
        pids = [
            line for line in fleet.log_path("alice").read_text().splitlines() if line != "up"
        ]
        assert re.findall(r"started name=alice pid=(\d+)", caplog.text) == pids
        assert len(pids) == 6

    play(story())
