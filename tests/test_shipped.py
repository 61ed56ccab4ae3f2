"""Tests of the shipped model: its size, its files, its recipe, and `vjax match` without a checkpoint."""

import json
from pathlib import Path

import numpy as np
import pytest

from vjax.audio.clip import load_clip, prepare_clip
from vjax.audio.distances import mss
from vjax.candidates.bank import checkpoint_bank
from vjax.cli.main import main
from vjax.cli.recipe import read_config
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.inference.predict import Predictor
from vjax.shipped import MODEL, NAME, checkpoint_folder, checkpoint_name
from vjax.training.config import as_json
from vjax.vital import preset as vital_preset
from vjax.vital.editability import editability
from vjax.vital.preset import read_preset
from vjax.vital.values import with_values

ROOT = Path(__file__).parents[1]
SOUNDS = ROOT / "tests" / "data" / "sounds"


def test_shipped_model_is_small_and_describes_itself():
    """A limit of 40 MB keeps the repository small."""
    assert sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file()) < 40e6
    assert (MODEL / "bank.npz").is_file()
    predictor = Predictor.from_checkpoint(MODEL, batch_size=1)
    data = predictor.meta["settings"]["data"]
    assert (data["path"], data["presets"]) == ("", "")  # paths on the machine that trained the model
    assert predictor.catalog_json
    assert len(predictor.meta["knob_error_norm"]) == len(predictor.schema.continuous)
    card = (MODEL.parent / "MODEL_CARD.md").read_text()
    assert f"step {predictor.step:,}" in card
    assert "CC-BY" in card


def test_checkpoint_bank_of_the_shipped_model_credits_its_sources():
    predictor = Predictor.from_checkpoint(MODEL, batch_size=1)
    bank = checkpoint_bank(MODEL, predictor.schema, predictor.vocabulary)
    for number in (0, len(bank.names) - 1):
        assert bank.names[number] in bank.preset(number).comments
        assert "by Instatetragrammaton" in bank.preset(number).comments
        assert "CC-BY-4.0" in bank.preset(number).comments


def test_load_checkpoint_of_the_shipped_model_has_the_new_name_of_an_old_setting():
    """The file stores `data.answers`, the name of that time."""
    data = Predictor.from_checkpoint(MODEL, batch_size=1).meta["settings"]["data"]
    assert data["target_encoding"] is True
    assert "answers" not in data


def test_shipped_model_predicts_ordinary_stereo_from_the_mean_of_its_channels():
    """The sound is wide: its channels have a correlation of -0.3. No rule for broken recordings may change its bits."""
    predictor = Predictor.from_checkpoint(MODEL, batch_size=1)
    left, other = np.random.default_rng(0).normal(0, 0.02, (2, predictor.samples)).astype(np.float32)
    stereo = np.stack([left, np.float32(0.9) * other - np.float32(0.3) * left])
    expected = predictor.run(prepare_clip(stereo, predictor.sample_rate, predictor.samples).mean(0)[None])
    found = predictor.predict(stereo)
    np.testing.assert_array_equal(found.mel, expected.mels[0])
    np.testing.assert_array_equal(found.network.continuous, expected.prediction.continuous[0])


def test_shipped_model_settings_equal_its_recipe():
    config = as_json(read_config(str(ROOT / "configs" / "shipped.py"), []))
    recipe = json.loads(json.dumps(config))
    for section, stored in Predictor.from_checkpoint(MODEL, batch_size=1).meta["settings"].items():
        assert _with_keys_of(stored, recipe[section]) == stored


def _with_keys_of(stored, now):
    """The settings `now` without those that are newer than the model."""
    return {key: _with_keys_of(stored[key], now[key]) for key in stored} if isinstance(stored, dict) else now


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in SOUNDS.glob("*.wav")))
def test_match_without_a_checkpoint_writes_an_editable_patch_near_the_sound(name, tmp_path, capsys):
    """The command's own tests cover resynthesis."""
    out = tmp_path / "found.vital"
    assert main(["match", str(SOUNDS / name), "-o", str(out), "--no-resynthesis", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    labels = [one["label"] for one in found["candidates"]]
    assert any(label.startswith("prediction") for label in labels)
    assert any(label.startswith("training sound") for label in labels)
    clip = load_clip(SOUNDS / name, RenderConfig().sample_rate, RenderConfig().samples)
    with RenderPool(RenderConfig(), 1) as pool:
        init = pool.render(RenderJob(vital_preset.init().to_json(), (found["note"],))).audio[0]
    assert found["preset"]["metrics"]["mss"] < 0.4 * float(mss(init, clip.stereo(RenderConfig().samples)))
    preset = read_preset(out)
    assert preset.name == Path(name).stem
    assert found["preset"]["kind"] == "patch"
    count = editability(preset)
    assert count.editable, count.reasons
    _macros_do_something(preset, found["note"])


def _macros_do_something(preset: vital_preset.Preset, note: int) -> None:
    """Each macro with a name, turned up, changes what is played; Brightness raises the spectrum's centre."""
    named = {name: i for i, name in enumerate(preset.macro_names, start=1) if not name.startswith("MACRO")}
    assert named
    settings = [preset, *(with_values(preset, {f"macro_control_{i}": 1.0}) for i in named.values())]
    with RenderPool(RenderConfig(), 2) as pool:
        still, *turned = [one.audio[0] for one in pool.map(RenderJob(one.to_json(), (note,)) for one in settings)]
    for name, audio in zip(named, turned, strict=True):
        assert float(mss(audio, still)) > 0.2, name
        if name == "Brightness":
            assert _centroid_hz(audio) > _centroid_hz(still)


def _centroid_hz(audio: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(audio)).mean(0) ** 2
    return float((power * np.fft.rfftfreq(audio.shape[1], 1 / RenderConfig().sample_rate)).sum() / power.sum())


def test_checkpoint_folder_of_shipped_is_the_model_folder():
    assert checkpoint_folder(NAME) == str(MODEL)
    assert checkpoint_name(str(MODEL)) == NAME
    for folder in ("runs/mine", "./shipped"):
        assert checkpoint_folder(folder) == checkpoint_name(folder) == folder
