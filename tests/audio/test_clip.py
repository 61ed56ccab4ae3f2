"""Tests of clips from arrays and from files: onsets, lengths and errors."""

import os
import threading

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.audio import clip, files
from vjax.audio.clip import LEAD_S, dc_offset, load_clip, make_clip, prepare_clip, read_clip
from vjax.audio.files import AudioError

RATE = 44100
CLIP = RATE  # one second
LEAD = round(LEAD_S * RATE)


def sine(seconds: float, peak: float = 0.5, sample_rate: int = RATE) -> np.ndarray:
    """[1, samples], beginning at its peak, so that the onset is its first sample."""
    time_s = np.arange(round(seconds * sample_rate)) / sample_rate
    return (peak * np.cos(2 * np.pi * 440 * time_s)).astype(np.float32)[None]


def after_silence(silent_s: float, sound: np.ndarray) -> np.ndarray:
    return np.pad(sound, ((0, 0), (round(silent_s * RATE), 0)))


def test_prepare_clip_of_a_short_sound_pads_its_end():
    sound = sine(0.3)
    found = prepare_clip(sound, RATE, CLIP)
    assert found.shape == (1, CLIP)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, : sound.shape[1]], sound)
    assert not found[:, sound.shape[1] :].any()


def test_prepare_clip_of_a_long_sound_cuts_its_end():
    sound = sine(3.0)
    np.testing.assert_array_equal(prepare_clip(sound, RATE, CLIP), sound[:, :CLIP])


@pytest.mark.parametrize("sound_s", [0.3, 3.0], ids=["short", "long"])
@pytest.mark.parametrize("silent_s", [0.2, 20.0])
def test_prepare_clip_with_silence_before_the_sound_keeps_only_the_lead(silent_s, sound_s):
    sound = sine(sound_s)
    found = prepare_clip(after_silence(silent_s, sound), RATE, CLIP)
    kept = min(sound.shape[1], CLIP - LEAD)
    assert not found[:, :LEAD].any()
    np.testing.assert_array_equal(found[:, LEAD : LEAD + kept], sound[:, :kept])
    assert not found[:, LEAD + kept :].any()


@given(start=st.integers(0, 3 * RATE), noise_db=st.floats(-90, -45), sign=st.sampled_from([1, -1]))
@settings(max_examples=25, deadline=None)
def test_prepare_clip_of_a_click_in_noise_begins_at_the_click(start, noise_db, sign):
    """Noise whose peaks stay more than 40 dB below the click does not count as the onset."""
    audio = np.random.default_rng(start).uniform(-1, 1, (2, 3 * RATE + 1)) * 0.8 * 10 ** (noise_db / 20)
    audio[1, start] = 0.8 * sign
    found = prepare_clip(audio.astype(np.float32), RATE, CLIP)
    assert np.abs(found).max(0).argmax() == min(start, LEAD)


def test_prepare_clip_of_a_swell_keeps_its_attack():
    """A linear attack of 0.5 s reaches -40 dB after 5 ms, the length of the lead: at most its first 1 ms is cut."""
    swell = (sine(1.0) * np.minimum(np.arange(RATE) / (0.5 * RATE), 1)).astype(np.float32)
    found = prepare_clip(after_silence(1.0, swell), RATE, 2 * RATE)[0]
    cut = RATE - 1 - np.flatnonzero(found)[-1]
    assert 0 <= cut < 0.001 * RATE
    np.testing.assert_array_equal(found[: RATE - cut], swell[0, cut:])


def test_prepare_clip_with_a_dc_offset_ignores_the_offset():
    """The constant offset of a cheap converter is not the onset, and a sound of only an offset is silent."""
    found = prepare_clip(after_silence(1.0, sine(0.3)) + np.float32(0.1), RATE, CLIP)
    assert np.argmax(np.abs(found[0]) > 0.2) == LEAD
    with pytest.raises(AudioError, match=r"the sound is silent: all its samples are 0; expected .* Record it louder"):
        prepare_clip(np.full((1, CLIP), 0.1), RATE, CLIP)


def test_prepare_clip_of_stereo_moves_both_channels_together():
    left, right = after_silence(1.0, sine(0.5))[0], after_silence(0.8, sine(0.7, peak=0.1))[0]
    found = prepare_clip(np.stack([left, right]), RATE, CLIP)
    kept = CLIP - LEAD
    np.testing.assert_array_equal(found[1, LEAD : LEAD + round(0.7 * RATE)], sine(0.7, peak=0.1)[0][:kept])
    assert np.argmax(found[0] != 0) == LEAD + round(0.2 * RATE)


def test_prepare_clip_of_three_channels_keeps_the_first_two():
    audio = np.concatenate([sine(0.5, peak) for peak in (0.1, 0.2, 0.9)])
    found = prepare_clip(audio, RATE, CLIP)
    np.testing.assert_array_equal(found, prepare_clip(audio[:2], RATE, CLIP))
    with pytest.raises(AudioError, match="the first two channels"):
        prepare_clip(np.stack([0 * audio[0], 0 * audio[0], audio[2]]), RATE, CLIP)


@given(
    seconds=st.floats(0.05, 2), silent_s=st.floats(0, 2), channels=st.integers(1, 4), samples=st.integers(100, 2 * RATE)
)
@settings(max_examples=25, deadline=None)
def test_prepare_clip_of_a_clip_returns_the_same_clip(seconds, silent_s, channels, samples):
    """The shape is always [1 or 2, samples]. A clip that begins with its lead is not moved again."""
    audio = after_silence(silent_s, np.repeat(sine(seconds), channels, 0))
    once = prepare_clip(audio, RATE, samples)
    assert once.shape == (min(channels, 2), samples)
    if samples >= clip.SHORTEST_S * RATE:
        np.testing.assert_array_equal(prepare_clip(once, RATE, samples), once)


def test_prepare_clip_leaves_the_array_of_the_caller_unchanged():
    audio = sine(0.5)
    prepare_clip(audio, RATE, audio.shape[1])[:] = 7
    np.testing.assert_array_equal(audio, sine(0.5))


def test_prepare_clip_of_silence_is_an_error():
    with pytest.raises(AudioError, match=r"kick is silent: its peak is -71 dBFS; expected a peak of at least -70 dBFS"):
        prepare_clip(sine(1.0, peak=10 ** (-71 / 20)), RATE, CLIP, name="kick")
    assert prepare_clip(sine(1.0, peak=10 ** (-69 / 20)), RATE, CLIP).any()


def test_prepare_clip_of_less_than_46_ms_is_an_error():
    with pytest.raises(AudioError, match=r"tick lasts 45\.0 ms \(1984 samples\); at least 46 ms"):
        prepare_clip(sine(0.045), RATE, CLIP, name="tick")
    with pytest.raises(AudioError, match=r"lasts 0\.0 ms"):
        prepare_clip(np.zeros((2, 0), np.float32), RATE, CLIP)
    assert prepare_clip(sine(0.046), RATE, CLIP).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_prepare_clip_with_nan_or_infinite_samples_is_an_error(bad):
    audio = sine(0.5).astype(np.float64)
    audio[0, 1000] = bad
    with pytest.raises(AudioError, match="bell contains 1 samples that are NaN or infinite"):
        prepare_clip(audio, RATE, CLIP, name="bell")


@pytest.mark.parametrize(
    "audio", [np.zeros(RATE), np.zeros((1, 2, RATE)), np.zeros((0, RATE)), np.zeros((1, RATE), np.int16)]
)
def test_prepare_clip_of_another_kind_of_array_is_an_error(audio):
    with pytest.raises(AudioError, match=r"an array of \w+ of shape .*; expected floats \[channels, samples\]"):
        prepare_clip(audio, RATE, CLIP)


@pytest.mark.parametrize("width", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("audio_rate", [22050, 44100, 48000])
def test_prepare_clip_of_any_float_and_rate_is_the_clip_of_its_file(tmp_path, width, audio_rate):
    """The offset of a recorder is removed from arrays and from files."""
    decay = np.exp(-3 * np.arange(audio_rate) / audio_rate)
    audio = np.stack([0.7 * decay, 0.2 * decay]) * sine(1.0, sample_rate=audio_rate) + [[0.05], [0.0]]
    audio = audio.astype(width)
    soundfile.write(tmp_path / "a.wav", audio.astype(np.float32).T, audio_rate, subtype="FLOAT")
    found = prepare_clip(audio, RATE, CLIP, audio_rate=audio_rate)
    np.testing.assert_array_equal(found, read_clip(tmp_path / "a.wav", RATE, CLIP))
    assert found.dtype == np.float32
    assert np.abs(found[:, -RATE // 10 :].mean(1)).max() < 1e-3


def test_prepare_clip_of_an_array_with_its_axes_swapped_names_the_remedy():
    with pytest.raises(AudioError, match=r"kick has shape \(44100, 2\): .*\[samples, channels\].* Hand in sound\.T"):
        prepare_clip(np.zeros((RATE, 2), np.float32), RATE, CLIP, name="kick")
    with pytest.raises(AudioError, match=r"Hand in sound\.T"):
        prepare_clip(np.zeros((48000, 1), np.float64), RATE, CLIP, audio_rate=48000)


@pytest.mark.parametrize("audio_rate", [0, -44100, np.nan, 3, 5e6])
def test_prepare_clip_of_an_impossible_rate_is_an_error(audio_rate):
    with pytest.raises(AudioError, match=r"kick has a sample rate of \S+ Hz; expected 1000 to 768000 Hz"):
        prepare_clip(sine(0.5), RATE, CLIP, "kick", audio_rate)


@pytest.mark.parametrize(("bits", "peak"), [(16, 19660), (16, 101), (16, 33000), (24, 6e6), (32, 1e9)])
def test_make_clip_of_integers_as_floats_divides_them_with_a_note(bits, peak):
    integers = sine(1.0, peak)
    found = make_clip(integers, RATE, CLIP)
    np.testing.assert_array_equal(found.audio, integers / 2 ** (bits - 1))
    assert [f"as {bits}-bit integers do" in note for note in found.notes] == [True]


@pytest.mark.parametrize("peak", [0.5, 1.5, 60])
def test_make_clip_of_a_sound_beyond_full_scale_keeps_its_samples(peak):
    found = make_clip(sine(1.0, peak), RATE, CLIP)
    np.testing.assert_array_equal(found.audio, sine(1.0, peak))
    assert not found.notes


def test_make_clip_beyond_32_bit_integers_is_an_error():
    with pytest.raises(AudioError, match=r"kick peaks at 1e\+10, where full scale is 1; divide it by its peak"):
        make_clip(sine(1.0, 1e10), RATE, CLIP, "kick")


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("file_rate", [22050, 44100, 48000])
def test_read_clip_of_any_format_and_rate_returns_the_same_clip(tmp_path, ending, file_rate):
    """A lossy codec may move the onset slightly. The peak of the spectrum stays at 440 Hz."""
    sound = sine(0.8, sample_rate=file_rate)[0]
    soundfile.write(tmp_path / f"a.{ending}", np.concatenate([np.zeros(file_rate), sound]), file_rate)
    found = read_clip(tmp_path / f"a.{ending}", RATE, CLIP)
    assert found.shape == (1, CLIP)
    assert np.abs(found).max() == pytest.approx(0.5, rel=0.2)
    assert LEAD <= np.argmax(np.abs(found[0]) > 0.25) < LEAD + 0.06 * RATE
    spectrum = np.abs(np.fft.rfft(found[0]))
    assert np.argmax(spectrum) * RATE / CLIP == pytest.approx(440, abs=2)


def test_load_clip_of_a_pipe_is_the_clip_of_the_file(tmp_path):
    """As in `cat x.wav | vjax match -`. libsndfile cannot seek in a pipe."""
    soundfile.write(tmp_path / "x.wav", sine(1.0)[0], RATE)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes((tmp_path / "x.wav").read_bytes()))
    writer.start()
    clip = load_clip(pipe, RATE, CLIP)
    writer.join()
    np.testing.assert_array_equal(clip.audio, read_clip(tmp_path / "x.wav", RATE, CLIP))


def test_load_clip_of_an_endless_pipe_is_an_error(monkeypatch):
    monkeypatch.setattr(files, "_PIPED_BYTES", 2**20)
    with pytest.raises(AudioError, match="/dev/zero has more than 1 MiB"):
        load_clip("/dev/zero", RATE, CLIP)


def test_read_clip_of_an_unusable_file_names_the_file(tmp_path):
    soundfile.write(tmp_path / "quiet.wav", np.zeros(RATE), RATE)
    with pytest.raises(AudioError, match=r"quiet\.wav is silent"):
        read_clip(tmp_path / "quiet.wav", RATE, CLIP)
    soundfile.write(tmp_path / "tick.wav", sine(0.01)[0], RATE)
    with pytest.raises(AudioError, match=r"tick\.wav lasts 10\.0 ms"):
        read_clip(tmp_path / "tick.wav", RATE, CLIP)
    with pytest.raises(FileNotFoundError, match=r"no sound file at .*missing\.wav"):
        read_clip(tmp_path / "missing.wav", RATE, CLIP)
    (tmp_path / "notes.wav").write_text("shopping list")
    with pytest.raises(AudioError, match=r"notes\.wav cannot be read as audio"):
        read_clip(tmp_path / "notes.wav", RATE, CLIP)
    (tmp_path / "tape.raw").write_bytes(bytes(1000))
    with pytest.raises(AudioError, match=r"tape\.raw has no header"):
        read_clip(tmp_path / "tape.raw", RATE, CLIP)


def test_read_clip_of_a_file_that_is_too_long_is_an_error_before_it_is_read(tmp_path):
    """The header of a FLAC of 0.1 s states 2**36 - 1 samples, 18 days. Reading it would allocate 256 GB."""
    path = tmp_path / "days.flac"
    soundfile.write(path, sine(0.1)[0], RATE)
    header = bytearray(path.read_bytes())
    stated = int.from_bytes(header[18:26], "big") | (2**36 - 1)  # STREAMINFO's 36 bits of total samples
    header[18:26] = stated.to_bytes(8, "big")
    path.write_bytes(header)
    with pytest.raises(AudioError, match=r"days\.flac lasts 1558265 s \(1 channels at 44100 Hz\); the limit"):
        read_clip(path, RATE, CLIP)


def test_read_clip_of_a_small_file_that_grows_when_resampled_is_an_error(tmp_path):
    soundfile.write(tmp_path / "slow.wav", np.ones(5_000_000), 1000)  # 5000 s: 220 million samples at 44.1 kHz
    with pytest.raises(AudioError, match=r"slow\.wav lasts 5000 s"):
        read_clip(tmp_path / "slow.wav", RATE, CLIP)


def test_read_clip_with_a_rate_of_3_hz_is_an_error(tmp_path):
    soundfile.write(tmp_path / "slow.wav", np.ones(50), 3)
    with pytest.raises(AudioError, match=r"slow\.wav has a sample rate of 3 Hz; expected 1000 to 768000 Hz"):
        read_clip(tmp_path / "slow.wav", RATE, CLIP)


def test_read_clip_of_four_minutes_returns_the_clip(tmp_path):
    soundfile.write(tmp_path / "song.flac", after_silence(239.0, sine(1.0))[0], RATE)
    found = read_clip(tmp_path / "song.flac", RATE, CLIP)
    assert np.abs(found[0, LEAD : LEAD + 200]).max() > 0.4


@pytest.mark.parametrize("offset", [0.0, 0.02, -0.3])
def test_read_clip_with_the_offset_of_a_recorder_removes_it(tmp_path, offset):
    """The match would reproduce the offset as a hum that never ends."""
    pluck = sine(1.0) * np.exp(-5 * np.arange(RATE) / RATE)
    soundfile.write(tmp_path / "pluck.wav", (pluck + offset)[0], RATE, subtype="FLOAT")
    found = read_clip(tmp_path / "pluck.wav", RATE, RATE)[0]
    expected = prepare_clip(pluck.astype(np.float32), RATE, RATE)[0]
    np.testing.assert_allclose(found, expected, atol=0 if offset == 0 else 2e-3)


@pytest.mark.parametrize("frequency_hz", [27.5, 41.2, 220.0])
def test_dc_offset_of_a_sound_without_a_steady_offset_is_zero(frequency_hz):
    """The sounds: a pulse wave, mostly below 0; a thump of few periods; and a sine with an offset that ends with it."""
    t_s = np.arange(2 * RATE) / RATE
    pulse = np.where((t_s * frequency_hz) % 1 < 0.1, 0.9, -0.1)
    thump = np.exp(-20 * t_s) * np.sin(2 * np.pi * frequency_hz * t_s)
    with_offset = np.where(t_s < 1.7, 0.3 + np.sin(2 * np.pi * frequency_hz * t_s), 0)
    assert not dc_offset(np.stack([pulse, thump, with_offset]).astype(np.float32), RATE).any()


def test_read_clip_of_a_file_without_its_length_is_an_error(tmp_path):
    """A FLAC that was written to a pipe states 0 samples, which means an unknown length."""
    path = tmp_path / "piped.flac"
    soundfile.write(path, sine(1.0)[0], RATE)
    header = bytearray(path.read_bytes())
    stated = int.from_bytes(header[18:26], "big") & ~(2**36 - 1)
    header[18:26] = stated.to_bytes(8, "big")
    path.write_bytes(header)
    with pytest.raises(AudioError, match=r"piped\.flac has no length in its header; convert it"):
        read_clip(path, RATE, CLIP)
