"""Tests of vjax.sound.slots: one order for the routes of a sound. Routes that point at a moved route follow it."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.engine.schema import engine_schema
from vjax.sound.routes import N_SLOTS
from vjax.sound.slots import canonical_slots, merge_slots

VITAL = engine_schema()
N_DESTINATIONS = len(VITAL.destinations)
PLAIN = np.flatnonzero(VITAL.destination_slots < 0)

Table = tuple[np.ndarray, np.ndarray]


def table(routes: dict[int, tuple]) -> Table:
    """Routes by slot (from 0): (source, destination, amount), where a destination is a name or (kind, slot from 0)."""
    index, value = np.full(N_SLOTS, -1, np.int32), np.zeros((N_SLOTS, 4), np.float32)
    for slot, (source, destination, amount) in routes.items():
        name = destination if isinstance(destination, str) else f"modulation_{destination[1] + 1}_{destination[0]}"
        index[slot] = VITAL.sources.index(source) * N_DESTINATIONS + VITAL.destinations.index(name)
        value[slot, 0] = amount
    return index, value


def listed(found: Table) -> dict[int, tuple]:
    """The inverse of `table`."""
    index, value = found
    routes = {}
    for slot in np.flatnonzero(index >= 0):
        source, destination = divmod(int(index[slot]), N_DESTINATIONS)
        target = int(VITAL.destination_slots[destination])
        name = VITAL.destinations[destination]
        described = name if target < 0 else (name.rpartition("_")[2], target)
        routes[int(slot)] = (VITAL.sources[source], described, pytest.approx(float(value[slot, 0])))
    return routes


def meanings(found: Table) -> list[str]:
    """What each route does, without slot numbers: (source, destination or (kind, what the target does), numbers)."""
    index, value = found

    def meaning(slot: int) -> tuple:
        source, destination = divmod(int(index[slot]), N_DESTINATIONS)
        target = int(VITAL.destination_slots[destination])
        kind = VITAL.destinations[destination].rpartition("_")[2]
        return source, destination if target < 0 else (kind, meaning(target)), tuple(value[slot].tolist())

    return sorted(map(repr, map(meaning, np.flatnonzero(index >= 0))))


def permuted(found: Table, new_slots: np.ndarray) -> Table:
    """The same routes with slot i moved to `new_slots[i]`, and routes to it renumbered."""
    index, value = found
    moved_index, moved_value = np.full(N_SLOTS, -1, np.int32), np.zeros((N_SLOTS, 4), np.float32)
    for slot in np.flatnonzero(index >= 0):
        source, destination = divmod(int(index[slot]), N_DESTINATIONS)
        target = int(VITAL.destination_slots[destination])
        if target >= 0:
            kind = VITAL.destinations[destination].rpartition("_")[2]
            destination = VITAL.destinations.index(f"modulation_{new_slots[target] + 1}_{kind}")
        moved_index[new_slots[slot]] = source * N_DESTINATIONS + destination
        moved_value[new_slots[slot]] = value[slot]
    return moved_index, moved_value


@st.composite
def tables(draw, most: int = N_SLOTS):
    """Up to `most` routes in any slots: plain ones, and chains that point at earlier ones, of any depth; no rings."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, most))
    chained = draw(st.floats(0, 0.8))
    slots, cells = rng.permutation(N_SLOTS)[:n], []
    while len(cells) < n:
        destination = int(rng.choice(PLAIN))
        if cells and rng.random() < chained:
            kind = ("amount", "power")[rng.integers(2)]
            destination = VITAL.destinations.index(f"modulation_{slots[rng.integers(len(cells))] + 1}_{kind}")
        cell = int(rng.integers(len(VITAL.sources))) * N_DESTINATIONS + destination
        if cell not in cells:
            cells.append(cell)
    index, value = np.full(N_SLOTS, -1, np.int32), np.zeros((N_SLOTS, 4), np.float32)
    index[slots] = cells
    value[slots] = np.stack(
        [rng.uniform(-1, 1, n), rng.integers(0, 2, n), rng.uniform(-10, 10, n), rng.integers(0, 2, n)], -1
    )
    return index, value


def assert_same(found: Table, expected: Table) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


@settings(deadline=None, max_examples=60)
@given(tables(), st.permutations(range(N_SLOTS)))
def test_canonical_slots_of_any_slot_order_are_the_same(routes, new_slots):
    found = canonical_slots(*routes, VITAL)
    assert_same(canonical_slots(*permuted(routes, np.array(new_slots)), VITAL), found)
    assert_same(canonical_slots(*found, VITAL), found)
    assert meanings(found) == meanings(routes)
    index, value = found
    assert (index.shape, index.dtype, value.shape, value.dtype) == ((64,), np.int32, (64, 4), np.float32)
    n = np.count_nonzero(routes[0] >= 0)
    assert (index[:n] >= 0).all()  # no gaps
    assert (index[n:] == -1).all()
    assert not value[n:].any()


def test_canonical_slots_of_plain_routes_are_ordered_by_cell():
    routes = table({9: ("lfo_1", "volume", 0.1), 30: ("env_2", "osc_1_level", 0.2), 2: ("lfo_1", "osc_1_level", 0.3)})
    order = [VITAL.sources.index(name) for name in ("env_2", "lfo_1")]
    assert order == sorted(order)
    assert listed(canonical_slots(*routes, VITAL)) == {
        0: ("env_2", "osc_1_level", 0.2),
        1: ("lfo_1", "osc_1_level", 0.3),
        2: ("lfo_1", "volume", 0.1),
    }


def test_canonical_slots_of_a_chain_are_ordered_by_level():
    """A chain in the wrong order: its last route is in the first slot, and its source sorts first."""
    routes = table(
        {
            0: ("env_2", ("amount", 5), 0.4),
            5: ("env_2", ("power", 60), 0.3),
            60: ("macro_control_1", ("amount", 61), 0.2),
            61: ("velocity", "volume", 0.1),
        }
    )
    assert listed(canonical_slots(*routes, VITAL)) == {
        0: ("velocity", "volume", 0.1),
        1: ("macro_control_1", ("amount", 0), 0.2),
        2: ("env_2", ("power", 1), 0.3),
        3: ("env_2", ("amount", 2), 0.4),
    }


def test_canonical_slots_leave_out_routes_that_lead_to_an_empty_slot():
    routes = table(
        {
            3: ("lfo_1", "volume", 0.1),
            4: ("lfo_2", ("amount", 63), 0.2),
            5: ("lfo_3", ("amount", 4), 0.3),
            6: ("lfo_4", ("amount", 3), 0.4),
        }
    )
    assert listed(canonical_slots(*routes, VITAL)) == {
        0: ("lfo_1", "volume", 0.1),
        1: ("lfo_4", ("amount", 0), 0.4),
    }


def test_canonical_slots_keep_rings():
    """Two routes that point at each other, one that points at itself, and one that leads to the ring."""
    routes = table(
        {
            10: ("lfo_1", ("amount", 20), 0.1),
            20: ("lfo_2", ("power", 10), 0.2),
            7: ("lfo_3", ("amount", 7), 0.3),
            8: ("lfo_4", ("amount", 20), 0.4),
            30: ("lfo_5", "volume", 0.5),
            9: ("lfo_6", ("amount", 50), 0.6),
        }
    )
    found = canonical_slots(*routes, VITAL)
    assert listed(found) == {
        0: ("lfo_5", "volume", 0.5),
        1: ("lfo_3", ("amount", 1), 0.3),
        2: ("lfo_4", ("amount", 4), 0.4),
        3: ("lfo_1", ("amount", 4), 0.1),
        4: ("lfo_2", ("power", 3), 0.2),
    }
    assert_same(canonical_slots(*found, VITAL), found)


def test_canonical_slots_of_a_ring_of_all_slots_are_unchanged():
    routes = table({slot: ("lfo_1", ("amount", (slot + 1) % N_SLOTS), slot / 64) for slot in range(N_SLOTS)})
    assert_same(canonical_slots(*routes, VITAL), routes)


def plain(start: int, n: int, amount: float) -> Table:
    """`n` plain routes from cell number `start` on, in slots 0 to n - 1."""
    index, value = np.full(N_SLOTS, -1, np.int32), np.zeros((N_SLOTS, 4), np.float32)
    numbers = np.arange(start, start + n)
    index[:n] = numbers // len(PLAIN) * N_DESTINATIONS + PLAIN[numbers % len(PLAIN)]
    value[:n, 0] = amount
    return index, value


def test_merge_slots_keeps_64_routes_and_the_first_of_equal_cells():
    index, value = merge_slots([plain(30, 40, 0.25), plain(0, 40, 0.5)], VITAL)
    np.testing.assert_array_equal(index, plain(0, 64, 1)[0])
    np.testing.assert_array_equal(value[:, 0], [0.5] * 30 + [0.25] * 34)


def test_merge_slots_beyond_64_routes_drops_routes_to_dropped_ones():
    full, more = plain(0, 64, 0.5), table({0: ("velocity", "volume", 0.1), 1: ("env_1", ("amount", 0), 0.2)})
    assert_same(merge_slots([full, more], VITAL), full)
    nearly = plain(0, 63, 0.5)
    found = listed(merge_slots([nearly, more], VITAL))
    assert len(found) == 64
    assert found[63] == ("velocity", "volume", 0.1)


@pytest.mark.parametrize(("room", "left"), [(1, 0), (2, 2), (4, 3)])
def test_merge_slots_of_a_ring_that_does_not_fit_keeps_targets_right(room, left):
    """A ring of two routes, and one route that leads to it."""
    ring = table({0: ("lfo_1", ("amount", 1), 0.1), 1: ("lfo_2", ("amount", 0), 0.2), 2: ("lfo_3", ("power", 0), 0.3)})
    n = N_SLOTS - room
    found = listed(merge_slots([plain(0, n, 0.5), ring], VITAL))
    expected = [
        ("lfo_1", ("amount", n + 1), 0.1),
        ("lfo_2", ("amount", n), 0.2),
        ("lfo_3", ("power", n), 0.3),
    ]
    assert [found[slot] for slot in range(n, len(found))] == expected[:left]


def test_merge_slots_routes_point_at_slots_of_their_own_table():
    first = table({0: ("lfo_2", "volume", 0.1), 1: ("env_2", ("amount", 0), 0.2)})
    second = table({0: ("lfo_1", "volume", 0.3), 1: ("env_2", ("amount", 0), 0.4)})
    assert listed(merge_slots([first, second], VITAL)) == {
        0: ("lfo_1", "volume", 0.3),
        1: ("lfo_2", "volume", 0.1),
        2: ("env_2", ("amount", 0), 0.4),
        3: ("env_2", ("amount", 1), 0.2),
    }


def test_merge_slots_with_keep_drops_routes_to_dropped_slots():
    routes = table(
        {
            0: ("lfo_1", "volume", 0.1),
            1: ("lfo_2", ("amount", 0), 0.2),
            2: ("lfo_3", "osc_1_level", 0.3),
            3: ("lfo_4", ("amount", 2), 0.4),
        }
    )
    keep, other = np.ones(N_SLOTS, bool), np.zeros(N_SLOTS, bool)
    keep[0], other[0] = False, True
    expected = {0: ("lfo_3", "osc_1_level", 0.3), 1: ("lfo_4", ("amount", 0), 0.4)}
    assert listed(merge_slots([routes], VITAL, [keep])) == expected
    assert listed(merge_slots([routes, routes], VITAL, [other, keep])) == {
        0: ("lfo_1", "volume", 0.1),
        1: ("lfo_3", "osc_1_level", 0.3),
        2: ("lfo_4", ("amount", 1), 0.4),
    }
    assert listed(merge_slots([routes], VITAL, [np.zeros(N_SLOTS, bool)])) == {}


@settings(deadline=None, max_examples=20)
@given(st.lists(tables(most=20), min_size=2, max_size=3))
def test_merge_slots_result_is_canonical(several):
    found = merge_slots(several, VITAL)
    assert_same(canonical_slots(*found, VITAL), found)
    every = [meaning for one in several for meaning in meanings(one)]
    assert set(meanings(found)) <= set(every)


def vital_json(routes: Table) -> dict:
    made = copy.deepcopy(synth.init_preset())
    made["settings"] |= {"osc_1_random_phase": 0.0, "osc_1_level": 0.4, "macro_control_1": 0.6, "filter_1_on": 1.0}
    index, value = routes
    for slot in np.flatnonzero(index >= 0):
        source, destination = divmod(int(index[slot]), N_DESTINATIONS)
        names = {"source": VITAL.sources[source], "destination": VITAL.destinations[destination]}
        made["settings"]["modulations"][slot] = names
        for channel, number in zip(("amount", "bipolar", "power", "stereo"), value[slot].tolist(), strict=True):
            made["settings"][f"modulation_{slot + 1}_{channel}"] = number
    return made


def test_canonical_slots_of_any_order_render_alike():
    routes = table(
        {
            0: ("lfo_1", "osc_1_level", 0.4),
            1: ("lfo_2", "filter_1_cutoff", 0.5),
            2: ("macro_control_1", "osc_1_pan", 0.3),
            3: ("env_2", ("amount", 0), 0.7),
            4: ("lfo_3", ("power", 1), 0.6),
            5: ("macro_control_1", ("amount", 3), -0.9),
        }
    )
    moved = permuted(routes, np.random.default_rng(0).permutation(N_SLOTS))
    unchained = (np.where(np.arange(N_SLOTS) == 5, -1, routes[0]), routes[1])
    variants = [routes, moved, canonical_slots(*moved, VITAL), unchained]
    with RenderPool(RenderConfig(seconds=0.5, note_s=0.5), workers=2) as pool:
        renderings = list(pool.map(RenderJob(vital_json(one), (48,)) for one in variants))
    first, *others = (rendering.audio[0].astype(float) for rendering in renderings)
    assert np.abs(first).max() > 0.01
    difference_db = [10 * np.log10(np.square(first - other).sum() / np.square(first).sum() + 1e-30) for other in others]
    assert max(difference_db[:2]) < -100
    assert difference_db[2] > -40  # the chain is audible
