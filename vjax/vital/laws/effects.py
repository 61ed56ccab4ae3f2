"""The few laws of Vital's effects that have a closed form: mixes, the reverb's decay, the soft clip.

Facts from Vital's public source: futils.h (`equalPowerFade`), reverb.cpp, distortion.cpp.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from vjax.vital.laws.filters import db_gain

_ALL_PASS_SHARE = 0.0652  # mean delay of the reverb's all-passes, divided by that of its lines, at size 1


def mix_gains(mix: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Linear gains of (dry, wet) of chorus, delay and reverb at a native mix in [0, 1]: a fade of equal power."""
    angle = 0.5 * jnp.pi * jnp.clip(mix, 0, 1)
    return jnp.cos(angle), jnp.sin(angle)


@jax.jit
def reverb_t60_s(decay_time: ArrayLike, size: ArrayLike = 0.5) -> jax.Array:
    """Seconds in which the reverb falls by 60 dB, from the native `reverb_decay_time` (-6 to 6) and `reverb_size`.

    Each of its 16 lines falls by 60 dB in 2^decay_time seconds of its delay. The all-pass in front of each line adds
    0.065 of the mean delay at size 1, and a larger share at a smaller size. The level does not fall during this added
    time. So the smaller the room, the longer the decay lasts.

    Measured with the shelves off: within 12 % from 1 s and a size of 0.5 on; up to a quarter longer in the smallest
    room and below 0.5 s. A shelf shortens the decay where it cuts (`reverb_high_shelf_gain` is -1 dB per turn by
    default).
    """
    lossless = _ALL_PASS_SHARE * 2.0 ** (4 * (1 - jnp.asarray(size)))
    return jnp.clip(2.0 ** jnp.asarray(decay_time), 0.1, 100) * (1 + lossless)


def soft_clip(wave: ArrayLike, drive_db: ArrayLike) -> jax.Array:
    """Samples after the distortion's first type, at a native `distortion_drive`, -30 to 30 dB."""
    return jnp.tanh(jnp.asarray(wave) * db_gain(drive_db))
