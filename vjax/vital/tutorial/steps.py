"""What a tutorial consists of: steps in order, each with sentences for people and the facts that they state."""

import dataclasses

from vjax.vital.preset import Route


@dataclasses.dataclass(frozen=True)
class Fact:
    """A control that a step sets.

    Attributes:
      control: the engine's name, for example `filter_1_cutoff`.
      label: its name on Vital's panel, for example `cutoff`.
      native: the value that Vital stores.
      text: the value for people, for example `1.2 kHz (26.4 semitones)`.
    """

    control: str
    label: str
    native: float
    text: str


@dataclasses.dataclass(frozen=True)
class Connection:
    """A modulation route that a step makes. `slot` is its number in the preset, from 1."""

    slot: int
    route: Route
    text: str


@dataclasses.dataclass(frozen=True)
class Part:
    """Content that a step takes from the preset file.

    Attributes:
      name: `osc_N_wavetable`, `lfo_N_shape`, `sample`, or `modulation_N_curve` for the remapping of a route.
      text: what it is.
    """

    name: str
    text: str


@dataclasses.dataclass(frozen=True)
class Step:
    """A title and short sentences. Each fact, connection and part is in one of the sentences."""

    title: str
    sentences: tuple[str, ...]
    facts: tuple[Fact, ...] = ()
    connections: tuple[Connection, ...] = ()
    parts: tuple[Part, ...] = ()


@dataclasses.dataclass(frozen=True)
class Tutorial:
    """How to build a preset, from Vital's init preset.

    Attributes:
      name, author, style: of the preset.
      steps: in the order in which to do them.
      notes: what the tutorial cannot contain, for people: values out of range, settings that the engine does not play.
    """

    name: str
    author: str
    style: str
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
