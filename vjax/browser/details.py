"""The lower right of the browser: parameters, routes and menus of one prediction, in tabs, with a filter."""

from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, TabbedContent, TabPane

from vjax.browser.controls import ControlTexts, compare_controls, compare_routes
from vjax.browser.views import NARROW, WIDE, RowFilter, control_rows, menu_rows, route_rows
from vjax.browser.widgets import Table
from vjax.inference.decode import PredictedPreset

TABS = ("parameters", "routes", "menus")


class Details(Vertical):
    """Three tables in tabs. Only the table in front is filled. `wide` chooses the columns."""

    DEFAULT_CSS = """
    Details Input { display: none; height: 1; border: none; padding: 0 1; }
    Details Input.-open { display: block; }
    Details TabbedContent { height: 1fr; }
    Details TabPane { padding: 0; }
    """

    def __init__(self, **arguments: Any):
        super().__init__(**arguments)
        self._shown: tuple[PredictedPreset, ControlTexts, ControlTexts] | None = None
        self._rows = RowFilter()
        self.wide = True

    def compose(self) -> ComposeResult:
        yield Input(placeholder="a part of a name")
        with TabbedContent():
            for name in TABS:
                with TabPane(name, id=name):
                    yield Table(id=f"{name}-table")

    def on_mount(self) -> None:
        self.query_one("Tabs").can_focus = False  # keys 1 to 3 choose a tab from anywhere
        for table in self.query(Table):
            table.cursor_type = "none"  # the arrow keys scroll

    def show(self, prediction: PredictedPreset, predicted_texts: ControlTexts, target_texts: ControlTexts) -> None:
        self._shown = (prediction, predicted_texts, target_texts)
        self.fill()

    def fill(self) -> None:
        """Fills the table in front. `show` sets its content, the filter its rows, and `wide` its columns."""
        if self._shown is None:
            return
        columns = WIDE if self.wide else NARROW
        front = self.query_one(TabbedContent).active
        table = self.query_one(f"#{front}-table", Table)
        if front == "routes":
            table.fill(columns.routes, route_rows(compare_routes(*self._shown), self._rows, columns))
        elif front == "menus":
            table.fill(columns.menus, menu_rows(compare_controls(*self._shown), self._rows, columns))
        else:
            table.fill(columns.controls, control_rows(compare_controls(*self._shown), self._rows, columns))

    def front(self, name: str) -> None:
        """Brings one of `TABS` to the front."""
        self.query_one(TabbedContent).active = name

    def toggle_different(self) -> None:
        """Switches between all rows and only those that differ audibly. The names of the tabs show which."""
        self._rows = self._rows._replace(only_different=not self._rows.only_different)
        mark = " ≠" if self._rows.only_different else ""
        for name in TABS:
            self.query_one(TabbedContent).get_tab(name).label = Text(name + mark)
        self.fill()

    def open_filter(self) -> None:
        field = self.query_one(Input)
        field.add_class("-open")
        field.focus()

    def clear_filter(self) -> None:
        """Shows all names again and closes the field."""
        field = self.query_one(Input)
        field.value = ""
        field.remove_class("-open")
        self._focus_table()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._rows = self._rows._replace(text=event.value)
        self.fill()

    def on_input_submitted(self) -> None:
        self._focus_table()

    def on_tabbed_content_tab_activated(self) -> None:
        self.fill()

    def _focus_table(self) -> None:
        self.query_one(f"#{self.query_one(TabbedContent).active}-table", Table).focus()
