"""Tests of configuration sections: errors state the whole key, the value and what was expected."""

import dataclasses
import math

import pytest

from vjax.training.checks import make_section


@dataclasses.dataclass(frozen=True)
class Section:
    count: int = 1
    share: float = 0.5
    name: str = "a"
    on: bool = False
    notes: tuple[int, ...] = (60,)
    ends: tuple[int, int] = (0, 1)

    def __post_init__(self):
        if self.count < 0:
            raise ValueError(f"count={self.count}; it must be at least 0")
        if self.ends[0] > self.ends[1]:
            raise ValueError("the range is empty")


FIELDS = dataclasses.asdict(Section())


def test_make_section_with_valid_values_returns_the_section():
    assert make_section("x", Section, FIELDS | {"share": 1, "notes": (1, 2)}) == Section(share=1, notes=(1, 2))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", 1.5, "a.b.count=1.5; expected an integer"),
        ("count", True, "a.b.count=True; expected an integer"),
        ("count", None, "a.b.count=None; expected an integer"),
        ("count", -1, "a.b.count=-1; it must be at least 0"),
        ("share", math.nan, "a.b.share=nan; expected a finite number"),
        ("share", math.inf, "a.b.share=inf; expected a finite number"),
        ("share", "1", "a.b.share='1'; expected a finite number"),
        ("name", 3, "a.b.name=3; expected text"),
        ("on", 1, "a.b.on=1; expected True or False"),
        ("notes", (60.5,), "a.b.notes=(60.5,); expected one or more integers, such as 48,60,72"),
        ("ends", (1, 2, 3), "a.b.ends=(1, 2, 3); expected 2 integers, such as 48,60"),
        ("ends", (2, 1), "a.b: the range is empty"),
        ("shares", 1.0, "a.b.shares is not a setting; did you mean a.b.share?"),
        ("xyzzy", 1.0, "a.b.xyzzy is not a setting; choose from count, share, name, on, notes, ends"),
    ],
)
def test_make_section_with_an_invalid_value_names_key_and_expectation(name, value, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        make_section("a.b", Section, FIELDS | {name: value})
    assert str(error.value) == message


def test_make_section_without_a_field_names_it():
    with pytest.raises(ValueError, match=r"a\.count is missing"):
        make_section("a", Section, {name: value for name, value in FIELDS.items() if name != "count"})


def test_make_section_at_the_top_has_no_prefix():
    with pytest.raises(ValueError, match=r"^count=-1; "):
        make_section("", Section, FIELDS | {"count": -1})
