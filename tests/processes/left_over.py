"""Processes that should have ended, and the end of those that did not."""

from __future__ import annotations

import os
from pathlib import Path

from proofs.harness.processes import kill


def bury(*pids: int) -> None:
    """Whoever a broken program left behind."""
    for pid in pids:
        kill(pid)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
