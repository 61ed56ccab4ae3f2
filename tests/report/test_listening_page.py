"""Tests of the page of a listening test, in a real browser, and of its answers."""

import base64
import dataclasses
import io
import json
import shutil
import time

import numpy as np
import pytest
import soundfile
from selenium.webdriver.common.by import By

from vjax.audio.files import write_wav
from vjax.audio.loudness import loudness_lufs
from vjax.cli.main import main
from vjax.evaluation.listener_answers import read_answers, results
from vjax.evaluation.results import Results, Row, Target, failed_row, start_folder
from vjax.report.evaluation_folder import read_evaluation
from vjax.report.listening_page import COMPARISONS, comparisons, write_listening_page

RATE = 44100
METHODS = ("match", "nearest", "closest")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An evaluation of three sounds; `closest` of the second failed, and `nearest` of the third equals its match."""
    folder = tmp_path_factory.mktemp("listening")
    targets = [Target(f"t{i}", f"</script>{i}", "ann", "presets", f"{i}.vital", 60) for i in range(3)]
    start_folder(folder, {"limit": 3}, targets)
    found = Results(folder)
    rng = np.random.default_rng(0)
    fade = np.exp(-4 * np.arange(RATE) / RATE)
    for i in range(3):
        sounds = folder / "sounds" / f"t{i}"
        sounds.mkdir(parents=True)
        for k, name in enumerate(("target", *METHODS)):
            if name == "closest" and i == 1:
                found.add(failed_row("t1", name, "silent"))
                continue
            gain = 0.02 if name == "nearest" else 0.2
            write_wav(sounds / f"{name}.wav", (gain * fade * rng.standard_normal((2, RATE))).astype(np.float32), RATE)
            if k:
                found.add(Row(f"t{i}", name, {"mss": float(k)}))
    shutil.copy(folder / "sounds" / "t2" / "match.wav", folder / "sounds" / "t2" / "nearest.wav")
    return folder


def test_comparisons_leave_out_missing_and_equal_sounds(folder):
    found = set(comparisons(read_evaluation(folder)))
    assert found == {
        ("t0", "match", "nearest"),
        ("t1", "match", "nearest"),
        ("t0", "match", "closest"),
        ("t2", "match", "closest"),
    }


def test_comparisons_of_many_targets_share_the_page_among_pairs(folder, monkeypatch):
    evaluation = read_evaluation(folder)
    targets = tuple(dataclasses.replace(evaluation.targets[0], id=f"x{i}") for i in range(COMPARISONS))
    many = dataclasses.replace(evaluation, targets=targets)
    monkeypatch.setattr("vjax.report.listening_page._differ", lambda *_: True)
    found = list(comparisons(many))
    assert len(found) == len(set(found)) == COMPARISONS
    assert {pair: sum(one[1:] == pair for one in found) for pair in {one[1:] for one in found}} == {
        ("match", "nearest"): 8,
        ("match", "closest"): 8,
        ("patch", "knobs"): 8,
    }
    assert found == list(comparisons(many))


def test_write_listening_page_without_sounds_to_compare_is_none(folder, tmp_path):
    copied = tmp_path / "copy"
    shutil.copytree(folder, copied)
    shutil.rmtree(copied / "sounds")
    assert write_listening_page(copied) is None
    assert not (copied / "listen.html").exists()


def test_write_listening_page_gives_the_sounds_of_a_trial_one_loudness(folder):
    page = write_listening_page(folder).read_text()
    content = json.loads(page.split('id="listen-data">')[1].split("</script>")[0])
    for one in content["comparisons"]:
        levels = []
        for number in one["sounds"]:
            data = base64.b64decode(content["audio"][number].partition(",")[2])
            audio, rate = soundfile.read(io.BytesIO(data), dtype="float32")
            assert np.abs(audio).max() < 1
            levels.append(float(loudness_lufs(audio.T, rate)))
        assert max(levels) - min(levels) < 0.5


@pytest.fixture
def opened(browser, folder, tmp_path):
    path = write_listening_page(folder)
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.get_log("browser")
    browser.get(path.as_uri())
    yield browser
    assert browser.get_log("browser") == []


def _answer_all(browser, choose) -> list[tuple]:
    """Plays all three sounds of each trial, then answers what `choose(trial)` returns. Returns the trials."""
    trials = browser.execute_script("return trials.map((t) => [t.target, t.first, t.second])")
    for trial in trials:
        for which in ("target", "first", "second"):
            assert not browser.find_element(By.CSS_SELECTOR, "[data-choice]").is_enabled()
            browser.find_element(By.CSS_SELECTOR, f'[data-sound="{which}"]').click()
        browser.find_element(By.CSS_SELECTOR, f'[data-choice="{choose(trial)}"]').click()
    return [tuple(trial) for trial in trials]


def test_listening_page_plays_hides_names_and_exports_answers_that_evaluate_reads(opened, folder, tmp_path, capsys):
    text = opened.find_element(By.TAG_NAME, "body").text
    assert "Trial 1 of 8" in text
    assert not any(name in text for name in METHODS)
    opened.find_element(By.CSS_SELECTOR, '[data-sound="first"]').click()
    playing = "return [...players.values()].filter((audio) => !audio.paused).length"
    assert opened.execute_script(playing) == 1
    opened.refresh()
    trials = _answer_all(opened, lambda trial: "first" if trial[1] == "match" else "second")
    assert "Thank you" in opened.find_element(By.ID, "trial").text
    assert sorted(trials) == sorted(
        one for target, a, b in comparisons(read_evaluation(folder)) for one in ((target, a, b), (target, b, a))
    )
    opened.find_element(By.ID, "export").click()
    until = time.monotonic() + 10
    while not (files := list(tmp_path.glob("answers-*.json"))) and time.monotonic() < until:
        time.sleep(0.05)
    (file,) = files
    found = {(one["method"], one["other"]): one for one in results(read_answers([file]))}
    won = {one["method"] if one["share"] == 1 else one["other"] for one in found.values()}
    assert won == {"match"}
    assert all(one["consistent"] == 1 and one["n"] == 2 for one in found.values())
    assert main(["evaluate", "--listen", str(file)]) == 0
    assert "100%" in capsys.readouterr().out
    assert main(["evaluate", "--listen", str(file), "--json"]) == 0
    assert {one["share"] for one in json.loads(capsys.readouterr().out)} <= {0.0, 1.0}


def test_listening_page_shuffles_its_trials_and_plays_both_orders_apart(opened):
    sequences = set()
    for _ in range(4):
        trials = opened.execute_script("return trials.map((t) => [t.target, t.first, t.second].join())")
        sequences.add(tuple(trials))
        half = len(trials) // 2
        sets = [{frozenset(trial.split(",")) for trial in part} for part in (trials[:half], trials[half:])]
        assert sets[0] == sets[1]
        opened.refresh()
    assert len(sequences) > 1


def test_evaluate_listen_without_answers_fails_with_a_remedy(tmp_path, capsys):
    empty = {"version": 1, "evaluation": "all", "listener": "ann", "answers": []}
    (tmp_path / "a.json").write_text(json.dumps(empty))
    assert main(["evaluate", "--listen", str(tmp_path / "a.json")]) == 1
    assert "no answers yet; answer some trials, and export again" in capsys.readouterr().err
    assert main(["evaluate", "--listen", str(tmp_path / "b.json")]) == 1
    assert "b.json" in capsys.readouterr().err
