"""Every reader and a real feed, on a line that a seed spoils: in the end each knows the truth."""

from __future__ import annotations

import pytest

from botpit.clients import feed_session
from botpit.clients.feed_table import STEPS, Case
from tests.socketless.feed_pair import READERS, NotedSteps, Pair

SEEDS = range(24)
RUNS = [
    (reader, seed, behind_relay)
    for reader in READERS
    for seed in SEEDS
    for behind_relay in (False, True)
]
Run = tuple[type, int, bool]


def play(run: Run) -> None:
    reader, seed, behind_relay = run
    Pair(reader(), seed, behind_relay=behind_relay).run()


@pytest.mark.parametrize(
    "run",
    RUNS,
    ids=lambda run: f"{run[0].__name__}-{run[1]}-{'relay' if run[2] else 'exchange'}",
)
def test_law_whatever_the_line_does_the_reader_ends_with_the_truth(run):
    play(run)


@pytest.fixture(scope="module")
def exercised() -> dict[Case, list[Run]]:
    """For each case of the table the runs in which it occurs."""
    found: dict[Case, list[Run]] = {}
    with pytest.MonkeyPatch.context() as patch:
        for run in RUNS:
            seen: set[Case] = set()
            patch.setattr(feed_session, "STEPS", NotedSteps(seen.add))
            play(run)
            for case in seen:
                found.setdefault(case, []).append(run)
    return found


def test_every_case_of_the_table_occurs(exercised):
    assert sorted(map(str, STEPS.keys() - exercised.keys())) == []


@pytest.mark.parametrize("case", STEPS, ids=lambda case: "-".join(each.name for each in case))
def test_without_a_case_of_the_table_some_reader_is_wrong(exercised, monkeypatch, case):
    monkeypatch.setattr(
        feed_session, "STEPS", {each: step for each, step in STEPS.items() if each != case}
    )
    assert any(is_wrong(run) for run in exercised[case])


def is_wrong(run: Run) -> bool:
    try:
        play(run)
    except (AssertionError, LookupError, ValueError):
        return True
    return False
