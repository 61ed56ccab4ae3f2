"""Tests the page of a match, with real renders in a real browser."""

import dataclasses
import json
import re
import shutil
import time
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

import vjax
from vjax.audio.traits import trait_differences, traits_of
from vjax.candidates.resynthesis.fit_table import WavetableFitConfig
from vjax.matching.config import MatchConfig
from vjax.matching.outputs import check_writable
from vjax.matching.page import is_page, write_page
from vjax.page.metric_columns import SHOWN
from vjax.vital.preset import init, read_preset, write_preset

HOSTILE = "</script><img src=x onerror=alert(1)> & <!--"
PRESETS = Path(__file__).parents[1] / "data" / "presets"


@pytest.fixture(scope="module")
def found(engine_run, tone, tmp_path_factory):
    """A match with a bank of one preset with a hostile comment, which is not the preset that is written."""
    bank = tmp_path_factory.mktemp("bank")
    write_preset(bank / "Saw.vital", dataclasses.replace(init(), comments=HOSTILE))
    quick = MatchConfig(patch=False, resynthesis=WavetableFitConfig(frames=9, steps=3), variants=1, equalise=0)
    return vjax.match(tone(220), sample_rate=44100, name=HOSTILE, checkpoint=engine_run, bank=bank, config=quick)


@pytest.fixture(scope="module")
def page(found, tmp_path_factory) -> Path:
    """The page alone in another folder, because it must not need other files."""
    written = tmp_path_factory.mktemp("written")
    assert written / "a.html" in found.save(written / "a.vital", page=True)
    return Path(shutil.copy(written / "a.html", tmp_path_factory.mktemp("moved") / "a.html"))


@pytest.fixture
def opened(browser, page, tmp_path):
    """The page, newly loaded. After each test, the browser must not have logged an error or fetched anything."""
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.get(page.as_uri())
    yield browser
    assert browser.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    requests = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert {url for url in requests if url.partition(":")[0] not in ("data", "blob")} == {page.as_uri()}


def _versions(browser) -> list[str]:
    return [card.get_attribute("data-method") for card in browser.find_elements(By.CSS_SELECTOR, ".version")]


def _playing(browser) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll('audio')].filter((a) => !a.paused).map((a) => a.dataset.method)"
    )


def test_page_shows_the_target_and_each_candidate_once(opened, found):
    shown = _versions(opened)
    assert shown[:2] == ["target", "written preset"]
    assert ("closest" in shown) == (found.closest is not None)
    written = {found.label} | ({found.closest.label} if found.closest else set())
    for method, labels in (
        ("best neighbour", {"Saw", "Saw, fitted"}),
        ("prediction", {"prediction", "prediction, fitted"}),
    ):
        assert (method in shown) == (not labels & written)
    assert len(shown) >= 4
    sizes = opened.execute_script("return [...document.images].map((image) => image.naturalWidth)")
    assert len(sizes) == len(shown)
    assert min(sizes) > 10
    card = opened.find_element(By.CSS_SELECTOR, '.version[data-method="written preset"]')
    assert f"MSS {found.mss_db:.2f}" in card.text
    assert found.label in card.text
    assert found.preset.comments.split("\n")[0] in card.text


def test_page_plays_one_version_at_a_time_and_compares_with_the_target(opened):
    opened.find_element(By.CSS_SELECTOR, ".loop").click()
    opened.find_element(By.CSS_SELECTOR, '.play[data-method="written preset"]').click()
    WebDriverWait(opened, 10, 0.02).until(lambda _: _playing(opened) == ["written preset"])
    for expected in ("target", "written preset"):
        ActionChains(opened).send_keys("t").perform()
        WebDriverWait(opened, 10, 0.02).until(lambda _, expected=expected: _playing(opened) == [expected])
    ActionChains(opened).send_keys(" ").perform()
    WebDriverWait(opened, 10, 0.02).until(lambda _: _playing(opened) == [])


def test_page_downloads_the_presets_that_it_contains(opened, found, tmp_path):
    for card in opened.find_elements(By.CSS_SELECTOR, ".version:has(a)"):
        method, link = card.get_attribute("data-method"), card.find_element(By.TAG_NAME, "a")
        link.click()
        file = tmp_path / link.get_attribute("download")
        WebDriverWait(opened, 10, 0.02).until(lambda _, file=file: file.exists())
        time.sleep(0.1)
        preset = read_preset(file)
        if method == "written preset":
            assert file.name == "a.vital"
            assert preset.to_json() == found.preset.to_json()
        elif method in ("best neighbour", "prediction"):
            assert preset.name == f"{found.preset.name} ({method})"
    assert len(list(tmp_path.glob("*.vital"))) == len(_versions(opened)) - 1


def test_page_scores_each_candidate_by_the_sound_that_it_plays(opened, found):
    rows = opened.execute_script("return report.sounds[0].rows")
    target = traits_of(found.target, found.sample_rate)
    own = found.metrics | trait_differences(traits_of(found.audio, found.sample_rate), target)
    expected = [own[name] for name in SHOWN]
    assert [value for value in rows["written preset"]["metrics"] if value is not None] == pytest.approx(
        [value for value in expected if value == value], rel=1e-4
    )
    assert any(name in rows for name in ("best neighbour", "prediction"))
    for candidate in found.candidates:
        row = next(
            (
                row
                for name, row in rows.items()
                if name in ("best neighbour", "prediction") and row["label"] == candidate.label
            ),
            None,
        )
        if row and not candidate.error:
            assert row["metrics"][0] == pytest.approx(candidate.mss_db, rel=0.02)
    head = [cell.text.split("\n")[0] for cell in opened.find_elements(By.CSS_SELECTOR, ".scores th.number")]
    assert {"MSS", "Attack time", "Width"} <= set(head)


def test_page_with_hostile_names_shows_them_as_text(opened, page):
    assert HOSTILE in opened.find_element(By.TAG_NAME, "h1").text
    assert not opened.find_elements(By.CSS_SELECTOR, "img[src=x]")
    assert len(re.findall("<script", page.read_text())) == 3


def test_write_page_lists_warnings_and_failed_candidates(browser, result, tmp_path):
    """The prediction of this result is silent, so it has a reason and no sound."""
    browser.get(write_page(result, tmp_path / "b.html").as_uri())
    assert browser.find_element(By.ID, "warnings").text == "it is loud"
    assert _versions(browser) == ["target", "written preset"]
    assert browser.find_element(By.CSS_SELECTOR, ".scores .reason").text == "silent at note 57"
    assert browser.get_log("browser") == []


def test_write_page_resamples_a_model_of_another_rate(result, tmp_path):
    low = dataclasses.replace(result, sample_rate=22050)
    assert is_page(write_page(low, tmp_path / "low.html"))


def test_save_with_a_page_keeps_a_file_that_is_not_a_page(result, tmp_path):
    own = tmp_path / "a.html"
    own.write_text("<p>about this sound</p>")
    with pytest.raises(ValueError, match=r"a\.html exists, and it is not the page of a match; .* --no-page"):
        check_writable(tmp_path / "a.vital", page=True)
    result.save(tmp_path / "a.vital")
    assert own.read_text() == "<p>about this sound</p>"
    result.save(tmp_path / "a.vital", overwrite=True, page=True)
    assert is_page(own)
    result.save(tmp_path / "a.vital", page=True)


def test_save_without_a_page_removes_that_of_an_earlier_match(result, tmp_path):
    result.save(tmp_path / "a.vital", page=True)
    result.save(tmp_path / "a.vital")
    assert not (tmp_path / "a.html").exists()
