"""A checkpoint of a tiny model, saved by Orbax as a training run saves it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

from vjax.data.store import open_dataset
from vjax.data.write_shard import write_shard
from vjax.engine.config import RenderConfig
from vjax.model.inverse import InverseModel, model_config
from vjax.training.checkpoint import Checkpoints, make_meta
from vjax.training.state import OptimizerConfig, create_state, make_optimizer

RENDER = RenderConfig(seconds=0.23, note_s=0.1)  # 20 frames, as the random rows have
SIZES = {"width": 4, "stage_sizes": (1, 1), "mod_embed_dim": 4}


@pytest.fixture(scope="session")
def rows_of_the_run(tmp_path_factory, schema, random_rows, shard_attributes) -> Path:
    """A dataset of 18 rows. The models of the checkpoints have its shapes."""
    folder = tmp_path_factory.mktemp("rows")
    write_shard(folder / "shard-00000.h5", schema, random_rows(6, seed=3), shard_attributes)
    return folder


@pytest.fixture(scope="session")
def trained(rows_of_the_run):
    """(dataset info, training state) of a tiny model whose predictions differ by sound."""
    info = open_dataset(rows_of_the_run)
    model = InverseModel(model_config(info.schema, True, **SIZES))
    state = create_state(model, make_optimizer(OptimizerConfig(), 10), 0, info.mel_shape)
    # As if trained: a new head predicts nearly no routes.
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.1, leaf.shape).astype(np.float32), state.params)
    return info, state.replace(params=params, step=np.int32(7))


@pytest.fixture(scope="session")
def save_checkpoint(trained) -> Callable[..., Path]:
    """`save_checkpoint(folder, dropout=0.5, **meta)`: the folder of the trained model; `meta` replaces its values."""

    def save(folder: Path, dropout: float = 0.5, **meta) -> Path:
        info, state = trained
        config = model_config(info.schema, True, dropout=dropout, **SIZES)
        settings = {"loss": {"presence": "margin"}}
        full = make_meta(info, config, tier=3, settings=settings) | {"render": dataclasses.asdict(RENDER)} | meta
        with Checkpoints(folder / "checkpoints") as checkpoints:
            checkpoints.save(state, full, val_loss=1.0)
        return folder

    return save


@pytest.fixture(scope="session")
def checkpoint(save_checkpoint, tmp_path_factory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("run"))
