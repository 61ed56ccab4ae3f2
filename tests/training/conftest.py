"""Rows of a small dataset, as a batch."""

import numpy as np
import pytest

from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.stream import eval_batches
from vjax.data.write_shard import write_shard


@pytest.fixture(scope="module")
def data(tmp_path_factory, schema, random_rows, shard_attributes):
    """Returns (dataset info, function that maps n to the first n rows as a batch)."""
    folder = tmp_path_factory.mktemp("data")
    write_shard(folder / "shard-00000.h5", schema, random_rows(8, seed=1), shard_attributes)
    info = open_dataset(folder)
    reader = Reader(info)
    return info, lambda n: next(eval_batches(reader, np.arange(n), n))
