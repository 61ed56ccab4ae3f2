"""The help page of the browser: what the keys do, and how to read the page."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS = (
    ("← → or j k", "previous and next sound"),
    ("t", "play the target; the first time both are rendered"),
    ("p", "play the prediction"),
    ("space", "A/B: play the other of the two"),
    ("s", "stop playing"),
    ("r, enter", "render without playing: distance and spectrogram"),
    ("e", "export the predicted preset, to open in Vital"),
    ("1 2 3", "parameters, routes, menus"),
    ("/", "show only names that contain a text; escape shows all"),
    ("d", "show only what differs and is audible"),
    ("tab, ↑ ↓", "move between the tables, and in them"),
    ("q", "quit"),
)
READING = (
    "Knobs: values as on Vital's panel. The bar shows prediction minus target, full at half the knob's range; ± is the "
    "spread under dropout. Menus: the probability of the chosen option. Dim: inaudible, because its module is off or "
    "its source modulates nothing. Routes: ✓ found, - missed, + invented. MSS: distance of the renders in dB, 0 is "
    "equal."
)


class HelpScreen(ModalScreen[None]):
    """Shows what the keys do and how to read the page. Each of its key bindings closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter,space", "dismiss", show=False)]
    CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > Vertical {
        width: 76; max-width: 100%; height: auto; max-height: 100%; padding: 0 2;
        border: round $primary; background: $surface; overflow-y: auto;
    }
    """

    def compose(self) -> ComposeResult:
        lines = [Text.assemble((f"{key:>13}", "bold"), f"  {meaning}") for key, meaning in KEYS]
        with Vertical() as box:
            box.border_title = "keys"
            box.border_subtitle = "escape closes"
            yield Static(Text("\n").join([*lines, Text(), Text(READING)]))
