"""A child that is started again: after which ends, after how long, and until when."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from botpit.io.supervisor import SERVICE, RestartPolicy, supervised

DEADLINE_S = 20.0
SOON = replace(SERVICE, backoff_s=(0.001, 0.002, 0.004, 0.005))
"""The policy of services, with less patience."""
PROGRAM = """
import os, signal, sys
from pathlib import Path
starts, ends = Path(sys.argv[1]), sys.argv[2:]
with starts.open("a") as file:
    print(os.getpid(), file=file)
number = len(starts.read_text().splitlines())
if number > len(ends):
    sys.stdin.read()
elif ends[number - 1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
else:
    os._exit(int(ends[number - 1]))
"""
"""Ends as its arguments say, one after the other, and then stays until its parent leaves it."""


class Child:
    """One that is supervised, and ends in these ways."""

    def __init__(self, folder: Path, *ends: object) -> None:
        self._starts = folder / "starts"
        self._log = folder / "child.log"
        self._argv = [sys.executable, "-c", PROGRAM, str(self._starts), *map(str, ends)]

    def pids(self) -> list[int]:
        return (
            [int(pid) for pid in self._starts.read_text().split()]
            if self._starts.exists()
            else []
        )

    def run(self, until: Callable[[], bool], policy: RestartPolicy = SOON) -> None:
        """Supervise it until something has happened."""

        async def story() -> None:
            async with supervised(
                "somebody", self._argv, self._log, grace_s=DEADLINE_S, policy=policy
            ):
                while not until():
                    await asyncio.sleep(0.005)

        asyncio.run(asyncio.wait_for(story(), DEADLINE_S))


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_is_started_again_when_it_crashed_or_was_killed_and_is_gone_in_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    child = Child(tmp_path, 1, "killed", 77)
    child.run(until=lambda: len(child.pids()) == 4)
    assert not any(is_there(pid) for pid in child.pids())
    assert re.findall(r"ended by itself name=somebody exit_code=(\S+)", caplog.text) == [
        "1",
        "-9",
        "77",
    ]


@pytest.mark.parametrize("code", sorted(SERVICE.final_codes))
def test_an_end_that_is_no_accident_is_final(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    caplog.set_level(logging.INFO)
    child = Child(tmp_path, code)
    child.run(
        until=lambda: any(
            "is not started again" in record.getMessage() for record in caplog.records
        )
    )
    assert len(child.pids()) == 1
    assert f"exit_code={code}" in caplog.text and str(tmp_path / "child.log") in caplog.text


@pytest.mark.parametrize(
    ("forgiven_s", "backoffs"),
    [(DEADLINE_S, ["0.001", "0.002", "0.004", "0.005", "0.005"]), (0.0, ["0.001"] * 5)],
    ids=["short lives", "long lives"],
)
def test_the_wait_grows_up_to_a_bound_until_one_lived_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, forgiven_s: float, backoffs: list[str]
) -> None:
    caplog.set_level(logging.INFO)
    child = Child(tmp_path, 1, 1, 1, 1, 1)
    child.run(until=lambda: len(child.pids()) == 6, policy=replace(SOON, forgiven_s=forgiven_s))
    assert re.findall(r"backoff_s=(\S+)", caplog.text) == backoffs


def test_the_waits_of_a_service_are_those_of_the_documentation() -> None:
    assert SERVICE.backoff_s == (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
    assert (SERVICE.wait_s(7), SERVICE.wait_s(1_000)) == (30.0, 30.0)
    assert replace(SERVICE, gives_up=True).wait_s(7) is None


def test_nobody_waits_for_the_end_of_a_backoff(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    child = Child(tmp_path, 1)
    child.run(
        until=lambda: "starts again soon" in caplog.text,
        policy=replace(SERVICE, backoff_s=(2 * DEADLINE_S,)),
    )
    assert len(child.pids()) == 1


def test_one_that_cannot_be_started_at_all_is_an_error_of_its_parent(tmp_path: Path) -> None:
    async def story() -> None:
        async with supervised(
            "nobody", [str(tmp_path / "nothing")], tmp_path / "log", grace_s=1
        ):
            pytest.fail("it was started")

    with pytest.raises(FileNotFoundError):
        asyncio.run(story())


def test_one_that_cannot_be_started_again_yet_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program, was_here = tmp_path / "program", tmp_path / "was_here"

    def install(text: str) -> None:
        draft = tmp_path / "draft"
        draft.write_text(f"#!{sys.executable}\n{text}\n")
        draft.chmod(0o700)
        draft.rename(program)

    def second_one_runs() -> bool:
        if "cannot be started" in caplog.text and not program.exists():
            install(f"open({str(was_here)!r}, 'w').close(); import sys; sys.stdin.read()")
        return was_here.exists()

    async def story() -> None:
        async with supervised(
            "somebody", [str(program)], tmp_path / "log", grace_s=DEADLINE_S, policy=SOON
        ):
            while not second_one_runs():
                await asyncio.sleep(0.005)

    install(f"import os; os.unlink({str(program)!r}); os._exit(1)")
    asyncio.run(asyncio.wait_for(story(), DEADLINE_S))
