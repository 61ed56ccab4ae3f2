"""Rules that decide whether each control of a schema is audible. `audibility.audible` applies them to sounds.

The rules look at menus, routes and counts. The tables list controls of the engine. They were found by scans: one
control was changed under every option of every related menu. A schema may lack some of these controls, or have others.
A rule about a control that the schema lacks has no effect.
"""

import functools
from typing import NamedTuple

import numpy as np

from vjax.sound.encoding import EFFECTS
from vjax.sound.schema import N_LFOS, N_OSCILLATORS, Schema

_PLAYERS = ("osc_1", "osc_2", "osc_3", "sample")
_FILTERS = ("filter_1", "filter_2")
_SECONDS, _TEMPOS, _KEYTRACK = 0, (1, 2, 3), 4  # options of `*_sync`
# A morph without a type is audible while a route moves its amount: it renews the wave's buffer more often.
_MORPH, _MORPH_TYPE = "_spectral_morph_amount", "_spectral_morph_type"
_ANY = 0x7FFFFFFF  # all options, as bits, so that a look-up is a shift
_ALWAYS = 0  # the first of the states in `Rules.state` and `Rules.fed`

# Inaudible with one unison voice: they describe differences between voices.
_UNISON = (
    "detune_power", "detune_range", "distortion_spread", "frame_spread", "unison_blend", "unison_detune",
)  # fmt: skip


class Choices(NamedTuple):
    """For each subject, menus and the options under which it is audible. The first axis is over menus.

    Attributes:
      menu: [k, n] int32 positions in the vector of menus.
      options: [k, n] int32, bit i is set if the subject is audible under option i.
    """

    menu: np.ndarray
    options: np.ndarray


class Rules(NamedTuple):
    """The rules of a schema's controls, as a pytree of arrays, constant or traced.

    The n subjects are the continuous controls, the categorical ones, and the destinations that are neither.

    Attributes:
      modules, modes: the menus that decide: switches of modules, and all others.
      state: [n] int32, the state of `audibility._states` that must hold.
      fed: [n] int32, the state of `audibility._fed` that must hold.
      source: [n] int32, the modulation source that must be audible, -1 for none.
      destination: [n_destinations] int32, the subject of each destination.
      slot: [n_destinations] int32, the slot (from 0) that a destination points at, -1 for none.
      sources: [n_sources] int32, 0, 1, ...
      voices, voices_least: [v] for each unison: the position of its voice count, and the norm from which there are
        two voices.
      morphs: [m] menus: the types of the oscillators' spectral morphs.
      moved: [v + m] subjects: the voice counts and the amounts of the morphs. A route may make them effective.
      effects: [9] switches of the effects; empty if the schema lacks one.
      players: [2, 4] switches and destinations of the modules that play into filters; empty if the schema lacks one.
      filters: [2, 2] switches and inputs of the filters; empty if the schema lacks one.
    """

    modules: Choices
    modes: Choices
    state: np.ndarray
    fed: np.ndarray
    source: np.ndarray
    destination: np.ndarray
    slot: np.ndarray
    sources: np.ndarray
    voices: np.ndarray
    voices_least: np.ndarray
    morphs: np.ndarray
    moved: np.ndarray
    effects: np.ndarray
    players: np.ndarray
    filters: np.ndarray


@functools.lru_cache(maxsize=16)
def audibility_rules(schema: Schema) -> Rules:
    """Returns the rules of any schema. Do not write to the arrays: all callers share them."""
    controls = schema.continuous_names + schema.categorical_names
    menus = {name: i for i, name in enumerate(schema.categorical_names)}
    knobs = {name: i for i, name in enumerate(schema.continuous_names)}
    names = controls + tuple(name for name in schema.destinations if name not in set(controls))
    subject = {name: i for i, name in enumerate(names)}
    modes = _mode_table(menus)
    counts = [name for name in knobs if name.endswith("_unison_voices")]
    unisons = {name.removesuffix("_unison_voices"): 2 + i for i, name in enumerate(counts)}
    morphs = [name for name in subject if name.endswith(_MORPH) and name.replace(_MORPH, _MORPH_TYPE) in menus]

    def positions(modules: tuple[str, ...], *controls: str) -> np.ndarray:
        """Positions [controls, modules] of menus; [controls, 0] if one is missing."""
        wanted = [[f"{module}_{control}" for module in modules] for control in controls]
        if all(name in menus for row in wanted for name in row):
            return np.array([[menus[name] for name in row] for row in wanted], np.int32)
        return np.zeros((len(controls), 0), np.int32)

    players = positions(_PLAYERS, "on", "destination")
    filters = positions(_FILTERS, "on", "filter_input")

    def state(name: str) -> int:
        module = schema.module(name)
        if module in unisons and name.removeprefix(f"{module}_") in _UNISON:
            return unisons[module]
        if name in morphs:
            return 2 + len(counts) + morphs.index(name)
        return 1 if name == "effect_chain_order" or name in {f"{effect}_order" for effect in EFFECTS} else _ALWAYS

    def fed(name: str) -> int:
        module = schema.module(name)
        # Not the filter's switch and its input: the input may feed the filter, even if nothing does yet.
        needs_input = module in _FILTERS and name not in (f"{module}_on", f"{module}_filter_input")
        return 1 + _FILTERS.index(module) if needs_input else _ALWAYS

    source = [shaped_source(name, schema) for name in names]
    return Rules(
        modules=_choices([_module_switch(name, schema, menus) for name in names]),
        modes=_choices([modes.get(name, ()) for name in names]),
        state=np.array([state(name) for name in names], np.int32),
        fed=np.array([fed(name) for name in names], np.int32),
        source=np.array([schema.sources.index(one) if one else -1 for one in source], np.int32),
        destination=np.array([subject[name] for name in schema.destinations], np.int32),
        slot=schema.destination_slots,
        sources=np.arange(len(schema.sources), dtype=np.int32),
        voices=np.array([knobs[name] for name in counts], np.int32),
        voices_least=np.array([schema.continuous[knobs[name]].to_norm(1.5) for name in counts], np.float32),
        morphs=np.array([menus[name.replace(_MORPH, _MORPH_TYPE)] for name in morphs], np.int32),
        moved=np.array([subject[name] for name in (*counts, *morphs)], np.int32),
        effects=positions(EFFECTS, "on")[0],
        players=players,
        filters=filters,
    )


def shaped_source(name: str, schema: Schema) -> str | None:
    """The source whose routes make a control audible: `lfo_3` for `lfo_3_frequency`, a macro for its own control.

    None for every other control, for those of env_1, which always plays, and for those of sources that the schema
    lacks.
    """
    source = name if name.startswith("macro_control_") else schema.module(name)
    return source if source in schema.sources and source != "env_1" else None


def _module_switch(name: str, schema: Schema, menus) -> tuple:
    switch = f"{schema.module(name)}_on"
    return () if switch == name or switch not in menus else ((menus[switch], _ANY & ~1),)


def _choices(of_subjects: list[tuple]) -> Choices:
    """Builds `Choices` from each subject's (menu, options) pairs, padded with pairs that every option satisfies."""
    rows = max(map(len, of_subjects), default=0)
    table = [[*one, *[(0, _ANY)] * (rows - len(one))] for one in of_subjects]
    filled = np.array(table, np.int32).reshape(len(table), rows, 2)
    return Choices(filled[..., 0].T, filled[..., 1].T)


def _mode_table(menus: dict[str, int]) -> dict[str, tuple[tuple[int, int], ...]]:
    """By control, (menu, options as bits) under which it is audible. Each line was found by a scan of the engine."""
    found: dict[str, tuple[tuple[int, int], ...]] = {}

    def only(module: str, controls: str, menu: str, *options: int) -> None:
        if f"{module}_{menu}" not in menus:
            return
        bits = sum(1 << option for option in options)
        for control in controls.split():
            name = f"{module}_{control}"
            found[name] = (*found.get(name, ()), (menus[f"{module}_{menu}"], bits))

    for module in ("chorus", "flanger", "phaser", "delay", "delay_aux"):
        only(module, "frequency", "sync", _SECONDS)
        only(module, "tempo", "sync", *_TEMPOS)
    only("delay", "aux_frequency aux_tempo aux_sync", "style", 1, 2, 3)  # not mono
    for module in (*(f"lfo_{i + 1}" for i in range(N_LFOS)), *(f"random_{i + 1}" for i in range(4))):
        only(module, "frequency", "sync", _SECONDS)
        only(module, "tempo", "sync", *_TEMPOS)
        only(module, "keytrack_transpose keytrack_tune", "sync", _KEYTRACK)
        only(module, "smooth_time", "smooth_mode", 1)
        only(module, "fade_time", "smooth_mode", 0)
    for module in (*_FILTERS, "filter_fx"):
        formant, comb = 5, 6
        only(module, "formant_x formant_y formant_transpose formant_resonance formant_spread", "model", formant)
        only(module, "blend cutoff keytrack resonance", "model", *(m for m in range(8) if m != formant))
        only(module, "drive", "model", *(m for m in range(8) if m not in (formant, comb)))
        only(module, "blend_transpose", "model", comb)
    for module in (f"osc_{i + 1}" for i in range(N_OSCILLATORS)):
        only(module, "distortion_amount distortion_spread distortion_phase", "distortion_type", *range(1, 13))
    only("distortion", "filter_cutoff filter_resonance filter_blend", "filter_order", 1, 2)
    for band, options in (("low", (0, 1)), ("high", (0, 2))):
        controls = "gain lower_ratio lower_threshold upper_ratio upper_threshold"
        only("compressor", " ".join(f"{band}_{one}" for one in controls.split()), "enabled_bands", *options)
    for band in ("low", "band", "high"):
        only("eq", f"{band}_gain", f"{band}_mode", 0)  # a pass or a notch has no gain
    return found
