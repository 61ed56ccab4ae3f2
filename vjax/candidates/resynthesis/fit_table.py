"""Fits a wavetable to a sound by gradient descent. The oscillator sweeps once through the table's cycles.

The oscillator is differentiable in the spectra of its cycles (Shan et al., "Differentiable Wavetable Synthesis",
arXiv:2111.10003). So are most terms of the loss that refinement minimises (`vjax.search.objective`). Gradient descent
on these terms fits magnitudes and phases. The fit is one jitted call. It is compiled once for each length of sound, for
all pitches.
"""

import dataclasses
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Bool, Complex, Float, Float32, Int

from vjax.io.arrays import Array
from vjax.search.objective import TYPICAL, SoundSpectra, sound_spectra, spectral_terms
from vjax.vital.wavetables import FRAME, POSITIONS

HARMONICS = FRAME // 2 - 1
WINDOW = 2048
"""Samples of the window whose spectrum a cycle begins with: 46 ms at 44.1 kHz."""

_HIGHEST_HZ = 20000.0
_FLOOR = 1e-5  # of the loudest harmonic: added to all initial amplitudes, because their logarithm is taken
_STILL = 1e-6  # noise added, of full scale: logarithms and square roots have no gradient at digital silence
_FADE_S = 0.007  # interval at which the engine reads a position; it fades to it until the next one (measured)
_LATENCY_S = 0.0004  # of the LFO that sets the position
_END_S = 0.02  # fade-out of a sound before it is fitted
_DOWN = 0.1  # of an envelope: where it is lower, cycles do not compensate for it


@dataclasses.dataclass(frozen=True)
class WavetableFitConfig:
    """How a table is fitted.

    Attributes:
      frames: cycles of a table. `swept` of them are spread evenly over the sound, and the engine moves linearly from
        one to the next. The others are for a longer note.
      steps, learning_rate: of Adam. The rate falls to 0 along a cosine.
      seed: of the harmonics' initial phases. Equal phases would make each cycle a click.
    """

    frames: int = 257
    steps: int = 200
    learning_rate: float = 0.1
    seed: int = 0

    def __post_init__(self):
        if not 9 <= self.frames <= 257:
            raise ValueError(f"frames={self.frames}; give 9 to 257; a wavetable has at most 257")
        if self.steps < 0 or not self.learning_rate > 0:
            raise ValueError(
                f"steps={self.steps}, learning_rate={self.learning_rate}; give 0 steps or more, and a positive rate"
            )

    @property
    def swept(self) -> int:
        return self.frames - (self.frames - 1) // 4

    def spread_over(self, seconds: float) -> "WavetableFitConfig":
        """Returns the config with fewer cycles for a short sound: the engine skips some that are under 7 ms apart."""
        config = self
        while config.frames >= 17 and (seconds - stay_s(seconds)) / (config.swept - 1) < _FADE_S:
            config = dataclasses.replace(config, frames=(config.frames + 1) // 2)
        return config


def stay_s(seconds: float) -> float:
    """Returns how long before the end of a sound its sweep reaches the last cycle.

    So the last cycle is fitted to a stretch of the sound.
    """
    return min(0.05, seconds / 10)


def fit_cycles(
    audio: Float[np.ndarray, " samples"],
    sample_rate: int,
    frequency_hz: float,
    envelope: Float[np.ndarray, " samples"],
    config: WavetableFitConfig,
) -> Float32[np.ndarray, "swept 2048"]:
    """Returns cycles whose sweep at a pitch is near to a sound and equally loud.

    Args:
      audio: float32 [samples].
      frequency_hz: of the first harmonic.
      envelope: [samples], by which the sweep is multiplied.

    Returns:
      [config.swept, 2048] float32.
    """
    n, seconds = n_lines(frequency_hz, sample_rate), len(audio) / sample_rate
    swept_s = seconds - stay_s(seconds)
    begin = np.zeros((config.swept, HARMONICS), np.float32)
    centres = np.linspace(0, swept_s * sample_rate - 1, config.swept).astype(int)
    begin[:, :n] = amplitudes_at(audio, sample_rate, frequency_hz, n, centres)
    if not begin.any():  # digital silence
        return np.zeros((config.swept, FRAME), np.float32)
    begin /= np.maximum(envelope[centres], _DOWN)[:, None]
    log_amplitude = np.log(begin + _FLOOR * begin.max()).astype(np.float32)
    phase = np.random.default_rng(config.seed).uniform(0, 2 * np.pi, HARMONICS).astype(np.float32)
    audible = np.arange(HARMONICS) < n
    cycles = np.asarray(
        _fitted(
            {"log_amplitude": log_amplitude, "phase": phase},
            jnp.asarray(audio, jnp.float32)[None],
            jnp.float32(frequency_hz / sample_rate),
            jnp.asarray(envelope, jnp.float32),
            audible,
            sweep_positions(len(audio), sample_rate, config),
            config.learning_rate,
            sample_rate,
            config.steps,
        )
    )
    peaks = np.abs(cycles).max(1)
    # Where the envelope is low, the fit may make a cycle very loud. It must not make the other cycles soft beside it.
    loudest = peaks[envelope[centres] >= _DOWN].max()
    return filled_upwards(cycles * (loudest / np.maximum(peaks, loudest))[:, None], n, phase)


def n_lines(frequency_hz: float, sample_rate: int) -> int:
    """Returns how many harmonics are audible."""
    return max(int(min(HARMONICS, _HIGHEST_HZ / frequency_hz, sample_rate / 2 / frequency_hz - 1)), 1)


def filled_upwards(
    cycles: Float[np.ndarray, "frames 2048"], n: int, phase: Float[np.ndarray, " 1023"]
) -> Float[np.ndarray, "frames 2048"]:
    """Fills the harmonics of cycles [frames, 2048] above the `n` that they have. Lower notes need them.

    At the analysed note these harmonics are inaudible, and an oscillator leaves them out. They continue the slope of
    the last octave and the pattern of its lines. `phase` [1023] is their phases in radians.
    """
    shift = 1 << max(int(math.log2(n / 2)), 0)  # a power of two: the lines of a dense table are powers of two apart
    if n < 4 or n >= HARMONICS:
        return cycles
    spectra = np.fft.rfft(cycles)
    power = np.abs(spectra[:, 1:]) ** 2
    upper, lower = power[:, n // 2 : n].mean(), power[:, n // 4 : n // 2].mean()
    if not lower > 0:
        return cycles
    slope = min(math.log2(max(upper / lower, 1e-10)) / 2, 0.0)  # of amplitudes, per octave
    new = np.arange(n + 1, HARMONICS + 1)
    old = n - shift + 1 + (new - n - 1) % shift
    spectra[:, new] = np.abs(spectra[:, old]) * (new / old) ** slope * np.exp(1j * phase[new - 1])
    return np.fft.irfft(spectra, FRAME).astype(np.float32)


def harmonic_amplitudes(
    audio: Float[np.ndarray, " samples"], sample_rate: int, frequency_hz: float, n: int, frames: int
) -> Float[np.ndarray, "{frames} {n}"]:
    """Returns amplitudes [frames, n] of harmonics 1 to n around evenly spread times, from 0 to the end of the sound.

    A harmonic gets all power up to halfway to its neighbours.
    """
    return amplitudes_at(audio, sample_rate, frequency_hz, n, np.linspace(0, len(audio), frames).astype(int))


def amplitudes_at(
    audio: Float[np.ndarray, " samples"],
    sample_rate: int,
    frequency_hz: float,
    n: int,
    centres: Int[np.ndarray, " centres"],
) -> Float[np.ndarray, "centres {n}"]:
    """Returns amplitudes [len(centres), n] of harmonics 1 to n around these samples. Outside the sound is silence."""
    hz = np.arange(WINDOW // 2 + 1) * sample_rate / WINDOW
    edges = np.searchsorted(hz, (np.arange(1, n + 2) - 0.5) * frequency_hz)
    window = np.hanning(WINDOW)
    padded = np.pad(audio, (WINDOW // 2, WINDOW))
    power = np.stack([np.abs(np.fft.rfft(padded[at : at + WINDOW] * window)) ** 2 for at in centres])
    sums = np.concatenate([np.zeros((len(centres), 1)), np.cumsum(power, 1)], 1)
    return np.sqrt(np.maximum(sums[:, edges[1:]] - sums[:, edges[:-1]], 0) / (WINDOW * (window**2).sum() / 4))


def sweep_positions(samples: int, sample_rate: int, config: WavetableFitConfig) -> Float32[np.ndarray, " {samples}"]:
    """Returns at which swept cycle the engine is, [samples] float32. Fractions lie between two cycles.

    Every 7 ms the engine reads the position of the sweep, rounded to one of a table's 257 positions. It fades linearly
    from the previous position to this one.
    """
    fade_s = int(_FADE_S * 2 * sample_rate) / (2 * sample_rate)  # whole samples at twice the sample rate
    swept_s = samples / sample_rate - stay_s(samples / sample_rate)
    cycle = POSITIONS / (config.frames - 1)  # table positions from one cycle to the next
    reads_s = fade_s * np.arange(-1, math.ceil(samples / sample_rate / fade_s) + 1)
    read = np.rint(np.clip((reads_s - _LATENCY_S) / swept_s, 0, 1) * (config.swept - 1) * cycle) / cycle
    at = np.arange(samples) / sample_rate / fade_s
    return np.interp(at, np.arange(len(read)), read).astype(np.float32)


def sweep(
    spectra: Complex[jax.Array, "frames 1023"], frequency: Float[jax.Array, ""], position: Float[Array, " samples"]
) -> Float[jax.Array, " samples"]:
    """Renders [samples] of an oscillator that goes through cycles with these spectra [frames, 1023].

    Args:
      spectra: complex amplitudes of the harmonics from 1; |1| is a sine of amplitude 1.
      frequency: cycles per sample.
      position: [samples] float, from 0 to frames - 1.
    """
    cycles = _cycles(spectra)
    turns = jnp.mod(np.arange(len(position), dtype=np.float32) * frequency, 1.0) * FRAME
    at = jnp.minimum(turns.astype(jnp.int32), FRAME - 1)
    part = turns - at
    frame = jnp.minimum(position.astype(np.int32), len(cycles) - 2)
    share = position - frame

    def read(index: jax.Array) -> jax.Array:
        return cycles[index, at] * (1 - part) + cycles[index, (at + 1) % FRAME] * part

    return read(frame) * (1 - share) + read(frame + 1) * share


def _cycles(spectra: Complex[jax.Array, "frames 1023"]) -> Float[jax.Array, "frames 2048"]:
    """Converts spectra [frames, 1023] to cycles [frames, 2048]."""
    return jnp.fft.irfft(jnp.pad(spectra, ((0, 0), (1, 1))), FRAME) * (FRAME / 2)


def _spectra(parameters: Any, audible: Bool[Array, " 1023"]) -> Complex[jax.Array, "swept 1023"]:
    return jnp.where(audible, jnp.exp(parameters["log_amplitude"]), 0) * jnp.exp(1j * parameters["phase"])


@functools.partial(jax.jit, static_argnames=("sample_rate", "steps"))
def _fitted(
    parameters,
    audio,
    frequency,
    envelope,
    audible,
    position,
    learning_rate: jax.Array | float,
    sample_rate: int,
    steps: int,
) -> jax.Array:
    """Returns cycles [swept, 2048] after all steps.

    Args:
      parameters: initial `log_amplitude` [swept, 1023] and `phase` [1023], in radians.
      audio: [1, samples].
      frequency: cycles per sample.
      envelope: [samples].
      audible: [1023] bool, the harmonics that are fitted.
      position: [samples], as in `sweep`.
    """
    samples = audio.shape[-1]
    # A sound that is cut off ends in a click. Without this fade, the last cycles would be fitted to the click.
    fade = np.interp(np.arange(samples), samples - np.array([_END_S * sample_rate, 0]), [1, 0]).astype(np.float32)
    target = sound_spectra(audio * fade, sample_rate)
    still = _STILL * np.random.default_rng(0).standard_normal(samples).astype(np.float32)

    def sound(parameters) -> tuple[SoundSpectra, jax.Array]:
        """Returns the spectra of the sweep, and the gain [] in dB that brings it to the target's level."""
        swept = sweep(_spectra(parameters, audible), frequency, position)
        spectra = sound_spectra((swept * envelope * fade + still)[None], sample_rate)
        return spectra, target.level_db - spectra.level_db

    def loss(parameters) -> jax.Array:
        found, gain_db = sound(parameters)
        terms = spectral_terms(found, target, gain_db)
        return jnp.asarray(sum(terms[name] / TYPICAL[name] for name in ("mss", "mrstft", "ltas")))

    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, max(steps, 1)), b2=0.99)

    def step(carry, _):
        parameters, state = carry
        gradient = jax.tree.map(jnp.nan_to_num, jax.grad(loss)(parameters))
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(parameters, updates), state), None

    (parameters, _), _ = jax.lax.scan(step, (parameters, optimizer.init(parameters)), length=steps)
    return _cycles(_spectra(parameters, audible)) * 10 ** (sound(parameters)[1] / 20)
