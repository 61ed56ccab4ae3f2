"""Tests of the statistics of scores: general properties, and values computed by hand."""

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
def test_describe_intervals_lie_within_the_values(values):
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
def test_describe_of_scaled_values_scales_the_intervals(values, shift, scale):
    plain, scaled = describe(values), describe(scale * values + shift)
    for field in ("mean_interval", "median_interval"):
        expected = [scale * end + shift for end in getattr(plain, field)]
        assert getattr(scaled, field) == pytest.approx(expected, abs=1e-6)


@thorough
@given(few, st.integers(1, 5))
def test_describe_with_nan_ignores_it(values, n_missing):
    with_nan = np.concatenate([np.full(n_missing, np.nan), values])
    assert describe(with_nan) == describe(values)


def test_describe_with_only_nan_returns_nan():
    found = describe([np.nan, np.nan])
    assert found.n == 0
    assert np.isnan([found.mean, found.median, *found.mean_interval, *found.median_interval]).all()


def test_bootstrap_interval_depends_only_on_the_seed():
    values = np.random.default_rng(0).normal(size=30)
    assert bootstrap_interval(values, mean, seed=3) == bootstrap_interval(values, mean, seed=3)
    assert bootstrap_interval(values, mean, seed=3) != bootstrap_interval(values, mean, seed=4)


def test_bootstrap_interval_of_normal_values_has_the_theoretical_width():
    """For normal values it is the mean +- 1.96 standard errors."""
    values = np.random.default_rng(1).normal(5, 2, size=400)
    low, high = bootstrap_interval(values, mean)
    error = values.std() / np.sqrt(len(values))
    assert (values.mean() - low) / error == pytest.approx(1.96, abs=0.15)
    assert (high - values.mean()) / error == pytest.approx(1.96, abs=0.15)


def test_bootstrap_interval_contains_the_true_mean_at_its_level():
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(200):
        low, high = bootstrap_interval(rng.normal(size=40), mean)
        inside += low <= 0 <= high
    assert 0.88 <= inside / 200 <= 0.99


def test_bootstrap_interval_of_one_value_or_equal_values_has_no_width():
    assert bootstrap_interval(np.array([2.5]), mean) == (2.5, 2.5)
    assert bootstrap_interval(np.full(5, 2.5), mean) == (2.5, 2.5)


def test_bootstrap_interval_leaves_out_resamples_without_a_result():
    """A ratio whose denominator is 0 in some resamples."""
    pairs = np.array([[1.0, 2.0, 3.0], [1.0, 0.0, 0.0]])

    def ratio(resampled):
        total = resampled.sum(-1)
        return np.where(total[1] > 0, total[0] / np.maximum(total[1], 1), np.nan)

    low, high = bootstrap_interval(pairs, ratio)
    assert 1 <= low < high <= 7


@pytest.mark.parametrize(("values", "level"), [([], 0.95), ([1.0], 0.0), ([1.0], 1.0)])
def test_bootstrap_interval_with_no_values_or_an_invalid_level_raises(values, level):
    with pytest.raises(ValueError, match="give at least one value"):
        bootstrap_interval(np.array(values), mean, level=level)


def test_macro_average_gives_each_group_the_same_weight():
    values = [1.0, 1.0, 1.0, 5.0, np.nan, np.nan]
    assert macro_average(values, ["a", "a", "a", "b", "b", "c"]) == 3.0
    assert np.isnan(macro_average([np.nan], ["a"]))
    with pytest.raises(ValueError, match="1 values in 2 groups"):
        macro_average([1.0], ["a", "b"])


@thorough
@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 10), st.just(2)), elements=finite), st.booleans())
def test_recovered_share_of_the_ends_is_0_and_1(ends, higher_is_better):
    reference = ends.min(1)
    random = ends.max(1) + 1
    if higher_is_better:
        reference, random = random, reference
    for method, share in ((random, 0), (reference, 1), ((random + reference) / 2, 0.5)):
        found = recovered_share(random, method, reference, higher_is_better)
        assert found.n == len(ends)
        assert [found.share, *found.interval] == pytest.approx([share] * 3, abs=1e-6)
        if share != 0.5:  # the median of sums is not the sum of medians
            assert found.of_medians == pytest.approx(share, abs=1e-6)
        assert found.by_sound == pytest.approx(np.full(len(ends), share), abs=1e-6)


def test_recovered_share_with_an_extreme_ratio_is_a_ratio_of_means():
    """The third sound's random preset is as good as its reference. A mean of ratios would be -333."""
    random, method, reference = np.array([10.0, 10.0, 1.001]), np.array([5.5, 5.5, 2.0]), np.array([1.0, 1.0, 1.0])
    found = recovered_share(random, method, reference)
    assert found.by_sound == pytest.approx([0.5, 0.5, -999])
    assert found.share == pytest.approx((4.5 + 4.5 - 0.999) / 18.001)
    assert found.of_medians == pytest.approx(4.5 / 9)


def test_recovered_share_with_missing_scores_ignores_those_sounds():
    nan = np.nan
    found = recovered_share(np.array([10, nan, 10, 10]), np.array([5, 0, nan, 0]), np.array([0, 0, 0, nan]))
    assert (found.n, found.share) == (1, 0.5)
    assert np.isnan(found.by_sound).tolist() == [False, True, True, True]


@pytest.mark.parametrize("reference", [3.0, 4.0])
def test_recovered_share_with_a_reference_not_better_than_random_is_nan(reference):
    found = recovered_share(np.array([3.0]), np.array([2.0]), np.array([reference]))
    assert found.n == 1
    assert np.isnan([found.share, found.of_medians, *found.interval, *found.by_sound]).all()


def test_recovered_share_without_references_is_nan():
    found = recovered_share(np.array([3.0]), np.array([2.0]), np.array([np.nan]))
    assert found.n == 0
    assert np.isnan(found.share)
