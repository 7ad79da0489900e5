"""The data folder of an exchange: one exchange at a time, one present market, and no market lost from sight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from botpit.core.commands import Open
from botpit.history.journal.disk import Disk
from botpit.history.journal.folder import CURRENT, DataFolder, FolderInUse, present_market
from botpit.history.journal.reading import DamageError
from botpit.history.journal.segments import Durability, Journal, segments
from botpit.history.vocabulary import EXCHANGE
from botpit.io.lock import Lock
from tests.history.faulty_disk import FailingDisk
from tests.laws.streams import opening

HOLDER = """
import sys
from botpit.io.lock import Lock
assert Lock(sys.argv[1]).acquire()
print('held', flush=True)
sys.stdin.read()
"""


def opening_of(market_id: str) -> Open:
    return Open(market_id, opening().rules, opening().instruments)


@pytest.fixture
def data(tmp_path: Path):
    folder = DataFolder(tmp_path / "data", Disk())
    yield folder
    folder.close()


# ------------------------------------------------------------------------------------ one at a time


def test_a_second_one_is_told_who_has_it_and_what_to_do(data):
    with pytest.raises(
        FolderInUse,
        match=rf"another exchange \(pid {os.getpid()}\) keeps its journal in {data.path}; stop",
    ):
        DataFolder(data.path, Disk())


def test_it_is_free_again_when_the_first_lets_go(tmp_path):
    for _ in range(3):
        DataFolder(tmp_path, Disk()).close()


def is_free_only_when_its_holder_ends(path, end):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        lock = Lock(path)
        assert not lock.acquire()
        assert lock.owner() == f" (pid {holder.pid})"
        holder.send_signal(end)
        holder.wait()
        assert lock.acquire()
        assert lock.owner() == f" (pid {os.getpid()})"
        lock.release()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_it_is_free_again_however_its_holder_ends(tmp_path, end):
    is_free_only_when_its_holder_ends(tmp_path / "lock", end)


def test_a_lock_that_is_not_kept_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", lambda *arguments: None)
    with pytest.raises(AssertionError):
        is_free_only_when_its_holder_ends(tmp_path / "lock", signal.SIGKILL)


def test_what_an_older_holder_wrote_is_gone(tmp_path):
    (tmp_path / "lock").write_bytes(b"1" * 500)
    lock = Lock(tmp_path / "lock")
    assert lock.acquire()
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()


@pytest.mark.parametrize("text", ["", "\0\0\0", "x y", "-5", "1 2"])
def test_an_owner_that_cannot_be_read_is_not_named(tmp_path, text):
    (tmp_path / "lock").write_text(text)
    assert Lock(tmp_path / "lock").owner() == ""


@pytest.mark.skipif(
    not hasattr(os, "O_NOFOLLOW"), reason="this system does not tell links from files"
)
def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        Lock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()


# ------------------------------------------------------------------------------- the present market


def test_at_first_there_is_none(data):
    assert data.current() is None


def test_the_one_that_was_begun_last_is_the_present_one(data):
    for market_id in ("a", "b"):
        folder = data.begin(EXCHANGE, opening_of(market_id))
        assert data.current() == folder == data.folder_of(market_id)
    assert present_market(data.path) == folder


@pytest.mark.parametrize(
    "market_id", ["..", "../x", "/etc/x", "a/b", "", ".", "a b", "a\nb", "%2F", "m\0", "x" * 64]
)
def test_a_market_s_folder_lies_here_whatever_its_id_is(data, market_id):
    folder = data.begin(EXCHANGE, opening_of(market_id))
    assert folder.parent == data.path and folder.resolve().parent == data.path.resolve()
    assert data.current() == folder
    assert len(segments(folder)) == 1


def test_no_two_ids_share_a_folder(data):
    names = {
        data.folder_of(market_id).name
        for market_id in ("a/b", "a%2Fb", "a%252Fb", "a-b", "a_b", "a", "")
    }
    assert len(names) == 7


@pytest.mark.parametrize("text", [b"", b"market", b"market-a", b"market-a\nx", b"market-b\n", b"../market-a\n", b"/\n", b".\n",
                                  b"\xff\xfe\n", b"\0" * 9, b"x" * 5_000])  # fmt: skip
def test_a_torn_name_or_one_of_nothing_here_is_refused(data, text):
    data.begin(EXCHANGE, opening_of("a"))
    (data.path / CURRENT).write_bytes(text)
    with pytest.raises(
        DamageError,
        match=rf"{data.path}/current, line 1, byte 0: it names b.*, which is not a market here",
    ):
        data.current()


def test_a_market_that_is_gone_is_missed(data):
    data.begin(EXCHANGE, opening_of("a"))
    data.begin(EXCHANGE, opening_of("b")).rename(data.path / "elsewhere")
    with pytest.raises(DamageError, match="it names b'market-b"):
        data.current()


def test_markets_of_which_none_is_named_are_not_forgotten(data):
    folder = data.begin(EXCHANGE, opening_of("a"))
    Journal(
        folder, Disk(), EXCHANGE, market_id="a", next_number=1, durability=Durability.OS
    ).close()
    (data.path / CURRENT).unlink()
    with pytest.raises(DamageError, match="current: missing, and there are markets here"):
        data.current()


def test_a_market_that_was_never_the_present_one_is_no_loss(tmp_path):
    """The exchange was ended between its opening and its naming: nobody was told of it."""
    disk = FailingDisk()
    data = DataFolder(tmp_path / "data", disk)
    disk.calls.clear()
    data.begin(EXCHANGE, opening_of("a"))
    calls = len(disk.calls)
    for fail_at in range(1, calls + 1):
        (data.path / CURRENT).unlink(missing_ok=True)
        disk.calls.clear()
        disk.fail_at = fail_at
        with pytest.raises(OSError):
            data.begin(EXCHANGE, opening_of(f"b{fail_at}"))
        if not (data.path / CURRENT).exists():
            assert data.current() is None
    disk.fail_at = 0
    assert data.begin(EXCHANGE, opening_of("c")) == data.current()
    data.close()
