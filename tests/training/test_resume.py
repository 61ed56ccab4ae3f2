"""Tests of the changes that a continued run may make, by the metadata of its checkpoint."""

import dataclasses
import json

import pytest

from vjax.data.store import open_dataset
from vjax.model.inverse import model_config
from vjax.training.checkpoint import make_meta
from vjax.training.config import as_json, base_config, unpack
from vjax.training.resume import allowed_changes, refused_changes


@pytest.fixture
def info(tiny_dataset):
    return open_dataset(tiny_dataset)


def meta_of(info, **settings):
    """Returns the metadata of a run of the smoke recipe with some settings, as the loop makes them."""
    config = base_config(3, "smoke")
    config.update_from_flattened_dict(settings)
    model = model_config(info.schema, True, **dataclasses.asdict(unpack(config).model))
    return make_meta(info, model, config.tier, as_json(unpack(config))) | {"rows": {"train": 30, "val": 9}}


def stored(meta):
    """Converts to JSON and back, as a checkpoint does."""
    return json.loads(json.dumps(meta))


def test_changes_of_an_unchanged_run_are_empty(info):
    meta = meta_of(info)
    assert refused_changes(stored(meta), meta) == allowed_changes(stored(meta), meta) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("seed", 5, 0),
        ("tier", 2, 3),
        ("data.val_fraction", 0.5, 0.34),
        ("data.target_encoding", True, False),
        ("train.batch_size", 8, 4),
        ("optimizer.accumulate", 2, 1),
        ("model.width", 8, 4),
        ("model.stage_sizes", (1,), [1, 1]),
        ("model.mod_embed_dim", 8, 32),
    ],
)
def test_refused_changes_of_a_kept_setting_name_both_values(info, name, value, expected):
    before, now = stored(meta_of(info)), meta_of(info, **{name: value})
    value = list(value) if isinstance(value, tuple) else value  # as JSON
    assert refused_changes(before, now) == [f"{name} is {value}, expected {expected}"]
    assert allowed_changes(before, now) == []


@pytest.mark.parametrize(
    ("name", "value", "change"),
    [
        ("loss.modulation_weight", 1.0, "0.3 -> 1.0"),
        ("train.epochs", 7, "2 -> 7"),
        ("data.path", "elsewhere", " -> elsewhere"),
        ("model.dropout", 0.2, "0.1 -> 0.2"),
        ("model.compute_dtype", "bfloat16", "float32 -> bfloat16"),
        ("model.kernels", "plain", "fast -> plain"),
        ("augment.n_time", 1, "0 -> 1"),
        ("generation.notes", (50, 60), "[60] -> [50, 60]"),
    ],
)
def test_allowed_changes_of_any_other_setting_name_both_values(info, name, value, change):
    before, now = stored(meta_of(info)), meta_of(info, **{name: value})
    assert refused_changes(before, now) == []
    assert allowed_changes(before, now) == [f"{name} {change}"]


def test_refused_changes_of_other_data_name_the_differences(info):
    before = stored(meta_of(info))
    schema = dataclasses.replace(info.schema, sources=("env_2", "lfo_1", "macro_control_2", "velocity"))
    other = dataclasses.replace(info, schema=schema, catalog_json='{"tables": [1]}', mel=info.mel | {"f_min_hz": 20.0})
    found = refused_changes(before, meta_of(other))
    assert [text.partition(" is ")[0] for text in found] == ["mel.f_min_hz", "the data's schema", "the data's catalog"]
    assert all(", expected " in text for text in found)


def test_allowed_changes_of_render_settings_and_row_counts_name_both_values(info):
    longer = dataclasses.replace(info, render=info.render | {"note_s": 0.2})
    now = meta_of(longer) | {"rows": {"train": 60, "val": 9}}
    found = allowed_changes(stored(meta_of(info)), now)
    assert found == ["the data's render.note_s 0.1 -> 0.2", "rows.train 30 -> 60"]


def test_changes_from_an_older_checkpoint_compare_only_stored_values(info):
    older = stored(meta_of(info))
    del older["rows"], older["render"], older["settings"]["train"]["batch_size"], older["settings"]["loss"]
    now = meta_of(info, **{"train.batch_size": 8, "loss.modulation_weight": 1.0})
    assert refused_changes(older, now) == allowed_changes(older, now) == []


def test_changes_from_a_checkpoint_without_stage_sizes_compare_those_of_a_resnet_18(info):
    older = stored(meta_of(info))
    del older["model"]["stage_sizes"], older["model"]["kernels"]
    assert refused_changes(older, meta_of(info, **{"model.stage_sizes": (2, 2, 2, 2)})) == []
    assert refused_changes(older, meta_of(info)) == ["model.stage_sizes is [1, 1], expected [2, 2, 2, 2]"]
