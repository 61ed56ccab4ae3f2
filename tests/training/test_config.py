"""Tests of recipes, their variants and overrides."""

from pathlib import Path

import pytest

from vjax.cli.main import main
from vjax.training.config import VARIANTS, base_config, check_data_size, unpack

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("tier", [1, 2, 3])
@pytest.mark.parametrize("variant", VARIANTS)
def test_unpack_accepts_every_recipe(tier, variant):
    config = unpack(base_config(tier, variant))
    assert config.tier == config.generation.sampling.tier == tier
    assert (config.loss.modulation_weight > 0) == (tier == 3)


def test_base_config_of_tier_3_has_the_reports_numbers():
    config = unpack(base_config(3))
    loss = config.loss
    assert (loss.continuous_weight, loss.categorical_weight, loss.modulation_weight) == (1.0, 0.5, 0.3)
    assert (loss.modulation_pos_weight, loss.modulation_warmup_epochs) == (20.0, 5)
    assert config.generation.notes == (48, 60, 72)
    assert (config.generation.render.seconds, config.generation.render.sample_rate) == (2.0, 44100)
    assert config.generation.mel.frames(config.generation.render.samples) == 173
    assert (config.generation.sampling.route_p, config.generation.sampling.max_routes) == (0.15, 20)


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_base_config_draws_notes_from_the_whole_range(tier):
    for variant, n in (("", 3), ("demo", 3), ("smoke", 1)):
        generation = unpack(base_config(tier, variant)).generation
        assert generation.notes_per_preset == len(generation.notes_of(0, 0, 0)) == n
        assert (generation.notes_of(0, 0, 0) != generation.notes_of(0, 0, 1)) == (n > 1)
    low, high = unpack(base_config(tier)).generation.note_range
    assert low < 48
    assert high > 72


def test_unpack_with_note_overrides_uses_them():
    config = base_config(3)
    config.generation.random_notes = 0
    assert unpack(config).generation.notes_of(0, 0, 7) == (48, 60, 72)
    config.generation.update({"random_notes": 2, "note_range": [24, 35]})  # a list, as in JSON
    generation = unpack(config).generation
    assert generation.note_range == (24, 35)
    assert all(24 <= note <= 35 for note in generation.notes_of(0, 0, 7))
    config.generation.random_notes = 13
    with pytest.raises(ValueError, match=r"random_notes=13 in note_range=\(24, 35\)"):
        unpack(config)


def test_base_config_with_an_unknown_variant_names_the_nearest_one():
    with pytest.raises(ValueError, match=r"'dmeo' does not exist.*did you mean 'demo'"):
        base_config(3, "dmeo")


def test_unpack_with_a_negative_learning_rate_is_refused():
    config = base_config(3)
    config.optimizer.learning_rate = -1.0
    with pytest.raises(ValueError, match="learning_rate=-1"):
        unpack(config)


@pytest.mark.parametrize("command", [["train"], ["generate", "--out", "data"]])
def test_command_with_a_misspelled_override_names_the_nearest_setting(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flag = "--config.loss.modulation_wieght=0.5"
    assert main([*command, "--config", f"{ROOT}/configs/tier3.py:smoke", flag]) == 2
    printed = capsys.readouterr().err
    assert 'Did you mean "modulation_weight"' in printed
    assert len(printed.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tier", 5, r"tier=5; choose one of \(1, 2, 3\)"),
        ("seed", -1, "seed=-1; it must lie in"),
        ("seed", 2**32, "seed=4294967296; it must lie in"),
        ("data.n", 0, "data.n=0; it must be at least 1"),
        ("data.val_fraction", 0.0, "data.val_fraction=0.0; it must lie between 0 and 1"),
        ("data.val_fraction", 1.5, "data.val_fraction=1.5; it must lie between 0 and 1"),
        ("data.workers", -1, "data.workers=-1; it must be at least 0"),
        ("data.render_workers", -1, "data.render_workers=-1; it must be at least 0"),
        ("generation.notes", (), r"generation.notes=\(\); give MIDI notes"),
        ("generation.notes", (128,), r"generation.notes=\(128,\); give MIDI notes"),
        ("generation.random_notes", -1, "generation.random_notes=-1 in note_range"),
        ("generation.note_range", (84, 36), r"generation.random_notes=3 in note_range=\(84, 36\)"),
        ("generation.presets_per_shard", 0, "generation.presets_per_shard=0"),
        ("generation.seeds", 0, "generation.presets_per_shard=64, seeds=0"),
        ("generation.silence_db", float("nan"), "generation.silence_db=nan; expected a finite number"),
        ("generation.mel_dtype", "float64", "generation.mel_dtype='float64'; choose"),
        ("generation.sampling.tier", 0, "generation.sampling.tier 0 does not exist"),
        ("generation.sampling.preset_share", 1.1, "generation.sampling.preset_share=1.1"),
        ("generation.sampling.route_p", 0.0, "generation.sampling.route_p=0.0"),
        ("generation.sampling.max_routes", 65, "generation.sampling.max_routes=65"),
        ("generation.render.seconds", -1.0, r"generation.render.note_s=1.5 must lie in \(0, seconds=-1.0\]"),
        ("generation.render.note_s", 2.5, "generation.render.note_s=2.5"),
        ("generation.render.velocity", 0.0, "generation.render.velocity=0.0"),
        ("generation.render.sample_rate", 0, "generation.render.sample_rate=0"),
        ("generation.render.sample_rate", 3, "generation.render.sample_rate=3 must lie in"),
        ("generation.render.timeout_s", 0.0, "generation.render.timeout_s=0.0"),
        ("generation.render.sample_rate", 48000, "generation.mel.sample_rate=44100 differs"),
        ("generation.mel.n_fft", 0, "generation.mel.n_fft=0"),
        ("generation.mel.hop", 0, "generation.mel.hop=0"),
        ("generation.mel.n_mels", 0, "generation.mel.n_mels=0"),
        ("generation.mel.f_max_hz", 30000.0, "generation.mel: mel bands"),
        ("augment.n_time", -1, "augment.n_time=-1"),
        ("augment.max_freq", -1, "augment.max_freq=-1"),
        ("model.width", 0, "model.width=0; it must be at least 1"),
        ("model.mod_embed_dim", 0, "model.mod_embed_dim=0; it must be at least 1"),
        ("model.dropout", 1.0, r"model.dropout=1.0; it must lie in \[0, 1\)"),
        ("model.compute_dtype", "fp16", "model.compute_dtype='fp16'; choose float32 or bfloat16"),
        ("loss.knob_error", "cubed", "loss.knob_error is 'cubed'; choose one of"),
        ("loss.presence", "focal", "loss.presence is 'focal'; choose one of"),
        ("loss.continuous_weight", -1.0, "loss.continuous_weight is -1.0; it must be at least 0"),
        ("loss.modulation_weight", float("nan"), "loss.modulation_weight=nan; expected a finite number"),
        ("loss.modulation_pos_weight", 0.0, "loss.modulation_pos_weight is 0.0; it must be above 0"),
        ("loss.modulation_warmup_epochs", -1, "loss.modulation_warmup_epochs is -1"),
        ("loss.label_smoothing", 1.0, "loss.label_smoothing is 1.0"),
        ("optimizer.learning_rate", 0.0, "optimizer.learning_rate=0.0; it must be above 0"),
        ("optimizer.learning_rate", float("inf"), "optimizer.learning_rate=inf; expected a finite number"),
        ("optimizer.weight_decay", -1e-4, "optimizer.weight_decay=-0.0001; it must be at least 0"),
        ("optimizer.warmup_share", 1.0, "optimizer.warmup_share=1.0"),
        ("optimizer.clip_norm", 0.0, "optimizer.clip_norm=0.0; it must be above 0"),
        ("optimizer.accumulate", 0, "optimizer.accumulate=0"),
        *((f"train.{name}", 0, f"train.{name}=0; it must be at least 1") for name in ("epochs", "batch_size")),
        *((f"train.{name}", 0, f"train.{name}=0") for name in ("log_every", "checkpoint_every", "eval_every")),
        *((f"train.{name}", -1, f"train.{name}=-1") for name in ("listen_every", "listen_sounds", "patience")),
    ],
)
def test_unpack_with_an_invalid_value_names_key_value_and_expectation(name, value, message):
    config = base_config(3)
    config.update_from_flattened_dict({name: value})
    with pytest.raises(ValueError, match=f"^{message}"):
        unpack(config)


def test_unpack_with_an_unknown_setting_names_the_nearest_one():
    config = base_config(3)
    config.loss.modulation_wieght = 1.0
    with pytest.raises(
        ValueError, match=r"loss.modulation_wieght is not a setting; did you mean loss.modulation_weigh"
    ):
        unpack(config)


@pytest.mark.parametrize(
    ("n", "batch_size", "message"),
    [
        (200, 256, "train.batch_size=256 does not fit data.n=200 rows, of which at most 180 are for training; lower"),
        (3, 1, "data.n=3 rows at 3 notes a preset are 1 preset; .* set data.n to 4 or more"),
    ],
)
def test_check_data_size_with_too_few_rendered_rows_is_refused(n, batch_size, message):
    config = base_config(3)
    config.data.n, config.train.batch_size = n, batch_size
    with pytest.raises(ValueError, match=message):
        check_data_size(unpack(config))
    config.data.path = "elsewhere"
    check_data_size(unpack(config))


def test_check_data_size_accepts_every_recipe():
    for tier in (1, 2, 3):
        for variant in VARIANTS:
            check_data_size(unpack(base_config(tier, variant)))
