"""Limits that a process sets itself, so that a strategy that runs wild ends its own bot and nothing else.

The kernel enforces them (setrlimit): without root's rights no code of the process can lift them, and its
children inherit them.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

resource: ModuleType | None
try:
    import resource
except ImportError:  # only POSIX systems have it
    resource = None

CPU_GRACE_S = 5
"""CPU seconds between the limit, at which a bot is asked to stop, and the kill."""
LEAST_MEMORY_MB = 64
"""A bot on its own was seen to need 56 (benchmarks/bot_limits.py); a plugin that imports much needs more."""
LEAST_OPEN_FILES = 32
"""A bot on its own was seen to need 16."""


class LimitError(ValueError):
    """A limit that cannot be set here: `limit` names it, the text goes on with its value and the reason."""

    def __init__(self, limit: str, text: str) -> None:
        super().__init__(f"{limit}{text}")
        self.limit = limit
        self.text = text


class CpuLimitReached(Exception):
    """Raised within whatever code runs when the CPU time is used up."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`cpu_s`: CPU seconds of the whole process; `memory_mb`: MiB of address space. None: no limit."""

    cpu_s: int | None = None
    memory_mb: int | None = None
    open_files: int | None = None

    def impose(self) -> None:
        """Limit this process from now on. Raises LimitError."""
        _impose("cpu_s", "RLIMIT_CPU", self.cpu_s, least=1, grace=CPU_GRACE_S)
        _impose("memory_mb", "RLIMIT_AS", self.memory_mb, least=LEAST_MEMORY_MB, unit=2**20)
        _impose("open_files", "RLIMIT_NOFILE", self.open_files, least=LEAST_OPEN_FILES)


def on_cpu_limit(reached: Callable[[], None]) -> None:
    """Call `reached` when the CPU time is used up, and after each further second, until the kernel ends the
    process.

    It is called in the main thread, between two steps of the code that runs there, and raises into that code.
    """
    if hasattr(signal, "SIGXCPU"):
        signal.signal(signal.SIGXCPU, lambda *_: reached())


def _impose(
    limit: str, name: str, value: int | None, *, least: int, unit: int = 1, grace: int = 0
) -> None:
    if value is None:
        return
    if resource is None or not hasattr(resource, name):
        raise LimitError(limit, ": limits need a POSIX system that keeps them")
    if value < least:
        raise LimitError(limit, f" {value}: a bot needs at least {least}")
    _, hard = resource.getrlimit(getattr(resource, name))
    unlimited = hard == resource.RLIM_INFINITY
    if not unlimited and value * unit > hard:
        most = f"this process may have at most {hard // unit}"
        raise LimitError(limit, f" {value}: {most}; raise its hard limit (ulimit -H) first")
    end = value * unit + grace
    if not unlimited:
        end = min(end, hard)
    try:
        resource.setrlimit(getattr(resource, name), (value * unit, end))
    except (ValueError, OverflowError, OSError) as error:
        raise LimitError(limit, f" {value}: cannot be set here: {error}") from error
