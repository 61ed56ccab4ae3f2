"""The version is written in several files, which must agree."""

import re
import tomllib
from pathlib import Path

from vjax import __version__

ROOT = Path(__file__).parents[1]


def test_version_is_the_same_in_all_files():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == __version__


def test_changelog_has_an_entry_for_the_version():
    released = re.findall(r"^## \[(\d\S*)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert __version__ in dict(released)
    assert released == sorted(released, key=lambda entry: entry[1], reverse=True)
