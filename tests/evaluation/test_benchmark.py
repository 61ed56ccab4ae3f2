"""Tests of the benchmark with the real engine and short renders: presets of three authors."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vjax.audio.clip import Clip
from vjax.audio.distances import mss, wmfcc
from vjax.audio.files import read_audio, write_wav
from vjax.audio.metric_names import METRICS, TRAITS
from vjax.audio.pitch import detect_pitch
from vjax.candidates.bank import CHECKPOINT_BANK, write_checkpoint_bank
from vjax.candidates.resynthesis.fit_table import WavetableFitConfig
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.engine import isolate
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import MachineError
from vjax.engine.pool import RenderJob, RenderPool
from vjax.evaluation import baselines
from vjax.evaluation.baseline_bank import BaselineBank
from vjax.evaluation.benchmark import Plan, run_benchmark
from vjax.evaluation.benchmark_summary import csv_text, evaluation, table
from vjax.evaluation.results import Results, Target
from vjax.evaluation.sound_index import sound_files
from vjax.evaluation.targets import Task, audio_tasks, dataset_tasks, preset_tasks
from vjax.inference.predict import Predictor
from vjax.inference.predict_many import Failure
from vjax.io.find_files import find_presets
from vjax.matching.banks import open_banks
from vjax.matching.batch import match_each, search_each
from vjax.matching.config import MatchConfig
from vjax.matching.match import match
from vjax.search.candidate import Candidate, Kind
from vjax.search.refine_config import RefineConfig
from vjax.vital import preset as vital_preset
from vjax.vital.preset import controls, read_preset, write_preset
from vjax.vital.preset_json import read_json

PEOPLE = Path(__file__).parents[1] / "data" / "presets"
AUTHORS = {"ann": ("FM_Bass1",), "bob": ("Rhodesy", "Chippy_Klassic"), "cid": ("Stolen_Bass",)}
"""The audible targets."""
UNUSABLE = ("cid-silent", "cid-zero")

RENDER = RenderConfig(seconds=0.4, note_s=0.3)
NOTE = 48
RATE = RENDER.sample_rate


QUICK = {"variants": 1, "patch": False, "resynthesis": None, "equalise": 0}

pytestmark = pytest.mark.usefixtures("one_judge_seed")


def with_config(sounds, **settings):
    return (dataclasses.replace(one, config=dataclasses.replace(one.config, **settings)) for one in sounds)


def searching(searches: list, pool):
    """The search of `vjax refine`. Appends (target, renders, labels of the candidates) of each search to `searches`."""

    def refine(sounds, evals):
        config = RefineConfig(evals=evals, engine_seeds=1)

        def recorded():
            for one in with_config(sounds, refine=config, equalise=0):
                searches.append((one.name, evals, [candidate.label for candidate in one.candidates]))
                yield one

        return search_each(recorded(), config, None, pool)

    return refine


@pytest.fixture(scope="module")
def model(engine_run):
    return Predictor.from_checkpoint(engine_run, batch_size=1)


@pytest.fixture(scope="module")
def banks(model, engine_run, tmp_path_factory):
    """The four sounds of the model's dataset."""
    folder = tmp_path_factory.mktemp("bank")
    info = open_dataset(engine_run / "data")
    write_checkpoint_bank(folder / CHECKPOINT_BANK, info, Reader(info), np.arange(info.n))
    return open_banks(model, folder)


@pytest.fixture(scope="module")
def matching(model, banks):
    """`matching(pool)`: `vjax match` of many sounds, with few candidates."""
    return lambda pool: lambda sounds: match_each(with_config(sounds, **QUICK), model, pool, banks)


@pytest.fixture(scope="module")
def finished(preset_folder, matching, one_judge_seed, tmp_path_factory):
    """(out, tasks, plan, results, searches) of a run. The bank has two presets more than the targets are."""
    out, searches = tmp_path_factory.mktemp("out"), []
    targets = [f"{author}-{name}" for author, names in AUTHORS.items() for name in names]
    tasks = preset_tasks(find_presets(preset_folder), preset_folder, NOTE)
    tasks = [task for task in tasks if task.target.id in (*targets, *UNUSABLE)]
    plan = Plan(has_bank=True, has_model=True, starts=("nearest", "best"), refine_evals=(7,))
    with RenderPool(RENDER, workers=2) as pool:
        bank = BaselineBank(find_presets(preset_folder), preset_folder, out / "bank", pool)
        results = run_benchmark(tasks, out, plan, pool, bank, matching(pool), searching(searches, pool))
    return out, tasks, plan, results, searches


def all_sounds(folder):
    return sound_files(sorted(path for path in folder.rglob("*") if path.suffix == ".wav"), folder)


def sound(out, target, name):
    return read_audio(out / "sounds" / target / f"{name}.wav", RATE)


def rendered(preset, note=NOTE, seed=0):
    with RenderPool(RENDER, workers=1) as pool:
        return pool.render(RenderJob(preset, (note,), seed)).audio[0]


def test_run_benchmark_adds_scores_or_an_error_for_each_target_and_method(finished):
    out, tasks, plan, results, _ = finished
    methods = ("init", "random", "nearest", "prediction", "match", "closest", "nearest+7", "best+7", "floor")
    assert plan.order(tasks) == methods
    assert set(results.rows) == {(task.target.id, method) for task in tasks for method in methods}
    for row in results.rows.values():
        if row.target in UNUSABLE:
            assert set(row.metrics.values()) == {None}
            assert ("silent at note 48" if row.target == "cid-silent" else "zero.vital: not JSON") in row.error
        else:
            assert row.error == ""
            assert list(row.metrics) == [*METRICS, *TRAITS]
            assert all(np.isfinite(row.metrics[name]) for name in METRICS)
            assert all(row.metrics[name] is not None for name in TRAITS if name != "pitch")  # noise has no pitch
            assert (row.editing is None) == (row.method in ("init", "random", "floor"))
    assert Results(out).rows == results.rows


def test_run_benchmark_written_presets_render_to_the_written_sounds(finished):
    out, *_ = finished
    names = {path.name for path in (out / "sounds" / "bob-Rhodesy").iterdir()}
    made = ("target", "nearest", "prediction", "match", "closest", "nearest+7", "best+7")
    assert names == {f"{name}.{end}" for name in made for end in ("wav", "vital")}
    for name in made:
        again = rendered(read_preset(out / "sounds" / "bob-Rhodesy" / f"{name}.vital").to_json())
        assert np.array_equal(sound(out, "bob-Rhodesy", name), again), name
    assert np.array_equal(sound(out, "bob-Rhodesy", "target"), rendered(read_json(PEOPLE / "Rhodesy.vital")))


def test_run_benchmark_scores_are_distances_of_the_written_sounds(finished):
    out, _, _, results, _ = finished
    target = sound(out, "bob-Rhodesy", "target")
    for method in ("nearest", "prediction", "nearest+7"):
        row, audio = results.rows["bob-Rhodesy", method], sound(out, "bob-Rhodesy", method)
        assert row.metrics["mss"] == pytest.approx(float(mss(audio, target)), rel=1e-4)
        assert row.metrics["wmfcc"] == pytest.approx(float(wmfcc(audio, target)), rel=1e-4)
    init = rendered(vital_preset.init().to_json())
    assert results.rows["bob-Rhodesy", "init"].metrics["mss"] == pytest.approx(float(mss(init, target)), rel=1e-4)
    again = [rendered(read_json(PEOPLE / "Rhodesy.vital"), seed=seed) for seed in (1, 2, 3)]
    reference = np.mean([float(mss(one, target)) for one in again])
    assert results.rows["bob-Rhodesy", "floor"].metrics["mss"] == pytest.approx(reference, rel=1e-4)


def test_run_benchmark_neighbours_have_other_authors_and_contents(finished, preset_folder):
    """Rhodesy is compared with the audible presets of ann and cid. FM_Bass1 is never compared with its copy."""
    out, _, _, results, _ = finished
    others = ("ann/FM_Bass1", "ann/Sine2Saw", "cid/Drifting_Pad_1108Redux")
    target = sound(out, "bob-Rhodesy", "target")
    found = {name: float(mss(rendered(read_json(preset_folder / f"{name}.vital")), target)) for name in others}
    nearest, random = results.rows["bob-Rhodesy", "nearest"], results.rows["bob-Rhodesy", "random"]
    assert nearest.label == min(found, key=found.get)
    assert nearest.metrics["mss"] == pytest.approx(min(found.values()), rel=1e-4)
    assert random.metrics["mss"] == pytest.approx(np.median(list(found.values())), rel=1e-4)
    assert random.label == "median of 3 presets"
    # Two presets of bob and one of cid, without cid's copy, which is the same entry of the bank.
    assert results.rows["ann-FM_Bass1", "random"].label == "median of 3 presets"
    assert results.rows["cid-Stolen_Bass", "random"].label == "median of 3 presets"


def test_run_benchmark_prediction_and_match_equal_those_of_match(finished, model, banks):
    """The evaluation calls the function that `vjax match` calls."""
    out, _, _, results, _ = finished
    audio = sound(out, "bob-Chippy_Klassic", "target")
    clip = Clip("bob-Chippy_Klassic", "Chippy_Klassic", audio, RATE, audio[:, :0])
    config = MatchConfig(note=NOTE, note_s=RENDER.note_s, **QUICK)
    with RenderPool(RENDER, workers=1) as pool:
        result = match(clip, model, pool, config, banks)
    assert np.array_equal(sound(out, "bob-Chippy_Klassic", "prediction"), result.predicted.audio)
    assert np.array_equal(sound(out, "bob-Chippy_Klassic", "match"), result.audio)
    written = read_preset(out / "sounds" / "bob-Chippy_Klassic" / "match.vital")
    assert written.to_json() == result.preset.to_json()
    row = results.rows["bob-Chippy_Klassic", "match"]
    assert (row.label, row.kind, row.evals) == (result.label, result.kind, result.evals)
    assert results.rows["bob-Chippy_Klassic", "closest"].metrics == row.metrics  # nothing made from the sound competes


@pytest.fixture
def rhodesy_with_patch(preset_folder, model, banks, tmp_path):
    """`rhodesy_with_patch(preset, resynthesis)`: (methods, target, rows) of Rhodesy, with `preset` as its patch."""
    files = [file for file in find_presets(preset_folder) if file.stem == "Rhodesy"]
    tasks = preset_tasks(files, preset_folder, NOTE)
    plan = Plan(has_bank=False, has_model=True, has_patches=True)

    def run(patch, resynthesis=None):
        made = {"variants": 1, "patch": False, "resynthesis": resynthesis, "equalise": 0}
        candidates = (Candidate("patch", patch, kind=Kind.PATCH),)
        with RenderPool(RENDER, workers=2) as pool:

            def matching(sounds):
                with_patch = (dataclasses.replace(one, candidates=candidates) for one in sounds)
                return match_each(with_config(with_patch, **made), model, pool, banks)

            rows = run_benchmark(tasks, tmp_path, plan, pool, match=matching).rows
        return plan.order(tasks), tasks[0].target.id, rows

    return run


def test_run_benchmark_with_patches_adds_rows_of_one_match(rhodesy_with_patch, tmp_path):
    order, target, rows = rhodesy_with_patch(read_preset(PEOPLE / "Rhodesy.vital"))
    assert order == ("init", "prediction", "match", "closest", "knobs", "patch", "floor")
    kinds = {method: rows[target, method].kind for method in ("match", "closest", "knobs", "patch")}
    assert kinds == {"match": "patch", "closest": "patch", "knobs": kinds["knobs"], "patch": "patch"}
    assert Kind(kinds["knobs"]).family == "knobs"
    assert rows[target, "patch"].metrics["mss"] < rows[target, "knobs"].metrics["mss"]
    for method in ("match", "closest", "knobs", "patch"):
        again = rendered(read_preset(tmp_path / "sounds" / target / f"{method}.vital").to_json())
        assert np.array_equal(sound(tmp_path, target, method), again), method


def test_run_benchmark_with_a_silent_patch_adds_its_error_and_a_resynthesis(rhodesy_with_patch):
    other = read_preset(PEOPLE / "Chippy_Klassic.vital")
    mute = dataclasses.replace(other, continuous=other.continuous.copy())
    mute.continuous[controls().position["volume"]] = 0.0
    _, target, rows = rhodesy_with_patch(mute, WavetableFitConfig(frames=9, steps=10))
    assert rows[target, "patch"].error == "silent at note 48"
    assert rows[target, "closest"].kind == "resynthesis"
    assert Kind(rows[target, "match"].kind).family == "knobs"
    assert rows[target, "match"].metrics["mss"] > rows[target, "closest"].metrics["mss"]


def test_results_of_an_older_folder_have_an_empty_kind(tmp_path):
    row = {
        "target": "a",
        "method": "match",
        "metrics": {"mss": 1.0},
        "evals": 3,
        "seconds": 1.0,
        "error": "",
        "label": "x",
    }
    (tmp_path / "results.jsonl").write_text(json.dumps(row) + "\n")
    assert Results(tmp_path).rows["a", "match"].kind == ""


def test_run_benchmark_searches_begin_from_the_earlier_presets(finished):
    _, _, _, results, searches = finished
    usable = {target for target, _ in results.rows if target not in UNUSABLE}
    assert {(name, *labels) for name, _, labels in searches if len(labels) == 1} == {
        (name, "nearest") for name in usable
    }
    assert {name for name, _, labels in searches if labels == ["match", "prediction", "nearest"]} == usable
    row = results.rows["bob-Rhodesy", "best+7"]
    assert row.evals == 7
    assert row.label in ("match", "prediction", "nearest")


@pytest.mark.slow
def test_run_benchmark_with_a_failed_search_adds_its_error(finished, tmp_path):
    """A silent candidate or an error gives a row with a reason instead of scores."""
    out, tasks, *_ = finished
    shutil.copytree(out, tmp_path / "more")
    silent = vital_preset.init().to_json()
    silent["settings"]["osc_1_on"] = 0.0
    first = next(task.target.id for task in tasks if task.target.id not in UNUSABLE)
    write_preset(tmp_path / "more" / "sounds" / first / "nearest.vital", silent)
    plan = Plan(has_bank=True, has_model=False, starts=("nearest",), refine_evals=(3,))
    with RenderPool(RENDER, workers=2) as pool:
        bank = BaselineBank([], out, tmp_path / "more" / "bank", pool)
        results = run_benchmark(tasks, tmp_path / "more", plan, pool, bank, refine=searching([], pool))
    rows = {task.target.id: results.rows[task.target.id, "nearest+3"] for task in tasks}
    assert "all 1 candidates are silent or failed at note 48 (nearest: silent at note 48)" in rows[first].error
    assert rows["cid-silent"].error
    assert all(row.scored for name, row in rows.items() if name not in (first, *UNUSABLE))
    summary = evaluation({}, [task.target for task in tasks], results.rows, plan.order(tasks))["summary"]
    assert summary["methods"]["nearest+3"]["n_failed"] == 3


@pytest.mark.slow
def test_run_benchmark_after_a_killed_run_adds_the_same_rows(finished, preset_folder, matching, tmp_path):
    """The results are cut in the middle of a line. One sound is missing, all others exist."""
    out, tasks, plan, results, _ = finished
    lines = (out / "results.jsonl").read_bytes().splitlines(keepends=True)
    cut = len(lines) // 2
    shutil.copytree(out, tmp_path / "killed")
    (tmp_path / "killed" / "results.jsonl").write_bytes(b"".join(lines[:cut]) + lines[cut][:30])
    (tmp_path / "killed" / "sounds" / "bob-Rhodesy" / "prediction.wav").unlink()
    with RenderPool(RENDER, workers=2) as pool:
        bank = BaselineBank(find_presets(preset_folder), preset_folder, tmp_path / "killed" / "bank", pool)
        again = run_benchmark(tasks, tmp_path / "killed", plan, pool, bank, matching(pool), searching([], pool))
    written = (tmp_path / "killed" / "results.jsonl").read_bytes()
    assert written.startswith(b"".join(lines[:cut]))
    assert len(written.splitlines()) == len(lines)

    def without_seconds(rows):  # the times may differ
        return {key: dataclasses.replace(row, seconds=0.0) for key, row in rows.items()}

    assert without_seconds(again.rows) == without_seconds(results.rows)
    assert np.array_equal(
        sound(tmp_path / "killed", "bob-Rhodesy", "prediction"), sound(out, "bob-Rhodesy", "prediction")
    )


def no_process(_):
    raise BlockingIOError(11, "Resource temporarily unavailable")


@pytest.mark.slow
@pytest.mark.parametrize("played_before", [False, True])
def test_run_benchmark_with_an_engine_that_cannot_start_stores_no_row(
    finished, preset_folder, tmp_path, monkeypatch, played_before
):
    """The same call adds the rows when the engine runs again."""
    out, tasks, _, whole, _ = finished
    plan = Plan(has_bank=True, has_model=False)
    if played_before:
        shutil.copytree(out / "sounds", tmp_path / "sounds")
    with RenderPool(RENDER, workers=2) as pool:
        bank = BaselineBank(find_presets(preset_folder), preset_folder, tmp_path / "bank", pool)
        with monkeypatch.context() as no_processes:
            no_processes.setattr(isolate, "start_process", no_process)
            with pytest.raises(MachineError, match="the engine cannot run on this machine"):
                run_benchmark(tasks, tmp_path, plan, pool, bank)
        assert all("the engine cannot" not in row.error for row in Results(tmp_path).rows.values())
        results = run_benchmark(tasks, tmp_path, plan, pool, bank)
    assert results.rows == {key: row for key, row in whole.rows.items() if key[1] in plan.methods(tasks[0])}


@pytest.mark.parametrize("method", ["match", "refine"])
def test_run_benchmark_with_a_match_that_fails_by_the_machine_stores_no_row(finished, tmp_path, method):
    out, tasks, *_ = finished
    shutil.copytree(out, tmp_path / "more")
    starts, evals = ("nearest",), (3,) if method == "refine" else ()
    plan = Plan(has_bank=True, has_model=True, starts=starts, refine_evals=evals, has_patches=method == "match")
    stored = (tmp_path / "more" / "results.jsonl").read_bytes()

    def failing(sounds, *_):
        return (Failure(one.name, f"{one.name}: its process could not be started", True) for one in sounds)

    with RenderPool(RENDER, workers=1) as pool:
        bank = BaselineBank([], out, tmp_path / "more" / "bank", pool)
        with pytest.raises(MachineError, match="could not be started"):
            run_benchmark(tasks, tmp_path / "more", plan, pool, bank, failing, failing)
    assert (tmp_path / "more" / "results.jsonl").read_bytes().startswith(stored)
    assert b"could not be started" not in (tmp_path / "more" / "results.jsonl").read_bytes()


def test_evaluation_summary_csv_and_table_contain_all_numbers(finished):
    _, tasks, plan, results, _ = finished
    targets = [task.target for task in tasks]
    content = json.loads(
        json.dumps(evaluation({"note": NOTE}, targets, results.rows, plan.order(tasks)), allow_nan=False)
    )
    summary = content["summary"]
    scored = [task.target.id for task in tasks if results.rows[task.target.id, "init"].scored]
    assert (summary["n_targets"], len(scored)) == (6, 4)
    values = {m: [results.rows[t, m].metrics["mss"] for t in scored] for m in plan.order(tasks)}
    for method, found in values.items():
        described = summary["methods"][method]
        assert (described["n_failed"], described["metrics"]["mss"]["n"]) == (2, 4)
        assert described["metrics"]["mss"]["median"] == pytest.approx(np.median(found), rel=1e-5)
        low, high = described["metrics"]["mss"]["mean_interval"]
        assert low <= np.mean(found) <= high
        share = (np.mean(values["random"]) - np.mean(found)) / (np.mean(values["random"]) - np.mean(values["floor"]))
        assert summary["recovered_share"]["mss"][method] == pytest.approx(share, rel=1e-4, abs=1e-5)
    by_author = [
        np.mean([results.rows[f"{a}-{n}", "init"].metrics["mss"] for n in names]) for a, names in AUTHORS.items()
    ]
    assert summary["methods"]["init"]["metrics"]["mss"]["macro_average"] == pytest.approx(np.mean(by_author), rel=1e-5)
    assert summary["recovered_share"]["mss"]["random"] == 0
    assert summary["recovered_share"]["mss"]["floor"] == 1
    assert set(summary["failed"]["floor"]) == {"cid-silent", "cid-zero"}
    lines = table(summary).splitlines()
    n_methods, presets = len(plan.order(tasks)), next(i for i, line in enumerate(lines) if line.startswith("preset "))
    assert [line.split()[0] for line in lines[1 : 1 + n_methods]] == list(plan.order(tasks))
    assert any(
        line.startswith("MSS is over the time in which either sound plays; MSS padded is over") for line in lines
    )
    traits = next(i for i, line in enumerate(lines) if "attack octaves" in line)
    assert [line.split()[0] for line in lines[traits + 1 : traits + 1 + n_methods]] == list(plan.order(tasks))
    assert traits < presets
    written = [method for method in plan.order(tasks) if method not in ("init", "random", "floor")]
    assert [line.split()[0] for line in lines[presets + 1 : -1]] == written
    assert f"{np.median(values['nearest']):.2f}" in next(line for line in lines if line.startswith("nearest "))
    rows = csv_text(targets, [results.rows[key] for key in results.rows], summary).splitlines()
    assert len(rows) == 1 + len(results.rows)
    assert rows[0].startswith("target,name,author,class,source,note,method,mss,")


def test_run_benchmark_with_sound_files_has_no_reference_and_no_share(preset_folder, tmp_path):
    audio = rendered(read_json(PEOPLE / "FM_Bass1.vital"), note=60)
    (tmp_path / "sounds").mkdir()
    write_wav(tmp_path / "sounds" / "bass.wav", audio[:1], RATE)
    (tmp_path / "sounds" / "broken.wav").write_text("not a sound")
    tasks = audio_tasks(all_sounds(tmp_path / "sounds"), RENDER)
    plan = Plan(has_bank=True, has_model=False, refine_evals=(3,))
    with RenderPool(RENDER, workers=2) as pool:
        bank = BaselineBank(find_presets(preset_folder), preset_folder, tmp_path / "bank", pool)
        results = run_benchmark(tasks, tmp_path / "out", plan, pool, bank, refine=searching([], pool))
    assert plan.order(tasks) == ("init", "random", "nearest", "nearest+3")
    assert "cannot be read as audio" in results.rows["broken.wav", "init"].error
    assert results.rows["bass.wav", "nearest"].label == "ann/FM_Bass1"  # no author is excluded
    assert sound(tmp_path / "out", "bass.wav", "target").shape == (2, RENDER.samples)
    targets = [task.target for task in tasks]
    pitch = detect_pitch(audio[:1], RATE)  # clear, but an octave or two off: an FM sound
    assert pitch.clear
    assert {target.id: target.note for target in targets}["bass.wav"] == pitch.note
    summary = evaluation({}, targets, results.rows, plan.order(tasks))["summary"]
    assert summary["recovered_share"]["mss"]["nearest"] is None
    assert " - " in table(summary)


def test_run_benchmark_with_takes_adds_their_mean_distance(tmp_path):
    """Three takes of a note, a sound without another take, and one whose other take is broken."""
    takes = [rendered(read_json(PEOPLE / "Rhodesy.vital"), seed=seed) for seed in (0, 1, 2)]
    folder = tmp_path / "sounds"
    folder.mkdir()
    for i, audio in enumerate(takes):
        write_wav(folder / f"take{i}.wav", audio, RATE)
    for name in ("alone", "first"):
        write_wav(folder / f"{name}.wav", takes[0], RATE)
    (folder / "broken.wav").write_text("not a sound")
    (folder / "INDEX.csv").write_text(
        "file,class,take_of\ntake0.wav,keys,\ntake1.wav,keys,take0.wav\ntake2.wav,keys,take0.wav\n"
        "broken.wav,keys,first.wav\n"
    )
    tasks = audio_tasks(all_sounds(folder), RENDER)
    plan = Plan(has_bank=False, has_model=False)
    with RenderPool(RENDER, workers=1) as pool:
        rows = run_benchmark(tasks, tmp_path / "out", plan, pool).rows
    assert plan.order(tasks) == ("init", "take")
    assert {name for name, method in rows if method == "take"} == {
        *("take0.wav", "take1.wav", "take2.wav"),
        *("first.wav", "broken.wav"),  # both with an error
    }
    targets = [sound(tmp_path / "out", f"take{i}.wav", "target") for i in range(3)]
    for i in range(3):
        row, others = rows[f"take{i}.wav", "take"], targets[:i] + targets[i + 1 :]
        assert row.metrics["mss"] == pytest.approx(np.mean([float(mss(one, targets[i])) for one in others]), rel=1e-4)
        assert row.label == "2 other takes"
        assert np.array_equal(sound(tmp_path / "out", f"take{i}.wav", "take"), others[0])
    assert "broken.wav" in rows["first.wav", "take"].error


@pytest.mark.slow
def test_run_benchmark_with_many_notes_renders_a_shortlist_at_each_note(preset_folder, tmp_path, monkeypatch):
    """The whole bank is rendered at the nearest of BANK_NOTES, and only a shortlist at each recording's note."""
    monkeypatch.setattr(baselines, "SHORTLIST", 2)
    monkeypatch.setattr(baselines, "SAMPLE", 1)
    (tmp_path / "sounds").mkdir()
    for note in (58, 63):
        audio = rendered(read_json(PEOPLE / "Sine2Saw.vital"), note)
        write_wav(tmp_path / "sounds" / f"{note}.wav", audio, RATE)
    found = audio_tasks(all_sounds(tmp_path / "sounds"), RENDER)
    notes = [int(Path(task.target.id).stem) for task in found]
    targets = [dataclasses.replace(task.target, note=note) for task, note in zip(found, notes, strict=True)]
    tasks = [dataclasses.replace(task, target=target) for task, target in zip(found, targets, strict=True)]
    assert [baselines.bank_note(task) for task in tasks] == [60] * 2
    with RenderPool(RENDER, workers=2) as pool:
        bank = BaselineBank(find_presets(preset_folder), preset_folder, tmp_path / "bank", pool)
        results = run_benchmark(tasks, tmp_path / "out", Plan(has_bank=True, has_model=False), pool, bank)
    played = {int(folder.name): len(list(folder.iterdir())) for folder in (tmp_path / "bank").iterdir()}
    assert played.pop(60) == len(bank.files) == 6
    assert set(played) == {58, 63}
    assert set(played.values()) <= {2, 3}  # the one of the sample may be on the shortlist
    for task in tasks:
        nearest, random = (results.rows[task.target.id, method] for method in ("nearest", "random"))
        assert nearest.label == "ann/Sine2Saw"
        exact = rendered(read_json(PEOPLE / "Sine2Saw.vital"), task.target.note)
        assert np.array_equal(sound(tmp_path / "out", task.target.id, "nearest"), exact)
        target = sound(tmp_path / "out", task.target.id, "target")
        assert nearest.metrics["mss"] == pytest.approx(float(mss(exact, target)), rel=1e-4, abs=1e-4)
        assert random.label == "median of 1 presets"
        drawn = min((file for file in bank.files if file.name != "silent"), key=lambda file: file.content)
        exact = rendered(drawn.preset().to_json(), task.target.note)
        assert random.metrics["mss"] == pytest.approx(float(mss(exact, target)), rel=1e-4, abs=1e-4)


def test_bank_note_is_the_own_note_of_presets_and_the_nearest_bank_note_of_others():
    def note(source, played):
        return baselines.bank_note(Task(Target("a", "a", "", source, "a", played)))

    assert [note("presets", n) for n in (21, 48, 57, 100)] == [21, 48, 57, 100]
    assert [note("audio", n) for n in (21, 48, 57, 100)] == [36, 48, 60, 84]
    assert note("dataset", 57) == 60


def test_run_benchmark_with_a_dataset_renders_rows_at_their_notes(engine_run, tmp_path):
    info = open_dataset(engine_run / "data")
    tasks = dataset_tasks(info, val_fraction=0.5, seed=0)
    notes = {task.target.id: task.target.note for task in tasks}
    assert len(notes) == 2
    all_notes = dict(zip(("row-000000", "row-000001", "row-000002", "row-000003"), (48, 55, 60, 64), strict=True))
    assert notes.items() <= all_notes.items()
    with RenderPool(RENDER, workers=2) as pool:
        results = run_benchmark(tasks, tmp_path, Plan(has_bank=False, has_model=False), pool)
    assert {method for _, method in results.rows} == {"init", "floor"}
    assert all(row.scored for row in results.rows.values())
    for target, note in notes.items():
        again = rendered(read_preset(tmp_path / "sounds" / target / "target.vital").to_json(), note)
        assert np.array_equal(sound(tmp_path, target, "target"), again)


def test_plan_with_impossible_values_raises_and_missing_parts_reduce_it():
    with pytest.raises(ValueError, match="starts contains 'worst'; expected only prediction, nearest, best"):
        Plan(True, True, starts=("worst",))
    with pytest.raises(ValueError, match="a budget of 0 evaluations refines nothing"):
        Plan(True, True, refine_evals=(100, 0))
    assert Plan(True, False, refine_evals=(5,)).refinements == (("nearest", 5),)
    assert Plan(False, True, refine_evals=(5,)).refinements == (("prediction", 5),)
