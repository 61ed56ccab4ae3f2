"""Tests of all metrics, for one pair and for many pairs."""

import numpy as np
import pytest

from vjax.audio import distances
from vjax.audio import scores as scores_module
from vjax.audio.metric_names import METRICS
from vjax.audio.scores import as_metrics, pair_scores, scores

RATE = 44100


def test_pair_scores_of_more_than_one_part_equal_the_scores_of_each_pair(monkeypatch):
    monkeypatch.setattr(scores_module, "_PAIRS", (2, 64))
    rng = np.random.default_rng(0)
    bank, targets = (rng.normal(0, 0.1, (n, 2, 17640)).astype(np.float32) for n in (2, 3))
    targets[2] = 0
    found = pair_scores(bank, targets, RATE)
    for i, j in ((0, 0), (1, 1)):
        alone = as_metrics(scores(bank[i], targets[j], RATE))
        assert {name: float(found[name][i, j]) for name in METRICS} == pytest.approx(alone, rel=1e-4)
    assert np.isnan([found[name][:, 2] for name in METRICS]).all()
    assert np.isnan(scores(bank[0, :, :9000], targets[0, :, :9000], RATE)["loudness_difference"])


def test_scores_by_name_equal_the_distance_of_that_name():
    pred, target = np.random.default_rng(1).normal(0, 0.1, (2, 2, 17640)).astype(np.float32)
    found = as_metrics(scores(pred, target, RATE))
    assert list(found) == list(METRICS)
    for name, value in found.items():
        assert value == pytest.approx(float(getattr(distances, name)(pred, target, RATE)), rel=1e-5)


def test_as_metrics_of_silence_is_none():
    silence, noise = np.zeros((2, 17640), np.float32), np.full((2, 17640), 0.1, np.float32)
    assert as_metrics(scores(silence, noise, RATE)) == dict.fromkeys(METRICS)
