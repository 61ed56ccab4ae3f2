"""Decides which controls of a sound are audible, for losses, metrics, confidence, search and lists for people.

A control that `audible` calls inaudible can take any value: the engine renders the same bits. (A test changes all
inaudible controls at once.) The converse does not hold: a control that is called audible may still make no difference
(a mix at 0). There are four parts:

- modules: a control of a module that is off is inaudible. A switch (`*_on`) itself is always audible in this part.
- sources: a control that shapes a modulation source, or a macro, is audible only if a route carries that source to
  something audible. Routes may end at the amount of another route or at another source's control: chains are followed.
- modes: an option of a menu, a count of 1 or a missing partner makes a control irrelevant. Examples are a rate in Hz
  where the module follows the tempo, the detune of one unison voice, and the order of one effect.
- feeding: a filter that nothing plays into is inaudible.

These are rules, not measurements. They hold for any schema: a control that the schema lacks cannot make others
inaudible. Frozen controls are not part of a sound. They are treated like all others here: see `can_vary`.

This module imports only NumPy. It also accepts arrays of JAX, also under `jax.jit`, because every index is an array of
`Rules`.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from vjax.sound.rules import Choices, Rules
from vjax.sound.schema import LFO_SHAPE_CHOICES, Schema

PARTS = ("modules", "sources", "modes", "feeding")
"""The names of the parts of the rules of `audible`."""

ACTIVE_AMOUNT = 1e-6
"""A route with a smaller |amount| has no effect, unless another route moves its amount."""

_TO_FILTER = (0b101, 0b110)  # options (1, 2, both) of `*_destination` that reach filter 1, filter 2; as bits


class Audible(NamedTuple):
    """What is audible, as bool arrays.

    Attributes:
      continuous: [..., n_continuous].
      categorical: [..., n_categorical].
      destinations: [..., n_destinations], whether a route to it would be audible, as far as `parts` decide; always True
        for slots.
      routes: [..., slots], the sparse routes that end at something audible; None without sparse routes. It states
        whether a change of the amount is audible. So a route of amount 0 is included, but does not make its source
        audible.
    """

    continuous: Any
    categorical: Any
    destinations: Any
    routes: Any


def audible(rules: Rules, continuous: Any, categorical: Any, routes: Any = None, parts: tuple = PARTS) -> Audible:
    """Returns what is audible in sounds.

    Args:
      rules: of the schema.
      continuous: [..., n_continuous] norm.
      categorical: [..., n_categorical] menu indices.
      routes: sparse, (index [..., slots], value [..., slots, 4]), or matrices [..., 4, n_sources, n_destinations]. In
        matrices, slots have no numbers, so a destination that points at a slot counts as audible. None if the routes
        are not given: then no control is inaudible because of them.
      parts: those of `PARTS` that may make a control inaudible. Callers that pass fewer give the reason. Whether a
        source is audible is always decided by all parts.

    Returns:
      NumPy or JAX arrays, as `categorical` is.
    """
    xp = categorical.__array_namespace__()
    sparse = isinstance(routes, tuple)
    audible_slots = xp.zeros(routes[0].shape, dtype=bool) if sparse else None
    if not (len(rules.sources) and len(rules.destination)):
        routes, sparse = None, False  # nothing can be routed
    slots = _Slots.of(xp, rules, routes) if sparse else None
    conditions = {
        "modules": lambda: _chosen(xp, rules.modules, categorical),
        "modes": lambda: (
            _chosen(xp, rules.modes, categorical)
            & _take(xp, _states(xp, rules, continuous, categorical, routes, slots), rules.state)
        ),
        "feeding": lambda: _take(xp, _fed(xp, rules, categorical), rules.fed),
    }
    follow = routes is not None and ("sources" in parts or sparse)
    computed = {name: make() for name, make in conditions.items() if follow or name in parts}
    found = [computed[name] for name in parts if name in computed]
    if follow:
        in_use = computed["modules"] & computed["modes"] & computed["feeding"]
        if slots is not None:
            audible_slots, audible_sources = _follow_slots(xp, rules, slots, in_use)
        else:
            audible_sources = _follow_matrix(xp, rules, routes, in_use)
        if "sources" in parts:
            found.append((rules.source < 0) | _take(xp, audible_sources, rules.source.clip(0)))
    shape = (*categorical.shape[:-1], len(rules.source))
    every = functools.reduce(lambda a, b: a & b, found, xp.ones(shape, dtype=bool))
    n, m = continuous.shape[-1], categorical.shape[-1]
    return Audible(every[..., :n], every[..., n : n + m], every[..., rules.destination], audible_slots)


def can_vary(schema: Schema, tier: int) -> tuple[np.ndarray, np.ndarray]:
    """([n_continuous], [n_categorical]) bool: controls that a model at a tier can learn or predict.

    These controls are excluded: frozen ones, those with only one option and, below tier 3, those that need routes
    (`Schema.static_mask`, and LFO shapes). Raises ValueError if the tier does not exist.
    """
    knobs = ~schema.static_mask(tier) & ~schema.frozen_continuous()
    menus = ~schema.frozen_categorical() & (np.array(schema.option_counts) > 1)
    return knobs, menus & np.array([tier >= 3 or name not in LFO_SHAPE_CHOICES for name in schema.categorical_names])


# States


def _chosen(xp, choices: Choices, categorical):
    """[..., n] bool: every menu that decides about a subject has an option under which the subject is audible."""
    option = categorical[..., choices.menu].clip(0, 30)
    return ((xp.asarray(choices.options) >> option) & 1).all(axis=-2)


def _states(xp, rules: Rules, continuous, categorical, routes, slots):
    """[..., 2 + v + m] bool, in this order:

    - always True;
    - at least two effects are on;
    - v: a unison has at least two voices, or a route moves its voice count;
    - m: a morph has a type, or a route moves its amount.
    """
    shape = categorical.shape[:-1]
    always = xp.ones((*shape, 1), dtype=bool)
    has_effects = rules.effects.shape[-1] > 0
    several = (categorical[..., rules.effects] > 0).sum(axis=-1)[..., None] >= 2 if has_effects else always
    voices = continuous[..., rules.voices] >= xp.asarray(rules.voices_least)
    in_use = xp.concat([voices, categorical[..., rules.morphs] > 0], axis=-1)
    if routes is None:
        moved = xp.ones_like(in_use)
    elif slots is not None:
        moved = ((slots.subject[..., None] == rules.moved) & slots.exists[..., None]).any(axis=-2)
    else:
        by_destination = (abs(routes[..., 0, :, :]) > ACTIVE_AMOUNT).any(axis=-2)
        moved = ((rules.destination[:, None] == rules.moved) & by_destination[..., None]).any(axis=-2)
    return xp.concat([always, several, in_use | moved], axis=-1)


def _fed(xp, rules: Rules, categorical):
    """[..., 3] bool: always True; something plays into filter 1; something plays into filter 2."""
    always = xp.ones((*categorical.shape[:-1], 1), dtype=bool)
    if not rules.players.shape[-1] or not rules.filters.shape[-1]:
        return xp.concat([always] * 3, axis=-1)
    on, destination = categorical[..., rules.players[0]] > 0, categorical[..., rules.players[1]]
    direct = [(on & (((bits >> destination.clip(0, 30)) & 1) > 0)).any(axis=-1) for bits in _TO_FILTER]
    working, takes = (categorical[..., position] > 0 for position in rules.filters)
    fed = [direct[one] | (takes[..., one] & working[..., other] & direct[other]) for one, other in ((0, 1), (1, 0))]
    return xp.concat([always, *(state[..., None] for state in fed)], axis=-1)


# Routes


class _Slots(NamedTuple):
    """Sparse routes, split into arrays [..., slots]."""

    exists: Any
    source: Any
    subject: Any  # of the destination
    pointed: Any  # the slot that the destination points at, -1 for none
    carries: Any  # its amount is not 0, or another route moves it

    @classmethod
    def of(cls, xp, rules: Rules, routes) -> "_Slots":
        index, value = routes
        n_destinations = len(rules.destination)
        exists = (index >= 0) & (index < len(rules.sources) * n_destinations)
        source, destination = xp.where(exists, index, 0) // n_destinations, xp.where(exists, index, 0) % n_destinations
        pointed = xp.where(exists, _take(xp, xp.asarray(rules.slot), destination), -1)
        exists = exists & (pointed < index.shape[-1])
        moved = (pointed[..., :, None] == np.arange(index.shape[-1])).any(axis=-2)
        carries = exists & ((abs(value[..., 0]) > ACTIVE_AMOUNT) | moved)
        return cls(exists, source, _take(xp, xp.asarray(rules.destination), destination), pointed, carries)


def _follow_slots(xp, rules: Rules, slots: _Slots, in_use):
    """([..., slots], [..., n_sources]) bool: routes that end at something audible, and their audible sources."""
    n = slots.source.shape[-1]
    end = xp.where(slots.exists & (slots.pointed >= 0), slots.pointed, np.arange(n))
    for _ in range(_rounds(n)):  # each slot points at one other at most, so each round doubles the distance
        end = xp.take_along_axis(end, end, axis=-1)
    ends = slots.exists & (slots.pointed < 0) & xp.take_along_axis(in_use, slots.subject, axis=-1)
    arrives = slots.exists & xp.take_along_axis(ends, end, axis=-1)  # False in a ring, whose slots all point at slots
    needs = xp.take_along_axis(_take(xp, xp.asarray(rules.source), slots.subject), end, axis=-1)
    starts = (rules.sources[:, None] == slots.source[..., None, :]) & (arrives & slots.carries)[..., None, :]
    shapes = needs[..., None] == rules.sources
    leads = (starts.astype(np.float32) @ shapes.astype(np.float32)) > 0
    audible_sources = _reach((starts & (needs < 0)[..., None, :]).any(axis=-1), leads)
    return arrives & ((needs < 0) | xp.take_along_axis(audible_sources, needs.clip(0), axis=-1)), audible_sources


def _follow_matrix(xp, rules: Rules, matrix, in_use):
    """[..., n_sources] bool: sources that the matrix carries to something audible."""
    active = (abs(matrix[..., 0, :, :]) > ACTIVE_AMOUNT) & in_use[..., None, rules.destination]
    needs = _take(xp, xp.asarray(rules.source), rules.destination)
    shaped = (needs[:, None] == rules.sources).astype(np.float32)
    return _reach((active & (needs < 0)).any(axis=-1), (active.astype(np.float32) @ shaped) > 0)


def _reach(reached, leads):
    """[..., n]: extends `reached` along `leads` [..., n, n] (a is audible if b is) until nothing is added.

    Each round doubles the length of the chains that it follows.
    """
    for _ in range(_rounds(reached.shape[-1])):
        reached = reached | (leads & reached[..., None, :]).any(axis=-1)
        step = leads.astype(np.float32)
        leads = leads | ((step @ step) > 0)
    return reached


def _rounds(n: int) -> int:
    return math.ceil(math.log2(n)) if n > 1 else 0


def _take(xp, values, positions):
    return xp.take(values, xp.asarray(positions), axis=-1)
