"""Starts bred with each other: presets crossed by module and changed a little, before the knobs of one are refined.

An evolution strategy turns knobs; it cannot take another wavetable, filter model or route. Among several starts each is
often right about something else: one has the oscillator, another the reverb. So a part of the evaluations goes to a
plain genetic algorithm over whole presets. Children whose parents are the best are rendered and ranked like starts.
"""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vjax.answers import EFFECTS
from vjax.inference.audible import audible_knobs
from vjax.schema import N_OSCILLATORS, N_SLOTS
from vjax.vital.preset import Preset, Route, controls

_OSCILLATORS = tuple(f"osc_{i + 1}" for i in range(N_OSCILLATORS))
MODULES = (*_OSCILLATORS, "sample", "filter_1", "filter_2", "env_1", *EFFECTS)
"""What children inherit as a whole. The voice, its pitch and its level are those of the first parent."""

_KEPT = 60  # members that may become parents
_FIRST_RANKS, _SECOND_RANKS = 3, 10  # mean rank of a first and of a second parent, which may be worse in most
_CROSSED, _CHANGED = 0.6, 0.6  # shares of the children; one that is neither is changed
_MODULES_TAKEN = 0.15  # of those in use, beyond one
_KNOBS_TURNED = 6  # about so many in a changed child
_TURNS_NORM = (0.03, 0.1, 0.3)  # by so much: close by, nearby, elsewhere
_AMOUNT_TURN = 0.2  # of a route


class Member(NamedTuple):
    """A preset of the population; `label` tells of the start that it descends from."""

    loss: float
    label: str
    preset: Preset


class Breeding:
    """A population of presets, the best first.

    Args:
      members: to begin with, at least one.
      rng: decides all: the same losses breed the same children.
      fits: whether a child may live; it is asked for children of any kind, and must agree to the members.
    """

    def __init__(
        self, members: Sequence[Member], rng: np.random.Generator, fits: Callable[[Preset], bool] = lambda _: True
    ):
        if not members:
            raise ValueError("there is nobody to breed from; give at least one preset")
        self._rng, self._fits = rng, fits
        self.members = sorted(members, key=lambda member: member.loss)

    def ask(self, n: int) -> list[tuple[str, Preset]]:
        """`n` children, each with its label."""
        fitting = (child for child in iter(self._child, None) if self._fits(child[1]))
        return list(itertools.islice(fitting, n))

    def tell(self, children: Sequence[tuple[str, Preset]], losses: np.ndarray) -> None:
        """Takes in what `ask` gave; NaN: not heard, and forgotten."""
        born = [Member(float(loss), *child) for child, loss in zip(children, losses, strict=True) if loss == loss]
        self.members = sorted([*self.members, *born], key=lambda member: member.loss)[:_KEPT]

    def kinds(self) -> list[Member]:
        """The best member of each kind, the best first: those of one kind differ in knobs alone."""
        best: dict[tuple, Member] = {}
        for member in self.members:
            best.setdefault(_kind(member.preset), member)
        return list(best.values())

    def _child(self) -> tuple[str, Preset]:
        first, second = self._parent(_FIRST_RANKS), self._parent(_SECOND_RANKS)
        child, rng = first.preset, self._rng
        in_use = [m for m in MODULES if _on(first.preset, m) or _on(second.preset, m)]
        if second is not first and rng.random() < _CROSSED:
            n = 1 + rng.binomial(len(in_use) - 1, _MODULES_TAKEN)
            child = crossed(child, second.preset, set(rng.choice(in_use, n, replace=False).tolist()))
        if child is first.preset or rng.random() < _CHANGED:
            child = changed(child, second.preset, rng)
        label = first.label if first.label.startswith("bred from ") else f"bred from {first.label}"
        return label, child

    def _parent(self, mean_rank: float) -> Member:
        chances = np.exp(-np.arange(len(self.members)) / mean_rank)
        return self.members[self._rng.choice(len(self.members), p=chances / chances.sum())]


def crossed(first: Preset, second: Preset, modules: set[str]) -> Preset:
    """`first` with these of MODULES as they are in `second`, and the routes that move them.

    A route brings its source's settings along, unless a route of `first` uses that source too. Oscillators keep their
    pitch: where the voices are transposed differently, their own transposition makes up for it. Routes that point at
    routes stay with `first`; one whose target is gone goes too.
    """
    schema = controls()
    kept = [None if r is None or schema.module(r.destination) in modules else r for r in first.routes]
    kept = _without_dangling(kept)
    brought = [r for r in second.routes if r is not None and not r.bypass and schema.module(r.destination) in modules]
    sources = {route.source for route in brought} - {route.source for route in kept if route is not None}
    taken = modules | {source for source in sources if source != "env_1"}

    def of(name: str) -> bool:
        return schema.module(name) in taken or name in sources

    knobs = np.array([of(name) for name in schema.continuous_names])
    menus = np.array([of(name) for name in schema.categorical_names])
    continuous = np.where(knobs, second.continuous, first.continuous)
    shift = round(_native(second, "voice_transpose") - _native(first, "voice_transpose"))
    for module in modules & {*_OSCILLATORS, "sample"}:
        at = schema.position[f"{module}_transpose"]
        continuous[at] = np.clip(continuous[at] + shift / schema.span[at], 0, 1)
    return dataclasses.replace(
        first,
        continuous=continuous,
        categorical=np.where(menus, second.categorical, first.categorical),
        routes=_with_routes(kept, brought),
        wavetables=_parts(_OSCILLATORS, taken, first.wavetables, second.wavetables),
        lfo_shapes=_parts([f"lfo_{i + 1}" for i in range(8)], taken, first.lfo_shapes, second.lfo_shapes),
        sample=second.sample if "sample" in taken else first.sample,
        comments="\n".join(dict.fromkeys(filter(None, (*first.comments.split("\n"), *second.comments.split("\n"))))),
    )


def changed(preset: Preset, other: Preset, rng: np.random.Generator) -> Preset:
    """The preset with some of its audible knobs turned, or with one menu or one wavetable of `other`."""
    way = rng.random()
    if way < 0.2:
        return _with_menu(preset, other, rng)
    if way < 0.4:
        return _with_table(preset, other, rng)
    schema, (names, slots) = controls(), audible_knobs(preset)
    continuous, routes = preset.continuous.copy(), list(preset.routes)
    for name in np.array(names)[rng.random(len(names)) < _KNOBS_TURNED / max(len(names), 1)]:
        at = schema.position[str(name)]
        if schema.continuous[at].integer:
            units = rng.choice([-1, 1]) * (rng.choice([1, 12]) if name.endswith("_transpose") else 1)
            turn = units / schema.span[at]
        else:
            turn = rng.normal() * rng.choice(_TURNS_NORM)
        continuous[at] = np.clip(continuous[at] + turn, 0, 1)
    for slot in np.array(slots, int)[rng.random(len(slots)) < 1 / max(len(slots), 1)]:
        amount = np.clip(routes[slot].amount + _AMOUNT_TURN * rng.normal(), -1, 1)
        routes[slot] = routes[slot]._replace(amount=float(amount))
    return dataclasses.replace(preset, continuous=continuous, routes=tuple(routes))


def _with_menu(preset: Preset, other: Preset, rng: np.random.Generator) -> Preset:
    """One menu as in `other`: a switch, or a menu of a module that is on."""
    differ = [
        i
        for i, name in enumerate(controls().categorical_names)
        if preset.categorical[i] != other.categorical[i] and (name.endswith("_on") or _on(preset, _module(name)))
    ]
    categorical = preset.categorical.copy()
    if differ:
        at = rng.choice(differ)
        categorical[at] = other.categorical[at]
    return dataclasses.replace(preset, categorical=categorical)


def _with_table(preset: Preset, other: Preset, rng: np.random.Generator) -> Preset:
    """The wavetable and the frame of an oscillator of `other`, in one of the preset's."""
    ours, theirs = ([o for o in range(N_OSCILLATORS) if _on(one, _OSCILLATORS[o])] for one in (preset, other))
    if not ours or not theirs:
        return preset
    to, of = rng.choice(ours), rng.choice(theirs)
    tables, continuous, position = list(preset.wavetables), preset.continuous.copy(), controls().position
    tables[to] = other.wavetables[of]
    frame_to, frame_of = (position[f"{_OSCILLATORS[o]}_wave_frame"] for o in (to, of))
    continuous[frame_to] = other.continuous[frame_of]
    return dataclasses.replace(preset, wavetables=tuple(tables), continuous=continuous)


def _with_routes(kept: Sequence[Route | None], brought: Sequence[Route]) -> tuple[Route | None, ...]:
    """Routes added in free slots, as far as there are any; of two between the same names the first stays."""
    routes, pairs = list(kept), {route[:2] for route in kept if route is not None}
    free = [slot for slot in range(N_SLOTS) if routes[slot] is None]
    for route in brought:
        if free and route[:2] not in pairs:
            routes[free.pop(0)] = route
            pairs.add(route[:2])
    return tuple(routes)


def _without_dangling(routes: list[Route | None]) -> list[Route | None]:
    """Without routes that point at an empty slot: one that is filled later would be moved by them."""
    while True:
        found = [None if r is not None and _points_nowhere(r, routes) else r for r in routes]
        if found == routes:
            return found
        routes = found


def _points_nowhere(route: Route, routes: Sequence[Route | None]) -> bool:
    return route.destination.startswith("modulation_") and routes[int(route.destination.split("_")[1]) - 1] is None


def _parts(names: Sequence[str], taken: set[str], first: Sequence[Mapping], second: Sequence[Mapping]) -> tuple:
    return tuple(b if name in taken else a for name, a, b in zip(names, first, second, strict=True))


def _kind(preset: Preset) -> tuple:
    """All that is no knob and no amount."""
    pairs = frozenset(route[:2] for route in preset.routes if route is not None)
    return preset.categorical.tobytes(), pairs, tuple(map(id, preset.wavetables))


def _module(name: str) -> str:
    return controls().module(name)


def _on(preset: Preset, module: str) -> bool:
    """Whether a module plays; one without a switch always does."""
    at = controls().position.get(f"{module}_on")
    return at is None or bool(preset.categorical[at])


def _native(preset: Preset, name: str) -> float:
    schema = controls()
    at = schema.position[name]
    return float(schema.minimum[at] + preset.continuous[at] * schema.span[at])
