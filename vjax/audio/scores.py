"""All metrics of an evaluation: between two sounds, or between each sound of a bank and each target."""

from collections.abc import Mapping

import numpy as np

from vjax.audio import distances
from vjax.audio.metric_names import METRICS, TRAITS
from vjax.io.json_files import short_number

_LOUDNESS_NEEDS_S = 0.4  # one gating block of BS.1770
_PAIRS = 8, 64  # targets and bank sounds compared at once: wMFCC's cost matrices of these pairs take 250 MB


def scores(pred: np.ndarray, target: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """Computes each of METRICS between [..., 2, samples] and [..., 2, samples], which broadcast: float32 [...].

    The result is NaN for silence. Loudness is also NaN for sounds shorter than 0.4 s, for which the standard does not
    define it.
    """
    mss, mss_padded, rse = distances.mss_padded_rse(pred, target, sample_rate)
    known = {"mss": mss, "mss_padded": mss_padded, "rse": rse}
    if target.shape[-1] < _LOUDNESS_NEEDS_S * sample_rate:
        known["loudness_difference"] = np.full_like(mss, np.nan)
    return {
        name: known[name] if name in known else getattr(distances, name)(pred, target, sample_rate) for name in METRICS
    }


def pair_scores(bank: np.ndarray, targets: np.ndarray, sample_rate: int) -> dict[str, np.ndarray]:
    """Each of METRICS between every bank sound [n, 2, samples] and every target [m, 2, samples]: float32 [n, m].

    The spectra of both are computed once for a block of pairs, not for each pair. On two cores, 24 x 4 pairs of 2 s
    take 0.9 s, of which 0.3 s are for the pairs themselves.
    """
    at_once, bank_at_once = _PAIRS
    found = {name: np.full((len(bank), len(targets)), np.nan, np.float32) for name in METRICS}
    for column in range(0, len(targets), at_once):
        block = targets[column : column + at_once]
        # All blocks have the same size, because each other size would be compiled again.
        padded_block = np.concatenate([block, np.repeat(block[-1:], min(at_once, len(targets)) - len(block), 0)])
        for row in range(0, len(bank), bank_at_once):
            part = scores(bank[row : row + bank_at_once, None], padded_block[None], sample_rate)
            for name, values in part.items():
                found[name][row : row + bank_at_once, column : column + at_once] = values[:, : len(block)]
    return found


def as_metrics(found: Mapping[str, np.ndarray | float]) -> dict[str, float | None]:
    """Converts scalars of `scores` and `trait_scores` to the metrics of a row. NaN becomes None: JSON has no NaN."""
    return {name: short_number(float(found[name])) for name in (*METRICS, *TRAITS) if name in found}
