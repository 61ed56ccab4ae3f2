"""A server of the page with a small model, and a real browser that its tests share."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

SOUNDS = Path(__file__).parents[1] / "data" / "sounds"
PRESETS = SOUNDS.parent / "presets"


class Page:
    """The page in a browser, with what the tests read and press."""

    def __init__(self, browser: webdriver.Chrome, address: str, downloads: Path):
        self.browser, self.address, self.downloads = browser, address, downloads

    def open(self) -> "Page":
        self.browser.get(self.address)
        self.wait(lambda: self.find("#sound input[type=file]"))
        return self

    def wait(self, found: Callable, timeout_s: float = 60):
        """The first true result of `found`."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            with contextlib.suppress(Exception):
                if result := found():
                    return result
            time.sleep(0.05)
        body = self.browser.find_element(By.TAG_NAME, "body").text
        raise TimeoutError(f"nothing was found in {timeout_s} s; the page shows: {body[:3000]}")

    def find(self, selector: str):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def find_all(self, selector: str) -> list:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def press(self, selector: str) -> None:
        """Clicks an element once it is enabled."""
        element = self.wait(lambda: next(one for one in self.find_all(selector) if one.is_enabled()))
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        self.wait(lambda: element.click() or True, 5)

    def press_text(self, text: str) -> None:
        """Clicks the enabled button with this text."""
        button = self.wait(lambda: next(b for b in self.find_all("button") if b.text == text and b.is_enabled()))
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        self.wait(lambda: button.click() or True, 5)

    @property
    def status(self) -> str:
        return self.find("#status").text

    def upload(self, path: Path) -> None:
        """Uploads a sound; one that was there before is removed first."""
        for button in self.find_all('#sound button[aria-label="Clear"], #sound button[title="Clear"]'):
            button.click()
            self.wait(lambda: "Give a sound" in self.status)
        self.wait(lambda: self.find("#sound input[type=file]")).send_keys(str(path))

    def match(self, path: Path, note: str = "") -> None:
        """Uploads a sound, matches it and waits for the end."""
        self.upload(path)
        self.wait(lambda: "Ready" in self.status)
        if note:
            self.set_note(note)
        self.press("#match")
        self.wait(lambda: self.status.startswith("Done"), 120)
        self.wait(lambda: self.find(".vx-parts dt"))

    def set_note(self, note: str) -> None:
        field = self.find("#note input, #note textarea")
        field.clear()
        field.send_keys(note)

    def downloaded(self, name: str) -> Path:
        """The path of a file, once the browser has it."""
        path = self.downloads / name
        self.wait(path.is_file, 20)
        return path

    def errors(self) -> list[str]:
        """Errors of the console since the last call."""
        return [line["message"] for line in self.browser.get_log("browser") if line["level"] == "SEVERE"]

    def hosts(self) -> set[str]:
        """The hosts of all requests since the last call."""
        messages = (json.loads(line["message"])["message"] for line in self.browser.get_log("performance"))
        urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return {url.split("/")[2] for url in urls if url.startswith(("http", "ws"))}


@pytest.fixture(scope="module")
def server(engine_run, interruptible, tmp_path_factory):
    """The address of a `vjax web` with a tiny model and a bank of one pad, and the folder that stands for Vital's."""
    vital, bank = tmp_path_factory.mktemp("vital"), tmp_path_factory.mktemp("bank")
    shutil.copy(PRESETS / "Drifting_Pad_1108Redux.vital", bank)  # it has macros
    command = interruptible(sys.executable, "-m", "vjax", "web", "--port", "0", "--checkpoint", str(engine_run))
    command += ["--bank", str(bank), "--vital-folder", str(vital), "--no-patch", "--no-resynthesis"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        line = process.stdout.readline()
        assert line.startswith("vjax web: http://127.0.0.1:"), line
        yield line.removeprefix("vjax web: ").strip(), vital
        assert process.poll() is None  # it lives
    finally:
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(20) == 130
        finally:
            process.stdout.close()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def open_page(server, start_browser, tmp_path_factory):
    """`open_page(width, dark)`: a new browser with the page."""
    with contextlib.ExitStack() as stack:

        def make(width: int = 1300, dark: bool = False) -> Page:
            folder = tmp_path_factory.mktemp("browser")
            flags = [f"window-size={width},1000", "autoplay-policy=no-user-gesture-required"]
            flags += ["blink-settings=preferredColorScheme=0"] if dark else []
            browser = start_browser(folder, *flags)
            stack.callback(browser.quit)
            return Page(browser, server[0], folder / "downloads").open()

        yield make


@pytest.fixture(scope="module")
def page(open_page):
    """A page on which a bass was matched."""
    page = open_page()
    page.match(SOUNDS / "bass.wav", "C2")
    return page
