"""Tests the report of an evaluation with real renders, in a real browser."""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from vjax.audio.files import write_wav
from vjax.audio.metric_names import METRICS
from vjax.audio.scores import as_metrics, scores
from vjax.audio.traits import trait_scores, traits_of
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.evaluation import turns
from vjax.evaluation.editing import editing
from vjax.evaluation.elsewhere import COLUMNS, CONDITIONS, INSTRUMENT, play_elsewhere, read_elsewhere, summarise
from vjax.evaluation.phrases import play_phrases
from vjax.evaluation.results import Results, Row, Target, failed_row, start_folder
from vjax.evaluation.turns import play_turns
from vjax.page.parts import embedded_json
from vjax.report.content import page_data, sound_detail
from vjax.report.evaluation_folder import read_evaluation
from vjax.report.report import write_report
from vjax.vital.preset import Route, controls, init, read_preset, write_preset

PRESETS = Path(__file__).parents[1] / "data" / "presets"
RENDER = RenderConfig(seconds=0.5, note_s=0.4)
NAMES = ("<script>alert(1)</script>", '</script><img src=x onerror="alert(2)">', "A sound without sound")
AUTHORS = ("Bob & <!-- Sons", "<b>Zoë</b>", "anna")
METHODS = ("init", "random", "nearest", "prediction", "prediction+100", "best+100", "floor")
MINUS = "\u2212"  # as wide as a digit
BROKEN = "the engine <i>refused</i> the preset"


def _presets_by_method(target, other):
    """A preset for each method, as in an evaluation."""
    continuous = target.continuous.copy()
    continuous[controls().position["filter_1_cutoff"]] = 0.9
    continuous[controls().position["osc_1_pan"]] = 0.1
    routes = (Route("lfo_8", "osc_1_pan", 0.25), *target.routes[1:])
    prediction = dataclasses.replace(target, continuous=continuous, routes=routes)
    refined = dataclasses.replace(target, routes=routes)
    return dict(zip(METHODS, (init(), other, other, prediction, refined, refined, target), strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An evaluation of three sounds: two presets with hostile names, and a sound for which every method failed.

    Only the first is played elsewhere and turned.
    """
    folder = tmp_path_factory.mktemp("evaluation")
    presets = [read_preset(PRESETS / f"{name}.vital") for name in ("FM_Bass1", "Rhodesy")]
    targets = [Target(f"t{i}", name, AUTHORS[i], "presets", f"{i}.vital", 60 - i) for i, name in enumerate(NAMES)]
    start_folder(folder, {"checkpoint": "runs/</script>", "limit": 3}, targets)
    results = Results(folder)
    with RenderPool(RENDER) as pool:
        for i, (preset, other) in enumerate(zip(presets, presets[::-1], strict=True)):
            by_method = _presets_by_method(preset, other)
            jobs = [RenderJob(preset.to_json(), (60,))]
            jobs += [RenderJob(one.to_json(), (60,), 7 * (method == "floor")) for method, one in by_method.items()]
            target, *audio = (rendering.audio[0] for rendering in pool.map(jobs))
            found = scores(np.stack(audio), target[None], RENDER.sample_rate)
            traits = [traits_of(sound, RENDER.sample_rate) for sound in (target, *audio)]
            found |= trait_scores(traits[1:], traits[0])
            sounds = folder / "sounds" / f"t{i}"
            sounds.mkdir(parents=True)
            for name, sound in zip(("target", *by_method), (target, *audio), strict=True):
                write_wav(sounds / f"{name}.wav", sound, RENDER.sample_rate)
            for name, one in {"target": preset, **by_method}.items():
                write_preset(sounds / f"{name}.vital", one)
            for j, method in enumerate(METHODS):
                metrics = as_metrics({name: values[j] for name, values in found.items()})
                label = NAMES[1 - i] if method == "nearest" else ""
                parts = editing(by_method[method]) if method == "prediction" else None
                results.add(Row(f"t{i}", method, metrics, label=label, editing=parts))
    for method in METHODS:
        results.add(failed_row("t2", method, BROKEN))
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(CONDITIONS, "6 s long", CONDITIONS["half as long"])  # 6 s take long
        play_elsewhere(folder, targets[:1], ("prediction",), RENDER, workers=2)
    play_turns(folder, targets[:1], ("nearest", "prediction"), RENDER, workers=2)
    play_phrases(folder, targets[:2], ("nearest", "prediction"), RENDER, workers=2)
    return folder


@pytest.fixture(scope="module")
def page(folder: Path, tmp_path_factory) -> Path:
    """The report alone in another folder, because it must not need other files."""
    return Path(shutil.copy(write_report(folder), tmp_path_factory.mktemp("moved") / "report.html"))


@pytest.fixture
def opened(browser, page):
    """The page, newly loaded. After each test, the browser must not have logged an error or fetched anything."""
    browser.get("about:blank")
    browser.get_log("performance")  # the browser's own first page
    browser.get(page.as_uri())
    yield browser
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert page.as_uri() in requests
    assert {url.partition(":")[0] for url in requests} <= {"file", "data", "blob"}
    assert {url for url in requests if url.startswith("file")} == {page.as_uri()}


def _open(browser, index: int) -> None:
    browser.find_element(By.CSS_SELECTOR, f'tr.sound[data-index="{index}"] .opener').click()


def _play_button(browser, method: str):
    return browser.find_element(By.CSS_SELECTOR, f'.play[data-method="{method}"]')


def _audio(browser, method: str) -> dict:
    found = f"document.querySelector('audio[data-method=\"{method}\"]')"
    return browser.execute_script(f"const a = {found}; return {{paused: a.paused, at: a.currentTime, s: a.duration}}")


def _wait(browser, condition) -> None:
    WebDriverWait(browser, 10, poll_frequency=0.02).until(lambda _: condition())


def _press(browser, key: str) -> None:
    ActionChains(browser).send_keys(key).perform()


def _names(browser) -> list[str]:
    return [element.text for element in browser.find_elements(By.CSS_SELECTOR, "tr.sound .opener")]


def _column(browser, method: str) -> list[str]:
    cells = browser.find_elements(By.CSS_SELECTOR, f'tr.sound > td[data-method="{method}"]')
    return [cell.text for cell in cells]


def test_report_play_button_plays_one_sound_at_a_time(opened):
    _open(opened, 0)
    opened.find_element(By.CSS_SELECTOR, ".loop").click()  # without it, half a second would end before the checks
    for method, other in (("target", "prediction"), ("prediction", "target")):
        _play_button(opened, method).click()
        _wait(opened, lambda method=method: _audio(opened, method)["at"] > 0.05)
        assert not _audio(opened, method)["paused"]
        assert _audio(opened, method)["s"] == pytest.approx(0.5, abs=0.03)
        assert _audio(opened, other)["paused"]
        assert _play_button(opened, method).get_attribute("aria-pressed") == "true"
        assert _play_button(opened, other).get_attribute("aria-pressed") == "false"
    _play_button(opened, "prediction").click()
    _wait(opened, lambda: _audio(opened, "prediction")["paused"])


def test_report_keys_play_and_switch_versions_and_sounds(opened):
    _open(opened, 0)
    opened.find_element(By.CSS_SELECTOR, '.version[data-method="nearest"] .spectrogram').click()  # its middle
    _wait(opened, lambda: _audio(opened, "nearest")["at"] > 0.24)
    opened.execute_script("document.activeElement.blur()")
    _press(opened, Keys.SPACE)
    _wait(opened, lambda: _audio(opened, "nearest")["paused"])
    opened.execute_script("document.querySelector('audio[data-method=nearest]').currentTime = 0.3")
    _press(opened, Keys.ARROW_RIGHT)
    assert _audio(opened, "prediction")["at"] == pytest.approx(0.3, abs=0.001)
    assert opened.find_element(By.CSS_SELECTOR, ".version.current").get_attribute("data-method") == "prediction"
    _press(opened, Keys.ARROW_LEFT)
    assert opened.find_element(By.CSS_SELECTOR, ".version.current").get_attribute("data-method") == "nearest"
    _press(opened, Keys.ARROW_DOWN)
    assert opened.find_element(By.CSS_SELECTOR, "tr.open").get_attribute("data-index") == "1"
    assert len(opened.find_elements(By.CSS_SELECTOR, ".detail")) == 1
    _press(opened, Keys.ARROW_UP)
    assert opened.find_element(By.CSS_SELECTOR, "tr.open").get_attribute("data-index") == "0"
    _press(opened, Keys.ESCAPE)
    assert not opened.find_elements(By.CSS_SELECTOR, ".detail")


def test_report_phrase_button_plays_the_preset_at_other_notes_alone(opened):
    _open(opened, 0)
    _play_button(opened, "target").click()
    _wait(opened, lambda: not _audio(opened, "target")["paused"])
    buttons = opened.find_elements(By.CSS_SELECTOR, "button[data-phrase]")
    assert [button.get_attribute("data-phrase") for button in buttons] == ["target", "nearest", "prediction"]
    state = "const a = document.querySelector('audio[data-phrase=nearest]'); return [a.paused, a.duration];"
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", buttons[1])
    buttons[1].click()
    _wait(opened, lambda: not opened.execute_script(state)[0])
    assert _audio(opened, "target")["paused"]
    assert buttons[1].get_attribute("aria-pressed") == "true"
    assert opened.execute_script(state)[1] == pytest.approx(2.25, abs=0.1)
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", _play_button(opened, "target"))
    _play_button(opened, "target").click()
    _wait(opened, lambda: opened.execute_script(state)[0] and not _audio(opened, "target")["paused"])


def test_report_header_click_sorts_and_keeps_failed_rows_last(opened, folder):
    header = opened.find_element(By.CSS_SELECTOR, 'th[data-key="author"]')
    for wanted, order in (("ascending", 1), ("descending", -1)):
        header.find_element(By.TAG_NAME, "button").click()
        assert header.get_attribute("aria-sort") == wanted
        authors = [
            row.find_elements(By.TAG_NAME, "td")[1].text for row in opened.find_elements(By.CSS_SELECTOR, "tr.sound")
        ]
        # Punctuation comes first, then letters; upper and lower case count as equal.
        assert authors[::order] == [AUTHORS[1], AUTHORS[2], AUTHORS[0]]
    mss = {row.target: row.metrics["mss"] for row in Results(folder).rows.values() if row.method == "prediction"}
    order = [NAMES[int(target[1])] for target in sorted(("t0", "t1"), key=mss.get)]
    header = opened.find_element(By.CSS_SELECTOR, 'th[data-key="method:prediction"]')
    for wanted, expected in (("ascending", order), ("descending", order[::-1])):
        header.find_element(By.TAG_NAME, "button").click()
        assert header.get_attribute("aria-sort") == wanted
        assert _names(opened) == [*expected, NAMES[2]]
        assert _column(opened, "prediction")[2] == "failed"
    assert opened.find_element(By.CSS_SELECTOR, 'th[data-key="author"]').get_attribute("aria-sort") == "none"


def test_report_metric_button_shows_the_scores_of_the_folder(opened, folder):
    rows = Results(folder).rows
    assert _column(opened, "nearest")[0] == f"{rows['t0', 'nearest'].metrics['mss']:.2f}"
    opened.find_element(By.XPATH, "//button[text()='RMS cosine']").click()
    assert _column(opened, "nearest")[0] == f"{rows['t0', 'nearest'].metrics['rms_cosine']:.3f}"
    summary = opened.find_elements(By.CSS_SELECTOR, '#summary tr[data-method="nearest"] td.number')
    means = [np.mean([rows[target, "nearest"].metrics[name] for target in ("t0", "t1")]) for name in METRICS]
    shown = [float(cell.text.split()[0].replace(MINUS, "-")) for cell in summary]
    assert shown == pytest.approx(means, abs=0.006)
    shares = {
        method: opened.find_element(By.CSS_SELECTOR, f'#summary tr[data-method="{method}"] .share').text
        for method in ("random", "floor")
    }
    assert shares == {"random": "0 %", "floor": "100 %"}
    titles = [cell.text.split("\n")[0] for cell in opened.find_elements(By.CSS_SELECTOR, "#summary th.number")]
    assert (titles[:2], titles[-1], len(titles)) == (["MSS", "RSE"], "MSS padded", len(METRICS))
    opened.find_element(By.XPATH, "//button[text()='Attack time']").click()
    titles = [cell.text.split("\n")[0] for cell in opened.find_elements(By.CSS_SELECTOR, "#summary th.number")]
    assert titles == ["Attack centroid", "Attack time", "Fall", "Pitch", "Width"]
    opened.find_element(By.XPATH, "//button[text()='RMS cosine']").click()
    assert len(opened.find_elements(By.CSS_SELECTOR, "#summary .dot")) == len(METHODS)


def test_report_links_to_each_preset_and_shows_its_comment(opened, folder):
    _open(opened, 0)
    links = {link.get_attribute("download"): link for link in opened.find_elements(By.CSS_SELECTOR, ".preset a")}
    assert {f"{name}.vital" for name in ("target", "prediction", "nearest")} <= set(links)
    for name, link in links.items():
        assert (folder / unquote(link.get_dom_attribute("href"))).resolve() == (
            folder / "sounds" / "t0" / name
        ).resolve()
        assert (folder / "sounds" / "t0" / name).is_file()
    comment = read_preset(folder / "sounds" / "t0" / "target.vital").comments
    shown = [part.get_attribute("textContent") for part in opened.find_elements(By.CSS_SELECTOR, ".preset p")]
    assert comment == "" or comment in shown


def test_report_of_recordings_has_no_shares(browser, folder, tmp_path):
    """Without a re-render reference no share is defined, so neither the plot nor columns of dashes are shown."""
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    rows = [json.loads(line) for line in (copied / "results.jsonl").read_text().splitlines()]
    kept = [json.dumps(row) + "\n" for row in rows if row["method"] != "floor"]
    (copied / "results.jsonl").write_text("".join(kept))
    browser.get(write_report(copied).as_uri())
    _open(browser, 0)
    assert not browser.find_elements(By.CSS_SELECTOR, ".share, #summary .plot, .gauge")
    assert not browser.find_element(By.ID, "shares").is_displayed()
    assert "%" not in browser.find_element(By.CSS_SELECTOR, ".version[data-method='nearest'] .score").text
    assert browser.get_log("browser") == []


def test_report_of_recordings_shows_their_tables_and_classes(browser, folder, tmp_path):
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    targets = json.loads((copied / "targets.json").read_text())
    about = [{"source": "audio", "sound_class": name} for name in ("keys", "<b>bass</b>", "keys")]
    (copied / "targets.json").write_text(json.dumps([one | more for one, more in zip(targets, about, strict=True)]))
    found = page_data(read_evaluation(copied))["recordings"]
    browser.get(write_report(copied).as_uri())
    sections = browser.find_elements(By.CSS_SELECTOR, ".recordings")
    assert [part.find_element(By.TAG_NAME, "h2").text for part in sections] == [one["title"] for one in found]
    for part, one in zip(sections, found, strict=True):
        shown = [
            [cell.text for cell in row.find_elements(By.CSS_SELECTOR, "th, td")]
            for row in part.find_elements(By.TAG_NAME, "tr")
        ]
        assert shown == [list(one["head"]), *map(list, one["rows"])]
    classes = [
        row.find_elements(By.TAG_NAME, "td")[1].text for row in browser.find_elements(By.CSS_SELECTOR, "tr.sound")
    ]
    assert classes == ["keys", "<b>bass</b>", "keys"]
    browser.find_element(By.ID, "filter").send_keys("BASS")
    assert [row.is_displayed() for row in browser.find_elements(By.CSS_SELECTOR, "tr.sound")] == [False, True, False]
    assert browser.get_log("browser") == []


def test_report_shows_what_presets_play_elsewhere(opened, folder):
    found = summarise(read_elsewhere(folder), METHODS)
    assert opened.find_element(By.ID, "elsewhere-section").is_displayed()
    head = [cell.text for cell in opened.find_elements(By.CSS_SELECTOR, "#elsewhere thead th")]
    assert head == ["Method", *COLUMNS]
    rows = {
        row.get_attribute("data-method"): [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
        for row in opened.find_elements(By.CSS_SELECTOR, "#elsewhere tbody tr")
    }
    assert list(rows) == list(found)
    for method, cells in rows.items():
        assert [float(cell) for cell in cells] == pytest.approx([found[method][c]["mean"] for c in COLUMNS], abs=0.006)
    assert float(rows["prediction"][COLUMNS.index(INSTRUMENT)]) > 0


def test_report_shows_what_turned_knobs_change(opened, folder):
    lines = turns.read_turns(folder)
    found = turns.summarise(lines, METHODS)
    assert list(found) == ["nearest", "prediction"]
    rows = {
        row.get_attribute("data-method"): [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
        for row in opened.find_elements(By.CSS_SELECTOR, "#turns tbody tr")
    }
    for method, one in found.items():
        macros = "\u2013" if one["macros"] is None else f"{one['macros']:.0%}"
        shown = [cell.replace("\u00a0", "").replace(" %", "%") for cell in rows[method]]
        assert shown == [str(one["n"]), f"{one['cutoff']:.0%}", macros, f"{one['kilobytes']:.0f}"]
    _open(opened, 0)
    card = opened.find_element(By.CSS_SELECTOR, '.version[data-method="prediction"]')
    card.find_element(By.TAG_NAME, "summary").click()
    (line,) = (one for one in lines if (one["target"], one["method"]) == ("t0", "prediction"))
    assert turns.text(line) in card.text


def test_report_without_presets_played_again_hides_the_sections(browser, folder, tmp_path):
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copied / "elsewhere.jsonl").unlink()
    (copied / "turns.jsonl").unlink()
    browser.get(write_report(copied).as_uri())
    assert not browser.find_element(By.ID, "elsewhere-section").is_displayed()
    assert not browser.find_element(By.ID, "turns-section").is_displayed()
    assert browser.get_log("browser") == []


def test_report_with_hostile_names_shows_them_as_text(opened, page):
    for index in (0, 1, 2):
        _open(opened, index)
    with pytest.raises(NoAlertPresentException):
        _ = opened.switch_to.alert
    assert _names(opened) == list(NAMES)
    assert not opened.find_elements(By.CSS_SELECTOR, "table b:not(.version b), table i:not(.route i), img[src=x]")
    scripts = opened.execute_script("return [...document.scripts].map((script) => [script.type, script.id])")
    assert scripts == [
        ["application/json", "report-data"],
        ["", ""],
        *(["application/json", f"detail-{i}"] for i in range(3)),
    ]
    assert BROKEN in opened.find_element(By.CSS_SELECTOR, ".scores .reason").text


def test_report_opened_sound_shows_spectrograms_and_preset_differences(opened):
    _open(opened, 0)
    versions = [card.get_attribute("data-method") for card in opened.find_elements(By.CSS_SELECTOR, ".version")]
    assert versions == ["target", "nearest", "prediction", "prediction+100", "floor"]  # best+100 is prediction+100
    sizes = opened.execute_script(
        "return [...document.querySelectorAll('.spectrogram img')].map((i) => i.naturalWidth)"
    )
    assert sizes == [44] * 5
    comparison = opened.find_element(By.CSS_SELECTOR, ".comparison")
    heads = [cell.text for cell in comparison.find_elements(By.CSS_SELECTOR, "th.accent")]
    assert set(heads) == {"Prediction"}  # the chosen method
    assert "lfo 8→osc 1 pan" in comparison.text.replace("\u00a0", " ")
    first = comparison.find_element(By.CSS_SELECTOR, ".knobs tbody tr")
    assert first.text.replace("\u00a0", " ").split("\n") == ["osc 1 pan 0 %", f"{MINUS}80.0 %"]
    opened.find_element(By.XPATH, "//div[@aria-label='Compare with']/button[text()='Prediction + 100']").click()
    assert not comparison.find_elements(By.CSS_SELECTOR, ".knobs tbody tr")


def test_report_shows_how_editable_presets_are(opened, folder):
    found = page_data(read_evaluation(folder))
    assert "named macros; medians: " in found["editing"]["prediction"]
    assert found["editing"]["nearest"] == ""  # as in an older folder
    row = opened.find_element(By.CSS_SELECTOR, '#summary tr[data-method="prediction"] th')
    assert found["editing"]["prediction"] in row.text
    _open(opened, 0)
    text = opened.find_element(By.CSS_SELECTOR, "table.scores").text
    assert found["sounds"][0]["rows"]["prediction"]["editing"] in text
    assert "oscillator" in text


def test_report_filter_shows_only_matching_sounds(opened):
    opened.find_element(By.ID, "filter").send_keys("ZOË")
    assert [row.is_displayed() for row in opened.find_elements(By.CSS_SELECTOR, "tr.sound")] == [False, True, False]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report_on_a_phone_scrolls_tables_and_not_the_page(opened, scheme):
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    _open(opened, 0)
    try:
        assert opened.execute_script("return document.documentElement.scrollWidth") <= 390
        ground = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (int(re.findall(r"\d+", ground)[0]) > 128) == (scheme == "light")
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_write_report_writes_a_complete_file_without_external_addresses(folder, page):
    text = page.read_text()
    assert not re.search(
        r"""(src|href)\s*=\s*["']?(?!data:)|@import|url\(""", re.sub(r"<script.*?</script>", "", text, flags=re.S)
    )
    addresses = set(re.findall(r"https?://[^\s\"']+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "default-src 'none'" in text
    assert not list(folder.glob("*.partial"))


def test_embedded_json_with_markup_does_not_end_its_script():
    content = {"name": "</script><!-- \u2028 é", "list": [1.5, None]}
    text = embedded_json(content)
    assert "<" not in text
    assert json.loads(text) == content


def test_write_report_with_a_limit_omits_sounds_above_it(folder, page, tmp_path):
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    small = write_report(copied, sounds_limit=1).read_text()
    assert len(small) < 0.8 * page.stat().st_size
    details = [json.loads(text) for text in re.findall(r'id="detail-\d+">(.*?)</script>', small)]
    assert len(details[0]["versions"]) == 5
    assert details[1] == {"problem": "Left out of this page for its size; see sounds/t1 beside it."}
    with pytest.raises(ValueError, match="sounds_limit=-1"):
        write_report(copied, sounds_limit=-1)


def test_write_report_of_an_unfinished_or_damaged_folder_shows_what_is_readable(folder, tmp_path):
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    lines = (copied / "results.jsonl").read_text().splitlines()[:3]  # init, random, nearest of the first sound
    (copied / "results.jsonl").write_text("\n".join(lines) + '\n{"target": "t1", "meth')
    (copied / "settings.json").unlink()
    (copied / "sounds" / "t0" / "nearest.wav").write_text("not a sound")
    (copied / "sounds" / "t0" / "nearest.vital").write_text("not a preset")
    evaluation = read_evaluation(copied)
    data = page_data(evaluation)
    assert data["methods"] == ("init", "random", "nearest")
    assert data["summary"]["nearest"][0]["share"] is None
    assert data["summary"]["nearest"][0]["n"] == 1
    detail = sound_detail(evaluation, evaluation.targets[0])
    assert "nearest.wav" in detail["problem"]
    assert "nearest.vital" in detail["differences"]["nearest"]["problem"]
    assert write_report(copied).is_file()


def test_page_data_of_an_older_folder_without_mss_padded_describes_its_mss(folder, tmp_path):
    copied = Path(shutil.copytree(folder, tmp_path / "copy"))
    rows = [json.loads(line) for line in (copied / "results.jsonl").read_text().splitlines()]
    for row in rows:
        row["metrics"].pop("mss_padded")
    (copied / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    now, before = (dict(page_data(read_evaluation(each))["facts"]) for each in (folder, copied))
    assert now["MSS"] == "over the time in which either sound plays; padded: over the whole clip"
    assert before["MSS"] == "over the whole clip, silence included: an older evaluation"
    data = page_data(read_evaluation(copied))
    assert data["summary"]["nearest"][METRICS.index("mss")]["n"] == 2
    assert data["summary"]["nearest"][METRICS.index("mss_padded")]["n"] == 0


def test_page_data_with_a_long_setting_keeps_its_end(folder):
    path = "/home/" + "a/" * 60 + "presets/BMuXBeats"
    evaluation = dataclasses.replace(read_evaluation(folder), settings={"bank": path})
    shown = dict(page_data(evaluation)["facts"])["bank"]
    assert len(shown) == 60
    assert shown.startswith("/home/a/")
    assert shown.endswith("presets/BMuXBeats")


def test_page_data_shares_run_from_random_to_reference(folder):
    rows, data = Results(folder).rows, page_data(read_evaluation(folder))
    for i, name in enumerate(METRICS):
        random, found, reference = (
            [rows[target, method].metrics[name] for target in ("t0", "t1")]
            for method in ("random", "prediction", "floor")
        )
        gap = np.sum(random) - np.sum(reference)
        if (gap < 0) == (name == "rms_cosine"):
            share = (np.sum(random) - np.sum(found)) / gap
            assert data["summary"]["prediction"][i]["share"] == pytest.approx(share, rel=1e-4), name
        of_first = (random[0] - found[0]) / (random[0] - reference[0])
        assert data["sounds"][0]["rows"]["prediction"]["shares"][i] in (None, pytest.approx(of_first, rel=1e-4)), name
    assert data["summary"]["prediction"][0]["share"] is not None
    assert data["sounds"][0]["rows"]["prediction"]["shares"][0] is not None


def test_write_report_of_a_folder_without_an_evaluation_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"targets\.json; give a folder that `vjax evaluate` wrote"):
        write_report(tmp_path)
    (tmp_path / "targets.json").write_text('[{"id": "a"}]')
    with pytest.raises(ValueError, match="is not a list of targets"):
        write_report(tmp_path)


@pytest.mark.parametrize("name", ["../out", "a/b", "..", "", "a\\b"])
def test_read_evaluation_with_an_id_that_leaves_the_folder_is_an_error(tmp_path, name):
    start_folder(tmp_path, {}, [Target(name, "n", "", "presets", "p", 60)])
    with pytest.raises(ValueError, match="is not a file name"):
        read_evaluation(tmp_path)
    start_folder(tmp_path, {}, [Target("t0", "n", "", "presets", "p", 60)])
    Results(tmp_path).add(failed_row("t0", name, "failed"))
    with pytest.raises(ValueError, match="is not a file name"):
        read_evaluation(tmp_path)
