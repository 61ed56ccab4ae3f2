"""Tests of the summary that a training run prints."""

import pytest

from vjax.evaluation.run_summary import print_summary

SUMMARY = {
    "steps": 504,
    "seconds": 424.2,
    "samples_per_second": 84.76,
    "best_val_loss": 0.9,
    "val": {
        "loss": 0.95,
        "continuous_mae": 0.0588,
        "categorical_accuracy": 0.8992,
        "categorical_majority": 0.8801,
        "audible_categorical_accuracy": 0.8731,
        "mod_precision": 0.0838,
        "mod_recall": 0.0912,
        "mod_f1": 0.0874,
    },
    "audio_distance": {"mss": {"random": 17.0, "nearest": 9.0, "prediction": 13.0, "floor": 1.0}},
    "silent_predictions": 0,
}


def printed_lines(summary, tmp_path, capsys):
    print_summary(summary, tmp_path)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_print_summary_prints_numbers_beside_their_baselines(tmp_path, capsys):
    lines = printed_lines(SUMMARY, tmp_path, capsys)
    assert "menus right 89.9%, majority class 88.0%" in lines
    assert "of the audible menus 87.3%" in lines
    assert "17.00 0.0% other training sounds (0 %)" in lines
    assert "9.00 50.0% the nearest training sound (baseline)" in lines
    assert "13.00 25.0% this model" in lines
    assert "1.00 100.0% the target itself with other random phases (100 %)" in lines
    assert not [line for line in lines if "silent" in line]


def test_print_summary_with_silent_predictions_prints_their_number(tmp_path, capsys):
    distances = {name: value for name, value in SUMMARY["audio_distance"]["mss"].items() if name != "prediction"}
    silent = {**SUMMARY, "audio_distance": {"mss": distances}, "silent_predictions": 8}
    lines = printed_lines(silent, tmp_path, capsys)
    assert "silent, and so without a distance: 8 predictions" in lines
    assert not [line for line in lines if "this model" in line]


@pytest.mark.parametrize("missing", ["audio_distance", "silent_predictions"])
def test_print_summary_without_distances_prints_the_rest(tmp_path, capsys, missing):
    summary = {key: value for key, value in SUMMARY.items() if key != missing}
    lines = printed_lines(summary, tmp_path, capsys)
    assert [line for line in lines if line.startswith("summary ")]
    assert ("13.00 25.0% this model" in lines) == (missing != "audio_distance")


def test_print_summary_of_a_model_behind_its_baselines_warns(tmp_path, capsys):
    warnings = [line for line in printed_lines(SUMMARY, tmp_path, capsys) if line.startswith("warning")]
    assert len(warnings) == 1  # 13 dB, where the nearest training sound is at 9
    assert "further from the targets than the nearest training sound; train longer" in warnings[0]
    guesses = SUMMARY | {"val": SUMMARY["val"] | {"categorical_accuracy": 0.5}}
    assert any("worse than a constant guess" in line for line in printed_lines(guesses, tmp_path, capsys))
    good = SUMMARY | {"audio_distance": {"mss": SUMMARY["audio_distance"]["mss"] | {"prediction": 5.0}}}
    assert not any(line.startswith("warning") for line in printed_lines(good, tmp_path, capsys))
