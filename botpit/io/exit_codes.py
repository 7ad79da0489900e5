"""How programs end: one list of exit codes, and one exception for what a person has to be told."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Of every program; docs/API_SPEC.md has the table for people."""

    OK = 0
    FAULT = 1
    """A fault of the program itself, or the market that it needs is lost."""
    USAGE = 2
    """A flag, a setting or a configuration is wrong, or a port is in use: the same start would end in the same way."""
    STRATEGY = 3
    DAMAGED = 4
    """Data on disk is damaged, or does not agree with what is kept beside it."""
    HALTED = 5
    """A file could not be written."""
    STOPPED = 130
    """Ctrl-C ended a program whose result is worth something only when it is whole."""


class ProgramError(Exception):
    """The program cannot start, or cannot go on. Each problem says in one line what is wrong, where, and what to do."""

    def __init__(self, *problems: str, exit_code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.exit_code = exit_code
