"""Statistics of many scores: means, medians, bootstrap intervals, and the recovered share. Imports only NumPy.

NaN marks a score that does not exist (silence, a preset that failed). It is never counted and never replaced.
"""

import dataclasses
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import DegenerateDataWarning, bootstrap

LEVEL = 0.95
"""The confidence level of all intervals."""

_RESAMPLES = 2000
_BLOCK = 200  # resamples in memory at a time

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Description:
    """Statistics of the scores that exist: their number, and mean and median, each with its bootstrap interval.

    All but `n` are NaN if there is no score.
    """

    n: int
    mean: float
    mean_interval: Interval
    median: float
    median_interval: Interval


@dataclasses.dataclass(frozen=True)
class Share:
    """The share of the distance between a random preset (0) and the re-render reference (1) that a method recovers.

    Shares are NaN where they are undefined.

    Attributes:
      n: the number of sounds that have all three scores.
      share: the main number, a ratio of means over those sounds: sum(random - method) / sum(random - reference). If
        the random preset of a sound is about as good as its reference, the ratio of that sound is huge. It would
        dominate a mean of ratios, but not this ratio of means.
      interval: bootstrap interval of `share`, over sounds.
      of_medians: the same ratio of the three medians over those sounds.
      by_sound: [n_sounds], the ratio of each sound; NaN where its reference is not better than its random preset.
    """

    n: int
    share: float
    interval: Interval
    of_medians: float
    by_sound: np.ndarray


def describe(values: Sequence[float] | np.ndarray, seed: int = 0) -> Description:
    """Describes [n] scores; NaN are left out. `seed` is that of the bootstrap."""
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        nothing = (np.nan, np.nan)
        return Description(0, np.nan, nothing, np.nan, nothing)
    mean, median = (lambda drawn: drawn.mean(-1)), (lambda drawn: np.median(drawn, -1))
    return Description(
        n=len(values),
        mean=float(values.mean()),
        mean_interval=bootstrap_interval(values, mean, seed),
        median=float(np.median(values)),
        median_interval=bootstrap_interval(values, median, seed),
    )


def bootstrap_interval(
    values: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], seed: int = 0, level: float = LEVEL
) -> Interval:
    """The percentile bootstrap interval of `statistic` over sounds.

    Args:
      values: [n]; or [columns, n] for several scores of each sound, which are resampled together.
      statistic: takes [resamples, n], or [columns, resamples, n]; returns [resamples]. NaN among its results are left
        out.
      seed: of the draws, so that the same values give the same interval.
      level: share of the resamples that lie inside the interval.

    Raises ValueError for no values, or a level outside (0, 1).
    """
    if not values.shape[-1] or not 0 < level < 1:
        raise ValueError(f"{values.shape[-1]} values and level={level}; give at least one value and a level in (0, 1)")
    if values.shape[-1] == 1:  # SciPy resamples at least two
        only = float(statistic(values[..., None, :])[0])
        return only, only
    with warnings.catch_warnings():
        # Results that are equal or NaN are fine here. SciPy warns of them, because its own interval would be NaN.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            tuple(np.atleast_2d(values)),
            lambda *columns, axis: statistic(np.stack(columns) if values.ndim > 1 else columns[0]),
            paired=True,  # so that the columns are resampled together
            vectorized=True,
            n_resamples=_RESAMPLES,
            batch=_BLOCK,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
    low, high = np.quantile(found[~np.isnan(found)], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def macro_average(values: Sequence[float] | np.ndarray, groups: Sequence[str]) -> float:
    """The mean over groups (authors) of each group's mean, so that all groups have the same weight.

    NaN are left out, and so are groups that have only NaN. The result is NaN if no group is left.
    """
    numbers, names = np.asarray(values, np.float64), np.asarray(groups)
    if numbers.shape != names.shape:
        raise ValueError(f"{len(numbers)} values in {len(names)} groups; give each value the name of its group")
    counted = ~np.isnan(numbers)
    means = [numbers[counted & (names == group)].mean() for group in sorted(set(names[counted]))]
    return float(np.mean(means)) if means else float("nan")


def recovered_share(
    random: np.ndarray, method: np.ndarray, reference: np.ndarray, higher_is_better: bool = False, seed: int = 0
) -> Share:
    """(random - method) / (random - reference), see `Share`.

    A share is NaN where the reference is not better than the random preset, because there is nothing to recover.

    Args:
      random, method, reference: [n_sounds], scores; NaN where a sound has no such score.
      higher_is_better: whether a higher score is better; by default lower is better.
      seed: of the bootstrap.
    """
    sign = -1.0 if higher_is_better else 1.0
    scores = sign * np.stack([np.asarray(row, np.float64) for row in (random, method, reference)])
    by_sound = _ratio(scores)
    paired = scores[:, ~np.isnan(scores).any(0)]
    if not paired.shape[1]:
        return Share(0, np.nan, (np.nan, np.nan), np.nan, by_sound)
    share = float(_ratio(paired.mean(-1)))
    interval = (np.nan, np.nan) if np.isnan(share) else bootstrap_interval(paired, lambda x: _ratio(x.mean(-1)), seed)
    return Share(paired.shape[1], share, interval, float(_ratio(np.median(paired, -1))), by_sound)


def _ratio(scores: np.ndarray) -> np.ndarray:
    """The share [...] from the scores [3, ...] of random, method and reference, of which lower is better."""
    random, method, reference = scores
    gap = random - reference
    worth = gap > 1e-9  # False for NaN too
    return np.where(worth, (random - method) / np.where(worth, gap, 1.0), np.nan)
