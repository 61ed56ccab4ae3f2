"""Tests of `vjax web` in a real browser, with a small model."""

import functools
import json
import math
import sys
import time
import wave
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from vjax.vital.preset import read_preset

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # as for a script that runs there

from web_jobs import give_sound

SOUNDS = Path(__file__).parents[1] / "data" / "sounds"


def cards(page) -> dict[str, str]:
    """The title of each candidate's card by its id."""
    return {one.get_attribute("data-id"): one.find_element(By.TAG_NAME, "h3").text for one in page.find_all(".vx-card")}


def test_match_shows_a_card_for_each_kind_of_candidate(page):
    found = cards(page)
    assert {"target": "Your sound", "prediction": "Prediction", "neighbour": "Neighbour"}.items() <= found.items()
    assert "recommended" in page.find(".vx-card.vx-chosen").text
    assert all("dB" in one.text for one in page.find_all(".vx-card .vx-distance")[1:])
    assert page.find(".vx-card img").get_attribute("alt").startswith("Spectrogram of Your sound")


def test_match_sends_no_request_to_another_machine(page):
    assert page.hosts() == {page.address.split("/")[2]}


def test_play_switches_between_target_and_candidate(page):
    page.press("input[type=checkbox]")  # loop, so that it does not end meanwhile
    page.press("[data-side=target]")
    page.wait(lambda: page.find("[data-id=target].vx-audible"))
    page.press("[data-side=chosen]")
    chosen = page.find(".vx-chosen").get_attribute("data-id")
    page.wait(lambda: page.find(f"[data-id={chosen}].vx-audible"))
    assert page.find("[data-side=chosen]").get_attribute("aria-pressed") == "true"
    page.press(f"[data-id={chosen}] .vx-play")
    page.wait(lambda: not page.find_all(".vx-audible"))
    page.press("input[type=checkbox]")


def test_inside_lists_the_steps_that_build_the_preset(page):
    page.press(".vx-made summary")
    steps = page.wait(lambda: page.find_all(".vx-made .vx-steps > li"))
    assert steps[0].text.startswith("Start")
    assert "Initialize Preset" in steps[0].text
    page.press(".vx-made summary")


def test_keyboard_plays_a_note_by_mouse_and_by_computer_key(page):
    page.press('.vx-detail [aria-label="D2"]')
    page.wait(lambda: page.find(".vx-detail .vx-keyboard").get_attribute("data-played") == "D2")
    page.find('.vx-detail [aria-label="D2"]').send_keys(Keys.ARROW_RIGHT)
    assert page.browser.switch_to.active_element.get_attribute("aria-label") == "D#2"
    page.browser.switch_to.active_element.send_keys("a")
    page.wait(lambda: page.find(".vx-detail .vx-keyboard").get_attribute("data-played") == "C1")
    page.browser.switch_to.active_element.send_keys(Keys.ENTER)
    page.wait(lambda: page.find(".vx-detail .vx-keyboard").get_attribute("data-played") == "D#2")


def test_download_is_the_preset_with_the_name_and_the_macros_of_the_page(page):
    page.press("[data-id=neighbour] .vx-choose")
    slider = page.wait(lambda: page.find('input[aria-label^="Macro"]'))
    page.browser.execute_script("arguments[0].value = 0.5; arguments[0].dispatchEvent(new Event('change'))", slider)
    page.wait(lambda: page.find(".vx-detail .vx-keyboard").get_attribute("data-played") == "C2")  # it plays at once
    name = page.find('[aria-label="Name of the preset"]')
    name.clear()
    name.send_keys("My bass")
    page.find('[aria-label="Style of the preset"]').send_keys("Pad")
    page.press_text("Download preset")
    preset = json.loads(page.downloaded("My bass.vital").read_text())
    assert (preset["preset_name"], preset["preset_style"]) == ("My bass", "Pad")
    assert 0.5 in [preset["settings"][f"macro_control_{i}"] for i in (1, 2, 3, 4)]
    assert read_preset(page.downloads / "My bass.vital").comments.startswith("Made by vjax")


def test_save_to_vital_keeps_an_earlier_preset(page, server):
    _, vital = server
    page.press_text("Save to Vital")
    page.wait(lambda: len(list(vital.glob("*.vital"))) == 1)
    page.press_text("Save to Vital")
    page.wait(lambda: len(list(vital.glob("*.vital"))) == 2)


def test_zip_has_every_candidate(page):
    page.press_text("All candidates (ZIP)")
    with zipfile.ZipFile(page.downloaded("bass (vjax).zip")) as archive:
        names, text = archive.namelist(), archive.read("bass.html").decode()
    presets = [name for name in names if name.endswith(".vital")]
    assert len(presets) == len(cards(page)) - 1
    assert {"bass.vital", "bass.json", "bass-vjax.png"} <= set(names)
    assert all(title in text for id, title in cards(page).items() if id.startswith("prediction"))
    assert '"Prediction"' in text


def test_choose_shows_what_another_candidate_is_made_of(page):
    page.find("[data-id=prediction] .vx-choose").send_keys(Keys.ENTER)  # without a mouse
    page.wait(lambda: page.find(".vx-detail h2").text.startswith("Prediction"))
    assert page.browser.switch_to.active_element.get_attribute("aria-label") == "Chosen: Prediction"
    page.wait(lambda: "LFO 1" in page.find(".vx-parts").text)
    page.press("[data-id=neighbour] .vx-choose")
    page.wait(lambda: "Saws for Days" in page.find(".vx-parts").text)
    page.press(".vx-inside details:not(.vx-made) summary")
    assert "UNSTABLE" in page.find(".vx-scroll").text


def test_page_fits_a_phone(page):
    page.browser.execute_script("document.querySelectorAll('.vx details').forEach((one) => (one.open = true))")
    metrics = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    wide = """return [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > 361
        && !one.closest('.vx-scroll')).map((one) => one.tagName + '.' + one.className)"""
    found = page.browser.execute_script(wide)
    page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert found == []


@pytest.mark.slow
def test_refine_adds_a_card_and_chooses_it(page):
    page.press("[data-id=prediction] .vx-choose")
    one_s = "const s = document.querySelector('[aria-label^=Seconds]'); s.add(new Option('1 s', '1')); s.value = '1'"
    page.browser.execute_script(one_s)
    page.press_text("Refine this one")
    page.wait(lambda: page.status.startswith("Searched"), 90)
    page.wait(lambda: page.find("[data-id=refined-1].vx-chosen"))
    assert "so far" not in page.find("[data-id=prediction]").text  # the ranked card is still there


@pytest.mark.slow
def test_vary_adds_cards_that_keep_what_is_locked_and_undo_takes_them_away(page):
    page.press("[data-id=prediction] .vx-choose")
    for lock in ("filters", "envelopes", "lfos", "effects"):
        page.press(f".vx-lock input[value={lock}]")
    before = set(cards(page))
    page.press_text("More like this")
    page.wait(lambda: "variations of Prediction" in page.status, 60)
    page.wait(lambda: page.find("[data-id=variation-1].vx-chosen"))
    assert set(cards(page)) - before >= {"variation-1"}
    page.wait(lambda: page.find(".vx-detail h2").text.startswith("Variation 1"))
    page.press_text("Download preset")
    varied = json.loads(page.downloaded("bass (variation 1).vital").read_text())["settings"]
    page.press_text("Undo: variations")
    page.wait(lambda: set(cards(page)) == before)
    page.wait(lambda: page.find("[data-id=prediction].vx-chosen"))
    page.press_text("Download preset")
    origin = json.loads(page.downloaded("bass (prediction).vital").read_text())["settings"]
    changed = {name for name in origin if name in varied and varied[name] != origin[name]} - {"volume"}
    assert changed
    assert all(name.startswith(("osc_", "modulation", "sample")) for name in changed)


def test_undo_turns_a_macro_back(page):
    page.press("[data-id=neighbour] .vx-choose")
    slider = page.wait(lambda: page.find('input[aria-label^="Macro"]'))
    before = slider.get_attribute("value")
    turned = "0.9" if float(before) < 0.5 else "0.1"
    page.browser.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))", slider, turned
    )
    name = page.wait(lambda: page.find(".vx-undo:not([disabled])")).text
    assert name.startswith("Undo: ")
    page.press(".vx-undo")
    page.wait(lambda: page.find('input[aria-label^="Macro"]').get_attribute("value") == before)


def test_note_keyboard_corrects_the_note(page):
    field = page.find("#note input, #note textarea")
    page.set_note("A#2")
    page.wait(lambda: page.find("#keys .vx-own").get_attribute("aria-label") == "A#2")
    page.press('#keys [aria-label="D2"]')
    assert field.get_attribute("value") == "D2"
    page.browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert field.get_attribute("value") == "E2"
    assert page.find("#keys .vx-own").get_attribute("aria-label") == "E2"


@pytest.mark.slow
def test_recordings_with_their_notes_are_matched_together(page):
    page.set_note("C2")
    page.press("button.label-wrap")
    page.wait(lambda: page.find("#more input[type=file]")).send_keys(str(SOUNDS / "rhodes.wav"))
    note = page.wait(lambda: page.find("#recordings input"))
    assert note.get_attribute("aria-label") == "Note of rhodes.wav"
    note.clear()
    note.send_keys("X", Keys.TAB)
    page.wait(lambda: "not a MIDI note" in page.find("#recordings").text)
    note.clear()
    note.send_keys("C4", Keys.TAB)
    page.wait(lambda: "as you have chosen" in page.find("#recordings").text)
    page.press("#match")
    page.wait(lambda: "Ranked by 2 recordings." in page.status, 120)
    page.wait(lambda: "MSS to rhodes.wav, dB" in page.find(".vx-metrics").get_attribute("textContent"))
    page.press('#more button[aria-label="Clear"], #more button[title="Clear"]')
    page.wait(lambda: not page.find_all("#recordings li"))


def test_cancel_ends_a_match_and_the_next_one_can_begin(page):
    page.press("#match")
    page.wait(lambda: page.find("#cancel").is_enabled())
    page.press("#cancel")
    page.wait(lambda: page.status == "Cancelled.", 10)
    page.wait(lambda: page.find("#match").is_enabled())


def test_a_wrong_note_is_an_error_in_words(page):
    page.set_note("H9")
    page.press("#match")
    page.wait(lambda: "not a MIDI note" in page.status)


def test_page_has_logged_no_error_to_the_console(page):
    assert page.errors() == []


@pytest.fixture(scope="module")
def second(open_page):
    """The page of another visitor, on a phone in dark mode."""
    return open_page(width=420, dark=True)


@pytest.mark.slow
def test_two_visitors_do_not_see_each_other(page, second):
    assert cards(page)
    assert cards(second) == {}
    second.press_text("Try: electric piano")
    second.wait(lambda: "Ready" in second.status)
    second.wait(lambda: "Detected: C" in second.find("#detected").text)
    page.set_note("C2")
    page.press("#match")
    page.wait(lambda: "Starting" in page.status or "plays" in page.status)
    second.press("#match")
    if "before yours" in second.status:  # where the machine has no cores for both
        assert second.status == "Waiting: 1 job is before yours."
    page.press("#cancel")
    page.wait(lambda: page.status == "Cancelled.", 20)
    second.wait(lambda: len(cards(second)) > 1, 60)
    second.wait(lambda: second.status.startswith("Done"))
    assert page.find("#detected").text == "C2 is played, as you have chosen."


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("words.wav", b"this is not a sound", "cannot be read as audio"),
        ("empty.wav", b"", "is empty: it has 0 bytes"),
        (
            'a "quoted" \U0001f3b9 name.wav',
            b"RIFF",
            'a "quoted" \U0001f3b9 name.wav is a WAV file that is damaged or cut off',
        ),
    ],
)
def test_upload_of_a_broken_file_is_an_error_in_words(second, tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    second.upload(path)
    second.wait(lambda: said in second.status, 20)
    assert str(tmp_path) not in second.status
    assert not second.find("#match").is_enabled()


def test_upload_of_a_name_with_quotes_and_emoji_is_read(second, tmp_path):
    path = tmp_path / 'a "quoted" \U0001f3b9 name.wav'
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 44100, 0, "NONE", ""))
        samples = (int(8000 * math.sin(2 * math.pi * 220 * i / 44100)) for i in range(44100))
        sound.writeframes(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))
    second.upload(path)
    second.wait(lambda: "Ready" in second.status, 20)
    assert second.find("#note input, #note textarea").get_attribute("value") == "A3"


@pytest.mark.slow
def test_upload_of_300_megabytes_is_refused_early(second, tmp_path):
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        file.truncate(300 * 2**20)
    began = time.monotonic()
    second.upload(path)
    second.wait(lambda: "maximum allowed size" in second.find("body").text, 30)
    assert time.monotonic() - began < 30


def test_ten_uploads_at_once_are_all_read(server):
    with httpx.Client(base_url=server[0], timeout=120) as client, ThreadPoolExecutor(10) as threads:
        config = client.get("/config").json()
        give = functools.partial(give_sound, client, config, sound=SOUNDS / "bass.wav")
        shown = list(threads.map(lambda visitor: give(f"visitor-{visitor}"), range(10)))
    assert all("Ready. Press Match." in one for one in shown)
