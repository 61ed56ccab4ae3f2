"""Tests of the comparison images of several sounds."""

import librosa
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vjax.audio.mel import MelConfig
from vjax.audio.mel_images import comparison_image, log_comparison, mel_db, save_image
from vjax.training.writer import Writer

RATE = 44100


def sine(hz, seconds=0.3, gain=0.5, channels=1):
    return np.tile(gain * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE), (channels, 1))


def panels(image):
    """The mel panels from left to right: the columns where a row of the image is not white."""
    drawn = (image[round(0.7 * len(image))] != 255).any(-1)
    edges = np.flatnonzero(np.diff(drawn, prepend=False, append=False))
    return [image[:, start + 1 : end] for start, end in edges.reshape(-1, 2) if end - start > 100]


def bright(panel):
    """[height, width] bool: the pixels in the upper half of the colour map, orange to yellow."""
    red, _, blue = np.moveaxis(panel.astype(int), -1, 0)
    return (red > 200) & (red - blue > 40)


@pytest.mark.parametrize(
    "config",
    [MelConfig(), MelConfig(sample_rate=22050, n_fft=1024, hop=200, n_mels=40, f_min_hz=50.0, f_max_hz=8000.0)],
    ids=["default", "other"],
)
def test_mel_db_equals_librosa(config):
    audio = np.random.default_rng(0).normal(0, 0.1, (2, 20001))
    power = librosa.feature.melspectrogram(
        y=audio.mean(0),
        sr=config.sample_rate,
        n_fft=config.n_fft,
        hop_length=config.hop,
        n_mels=config.n_mels,
        fmin=config.f_min_hz,
        fmax=config.f_max_hz,
        pad_mode="constant",
    )
    np.testing.assert_allclose(10 ** (mel_db(audio, config) / 10), power, rtol=1e-3)


def test_mel_db_of_silence_is_the_lowest_level():
    assert (mel_db(np.zeros((1, 5000)), MelConfig()) == -100).all()


def test_mel_db_of_channels_that_cancel_is_that_of_the_louder_one():
    stereo = np.array([[1], [-0.98]]) * sine(440)
    np.testing.assert_array_equal(mel_db(stereo, MelConfig()), mel_db(stereo[:1], MelConfig()))


def test_comparison_image_is_rgb_and_its_width_grows_with_the_sounds():
    sounds = {"target": sine(440), "prediction": sine(500, channels=2), "refined": sine(450)}
    three = comparison_image(sounds, RATE, "three")
    assert (three.dtype, three.shape[2]) == (np.uint8, 3)
    np.testing.assert_array_equal(three, comparison_image(sounds, RATE, "three"))
    del sounds["refined"]
    two = comparison_image(sounds, RATE, "three")
    assert two.shape[1] / 2 == pytest.approx(three.shape[1] / 3, abs=1)


def test_comparison_image_of_a_higher_sound_draws_it_higher_in_its_column():
    low, high = panels(comparison_image({"low": sine(250), "high": sine(6000)}, RATE))
    rows = [np.flatnonzero(bright(panel).any(1)).mean() for panel in (low, high)]
    assert rows[1] < rows[0] - 0.25 * len(low)


def test_comparison_image_of_two_levels_draws_both_on_one_level_scale():
    faint = sine(440, gain=0.005)
    both = panels(comparison_image({"loud": sine(440), "faint": faint}, RATE))
    alone = panels(comparison_image({"faint": faint}, RATE))
    assert [bright(panel).sum() > 200 for panel in (*both, *alone)] == [True, False, True]


def test_comparison_image_of_two_lengths_draws_both_on_one_time_scale():
    """A sound of half the length fills half of its column. The rest is white."""
    long, short = panels(comparison_image({"long": sine(440, 0.4), "short": sine(440, 0.2)}, RATE))
    assert short.shape[1] == pytest.approx(long.shape[1] / 2, rel=0.02)


def test_comparison_image_of_silence_is_black():
    (panel,) = panels(comparison_image({"silence": np.zeros((2, 9000))}, RATE))
    assert (panel.max(-1) < 10).mean() > 0.5


def test_comparison_image_shows_a_label_for_each_sound_and_a_title():
    sounds = {"target": sine(440), "prediction": sine(440)}
    image = comparison_image(sounds, RATE)
    relabelled = comparison_image({"target": sine(440), "something else": sine(440)}, RATE)
    changed = (image != relabelled).any(-1)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    assert rows.max() < 0.1 * len(image), "only above the waveform"
    assert columns.min() > image.shape[1] / 2, "only in the second column"
    assert (comparison_image(sounds, RATE, "a title") != image).any()


@pytest.mark.parametrize("text", ["a $\\frac{$", "低音 🎹 \u0301", "x" * 500, "two\nlines", ""])
def test_comparison_image_with_any_label_keeps_its_size(text):
    """A label is not read as a formula, and a letter that the font lacks gives no warning."""
    shapes = {comparison_image({name: sine(440)}, RATE, name).shape for name in (text, "plain")}
    assert len(shapes) == 1


def test_save_image_as_png_keeps_each_pixel(tmp_path):
    image = comparison_image({"target": sine(440)}, RATE)
    save_image(tmp_path / "a.png", image)
    with Image.open(tmp_path / "a.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved), image)


def test_log_comparison_writes_sounds_and_image_to_tensorboard(tmp_path):
    sounds = {"target": sine(440), "prediction": sine(500, channels=2)}
    with Writer(tmp_path) as writer:
        log_comparison(writer, "export/kit/a", sounds, RATE, step=3)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["audio"]) == {"export/kit/a/target", "export/kit/a/prediction"}
    assert events.Tags()["images"] == ["export/kit/a/comparison"]
    (logged,) = events.Images("export/kit/a/comparison")
    assert (logged.height, logged.width, logged.step) == (*comparison_image(sounds, RATE).shape[:2], 3)
    (audio,) = events.Audio("export/kit/a/prediction")
    assert audio.sample_rate == RATE
