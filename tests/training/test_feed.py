"""Tests of the feed: the batches on the devices are those that are read, from any step on, streamed or resident."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.stream import eval_batches, train_batches
from vjax.training.config import base_config, unpack
from vjax.training.feed import eval_feed, train_feed
from vjax.training.step import data_mesh

ROWS = np.arange(39)


@pytest.fixture
def reader(tiny_dataset):
    return Reader(open_dataset(tiny_dataset))


@pytest.fixture
def config():
    config = base_config(3, "smoke")
    config.train.batch_size = 8
    config.augment.update({"n_time": 2, "n_freq": 1})
    return unpack(config)


def assert_same(fed, read):
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(fed))
    jax.tree.map(np.testing.assert_array_equal, fed, read)


@pytest.mark.parametrize("resident", [False, True])
def test_train_feed_returns_the_batches_that_are_read(reader, config, resident):
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, resident=resident))
    fed = train_feed(reader, ROWS, config, 3, data_mesh(jax.devices()[:1]))
    read = train_batches(reader, ROWS, 8, config.seed, 3, augment=config.augment)
    assert_same(list(itertools.islice(fed, 4)), list(itertools.islice(read, 4)))
    fed.close()
    read.close()


def test_eval_feed_returns_the_batches_that_are_read(reader):
    fed = list(eval_feed(reader, ROWS, 16, data_mesh(jax.devices()[:1])))
    assert_same(fed, list(eval_batches(reader, ROWS, 16)))
    assert sum(float(batch.valid.sum()) for batch in fed) == 39


def test_train_feed_with_too_few_rows_is_refused_before_the_first_batch(reader, config):
    with pytest.raises(ValueError, match="batch_size=8 does not fit the 5 training rows"):
        train_feed(reader, ROWS[:5], config, 0, data_mesh())
