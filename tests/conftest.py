"""What tests share: logging that is left as it was found, free ports, and who is still there when
nobody should be.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proofs.harness.processes import free_ports

MARK = "BOTPIT_TEST_FOLDER"
"""Environment variable by which a test knows the processes it started, at whatever remove."""
ALL_GONE_WITHIN_S = 20.0


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A main that runs inside a test configures logging for its process, on a stderr that is gone
    after the test.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def demo_ports() -> dict[str, int]:
    """`botpit demo`'s port flags, with ports that nobody listens on."""
    flags = ("--order-port", "--events-port", "--market-data-port")
    return dict(zip(flags, free_ports(3), strict=True))


@pytest.fixture
def marked(tmp_path: Path) -> dict[str, str]:
    """The environment in which to start processes that `left_behind` finds again."""
    return os.environ | {MARK: str(tmp_path)}


@pytest.fixture
def left_behind(tmp_path: Path) -> Callable[[], list[str]]:
    """Returns the command lines of `marked` processes that still run, `patiently` only once their
    time to end is over.
    """
    if not Path("/proc/self/environ").exists():
        pytest.skip("this system has no /proc, in which to see which processes are left")

    def look(*, patiently: bool = False) -> list[str]:
        until_s = time.monotonic() + (ALL_GONE_WITHIN_S if patiently else 0)
        while (
            left := _marked_with(f"{MARK}={tmp_path}".encode())
        ) and time.monotonic() < until_s:
            time.sleep(0.05)
        return left

    return look


def _marked_with(mark: bytes) -> list[str]:
    return [
        command
        for process in Path("/proc").glob("[0-9]*")
        if (command := _command_if(mark, process))
    ]


def _command_if(mark: bytes, process: Path) -> str:
    try:
        environment = process.joinpath("environ").read_bytes().split(b"\0")
        return (
            process.joinpath("cmdline").read_text().replace("\0", " ")
            if mark in environment
            else ""
        )
    except OSError:
        return ""  # it has just ended, or is another user's
