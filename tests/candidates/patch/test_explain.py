"""Sounds explained as patches, with the real engine: the render of a preset, and sounds that no patch explains."""

import copy
from collections.abc import Iterable, Iterator

import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.audio.pitch import detect_pitch
from vjax.candidates.patch import explain, modules
from vjax.candidates.patch import fit as fitting
from vjax.candidates.patch.attempts import Attempt
from vjax.candidates.patch.explain import Explained, explained
from vjax.engine.pool import Rendering, RenderJob, RenderPool
from vjax.search.candidate import Kind
from vjax.search.target import Sought
from vjax.vital.editability import editability
from vjax.vital.values import value_of

HEADROOM_DB = 12.0  # of the volume, over its default


class CrashingPool(RenderPool):
    """A pool whose engine crashes in the first `n` jobs of every call, by a wavetable of an unknown type."""

    n = 1

    def map(self, jobs: Iterable[RenderJob]) -> Iterator[Rendering]:
        return super().map(self._broken(job) if i < self.n else job for i, job in enumerate(jobs))

    def _broken(self, job: RenderJob) -> RenderJob:
        preset = copy.deepcopy(job.preset)
        preset["settings"]["wavetables"][0]["groups"][0]["components"][0]["type"] = "No Such Source"
        return RenderJob(preset, job.notes, job.seed, job.note_s)


@pytest.fixture
def hurried(monkeypatch):
    """For tests that do not measure how near a patch comes: few steps, attempts and corrections, and no module."""
    for steps in ("FIRST_STEPS", "STEPS", "MORE_STEPS"):
        monkeypatch.setattr(fitting, steps, 2)
    monkeypatch.setattr(modules, "MOST_MODULES", 0)
    for constant, value in {"_SKELETONS": 3, "_SKELETONS_OF_TWO": 2, "_KEPT": (3, 1)}.items():
        monkeypatch.setattr(explain, constant, value)


def sought_of(sketch, audio: np.ndarray) -> Sought:
    pitch = detect_pitch(audio, sketch.render.sample_rate)
    pitch = pitch if pitch.clear else None
    audio = np.asarray(audio, np.float32)
    return Sought(audio, sketch.note, sketch.render.note_s, sketch.render.sample_rate, pitch)


@pytest.fixture(scope="module")
def saw(sketch, by_hand) -> tuple[Sought, Explained]:
    """A saw through a steep low-pass, moved by envelopes."""
    (audio,) = sketch.play(by_hand.patches["filtered"])
    sought = sought_of(sketch, audio)
    with RenderPool(sketch.render, 2) as pool:
        return sought, explained(sought, pool, "Pluck")


@pytest.mark.parametrize(("missing_db", "level"), [(5, 0.35), (14, 0.35 * 10 ** (6 / 40)), (40, 1.0)])
def test_loud_enough_of_a_soft_patch_has_higher_levels_up_to_the_maximum(sketch, by_hand, missing_db, level):
    """The volume makes up for the last 8 dB."""
    sound = np.tile(sketch.tone(sketch.saw[0], 0.1), (2, 1)).astype(np.float32)
    preset, soft = by_hand.patches["filtered"], sound * np.float32(10 ** (-missing_db / 20))
    attempt = Attempt(None, None, 0.0, (sketch.saw,), preset, audio=soft)
    found = explain._loud_enough(attempt, sought_of(sketch, sound))
    assert value_of(found, "osc_1_level") == pytest.approx(level, rel=1e-3)


def assert_editable_patches(found: Explained) -> None:
    assert 1 <= len(found.candidates) <= 3
    assert len({one.label for one in found.candidates}) == len(found.candidates)
    for one in found.candidates:
        assert one.kind == Kind.PATCH
        assert one.label.startswith("patch, ")
        assert editability(one.preset).editable
        assert one.preset.name == "Pluck"


def distances_db(sketch, sought: Sought, found: Explained) -> list[float]:
    """MSS distances of the patches at the sound's level, which their volume must reach."""
    distances = []
    for audio in sketch.play(*(one.preset for one in found.candidates)):
        gain = np.float32(np.sqrt(np.sum(sought.audio**2) / np.sum(audio**2)))
        assert 20 * np.log10(gain) < HEADROOM_DB
        distances.append(float(mss(gain * audio, sought.audio, sought.sample_rate)))
    return distances


def test_explained_saw_in_few_steps_is_editable_and_within_reach_of_the_volume(hurried, sketch, by_hand):
    (audio,) = sketch.play(by_hand.patches["filtered"])
    sought = sought_of(sketch, audio)
    with RenderPool(sketch.render, 2) as pool:
        found = explained(sought, pool, "Pluck")
    assert_editable_patches(found)
    assert distances_db(sketch, sought, found)[0] < 3
    assert value_of(found.candidates[0].preset, "filter_1_on")


@pytest.mark.slow
def test_explained_saw_is_near_and_editable(sketch, saw):
    sought, found = saw
    assert_editable_patches(found)
    assert distances_db(sketch, sought, found)[0] < 2
    assert value_of(found.candidates[0].preset, "filter_1_on")
    assert found.evals > 20


def sounds(sketch) -> dict[str, np.ndarray]:
    """[2, samples] each."""
    n, rate = sketch.render.samples, sketch.render.sample_rate
    time_s = np.arange(n) / rate
    fall = 0.1 * np.exp(-3 * time_s)
    tones = {semitones: fall * sketch.tone(sketch.saw[0], n / rate, lambda at, s=semitones: 0 * at + s)[:n]
             for semitones in (0, 4, 7)}  # fmt: skip
    click = np.zeros(n)
    click[100] = 0.5
    mono = {
        "click": click,
        "silence with a click": np.roll(click, n // 2),
        "chord": sum(tones.values()),
        "50 ms": tones[0] * (time_s < 0.05),
        "silence": np.zeros(n),
    }
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, n))
    stereo = {"noise": noise, "inverted": tones[0] * np.array([[1], [-1]])}
    return {name: np.stack([wave, wave]) for name, wave in mono.items()} | stereo


@pytest.mark.parametrize(
    "name",
    [
        "silence",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("click", "silence with a click", "50 ms", "noise", "inverted")
        ),
    ],
)
def test_explained_unsuitable_sound_returns_editable_patches_or_none(hurried, sketch, name):
    with RenderPool(sketch.render, 2) as pool:
        found = explained(sought_of(sketch, sounds(sketch)[name].astype(np.float32)), pool, "Odd")
    assert len(found.candidates) == (0 if name == "silence" else 3)
    assert all(editability(one.preset).editable for one in found.candidates)


@pytest.mark.slow
def test_explained_with_some_crashes_loses_only_the_crashed_attempts(hurried, sketch):
    chord = sounds(sketch)["chord"].astype(np.float32)
    with CrashingPool(sketch.render, 2) as pool:
        found = explained(sought_of(sketch, chord), pool, "Odd")
    assert len(found.candidates) == 3


def test_explained_with_an_engine_that_always_crashes_returns_none(hurried, sketch, monkeypatch):
    monkeypatch.setattr(CrashingPool, "n", 1000)
    click = sounds(sketch)["click"].astype(np.float32)
    with CrashingPool(sketch.render, 2) as pool:
        assert explained(sought_of(sketch, click), pool, "Odd").candidates == []
