"""Modulation slots: a canonical order for the routes of a sound, including routes that point at other routes.

Vital's matrix is a list of 64 slots, and 128 of its destinations (`modulation_N_amount`, `modulation_N_power`) mean
"the route in slot N". The slot number itself has no meaning, so vjax gives every set of routes one canonical order:

1. plain routes, by cell (source, then destination);
2. the routes that point at plain routes;
3. the routes that point at those of 2, and so on.

Code that moves a route to another slot must also change the routes that point at it.
"""

from collections.abc import Iterable

import numpy as np

from vjax.sound.routes import CHANNELS, N_SLOTS
from vjax.sound.schema import Schema

Slot = tuple[int, int]  # (table, slot in that table)


def canonical_slots(route_index: np.ndarray, route_value: np.ndarray, schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """The same routes in canonical order, from slot 0 on without gaps.

    Args:
      route_index: [64] int32 cells, -1 for an empty slot.
      route_value: [64, 4] float32.

    Returns:
      The same two arrays. A route that points at an empty slot does nothing and is left out.
    """
    return merge_slots([(route_index, route_value)], schema)


def merge_slots(
    tables: Iterable[tuple[np.ndarray, np.ndarray]], schema: Schema, keep: Iterable[np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Merges the routes of several tables, in canonical order. Each table's routes point at slots of that table.

    Args:
      tables: (route_index [64], route_value [64, 4]) each.
      keep: [64] bool for each table: slots to take; by default all. Routes that point at a slot which is not taken are
        left out.

    Returns:
      route_index [64], route_value [64, 4]. Of equal cells, that of the first table is kept. Routes
      beyond 64 are left out.
    """
    tables = list(tables)
    masks = [np.ones(N_SLOTS, bool)] * len(tables) if keep is None else list(keep)
    waiting = {
        (i, slot): divmod(int(index[slot]), len(schema.destinations))
        for i, ((index, _), mask) in enumerate(zip(tables, masks, strict=True))
        for slot in np.flatnonzero((index >= 0) & mask).tolist()
    }
    new_slots: dict[Slot, int] = {}
    cells: list[int] = []

    def assign(batch: dict[Slot, tuple[int, int]]) -> None:
        for slot in sorted(batch, key=lambda s: (batch[s], s)):
            cell = batch[slot][0] * len(schema.destinations) + batch[slot][1]
            if cell not in cells and len(cells) < N_SLOTS:
                new_slots[slot] = len(cells)
                cells.append(cell)

    assign({slot: pair for slot, pair in waiting.items() if schema.destination_slots[pair[1]] < 0})
    waiting = {slot: pair for slot, pair in waiting.items() if schema.destination_slots[pair[1]] >= 0}
    while waiting:
        # One level: the routes that point at a route which has its new slot. They now use its new number.
        ready = {
            slot: (source, schema.slot_destination(destination, new_slots[target]))
            for slot, (source, destination) in waiting.items()
            if (target := (slot[0], int(schema.destination_slots[destination]))) in new_slots
        }
        if not ready:
            break
        waiting = {slot: pair for slot, pair in waiting.items() if slot not in ready}
        assign(ready)
    _assign_rings(waiting, new_slots, cells, schema)
    route_index = np.full(N_SLOTS, -1, np.int32)
    route_value = np.zeros((N_SLOTS, len(CHANNELS)), np.float32)
    route_index[: len(cells)] = cells
    for (table, slot), new_slot in new_slots.items():
        route_value[new_slot] = tables[table][1][slot]
    return route_index, route_value


def _assign_rings(waiting: dict[Slot, tuple[int, int]], new_slots: dict[Slot, int], cells: list[int], schema: Schema):
    """Assigns slots to routes that form a ring, and to the routes that lead to a ring, in the given order."""
    waiting = _closed(waiting, schema)
    while len(waiting) > N_SLOTS - len(cells):
        waiting = _closed({slot: waiting[slot] for slot in sorted(waiting)[:-1]}, schema)
    ring = sorted(waiting)
    new_slots |= {slot: len(cells) + i for i, slot in enumerate(ring)}
    for slot in ring:
        source, destination = waiting[slot]
        target = new_slots[slot[0], int(schema.destination_slots[destination])]
        cells.append(source * len(schema.destinations) + schema.slot_destination(destination, target))


def _closed(waiting: dict[Slot, tuple[int, int]], schema: Schema) -> dict[Slot, tuple[int, int]]:
    """`waiting` without the routes whose chain of targets ends at a slot that is not in it."""
    while True:
        lost = {s for s, (_, d) in waiting.items() if (s[0], int(schema.destination_slots[d])) not in waiting}
        if not lost:
            return waiting
        waiting = {slot: pair for slot, pair in waiting.items() if slot not in lost}
