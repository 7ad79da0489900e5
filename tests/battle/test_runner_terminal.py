"""The battle runner on a terminal: the leaders are drawn, the log stays whole, and the terminal is
given back.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import struct
import termios
from contextlib import suppress
from pathlib import Path

from tests.battle.battle_stage import Stage, play
from tests.processes.feed_messages import position


def test_on_a_terminal_the_leaders_are_drawn_the_log_stays_whole_and_ctrl_c_gives_it_back(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path, "alice", "crash", restart="never")
    stage.market.looks["at the end"] = [position("alice", 10_012.5)]

    async def story() -> tuple[int, str]:
        async with stage.market.feed():
            return await asyncio.to_thread(
                on_a_terminal,
                stage.command(),
                tmp_path,
                "alice leads",
                "exit_code=3",
                columns=220,
            )

    code, out = play(story())
    assert code == 0
    assert "\x1b[?1049h" not in out, "what was there before stays"
    assert out.count("\x1b[?25l") == out.count("\x1b[?25h") == 1
    assert "trading, 0 trades, 1 trader, alice leads with 0.00" in out
    left = screen(out)
    assert not any("leads" in line for line in left), "the live table has left"
    log = re.compile(r"\d{4}-\d\d-\d\dT\S+Z (INFO|WARNING) runner \S.*")
    report = left.index("final standings")
    assert any(
        log.fullmatch(line)
        and "ended by itself name=crash exit_code=3 log=logs/crash.log" in line
        for line in left
    )
    assert all(log.fullmatch(line) for line in left[:report])
    assert any(re.search(r"alice +│ +10,012.50 +│", line) for line in left[report:])
    assert left[-1] == "results: results.json"


def screen(written: str) -> list[str]:
    """What a terminal of boundless height shows in the end, without empty lines."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", written):
        match part[0], part[-1]:
            case "\n", _:
                row += 1
                lines += [""] * (row == len(lines))
            case "\r", _:
                column = 0
            case "\x1b", "A":
                row -= int(part[2:-1])
            case "\x1b", "K":
                lines[row] = ""
            case "\x1b", _:
                continue
            case _:
                lines[row] = (
                    lines[row].ljust(column)[:column] + part + lines[row][column + len(part) :]
                )
                column += len(part)
    return [line.rstrip() for line in lines if line.strip()]


def on_a_terminal(
    command: list[str], folder: Path, *said: str, columns: int
) -> tuple[int, str]:
    """Run on a terminal so wide, press Ctrl-C when all was said and a table stands there; the exit
    code and all that was written.

    (Pressed within a table, the terminal would drop what of it is still to come.)
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(
            command[0],
            command,
            os.environ | {"TERM": "xterm-256color", "COLUMNS": "", "LINES": ""},
        )
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    out = b""
    with suppress(OSError):
        while not (out.endswith("┘".encode()) and all(words.encode() in out for words in said)):
            out += os.read(terminal, 65_536)
        os.write(terminal, b"\x03")
        while True:
            out += os.read(terminal, 65_536)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), out.decode()
