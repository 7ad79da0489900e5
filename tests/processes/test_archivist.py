"""The archivist as a process: beside a running exchange until it is told to stop, alone, and not
over a damaged journal.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from botpit.history.archive.files import events_files
from botpit.history.archive.reader import Past
from botpit.history.journal.segments import segments
from botpit.history.journal.snapshots import snapshots
from tests.kept_market import (
    archive,
    begin_journal,
    restored,
    stream_of,
    write_journal,
    write_turns,
)
from tests.processes.running import HOUSE, Running, running_command

BEGUN, COMMANDS = stream_of(3, 600)
KEEP = (
    "import sys; from pathlib import Path; from botpit.history.archive.process import keep;"
    " from botpit.io.log import configure_logging; from botpit.io.run import run; configure_logging('archivist', 'info');"
    " sys.exit(run(lambda: keep(Path(sys.argv[1]), following=True)))"
)


@contextmanager
def archivist(folder: Path) -> Iterator[Running]:
    with running_command(sys.executable, "-c", KEEP, str(folder), folder=HOUSE) as process:
        yield process


def test_it_keeps_up_with_the_exchange_until_it_is_told_to_stop_and_leaves_nothing_undone(
    tmp_path,
):
    folder = tmp_path / "market"
    journal = begin_journal(folder, BEGUN, segment_bytes=20_000)
    with archivist(folder) as process:
        process.logs("INFO archivist keeping", "from_record=1")
        write_turns(journal, COMMANDS)
        assert process.stops(signal.SIGTERM) == 0
        process.logs("INFO archivist kept", "until_record=600")
    journal.close()
    assert process.troubles() == []
    assert [number for number, _ in snapshots(folder)] == [600]
    assert restored(folder).snapshot == 600
    other = tmp_path / "other"
    write_journal(other, BEGUN, COMMANDS)
    archive(other)
    assert [path.read_bytes() for _, path in events_files(folder)] == [
        path.read_bytes() for _, path in events_files(other)
    ]


def test_two_do_not_work_on_one_market_and_the_next_comes_in_when_the_first_is_killed(tmp_path):
    folder = tmp_path / "market"
    write_journal(folder, BEGUN, COMMANDS)
    with archivist(folder) as first:
        first.logs("INFO archivist keeping")
        with archivist(folder) as second:
            assert second.ends() == 2
            second.logs(
                "ERROR archivist another archivist is at work here", f"(pid {first.popen.pid})"
            )
        first.popen.kill()
        first.ends()
    with archivist(folder) as third:
        third.logs("INFO archivist keeping")
        assert third.stops() == 0
    assert Past(folder).span()[1] > 0


def test_it_does_not_follow_a_damaged_journal(tmp_path):
    folder = tmp_path / "market"
    write_journal(folder, BEGUN, COMMANDS)
    path = segments(folder)[-1]
    path.write_bytes(path.read_bytes().replace(b"Order", b"order", 1))
    with archivist(folder) as process:
        assert process.ends() == 4
        process.logs("ERROR archivist the journal cannot be followed", f"{path}, line ")
    assert snapshots(folder) == []
