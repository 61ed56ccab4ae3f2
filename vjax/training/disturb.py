"""Disturbs log-mel spectrograms of renders in the ways in which recordings differ from renders.

A render begins at its first frame, has no noise, and was played through no microphone and no equaliser. A network that
has seen only renders fails on recordings. All disturbances are drawn anew in each step, on the device. The level is
changed together with the parameter `volume`, so that the preset still makes the sound.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vjax.data.stream import Batch
from vjax.sound.schema import Schema

_QUIETEST_NOISE_DB = -100.0
_LOWEST_VOLUME_DB = -40.0


@dataclasses.dataclass(frozen=True)
class DisturbConfig:
    """The strength of each disturbance; with 0, there is none.

    Attributes:
      gain_db: largest change of the level, up or down, as far as `volume` can follow it.
      tilt_db: largest slope of a linear equaliser, in dB from the middle of the mel bands to each end.
      noise_db: loudest noise, in dB above its quietest level, which is 100 dB below the sound's loudest cell.
      shift_frames: latest start of the sound, in frames.
    """

    gain_db: float = 0.0
    tilt_db: float = 0.0
    noise_db: float = 0.0
    shift_frames: int = 0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            if not getattr(self, field.name) >= 0:
                raise ValueError(f"{field.name}={getattr(self, field.name)}; it must be at least 0")

    @property
    def changes_nothing(self) -> bool:
        return self == DisturbConfig()


def disturb(key: jax.Array, batch: Batch, config: DisturbConfig, schema: Schema) -> Batch:
    """Returns the batch with disturbed spectrograms [b, 1, n_mels, t], float32, and the `volume` of their level.

    A mel cell is log(1 + power). Gain and tilt multiply the power. Noise adds to it in every cell, with an exponential
    distribution as the power of Gaussian noise has, with a level and a tilt of its own.
    """
    b, _, n_mels, frames = batch.mel.shape
    gain_key, tilt_key, level_key, colour_key, noise_key, shift_key = jax.random.split(key, 6)
    power = jnp.expm1(batch.mel[:, 0].astype(jnp.float32))

    first = jax.random.randint(shift_key, (b,), 0, config.shift_frames + 1)
    source = jnp.arange(frames) - first[:, None]
    power = jnp.take_along_axis(power, source.clip(0)[:, None], axis=2)
    power = jnp.where((source >= 0)[:, None], power, 0)

    bands = jnp.linspace(-1, 1, n_mels)
    tilt_db = bands * jax.random.uniform(tilt_key, (b, 1), minval=-1) * config.tilt_db
    power = power * _from_db(tilt_db)[..., None]

    colour_db = bands * jax.random.uniform(colour_key, (b, 1), minval=-1) * config.tilt_db
    above_db = jax.random.uniform(level_key, (b, 1)) * config.noise_db
    level = _from_db(_QUIETEST_NOISE_DB + above_db + colour_db) * jnp.max(power, axis=(1, 2))[:, None]
    if config.noise_db:
        power = power + level[..., None] * jax.random.exponential(noise_key, power.shape)

    continuous = jnp.asarray(batch.continuous)
    if config.gain_db and "volume" in schema.continuous_names:
        asked_db = jax.random.uniform(gain_key, (b,), minval=-1) * config.gain_db
        continuous, gain_db = _with_volume(continuous, asked_db, schema)
        power = power * _from_db(gain_db)[:, None, None]
    return batch._replace(mel=jnp.log1p(power)[:, None], continuous=continuous)


def _with_volume(
    continuous: Float[Array, "b n"], asked_db: Float[Array, " b"], schema: Schema
) -> tuple[Float[Array, "b n"], Float[Array, " b"]]:
    """Moves `volume` by `asked_db` [b], as far as its range allows. Returns the parameters, and the change in dB.

    The level of the parameter in dB is sqrt(volume) - 80 (measured with the engine).
    """
    at = schema.position["volume"]
    native = schema.minimum[at] + continuous[:, at] * schema.span[at]
    before_db = jnp.sqrt(native) - 80
    loudest_db = (schema.minimum[at] + schema.span[at]) ** 0.5 - 80
    after_db = jnp.clip(before_db + asked_db, jnp.minimum(before_db, _LOWEST_VOLUME_DB), loudest_db)
    norm = (jnp.square(after_db + 80) - schema.minimum[at]) / schema.span[at]
    return continuous.at[:, at].set(norm.astype(continuous.dtype)), after_db - before_db


def _from_db(level_db: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return 10 ** (level_db / 10)
