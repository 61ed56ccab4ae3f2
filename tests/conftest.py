"""Fixtures for all tests: a small schema with gates, random rows that fit it, and a dataset of two real shards."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vjax.data.store import write_shard
from vjax.schema import CHANNELS, N_SLOTS, Categorical, Continuous, Schema

# Before any test imports jax, and for the scripts that tests start: compiling takes most of the tests' time, and many
# compile the same.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(__file__).parents[1] / ".pytest_cache" / "jax")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.5"

MEL = {"sample_rate": 44100, "n_fft": 2048, "hop": 512, "n_mels": 128, "f_min_hz": 0.0, "f_max_hz": 22050.0}
NOTES = (48, 60, 72)
N_FRAMES = 20


def _small_schema() -> Schema:
    knobs = (
        Continuous("beats_per_minute", 0.0, 300.0, 120.0, frozen=True),
        Continuous("env_1_attack", 0.0, 2.4, 0.1),
        Continuous("env_3_attack", 0.0, 2.4, 0.1),
        Continuous("filter_1_cutoff", 8.0, 136.0, 60.0),
        Continuous("filter_1_resonance", 0.0, 1.0, 0.5),
        Continuous("lfo_1_frequency", -7.0, 9.0, 1.0),
        Continuous("lfo_1_phase", 0.0, 1.0, 0.0),
        Continuous("osc_1_level", 0.0, 1.0, 0.7),
        Continuous("osc_1_transpose", -48.0, 48.0, 0.0, integer=True),
        Continuous("osc_2_level", 0.0, 1.0, 0.7),
        Continuous("reverb_dry_wet", 0.0, 1.0, 0.25),
        Continuous("volume", 0.0, 7399.0, 5473.0),
    )
    menus = (
        Categorical("filter_1_model", 0, 6, 0, labels=("Analog", "Dirty")),
        Categorical("filter_1_on", 0, 2, 0, labels=("Off", "On")),
        Categorical("osc_1_on", 0, 2, 1, labels=("Off", "On")),
        Categorical("osc_2_on", 0, 2, 0, labels=("Off", "On")),
        Categorical("reverb_on", 0, 2, 0, labels=("Off", "On")),
        Categorical("osc_1_wavetable", 0, 4, 0),
    )
    sources = ("env_2", "lfo_1", "macro_control_1", "velocity")
    destinations = tuple(knob.name for knob in knobs if knob.name not in ("beats_per_minute", "lfo_1_phase"))
    return Schema(knobs, menus, sources, destinations, engine="hand-made")


def _random_rows(schema: Schema, n_presets: int, seed: int) -> dict[str, np.ndarray]:
    """The arrays of a shard: each preset at every note of NOTES, with up to four routes and its own mel picture."""
    rng = np.random.default_rng(seed)
    n_cells = len(schema.sources) * len(schema.destinations)
    index = np.full((n_presets, N_SLOTS), -1, np.int32)
    value = np.zeros((n_presets, N_SLOTS, len(CHANNELS)), np.float32)
    for row in range(n_presets):
        routes = rng.integers(0, 5)
        index[row, :routes] = rng.choice(n_cells, routes, replace=False)
        value[row, :routes] = np.stack(
            [
                rng.uniform(0.1, 1, routes) * rng.choice([-1, 1], routes),
                rng.integers(0, 2, routes),
                rng.uniform(-10, 10, routes),
                rng.integers(0, 2, routes),
            ],
            -1,
        )
    presets = {
        "params/continuous": rng.random((n_presets, len(schema.continuous)), np.float32),
        "params/categorical": rng.integers(0, schema.option_counts, (n_presets, len(schema.categorical)), np.int32),
        "modulation/index": index,
        "modulation/value": value,
        "metadata/velocity": np.full(n_presets, 0.8, np.float32),
        "metadata/source": np.array(["prior"] * n_presets),
        "metadata/preset_hash": rng.integers(-(2**63), 2**63, n_presets, np.int64),
        "metadata/preset_name": np.array([f"prés {seed}/{i}" for i in range(n_presets)]),
        "metadata/tier": np.full(n_presets, 3, np.int32),
        "metadata/seed": np.arange(n_presets, dtype=np.int64),
    }
    rows = {name: np.repeat(array, len(NOTES), 0) for name, array in presets.items()}
    n = n_presets * len(NOTES)
    return rows | {
        "features/mel_spectrogram": rng.random((n, 1, 128, N_FRAMES), np.float32) * 3,
        "metadata/midi_note": np.tile(np.array(NOTES, np.int32), n_presets),
    }


@pytest.fixture(scope="session")
def schema() -> Schema:
    """12 knobs (one frozen, one integer), 6 menus of which four gate modules, 4 sources, 10 destinations."""
    return _small_schema()


@pytest.fixture(scope="session")
def random_rows(schema: Schema) -> Callable[..., dict[str, np.ndarray]]:
    """`random_rows(n_presets, seed=0)`: arrays for `write_shard`, three rows a preset, mel [n, 1, 128, 20]."""
    return lambda n_presets, seed=0: _random_rows(schema, n_presets, seed)


@pytest.fixture(scope="session")
def shard_attributes() -> dict:
    """Attributes for `write_shard`."""
    return {"tier": 3, "mel": MEL, "generator_version": "test", "catalog": '{"tables": []}'}


@pytest.fixture
def tiny_dataset(tmp_path: Path, schema: Schema, random_rows, shard_attributes) -> Path:
    """A folder of two shards: 8 presets in 24 rows and 5 presets in 15, sparse routes. Each test gets its own."""
    folder = tmp_path / "tiny_dataset"
    write_shard(folder / "shard-00000.h5", schema, random_rows(8, seed=1), shard_attributes)
    write_shard(folder / "shard-00001.h5", schema, random_rows(5, seed=2), shard_attributes)
    return folder
