"""Progress of a long run: a bar on a terminal, a line now and then elsewhere, and the same items either way."""

from __future__ import annotations

import io
import itertools
import re

import pytest

from botpit.screen import progress


class Stderr(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def told(monkeypatch):
    """Lets a test go on with another stderr (a fixture's own would be taken away before the test begins)."""

    def on(*, terminal: bool) -> Stderr:
        stream = Stderr(terminal)
        monkeypatch.setattr("sys.stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        return stream

    return on


def test_elsewhere_a_line_comes_now_and_then(told, monkeypatch):
    stderr = told(terminal=False)
    clock = itertools.count()
    monkeypatch.setattr("time.monotonic", lambda: next(clock) * progress.LINE_S / 2)
    monkeypatch.setattr(progress, "STEP", 10)
    assert list(progress.tracked(range(100), "replaying", "records")) == list(range(100))
    lines = stderr.getvalue().splitlines()
    assert 2 <= len(lines) <= 10
    assert all(re.fullmatch(r"replaying \d+ records, [\d,]+/s", line) for line in lines), lines
    assert stderr.getvalue().isascii() and "\x1b" not in stderr.getvalue()


def test_a_short_run_says_nothing(told):
    stderr = told(terminal=False)
    assert list(progress.tracked(range(progress.STEP - 1), "replaying", "records")) == list(
        range(progress.STEP - 1)
    )
    assert stderr.getvalue() == ""


def test_on_a_terminal_it_is_a_bar_that_goes_when_it_is_over(told, monkeypatch):
    stderr = told(terminal=True)
    monkeypatch.setattr(progress, "STEP", 10)
    assert list(progress.tracked(range(100), "replaying", "records")) == list(range(100))
    assert "replaying" in stderr.getvalue()
    assert stderr.getvalue().endswith("\x1b[2K")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_fault_on_the_way_is_not_hidden(told, terminal):
    told(terminal=terminal)

    def items():
        yield 1
        raise KeyError("here")

    with pytest.raises(KeyError):
        list(progress.tracked(items(), "replaying", "records"))
