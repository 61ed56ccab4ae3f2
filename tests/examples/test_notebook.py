"""Runs examples/match.ipynb in a kernel of its own, from its folder."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "match.ipynb"


@pytest.mark.slow
def test_notebook_runs_from_top_to_bottom():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": NOTEBOOK.parent}}).execute()
    printed = "".join(
        output.get("text", "")
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if cell.cell_type == "code"
    )
    assert "dB MSS, " in printed
    assert "macro 1 at 100%: " in printed
    assert "'loss': " in printed
    assert "shipped: " in printed
