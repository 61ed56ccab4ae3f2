"""Tests of the results of a listening test, by hand."""

import json

import pytest

from vjax.evaluation.listener_answers import read_answers, results, table


def given(listener: str, *answers: tuple[str, str, str, str], evaluation: str = "all") -> dict:
    names = ("target", "first", "second", "answer")
    return {
        "version": 1,
        "evaluation": evaluation,
        "listener": listener,
        "answers": [dict(zip(names, one, strict=True)) for one in answers],
    }


@pytest.fixture
def write(tmp_path):
    def write(name: str, content) -> str:
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
        return str(tmp_path / name)

    return write


def test_results_count_both_orders_for_one_pair(write):
    answers = read_answers(
        [
            write("a.json", given("ann", ("t1", "match", "nearest", "first"), ("t1", "nearest", "match", "second"))),
            write("b.json", given("bob", ("t1", "nearest", "match", "first"), ("t2", "match", "nearest", "same"))),
        ]
    )
    (found,) = results(answers)
    low, high = found.pop("interval")
    assert found == {
        "method": "match",
        "other": "nearest",
        "n": 3,
        "wins": 2,
        "ties": 1,
        "losses": 1,
        "share": 0.5,  # of 1, 0 and a half: one number for each listener and target
        "consistent": 1.0,
    }
    assert 0 <= low < 0.5 < high <= 1


def test_results_of_a_listener_who_always_takes_the_first_sound_are_not_consistent():
    orders = (("match", "nearest"), ("nearest", "match"))
    answers = [
        {"listener": "ann", "target": target, "first": a, "second": b, "answer": "first"}
        for target in ("t1", "t2")
        for a, b in orders
    ]
    (found,) = results(answers)
    assert (found["share"], found["consistent"], found["interval"]) == (0.5, 0.0, [0.5, 0.5])


def test_results_without_repeats_have_no_consistency():
    answers = [{"listener": "ann", "target": "t", "first": "match", "second": "closest", "answer": "second"}]
    (found,) = results(answers)
    assert (found["share"], found["consistent"], found["losses"]) == (0.0, None, 1)
    assert results([]) == []


def test_read_answers_of_a_listener_who_exported_twice_takes_the_longer_file(write):
    short = given("ann", ("t1", "match", "nearest", "first"))
    long = given("ann", ("t1", "match", "nearest", "first"), ("t2", "match", "nearest", "second"))
    for order in ((short, long), (long, short)):
        assert len(read_answers([write(f"{i}.json", one) for i, one in enumerate(order)])) == 2


@pytest.mark.parametrize(
    "broken",
    ["not json", "[]", "{}", {"version": 2}, given("ann", ("t", "a", "b", "maybe")), given("ann") | {"listener": 3}],
)
def test_read_answers_of_another_file_names_it(write, broken):
    with pytest.raises(ValueError, match=r"x\.json is not a file that a listening test exported"):
        read_answers([write("x.json", broken)])


def test_read_answers_of_a_missing_file_names_it(tmp_path):
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(ValueError, match=r"is not a file; give the files that listen\.html exported"):
            read_answers([path])


def test_read_answers_of_two_evaluations_is_an_error(write):
    files = [write("a.json", given("ann")), write("b.json", given("bob", evaluation="other"))]
    with pytest.raises(ValueError, match="of different evaluations \\(all, other\\)"):
        read_answers(files)


def test_table_has_a_line_for_each_pair():
    answers = [
        {"listener": "ann", "target": "t", "first": "match", "second": other, "answer": "first"}
        for other in ("nearest", "closest")
    ]
    lines = table(results(answers)).splitlines()
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[1].split() == ["match", "nearest", "100%", "100%", "to", "100%", "1", "1", "0", "0", "-"]
