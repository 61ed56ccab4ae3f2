"""Measures how long a visitor of `vjax web` waits: from Match to the first card with a candidate, and to the last.

    python benchmarks/web_time.py tests/data/sounds/bass.wav C2    # minutes on two cores; needs Chromium

The shipped model, with patches and resyntheses, in a real browser. The first round also compiles.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sound", type=Path)
    parser.add_argument("note", help="such as C2")
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    command = [sys.executable, "-m", "vjax", "web", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))  # else Selenium looks for one in the network
    browser = webdriver.Chrome(options=options, service=service)
    try:
        address = server.stdout.readline().removeprefix("vjax web: ").strip()
        for number in range(arguments.rounds):
            browser.get(address)
            first_s, last_s = waits_s(browser, arguments.sound.resolve(), arguments.note)
            print(f"round {number + 1}: first card after {first_s:.1f} s, all after {last_s:.1f} s", flush=True)
    finally:
        browser.quit()
        server.send_signal(signal.SIGINT)
        server.wait()


def waits_s(browser: webdriver.Chrome, sound: Path, note: str) -> tuple[float, float]:
    """Seconds from Match to the first candidate's card, and to the end."""

    def find(selector: str) -> list:
        return browser.find_elements(By.CSS_SELECTOR, selector)

    def wait(done, limit_s: float = 300) -> None:
        end = time.monotonic() + limit_s
        while not done():
            if time.monotonic() > end:
                raise SystemExit(f"no answer within {limit_s:g} s; the page shows: {find('body')[0].text[:500]}")
            time.sleep(0.05)

    wait(lambda: find("#sound input[type=file]"))
    find("#sound input[type=file]")[0].send_keys(str(sound))
    wait(lambda: "Ready" in find("#status")[0].text)
    field = find("#note input, #note textarea")[0]
    field.clear()
    field.send_keys(note)
    wait(lambda: find("#match")[0].is_enabled())
    time.sleep(1)  # the page reads the note
    find("#match")[0].click()
    began = time.monotonic()
    wait(lambda: len(find(".vx-card .vx-distance")) > 1)
    first_s = time.monotonic() - began
    wait(lambda: find("#status")[0].text.startswith("Done"))
    return first_s, time.monotonic() - began


if __name__ == "__main__":
    main()
