"""The parts of the browser's screen: spectrograms and tables."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from rich.text import Text
from textual.app import RenderResult
from textual.binding import Binding, BindingType
from textual.coordinate import Coordinate
from textual.widget import Widget
from textual.widgets import DataTable

from vjax.audio.mel import MelConfig
from vjax.browser.mel_cells import frequency_ticks, mel_text
from vjax.browser.views import Column, note_name, percent
from vjax.inference.decode import PredictedPreset

_TICK_WIDTH = 4


class MelView(Widget):
    """A log-mel spectrogram with frequency labels at the left; or a text, as long as there is no spectrogram."""

    DEFAULT_CSS = "MelView { padding: 0 1; border-title-color: $text; }"

    def __init__(self, title: str, empty: str, **arguments: Any):
        super().__init__(**arguments)
        self.border_title = title
        self._empty = empty
        self._mel_db: np.ndarray | None = None
        self._top_db = 0.0
        self._config = MelConfig()

    def show(self, mel_db: np.ndarray | None, top_db: float, config: MelConfig) -> None:
        """Draws a spectrogram.

        Args:
          mel_db: [n_mels, t] in dB; None draws the text.
          top_db: the level of the brightest colour.
          config: settings of the spectrogram.
        """
        self._mel_db, self._top_db, self._config = mel_db, top_db, config
        self.refresh()

    def render(self) -> RenderResult:
        width, height = self.content_size.width - _TICK_WIDTH, self.content_size.height
        if self._mel_db is None or width < 1 or height < 1:
            return Text("\n" * (height // 2) + self._empty, "dim", justify="center")
        spectrogram = mel_text(self._mel_db, width, height, self._top_db)
        ticks = frequency_ticks(self._config, height)
        lines = zip(ticks, spectrogram.split("\n"), strict=True)
        return Text("\n").join(Text(f"{tick:>3} ", "dim", no_wrap=True, end="") + line for tick, line in lines)


class Table(DataTable):
    """A table of finished texts. Its left and right keys go to other sounds, as everywhere in the browser."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "app.sound(-1)", show=False),
        Binding("right", "app.sound(1)", show=False),
        Binding("shift+left", "scroll_left", show=False),
        Binding("shift+right", "scroll_right", show=False),
    ]

    def __init__(self, **arguments: Any):
        super().__init__(cell_padding=0, cursor_type="row", **arguments)

    def fill(self, columns: Sequence[Column], rows: Iterable[Sequence[Text]]) -> None:
        """Replaces columns and rows, and keeps the scroll position."""
        top = self.scroll_offset
        self.clear(columns=True)
        for column in columns:
            self.add_column(column.cell(column.heading), width=column.width)
        self.add_rows(rows)
        self.scroll_to(*top, animate=False, force=True)


class Sounds(Table):
    """The list of predicted sounds, with the distance of those that were rendered."""

    _COLUMNS: ClassVar = (Column("row", 7), Column("note", 5), Column("sure", 5), Column("MSS", 5))

    def on_mount(self) -> None:
        self.fill(self._COLUMNS, ())

    def add(self, prediction: PredictedPreset) -> None:
        assert prediction.confidence is not None, "the browser requests it"
        sure = percent(prediction.confidence.mean_probability)
        texts = (prediction.name.removeprefix("row "), note_name(prediction.midi_note), sure, "")
        self.add_row(*(column.cell(text) for column, text in zip(self._COLUMNS, texts, strict=True)))

    def set_distance(self, index: int, mss_db: float) -> None:
        """Shows the distance of the sound at `index`. NaN (a silent or missing sound) is shown as a dash."""
        text = "-" if math.isnan(mss_db) else f"{mss_db:.1f}"
        self.update_cell_at(Coordinate(index, len(self._COLUMNS) - 1), self._COLUMNS[-1].cell(text))
