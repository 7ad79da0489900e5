"""A few of the seeded faults are planted with every run of the suite; `make mutants` plants them all."""

import pytest

from tests.laws.mutants import HOME, MUTANTS, caught

ALWAYS = ("lifo queue", "off-by-one fee", "skipped deleverage", "threshold two ticks late")


@pytest.mark.parametrize("name", ALWAYS)
def test_a_planted_fault_is_caught(name):
    assert caught(next(mutant for mutant in MUTANTS if mutant.name == name))


def test_every_fault_can_be_planted():
    """Its text stands exactly once in its file, and the engine changes with it."""
    for mutant in MUTANTS:
        source = (HOME / "botpit" / "core" / mutant.file).read_text(encoding="utf-8")
        assert source.count(mutant.old) == 1, mutant.name
        assert mutant.old != mutant.new, mutant.name
