"""The documents name files, tests and sections of each other. These tests check that all of them exist."""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
MODEL_CARD = ROOT / "vjax/shipped/MODEL_CARD.md"
CITED_TEST = re.compile(r"`(?:tests/)?([\w/]+/test_\w+\.py|test_\w+\.py)::(\w+)`")
NAMED_FILE = re.compile(r"`(?!runs/)(\w+(?:/[\w.-]+)+\.(?:py|md|json|jsonl|npz))(?=[`:])")
STARTS = ("", "vjax", "vjax/candidates", "tests")
PLACEHOLDERS = ("tests/FOLDER/test_FILE.py", "benchmarks/NAME.py")

each_page = pytest.mark.parametrize("path", [*PAGES, MODEL_CARD], ids=lambda path: str(path.relative_to(ROOT)))


@functools.cache
def functions_of(path: Path) -> frozenset[str]:
    return frozenset(node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef))


def anchors_of(path: Path) -> set[str]:
    """The anchors of a page's headings, as MkDocs and GitHub make them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@each_page
def test_links_of_a_page_lead_to_files_and_headings(path):
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", target):
            continue
        file, _, heading = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        assert not heading or heading in anchors_of(found), target


@each_page
def test_files_that_a_page_names_exist(path):
    """Their paths begin at the repository, at `vjax/`, at `vjax/candidates/`, or at `tests/`."""
    for name in NAMED_FILE.findall(path.read_text()):
        assert name in PLACEHOLDERS or any((ROOT / start / name).exists() for start in STARTS), name


@each_page
def test_tests_that_a_page_cites_exist(path):
    for file, name in CITED_TEST.findall(path.read_text()):
        assert (ROOT / "tests" / file).is_file(), file
        assert name in functions_of(ROOT / "tests" / file), f"{file}::{name}"


def test_pages_of_facts_and_invariants_cite_many_tests():
    """If the form of the citations changes, the test above must not pass because it finds none."""
    cited = {name: len(CITED_TEST.findall((ROOT / "docs" / name).read_text())) for name in _CITING}
    assert all(cited[name] >= least for name, least in _CITING.items()), cited


_CITING = {"engine-facts.md": 50, "architecture.md": 15, "spec.md": 10}


def test_every_decision_is_listed_and_has_all_parts():
    index = (ROOT / "docs/decisions/index.md").read_text()
    for path in sorted((ROOT / "docs/decisions").glob("0*.md")):
        text = path.read_text()
        assert f"]({path.name})" in index, path.name
        for part in ("Status: ", "## Decision", "## Evidence", "## Consequences"):
            assert part in text, (path.name, part)
