"""Comparison images of several sounds side by side, for image files and TensorBoard."""

import io
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from vjax.audio.channels import to_mono
from vjax.audio.mel import FLOOR_DB, MelConfig, bands_below, mel_filterbank, power_db
from vjax.io.atomic import write_file

RANGE_DB = 80.0
"""Levels this far below the maximum of all the sounds are drawn black."""

_TITLE_LETTERS = 42  # letters of the title that fit above one sound
_TICKS_HZ = (125, 500, 2000, 8000)


def mel_db(audio: np.ndarray, config: MelConfig) -> np.ndarray:
    """Computes a mel power spectrogram in dB, [n_mels, t], from [channels, samples].

    It runs on the host, in NumPy, so that drawing compiles nothing.
    """
    padded = np.pad(to_mono(audio), config.n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft)[:: config.hop]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(config.n_fft) / config.n_fft)
    power = np.abs(np.fft.rfft(frames * window)) ** 2
    return power_db(mel_filterbank(config) @ power.T)


def comparison_image(sounds: Mapping[str, np.ndarray], sample_rate: int, title: str = "") -> np.ndarray:
    """Draws waveforms and mel spectrograms side by side, [height, width, 3] uint8.

    All sounds share one time scale and one level scale.

    Args:
      sounds: [channels, samples] by label: target, prediction, refined ...
    """
    from matplotlib.figure import Figure  # takes half a second to import

    config = MelConfig(sample_rate=sample_rate, f_max_hz=sample_rate / 2)
    mels = {label: mel_db(audio, config) for label, audio in sounds.items()}
    bottom_db = max(max(mel.max() for mel in mels.values()) - RANGE_DB, FLOOR_DB)
    peak = max(1.0, *(np.abs(audio).max() for audio in sounds.values()))
    longest_s = max(audio.shape[-1] for audio in sounds.values()) / sample_rate
    figure = Figure(figsize=(4.2 * len(sounds), 4.4), dpi=100, layout="constrained")
    axes = figure.subplots(2, len(sounds), sharex=True, sharey="row", squeeze=False, height_ratios=(1, 3))
    for column, (label, audio) in enumerate(sounds.items()):
        seconds = audio.shape[-1] / sample_rate
        wave, mel = axes[:, column]
        wave.plot(np.linspace(0, seconds, audio.shape[-1]), to_mono(audio), linewidth=0.4, color="#444")
        wave.set(xlim=(0, longest_s), ylim=(-1.05 * peak, 1.05 * peak))
        wave.set_title(label, parse_math=False)
        mel.imshow(
            mels[label],
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=bottom_db,
            vmax=bottom_db + RANGE_DB,
            extent=(0, seconds, 0, config.n_mels),
        )
        mel.set_yticks(bands_below(config, _TICKS_HZ), [f"{hz} Hz" for hz in _TICKS_HZ])
        mel.locator_params(axis="x", nbins=5)
        mel.set_xlabel("seconds")
    if title:
        most = _TITLE_LETTERS * len(sounds)
        figure.suptitle(title if len(title) <= most else title[: most - 3] + "...", parse_math=False)
    return figure_pixels(figure)


def figure_pixels(figure: Any) -> np.ndarray:
    """A matplotlib figure as [height, width, 3] uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # names of sounds may use any script
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save_image(path: str | os.PathLike, image: np.ndarray, texts: Mapping[str, str] | None = None) -> None:
    """Writes [height, width, 3] uint8 as PNG, with `texts`, atomically."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, text in (texts or {}).items():
        info.add_text(key, text)
    png = io.BytesIO()
    Image.fromarray(image).save(png, "PNG", pnginfo=info)
    write_file(path, png.getbuffer())


def log_comparison(writer: Any, tag: str, sounds: Mapping[str, np.ndarray], sample_rate: int, step: int) -> None:
    """Logs each sound and the comparison image to TensorBoard.

    Args:
      writer: a `vjax.training.writer.Writer`.
      tag: prefix of all tags.
    """
    for label, audio in sounds.items():
        writer.audio(f"{tag}/{label}", audio, sample_rate, step)
    writer.image(f"{tag}/comparison", comparison_image(sounds, sample_rate), step)
