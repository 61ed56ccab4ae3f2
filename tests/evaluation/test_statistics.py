"""Properties that the statistics of any scores have, and values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vjax.evaluation.statistics import bootstrap_interval, describe, macro_average, recovered_share

finite = st.floats(-100, 100, allow_subnormal=False)
few = hnp.arrays(np.float64, st.integers(1, 12), elements=finite)
thorough = settings(deadline=None, max_examples=25)


def mean(drawn):
    return drawn.mean(-1)


@thorough
@given(few)
def test_the_interval_lies_within_the_values_and_around_what_it_is_of(values):
    found = describe(values)
    assert found.n == len(values)
    assert found.mean == pytest.approx(values.mean(), abs=1e-9)
    assert found.median == np.median(values)
    slack = 1e-9
    for low, high in (found.mean_interval, found.median_interval):
        assert values.min() - slack <= low <= high <= values.max() + slack
    low, high = found.median_interval
    assert low <= found.median <= high


@thorough
@given(few, finite, st.floats(0.1, 10))
def test_units_do_not_matter(values, shift, scale):
    here, there = describe(values), describe(scale * values + shift)
    for field in ("mean_interval", "median_interval"):
        moved = [scale * end + shift for end in getattr(here, field)]
        assert getattr(there, field) == pytest.approx(moved, abs=1e-6)


@thorough
@given(few, st.integers(1, 5))
def test_what_does_not_exist_is_not_counted(values, n_missing):
    holes = np.concatenate([np.full(n_missing, np.nan), values])
    assert describe(holes) == describe(values)


def test_nothing_at_all_has_no_numbers():
    found = describe([np.nan, np.nan])
    assert found.n == 0
    assert np.isnan([found.mean, found.median, *found.mean_interval, *found.median_interval]).all()


def test_the_same_seed_draws_the_same_and_others_draw_otherwise():
    values = np.random.default_rng(0).normal(size=30)
    assert bootstrap_interval(values, mean, seed=3) == bootstrap_interval(values, mean, seed=3)
    assert bootstrap_interval(values, mean, seed=3) != bootstrap_interval(values, mean, seed=4)


def test_the_interval_of_a_mean_is_as_wide_as_theory_says():
    """Of normal values it is the mean +- 1.96 standard errors."""
    values = np.random.default_rng(1).normal(5, 2, size=400)
    low, high = bootstrap_interval(values, mean)
    error = values.std() / np.sqrt(len(values))
    assert (values.mean() - low) / error == pytest.approx(1.96, abs=0.15)
    assert (high - values.mean()) / error == pytest.approx(1.96, abs=0.15)


def test_it_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        low, high = bootstrap_interval(rng.normal(size=40), mean)
        inside += low <= 0 <= high
    assert 0.88 <= inside / 200 <= 0.99


@pytest.mark.parametrize(("values", "level"), [([], 0.95), ([1.0], 0.0), ([1.0], 1.0)])
def test_no_interval_of_nothing(values, level):
    with pytest.raises(ValueError, match="give at least one value"):
        bootstrap_interval(np.array(values), mean, level=level)


def test_each_author_has_one_voice():
    values = [1.0, 1.0, 1.0, 5.0, np.nan, np.nan]
    assert macro_average(values, ["a", "a", "a", "b", "b", "c"]) == 3.0
    assert np.isnan(macro_average([np.nan], ["a"]))
    with pytest.raises(ValueError, match="1 values in 2 groups"):
        macro_average([1.0], ["a", "b"])


@thorough
@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 10), st.just(2)), elements=finite), st.booleans())
def test_the_ends_are_0_and_1_and_the_middle_is_half(ends, higher_is_better):
    floor = ends.min(1)
    random = ends.max(1) + 1
    if higher_is_better:
        floor, random = random, floor
    for method, share in ((random, 0), (floor, 1), ((random + floor) / 2, 0.5)):
        found = recovered_share(random, method, floor, higher_is_better)
        assert found.n == len(ends)
        assert [found.share, *found.interval] == pytest.approx([share] * 3, abs=1e-6)
        if share != 0.5:  # the median of sums is not the sum of medians
            assert found.of_medians == pytest.approx(share, abs=1e-6)
        assert found.by_sound == pytest.approx(np.full(len(ends), share), abs=1e-6)


def test_the_headline_is_a_ratio_of_means_that_one_sound_cannot_blow_up():
    """The third sound's random preset is as good as its floor; a mean of ratios would be -333."""
    random, method, floor = np.array([10.0, 10.0, 1.001]), np.array([5.5, 5.5, 2.0]), np.array([1.0, 1.0, 1.0])
    found = recovered_share(random, method, floor)
    assert found.by_sound == pytest.approx([0.5, 0.5, -999])
    assert found.share == pytest.approx((4.5 + 4.5 - 0.999) / 18.001)
    assert found.of_medians == pytest.approx(4.5 / 9)


def test_a_sound_counts_only_with_all_three_scores():
    nan = np.nan
    found = recovered_share(np.array([10, nan, 10, 10]), np.array([5, 0, nan, 0]), np.array([0, 0, 0, nan]))
    assert (found.n, found.share) == (1, 0.5)
    assert np.isnan(found.by_sound).tolist() == [False, True, True, True]


@pytest.mark.parametrize("floor", [3.0, 4.0])
def test_no_share_where_the_floor_is_no_better_than_random(floor):
    found = recovered_share(np.array([3.0]), np.array([2.0]), np.array([floor]))
    assert found.n == 1
    assert np.isnan([found.share, found.of_medians, *found.interval, *found.by_sound]).all()


def test_no_share_without_floors():
    found = recovered_share(np.array([3.0]), np.array([2.0]), np.array([np.nan]))
    assert found.n == 0
    assert np.isnan(found.share)
