"""Which one channel stands for a stereo sound. All of vjax uses this rule where it needs one channel.

The sound is the mean of its channels. If the channels cancel each other, as in a recording with one channel inverted,
the mean is not the sound. Then the louder channel is.
"""

import numpy as np

CANCEL_DB = -10.0
"""Channels cancel each other if the energy of their mean is below this, relative to that of the louder channel.

It is 0 for equal channels, -3 for unrelated ones, and -6 if one channel is silent. For the renders of 115 musicians'
presets at C3, it is at least -5.8.
"""

DEAD_DB = -40.0
"""A channel with less energy than this, relative to the other one, is dead: it holds only crosstalk or noise."""

_NAMES = ("left", "right")


def to_mono(audio: np.ndarray) -> np.ndarray:
    """[..., channels, samples] to [..., samples]: the mean of the channels, or the louder one where they cancel."""
    mid = audio.mean(-2)
    if audio.shape[-2] == 1:
        return mid
    energy = _energy(audio)
    cancel = _cancel(mid, energy)
    if not cancel.any():
        return mid
    louder = np.take_along_axis(audio, energy.argmax(-1)[..., None, None], -2)[..., 0, :]
    return np.where(cancel[..., None], louder, mid)


def without_dead_channel(audio: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns a sound [1 or 2, samples] without a dead channel, and notes for users on how its channels are used."""
    if len(audio) < 2:
        return audio, ()
    energy = _energy(audio)
    louder = int(energy.argmax())
    this, other = _NAMES[louder], _NAMES[1 - louder]
    if energy[1 - louder] < energy[louder] * 10 ** (DEAD_DB / 10):
        note = f"the {other} channel of the sound is silent, so the {this} one is matched as mono"
        return audio[louder : louder + 1], (note,)
    if _cancel(audio.mean(0), energy):
        note = f"the channels of the sound cancel each other, so the {this} one is analysed; is one of them inverted?"
        return audio, (note,)
    return audio, ()


def _energy(audio: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):  # callers find broken sounds themselves
        return np.square(audio).sum(-1)


def _cancel(mid: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """[...] bool, for the mean [..., samples] of channels with the energies [..., channels]."""
    return _energy(mid) < energy.max(-1) * 10 ** (CANCEL_DB / 10)
