"""What many scores say together: means, medians, how far chance could move them, and the recovered share. Pure NumPy.

NaN stands for a score that does not exist (silence, a preset that failed). It is never counted, and never filled in.
"""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

LEVEL = 0.95
"""Of all intervals."""

_RESAMPLES = 2000
_BLOCK = 200  # resamples held in memory at a time

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Description:
    """Scores that exist: how many, mean and median, each with its bootstrap interval; NaN where there are none."""

    n: int
    mean: float
    mean_interval: Interval
    median: float
    median_interval: Interval


@dataclasses.dataclass(frozen=True)
class Share:
    """How much of the way from a random preset (0) to the re-render floor (1) a method goes. NaN where undefined.

    Attributes:
      n: sounds that have all three scores.
      share: the headline, a ratio of means over those sounds: sum(random - method) / sum(random - floor). A sound whose
        random preset is about as good as its floor cannot blow it up, as it would a mean of ratios.
      interval: bootstrap interval of `share`, over sounds.
      of_medians: the same from the three medians over those sounds.
      by_sound: [n_sounds] of each sound alone; NaN where its floor is not better than its random preset.
    """

    n: int
    share: float
    interval: Interval
    of_medians: float
    by_sound: np.ndarray


def describe(values: Sequence[float] | np.ndarray, seed: int = 0) -> Description:
    """Describes [n] scores; NaN are left out. `seed` is the bootstrap's."""
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
      values: [n], or [columns, n] for scores that belong together sound by sound; whole sounds are drawn.
      statistic: takes [resamples, n], or [columns, resamples, n]; answers [resamples]. A NaN among its answers is left
        out.
      seed: of the draws: the same values give the same interval.
      level: share of the resamples that lie inside.

    Raises ValueError for no values, or a level outside (0, 1).
    """
    if not values.shape[-1] or not 0 < level < 1:
        raise ValueError(f"{values.shape[-1]} values and level={level}; give at least one value and a level in (0, 1)")
    rng = np.random.default_rng(seed)
    n = values.shape[-1]
    found = [statistic(values[..., rng.integers(0, n, (_BLOCK, n))]) for _ in range(_RESAMPLES // _BLOCK)]
    drawn = np.concatenate(found)
    low, high = np.quantile(drawn[~np.isnan(drawn)], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def macro_average(values: Sequence[float] | np.ndarray, groups: Sequence[str]) -> float:
    """The mean over groups (authors) of each group's mean, so that one with many sounds has one voice.

    NaN are left out, and groups of nothing else; NaN if none is left.
    """
    values, groups = np.asarray(values, np.float64), np.asarray(groups)
    if values.shape != groups.shape:
        raise ValueError(f"{len(values)} values in {len(groups)} groups; give each value the name of its group")
    counted = ~np.isnan(values)
    means = [values[counted & (groups == group)].mean() for group in sorted(set(groups[counted]))]
    return float(np.mean(means)) if means else float("nan")


def recovered_share(
    random: np.ndarray, method: np.ndarray, floor: np.ndarray, higher_is_better: bool = False, seed: int = 0
) -> Share:
    """(random - method) / (random - floor), see `Share`; arrays [n_sounds], NaN where a sound has no such score.

    It is NaN where the floor is not better than the random preset: there is nothing to recover.
    """
    sign = -1.0 if higher_is_better else 1.0
    scores = sign * np.stack([np.asarray(row, np.float64) for row in (random, method, floor)])
    by_sound = _ratio(scores)
    paired = scores[:, ~np.isnan(scores).any(0)]
    if not paired.shape[1]:
        return Share(0, np.nan, (np.nan, np.nan), np.nan, by_sound)
    share = float(_ratio(paired.mean(-1)))
    interval = (np.nan, np.nan) if np.isnan(share) else bootstrap_interval(paired, lambda x: _ratio(x.mean(-1)), seed)
    return Share(paired.shape[1], share, interval, float(_ratio(np.median(paired, -1))), by_sound)


def _ratio(scores: np.ndarray) -> np.ndarray:
    """[3, ...] of random, method and floor, lower is better, to the share [...]."""
    random, method, floor = scores
    gap = random - floor
    worth = gap > 1e-9  # false for NaN too
    return np.where(worth, (random - method) / np.where(worth, gap, 1.0), np.nan)
