"""Processes as the system knows them: free ports, who holds a lock, what was started, and a sudden end."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from socket import socket


def free_ports(number: int) -> list[int]:
    """So many ports on which nobody listens."""
    sockets = [socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def kill(pid: int) -> bool:
    """kill -9; whether the process was still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def holder(lock: Path) -> int | None:
    """The process id in a lock file, if that process works in the lock's folder. The lock is not touched."""
    with suppress(FileNotFoundError, ValueError):
        pid = int(lock.read_text(encoding="ascii"))
        return pid if str(lock.parent) in command_line(pid) else None
    return None


def command_line(pid: int) -> str:
    """Of a running process; empty when there is none. From /proc on Linux, elsewhere from `ps`."""
    if Path("/proc/self/cmdline").exists():
        with suppress(OSError):
            told = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
            return told.replace("\0", " ")
        return ""
    ps = ["ps", "-ww", "-p", str(pid), "-o", "args="]
    return subprocess.run(ps, capture_output=True, text=True, check=False).stdout
