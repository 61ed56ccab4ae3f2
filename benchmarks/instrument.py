"""Measures how a matched preset plays as an instrument: longer, softly and loudly, and at other notes.

    python benchmarks/instrument.py bass.wav pad.flac --out runs/instrument

Matches each sound by `vjax match SOUND -o OUT/NAME.vital`, then plays the written preset with the real engine: for 6 s,
at velocities 0.2 and 1.0, and an octave up and down. Prints a table and writes OUT/instrument.json. A sound whose
preset is in OUT already is not matched again.

Exits with 1 if a preset jumps where the analysed clip ends or at note-off, plays a wrong note, or clips.

Columns: MSS in dB over 0-2 s and 2-4 s of the recording, as long as it lasts; how much more the level and the spectrum
change at 2 s than around it, in dB; how much louder it gets after note-off, in dB; how far it is out of tune as
recorded, an octave up and an octave down, in semitones; the highest peak of all renders; by how many dB velocity 1.0 is
louder than 0.2, and by how many octaves its centroid is higher.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

CLIP_S = 2.0
"""The part of a sound that a match analyses."""

LONG_NOTE_S, SECONDS = 6.0, 8.0
LOUD, SOFT, USUAL = 1.0, 0.2, 0.8
SEMITONES = (0, 12, -12)
MOST_JUMP_DB, MOST_RISE_DB, MOST_SEMITONES, MOST_PEAK = 3.0, 3.0, 0.5, 1.0
_BLOCK_S = 0.1
_AROUND = 3  # blocks before and after, whose changes are the usual ones
_RANGE_DB = 60.0
_CLEAR = 0.5  # confidence of a pitch
_RATE = 44100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sounds", nargs="+", type=Path, help="sound files")
    parser.add_argument("--out", type=Path, default=Path("runs/instrument"), help="folder for presets and the JSON")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for sound in arguments.sounds:
        preset = arguments.out / f"{sound.stem}.vital"
        note = _match(sound, preset)
        rows.append({"sound": sound.name, "note": note} | measured(sound, preset, note))
        print(f"{sound.name}: {', '.join(rows[-1]['faults']) or 'no fault'}", flush=True)
        (arguments.out / "instrument.json").write_text(json.dumps(rows, indent=1))
    _table(rows)
    sys.exit(int(any(row["faults"] for row in rows)))


def measured(sound: Path, path: Path, note: int) -> dict:
    """The numbers that this file's docstring lists, and `faults`, a list of sentences."""
    from vjax.audio.clip import read_clip
    from vjax.audio.pitch import detect_pitch

    recording = read_clip(sound, _RATE, round(SECONDS * _RATE))
    recording = np.broadcast_to(recording, (2, recording.shape[1]))
    long_note, octaves, velocities = _played(path, note)
    wanted = detect_pitch(_seconds(recording, 0, CLIP_S), _RATE)
    found = {shift: detect_pitch(audio, _RATE) for shift, audio in octaves.items()}
    errors = {
        str(shift): pitch.midi - wanted.midi - shift if min(pitch.confidence, wanted.confidence) >= _CLEAR else None
        for shift, pitch in found.items()
    }
    level_jump, spectral_jump = jump_db(long_note, CLIP_S)
    row = {
        "mss_0_2": _distance(long_note, recording, 0.0, CLIP_S),
        "mss_2_4": _distance(long_note, recording, CLIP_S, 2 * CLIP_S),
        "mss_2_6": _distance(long_note, recording, CLIP_S, LONG_NOTE_S, 2 * CLIP_S),
        "level_jump_db": level_jump,
        "spectral_jump_db": spectral_jump,
        "release_rise_db": rise_db(long_note, LONG_NOTE_S),
        "pitch": {str(shift): pitch.midi if pitch.confidence >= _CLEAR else None for shift, pitch in found.items()},
        "pitch_error": errors,
        "peak": float(max(np.abs(audio).max() for audio in (long_note, *octaves.values(), *velocities.values()))),
        "velocity_db": float(_level_db(velocities[LOUD]) - _level_db(velocities[SOFT])),
        "velocity_octaves": octaves_between(velocities[SOFT], velocities[LOUD]),
    }
    return row | {"faults": _faults(row)}


def jump_db(audio: np.ndarray, at_s: float) -> tuple[float, float]:
    """How much more a sound [2, samples] changes at a moment than around it: in level and in spectrum, dB.

    Changes from one block of 0.1 s to the next; the reference is the largest of three before and three after. 0 where
    the sound is over.
    """
    first = round(at_s / _BLOCK_S) - 1 - _AROUND
    size = round(_BLOCK_S * _RATE)
    blocks = [audio[:, i * size : (i + 1) * size] for i in range(first, first + 2 * _AROUND + 2)]
    levels = np.array([_level_db(block) for block in blocks])
    loudest = max(_level_db(audio[:, i : i + size]) for i in range(0, audio.shape[1] - size + 1, size))
    if max(levels[_AROUND], levels[_AROUND + 1]) < loudest - _RANGE_DB:
        return 0.0, 0.0
    spectra = np.array([_band_levels_db(block) for block in blocks])
    spectra = np.maximum(spectra - levels[:, None], -_RANGE_DB)  # without changes of level
    changes = np.abs(np.diff(levels)), np.abs(np.diff(spectra, axis=0)).mean(1)
    level, spectral = (float(change[_AROUND] - np.delete(change, _AROUND).max()) for change in changes)
    return max(level, 0.0), max(spectral, 0.0)


def rise_db(audio: np.ndarray, at_s: float) -> float:
    """How much louder (dB) the loudest block of 0.1 s after a moment is than the block before it, at least 0."""
    size = round(_BLOCK_S * _RATE)
    at = round(at_s * _RATE)
    after = max(_level_db(audio[:, i : i + size]) for i in range(at, audio.shape[1] - size + 1, size))
    loudest = max(_level_db(audio[:, i : i + size]) for i in range(0, audio.shape[1] - size + 1, size))
    return float(max(after - max(_level_db(audio[:, at - size : at]), loudest - _RANGE_DB), 0.0))


def octaves_between(audio: np.ndarray, other: np.ndarray) -> float | None:
    """How many octaves higher the power's centroid of `other` [2, samples] is; None where one is silent."""
    powers = [np.mean(np.abs(np.fft.rfft(sound)) ** 2, 0) for sound in (audio, other)]
    if not all(power[1:].any() for power in powers):
        return None
    low, high = (power @ np.arange(len(power)) / power.sum() / len(power) for power in powers)
    return float(np.log2(high / low))


def _faults(row: dict) -> list[str]:
    faults = []
    if max(row["level_jump_db"], row["spectral_jump_db"]) > MOST_JUMP_DB:
        faults.append(f"jumps at {CLIP_S:g} s")
    if row["release_rise_db"] > MOST_RISE_DB:
        faults.append("gets louder after note-off")
    for shift, error in row["pitch_error"].items():
        if error is not None and abs(error) > MOST_SEMITONES:
            faults.append(f"{error:+.2f} semitones out of tune at {int(shift):+d}")
    if row["peak"] > MOST_PEAK:
        faults.append(f"clips: peak {row['peak']:.2f}")
    return faults


def _match(sound: Path, preset: Path) -> int:
    """The note at which the preset plays the sound; matches it first if there is no preset yet."""
    about = preset.with_suffix(".match.json")
    if not (preset.exists() and about.exists()):
        command = [sys.executable, "-m", "vjax", "match", str(sound), "-o", str(preset), "--json"]
        about.write_text(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return int(json.loads(about.read_text())["note"])


def _played(path: Path, note: int) -> tuple[np.ndarray, dict[int, np.ndarray], dict[float, np.ndarray]]:
    """The preset as a note of 6 s; at the notes of `SEMITONES`; and at the two velocities."""
    from vjax.engine.config import RenderConfig
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.vital.preset_json import read_json

    raw = read_json(path)

    def play(notes: list[int], **settings) -> list[np.ndarray]:
        with RenderPool(RenderConfig(sample_rate=_RATE, **settings)) as pool:
            played = list(pool.map([RenderJob(raw, (n,)) for n in notes]))
        failed = [one.error for one in played if one.audio is None]
        if failed:
            raise ValueError(f"{path}: the engine cannot play it: {failed[0]}")
        return [one.audio[0] for one in played]

    (long_note,) = play([note], seconds=SECONDS, note_s=LONG_NOTE_S, velocity=USUAL)
    octaves = dict(zip(SEMITONES, play([note + shift for shift in SEMITONES], velocity=USUAL), strict=True))
    return long_note, octaves, {velocity: play([note], velocity=velocity)[0] for velocity in (SOFT, LOUD)}


def _distance(
    audio: np.ndarray, recording: np.ndarray, from_s: float, to_s: float, least_s: float = 0.0
) -> float | None:
    """MSS over a stretch, None where the recording has ended by then, or by `least_s`, or lasts for less than 0.1 s of
    it, and where either is silent.
    """
    from vjax.audio.distances import mss

    loud = np.flatnonzero(np.abs(recording).max(0) > 10 ** (-_RANGE_DB / 20) * np.abs(recording).max())
    to_s = min(to_s, max((loud[-1] + 1) / _RATE, CLIP_S))
    if to_s < max(from_s + _BLOCK_S, least_s):
        return None
    distance = float(mss(_seconds(audio, from_s, to_s), _seconds(recording, from_s, to_s), _RATE))
    return distance if np.isfinite(distance) else None  # one of them is silent


def _seconds(audio: np.ndarray, from_s: float, to_s: float) -> np.ndarray:
    return audio[:, round(from_s * _RATE) : round(to_s * _RATE)]


def _level_db(audio: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(audio**2) + 1e-12))


def _band_levels_db(block: np.ndarray) -> np.ndarray:
    """Levels of a block [2, samples] in third octaves from 50 Hz to 16 kHz."""
    power = np.mean(np.abs(np.fft.rfft(block * np.hanning(block.shape[1]))) ** 2, 0) / block.shape[1] ** 2
    edges = np.rint(50 * 2 ** (np.arange(26) / 3) * block.shape[1] / _RATE).astype(int)
    return 10 * np.log10(np.add.reduceat(power, edges)[:-1] + 1e-12)


def _table(rows: list[dict]) -> None:
    print(f"{'sound':26} {'0-2 s':>6} {'2-4 s':>6} {'jump: level':>11} {'spectrum':>8} {'release':>7}", end=" ")
    print(" ".join(f"{shift:>+6d}" for shift in SEMITONES), f"{'peak':>5} {'velocity':>8} {'octaves':>7}")
    for row in rows:
        cells = [_cell(row["mss_0_2"], 6), _cell(row["mss_2_4"], 6), _cell(row["level_jump_db"], 11)]
        cells += [_cell(row["spectral_jump_db"], 8), _cell(row["release_rise_db"], 7)]
        cells += [_cell(row["pitch_error"][str(shift)], 6) for shift in SEMITONES]
        print(f"{row['sound'][:26]:26}", *cells, _cell(row["peak"], 5), *_velocity(row))


def _velocity(row: dict) -> tuple[str, str]:
    return _cell(row["velocity_db"], 8), _cell(row["velocity_octaves"], 7)


def _cell(value: float | None, width: int) -> str:
    return f"{'-' if value is None else f'{value:.2f}':>{width}}"


if __name__ == "__main__":
    main()
