"""The teaching notebooks: each runs from a clean kernel, is what its source says, and finds the code where it is."""

import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT
from nbclient.exceptions import CellExecutionError

from notebooks import make

SHORT = "STEPS, IMAGES = 6, 1"
"""In place of a training of minutes and nine images."""
NOTEBOOKS = [source for source in make.SOURCES if "solutions" not in source.name]
sources = pytest.mark.parametrize("source", make.SOURCES, ids=lambda source: source.stem)
notebooks = pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda source: source.stem)


def shortened(source):
    notebook = make.read(source)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source += f"\n{SHORT}"
    return notebook


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook, kind):
    """What the cells of a notebook have shown, of one kind, as image/png."""
    shown = [output.get("data", {}) for cell in code(notebook) for output in cell.outputs]
    return [data[kind] for data in shown if kind in data]


def solutions(source):
    return make.FOLDER / f"{source.name[0]}_solutions.py"


@sources
def test_it_runs_from_a_clean_kernel(source, monkeypatch):
    """And shows its pictures where another backend of matplotlib is asked for, as on a server."""
    monkeypatch.setenv("MPLBACKEND", "agg")
    notebook = make.execute(shortened(source))
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    wanted = sum(cell.source.rstrip().endswith("\nfigure") for cell in code(notebook))
    assert wanted and len(outputs(notebook, "image/png")) >= wanted
    streams = [output for cell in code(notebook) for output in cell.outputs if output.get("name") == "stderr"]
    assert not streams, "a warning would confuse a class"


@sources
def test_the_notebook_is_what_its_source_says(source):
    made = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    nbformat.validate(made)

    def told(notebook):
        return [(cell.id, cell.cell_type, cell.source, cell.metadata.get("tags")) for cell in notebook.cells]

    assert told(made) == told(make.read(source)), f"run: make notebooks ARGS=notebooks/{source.name}"
    assert [cell.execution_count for cell in code(made)] == list(range(1, len(code(made)) + 1))
    assert outputs(made, "image/png")
    assert source.with_suffix(".ipynb").stat().st_size < 300_000
    assert not [output for cell in code(made) for output in cell.outputs if output.output_type == "error"]
    assert str(ROOT) not in source.with_suffix(".ipynb").read_text(encoding="utf-8")


def test_there_are_three_with_solutions():
    assert [source.name[0] for source in NOTEBOOKS] == ["1", "2", "3"]
    assert sorted([*NOTEBOOKS, *map(solutions, NOTEBOOKS)]) == make.SOURCES


@notebooks
def test_exercises_come_in_three_grades_with_folded_hints_and_solutions(source):
    text = "\n".join(cell.source for cell in make.read(source).cells if cell.cell_type == "markdown")
    exercises = text[text.index("## Exercises") :]
    assert re.findall(r"### (\w+) grade", exercises) == ["First", "Second", "Third"]
    numbers = re.findall(r"^\*\*(\d)\.\*\*", exercises, re.M)
    assert numbers == [str(n) for n in range(1, len(numbers) + 1)] and len(numbers) >= 3
    folded = re.findall(r"^<details><summary>Hint</summary>\n\n.+?\n\n</details>$", exercises, re.M | re.S)
    assert len(folded) == len(numbers)
    solved = "\n".join(cell.source for cell in make.read(solutions(source)).cells)
    assert re.findall(r"^## Exercise (\d)$", solved, re.M) == numbers


@notebooks
def test_what_solutions_repeat_is_as_in_the_notebook(source):
    there = [cell.source for cell in make.read(source).cells]
    repeated = [cell for cell in make.read(solutions(source)).cells if "repeated" in cell.metadata.get("tags", [])]
    assert repeated and all(cell.source in there for cell in repeated)


# ---- where a notebook may stand ------------------------------------------------------------------------------------


def first_cells(last: str):
    """The first cell of code, which all notebooks share, and one more."""
    (first,) = {code(make.read(source))[0].source for source in make.SOURCES}
    cells = [nbformat.v4.new_code_cell(text) for text in (first, last)]
    return nbformat.v4.new_notebook(cells=cells)


WHERE = "import diffusion.forward, engine.device, publishing.plots\nprint(diffusion.__file__)"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A folder as from the ZIP of the repository."""
    folder = tmp_path_factory.mktemp("unpacked") / "repository-main"
    for part in ("workflow", "weights", "notebooks"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.mark.parametrize("place", ["notebooks", ".", "..", "workflow/rules"])
def test_it_finds_the_code_in_and_beside_the_repository(unpacked, place):
    done = make.execute(first_cells(WHERE), unpacked / place)
    assert str(unpacked.resolve()) in done.cells[1].outputs[0].text


def test_it_works_after_pip_install_of_the_zip(unpacked, tmp_path, monkeypatch):
    archive = shutil.make_archive(str(tmp_path / "repository"), "zip", unpacked.parent)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", tmp_path / "site", archive], check=True)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    (tmp_path / "elsewhere").mkdir()
    weights = "from os import listdir\nprint(sorted(listdir(diffusion.__path__[0] + '/weights')))"
    done = make.execute(first_cells(f"{WHERE}\n{weights}"), tmp_path / "elsewhere")
    assert str(tmp_path / "site") in done.cells[1].outputs[0].text
    assert str(sorted(file.name for file in (ROOT / "weights").iterdir())) in done.cells[1].outputs[0].text


def test_without_the_code_it_says_what_to_do(tmp_path):
    with pytest.raises(CellExecutionError, match="the repository of this notebook is not here: unpack its ZIP"):
        make.execute(first_cells(WHERE), tmp_path)
