"""The wavetable catalog: what the `osc_N_wavetable` choices choose from.

A catalog entry is a whole Vital wavetable (the JSON object of a preset's `wavetables` array), so that a dataset or a
checkpoint that carries the catalog can write presets anywhere. `standard_catalog` computes its tables from formulas.
"""

import base64
import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

FRAME = 2048  # samples of one cycle, Vital's size
POSITIONS = 256  # the range of a keyframe's position: osc_N_wave_frame
VITAL_VERSION = "1.5.5"
"""Written into presets and tables: the real Vital refuses the engine's own "99999.9.9"."""


def table_json(name: str, frames: np.ndarray) -> dict[str, Any]:
    """A Vital wavetable from cycles. `frames`: [n, 2048] float, spread evenly over the positions 0 to 256.

    Raises ValueError for another shape, more than 257 frames, NaN or infinity.
    """
    frames = np.asarray(frames, "<f4")
    if frames.ndim != 2 or frames.shape[1] != FRAME or not 1 <= len(frames) <= POSITIONS + 1:
        raise ValueError(f"frames have shape {frames.shape}; a table needs [n, {FRAME}], n from 1 to {POSITIONS + 1}")
    if not np.isfinite(frames).all():
        raise ValueError(f"frame {np.argwhere(~np.isfinite(frames))[0, 0]} of {name!r} holds NaN or infinity")
    positions = np.rint(np.linspace(0, POSITIONS, len(frames))).astype(int)
    keyframes = [
        {"position": int(position), "wave_data": base64.b64encode(frame.tobytes()).decode("ascii")}
        for position, frame in zip(positions, frames, strict=True)
    ]
    component = {"interpolation": 1, "interpolation_style": 1, "keyframes": keyframes, "type": "Wave Source"}
    return {
        "author": "vjax",
        "full_normalize": True,
        "groups": [{"components": [component]}],
        "name": name,
        "remove_all_dc": True,
        "version": VITAL_VERSION,
    }


def table_key(table: Mapping[str, Any]) -> str:
    """A table's identity: a hash of what makes its sound, without name, author or version."""
    sound = {key: value for key, value in table.items() if key not in ("name", "author", "version")}
    return hashlib.sha256(json.dumps(sound, sort_keys=True).encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class WavetableCatalog:
    """An ordered set of wavetables; a choice is an index into `tables`. Entry 0 is the engine's init saw."""

    tables: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        return len(self.tables)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(str(table.get("name", "")) for table in self.tables)

    @functools.cached_property
    def _positions(self) -> dict[str, int]:
        return {table_key(table): i for i, table in reversed(list(enumerate(self.tables)))}

    def find(self, table: Mapping[str, Any]) -> int | None:
        """The entry with the same content, or None."""
        return self._positions.get(table_key(table))

    def extended(self, tables: Iterable[Mapping[str, Any]]) -> "WavetableCatalog":
        """This catalog with the tables that it does not hold yet, in the order given."""
        new = {table_key(table): {**table, "version": VITAL_VERSION} for table in tables}
        return WavetableCatalog(self.tables + tuple(new[key] for key in new if key not in self._positions))

    def to_json_string(self) -> str:
        return json.dumps({"tables": self.tables})

    @classmethod
    def from_json_string(cls, text: str) -> "WavetableCatalog":
        """Reads `to_json_string`'s text. Raises ValueError for anything else."""
        try:
            tables = json.loads(text)["tables"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"not a wavetable catalog: {error}") from error
        if not (isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables)):
            raise ValueError("not a wavetable catalog: `tables` must be a list of at least one wavetable")
        return cls(tuple(tables))


@functools.cache
def standard_catalog() -> WavetableCatalog:
    """The engine's init saw and 23 tables computed here: single cycles, then moving ones."""
    phase = np.arange(FRAME) / FRAME
    single = {
        "Sine": _harmonics([1.0]),
        "Triangle": 1 - 4 * np.abs(phase - 0.5),
        "Square": _pulse(phase, 0.5),
        "Pulse 25": _pulse(phase, 0.25),
        "Pulse 10": _pulse(phase, 0.1),
        "Half Sine": np.abs(np.sin(np.pi * phase)),
        "Organ": _harmonics([1, 0.8, 0.6, 0.5, 0, 0.3, 0, 0.4]),
        "Odd": _harmonics([1, 0, 0.5, 0, 0.35, 0, 0.25, 0, 0.2]),
        "Bell": _harmonics([1, 0, 0, 0.6, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0.3]),
        "Fifth": _harmonics([0, 1, 0.7, 0.4, 0, 0.4, 0, 0.2]),
    }
    saw = 1 - 2 * phase
    # Half a cycle late and in float32: bit for bit the engine's own table, so that people's init tables are found.
    init = np.roll(1 - np.arange(FRAME, dtype=np.float32) * np.float32(2 / (FRAME - 1)), FRAME // 2)
    moving = {
        "Sine to Saw": [_harmonics(1 / np.arange(1, n + 1)) for n in (1, 2, 4, 10, 100)],
        "Saw to Square": [(1 - mix) * saw + mix * _pulse(phase, 0.5) for mix in np.linspace(0, 1, 5)],
        "Sine to Square": [_harmonics((np.arange(1, n + 1) % 2) / np.arange(1, n + 1)) for n in (1, 3, 7, 15, 99)],
        "Pulse Width": [_pulse(phase, width) for width in np.linspace(0.5, 0.05, 6)],
        "Sync Saw": [1 - 2 * np.mod(ratio * phase, 1) for ratio in np.linspace(1, 4, 7)],
        "Sync Sine": [np.sin(2 * np.pi * np.mod(ratio * phase, 1)) for ratio in np.linspace(1, 4, 7)],
        "FM 1:1": [np.sin(2 * np.pi * phase + index * np.sin(2 * np.pi * phase)) for index in np.linspace(0, 6, 7)],
        "FM 1:2": [np.sin(2 * np.pi * phase + index * np.sin(4 * np.pi * phase)) for index in np.linspace(0, 6, 7)],
        "FM 1:7": [np.sin(2 * np.pi * phase + index * np.sin(14 * np.pi * phase)) for index in np.linspace(0, 3, 7)],
        "Fold": [np.sin(np.pi / 2 * gain * np.sin(2 * np.pi * phase)) for gain in np.linspace(1, 9, 7)],
        "Harmonic Sweep": [_harmonics([0.0] * (n - 1) + [1.0]) for n in (1, 2, 3, 4, 5, 6, 8)],
        "Resonance": [_resonance(peak) for peak in (1, 2, 4, 7, 12, 20, 32)],
        "Vowels": [_vowel(formants) for formants in _VOWEL_FORMANTS_HZ],
    }
    tables = [table_json("Init", init[None])]
    tables += [table_json(name, _normalised(cycle)[None]) for name, cycle in single.items()]
    tables += [table_json(name, np.stack([_normalised(c) for c in cycles])) for name, cycles in moving.items()]
    return WavetableCatalog(tuple(tables))


# First three formants of a man's "heed, head, had, hod, who'd": Peterson and Barney, JASA 24 (1952), table II.
_VOWEL_FORMANTS_HZ = ((270, 2290, 3010), (530, 1840, 2480), (660, 1720, 2410), (730, 1090, 2440), (300, 870, 2240))


def _normalised(cycle: np.ndarray) -> np.ndarray:
    cycle = cycle - cycle.mean()
    return cycle / np.abs(cycle).max()


def _pulse(phase: np.ndarray, width: float) -> np.ndarray:
    return np.where(phase < width, 1.0, -1.0)


def _harmonics(amplitudes) -> np.ndarray:
    """A sum of sines: `amplitudes[k]` belongs to harmonic k + 1."""
    phase = np.arange(FRAME) / FRAME
    orders = np.arange(1, len(amplitudes) + 1)
    return np.asarray(amplitudes, float) @ np.sin(2 * np.pi * orders[:, None] * phase)


def _resonance(peak: float) -> np.ndarray:
    orders = np.arange(1, 65)
    return _harmonics(1 / orders + 3 * np.exp(-((orders - peak) ** 2) / 2) / orders**0.25)


def _vowel(formants_hz: tuple[int, ...], pitch_hz: float = 110.0) -> np.ndarray:
    """A pulse train at `pitch_hz` through resonances of 120 Hz bandwidth, each 6 dB below the one before."""
    frequency_hz = pitch_hz * np.arange(1, 41)
    gain = sum(0.5**i / (1 + ((frequency_hz - formant) / 60) ** 2) for i, formant in enumerate(formants_hz))
    return _harmonics(gain + 0.003)
