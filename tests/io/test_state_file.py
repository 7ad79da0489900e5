"""A file that holds the present state of a process: replaced whole, for its owner only, no reason
to stop when the disk fails.
"""

from __future__ import annotations

import errno
import os
import resource
import stat
from pathlib import Path

import pytest

from botpit.io.files import replace_file
from botpit.io.state_file import MAX_STATE_BYTES, StateFile, StateFileError


def test_what_is_kept_is_read_back_and_is_nobody_elses(tmp_path):
    file = StateFile(tmp_path / "new" / "folder" / "state.json")
    assert file.read() is None
    file.keep("one — 1")
    file.keep("two — 2")
    assert StateFile(file.path).read() == "two — 2"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert os.listdir(file.path.parent) == ["state.json"]


def test_what_has_not_changed_is_not_written_again(tmp_path):
    file = StateFile(tmp_path / "state.json")
    file.keep("one")
    before = file.path.stat().st_ino
    file.keep("one")
    assert file.path.stat().st_ino == before
    file.keep("two")
    assert file.path.read_text() == "two"


def test_a_reader_finds_the_old_text_or_the_new_one(tmp_path):
    """Replaced, not written over: who has the old file open reads it to its end."""
    path = tmp_path / "state.json"
    replace_file(path, "old " * 1_000)
    with path.open() as reader:
        replace_file(path, "new")
        assert reader.read() == "old " * 1_000
    assert path.read_text() == "new"


def test_a_symbolic_link_is_replaced_and_never_followed(tmp_path):
    (tmp_path / "precious").write_text("mine")
    link = tmp_path / "state.json"
    link.symlink_to(tmp_path / "precious")
    with pytest.raises(StateFileError, match=r"^is not a regular file$"):
        StateFile(link).read()
    replace_file(link, "state")
    assert (link.is_symlink(), link.read_text(), (tmp_path / "precious").read_text()) == (
        False,
        "state",
        "mine",
    )


def test_a_draft_that_a_killed_process_left_is_no_hindrance(tmp_path):
    draft = tmp_path / f".state.json.{os.getpid()}"
    draft.symlink_to(tmp_path / "precious")
    replace_file(tmp_path / "state.json", "state")
    assert os.listdir(tmp_path) == ["state.json"]


def test_when_the_disk_is_full_the_old_text_stays_and_nothing_half_written(tmp_path):
    replace_file(tmp_path / "state.json", "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError) as refused:
            replace_file(tmp_path / "state.json", "new" * 1_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.value.errno == errno.EFBIG
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"state.json": "old"}


def test_a_disk_that_fails_is_told_once_and_tried_again(tmp_path, caplog):
    file = StateFile(tmp_path / "folder" / "state.json")
    assert file.read() is None
    file.path.parent.rmdir()
    for text in ("one", "two", "three"):
        file.keep(text)
    (line,) = caplog.messages
    assert line == f'cannot be written file={file.path} reason="No such file or directory"'
    file.path.parent.mkdir()
    file.keep("three")
    assert file.path.read_text() == "three"
    file.path.unlink()
    file.path.parent.rmdir()
    file.keep("four")
    assert len(caplog.messages) == 2, "a new failure is news again"


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def too_large(path: Path) -> None:
    path.write_bytes(b" " * (MAX_STATE_BYTES + 1))


def no_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize(
    ("made", "sentence"),
    [(fifo, "is not a regular file"), (folder, "is not a regular file"), (too_large, "has more than 1048576 bytes"),
     (no_text, "is not UTF-8 text")],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(tmp_path, made, sentence):
    path = tmp_path / "state.json"
    made(path)
    with pytest.raises(StateFileError) as refused:
        StateFile(path).read()
    assert str(refused.value) == sentence


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFileError, match=r"^(File exists|Not a directory)$"):
        StateFile(tmp_path / "file" / "state.json").read()
