"""Tests of batches: their bits are the same for any number of workers and after any interruption."""

import itertools

import h5py
import jax
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vjax.data.layout import DatasetError
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.stream import (
    SpecAugmentConfig,
    TrainingOrder,
    draw_stripes,
    eval_batches,
    silence,
    split,
    train_batches,
)
from vjax.data.write_shard import write_shard

AUGMENT = SpecAugmentConfig(n_time=2, max_time=6, n_freq=2, max_freq=30)


@pytest.fixture
def reader(tiny_dataset):
    return Reader(open_dataset(tiny_dataset))


def take(batches, count):
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


def assert_same_batches(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert jax.tree.structure(a) == jax.tree.structure(b)
        for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("val_fraction", [0.01, 0.3, 0.99])
def test_split_keeps_the_rows_of_a_preset_together(reader, seed, val_fraction):
    train, val = split(reader, val_fraction, seed)
    hashes = reader.preset_hashes()
    assert sorted([*train, *val]) == list(range(39))
    assert not set(hashes[train]) & set(hashes[val])
    assert len(set(hashes[val])) == {0.01: 1, 0.3: 4, 0.99: 12}[val_fraction]


def test_split_with_the_same_seed_is_the_same(reader):
    assert [a.tolist() for a in split(reader, 0.3, 5)] == [a.tolist() for a in split(reader, 0.3, 5)]
    assert len({tuple(split(reader, 0.3, seed)[1]) for seed in range(6)}) > 1


def test_split_of_a_larger_dataset_moves_few_presets(reader, tiny_dataset):
    small = Reader(open_dataset(tiny_dataset / "shard-00000.h5"))  # 8 of the 13 presets
    before, after = split(small, 0.5, 0), split(reader, 0.5, 0)
    moved = set(after[0][after[0] < 24]) ^ set(before[0])
    assert len(moved) <= 3 * 2


def test_split_with_an_invalid_fraction_or_one_preset_is_refused(
    reader, tiny_dataset, schema, random_rows, shard_attributes
):
    with pytest.raises(ValueError, match=r"val_fraction=1\.0 must lie between 0 and 1"):
        split(reader, 1.0, 0)
    write_shard(tiny_dataset / "one.h5", schema, random_rows(1), shard_attributes)
    with pytest.raises(DatasetError, match="contains 1 preset; splitting it takes at least 2"):
        split(Reader(open_dataset(tiny_dataset / "one.h5")), 0.5, 0)


def test_train_batches_have_the_documented_shapes_and_types(reader):
    (batch,) = take(train_batches(reader, np.arange(39), 8, seed=0), 1)
    shapes = jax.tree.map(lambda array: (array.shape, str(array.dtype)), batch)
    assert shapes.mel == ((8, 1, 128, 20), "float32")
    assert shapes.continuous == ((8, 12), "float32")
    assert shapes.categorical == ((8, 6), "int32")
    assert shapes.midi_note == ((8,), "int32")
    assert shapes.modulation == (((8, 64), "int32"), ((8, 64, 4), "float32"))
    assert shapes.valid == ((8,), "float32")
    assert batch.valid.all()


def test_train_batches_without_modulation_have_an_empty_array(tmp_path, schema, random_rows, shard_attributes):
    rows = {name: array for name, array in random_rows(3).items() if not name.startswith("modulation/")}
    write_shard(tmp_path / "a.h5", schema, rows, shard_attributes | {"tier": 1})
    reader = Reader(open_dataset(tmp_path / "a.h5"))
    assert take(train_batches(reader, np.arange(9), 4, seed=0), 1)[0].modulation.shape == (4, 0)
    assert [batch.modulation.shape for batch in eval_batches(reader, np.arange(9), 4)] == [(4, 0)] * 3


def test_train_batches_of_each_pass_contain_every_row_once_in_a_new_order(reader):
    rows = np.arange(3, 35)
    batches = take(train_batches(reader, rows, 8, seed=1), 8)
    seen = np.concatenate([batch.mel[:, 0, 0, 0] for batch in batches]).reshape(2, 32)
    all_rows = [reader[row].mel[0, 0, 0] for row in rows]
    assert sorted(seen[0]) == sorted(seen[1]) == sorted(all_rows)
    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], all_rows)


def test_train_batches_with_another_seed_differ(reader):
    rows = np.arange(39)
    first, again, other = (take(train_batches(reader, rows, 8, seed, augment=AUGMENT), 2) for seed in (3, 3, 4))
    assert_same_batches(first, again)
    assert not np.array_equal(first[0].continuous, other[0].continuous)


@pytest.mark.parametrize("first_step", [1, 4, 11])
def test_train_batches_from_a_later_step_equal_an_uninterrupted_run(reader, first_step):
    rows = np.arange(39)  # 39 / 8 is not an integer, so batches extend over the end of a pass
    uninterrupted = take(train_batches(reader, rows, 8, seed=2, augment=AUGMENT), 14)
    resumed = take(train_batches(reader, rows, 8, seed=2, first_step=first_step, augment=AUGMENT), 14 - first_step)
    assert_same_batches(resumed, uninterrupted[first_step:])


def test_train_batches_with_workers_equal_those_without(reader):
    """The batches are also equal from a later step on. Only this test spawns workers, because that takes seconds."""
    rows = np.arange(39)
    alone = take(train_batches(reader, rows, 8, seed=2, augment=AUGMENT), 9)
    assert_same_batches(
        take(train_batches(reader, rows, 8, seed=2, first_step=3, workers=2, augment=AUGMENT), 6), alone[3:]
    )


def test_train_batches_with_augmentation_differ_between_rows_and_passes(reader):
    (first, second) = take(train_batches(reader, np.arange(13), 13, seed=0, augment=AUGMENT), 2)
    masks = {(batch.mel[i, 0] == 0).tobytes() for batch in (first, second) for i in range(13)}
    assert len(masks) > 20


def stacked(parts):
    """Concatenates the parts of a step to one batch."""
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    share=st.integers(1, 4),
    parts=st.integers(1, 4),
    rows=st.integers(16, 39),
    seed=st.integers(0, 9),
    first=st.integers(0, 5),
)
def test_train_batches_in_parts_concatenate_to_the_whole_batch(reader, share, parts, rows, seed, first):
    """Order and stripes are the same, also over the end of a pass and from a later step on."""
    arguments = (reader, np.arange(rows), share * parts, seed)
    alone = take(train_batches(*arguments, augment=AUGMENT), first + 4)[first:]
    split = [take(train_batches(*arguments, first, 0, AUGMENT, part, parts), 4) for part in range(parts)]
    assert_same_batches([stacked(step) for step in zip(*split, strict=True)], alone)


@pytest.mark.slow
def test_train_batches_of_a_part_with_workers_equal_those_without(reader):
    arguments = (reader, np.arange(39), 8, 2, 3)
    alone = take(train_batches(*arguments, 0, AUGMENT, 1, 2), 5)
    assert_same_batches(take(train_batches(*arguments, 2, AUGMENT, 1, 2), 5), alone)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.integers(1, 4), parts=st.integers(1, 4), rows=st.integers(1, 39))
def test_eval_batches_in_parts_contain_every_row_once(reader, share, parts, rows):
    split = [list(eval_batches(reader, np.arange(rows), share * parts, part, parts)) for part in range(parts)]
    assert {len(batch.valid) for batches in split for batch in batches} == {share}
    found = [stacked(step) for step in zip(*split, strict=True)]  # all parts have as many
    alone = list(eval_batches(reader, np.arange(rows), share * parts))
    assert_same_batches(found, alone)
    assert sum(batch.valid.sum() for batch in found) == rows


@pytest.mark.parametrize(
    "batches",
    [
        lambda reader: train_batches(reader, np.arange(39), 10, 0, part=1, parts=4),
        lambda reader: eval_batches(reader, np.arange(39), 10, 1, 4),
    ],
)
def test_batches_that_do_not_divide_into_parts_are_refused(reader, batches):
    with pytest.raises(ValueError, match=r"10 does not divide over 4 processes; .* --config.train.batch_size=8"):
        batches(reader)


def test_train_batches_with_too_few_rows_are_refused(reader):
    with pytest.raises(ValueError, match="batch_size=40 does not fit the 39 training rows; choose 1 to 39"):
        train_batches(reader, np.arange(39), 40, seed=0)
    with pytest.raises(ValueError, match="batch_size=0"):
        eval_batches(reader, np.arange(39), 0)


def test_eval_batches_return_all_rows_in_order_with_padding(reader):
    rows = np.array([5, 30, 2, 7, 38, 11, 12])
    batches = list(eval_batches(reader, rows, 3))
    assert [batch.valid.tolist() for batch in batches] == [[1, 1, 1], [1, 1, 1], [1, 0, 0]]
    valid = np.concatenate([batch.valid for batch in batches]) > 0
    for field in ("mel", "continuous", "categorical", "midi_note"):
        together = np.concatenate([getattr(batch, field) for batch in batches])
        assert len(together) == 9
        np.testing.assert_array_equal(together[valid], [getattr(reader[row], field) for row in rows])
    np.testing.assert_array_equal(batches[2].modulation.index[1], reader[12].modulation.index)  # padding is well-formed


def test_eval_batches_of_no_rows_are_empty(reader):
    assert list(eval_batches(reader, np.arange(0), 3)) == []


def silenced(mel, seed, config):
    mel = mel.copy()
    silence(mel, draw_stripes(mel.shape, np.random.default_rng(seed), config)[0], config)
    return mel


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_time=st.integers(0, 3),
    max_time=st.integers(0, 50),
    n_freq=st.integers(0, 3),
    max_freq=st.integers(0, 50),
)
def test_silence_sets_only_stripes_within_the_limits(seed, n_time, max_time, n_freq, max_freq):
    mel = np.ones((1, 32, 24), np.float32)
    masked = silenced(mel, seed, SpecAugmentConfig(n_time, max_time, n_freq, max_freq))
    assert masked.dtype == mel.dtype
    again = silenced(mel, seed, SpecAugmentConfig(n_time, max_time, n_freq, max_freq))
    np.testing.assert_array_equal(masked, again)
    frames, bands = (masked[0] == 0).all(0), (masked[0] == 0).all(1)
    if not frames.all() and not bands.all():
        assert frames.sum() <= n_time * max_time
        assert bands.sum() <= n_freq * max_freq
        np.testing.assert_array_equal(masked[0] == 0, frames[None] | bands[:, None])


def test_draw_stripes_covers_all_positions_and_widths():
    widths, covered = set(), np.zeros(10, bool)
    for seed in range(300):
        masked = silenced(np.ones((1, 4, 10), np.float32), seed, SpecAugmentConfig(1, 3))
        zero = masked[0, 0] == 0
        widths.add(int(zero.sum()))
        covered |= zero
    assert widths == {0, 1, 2, 3}
    assert covered.all()


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 40), batch_size=st.integers(1, 40), seed=st.integers(0, 2**31), first=st.integers(0, 30))
def test_training_order_is_one_permutation_after_another(n, batch_size, seed, first):
    order = TrainingOrder(n, min(batch_size, n), seed, (1, 4, 10), AUGMENT)
    drawn = [order(step) for step in range(first + 2 * n)]
    numbers = np.concatenate([rows for rows, _ in drawn])
    for start in range(0, len(numbers) - n + 1, n):
        assert sorted(numbers[start : start + n]) == list(range(n))
    again = TrainingOrder(n, min(batch_size, n), seed, (1, 4, 10), AUGMENT)(first)  # without any earlier call
    assert all(np.array_equal(a, b) for a, b in zip(again, drawn[first], strict=True))


def test_spec_augment_config_with_a_negative_size_is_refused():
    with pytest.raises(ValueError, match="max_freq=-1 must not be negative"):
        SpecAugmentConfig(max_freq=-1)


def test_train_batches_of_compressed_data_equal_uncompressed_ones(tiny_dataset):
    path = tiny_dataset / "shard-00000.h5"
    plain = take(train_batches(Reader(open_dataset(path)), np.arange(24), 8, seed=0), 3)
    with h5py.File(path, "r+") as file:
        mel = file["features/mel_spectrogram"][...]
        del file["features/mel_spectrogram"]
        file.create_dataset("features/mel_spectrogram", data=mel, compression="gzip")
    assert_same_batches(take(train_batches(Reader(open_dataset(path)), np.arange(24), 8, seed=0), 3), plain)
