"""Tests of the periods of curves."""

import numpy as np
import pytest

from vjax.candidates.patch.loops import LEAST_CYCLES, period_of

TIME_S = np.arange(150) * 0.01


def gate(period_s: float) -> np.ndarray:
    return (TIME_S % period_s < 0.5 * period_s).astype(float)


def tremolo(hz: float) -> np.ndarray:
    return 0.75 + 0.25 * np.sin(2 * np.pi * hz * TIME_S)


def steps(n: int, period_s: float) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=n)[(TIME_S / period_s * n + 1e-6).astype(int) % n]


@pytest.mark.parametrize(
    ("curve", "period_s"),
    [
        (gate(0.24), 0.24),
        (gate(0.24) * np.exp(-2 * TIME_S), 0.24),
        (gate(0.6), 0.6),
        (tremolo(6), 1 / 6),
        (tremolo(30), 1 / 30),
        (tremolo(6) * TIME_S / TIME_S[-1], 1 / 6),
        (tremolo(6) + 3 * TIME_S**2, 1 / 6),
        (steps(4, 0.5), 0.5),
        (steps(8, 0.5), 0.5),
    ],
    ids=["gate", "decaying", "slow", "tremolo", "fast", "multiplied swell", "added swell", "steps", "8 steps"],
)
def test_period_of_curve_that_repeats_returns_its_shortest_period(curve, period_s):
    found = period_of(TIME_S, curve)
    assert found.period_s == pytest.approx(period_s, rel=0.01)
    assert found.explained > 0.9


def test_period_of_curve_with_gaps_ignores_them():
    curve = np.where(gate(0.24) > 0, 60 + 12 * np.sin(2 * np.pi * 3 * TIME_S), np.nan)
    assert period_of(TIME_S, curve, 1.0).period_s == pytest.approx(1 / 3, rel=0.01)


def test_period_of_curve_that_does_not_repeat_returns_none():
    rng = np.random.default_rng(0)
    curves = {
        "flat": np.ones(150),
        "decay": np.exp(-3 * TIME_S),
        "envelope": np.maximum(np.exp(-12 * TIME_S), 0.4) * np.minimum(TIME_S / 0.03, 1),
        "too slow": np.sin(2 * np.pi * (LEAST_CYCLES - 0.4) / TIME_S[-1] * TIME_S),
        "too weak": 1 + 0.005 * gate(0.24),
        "unknown": np.full(150, np.nan),
        **{f"noise {i}": 1 + 0.1 * rng.normal(size=150) for i in range(10)},
        **{f"walk {i}": np.cumsum(0.1 * rng.normal(size=150)) for i in range(10)},
    }
    assert [name for name, curve in curves.items() if period_of(TIME_S, curve)] == []
