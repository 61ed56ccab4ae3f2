"""Pure functions that turn a prediction into rows of coloured text, for the browser's tables.

Colours are names of the terminal's theme. All texts are `rich.text.Text` and not markup, because names may contain
brackets.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.text import Text

from vjax.audio import pitch
from vjax.browser.controls import Control, RoutePair
from vjax.inference.decode import PredictedPreset


class Column(NamedTuple):
    """A column of a table.

    Attributes:
      heading: its text.
      width: in cells, with a blank at the left.
      right: whether its texts are right-aligned.
    """

    heading: str
    width: int
    right: bool = False

    def cell(self, text: str, style: str = "") -> Text:
        """The text after a blank, cut to the width."""
        room = self.width - 1
        text = text if len(text) <= room else text[: room - 1] + "…"
        return Text(" " + (text.rjust(room) if self.right else text), style, no_wrap=True)


class Columns(NamedTuple):
    """The columns of the three tables."""

    controls: tuple[Column, ...]
    menus: tuple[Column, ...]
    routes: tuple[Column, ...]


def _columns(control: int, value: int, bar: int, option: int, source: int, destination: int, likeliest: int) -> Columns:
    sure = Column("sure", 7, right=True)
    values = (Column("target", value, right=True), Column("predicted", value, right=True))
    amounts = (Column("target", 7, right=True), Column("pred.", 7, right=True))
    return Columns(
        controls=(Column("control", control), *values, Column("differs", bar), sure),
        menus=(
            Column("menu", control),
            Column("target", option),
            Column("predicted", option),
            sure,
            Column("likeliest", likeliest),
        ),
        routes=(
            Column("", 9),
            Column("source", source),
            Column("destination", destination),
            *amounts,
            sure,
            Column("manner", 37),
        ),
    )


NARROW = _columns(control=19, value=10, bar=10, option=12, source=10, destination=16, likeliest=50)
"""Columns for a narrow terminal. 56 cells are visible; the other columns need scrolling."""

WIDE = _columns(control=29, value=20, bar=16, option=20, source=18, destination=40, likeliest=56)

_FULL_BAR_NORM = 0.5
_NEAR_NORM, _FAR_NORM = 0.05, 0.2
_KINDS = {"found": ("✓ found", "green"), "missed": ("- missed", "yellow"), "invented": ("+ new", "red")}


class RowFilter(NamedTuple):
    """Which rows are shown.

    Attributes:
      text: only rows whose name contains it, in upper or lower case.
      only_different: only rows in which prediction and target differ.
    """

    text: str = ""
    only_different: bool = False

    def takes(self, name: str, differs: bool) -> bool:
        return self.text.lower() in name.lower() and (differs or not self.only_different)


def note_name(midi_note: int | None) -> str:
    """The name of a note: "C4" for 60, "" for None."""
    return "" if midi_note is None else pitch.note_name(midi_note)


def percent(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.0%}"


def difference_bar(difference_norm: float, width: int = 11) -> Text:
    """A bar from the middle: to the left if the prediction is too low, to the right if it is too high.

    Args:
      difference_norm: prediction minus target. Half the range fills one side. NaN gives no bar.
      width: in cells, odd.
    """
    if math.isnan(difference_norm):
        return Text(" " * width)
    side = width // 2
    size = abs(difference_norm)
    halves = min(math.ceil(size / _FULL_BAR_NORM * side * 2 - 1e-6), 2 * side)
    full, half = divmod(halves, 2)
    colour = "green" if size < _NEAR_NORM else "yellow" if size < _FAR_NORM else "red"
    left, right = " " * side, " " * side
    if difference_norm < 0:
        left = ("▐" * half + "█" * full).rjust(side)
    else:
        right = ("█" * full + "▌" * half).ljust(side)
    return Text.assemble((left, colour), ("│", "dim"), (right, colour))


def control_rows(controls: Iterable[Control], show: RowFilter, columns: Columns = WIDE) -> list[list[Text]]:
    """Rows of `Columns.controls`: for each module a heading, then its controls. Inaudible controls are dim."""
    shown = [control for control in controls if show.takes(control.name, control.differs)]
    rows = []
    for module, group in itertools.groupby(shown, key=lambda control: control.module):
        members = list(group)
        silent = not any(control.audible and not control.name.endswith("_on") for control in members)
        heading = columns.controls[0].cell(module, "bold dim" if silent else "bold")
        rows.append([heading, *(Text() for _ in columns.controls[1:])])
        rows += [_control_row(control, columns.controls) for control in members]
    return rows


def menu_rows(controls: Iterable[Control], show: RowFilter, columns: Columns = WIDE) -> list[list[Text]]:
    """Rows of `Columns.menus`, the least probable predictions first. Inaudible ones come last and are dim."""
    menus = [c for c in controls if c.probability is not None and show.takes(c.name, c.differs)]
    rows = []
    for menu in sorted(menus, key=lambda c: (not c.audible, c.probability)):
        style = "" if menu.audible else "dim"
        option_style = style if not menu.audible or not menu.target else "red" if menu.differs else "green"
        best = " · ".join(f"{option} {probability:.0%}" for option, probability in menu.best)
        texts = (menu.name, menu.target, menu.predicted, percent(menu.probability), best)
        styles = (style, style, option_style, style, style)
        rows.append(_row(columns.menus, texts, styles))
    return rows


def route_rows(routes: Iterable[RoutePair], show: RowFilter, columns: Columns = WIDE) -> list[list[Text]]:
    """Rows of `Columns.routes`. The last column shows what is special about the route: bipolar, stereo, power."""
    rows = []
    for route in routes:
        if not show.takes(f"{route.source} {route.destination}", route.kind != "found"):
            continue
        label, colour = _KINDS[route.kind]
        amounts = ("" if values is None else f"{values[0]:+.2f}" for values in (route.target, route.predicted))
        texts = (
            label,
            route.source.replace("_control_", "_"),
            route.destination,
            *amounts,
            percent(route.presence),
            _manner(route),
        )
        rows.append(_row(columns.routes, texts, (colour, "", "", "", "", "", "dim")))
    return rows


def summary(prediction: PredictedPreset, routes: Sequence[RoutePair]) -> str:
    """One short line: `row 25, D4: menus 80%, knobs ±5.5%, routes 2✓ 8- 18+` (found, missed, invented)."""
    kinds = [route.kind for route in routes]
    counts = f"{kinds.count('found')}✓ {kinds.count('missed')}- {kinds.count('invented')}+"
    assert prediction.confidence is not None, "the browser requests it"
    spread = prediction.confidence.mean_spread_norm
    knobs = "" if math.isnan(spread) else f", knobs ±{spread:.1%}"
    menus = percent(prediction.confidence.mean_probability) or "-"
    return f"{prediction.name}, {note_name(prediction.midi_note)}: menus {menus}{knobs}, routes {counts}"


def _control_row(control: Control, columns: Sequence[Column]) -> list[Text]:
    style = "" if control.audible else "dim"
    bar_width = columns[3].width - 1 - columns[3].width % 2  # odd, after the blank
    if control.probability is None:
        difference = difference_bar(control.difference_norm, bar_width)
        sure = "" if control.spread_norm is None else f"±{control.spread_norm:.1%}"
    else:
        sure = percent(control.probability)
        label, colour = {0.0: ("same", "green"), 1.0: ("other", "red")}.get(control.difference_norm, ("", ""))
        difference = Text(label.center(bar_width), colour)
    if not control.audible:
        difference = Text(difference.plain, "dim")
    name = control.name.removeprefix(f"{control.module}_")
    row = _row(columns, (f"  {name}", control.target, control.predicted, "", sure), (style,) * len(columns))
    row[3] = Text(" ") + difference
    return row


def _row(columns: Sequence[Column], texts: Sequence[str], styles: Sequence[str]) -> list[Text]:
    return [column.cell(text, style) for column, text, style in zip(columns, texts, styles, strict=True)]


def _manner(route: RoutePair) -> str:
    """For example `bipolar, power 2.0`; or `target > prediction` if the two sides of a found route differ."""
    manners = [_manner_of(values) for values in (route.target, route.predicted) if values is not None]
    return manners[0] if len(set(manners)) == 1 else " > ".join(manners)


def _manner_of(values: tuple[float, ...]) -> str:
    _, bipolar, power, stereo = values
    parts = ["bipolar"] * (bipolar >= 0.5) + ["stereo"] * (stereo >= 0.5)
    return ", ".join(parts + [f"power {power:.1f}"] * (abs(power) >= 0.05)) or "plain"
