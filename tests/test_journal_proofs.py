"""The proofs of proofs/journal_*.py, short, and each of their checkers shown a planted fault that
it must find.
"""

from __future__ import annotations

from collections import Counter
from zlib import crc32

import pytest

from botpit.history.journal import reading, records, segments, snapshots
from botpit.history.journal.segments import Durability
from proofs import journal_cuts, journal_failures, journal_flips
from proofs.harness.main import Difference
from proofs.harness.stored_market import StoredMarket, make_market, remembering_little
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


def plant_leniency(monkeypatch):
    def torn_anywhere(self, bad, index, reason):
        self.torn = reading.Torn(
            bad.path, bad.offset_of(index), bad.after - bad.offset_of(index)
        )

    monkeypatch.setattr(reading.Reading, "_take_as_torn", torn_anywhere)


def plant_a_wrong_count(monkeypatch):
    torn = reading.Torn
    monkeypatch.setattr(
        reading, "Torn", lambda path, offset, dropped: torn(path, offset, dropped - 1)
    )


def plant_trust_in_lines_without_an_end(monkeypatch):
    def all_ended(disk, path, number=1, offset=0):
        for lines in lines_of(disk, path, number, offset):
            yield lines._replace(ended=True)

    lines_of = reading.lines_of
    monkeypatch.setattr(reading, "lines_of", all_ended)


def plant_a_forgotten_record(monkeypatch):
    news = reading.Reading.news
    monkeypatch.setattr(
        reading.Reading,
        "news",
        lambda self, after=0: (each for each in news(self, after) if each.number % 10),
    )


PLANTED = [
    plant_leniency,
    plant_a_wrong_count,
    plant_trust_in_lines_without_an_end,
    plant_a_forgotten_record,
]


@pytest.mark.parametrize("plant", PLANTED)
def test_the_check_of_cuts_finds_a_planted_fault(market, monkeypatch, plant):
    plant(monkeypatch)
    with pytest.raises((Difference, reading.DamageError)):
        journal_cuts.share(market, str(SEED), 30, True)


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


def plant_blind_trust(monkeypatch):
    monkeypatch.setattr(records, "_unsealed", lambda line, seed: line[:-8])


def plant_a_weak_checksum(monkeypatch):
    """One that sees seven bits of eight."""
    monkeypatch.setattr(
        records, "crc32", lambda data, seed=0: crc32(bytes(byte & 0xFE for byte in data), seed)
    )


def plant_trust_in_snapshots(monkeypatch):
    class Yes:
        def hexdigest(self):
            return self

        def __ne__(self, other):
            return False

    monkeypatch.setattr(snapshots, "sha256", lambda data: Yes())


def plant_silence(monkeypatch):
    monkeypatch.setattr(
        journal_flips, "restored", lambda folder, complaints: restored(folder, [])
    )


@pytest.mark.parametrize("plant", [plant_blind_trust, plant_trust_in_snapshots, plant_silence])
def test_the_check_of_flips_finds_a_planted_fault(market, monkeypatch, plant):
    plant(monkeypatch)
    with pytest.raises((Difference, ValueError, TypeError, KeyError)):
        journal_flips.share(market, str(SEED), 150)


def test_the_check_of_flips_finds_a_checksum_that_is_too_weak(tmp_path, monkeypatch):
    plant_a_weak_checksum(monkeypatch)
    with remembering_little():
        market = make_market(tmp_path / "market", SEED, 300)
    with pytest.raises(Difference):
        journal_flips.share(market, str(SEED), 300)


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


def plant_an_early_answer(monkeypatch):
    monkeypatch.setattr(segments.Journal, "holds", property(lambda self: False))


def plant_a_lost_failure(monkeypatch):
    def write(self):
        try:
            honest(self)
        except OSError:
            self._failed = False

    honest = segments.Journal.write
    monkeypatch.setattr(segments.Journal, "write", write)


def plant_a_second_try(monkeypatch):
    monkeypatch.setattr(segments.Journal, "_assert_whole", lambda self: None)


@pytest.mark.parametrize("plant", [plant_a_lost_failure, plant_a_second_try])
def test_the_check_of_failures_finds_a_planted_fault(monkeypatch, plant):
    plant(monkeypatch)
    with pytest.raises(Difference):
        journal_failures.failures(SEED, 100, Durability.OS, list(range(1, 20)))


def plant_a_sync_that_is_none(monkeypatch):
    monkeypatch.setattr(journal_failures.ForgetfulDisk, "remember", lambda self, path: None)


def plant_a_segment_whose_note_may_be_lost(monkeypatch):
    synced = segments.Journal._begin_segment
    monkeypatch.setattr(segments.Journal, "_begin_segment", lambda self: unsynced(self, synced))


def unsynced(journal, begin):
    durability, journal._durability = journal._durability, Durability.OS
    try:
        return begin(journal)
    finally:
        journal._durability = durability


def plant_a_start_that_builds_on_what_is_not_durable(monkeypatch):
    monkeypatch.setattr(segments, "segments", lambda folder: [])


PLANTED_LOSSES = [
    plant_an_early_answer, plant_a_sync_that_is_none, plant_a_segment_whose_note_may_be_lost,
    plant_a_start_that_builds_on_what_is_not_durable,
]  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED_LOSSES)
def test_the_check_of_losses_finds_a_planted_fault(monkeypatch, plant):
    plant(monkeypatch)
    with pytest.raises(Difference):
        journal_failures.losses(SEED, 100, list(range(100)))


def test_the_seed_is_told_and_a_difference_is_exit_code_4(monkeypatch, capsys):
    def differ(*args: object) -> None:
        raise Difference("here")

    for script in (journal_cuts, journal_flips, journal_failures):
        monkeypatch.setattr(script, "run", differ)
        monkeypatch.setattr("sys.argv", ["x", "--seed", "77"])
        assert script.main() == 4
        assert capsys.readouterr() == ("seed 77\n", "here\n")
