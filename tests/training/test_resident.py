"""Tests of resident batches: they equal the streamed ones bit for bit, and a run can change from one to the other."""

import itertools
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.stream import SpecAugmentConfig, train_batches
from vjax.data.write_shard import write_shard
from vjax.model.inverse import InverseModel, model_config
from vjax.training.losses import LossConfig, loss_masks
from vjax.training.metrics import metric_layout
from vjax.training.resident import resident_batches
from vjax.training.state import OptimizerConfig, create_state, make_optimizer
from vjax.training.step import Recipe, data_mesh, make_train_step, replicate, shard_batch

ONE = data_mesh(jax.devices()[:1])
AUGMENT = SpecAugmentConfig(n_time=2, max_time=6, n_freq=2, max_freq=30)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, schema, random_rows, shard_attributes):
    """Two shards with 39 rows in total and log-mel spectrograms in float16."""
    folder = tmp_path_factory.mktemp("data")
    for i, presets in enumerate((8, 5)):
        rows = random_rows(presets, seed=i)
        rows["features/mel_spectrogram"] = rows["features/mel_spectrogram"].astype(np.float16)
        write_shard(folder / f"shard-{i:05d}.h5", schema, rows, shard_attributes)
    return folder


@pytest.fixture(scope="module")
def reader(dataset):
    return Reader(open_dataset(dataset))


def take(batches, count):
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


def streamed(reader, rows, batch_size, seed, first_step, augment, count):
    batches = take(train_batches(reader, rows, batch_size, seed, first_step, augment=augment), count)
    return [shard_batch(batch, ONE) for batch in batches]


def resident(reader, rows, batch_size, seed, first_step, augment, count):
    return take(resident_batches(reader, rows, batch_size, seed, first_step, ONE, augment), count)


def assert_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for left, right in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert (left.dtype, left.sharding) == (right.dtype, right.sharding)
        assert np.asarray(left).tobytes() == np.asarray(right).tobytes()


@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(st.integers(0, 38), min_size=6, max_size=30, unique=True),
    batch_size=st.sampled_from([1, 6]),
    seed=st.integers(0, 2**31 - 1),
    first_step=st.integers(0, 12),
    stripes=st.tuples(*(st.integers(0, high) for high in (2, 30, 2, 150))),
)
def test_resident_batches_equal_the_streamed_ones(reader, rows, batch_size, seed, first_step, stripes):
    arguments = (reader, np.array(rows), batch_size, seed, first_step, SpecAugmentConfig(*stripes), 4)
    assert_same(resident(*arguments), streamed(*arguments))


@pytest.mark.parametrize("augment", [None, SpecAugmentConfig(), AUGMENT])
def test_resident_batches_with_and_without_stripes_equal_the_streamed_ones(reader, augment):
    arguments = (reader, np.arange(39), 8, 3, 2, augment, 6)
    found, expected = resident(*arguments), streamed(*arguments)
    assert_same(found, expected)
    silent = any((np.asarray(batch.mel) == 0).all(-1).any() for batch in found)
    assert silent == (augment is AUGMENT)


def test_resident_batches_loaded_in_several_blocks_are_complete(reader, monkeypatch):
    """39 rows are loaded in blocks of 7, so the last block overlaps the one before."""
    monkeypatch.setattr("vjax.training.resident._BLOCK_BYTES", 7.5 * sum(a.nbytes for a in jax.tree.leaves(reader[0])))
    (found,) = resident(reader, np.arange(39)[::-1], 39, 0, 0, None, 1)
    (expected,) = streamed(reader, np.arange(39)[::-1], 39, 0, 0, None, 1)
    assert_same(found, expected)


def test_resident_batches_of_dense_or_no_routes_equal_the_streamed_ones(
    tmp_path, schema, random_rows, shard_attributes
):
    rows = {name: array for name, array in random_rows(4).items() if not name.startswith("modulation/")}
    write_shard(tmp_path / "none.h5", schema, rows, shard_attributes)
    matrix = np.random.default_rng(0).random((12, 4, len(schema.sources), len(schema.destinations)), np.float32)
    write_shard(tmp_path / "dense.h5", schema, rows | {"features/modulation_t3": matrix}, shard_attributes)
    for name, shape in (("none", (4, 0)), ("dense", (4, *matrix.shape[1:]))):
        reader = Reader(open_dataset(tmp_path / f"{name}.h5"))
        arguments = (reader, np.arange(12), 4, 0, 0, AUGMENT, 3)
        assert_same(resident(*arguments), streamed(*arguments))
        assert resident(*arguments)[0].modulation.shape == shape


@pytest.mark.slow
def test_train_step_with_resident_and_streamed_batches_compiles_once(dataset, reader):
    info = open_dataset(dataset)
    model = InverseModel(model_config(info.schema, True, width=4, stage_sizes=(1, 1), mod_embed_dim=4))
    optimizer = make_optimizer(OptimizerConfig(), 10)
    recipe = Recipe(model, optimizer, loss_masks(info.schema, 3), LossConfig(), metric_layout(info.schema), 5)
    step = make_train_step(recipe)
    losses = []
    for halves in ((streamed, streamed), (resident, streamed), (streamed, resident)):
        state = replicate(create_state(model, optimizer, 0, info.mel_shape), ONE)
        for first_step, batches in zip((0, 2), halves, strict=True):
            for batch in batches(reader, np.arange(39), 8, 1, first_step, AUGMENT, 2):
                state, metrics = step(state, batch)
        losses.append([float(value) for value in metrics.values()])
    assert losses[0] == losses[1] == losses[2]
    assert step._cache_size() == 1


def test_resident_batches_that_exceed_memory_are_refused(reader):
    rows = np.broadcast_to(np.int64(0), 10**9)  # takes no memory itself
    with pytest.raises(ValueError, match=r"1000000000 training rows take .* GB .*leave --config.data.resident off"):
        resident_batches(reader, rows, 8, 0, 0, ONE)


def test_resident_batches_with_too_few_rows_are_refused(reader):
    with pytest.raises(ValueError, match="batch_size=40 does not fit the 39 training rows; choose 1 to 39"):
        resident_batches(reader, np.arange(39), 40, 0, 0, ONE)


def test_resident_batches_on_eight_devices_equal_sharded_batches(dataset):
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=8"
    environment = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        [sys.executable, "-c", _EIGHT, dataset], capture_output=True, text=True, env=os.environ | environment
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("|")[0] == "8 devices, same "
    assert "a batch of 12 rows does not divide over 8 devices" in result.stdout


_EIGHT = """
import sys
import jax, numpy as np
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.stream import SpecAugmentConfig, train_batches
from vjax.training.resident import resident_batches
from vjax.training.step import data_mesh, shard_batch
reader, mesh, augment = Reader(open_dataset(sys.argv[1])), data_mesh(), SpecAugmentConfig(n_time=1, n_freq=1)
streamed = train_batches(reader, np.arange(39), 16, 0, 1, augment=augment)
resident = resident_batches(reader, np.arange(39), 16, 0, 1, mesh, augment)
for _ in range(4):
    for found, expected in zip(*map(jax.tree.leaves, (next(resident), shard_batch(next(streamed), mesh)))):
        assert found.sharding == expected.sharding
        for a, b in zip(found.addressable_shards, expected.addressable_shards, strict=True):
            assert (a.device, np.asarray(a.data).tobytes()) == (b.device, np.asarray(b.data).tobytes())
print(mesh.size, "devices, same |", end="")
try:
    resident_batches(reader, np.arange(39), 12, 0, 0, mesh)
except ValueError as error:
    print(error)
"""
