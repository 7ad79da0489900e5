"""A journal read back: whole, torn, damaged, or still being written."""

from __future__ import annotations

import random
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from zlib import crc32

import pytest

from botpit.core.commands import Tick
from botpit.history.journal.disk import READ_BYTES, Disk
from botpit.history.journal.reading import DamageError, Reading, Torn
from botpit.history.journal.records import (
    MAX_LINE_BYTES,
    OtherFormat,
    Record,
    seed_of,
    written_note,
)
from botpit.history.journal.segments import Durability, Journal, segment_name, segments
from botpit.history.vocabulary import EXCHANGE
from tests.kept_market import stream_of, write_journal
from tests.laws.streams import opening

RECORDS = 400
BEGUN, COMMANDS = stream_of(1, RECORDS)
SEED = seed_of(BEGUN.market_id)
FOREIGN = EXCHANGE.written(1, 1, Tick(), seed_of("m"))
"""A line of another market."""


@pytest.fixture(scope="module")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market of RECORDS records in several segments."""
    folder = tmp_path_factory.mktemp("once") / "market"
    write_journal(folder, BEGUN, COMMANDS, segment_bytes=7_000)
    assert len(segments(folder)) >= 5 and len(lines(segments(folder)[-1])) > 10
    return folder


@pytest.fixture
def market(written_once: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    return Path(shutil.copytree(written_once, tmp_path / "market"))


def read(folder: Path) -> tuple[list[Record], Torn | None]:
    reading = Reading(folder, Disk(), EXCHANGE)
    return list(reading.records()), reading.torn


def expected(until: int = RECORDS) -> list[Record]:
    return [
        Record(number, now_ns, command)
        for number, (command, now_ns) in enumerate(COMMANDS[:until], start=1)
    ]


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def refused(folder: Path) -> str:
    """Why the journal is not read to its end; what came before is what was written."""
    reading = Reading(folder, Disk(), EXCHANGE)
    found = []
    with pytest.raises(DamageError) as told:
        for record in reading.records():
            found.append(record)
    assert found == expected(len(found))
    return str(told.value)


# ---------------------------------------------------------------------------------------- as it was


def test_everything_is_read_as_it_was_written_over_all_segments(written_once):
    reading = Reading(written_once, Disk(), EXCHANGE)
    assert reading.opening == BEGUN
    assert list(reading.records()) == expected()
    assert (reading.last_number, reading.torn) == (RECORDS, None)


@pytest.mark.parametrize("after", [0, 1, 250, RECORDS - 1, RECORDS, RECORDS + 1])
def test_only_the_records_after_a_number_are_asked_for_and_the_others_checked(market, after):
    assert list(Reading(market, Disk(), EXCHANGE).records(after)) == expected()[after:]
    second = segments(market)[1]
    second.write_bytes(second.read_bytes().replace(b"Order", b"order", 1))
    with pytest.raises(DamageError):
        list(Reading(market, Disk(), EXCHANGE).records(after))


def test_pieces_of_any_size_are_the_same_lines(written_once, monkeypatch):
    for size in (1, 7, 100, 4_096):
        monkeypatch.setattr("botpit.history.journal.disk.READ_BYTES", size)
        assert read(written_once) == (expected(), None)


def test_what_else_lies_in_the_folder_is_nobodys_business(market):
    for name in (
        "journal-000000000005.log.bak",
        "journal-x.log",
        "journal-5.log",
        ".journal-000000000005.log",
        "notes.txt",
    ):
        (market / name).write_bytes(b"hello\n")
    assert read(market) == (expected(), None)


# --------------------------------------------------------------------------------------------- torn


def test_a_last_line_cut_at_any_byte_is_dropped_and_its_bytes_counted(market):
    last = segments(market)[-1]
    whole = last.read_bytes()
    start = len(whole) - len(lines(last)[-1])
    for size in range(start, len(whole)):
        last.write_bytes(whole[:size])
        records, torn = read(market)
        assert records == expected(RECORDS - 1)
        assert torn == (Torn(last, start, size - start) if size > start else None)


def test_what_is_dropped_is_said_in_one_line():
    assert (
        str(Torn(Path("a/b.log"), 10, 3))
        == "a/b.log: dropped a torn end, 3 bytes from byte 10 on"
    )


def test_a_segment_that_had_just_begun_may_be_torn_too(market):
    note = written_note("segment", RECORDS + 1, "os", seed=SEED)
    for size in range(len(note)):
        last = market / segment_name(RECORDS + 1)
        last.write_bytes(note[:size])
        assert read(market) == (expected(), Torn(last, 0, size) if size else None)


@pytest.mark.parametrize("durability", Durability)
def test_a_journal_goes_on_where_the_torn_end_was_cut_off(market, durability):
    last = segments(market)[-1]
    last.write_bytes(last.read_bytes()[:-3])
    reading = Reading(market, Disk(), EXCHANGE)
    assert len(list(reading.records())) == RECORDS - 1
    reading.cut_off()
    assert read(market) == (expected(RECORDS - 1), None)
    journal = Journal(
        market,
        Disk(),
        EXCHANGE,
        market_id=BEGUN.market_id,
        next_number=RECORDS,
        durability=durability,
    )
    journal.append(*COMMANDS[-1])
    journal.write()
    journal.close()
    assert read(market) == (expected(), None)


def test_a_start_without_a_command_leaves_a_note_and_the_next_start_goes_on_behind_it(market):
    for durability in (Durability.OS, Durability.BATCH, Durability.OS):
        Journal(
            market,
            Disk(),
            EXCHANGE,
            market_id=BEGUN.market_id,
            next_number=RECORDS + 1,
            durability=durability,
        ).close()
        assert read(market) == (expected(), None)
    assert len(lines(segments(market)[-1])) == 3


def test_zeros_at_the_end_are_torn_as_a_loss_of_power_leaves_them(market):
    last = segments(market)[-1]
    size = last.stat().st_size
    with open(last, "ab") as file:
        file.write(bytes(3 * READ_BYTES))
    assert read(market) == (expected(), Torn(last, size, 3 * READ_BYTES))


# ------------------------------------------------------------------------------------------- damage


def change(path: Path, edit: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(b"".join(edit(lines(path))))


def flipped(line: bytes) -> bytes:
    return line[:5] + bytes([line[5] ^ 4]) + line[6:]


def test_a_bad_line_is_refused_with_its_file_line_and_byte(market):
    for path in segments(market)[1:]:
        whole = path.read_bytes()
        for index in (0, 1, len(lines(path)) - 1):
            change(
                path,
                lambda those, index=index: [
                    *those[:index],
                    flipped(those[index]),
                    *those[index + 1 :],
                ],
            )
            offset = sum(map(len, lines(path)[:index]))
            assert (
                refused(market)
                == f"{path}, line {index + 1}, byte {offset}: the checksum is another"
            )
            path.write_bytes(whole)


DAMAGES: dict[str, tuple[int, Callable[[list[bytes]], list[bytes]], str]] = {
    "a line is missing": (2, lambda those: those[:5] + those[6:], "line 6, byte"),
    "the first line is missing": (2, lambda those: those[1:], "line 1, byte 0: the segment does not begin with its note"),
    "a line is there twice": (2, lambda those: those[:5] + those[4:], "line 6, byte"),
    "the last line is there twice": (-1, lambda those: those + those[-1:], "is expected here, not 400"),
    "two lines have changed places": (2, lambda those: [*those[:5], those[6], those[5], *those[7:]], "line 6, byte"),
    "the last two have": (-1, lambda those: [*those[:-2], those[-1], those[-2]], "is expected here, not 400"),
    "a line of another market": (2, lambda those: [*those[:5], FOREIGN, *those[5:]], "line 6, byte"),
    "zeros in the middle": (2, lambda those: [*those[:5], bytes(4_096), *those[5:]], "line 6, byte"),
    "zeros and an end": (-1, lambda those: [*those, bytes(100) + b"\n"], "the checksum is another"),
    "an empty line": (2, lambda those: [*those[:5], b"\n", *those[5:]], "line 6, byte"),
    "an empty line at the end": (-1, lambda those: [*those, b"\n"], "the checksum is another"),
    "other ends of line": (2, lambda those: [line.replace(b"\n", b"\r\n") for line in those], "line 1, byte 0"),
    "no end of line": (2, lambda those: [*those[:5], those[5][:-1], *those[6:]], "line 6, byte"),
    "the end of a segment that another follows": (2, lambda those: those[:-1], "is expected here, but this segment begins with"),
    "half a line at such an end": (2, lambda those: [*those[:-1], those[-1][:9]], "the line has no end"),
    "nothing left of it": (2, lambda those: [], "is expected here, but this segment begins with"),
    "nothing left of the first": (0, lambda those: [], "line 1, byte 0: the opening of the market is missing"),
    "half the opening": (0, lambda those: [those[0][:50]], "line 1, byte 0: the opening of the market is missing"),
    "a bad opening": (0, lambda those: [flipped(those[0])], "line 1, byte 0: the checksum is another"),
    "another opening": (0, lambda those: [EXCHANGE.written_opening(opening(2))], "line 1, byte 0: the checksum is another"),
    "the opening twice": (0, lambda those: those * 2, "journal-000000000000.log, line 2, byte"),
    "no opening": (0, lambda those: [EXCHANGE.written(0, 0, Tick(), 0)], "the first record does not open a market"),
    "another durability": (2, lambda those: [written_note("segment", 85, "never", seed=SEED), *those[1:]], "line 1, byte 0: "),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_refused_and_nothing_is_built_on_it(market, what):
    index, edit, words = DAMAGES[what]
    change(segments(market)[index], edit)
    told = refused_or_not_begun(market)
    assert words in told and str(market) in told, told


def refused_or_not_begun(folder: Path) -> str:
    try:
        Reading(folder, Disk(), EXCHANGE)
    except DamageError as error:
        return str(error)
    return refused(folder)


@pytest.mark.parametrize(("index", "words"), [
    (0, "journal-000000000000.log, line 1, byte 0: the opening of the market is missing"),
    (1, "line 1, byte 0: record 1 is expected here, but this segment begins with"),
    (3, "line 1, byte 0: record"),
])  # fmt: skip
def test_a_missing_segment_is_noticed(market, index, words):
    segments(market)[index].unlink()
    assert words in refused_or_not_begun(market)


def test_segments_that_have_changed_names_are_noticed(market):
    second, third = segments(market)[2:4]
    second.rename(market / "x")
    third.rename(second)
    (market / "x").rename(third)
    assert "is expected here, but this segment begins with" in refused(market)


def test_a_journal_of_another_version_is_refused_by_name_and_place(market):
    change(segments(market)[0], lambda those: [those[0]])
    forged = EXCHANGE.written_opening(BEGUN).replace(b"[1,1,", b"[2,1,")
    segments(market)[0].write_bytes(resealed(forged, 0))
    with pytest.raises(
        OtherFormat,
        match=r"journal-000000000000\.log, line 1, byte 0: its format and rules are version 2 and 1",
    ):
        Reading(market, Disk(), EXCHANGE)


def test_a_kind_of_command_that_is_not_known_is_refused_by_name_and_place(market):
    path = segments(market)[-1]
    change(path, lambda those: [*those[:-1], resealed(b"400 1 Split [] 00000000\n", SEED)])
    with pytest.raises(
        OtherFormat, match=r"log, line \d+, byte \d+: record 400 is a command of kind b'Split'"
    ):
        list(Reading(market, Disk(), EXCHANGE).records())


def resealed(line: bytes, seed: int) -> bytes:
    body = line[:-9]
    return b"%b%08x\n" % (body, crc32(body, seed))


# ------------------------------------------------------------------------------- durable in batches


@pytest.fixture
def batches(tmp_path: Path) -> Path:
    """A market in one segment, whose records were made durable seven by seven."""
    write_journal(tmp_path / "batches", BEGUN, COMMANDS[:70], durability=Durability.BATCH)
    return tmp_path / "batches"


def test_a_bad_line_that_a_later_note_promises_is_damage(batches):
    path = segments(batches)[-1]
    whole = lines(path)
    notes = [index for index, line in enumerate(whole) if line.startswith(b"#synced")]
    for index in range(1, notes[-1]):
        path.write_bytes(b"".join([*whole[:index], flipped(whole[index]), *whole[index + 1 :]]))
        if not whole[index].startswith(b"#"):
            assert f"line {index + 1}, " in refused(batches)


def test_a_bad_line_that_nobody_was_promised_is_torn_with_all_behind_it(batches):
    path = segments(batches)[-1]
    whole = lines(path)
    last_note = max(index for index, line in enumerate(whole) if line.startswith(b"#synced"))
    for index in range(last_note + 1, len(whole)):
        path.write_bytes(b"".join([*whole[:index], flipped(whole[index]), *whole[index + 1 :]]))
        records, torn = read(batches)
        offset = sum(map(len, whole[:index]))
        assert torn == Torn(path, offset, sum(map(len, whole[index:])))
        assert records == expected(70 - (len(whole) - index))


def test_a_promise_is_heard_also_when_the_end_of_the_line_before_is_lost(batches):
    path = segments(batches)[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"#") - 1] + b"x" + whole[whole.rindex(b"#") :])
    assert "the checksum is another" in refused(batches)


def test_a_promise_about_earlier_records_does_not_hold_for_this_one(batches):
    """A note may stand behind the bad line and speak of what was before it."""
    path = segments(batches)[-1]
    early = written_note("synced", 60, seed=SEED)
    whole = [line for line in lines(path) if not line.startswith(b"#synced")]
    bad = next(index for index, line in enumerate(whole) if line.startswith(b"61 "))
    path.write_bytes(b"".join([*whole[:bad], flipped(whole[bad]), early, *whole[bad + 1 :]]))
    assert len(read(batches)[0]) == 60
    path.write_bytes(
        b"".join(
            [*whole[:bad], flipped(whole[bad]), early, written_note("synced", 61, seed=SEED)]
        )
    )
    assert "line" in refused(batches)


def test_a_new_beginning_behind_the_bad_line_promises_it_too(batches):
    path = segments(batches)[-1]
    change(
        path,
        lambda those: [
            *those[:-1],
            flipped(those[-1]),
            written_note("segment", 70, "batch", seed=SEED),
        ],
    )
    assert len(read(batches)[0]) == 69  # it was begun there because the line was not
    change(path, lambda those: [*those[:-1], written_note("segment", 71, "batch", seed=SEED)])
    assert "the checksum is another" in refused(batches)


def test_a_command_of_another_version_is_not_torn_off(batches):
    path = segments(batches)[-1]
    change(path, lambda those: [*those, resealed(b"71 1 Split [] 00000000\n", SEED)])
    with pytest.raises(OtherFormat, match="record 71 is a command of kind b'Split'"):
        list(Reading(batches, Disk(), EXCHANGE).records())


def test_a_segment_that_another_follows_is_promised_as_a_whole(batches):
    Journal(
        batches,
        Disk(),
        EXCHANGE,
        market_id=BEGUN.market_id,
        next_number=71,
        durability=Durability.BATCH,
    ).close()
    path = segments(batches)[-2]
    change(path, lambda those: [*those[:-1], flipped(those[-1])])
    assert "the checksum is another" in refused(batches)


# --------------------------------------------------------------------------------- how much at once


def test_a_line_without_end_however_long_takes_no_memory(market):
    last = segments(market)[-1]
    size, garbage = last.stat().st_size, 20 * MAX_LINE_BYTES
    with open(last, "ab") as file:
        file.truncate(size + garbage)
    tracemalloc.start()
    records, torn = read(market)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(records), torn) == (RECORDS, Torn(last, size, garbage))
    assert peak_bytes < 6 * MAX_LINE_BYTES
    with open(last, "ab") as file:
        file.write(b"\n")
    assert (
        refused(market) == f"{last}, line {len(lines(last))}, byte {size}: the line has no end"
    )


# ---------------------------------------------------------------------------------------- following


def all_for_now(news: Iterator[Record | None]) -> list[Record]:
    found = []
    for record in news:
        if record is None:
            return found
        found.append(record)
    raise AssertionError("a follower never comes to an end")


def test_a_follower_has_each_record_once_it_is_whole(market, tmp_path):
    """The bytes of all segments come in pieces of any length, one segment after another, as a
    writer leaves them.
    """
    rng, growing, found = random.Random(7), tmp_path / "growing", []
    growing.mkdir()
    first, *others = segments(market)
    shutil.copy(first, growing)
    news = Reading(growing, Disk(), EXCHANGE, following=True).news()
    for path in others:
        left = path.read_bytes()
        while left:
            size = rng.choice([1, 5, 50, 5_000])
            with open(growing / path.name, "ab") as file:
                file.write(left[:size])
            left = left[size:]
            if rng.random() < 0.3:
                found += all_for_now(news)
                whole = b"".join(each.read_bytes() for each in segments(growing)[1:])
                assert len(found) == sum(
                    not line.startswith(b"#") for line in whole.split(b"\n")[:-1]
                )
    assert found + all_for_now(news) == expected()


def test_a_follower_sees_what_is_written_behind_a_torn_end_that_was_cut_off(market):
    last = segments(market)[-1]
    half = len(lines(last)[-1]) // 2
    with open(last, "r+b") as file:
        file.truncate(last.stat().st_size - half)
    news = Reading(market, Disk(), EXCHANGE, following=True).news()
    assert all_for_now(news) == expected(RECORDS - 1)
    again = Reading(market, Disk(), EXCHANGE)
    list(again.records())
    again.cut_off()
    journal = Journal(
        market,
        Disk(),
        EXCHANGE,
        market_id=BEGUN.market_id,
        next_number=RECORDS,
        durability=Durability.OS,
    )
    journal.append(*COMMANDS[-1])
    journal.write()
    assert all_for_now(news) == expected()[-1:]
    journal.close()


def test_a_follower_takes_half_a_line_that_another_segment_follows_for_damage(market):
    change(segments(market)[2], lambda those: [*those[:-1], those[-1][:9]])
    news = Reading(market, Disk(), EXCHANGE, following=True).news()
    with pytest.raises(DamageError, match="the line has no end"):
        all_for_now(news)


def test_a_follower_takes_a_bad_line_and_one_without_end_for_damage(market):
    last = segments(market)[-1]
    whole = last.read_bytes()
    change(last, lambda those: [*those[:-1], flipped(those[-1])])
    with pytest.raises(DamageError, match="the checksum is another"):
        all_for_now(Reading(market, Disk(), EXCHANGE, following=True).news())
    last.write_bytes(whole + bytes(MAX_LINE_BYTES + READ_BYTES))
    with pytest.raises(DamageError, match="the line has no end"):
        all_for_now(Reading(market, Disk(), EXCHANGE, following=True).news())


def test_a_follower_may_start_in_the_middle(market):
    assert list(
        islice(Reading(market, Disk(), EXCHANGE, following=True).news(RECORDS - 5), 6)
    ) == [*expected()[-5:], None]
