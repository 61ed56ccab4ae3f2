"""Tests of `vjax bank`."""

import numpy as np
import pytest

from vjax.candidates.bank import CHECKPOINT_BANK, checkpoint_bank
from vjax.cli.main import main
from vjax.data.generate import generate
from vjax.data.sampling_config import SamplingConfig
from vjax.data.shard import GenerationConfig
from vjax.data.store import open_dataset
from vjax.engine.config import RenderConfig
from vjax.model.inverse import InverseModel, model_config
from vjax.training.checkpoint import Checkpoints, make_meta
from vjax.training.state import OptimizerConfig, create_state, make_optimizer
from vjax.vital.default_vocabulary import default_vocabulary


@pytest.mark.slow
def test_bank_writes_a_bank_that_a_match_can_search(tmp_path, capsys):
    render = RenderConfig(seconds=0.25, note_s=0.2)
    config = GenerationConfig(SamplingConfig(variants=4), render, random_notes=1, presets_per_shard=4)
    generate(config, tmp_path / "data", 4, progress=False)
    info = open_dataset(tmp_path / "data")
    model = model_config(info.schema, True, width=4, stage_sizes=(1, 1), mod_embed_dim=4)
    state = create_state(InverseModel(model), make_optimizer(OptimizerConfig(), 10), 0, info.mel_shape)
    with Checkpoints(tmp_path / "run" / "checkpoints") as checkpoints:
        checkpoints.save(state.replace(step=np.int32(3)), make_meta(info, model, tier=3, settings={}), val_loss=1.0)
    command = ["bank", str(tmp_path / "data"), "--checkpoint", str(tmp_path / "run"), "--credit", "Thanks."]
    assert main(command) == 0
    assert f"{CHECKPOINT_BANK}: 4 sounds, 0." in capsys.readouterr().out
    before = (tmp_path / "run" / "checkpoints" / CHECKPOINT_BANK).read_bytes()
    assert main([*command, "--credit", "Others."]) == 2
    assert f"{CHECKPOINT_BANK} exists; keep it, or --overwrite it" in capsys.readouterr().err
    assert (tmp_path / "run" / "checkpoints" / CHECKPOINT_BANK).read_bytes() == before
    assert main([*command, "--overwrite"]) == 0
    vocabulary = default_vocabulary()
    bank = checkpoint_bank(tmp_path / "run", vocabulary.schema(), vocabulary)
    assert len(bank.names) == 4
    assert bank.preset(3).comments.endswith("Thanks.")


def test_bank_of_another_dataset_ends_with_one_line(engine_run, capsys):
    assert main(["bank", str(engine_run / "data"), "--checkpoint", str(engine_run)]) == 1
    assert capsys.readouterr().err.strip().endswith("with `vjax generate --config.generation.sampling.variants=8`")
