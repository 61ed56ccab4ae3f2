"""The loss that refinement minimises: distances of candidates to their targets, for many targets in one jitted call.

    loss = sum_k weight_k distance_k / TYPICAL_k

Each distance is divided by its typical value between two unrelated presets. So the weights are comparable, and the loss
is the sum of the weights if all terms have their typical values. The terms:

- `mss`: `vjax.audio.distances.mss`, the main metric of vjax's reports, over the time in which either sound plays. It
  does not depend on gain.
- `mrstft`: `vjax.audio.distances.mrstft`, the report's objective. It depends on gain.
- `ltas`: mean |difference| of long-term average spectra in dB, band by band. It has no time axis, so it ignores phases,
  shifted envelopes and LFOs out of step. It has a useful slope where frame-by-frame distances are flat.
- `loudness`: |difference| of K-weighted levels in dB: BS.1770's loudness without its gate.
- `rse`: `vjax.audio.distances.rse`, which weighs the loudest parts most. It does not depend on gain.
- `attack`: `vjax.audio.distances.attack_of`, MSS of the first 80 ms. It does not depend on gain.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vjax.audio.distances import attack_of, mrstft_of, mss_rse_of
from vjax.audio.loudness import k_weighting
from vjax.audio.mel import mel_centres_hz
from vjax.audio.silence import is_silent
from vjax.audio.spectra import MssSpectra, mrstft_configs, mrstft_spectra, mss_spectra

TERMS = ("mss", "mrstft", "ltas", "loudness", "rse", "attack")
TYPICAL = {"mss": 19.0, "mrstft": 4.8, "ltas": 15.4, "loudness": 4.8, "rse": 1.0, "attack": 21.0}
"""Medians over 115 pairs of musicians' presets (docs/decisions/0010-search.md). Units: dB, none, dB, LU."""

_RANGE_DB = 80.0
_LTAS_SIZE = 1  # the resolution of 2048 samples, of MRSTFT's three


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """Weights of the terms. A term with weight 0 does not count in the loss, but is still measured."""

    mss: float = 1.0
    mrstft: float = 1.0
    ltas: float = 1.0
    loudness: float = 0.25
    rse: float = 0.0
    attack: float = 0.0

    def __post_init__(self):
        weights = dataclasses.astuple(self)
        if min(weights) < 0 or max(weights) == 0:
            raise ValueError(f"weights {dataclasses.asdict(self)}: none may be below 0, and one must be above it")


class SoundSpectra(NamedTuple):
    """The features of a sound that are compared.

    Attributes:
      mss: spectra for MSS.
      mrstft: list of [..., channels, bands, t].
      ltas_db: [..., channels, bands].
      level_db: [...].
    """

    mss: MssSpectra
    mrstft: list[jax.Array]
    ltas_db: jax.Array
    level_db: jax.Array


class Objective:
    """Scores candidates against the targets in its lanes. Compiled once for its sizes.

    Args:
      config: weights.
      lanes: number of targets at a time.
      batch: number of candidates that are scored in one call.
      samples, sample_rate: of all sounds, which are stereo.
    """

    def __init__(self, config: ObjectiveConfig, lanes: int, batch: int, samples: int, sample_rate: int):
        self.batch = batch
        self._sample_rate, self._shape = sample_rate, (2, samples)
        self._weights = np.array([getattr(config, term) / TYPICAL[term] for term in TERMS], np.float32)
        sounds = jax.ShapeDtypeStruct((lanes, *self._shape), np.float32)
        shapes = jax.eval_shape(functools.partial(sound_spectra, sample_rate=sample_rate), sounds)
        self._targets = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def set_target(self, lane: int, audio: np.ndarray) -> None:
        """Puts a target [2, samples] into a lane. Raises ValueError if it is silent or has another shape."""
        if audio.shape != self._shape:
            raise ValueError(f"the target has shape {audio.shape}; expected {self._shape}")
        if is_silent(audio):
            raise ValueError("the target is silent, and distances to silence are undefined; give an audible sound")
        batch = np.broadcast_to(audio, (self.batch, *self._shape)).astype(np.float32)  # the shape that is compiled
        spectra = jax.tree.map(lambda leaf: leaf[0], _jitted_spectra(batch, self._sample_rate))
        self._targets = _put(self._targets, spectra, lane)

    def distances(self, audio: np.ndarray, lanes: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Scores up to `batch` candidates.

        Args:
          audio: float32 [n, 2, samples].
          lanes: [n], the lane of each candidate's target.

        Returns:
          losses [n] and distances [n, len(TERMS)], float32 on the host; NaN for silent or broken candidates.
        """
        found, _ = self._scored(audio, lanes, np.zeros((len(audio), 2)))
        return found @ self._weights, found

    def levelled(self, audio: np.ndarray, lanes: Sequence[int], range_db: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores up to `batch` candidates as if each were played at the level of its target.

        The volume is a factor at the end of the signal chain, so its best value is computed and not searched for.

        Args:
          range_db: [n, 2], by how many dB each may be made softer (negative) and louder.

        Returns:
          losses [n] and the gains [n] in dB, within the range, that the losses were computed with.
        """
        losses, gains_db, _ = self.levelled_terms(audio, lanes, range_db)
        return losses, gains_db

    def levelled_terms(
        self, audio: np.ndarray, lanes: Sequence[int], range_db: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `levelled`, but also returns the terms [n, len(TERMS)] of the losses."""
        found, gains_db = self._scored(audio, lanes, range_db)
        return found @ self._weights, gains_db, found

    def _scored(self, audio: np.ndarray, lanes: Sequence[int], range_db: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        n = len(audio)
        padded = np.zeros((self.batch, *self._shape), np.float32)
        padded[:n] = audio
        padded_lanes = np.zeros(self.batch, np.int32)
        padded_lanes[:n] = lanes
        ranges = np.zeros((self.batch, 2), np.float32)
        ranges[:n] = range_db
        found, gains_db = (
            np.array(one)[:n] for one in _distances(self._targets, padded, padded_lanes, ranges, self._sample_rate)
        )
        found[is_silent(padded[:n]) | ~np.isfinite(padded[:n]).all((1, 2))] = np.nan
        return found, gains_db


def sound_spectra(audio: jax.Array, sample_rate: int) -> SoundSpectra:
    mrstft = mrstft_spectra(audio, sample_rate)
    power = jnp.mean(mrstft[_LTAS_SIZE] ** 2, -1)
    db = 10 * jnp.log10(jnp.maximum(power, 1e-10))
    db = jnp.maximum(db, db.max((-2, -1), keepdims=True) - _RANGE_DB)
    level = jnp.sum(power * _k_weights(sample_rate), (-2, -1))
    return SoundSpectra(mss_spectra(audio, sample_rate), mrstft, db, 10 * jnp.log10(jnp.maximum(level, 1e-10)))


def spectral_terms(found: SoundSpectra, target: SoundSpectra, gain_db: jax.Array) -> dict[str, jax.Array]:
    """All terms but `loudness`, [...] each, of sounds that are made louder by `gain_db` [...]; channels broadcast."""
    factor = 10 ** (gain_db[..., None, None, None] / 20)
    mrstft = [magnitudes * factor for magnitudes in found.mrstft]
    ltas = jnp.abs(found.ltas_db + gain_db[..., None, None] - target.ltas_db).mean((-2, -1))
    mss, rse = mss_rse_of(found.mss, target.mss)
    attack = attack_of(found.mss, target.mss)
    return {"mss": mss, "mrstft": mrstft_of(mrstft, target.mrstft), "ltas": ltas, "rse": rse, "attack": attack}


_jitted_spectra = jax.jit(sound_spectra, static_argnames="sample_rate")


@jax.jit
def _put(targets: Any, spectra: Any, lane: int) -> Any:
    return jax.tree.map(lambda all_, one: all_.at[lane].set(one), targets, spectra)


@functools.partial(jax.jit, static_argnames="sample_rate")
def _distances(
    targets: SoundSpectra, audio: jax.Array, lanes: jax.Array, range_db: jax.Array, sample_rate: int
) -> tuple[jax.Array, jax.Array]:
    """(terms [batch, len(TERMS)], gains [batch] in dB that bring candidates to the levels of their targets).

    The gain multiplies the spectra, so that sounds are not transformed again. MSS does not depend on the gain.
    """
    found = _jitted_spectra(audio, sample_rate)
    target = jax.tree.map(lambda leaf: leaf[lanes], targets)
    missing_db = target.level_db - found.level_db
    gain_db = jnp.clip(missing_db, range_db[:, 0], range_db[:, 1])
    terms = spectral_terms(found, target, gain_db) | {"loudness": jnp.abs(missing_db - gain_db)}
    return jnp.stack([terms[name] for name in TERMS], -1), gain_db


def _k_weights(sample_rate: int) -> np.ndarray:
    """[bands]: BS.1770's K-weighting at the centre of each mel band, times the width that Slaney's norm divides by."""
    centres_hz = mel_centres_hz(mrstft_configs(sample_rate)[_LTAS_SIZE])
    return (k_weighting(centres_hz) * np.gradient(centres_hz)).astype(np.float32)
