"""The wavetable catalog for the `osc_N_wavetable` choices.

A catalog entry is a whole Vital wavetable (the JSON object of a preset's `wavetables` array), so that a dataset or a
checkpoint that carries the catalog can write presets anywhere. Entries may have spectra (`table_spectra.py`). With
them, the entry that sounds most like a table outside the catalog can be found.
"""

import base64
import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

FRAME = 2048  # samples of one cycle, Vital's size
POSITIONS = 256  # the range of a keyframe's position: osc_N_wave_frame
VITAL_VERSION = "1.5.5"
"""Written into presets and tables: Vital itself rejects the engine's own "99999.9.9"."""


_NO_SPECTRUM = -(2**15)
_BEFORE_1_0 = re.compile(r"0\.\d")


def table_json(name: str, frames: np.ndarray) -> dict[str, Any]:
    """A Vital wavetable from cycles. `frames`: [n, 2048] float, spread evenly over the positions 0 to 256.

    Raises ValueError for another shape, more than 257 frames, NaN or infinity.
    """
    frames = np.asarray(frames, "<f4")
    if frames.ndim != 2 or frames.shape[1] != FRAME or not 1 <= len(frames) <= POSITIONS + 1:
        raise ValueError(f"frames have shape {frames.shape}; a table needs [n, {FRAME}], n from 1 to {POSITIONS + 1}")
    if not np.isfinite(frames).all():
        raise ValueError(f"frame {np.argwhere(~np.isfinite(frames))[0, 0]} of {name!r} contains NaN or infinity")
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


def written_version(table: Mapping[str, Any]) -> str:
    """The version to write for a table. Versions before 1.0 are kept, because the engine plays such tables differently.

    In a table before 0.4.7, for example, `full_normalize` has no effect.
    """
    version = table.get("version")
    return version if isinstance(version, str) and _BEFORE_1_0.match(version) else VITAL_VERSION


def table_key(table: Mapping[str, Any]) -> str:
    """A table's identity: a hash of its sound content, without name and author, and without a version since 1.0."""
    sound = {key: value for key, value in table.items() if key not in ("name", "author", "version")}
    if written_version(table) != VITAL_VERSION:
        sound["version"] = table["version"]
    return hashlib.sha256(json.dumps(sound, sort_keys=True).encode()).hexdigest()[:16]


def n_keyframes(table: Mapping[str, Any]) -> int:
    """The largest number of keyframes in one component. A table with one keyframe is a single constant cycle."""
    components = (component for group in table["groups"] for component in group["components"])
    return max((len(component.get("keyframes") or ()) for component in components), default=0)


@dataclasses.dataclass(frozen=True, eq=False)
class WavetableCatalog:
    """An ordered set of wavetables; a choice is an index into `tables`. Entry 0 is the engine's init saw.

    Attributes:
      tables: Vital wavetables.
      spectra: [n, positions, bands] float32 in dB as `table_spectra.table_spectra` returns them, NaN for tables that
        are not rendered yet; None if there are none. `table_spectra.with_spectra` fills them in.
    """

    tables: tuple[dict[str, Any], ...]
    spectra: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.tables)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(str(table.get("name", "")) for table in self.tables)

    @functools.cached_property
    def _positions(self) -> dict[str, int]:
        return {table_key(table): i for i, table in reversed(list(enumerate(self.tables)))}

    def known_spectra(self) -> np.ndarray:
        """`spectra`, of a catalog that has them. Raises ValueError if they were never rendered."""
        if self.spectra is None:
            raise ValueError(
                f"the catalog of {len(self)} wavetables has no spectra; add them with table_spectra.with_spectra"
            )
        return self.spectra

    def find(self, table: Mapping[str, Any]) -> int | None:
        """The index of the entry with the same content, or None."""
        return self._positions.get(table_key(table))

    def extended(self, tables: Iterable[Mapping[str, Any]]) -> "WavetableCatalog":
        """This catalog with the tables that it does not contain yet, in the order given, with unique names."""
        new: dict[str, dict[str, Any]] = {}
        taken = set(self.names)
        for table in tables:
            key = table_key(table)
            if key not in self._positions and key not in new:
                name = unique_name(str(table.get("name", "")), key, taken)
                taken.add(name)
                new[key] = {**table, "name": name, "version": written_version(table)}
        spectra = self.spectra
        if spectra is not None:
            spectra = np.concatenate([spectra, np.full((len(new), *spectra.shape[1:]), np.nan, np.float32)])
        return WavetableCatalog(self.tables + tuple(new.values()), spectra)

    def chosen(self, indices: Sequence[int]) -> "WavetableCatalog":
        """The entries at `indices`, in that order, with their spectra."""
        spectra = None if self.spectra is None else self.spectra[list(indices)]
        return WavetableCatalog(tuple(self.tables[i] for i in indices), spectra)

    def to_json_string(self) -> str:
        return json.dumps(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """As JSON types; spectra in tenths of a dB, as base64 of little-endian int16, whose minimum means NaN."""
        content: dict[str, Any] = {"tables": self.tables}
        if self.spectra is not None:
            tenths = np.where(np.isnan(self.spectra), _NO_SPECTRUM, np.rint(10 * self.spectra)).astype("<i2")
            data = base64.b64encode(tenths.tobytes()).decode("ascii")
            content["spectra"] = {"shape": list(tenths.shape), "tenths_of_db": data}
        return content

    @classmethod
    def from_json_string(cls, text: str) -> "WavetableCatalog":
        """Reads `to_json_string`'s text. Raises ValueError for anything else."""
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"not a wavetable catalog: line {error.lineno} is not JSON") from error
        if not isinstance(content, dict) or "tables" not in content:
            raise ValueError("not a wavetable catalog: it has no `tables`")
        tables, spectra = content["tables"], content.get("spectra")
        if spectra is not None:
            try:
                tenths = np.frombuffer(base64.b64decode(spectra["tenths_of_db"]), "<i2").reshape(spectra["shape"])
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError("not a wavetable catalog: its `spectra` cannot be read") from error
            spectra = np.where(tenths == _NO_SPECTRUM, np.nan, tenths / 10).astype(np.float32)
        if not (isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables)):
            raise ValueError("not a wavetable catalog: `tables` must be a list of at least one wavetable")
        if spectra is not None and (spectra.ndim != 3 or len(spectra) != len(tables)):
            raise ValueError(f"not a wavetable catalog: {len(tables)} tables and spectra of shape {spectra.shape}")
        return cls(tuple(tables), spectra)


def unique_name(name: str, key: str, taken: Collection[str]) -> str:
    """`name`, or `name #1a2b` with the start of the table's key if the name is taken or empty.

    Half of all tables have the name "Init".
    """
    if name and name not in taken:
        return name
    for length in range(4, len(key) + 1):
        candidate = f"{name} #{key[:length]}".strip()
        if candidate not in taken:
            return candidate
    raise ValueError(f"wavetable {name!r} with key {key} is already in the catalog")
