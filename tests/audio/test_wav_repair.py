"""Tests of WAV files with broken headers."""

import io

import numpy as np
import pytest
import soundfile

from vjax.audio.files import read_audio
from vjax.audio.wav_repair import repaired_wav

RATE = 44100
SOUND = np.random.default_rng(0).uniform(-0.5, 0.5, (3001, 2)).astype(np.float32)
HEADER = 44  # bytes of a plain WAV file before its samples
UNKNOWN = b"\xff" * 4


def wav(subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, SOUND, RATE, format="WAV", subtype=subtype)
    return file.getvalue()


def with_sizes(riff: bytes, data: bytes, start: bytes = b"RIFF", sizes: bytes = b"") -> bytes:
    content = wav()
    return start + riff + b"WAVE" + sizes + content[12 : HEADER - 4] + data + content[HEADER:]


def with_chunk(chunk: bytes) -> bytes:
    content = wav()
    return content[: HEADER - 8] + chunk + content[HEADER - 8 :]


NO_SIZE = bytes(4)
BROKEN = {
    "sizes of 0": with_sizes(NO_SIZE, NO_SIZE),
    "data of size 0": with_sizes(wav()[4:8], NO_SIZE),
    "no padding byte": with_chunk(b"note\x03\0\0\0abc"),
    "list without padding byte": with_chunk(b"LIST\x0d\0\0\0INFOICMT\x01\0\0\0x"),
    "BW64": with_sizes(UNKNOWN, UNKNOWN, b"BW64", b"ds64" + (28).to_bytes(4, "little") + bytes(28)),
    "RF64 with sizes of 0": with_sizes(UNKNOWN, UNKNOWN, b"RF64", b"ds64" + (28).to_bytes(4, "little") + bytes(28)),
    "RF64 without sizes": with_sizes(UNKNOWN, UNKNOWN, b"RF64"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_read_audio_of_a_wav_with_a_broken_header_returns_its_samples(tmp_path, name):
    (tmp_path / "a.wav").write_bytes(BROKEN[name])
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav", RATE), SOUND.T, atol=1e-4)


@pytest.mark.parametrize(
    "content",
    [wav(), with_chunk(b"note\x03\0\0\0abc\0"), with_sizes(UNKNOWN, UNKNOWN), wav("PCM_24"), wav("FLOAT")],
    ids=["plain", "padded", "unknown sizes", "24 bits", "float"],
)
def test_repaired_wav_of_a_whole_file_holds_the_same_samples(content):
    repaired, _ = soundfile.read(io.BytesIO(repaired_wav(content)), dtype="float32")
    expected, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    np.testing.assert_array_equal(repaired, expected)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        wav()[:20],
        wav()[:HEADER],
        wav()[: HEADER - 4] + bytes(4) + b"LIST\x04\0\0\0INFOid3 \x03\0\0\0abc\0",
        b"RIFF\0\0\0\0WAVEdata\0\0\0\0" + bytes(100),
        b"FORM" + wav()[4:],
    ],
    ids=["nothing", "part of a header", "no samples", "no samples but texts", "no format", "another kind"],
)
def test_repaired_wav_without_samples_is_none(content):
    assert repaired_wav(content) is None


def test_repaired_wav_of_random_bytes_ends():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        content = bytearray(BROKEN["no padding byte"][:200])
        for at in rng.integers(12, 200, 4):
            content[at] = rng.integers(256)
        repaired_wav(bytes(content))
