"""Tests of decoding the matrix of the head into routes: order, names, ranges, slots, presence."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.inference.decode_routes import extract_routes, presence_probability, route_arrays
from vjax.sound.routes import N_SLOTS, dense_routes
from vjax.sound.slots import canonical_slots
from vjax.training.modulation import MARGIN_WEIGHT, modulation_loss


def matrix_with(schema, routes):
    matrix = np.zeros((4, len(schema.sources), len(schema.destinations)), np.float32)
    for source, destination, values in routes:
        matrix[:, source, destination] = values
    return matrix


@pytest.fixture
def strong_and_weak(schema):
    return matrix_with(schema, [(0, 1, (0.2, -0.1, 0, 0.1)), (1, 2, (-0.9, 0.1, 2, -0.1)), (2, 3, (0.04, 9, 9, 9))])


def test_extract_routes_returns_the_strongest_first_with_names_and_indices(schema, strong_and_weak):
    strong, weak = extract_routes(strong_and_weak, schema)
    assert (strong.source, strong.destination) == (schema.sources[1], schema.destinations[2])
    assert (strong.source_index, strong.destination_index) == (1, 2)
    assert (weak.source, weak.destination) == (schema.sources[0], schema.destinations[1])
    np.testing.assert_allclose(strong[4:8], [-0.9, True, 2, False], rtol=1e-6)
    np.testing.assert_allclose(weak[4:8], [0.2, False, 0, True], rtol=1e-6)
    assert strong.bipolar is True
    assert strong.presence > weak.presence > 0.5


def test_extract_routes_with_threshold_and_top_k_keeps_the_strongest(schema, strong_and_weak):
    found = extract_routes(strong_and_weak, schema, threshold=0.03)
    assert [route.source_index for route in found] == [1, 0, 2]
    assert found[2].presence < 0.5
    assert extract_routes(strong_and_weak, schema, top_k=1) == found[:1]
    assert extract_routes(np.zeros_like(strong_and_weak), schema) == []


def test_extract_routes_of_a_full_matrix_returns_twenty_routes_in_range(schema):
    matrix = np.random.default_rng(0).normal(0, 20, (4, len(schema.sources), len(schema.destinations)))
    routes = extract_routes(matrix, schema)
    assert len(routes) == 20
    assert max(abs(route.amount) for route in routes) == 1
    assert max(abs(route.power) for route in routes) == 10
    strength = [abs(matrix[0, route.source_index, route.destination_index]) for route in routes]
    assert strength == sorted(strength, reverse=True)
    index, value = route_arrays(matrix, schema)
    assert (index >= 0).sum() == 20
    assert set(value[:20, [1, 3]].ravel()) == {0.0, 1.0}
    assert not value[20:].any()
    n = len(schema.destinations)
    assert sorted(index[:20]) == sorted(route.source_index * n + route.destination_index for route in routes)


@pytest.fixture(scope="module")
def chained_schema(schema):
    """The small schema, with the amounts and powers of routes as further destinations."""
    slots = tuple(f"modulation_{slot + 1}_{kind}" for kind in ("amount", "power") for slot in range(N_SLOTS))
    return dataclasses.replace(schema, destinations=schema.destinations[:3] + slots + schema.destinations[3:])


@settings(deadline=None, max_examples=60)
@given(
    cells=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=12, unique=True),
    seed=st.integers(0, 2**31),
)
def test_route_arrays_of_a_dense_table_return_the_canonical_table(chained_schema, cells, seed):
    """Routes may point at routes: in the matrix, `modulation_N_amount` means the Nth route in canonical order."""
    rng = np.random.default_rng(seed)
    names = chained_schema.destinations[:3] + tuple(f"modulation_{slot + 1}_amount" for slot in range(10))
    index, value = np.full(N_SLOTS, -1, np.int32), np.zeros((N_SLOTS, 4), np.float32)
    for slot, (source, name) in enumerate(cells):
        index[slot] = source * len(chained_schema.destinations) + chained_schema.destinations.index(names[name])
        value[slot] = rng.uniform(0.1, 1) * rng.choice([-1, 1]), rng.integers(2), rng.uniform(-10, 10), rng.integers(2)
    table = canonical_slots(index, value, chained_schema)
    if points_at_a_later_slot(table[0], chained_schema):
        return  # cycles have no canonical order
    matrix = dense_routes(*table, len(chained_schema.sources), len(chained_schema.destinations))
    matrix[[1, 3]] = np.where(matrix[[1, 3]] > 0.5, 4.0, -4.0)  # logits
    for found, expected in zip(route_arrays(matrix, chained_schema), table, strict=True):
        np.testing.assert_array_equal(found, expected)


def points_at_a_later_slot(index, schema):
    used = index[index >= 0]
    return (schema.destination_slots[used % len(schema.destinations)] >= np.arange(len(used))).any()


def test_extract_routes_leaves_out_a_route_to_an_empty_slot(chained_schema):
    far = chained_schema.destinations.index("modulation_9_amount")
    near = chained_schema.destinations.index("modulation_1_amount")
    matrix = matrix_with(chained_schema, [(1, 0, (0.3, 0, 0, 0)), (0, far, (0.9, 0, 0, 0)), (0, near, (0.8, 0, 0, 0))])
    assert [route.destination for route in extract_routes(matrix, chained_schema)] == [
        "modulation_1_amount",
        chained_schema.destinations[0],
    ]


@pytest.mark.parametrize(("presence", "weight"), [("report", 1.0), ("margin", MARGIN_WEIGHT)])
def test_presence_probability_equals_that_of_the_loss(presence, weight):
    """The loss of one cell that holds a route is -log of its presence."""
    for amount in (-0.4, 0.01, 0.05, 0.1):
        pred = jnp.array([amount, 0, 0, 0], jnp.float32).reshape(1, 4, 1, 1)
        target = jnp.array([0.5, 0, 0, 0], jnp.float32).reshape(1, 4, 1, 1)
        loss = modulation_loss(pred, target, pos_weight=1.0, presence=presence).presence.value() / weight
        assert presence_probability(np.float64(amount), presence) == pytest.approx(np.exp(-float(loss)), rel=1e-4)
