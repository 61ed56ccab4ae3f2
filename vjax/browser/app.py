"""A terminal browser (Textual) of a checkpoint's predictions on a dataset, with their confidence and their sound."""

import collections
import contextlib
import math
import multiprocessing.resource_tracker
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from rich.text import Text
from textual import events, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Header, Static
from textual.worker import get_current_worker

from vjax.browser import playback, views
from vjax.browser.controls import compare_routes
from vjax.browser.details import TABS, Details
from vjax.browser.help import HelpScreen
from vjax.browser.mel_cells import to_db
from vjax.browser.session import (
    Pair,
    Session,
    export_prediction,
    open_session,
    predictions,
    render_pair,
    render_pool,
    stored_mel,
)
from vjax.browser.widgets import MelView, Sounds, Table
from vjax.engine.pool import RenderPool
from vjax.inference.decode import PredictedPreset

Side = Literal["target", "prediction"]

PAGE = 64
"""How many sounds are predicted at a time. The next ones follow when the cursor comes near the end of the list."""

_NEAR_THE_END = 16
_WIDE_CELLS = 120
_KEPT_PAIRS = 64  # renders of 2 s in stereo are 1.4 MB a pair


class Browser(App[Exception]):
    """The browser.

    Args:
      checkpoint, dataset, which, limit: see `open_session`.
      out: the folder to which presets are exported.
    """

    TITLE = "vjax"
    CSS = """
    #sounds { width: 23; height: 1fr; }
    .-wide #sounds { width: 25; }
    #right { width: 1fr; }
    #summary { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
    #spectrograms { height: 9; }
    .-tall #spectrograms { height: 18; }
    MelView { width: 1fr; border: round $primary; padding: 0; }
    Details { height: 1fr; }
    Table { height: 1fr; scrollbar-size-horizontal: 0; scrollbar-size-vertical: 1; }
    """
    # Textual's own are not class variables for a type checker, because they have no ClassVar.
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (_WIDE_CELLS, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-low"), (36, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,k", "sound(-1)", "Previous", show=False),
        Binding("right,j", "sound(1)", "Next", show=False),
        Binding("t", "play('target')", "Target"),
        Binding("p", "play('prediction')", "Predicted"),
        Binding("space", "other", "A/B"),
        Binding("s", "stop", "Stop", show=False),
        Binding("r", "render", "Render", show=False),
        Binding("e", "export", "Export"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("escape", "clear_filter", "Show all", show=False),
        Binding("d", "different", "Differ"),
        *(Binding(str(i + 1), f"tab('{name}')", name, show=False) for i, name in enumerate(TABS)),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, checkpoint: str, dataset: str, which: str = "best", limit: int = 0, out: Path = Path("presets")):
        super().__init__()
        # The render processes need this helper. It inherits stderr, so start it before Textual replaces stderr.
        multiprocessing.resource_tracker.ensure_running()
        self._arguments = (checkpoint, dataset, which, limit)
        self._out = out
        self._session: Session | None = None
        self._pool: RenderPool | None = None
        self._predictions: list[PredictedPreset] = []
        self._pairs: collections.OrderedDict[int, Pair] = collections.OrderedDict()
        self._wanted: dict[int, Side | None] = {}  # sounds being rendered: index to the side to play
        self._predicting = True
        self._side: Side = "prediction"  # last played; with this value the first A/B plays the target

    @property
    def _shown_session(self) -> Session:
        assert self._session is not None, "there are sounds, so the session is open"
        return self._session

    def compose(self) -> ComposeResult:
        yield Header()
        with Horizontal():
            yield Sounds(id="sounds")
            with Vertical(id="right"):
                yield Static(id="summary")
                with Horizontal(id="spectrograms"):
                    yield MelView("target", "", id="target")
                    yield MelView("prediction", "r renders it", id="prediction")
                yield Details()
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        sounds = self.query_one(Sounds)
        sounds.loading = self.query_one("#right").loading = True
        checkpoint, dataset, *_ = self._arguments
        self.sub_title = f"{checkpoint} on {dataset}"
        self._open()

    def on_unmount(self) -> None:
        playback.stop()

    @work(thread=True, group="predict")
    def _open(self) -> None:
        with self._exit_on_error():
            session = open_session(*self._arguments)
            self.call_from_thread(self._opened, session)
            self._predict_page(session)

    @work(thread=True, group="predict")
    def _predict_more(self, session: Session) -> None:
        with self._exit_on_error():
            self._predict_page(session)

    def _predict_page(self, session: Session) -> None:
        worker, start = get_current_worker(), len(self._predictions)
        with contextlib.closing(predictions(session, start, start + PAGE)) as page:
            for prediction in page:
                if worker.is_cancelled:
                    return
                self.call_from_thread(self._add, prediction)
        self.call_from_thread(setattr, self, "_predicting", False)

    @contextlib.contextmanager
    def _exit_on_error(self):
        """Ends the browser at a ValueError or OSError inside the block. `run_browser` then raises this error."""
        try:
            yield
        except (ValueError, OSError) as error:
            if not get_current_worker().is_cancelled:
                self.call_from_thread(self.exit, error)

    def _opened(self, session: Session) -> None:
        self._session, self._pool = session, render_pool(session)
        checkpoint, dataset, which, _ = self._arguments
        step = session.predictor.step
        self.sub_title = f"{checkpoint}, {which}, step {step} · {len(session.rows)} {session.choice} of {dataset}"

    def _add(self, prediction: PredictedPreset) -> None:
        self._predictions.append(prediction)
        sounds = self.query_one(Sounds)
        sounds.add(prediction)
        if len(self._predictions) == 1:
            sounds.loading = self.query_one("#right").loading = False
            sounds.focus()

    @property
    def _cursor_index(self) -> int:
        return self.query_one(Sounds).cursor_row

    def on_data_table_row_highlighted(self, event: Table.RowHighlighted) -> None:
        if event.data_table.id != "sounds" or self._session is None:
            return
        playback.stop()
        self._side = "prediction"
        self._show_sound()
        left = len(self._session.rows) - len(self._predictions)
        if left and not self._predicting and event.cursor_row >= len(self._predictions) - _NEAR_THE_END:
            self._predicting = True
            self._predict_more(self._session)

    def on_data_table_row_selected(self, event: Table.RowSelected) -> None:
        self.action_render()

    def on_resize(self, event: events.Resize) -> None:
        details = self.query_one(Details)
        details.wide = event.size.width >= _WIDE_CELLS
        details.fill()

    def _show_sound(self) -> None:
        session, index = self._shown_session, self._cursor_index
        prediction, pair = self._predictions[index], self._pairs.get(index)
        routes = compare_routes(prediction, session.predicted_texts, session.target_texts)
        self.query_one("#summary", Static).update(Text(views.summary(prediction, routes)))
        mels_db = {"target": to_db(stored_mel(session, index))}
        title = "predicted"
        if pair is not None and pair.mel is not None:
            mels_db["prediction"] = to_db(pair.mel)
            measured = not math.isnan(pair.mss_db)
            title += f", MSS {pair.mss_db:.1f} dB" if measured else ", no distance"
        top_db = max(float(np.max(mel_db)) for mel_db in mels_db.values())
        for side in ("target", "prediction"):
            self.query_one(f"#{side}", MelView).show(mels_db.get(side), top_db, session.predictor.mel)
        predicted_view = self.query_one("#prediction", MelView)
        predicted_view.border_title = title
        predicted_view.loading = index in self._wanted
        self.query_one(Details).show(prediction, session.predicted_texts, session.target_texts)

    def action_sound(self, step: int) -> None:
        self.query_one(Sounds).move_cursor(row=self._cursor_index + step)

    def action_tab(self, name: str) -> None:
        self.query_one(Details).front(name)

    def action_different(self) -> None:
        self.query_one(Details).toggle_different()

    def action_filter(self) -> None:
        self.query_one(Details).open_filter()

    def action_clear_filter(self) -> None:
        self.query_one(Details).clear_filter()

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

    def action_render(self) -> None:
        self._render_and_play(None)

    def action_play(self, side: Side) -> None:
        self._side = side
        self._render_and_play(side)

    def action_other(self) -> None:
        self.action_play("target" if self._side == "prediction" else "prediction")

    def action_stop(self) -> None:
        playback.stop()

    def _render_and_play(self, side: Side | None) -> None:
        """Renders both sides of the shown sound unless that was done, then plays `side`; None plays nothing."""
        if not self._predictions:
            return
        index = self._cursor_index
        if index in self._pairs:
            self._play(self._pairs[index], side)
            return
        rendering = index in self._wanted
        self._wanted[index] = side
        if not rendering:
            self.query_one("#prediction").loading = True
            self._render_sounds(index)

    @work(thread=True, group="render")
    def _render_sounds(self, index: int) -> None:
        assert self._pool is not None, "`_render` opened it"
        pair = render_pair(self._shown_session, self._pool, self._predictions[index])
        if not get_current_worker().is_cancelled:
            self.call_from_thread(self._rendered, index, pair)

    def _rendered(self, index: int, pair: Pair) -> None:
        side = self._wanted.pop(index)
        self._pairs[index] = pair
        if len(self._pairs) > _KEPT_PAIRS:
            self._pairs.popitem(last=False)
        self.query_one(Sounds).set_distance(index, pair.mss_db)
        for problem in pair.problems:
            self.notify(problem, severity="error", markup=False)
        if index == self._cursor_index:
            self._show_sound()
            self._play(pair, side)

    @work(thread=True, exclusive=True, group="play")
    def _play(self, pair: Pair, side: Side | None) -> None:
        sound = None if side is None else {"target": pair.target, "prediction": pair.prediction}[side]
        if sound is None:
            return
        try:
            playback.play(sound, self._shown_session.predictor.sample_rate)
        except (playback.PlaybackError, ValueError) as error:
            self.call_from_thread(self.notify, str(error), severity="warning", timeout=12, markup=False)
            self.call_from_thread(self.refresh)  # the sound system may have written over the screen

    def action_export(self) -> None:
        if not self._predictions:
            return
        try:
            path = export_prediction(self._shown_session, self._predictions[self._cursor_index], self._out)
        except (ValueError, OSError) as error:
            self.notify(f"not exported: {error}", severity="error", markup=False)
        else:
            self.notify(f"written: {path}", markup=False)
