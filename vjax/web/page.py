"""The layout of the page, and which handler each part calls."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from vjax.web.events import Events
from vjax.web.studio import EXAMPLES
from vjax.web.view import status

_PAGE = Path(__file__).parent / "page"
_SCRIPTS = ("dom", "player", "cards", "keys", "keyboard", "inside", "goon", "results")

INTRODUCTION = """\
# vjax
Drop or record a sound of one note. vjax estimates Vital presets that make it. Listen to them, play them, look inside,
and take one.
"""


def build_page(events: Events, functions: Sequence[Callable]) -> gr.Blocks:
    """The page. `functions`: what `page/results.js` calls, see `vjax.web.answers`."""
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    at_once: dict[str, Any] = private | {"queue": False}
    with gr.Blocks(title="vjax", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.Markdown(INTRODUCTION, elem_classes="vx-introduction")
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                audio = gr.Audio(
                    sources=["upload", "microphone"],
                    type="filepath",
                    label="Your sound: at most 50 MB and ten minutes",
                    buttons=[],
                    elem_id="sound",
                )
                with gr.Row(elem_classes="vx-examples"):
                    examples = [gr.Button(f"Try: {name}", size="sm") for name in EXAMPLES]
                with gr.Accordion("More recordings of this instrument", open=False):
                    gr.Markdown("One preset is matched to your sound and to all of these.", elem_classes="vx-plain")
                    files = gr.File(
                        file_count="multiple",
                        type="filepath",
                        label="Other notes, at most four",
                        height=140,
                        elem_id="more",
                    )
                    others = _scripted("dom", "recordings", functions=functions, elem_id="recordings")
            with gr.Column(scale=2, min_width=260):
                note = gr.Textbox(
                    label="Note", placeholder="C2, F#3 or 36; empty: vjax estimates it", max_lines=1, elem_id="note"
                )
                keys = _scripted("dom", "keys", "note", elem_id="keys")
                detected = gr.Markdown("", elem_id="detected")
                with gr.Row():
                    match = gr.Button("Match", variant="primary", interactive=False, elem_id="match")
                    cancel = gr.Button("Cancel", interactive=False, elem_id="cancel")
                line = gr.HTML(status("Give a sound first."), apply_default_css=False, elem_id="status")
        shown = _scripted(*_SCRIPTS, functions=functions, elem_id="results")
        page.unload(events.close)
        given = [shown, detected, note, keys, files, line, match, cancel]
        audio.change(events.take_sound, audio, given, concurrency_limit=None, **private)
        files.change(events.take_recordings, files, [others, line], concurrency_limit=None, **private)
        for button, name in zip(examples, EXAMPLES, strict=True):
            button.click(lambda name=name: events.example(name), outputs=audio, **at_once)
        matched = [shown, detected, line, match, cancel]
        for start in (match.click, note.submit):
            start(events.match, note, matched, concurrency_limit=None, **private)
        made = [shown, line, match, cancel]
        shown.refine(events.refine, None, made, concurrency_limit=None, **private)
        shown.vary(events.vary, None, made, concurrency_limit=None, **private)
        shown.undo(events.undo, None, shown, **at_once)
        cancel.click(events.cancel, **at_once)
    return page


def _scripted(*scripts: str, functions: Sequence[Callable] = (), elem_id: str) -> gr.HTML:
    """A part of the page that scripts draw. `functions`: what they can call."""
    return gr.HTML(
        None,
        html_template='<div class="vx"></div>',
        js_on_load="\n".join((_PAGE / f"{name}.js").read_text(encoding="utf-8") for name in scripts),
        server_functions=list(functions),
        apply_default_css=False,
        elem_id=elem_id,
    )
