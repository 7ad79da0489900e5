"""The proofs of proofs/journal_*.py, short, and each of their checkers shown a planted fault that
it must find.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial
from zlib import crc32

import pytest

from botpit.history.journal.disk import Disk
from botpit.history.journal.reading import DamageError, Reading, Torn
from botpit.history.journal.records import seed_of
from botpit.history.journal.recovery import Recovered
from botpit.history.journal.segments import Durability, Journal, segment_name, segments
from botpit.history.journal.snapshots import Snapshot, good_snapshots, snapshots
from botpit.history.vocabulary import EXCHANGE
from proofs import journal_cuts, journal_failures, journal_flips
from proofs.harness.main import Difference
from proofs.harness.stored_market import StoredMarket, make_market, remembering_little
from tests.history.faulty_disk import ForgetfulDisk, ForgetfulFile
from tests.kept_market import restored

SEED, COMMANDS = 11, 500


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> StoredMarket:
    with remembering_little():
        return make_market(tmp_path_factory.mktemp("cut") / "market", SEED, COMMANDS)


@pytest.fixture(scope="module")
def batch_market(tmp_path_factory: pytest.TempPathFactory) -> StoredMarket:
    with remembering_little():
        return make_market(
            tmp_path_factory.mktemp("flip") / "market", SEED, COMMANDS, Durability.BATCH
        )


# --------------------------------------------------------------------------------------------- cuts


def test_a_journal_cut_anywhere_comes_back_to_its_last_whole_record_or_is_refused(market):
    in_last, before = journal_cuts.share(market, str(SEED), 100, True)
    assert in_last > 200 and before >= 10


def test_so_does_one_that_was_durable_in_batches(batch_market):
    assert journal_cuts.share(batch_market, str(SEED), 30, False)[0] == 30


class Lenient(Reading):
    """Takes any damage for a torn end, and the snapshot's word for what is missing before it."""

    def news(self, after=0):
        try:
            yield from super().news(after)
        except DamageError:
            self.torn = Torn(self.folder, 0, 0)
            self.last_number = max(self.last_number, after)


class Miscounting(Reading):
    """Tells one byte too few."""

    def news(self, after=0):
        yield from super().news(after)
        if self.torn:
            self.torn = replace(self.torn, dropped=self.torn.dropped - 1)


class Losing(Reading):
    """Passes every tenth record over."""

    def news(self, after=0):
        return (record for record in super().news(after) if record.number % 10)


class EndingDisk(Disk):
    """Gives the last line an end."""

    def pieces(self, path, offset=0):
        found = b"".join(super().pieces(path, offset))
        yield found if found.endswith(b"\n") else found + b"\n"


def with_parts(disk=None, reading=Reading):
    """A recovery from the newest snapshot, with these parts in place of its own."""

    def recover(folder, _, vocabulary, complain):
        records = reading(folder, disk or Disk(), vocabulary)
        good = good_snapshots(folder, records.opening.market_id, vocabulary, complain)
        return Recovered(records, Disk(), vocabulary, next(good, None))

    return partial(restored, recover=recover)


def test_a_recovery_with_good_parts_passes(market):
    """So that it is the faults below that are found."""
    assert journal_cuts.share(market, str(SEED), 30, False, with_parts())[0] == 30
    assert journal_flips.share(market, str(SEED), 30, with_parts()).total() == 70


FAULTY = {
    "leniency": with_parts(reading=Lenient),
    "a wrong count": with_parts(reading=Miscounting),
    "trust in lines without an end": with_parts(EndingDisk()),
    "a forgotten record": with_parts(reading=Losing),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_the_check_of_cuts_finds_a_planted_fault(market, fault):
    with pytest.raises((Difference, DamageError)):
        journal_cuts.share(market, str(SEED), 30, True, FAULTY[fault])


# -------------------------------------------------------------------------------------------- flips


def test_a_flipped_bit_is_always_noticed(market, batch_market):
    counts = journal_flips.share(market, str(SEED), 100) + journal_flips.share(
        batch_market, str(SEED), 100
    )
    assert counts.total() == 280
    assert {how.partition(": ")[2] for how in counts} == {
        journal_flips.REFUSED,
        journal_flips.TORN,
        journal_flips.PASSED_OVER,
    }


class BlindDisk(Disk):
    """Seals every line of a market anew, so that no checksum is ever wrong."""

    def __init__(self, market):
        self.opening = segments(market.folder)[0].name
        self.seed = seed_of(Reading(market.folder, Disk(), EXCHANGE).opening.market_id)

    def pieces(self, path, offset=0):
        seed = 0 if path.name == self.opening and offset == 0 else self.seed
        for line in b"".join(super().pieces(path, offset)).splitlines(keepends=True):
            yield self.sealed(line, seed) if line.endswith(b"\n") else line
            seed = self.seed

    def sealed(self, line, seed):
        body = line[:-9]
        return b"%b%08x\n" % (body, crc32(body, seed))


class HalfBlindDisk(BlindDisk):
    """Seals only what differs in the lowest bit of one byte from what was sealed: it sees seven bits of eight."""

    def sealed(self, line, seed):
        body = line[:-9]
        for index in range(len(body)):
            other = body[:index] + bytes([body[index] ^ 1]) + body[index + 1 :]
            if line == b"%b%08x\n" % (body, crc32(other, seed)):
                return super().sealed(line, seed)
        return line


def trusting(folder, disk, vocabulary, complain):
    """A recovery that takes a snapshot as it is."""
    reading = Reading(folder, disk, vocabulary)
    number, path = snapshots(folder)[0]
    state = path.read_bytes().split(b"\n")[2]
    return Recovered(reading, disk, vocabulary, Snapshot(number, reading.opening, {}, state))


FAULTY_FOR_FLIPS = {
    "blind trust": lambda market: with_parts(BlindDisk(market)),
    "a weak checksum": lambda market: with_parts(HalfBlindDisk(market)),
    "trust in snapshots": lambda market: partial(restored, recover=trusting),
    "silence": lambda market: lambda folder, complaints: restored(folder, []),
}


@pytest.mark.parametrize("fault", FAULTY_FOR_FLIPS)
def test_the_check_of_flips_finds_a_planted_fault(market, fault):
    with pytest.raises((Difference, ValueError, TypeError, KeyError)):
        journal_flips.share(market, str(SEED), 150, FAULTY_FOR_FLIPS[fault](market))


# ----------------------------------------------------------------------------------------- failures


def test_whatever_call_fails_nothing_is_answered_after_it_and_nothing_answered_is_lost():
    counts = Counter[str]()
    for durability in Durability:
        counts += journal_failures.failures(SEED, 100, durability, range(1, 12))
    assert {name.rpartition(": ")[2] for name in counts} >= {
        "open failed",
        "write failed",
        "sync failed",
        "sync_folder failed",
    }


def test_whenever_power_is_lost_nothing_answered_is_and_the_market_goes_on():
    counts = journal_failures.losses(SEED, 150, list(range(20)))
    assert counts["losses of power"] > 10 and counts["blocks, ends and names lost"] > 20


class Early(Journal):
    """Lets everything be told before it is synced."""

    holds = False


class Silent(Journal):
    """Does not say that writing has failed."""

    def write(self):
        with suppress(OSError):
            super().write()


class Again(Journal):
    """After a failure it asks the disk again, for a journal in its place."""

    def __init__(self, *arguments, **names):
        super().__init__(*arguments, **names)
        self.another = partial(Journal, *arguments, **names)

    def write(self):
        try:
            super().write()
        except AssertionError:
            self.another().close()


@pytest.mark.parametrize("journal", [Silent, Again])
def test_the_check_of_failures_finds_a_planted_fault(journal):
    with pytest.raises(Difference):
        journal_failures.failures(SEED, 100, Durability.OS, list(range(1, 20)), journal)


class NeverSynced(ForgetfulDisk):
    """Whose sync is none."""

    def remember(self, path):
        pass


class LateFile(ForgetfulFile):
    """Whose first sync is none."""

    is_begun = False

    def sync(self):
        if self.is_begun:
            super().sync()
        self.is_begun = True


class NotesMayBeLost(ForgetfulDisk):
    """What a segment begins with, and its name, may be lost; but those of the first segment."""

    def append_to(self, path):
        if path.name == segment_name(0):
            return super().append_to(path)
        self.live()
        return LateFile(path, self)

    def sync_folder(self, path):
        if len(segments(path)) <= 1:
            super().sync_folder(path)


class NothingMoreIsSynced(ForgetfulDisk):
    """A file that an earlier process left is not synced: a start builds on what is not durable."""

    def sync_file(self, path):
        self.live()


FAULTY_FOR_LOSSES = [
    (Early, ForgetfulDisk),
    (Journal, NeverSynced),
    (Journal, NotesMayBeLost),
    (Journal, NothingMoreIsSynced),
]


@pytest.mark.parametrize(("journal", "disk"), FAULTY_FOR_LOSSES)
def test_the_check_of_losses_finds_a_planted_fault(journal, disk):
    with pytest.raises(Difference):
        journal_failures.losses(SEED, 100, list(range(100)), journal, disk)


def test_the_seed_is_told_and_a_difference_is_exit_code_4(monkeypatch, capsys):
    def differ(*args: object) -> None:
        raise Difference("here")

    for script in (journal_cuts, journal_flips, journal_failures):
        monkeypatch.setattr(script, "run", differ)
        monkeypatch.setattr("sys.argv", ["x", "--seed", "77"])
        assert script.main() == 4
        assert capsys.readouterr() == ("seed 77\n", "here\n")
