"""What a tutorial reads from a preset, and a draft that collects the sentences and facts of one step."""

import dataclasses

import numpy as np

from vjax.sound.encoding import CHAIN
from vjax.vital.editability import carrying_routes
from vjax.vital.in_use import controls_in_use, effects_in_order, without_idle_modules
from vjax.vital.preset import Preset, Route, controls, init
from vjax.vital.tutorial.steps import Connection, Fact, Part, Step
from vjax.vital.tutorial.values import is_switch, native_of, native_text, value_text
from vjax.vital.tutorial.words import ADVANCED, joined, label
from vjax.vital.values import value_of, with_values

_MOST_IN_SENTENCE = 3


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a tutorial is about.

    Attributes:
      preset: with the modules off that make no difference.
      changed: the controls that are in use and differ from the init preset.
      routes: (slot from 0, route) of the routes that make a difference.
      moved: the destinations of these routes.
    """

    preset: Preset
    changed: frozenset[str]
    routes: tuple[tuple[int, Route], ...]
    moved: frozenset[str]

    @classmethod
    def of(cls, preset: Preset) -> "Reading":
        preset = without_idle_modules(preset)
        routes = tuple(carrying_routes(preset))
        changed = {name for name in controls_in_use(preset) if _differs(preset, name)}
        if effects_in_order(preset) == effects_in_order(with_values(preset, {CHAIN: 0})):
            changed -= {CHAIN}  # only effects that are off are in another order
        return cls(preset, frozenset(changed), routes, frozenset(route.destination for _, route in routes))

    def value(self, name: str) -> float:
        """As `value_of`."""
        return value_of(self.preset, name)


def _differs(preset: Preset, name: str) -> bool:
    schema = controls()
    at = schema.position[name]
    if name in schema.categorical_names:
        return preset.categorical[at] != init().categorical[at]
    own, default = value_of(preset, name), value_of(init(), name)
    # The engine's values are float32. A difference that the panel does not show is none.
    return np.float32(own) != np.float32(default) and native_text(preset, name, own) != native_text(
        preset, name, default
    )


class Draft:
    """Collects one step. A control that does not differ from the init preset adds neither a fact nor a sentence."""

    def __init__(self, reading: Reading, title: str):
        self.reading, self.title = reading, title
        self.sentences: list[str] = []
        self.facts: dict[str, Fact] = {}
        self.connections: list[Connection] = []
        self.parts: list[Part] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def fact(self, name: str) -> Fact | None:
        """Takes a control as a fact that the caller's sentence states; None if there is nothing to state."""
        if name not in self.reading.changed or name in self.facts:
            return None
        preset = self.reading.preset
        self.facts[name] = Fact(name, label(name), native_of(preset, name), value_text(preset, name))
        return self.facts[name]

    def set(self, *names: str) -> None:
        """Says to set those of the controls that differ, at most three in a sentence. Switches get their own."""
        wanted = [name for name in names if name in self.reading.changed and name not in self.facts]
        for place in ("", "On the ADVANCED tab, "):
            here = [name for name in wanted if bool(ADVANCED.fullmatch(name)) == bool(place)]
            settings = [fact for name in here if not is_switch(name) and (fact := self.fact(name))]
            for i in range(0, len(settings), _MOST_IN_SENTENCE):
                parts = [f"the {fact.label} to {fact.text}" for fact in settings[i : i + _MOST_IN_SENTENCE]]
                self.say(_sentence(place, f"set {joined(parts)}"))
            for fact in [fact for name in here if is_switch(name) and (fact := self.fact(name))]:
                self.say(_sentence(place, f"switch {fact.label} {fact.text}"))

    def set_rest(self, module: str) -> None:
        """As `set`, for all controls of a module that have no fact yet."""
        schema = controls()
        names = (*schema.continuous_names, *schema.categorical_names)
        self.set(*(name for name in names if schema.module(name) == module))

    def step(self) -> Step:
        return Step(
            self.title, tuple(self.sentences), tuple(self.facts.values()), tuple(self.connections), tuple(self.parts)
        )


def _sentence(place: str, text: str) -> str:
    return f"{place}{text}." if place else f"{text[0].upper()}{text[1:]}."
