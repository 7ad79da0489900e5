"""The journal's writing side: what is on disk when, and that a failure is the end."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from threading import Event, Thread

import pytest

from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import Reading
from botpit.history.journal.segments import (
    DiscardingJournal,
    Durability,
    Journal,
    begin_market,
    segments,
)
from botpit.history.vocabulary import EXCHANGE
from tests.history.faulty_disk import FailingDisk, ForgetfulDisk
from tests.kept_market import new_journal, stream_of

BEGUN, COMMANDS = stream_of(2, 60)
BOTH = pytest.mark.parametrize("durability", Durability)


def journal_in(
    folder: Path, disk: Disk, durability: Durability = Durability.OS, **more: int
) -> Journal:
    """A journal on a disk that was still good when the market began."""
    begin_market(folder, Disk(), EXCHANGE, BEGUN)
    return new_journal(folder, BEGUN, disk=disk, durability=durability, **more)


def append(journal: Journal, count: int) -> None:
    for command, now_ns in COMMANDS[journal.number : journal.number + count]:
        journal.append(command, now_ns)


def numbers(folder: Path) -> list[int]:
    return [record.number for record in Reading(folder, Disk(), EXCHANGE).records()]


@BOTH
def test_what_is_appended_is_on_disk_when_it_is_written_and_not_before(tmp_path, durability):
    journal = journal_in(tmp_path / "m", Disk(), durability)
    append(journal, 3)
    assert (journal.number, journal.written, numbers(tmp_path / "m")) == (3, 0, [])
    journal.write()
    assert (journal.number, journal.written, numbers(tmp_path / "m")) == (3, 3, [1, 2, 3])
    journal.close()


@BOTH
def test_a_turn_is_one_write_however_much_it_holds_and_none_when_it_holds_nothing(
    tmp_path, durability
):
    disk = FailingDisk()
    journal = journal_in(tmp_path / "m", disk, durability)
    before = len(disk.calls)
    append(journal, 40)
    journal.write()
    journal.write()
    assert disk.calls[before:] == ["write"]


def test_under_os_nobody_waits_and_nothing_is_synced_but_at_the_end(tmp_path):
    disk = FailingDisk()
    journal = journal_in(tmp_path / "m", disk, Durability.OS, segment_bytes=500)
    for _ in range(20):
        append(journal, 3)
        journal.write()
        assert not journal.holds
    assert len(segments(tmp_path / "m")) > 5
    assert disk.calls[0] == "sync_file"  # of the opening
    assert {"sync", "sync_file", "sync_folder"}.isdisjoint(disk.calls[1:])
    journal.close()
    assert disk.calls[-1] == "sync"


def test_under_batch_what_is_written_is_held_until_it_is_synced(tmp_path):
    journal = journal_in(tmp_path / "m", Disk(), Durability.BATCH)
    assert not journal.holds
    append(journal, 3)
    assert not journal.holds
    journal.write()
    assert (journal.holds, journal.synced) == (True, 0)
    journal.sync()
    assert (journal.holds, journal.synced) == (False, 3)
    journal.close()


def test_what_is_written_while_a_sync_is_under_way_waits_for_the_next(tmp_path):
    """The sync runs in another thread; a full segment is not changed under it."""
    disk = SlowDisk()
    journal = journal_in(tmp_path / "m", disk, Durability.BATCH, segment_bytes=200)
    disk.slow = True
    append(journal, 2)
    journal.write()
    assert journal.holds and len(segments(tmp_path / "m")) == 2, "it has room for them"
    thread = Thread(target=journal.sync)
    thread.start()
    assert disk.began.wait(10)
    append(journal, 3)
    journal.write()
    assert (journal.written, journal.synced, journal.holds) == (5, 0, True)
    assert len(segments(tmp_path / "m")) == 2
    disk.go_on.set()
    thread.join(10)
    assert (journal.synced, journal.holds) == (2, True)
    append(journal, 1)
    journal.write()
    assert (len(segments(tmp_path / "m")), journal.synced) == (3, 6)
    journal.close()
    assert numbers(tmp_path / "m") == [1, 2, 3, 4, 5, 6]


class SlowDisk(FailingDisk):
    """A sync begins and waits until it may go on, once `slow`."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = False
        self.began, self.go_on = Event(), Event()

    def passes(self, name: str) -> None:
        super().passes(name)
        if name == "sync" and self.slow:
            self.began.set()
            assert self.go_on.wait(10)


def test_a_later_write_notes_what_was_synced_before(tmp_path):
    journal = journal_in(tmp_path / "m", Disk(), Durability.BATCH)
    for _ in range(2):
        append(journal, 2)
        journal.write()
        journal.sync()
    journal.close()
    notes = [
        line
        for line in segments(tmp_path / "m")[1].read_bytes().splitlines()
        if line.startswith(b"#")
    ]
    assert [line[:-9] for line in notes] == [b'#segment [1,"batch"]', b"#synced [2]"]


@BOTH
def test_full_segments_are_followed_by_others_and_nothing_is_lost(tmp_path, durability):
    journal = journal_in(tmp_path / "m", Disk(), durability, segment_bytes=700)
    for _ in range(12):
        append(journal, 5)
        journal.write()
    journal.close()
    assert numbers(tmp_path / "m") == list(range(1, 61))
    sizes = [path.stat().st_size for path in segments(tmp_path / "m")[1:]]
    assert len(sizes) > 4 and all(size >= 700 for size in sizes[:-1])


@BOTH
def test_a_start_makes_all_durable_that_it_builds_on(tmp_path, durability):
    """Records of a killed process are in no more than the system's memory; whoever goes on from
    them promises them.
    """
    folder, disk = tmp_path / "m", FailingDisk()
    journal = journal_in(folder, Disk(), Durability.OS, segment_bytes=200)
    append(journal, 20)
    journal.write()
    append(journal, 20)
    journal.write()
    count = len(segments(folder))
    Journal(
        folder, disk, EXCHANGE, market_id=BEGUN.market_id, next_number=41, durability=durability
    )
    note = ["write", "sync", "sync_folder"] if durability is Durability.BATCH else ["write"]
    assert disk.calls == ["sync_file"] * count + ["open"] + note


def test_a_market_is_begun_once(tmp_path):
    begin_market(tmp_path / "m", Disk(), EXCHANGE, BEGUN)
    before = segments(tmp_path / "m")[0].read_bytes()
    with pytest.raises(FileExistsError):
        begin_market(tmp_path / "m", Disk(), EXCHANGE, BEGUN)
    assert segments(tmp_path / "m")[0].read_bytes() == before
    assert segments(tmp_path / "m")[0].stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o700


def test_a_market_that_was_begun_outlives_a_loss_of_power(tmp_path):
    disk = ForgetfulDisk()
    begin_market(tmp_path / "m", disk, EXCHANGE, BEGUN)
    assert disk.lose_power(tmp_path / "m", random.Random(1)) == 0
    assert Reading(tmp_path / "m", Disk(), EXCHANGE).opening == BEGUN


def test_a_system_that_takes_little_at_a_time_gets_all_of_it(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr("os.write", lambda fd, data: write(fd, data[:3]))
    journal = journal_in(tmp_path / "m", Disk())
    append(journal, 60)
    journal.write()
    journal.close()
    assert numbers(tmp_path / "m") == list(range(1, 61))


# ----------------------------------------------------------------------------------------- failures


@BOTH
@pytest.mark.parametrize(
    ("code", "part"), [(errno.EIO, 0.0), (errno.ENOSPC, 0.0), (errno.ENOSPC, 0.6)]
)
@pytest.mark.parametrize("once", [True, False])
def test_a_write_that_failed_is_the_end(tmp_path, durability, code, part, once):
    disk = FailingDisk(code=code, part=part, once=once)
    journal = journal_in(tmp_path / "m", disk, durability)
    append(journal, 3)
    journal.write()
    disk.fail_at = len(disk.calls) + 1
    append(journal, 3)
    with pytest.raises(OSError):
        journal.write()
    assert (journal.written, journal.number) == (3, 6)
    calls = len(disk.calls)
    append(journal, 1)
    with pytest.raises(AssertionError, match="has failed"):
        journal.write()
    with pytest.raises(AssertionError, match="has failed"):
        journal.sync()
    journal.close()
    assert len(disk.calls) == calls
    assert numbers(tmp_path / "m")[:3] == [1, 2, 3]


@pytest.mark.parametrize("once", [True, False])
def test_a_sync_that_failed_is_never_tried_again(tmp_path, once):
    disk = FailingDisk(once=once)
    journal = journal_in(tmp_path / "m", disk, Durability.BATCH)
    append(journal, 3)
    journal.write()
    disk.fail_at = len(disk.calls) + 1
    with pytest.raises(OSError):
        journal.sync()
    assert (journal.holds, journal.synced) == (True, 0)
    with pytest.raises(AssertionError, match="has failed"):
        journal.sync()
    journal.close()
    assert disk.calls.count("sync") == 2  # of the segment's beginning, and the one that failed


@BOTH
def test_a_segment_that_cannot_be_begun_is_the_end_too(tmp_path, durability):
    disk = FailingDisk()
    journal = journal_in(tmp_path / "m", disk, durability, segment_bytes=100)
    append(journal, 3)
    disk.fail_at = len(disk.calls) + (2 if durability is Durability.OS else 3)
    with pytest.raises(OSError):
        journal.write()
    with pytest.raises(AssertionError, match="has failed"):
        append(journal, 1)
        journal.write()
    journal.close()
    assert numbers(tmp_path / "m") == [1, 2, 3]


def test_what_was_appended_and_never_written_is_not_written_at_the_end(tmp_path):
    """It may be what brought the exchange down."""
    journal = journal_in(tmp_path / "m", Disk())
    append(journal, 2)
    journal.write()
    append(journal, 1)
    journal.close()
    assert numbers(tmp_path / "m") == [1, 2]


def test_a_journal_that_keeps_nothing_has_the_same_manners():
    journal = DiscardingJournal()
    journal.append(*COMMANDS[0])
    journal.write()
    journal.sync()
    assert not journal.holds
    journal.close()
