"""Tests of sound files: round trips, resampling, and errors that name the file."""

import numpy as np
import pytest
import soundfile

from vjax.audio.files import AudioError, read_audio, write_wav


def sine(hz: float, sample_rate: int, seconds: float = 0.5) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(np.float32)


def test_read_audio_of_a_written_wav_returns_the_same_samples(tmp_path):
    audio = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32) * 2  # beyond full scale
    write_wav(tmp_path / "sound.wav", audio, 44100)
    read = read_audio(tmp_path / "sound.wav", 44100)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, audio)


def test_read_audio_at_another_rate_keeps_the_pitch(tmp_path):
    soundfile.write(tmp_path / "sound.flac", sine(440, 48000), 48000)
    read = read_audio(tmp_path / "sound.flac", 44100)
    assert read.shape == (1, 22050)
    inner = slice(1000, -1000)  # the filter rings at the ends
    np.testing.assert_allclose(read[0, inner], sine(440, 44100)[inner], atol=1e-3)


def test_read_audio_of_stereo_keeps_the_channels_apart(tmp_path):
    soundfile.write(tmp_path / "sound.wav", np.stack([sine(300, 22050), 0 * sine(300, 22050)], 1), 22050)
    read = read_audio(tmp_path / "sound.wav", 44100)
    assert read.shape == (2, 22050)
    assert read[0].max() > 0.4
    assert not read[1].any()


def test_read_audio_without_a_file_names_the_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no sound file at .*nowhere\.wav"):
        read_audio(tmp_path / "nowhere.wav", 44100)


def test_read_audio_of_a_file_that_is_not_audio_names_the_path(tmp_path):
    (tmp_path / "notes.wav").write_text("shopping list")
    with pytest.raises(AudioError, match=r"notes\.wav cannot be read as audio .*convert it"):
        read_audio(tmp_path / "notes.wav", 44100)


def test_read_audio_of_a_file_without_samples_is_an_error(tmp_path):
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 2), np.float32), 44100)
    with pytest.raises(AudioError, match=r"empty\.wav is an audio file of 0 samples"):
        read_audio(tmp_path / "empty.wav", 44100)


def test_read_audio_and_write_wav_with_nan_samples_are_errors(tmp_path):
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan, 0], np.float32), 44100, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"nan\.wav contains 1 samples that are NaN"):
        read_audio(tmp_path / "nan.wav", 44100)
    with pytest.raises(AudioError, match="1 of 3 samples are NaN"):
        write_wav(tmp_path / "out.wav", np.array([[0, np.inf, 0]]), 44100)


def test_write_wav_with_swapped_axes_is_an_error(tmp_path):
    with pytest.raises(AudioError, match=r"shape \(44100, 2\); expected \[channels, samples\]"):
        write_wav(tmp_path / "out.wav", np.zeros((44100, 2)), 44100)
