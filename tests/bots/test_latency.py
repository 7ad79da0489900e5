"""The histogram of latencies: to 5 %, bounded, and able to be added up."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from botpit.bots.latency import UPPER_US, LatencyHistogram


def histogram(*latencies_us: float) -> LatencyHistogram:
    made = LatencyHistogram()
    for each in latencies_us:
        made.add(each)
    return made


def told(histogram: LatencyHistogram) -> tuple[object, ...]:
    return (
        histogram.count,
        histogram.max_us,
        histogram.buckets(),
        histogram.quantile(0.5),
        histogram.quantile(0.99),
    )


def test_every_bucket_is_less_than_5_percent_wide_and_together_they_reach_a_minute():
    assert all(low < high <= low * 1.05 for low, high in pairwise(UPPER_US))
    assert UPPER_US[0] == 1 and UPPER_US[-1] > 60e6
    assert len(UPPER_US) < 400


def test_of_nothing_nothing_is_known():
    assert told(LatencyHistogram()) == (0, None, [], None, None)


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_those_of_the_samples_to_5_percent_and_never_below(seed):
    rng = random.Random(seed)
    samples = sorted(rng.lognormvariate(6, 2) + 1 for _ in range(1_001))
    made = histogram(*rng.sample(samples, len(samples)))
    for share, index in ((0.5, 500), (0.99, 990), (1.0, 1_000)):
        assert samples[index] <= made.quantile(share) + 0.001
        assert made.quantile(share) <= samples[index] * 1.05 + 0.001
    assert made.max_us == round(samples[-1], 3)


def test_the_median_of_few_is_one_of_them():
    made = histogram(100.0, 200.0, 10_000.0)
    assert (100 < made.quantile(0.5) < 210, made.quantile(0.99), made.quantile(0.01) < 105) == (
        True,
        10_000.0,
        True,
    )


def test_what_is_shorter_or_longer_than_all_buckets_counts_in_the_outermost():
    made = histogram(0.0, 0.2, 10e9)
    assert made.buckets() == [(1.0, 2), (UPPER_US[-1], 1)]
    assert made.max_us == 10e9


def test_a_million_latencies_take_no_more_buckets_than_there_are():
    made = LatencyHistogram()
    made.merge(((index * 61.0, 1) for index in range(1_000_000)), 61e6)
    assert made.count == 1_000_000 and len(made.buckets()) <= len(UPPER_US)


def test_two_that_are_added_up_are_the_one_of_all():
    rng = random.Random(3)
    first, second = ([rng.uniform(1, 1e6) for _ in range(500)] for _ in range(2))
    added = histogram(*first)
    other = histogram(*second)
    added.merge(other.buckets(), other.max_us)
    assert told(added) == told(histogram(*first, *second))


def test_each_upper_bound_belongs_to_its_own_bucket():
    again = LatencyHistogram()
    again.merge([(upper_us, 2) for upper_us in UPPER_US], None)
    assert again.buckets() == [(upper_us, 2) for upper_us in UPPER_US]
