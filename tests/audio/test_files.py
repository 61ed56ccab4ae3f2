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


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", r"is empty: it has 0 bytes; copy, download or export it again"),
        (bytes(9000), r"begins with 4096 bytes of 0, so it is not a whole copy; copy"),
        (b"\0\0\0\x20ftypM4A " + bytes(99), r"is an MP4 or M4A file, which is not supported; convert it to WAV"),
        (b"<!DOCTYPE html><p>Not found", r"is a web page; download the sound itself"),
        (b"version https://git-lfs.github.com/spec/v1", r"is a pointer of Git LFS; fetch the sound itself"),
        (b"PK\x03\x04" + bytes(99), r"is a ZIP archive; unpack it"),
        (b"RIFF\x24\0\0\0WAVEfmt \x12\0\0\0\x61\x01\x02\0", r"is a WAV file in the format 0x0161.*; export it as PCM"),
        (b"RIFF\x24\0\0\0WAVEfm", r"is a WAV file that is damaged or cut off \(.*\); copy"),
    ],
    ids=["empty", "zeros", "m4a", "web page", "git lfs", "zip", "wma in wav", "part of a header"],
)
def test_read_audio_of_an_unreadable_file_names_cause_and_remedy(tmp_path, content, cause):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=rf"a\.wav {cause}") as raised:
        read_audio(tmp_path / "a.wav", 44100)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("ending", "kind"), [("flac", "a FLAC file"), ("ogg", "an OGG file")])
def test_read_audio_of_half_a_file_names_cause_and_remedy(tmp_path, ending, kind):
    soundfile.write(tmp_path / f"a.{ending}", np.random.default_rng(0).uniform(-0.5, 0.5, 44100), 44100)
    content = (tmp_path / f"a.{ending}").read_bytes()
    (tmp_path / f"a.{ending}").write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError, match=rf"a\.{ending} is {kind} that is damaged or cut off \(.*\); copy, download"):
        read_audio(tmp_path / f"a.{ending}", 44100)


def test_read_audio_of_an_mp3_with_a_large_cover_returns_its_samples(tmp_path):
    soundfile.write(tmp_path / "a.mp3", sine(440, 44100), 44100)
    expected = read_audio(tmp_path / "a.mp3", 44100)
    size = 3_000_000
    frame = b"APIC" + size.to_bytes(4, "big") + bytes(2) + np.random.default_rng(0).bytes(size)
    length = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    (tmp_path / "a.mp3").write_bytes(b"ID3\x03\0\0" + length + frame + (tmp_path / "a.mp3").read_bytes())
    np.testing.assert_array_equal(read_audio(tmp_path / "a.mp3", 44100), expected)


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


def test_write_wav_on_a_full_disk_leaves_no_file(tmp_path, file_size_limit):
    with file_size_limit(5000), pytest.raises(OSError, match="File too large") as caught:
        write_wav(tmp_path / "a.wav", np.zeros((2, 44100), np.float32), 44100)
    assert caught.value.filename == str(tmp_path / "a.wav")
    assert list(tmp_path.iterdir()) == []


def test_write_wav_with_swapped_axes_is_an_error(tmp_path):
    with pytest.raises(AudioError, match=r"shape \(44100, 2\); expected \[channels, samples\]"):
        write_wav(tmp_path / "out.wav", np.zeros((44100, 2)), 44100)
