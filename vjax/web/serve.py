"""Starts the server of the page, and waits for its end."""

import os
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import NoReturn

# Before gradio is imported: no telemetry, and no questions to other machines.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

import gradio as gr

from vjax.inference.predict import Predictor
from vjax.matching.config import DEFAULT, MatchConfig
from vjax.vital.user_folder import user_folder
from vjax.web.answers import answers
from vjax.web.events import Events
from vjax.web.exposure import exposure_text, is_loopback
from vjax.web.page import build_page
from vjax.web.sessions import MOST_SESSIONS, Sessions
from vjax.web.studio import open_studio, warm_up

MOST_BYTES = 50 * 2**20
"""The largest sound that can be uploaded."""

_STYLE = Path(__file__).parent / "page" / "page.css"
_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
_MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "monospace")


def serve(
    predictor: Predictor,
    checkpoint: str,
    config: MatchConfig = DEFAULT,
    bank: str = "",
    host: str = "127.0.0.1",
    port: int = 7860,
    share: bool = False,
    vital_folder: str = "",
    open_browser: bool = False,
) -> NoReturn:
    """Serves the page until Ctrl-C, which raises KeyboardInterrupt.

    Args:
      checkpoint, bank: as in `open_studio`.
      config: of each match.
      host: address that the server listens on.
      port: 0 takes a free one.
      share: also at a public address, through a server of Gradio.
      vital_folder: where presets are saved; by default the folder of Vital. Only a page for this machine alone saves.
      open_browser: open the page in a browser.

    Raises:
      OSError: the port cannot be used; or `vital_folder` does not exist.
    """
    port = _usable_port(host, port)
    exposed = share or not is_loopback(host)
    folder = _folder(vital_folder, exposed)
    studio = open_studio(predictor, checkpoint, bank)
    sessions = Sessions()
    page = build_page(Events(studio, sessions, config, folder is not None), answers(studio, sessions, folder))
    if exposed:
        print(exposure_text(host, share), file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="vjax-web-") as scratch, studio.keys:
        os.environ["GRADIO_TEMP_DIR"] = scratch
        page.GRADIO_CACHE = scratch
        for block in page.blocks.values():
            block.GRADIO_CACHE = scratch
        page.queue(default_concurrency_limit=None, max_size=None)
        _, address, public = page.launch(
            server_name=host,
            server_port=port,
            share=share,
            inbrowser=open_browser,
            prevent_thread_lock=True,
            quiet=True,
            footer_links=[],
            run_history=False,
            max_file_size=MOST_BYTES,
            state_session_capacity=MOST_SESSIONS,
            max_threads=80,
            ssr_mode=False,
            enable_monitoring=False,
            theme=_theme(),
            css_paths=_STYLE,
        )
        print(f"vjax web: {address}", flush=True)
        if public:
            print(f"vjax web, public: {public}", flush=True)
        threading.Thread(target=_warm_up, args=(studio,), daemon=True).start()
        try:
            while True:
                threading.Event().wait()  # until KeyboardInterrupt
        finally:
            page.close(verbose=False)


def _folder(given: str, exposed: bool) -> Path | None:
    """Where the page saves presets; None if it does not save."""
    if exposed and not given:
        return None  # visitors must not write to this machine
    try:
        return user_folder(given)
    except FileNotFoundError:
        if given:
            raise
        return None


def _usable_port(host: str, port: int) -> int:
    """The port, or a free one for 0. Raises OSError if it cannot be used."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        if os.name == "posix":
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, port))
        except OSError as error:
            reason = f"port {port} of {host} cannot be used ({error.strerror})"
            raise OSError(f"{reason}; give another --port, or 0 for a free one") from error
        return taken.getsockname()[1]


def _theme() -> gr.themes.Base:
    fonts, mono = ([gr.themes.Font(name) for name in names] for names in (_FONTS, _MONO))
    return gr.themes.Base(primary_hue="orange", neutral_hue="stone", font=fonts, font_mono=mono, radius_size="md")


def _warm_up(studio) -> None:
    began = studio.line.join()
    try:
        warm_up(studio)
    finally:
        began.leave()
