"""How programs end: one list of exit codes, and one exception for problems that a person must solve."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every program; docs/API_SPEC.md has the table for people."""

    OK = 0
    FAULT = 1
    """A fault of the program itself, or the market that it needs is lost."""
    USAGE = 2
    """A flag, a setting or a configuration is wrong, or a port is in use: a retry would end the same way."""
    STRATEGY = 3
    DAMAGED = 4
    """Data on disk is damaged, or contradicts the files beside it."""
    HALTED = 5
    """A file could not be written."""
    STOPPED = 130
    """Ctrl-C ended a program whose result has a value only when it is complete."""


class ProgramError(Exception):
    """The program cannot start or go on. Each problem is one line: what is wrong, where, and what to do."""

    def __init__(self, *problems: str, exit_code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.exit_code = exit_code
