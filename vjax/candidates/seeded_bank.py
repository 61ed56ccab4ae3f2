"""A bank of many generated sounds, in about 70 bytes each: what a sound is like, and how to draw its preset again.

`vjax generate` draws presets from seeds. If they are variants (`vjax.data.sample_variants`), a group of a few presets
can be drawn again alone, which takes a tenth of a second. So a bank stores for each sound the number of its candidate,
and once for all the settings of the sampler and the people's presets that it mixes in. Index entries are stored as 64
numbers of one byte (`Codes`).

A preset that is drawn again is compared with a digest of the one that was rendered. They differ if the sampler or
NumPy's random numbers changed; the bank then cannot be used. The last bits of a number may differ between CPUs and
versions of NumPy, without an audible difference. So the digest is of options, routes and a rounded sum.
"""

import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.candidates.folder_index import write_npz
from vjax.candidates.sound_bank import Codes, SoundBank, bank_comment, index_mel
from vjax.data import layout
from vjax.data.generate import material_hash
from vjax.data.layout import DatasetError
from vjax.data.preset_bank import load_bank
from vjax.data.sampling import sample_group
from vjax.data.sampling_config import SamplingConfig
from vjax.data.store import digest, open_dataset
from vjax.io.progress import progress_bar
from vjax.sound.schema import Parameters
from vjax.training.saving import CheckpointError
from vjax.vital.preset import Preset
from vjax.vital.vocabulary import Vocabulary, to_preset

COMPONENTS = 64
"""Bytes of an index entry. `benchmarks/bank_codes.py` compares the neighbours that other lengths find."""

_STEPS = 127  # the largest code
_READ_AT_ONCE = 256  # spectrograms; thousands would take gigabytes
_PEOPLE = "people_"  # prefix of the arrays of people's presets
_DIGEST_BITS = 16
_SUM_STEPS = 8  # of the sum of continuous parameters, per unit


def write_seeded_bank(
    path: str | os.PathLike,
    dataset: str | os.PathLike,
    presets: str | os.PathLike | None,
    vocabulary: Vocabulary,
    progress: bool = True,
) -> int:
    """Writes the bank of a dataset that `vjax generate` made with `sampling.variants` above 1.

    Args:
      presets: the folder of people's presets with which the dataset was made, or None.
      vocabulary: that of the checkpoint beside which the bank will lie.

    Returns:
      Number of sounds.

    Raises:
      DatasetError: the dataset was made in another way, or with other presets or catalogs.
    """
    info = open_dataset(dataset)
    settings = _settings(info.paths[0])
    people = load_bank(presets)
    if material_hash(people, digest(people.vocabulary.to_json_string())) != settings["material"]:
        raise DatasetError(
            f"{dataset} was made with other presets than those of {presets or 'no folder'}; "
            "give the folder that `vjax generate` mixed in"
        )
    if info.catalog_sha256 != digest(vocabulary.to_json_string()):
        raise DatasetError(
            f"{dataset} has other wavetables or LFO shapes than the checkpoint; "
            "give a checkpoint that was trained on it, or make the dataset with the checkpoint's presets"
        )
    shards = [_shard_columns(shard, i, settings["presets_per_shard"]) for i, shard in enumerate(info.paths)]
    with progress_bar(total=2 * info.n, desc="reading sounds twice", unit="sound", disable=not progress) as bar:
        codes = encode(lambda: _entries(info.paths, bar.update), COMPONENTS)
    stacked = _stacked([parameters for _, parameters in people.entries])
    write_npz(
        Path(path),
        settings=np.array(json.dumps(settings, sort_keys=True)),
        codes=codes.codes,
        basis=codes.basis.astype(np.float16),
        mean=codes.mean.astype(np.float16),
        step_db=np.float32(codes.step_db),
        people_names=np.array([name for name, _ in people.entries]),
        **{_PEOPLE + field: column for field, column in stacked.items()},
        **{name: np.concatenate([columns[name] for columns in shards]) for name in shards[0]},
    )
    return info.n


def is_seeded(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether the arrays of a bank file are of this kind."""
    return "codes" in arrays


def seeded_bank(path: Path, arrays: Mapping[str, np.ndarray], vocabulary: Vocabulary, credit: str) -> SoundBank | None:
    """Returns the bank, or None with a line on stderr if its presets can no longer be drawn.

    Args:
      path: the file of the bank, for errors.
      arrays: from `write_seeded_bank`.
      credit: whose presets the bank was made from.

    Raises:
      CheckpointError: the arrays do not fit together.
    """
    _check(path, arrays)
    schema, settings = vocabulary.schema(), json.loads(str(arrays["settings"]))
    sampling = SamplingConfig(**settings["sampling"])
    names = arrays.get("people_names", ())
    people = [
        (str(name), Parameters(*(arrays[_PEOPLE + field][i] for field in Parameters._fields)))
        for i, name in enumerate(names)
    ]

    @functools.lru_cache(maxsize=16)
    def group(block: int, number: int) -> list:
        return sample_group(schema, sampling, settings["seed"], block, number, people)

    def drawn(i: int) -> Parameters | None:
        block, candidate = divmod(int(arrays["candidates"][i]), settings["presets_per_shard"])
        parameters = group(block, candidate // sampling.variants)[candidate % sampling.variants].parameters
        return parameters if _short_digest(parameters) == arrays["digests"][i] else None

    def preset(i: int) -> Preset | None:
        parameters = drawn(i)
        if parameters is None:
            return None
        return to_preset(
            parameters, schema, vocabulary, name=sound_names[i], comments=bank_comment(sound_names[i], credit)
        )

    if len(arrays["candidates"]) and drawn(0) is None:
        print(f"vjax: the bank of the model is left out: {_OTHER_SAMPLER}", file=sys.stderr)
        return None
    sound_names = [f"training sound {settings['seed']}-{position}" for position in arrays["candidates"].tolist()]
    basis, mean = arrays["basis"].astype(np.float32), arrays["mean"].astype(np.float32)
    codes = Codes(arrays["codes"], basis, mean, float(arrays["step_db"]))
    return SoundBank(codes, arrays["notes"], sound_names, preset)


_OTHER_SAMPLER = (
    "this version of vjax or of NumPy draws other presets from its seeds; "
    "install the versions of constraints.txt, or make the bank again with `vjax bank`"
)


def _check(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises CheckpointError for arrays that `write_seeded_bank` does not write."""
    n, components = arrays["codes"].shape
    shapes = {"codes": (n, components), "notes": (n,), "candidates": (n,), "digests": (n,)}
    shapes |= {"basis": (components, *arrays["mean"].shape), "mean": arrays["mean"].shape[:2], "step_db": ()}
    people = len(arrays.get("people_names", ()))
    numbers = [_PEOPLE + field for field in Parameters._fields] if people else []
    damaged = [name for name, shape in shapes.items() if arrays[name].shape != shape]
    damaged += [name for name in numbers if len(arrays[name]) != people]
    damaged += [name for name in (*shapes, *numbers) if arrays[name].dtype.kind not in "fiu"]
    if damaged:
        raise CheckpointError(f"{path} is damaged: {damaged[0]} has another shape or type; get the checkpoint again")


def _settings(shard: str) -> dict[str, Any]:
    with layout.open_hdf5(shard) as file:
        settings = json.loads(layout.text(file.attrs.get("generation", "{}")))
    if settings.get("sampling", {}).get("variants", 1) < 2:
        raise DatasetError(
            f"{shard}: its presets cannot be drawn again one by one; "
            "make the dataset with `vjax generate --config.generation.sampling.variants=8`"
        )
    return {name: settings[name] for name in ("seed", "sampling", "presets_per_shard", "material", "version")}


def _shard_columns(path: str, number: int, presets_per_shard: int) -> dict[str, np.ndarray]:
    with layout.open_hdf5(path) as file:
        fields = (layout.CONTINUOUS, layout.CATEGORICAL, layout.ROUTE_INDEX, layout.ROUTE_VALUE)
        rows = zip(*(layout.require(file, field)[...] for field in fields), strict=True)
        return {
            "notes": layout.require(file, layout.MIDI_NOTE)[...].astype(np.int8),
            "candidates": number * presets_per_shard + layout.require(file, layout.CANDIDATE)[...],
            "digests": np.array([_short_digest(Parameters(*row)) for row in rows], np.uint16),
        }


def _entries(shards: Sequence[str], on_read: Callable[[int], object]) -> Iterator[np.ndarray]:
    """Yields the index entries of all sounds, [b, bands, t]. Calls `on_read` with each b."""
    for shard in shards:
        with layout.open_hdf5(shard) as file:
            mels = layout.require(file, layout.MEL)
            for start in range(0, len(mels), _READ_AT_ONCE):
                entries = index_mel(mels[start : start + _READ_AT_ONCE, 0])
                yield entries
                on_read(len(entries))


def _short_digest(parameters: Parameters) -> int:
    """A digest that other last bits of continuous parameters change in about one of 10,000 presets."""
    knobs = np.rint(_SUM_STEPS * parameters.continuous.sum(dtype=np.float64))
    data = b"".join(array.astype("<i4").tobytes() for array in (parameters.categorical, parameters.route_index, knobs))
    return int.from_bytes(hashlib.sha256(data).digest()[: _DIGEST_BITS // 8], "little")


def encode(read: Callable[[], Iterable[np.ndarray]], components: int) -> Codes:
    """Projects entries in dB on their first principal components.

    Args:
      read: returns the entries in parts, [b, bands, t]. It is called twice: one part is in memory at a time.
    """
    n, size = 0, ()
    total, products = np.zeros(()), np.zeros(())
    for entries in read():
        flat = entries.reshape(len(entries), -1).astype(np.float64)
        n, size = n + len(flat), entries.shape[1:]
        total, products = total + flat.sum(0), products + flat.T @ flat
    mean = total / n
    _, vectors = np.linalg.eigh(products - n * np.outer(mean, mean))  # in ascending order of the eigenvalues
    basis = vectors[:, ::-1].T[:components].astype(np.float32)
    values = [(part.reshape(len(part), -1) - mean.astype(np.float32)) @ basis.T for part in read()]
    # Few sounds reach the largest value; a finer step for all others is worth more.
    step_db = float(max(np.abs(part).max() for part in values) / _STEPS / 2) or 1.0
    codes = [np.clip(np.rint(part / step_db), -_STEPS, _STEPS).astype(np.int8) for part in values]
    return Codes(
        np.concatenate(codes), basis.reshape(len(basis), *size), mean.reshape(size).astype(np.float32), step_db
    )


def _stacked(presets: list[Parameters]) -> dict[str, np.ndarray]:
    if not presets:
        return {}
    return {
        field: np.stack(column) for field, column in zip(Parameters._fields, zip(*presets, strict=True), strict=True)
    }
