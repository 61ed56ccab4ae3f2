"""Checks of sounds before they are compared: shapes, and silence, which has no distance."""

import numpy as np

SILENCE_DBFS = -90.0
"""A sound whose highest peak is below this is silent: it would not change the last bit of a 16-bit file."""

_SILENCE_PEAK = 10 ** (SILENCE_DBFS / 20)


def is_silent(audio: np.ndarray) -> np.ndarray:
    """Whether the highest peak over all channels lies below `SILENCE_DBFS`.

    Args:
      audio: [..., channels, samples], mono or stereo.

    Returns:
      [...] bool. False for a sound with NaN samples: that is broken, not silent.
    """
    return _peak(checked(audio, "audio")) < _SILENCE_PEAK


def _peak(audio: np.ndarray) -> np.ndarray:
    return np.maximum(audio.max((-2, -1)), -audio.min((-2, -1)))


def scorable(audio: np.ndarray) -> np.ndarray:
    """[...] bool: whether a sound [..., channels, samples] is neither silent nor has NaN or infinite samples."""
    peak = _peak(audio)
    return (peak >= _SILENCE_PEAK) & (peak < np.inf)


def scored(distances: np.ndarray, pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[...] float32: the distances; NaN where one of the sounds is not `scorable`."""
    return np.where(scorable(pred) & scorable(target), distances, np.nan).astype(np.float32)


def checked(audio: np.ndarray, name: str) -> np.ndarray:
    """A sound as float32. Raises ValueError, with `name`, unless it is [..., channels, samples]."""
    audio = np.asarray(audio, np.float32)
    if audio.ndim < 2 or audio.shape[-2] not in (1, 2) or not audio.shape[-1]:
        raise ValueError(
            f"{name} has shape {audio.shape}; expected [..., channels, samples] with one or two channels: "
            f"give {name}[None] for [samples], {name}.T for [samples, channels]"
        )
    return audio


def checked_pair(pred: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two sounds to compare, as float32. Raises ValueError if lengths or channels differ, or axes do not broadcast."""
    pred, target = checked(pred, "pred"), checked(target, "target")
    shapes = f"pred has shape {pred.shape}, target {target.shape}"
    if pred.shape[-1] != target.shape[-1]:
        raise ValueError(f"{shapes}: the lengths differ; cut the longer one, or pad the shorter one with zeros")
    if pred.shape[-2] != target.shape[-2]:
        raise ValueError(f"{shapes}: the channels differ; compare in mono, with stereo.mean(-2, keepdims=True)")
    try:
        np.broadcast_shapes(pred.shape[:-2], target.shape[:-2])
    except ValueError as error:
        raise ValueError(f"{shapes}: the axes before channels must be equal, or broadcast") from error
    return pred, target
