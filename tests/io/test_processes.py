"""How processes live: one line per log record, stopping once and in order, children that never
outlive their parent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from botpit.cli.program import port_in_use
from botpit.io.child import Child
from botpit.io.files import file_name, write_new
from botpit.io.fleet import Fleet
from botpit.io.log import configure_logging, fields
from tests.processes.left_over import alive, bury

HOUSE = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0
"""Nothing here takes a second; only a broken program waits so long."""

PROLOGUE = f"""
import asyncio, json, os, signal, sys, time
from pathlib import Path
sys.path.insert(0, {str(HOUSE)!r})
from botpit.io.child import Child
from botpit.io.log import configure_logging
from botpit.io.run import run, until_told_to_stop
def say(*words):
    print(*words, flush=True)
"""


def program(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / f"{name}.py"
    path.write_text(PROLOGUE + textwrap.dedent(text))
    return path


CHILD = """
async def main():
    say("up", os.getpid())
    say("told", await until_told_to_stop())
    return 7
sys.exit(run(main))
"""

STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
say("up", os.getpid())
while True:
    time.sleep(60)
"""


def until(happened: Callable[[], bool]) -> None:
    """Wait for what other processes do, which gives no event."""
    give_up_s = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < give_up_s, "it never happened"
        time.sleep(0.01)


def wait_for_line(path: Path, word: str) -> str:
    lines: list[str] = []

    def there() -> bool:
        text = path.read_text() if path.exists() else ""
        lines[:] = [
            line for line in text.splitlines(True) if word in line and line.endswith("\n")
        ]
        return bool(lines)

    until(there)
    return lines[0].strip()


# ------------------------------------------------------------------------------------------ logging


@pytest.fixture
def log_lines(
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[[Callable[[logging.Logger], None]], list[str]]]:
    """The lines on stderr of whatever is done with a logger."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def lines_of(done: Callable[[logging.Logger], None]) -> list[str]:
        configure_logging("desk", "info")
        done(logging.getLogger("anything"))
        return capsys.readouterr().err.splitlines()

    yield lines_of
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_record_is_one_line_with_time_level_and_component(log_lines) -> None:
    def work(log: logging.Logger) -> None:
        log.info("order taken %s", fields(trader="alice", qty=5))
        log.debug("not at this level")

    (line,) = log_lines(work)
    stamp, rest = line.split(" ", 1)
    assert rest == "INFO desk order taken trader=alice qty=5"
    assert (
        time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")
        and stamp[19] == "."
        and stamp[-1] == "Z"
        and len(stamp) == 24
    )


def test_foreign_text_cannot_break_or_colour_a_line(log_lines) -> None:
    (line,) = log_lines(
        lambda log: log.warning("name %s", "evil\n2026 INFO desk fake\x1b[2J\u202e %s {}")
    )
    assert line.endswith("name evil\\n2026 INFO desk fake\\x1b[2J\\u202e %s {}")


def test_a_traceback_stays_on_the_line_of_its_record(log_lines) -> None:
    def work(log: logging.Logger) -> None:
        try:
            raise KeyError("who")
        except KeyError:
            log.exception("crashed")

    (line,) = log_lines(work)
    assert "ERROR desk crashed traceback=" in line and "KeyError: 'who'" in line


@pytest.mark.parametrize(
    ("value", "written"),
    [(5, "5"), (None, "None"), ("", '""'), ("two words", '"two words"'), ('say "hi"', '"say \\"hi\\""'), ("a=b", '"a=b"'),
     ("back\\slash", '"back\\\\slash"'), ("a\nb", '"a\\nb"')],
)  # fmt: skip
def test_a_field_is_quoted_when_it_would_not_end_where_it_should(
    value: object, written: str
) -> None:
    assert fields(key=value) == f"key={written}"
    if "\\n" not in written:
        assert shlex.split(fields(key=value)) == [f"key={value}"]


def test_a_port_in_use_is_said_with_its_flag() -> None:
    said = "port 9001 is already in use; choose another with --order-port"
    assert port_in_use(9001, "--order-port").problems == (said,)


# ----------------------------------------------------------------------------------------- stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_the_order_to_stop_and_the_exit_code_is_main_s(
    tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, program(tmp_path, "child", CHILD)]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None and child.stdout.readline().startswith("up")
    child.send_signal(number)
    assert child.communicate(timeout=DEADLINE_S)[0] == f"told {number.name}\n"
    assert child.returncode == 7


def test_a_second_ctrl_c_does_not_cut_the_shutdown_short(tmp_path: Path) -> None:
    path = program(tmp_path, "slow", """
        async def main():
            say("up")
            await until_told_to_stop()
            say("stopping")
            await asyncio.to_thread(sys.stdin.readline)
            say("told again", await until_told_to_stop())
            return 0
        sys.exit(run(main))
    """)  # fmt: skip
    pipe = subprocess.PIPE
    child = subprocess.Popen(
        [sys.executable, path], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGINT)
    assert child.stdout.readline() == "stopping\n"
    child.send_signal(signal.SIGINT)
    child.send_signal(signal.SIGTERM)
    assert child.communicate("go on\n", timeout=DEADLINE_S) == ("told again SIGINT\n", "")
    assert child.returncode == 0


def test_signals_are_heard_where_a_loop_has_no_signal_handlers(tmp_path: Path) -> None:
    path = program(tmp_path, "windows", """
        def missing(*_):
            raise NotImplementedError
        class Loop(asyncio.SelectorEventLoop):
            add_signal_handler = missing
        async def main():
            told = asyncio.create_task(until_told_to_stop())
            await asyncio.sleep(0)
            say("up")
            say("told", await told)
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(main())
    """)  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, path], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGTERM)
    assert child.communicate(timeout=DEADLINE_S)[0] == "told SIGTERM\n"


def test_a_fault_is_logged_on_one_line_and_exits_1(tmp_path: Path) -> None:
    path = program(tmp_path, "faulty", """
        async def main():
            raise AssertionError("1 lot too many")
        configure_logging("faulty", "info")
        sys.exit(run(main))
    """)  # fmt: skip
    ended = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "CRITICAL faulty crashed" in line and "AssertionError: 1 lot too many" in line


# ----------------------------------------------------------------------------------------- children


def test_a_child_runs_in_a_session_of_its_own_and_stops_when_told(tmp_path: Path) -> None:
    async def story() -> None:
        child = await Child.start(
            "bob",
            [sys.executable, str(program(tmp_path, "child", CHILD))],
            tmp_path / "logs" / "bob.log",
        )
        await asyncio.to_thread(wait_for_line, tmp_path / "logs" / "bob.log", "up")
        assert child.returncode is None
        assert os.getsid(child.pid) == child.pid != os.getsid(0)
        assert await child.stop(DEADLINE_S) == 7
        assert await child.stop(DEADLINE_S) == await child.wait() == child.returncode == 7

    asyncio.run(story())
    assert (tmp_path / "logs" / "bob.log").read_text().splitlines()[1] == "told SIGTERM"
    assert (tmp_path / "logs" / "bob.log").stat().st_mode & 0o777 == 0o600


def test_a_child_that_will_not_stop_is_killed_after_the_grace(tmp_path: Path) -> None:
    async def story() -> None:
        child = await Child.start(
            "carol",
            [sys.executable, str(program(tmp_path, "stubborn", STUBBORN))],
            tmp_path / "carol.log",
        )
        await asyncio.to_thread(wait_for_line, tmp_path / "carol.log", "up")
        try:
            assert await asyncio.wait_for(child.stop(0.05), DEADLINE_S) == -signal.SIGKILL
        finally:
            bury(child.pid)

    asyncio.run(story())


def test_a_cancelled_stop_leaves_nobody(tmp_path: Path) -> None:
    async def story() -> None:
        child = await Child.start(
            "carol",
            [sys.executable, str(program(tmp_path, "stubborn", STUBBORN))],
            tmp_path / "carol.log",
        )
        await asyncio.to_thread(wait_for_line, tmp_path / "carol.log", "up")
        stopping = asyncio.create_task(child.stop(3_600))
        await asyncio.sleep(0)
        stopping.cancel()
        try:
            assert await asyncio.wait_for(child.wait(), DEADLINE_S) == -signal.SIGKILL
        finally:
            bury(child.pid)

    asyncio.run(story())


def test_a_program_that_is_not_there_is_an_error_and_leaves_no_open_file(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        open_files = len(os.listdir("/dev/fd"))
        for _ in range(3):
            with pytest.raises(OSError, match="nowhere"):
                await Child.start("nobody", ["/nowhere/to/be/found"], tmp_path / "nobody.log")
        assert len(os.listdir("/dev/fd")) == open_files

    asyncio.run(story())


PARENT = """
async def main():
    for name in ("bob", "carol"):
        await Child.start(name, [sys.executable, sys.argv[1]], Path(sys.argv[2]) / f"{name}.log")
    say("started")
    await until_told_to_stop()
    return 0
sys.exit(run(main))
"""

HUNG = """
import botpit.io.run as running
running.ORPHAN_GRACE_S = 0.05
async def main():
    say("up", os.getpid())
    while True:
        pass
sys.exit(run(main))
"""


@pytest.mark.parametrize("text", [CHILD, HUNG], ids=["waiting", "hung in its own loop"])
def test_kill_9_of_a_parent_leaves_nobody(tmp_path: Path, text: str) -> None:
    command = [
        sys.executable,
        program(tmp_path, "parent", PARENT),
        program(tmp_path, "child", text),
        tmp_path,
    ]
    parent = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None and parent.stdout.readline() == "started\n"
    pids = [
        int(wait_for_line(tmp_path / f"{name}.log", "up").split()[1])
        for name in ("bob", "carol")
    ]
    assert all(map(alive, pids))
    parent.kill()
    parent.communicate(timeout=DEADLINE_S)
    try:
        until(lambda: not any(map(alive, pids)))
    finally:
        bury(*pids)
    if text is CHILD:
        assert wait_for_line(tmp_path / "bob.log", "told") == "told parent gone"


def test_a_fleet_stops_all_at_once_and_knows_who_ended_by_himself(tmp_path: Path) -> None:
    async def story() -> None:
        fleet = Fleet(tmp_path)
        await fleet.start("bob/1", [sys.executable, str(program(tmp_path, "child", CHILD))])
        await fleet.start("..", [sys.executable, "-c", "raise SystemExit(3)"])
        await fleet.start("nobody", ["/nowhere/to/be/found"])
        assert fleet.log_path("bob/1").parent == fleet.log_path("..").parent == tmp_path
        await asyncio.to_thread(wait_for_line, fleet.log_path("bob/1"), "up")
        await asyncio.to_thread(until, lambda: fleet.exit_code("..") is not None)
        await fleet.stop(DEADLINE_S)
        await fleet.until_all_ended()
        assert fleet.stopped == {"bob/1"}
        assert [fleet.exit_code(name) for name in ("bob/1", "..", "nobody")] == [7, 3, None]

    asyncio.run(story())


# -------------------------------------------------------------------------------------------- files


AUTOGROUP = Path("/proc/self/autogroup")


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this system does not weigh sessions")
@pytest.mark.parametrize("own_session", (True, False), ids=["of its own", "somebody's"])
def test_a_process_that_gives_way_takes_only_a_session_of_its_own_along(
    tmp_path: Path, own_session: bool
) -> None:
    path = program(
        tmp_path,
        "way",
        """
        from botpit.io.run import give_way
        group = Path("/proc/self/autogroup")
        before = group.read_text()
        give_way(7)
        say(json.dumps([os.nice(0), before, group.read_text()]))
    """,
    )
    argv = [sys.executable, str(path)]
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=own_session,
    )
    nice, before, after = json.loads(done.stdout)
    assert nice == min(19, os.nice(0) + 7)
    if own_session:
        assert after.split()[-2:] == ["nice", "7"]
    else:
        assert (
            after == before
        )  # empty where the session belongs to no group, as that of a container's first process


@pytest.mark.parametrize(
    "text",
    ["..", ".", "../../etc/passwd", "/etc/passwd", ".hidden", "a/b:c@d", "BTC/USD", "%2E%2E"],
)
def test_an_id_becomes_one_name_in_one_folder(tmp_path: Path, text: str) -> None:
    assert (tmp_path / file_name(text)).resolve().parent == tmp_path.resolve()
    assert not file_name(text).startswith(".")


def test_different_ids_have_different_names() -> None:
    ids = ["a/b", "a%2Fb", "a_b", "a:b", ".a", "%2Ea"]
    assert len({file_name(each) for each in ids}) == len(ids)
    assert file_name("maker-1") == "maker-1"


def test_results_are_never_written_over_and_leave_no_draft(tmp_path: Path) -> None:
    wanted = tmp_path / "results.json"
    paths = [write_new(wanted, text) for text in ("first", "second", "third")]
    assert [path.name for path in paths] == ["results.json", "results-2.json", "results-3.json"]
    assert [path.read_text() for path in paths] == ["first", "second", "third"]
    assert len(list(tmp_path.iterdir())) == 3
