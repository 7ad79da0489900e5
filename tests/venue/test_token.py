"""The house's token file: read when it is for its owner's eyes only, made when it is not there,
never written over or shown.
"""

from __future__ import annotations

import logging
import os
import stat

import pytest

from botpit.venue.tokens import MAX_CHARS, TokenError, make_token, read_token
from message_schemas import MAX_TOKEN_CHARS

TOKEN = "a-token-of-thirty-two-characters"
posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


def file_with(tmp_path, content, mode=0o600):
    path = tmp_path / "house.token"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "content", [TOKEN, f"{TOKEN}\n", f"\n  {TOKEN}\r\n", "ä" * 32, "x" * MAX_TOKEN_CHARS]
)
def test_what_is_in_the_file_without_the_space_around_it_is_the_token(tmp_path, content):
    token = read_token(file_with(tmp_path, content))
    assert token.matches(content.strip())
    for other in ("", content.strip()[:-1], content.strip() + "x", content.strip().upper()):
        assert not token.matches(other)


def test_where_there_is_no_file_one_is_made_for_its_owner_alone(tmp_path, caplog):
    path = tmp_path / "house.token"
    with caplog.at_level(logging.DEBUG):
        made = read_token(path)
    text = path.read_text(encoding="ascii").strip()
    assert (
        len(bytes.fromhex(text)) == 32 and made.matches(text) and read_token(path).matches(text)
    )
    assert str(path) in caplog.text and text not in caplog.text
    assert read_token(tmp_path / "another.token").matches(text) is False
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_file_nothing_is_the_token():
    assert not any(read_token(None).matches(guess) for guess in ("", TOKEN, "0" * 64))


def test_a_login_takes_every_token_that_a_file_may_hold():
    assert MAX_CHARS == MAX_TOKEN_CHARS


@pytest.mark.parametrize("content", [
    "", "\n", TOKEN[:-1], f"{TOKEN[:-1]} \n", "x" * (MAX_TOKEN_CHARS + 1), b"\xff" * 40, b"x" * 100_000,
])  # fmt: skip
def test_what_is_no_token_is_refused_and_stays_as_it_was(tmp_path, content):
    path = file_with(tmp_path, content)
    before = path.read_bytes()
    with pytest.raises(TokenError) as refused:
        read_token(path)
    assert path.read_bytes() == before
    assert TOKEN[:-1] not in str(refused.value)


@posix
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o602, 0o644, 0o777])
def test_a_file_that_others_may_use_is_refused_with_what_to_do(tmp_path, mode):
    path = file_with(tmp_path, TOKEN, mode)
    with pytest.raises(TokenError, match=f"chmod 600 {path}"):
        read_token(path)


@posix
def test_nothing_is_made_through_a_link_or_over_anything(tmp_path):
    dangling = tmp_path / "link"
    dangling.symlink_to(tmp_path / "elsewhere")
    for path in (dangling, tmp_path, tmp_path / "no-folder" / "token"):
        with pytest.raises(TokenError):
            read_token(path)
    assert sorted(tmp_path.iterdir()) == [dangling]


def test_whoever_makes_it_at_the_same_time_is_not_overwritten(tmp_path):
    path = file_with(tmp_path, TOKEN)
    with pytest.raises(FileExistsError):
        make_token(path)
    assert path.read_text() == TOKEN


@posix
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(TokenError):
        read_token(tmp_path / "pipe")
