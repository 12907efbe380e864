"""A package of ~/.local in place of the environment's is noticed."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import ROOT

from engine.packages import refusal

USER = "/home/zoe/.local/lib/python3.12/site-packages"
ENVIRONMENT = "/opt/conda/envs/snakemake/lib/python3.12/site-packages"


def modules(**places: str) -> dict:
    return {name: SimpleNamespace(__file__=f"{place}/{name}/__init__.py") for name, place in places.items()}


@pytest.mark.parametrize(
    "loaded, foreign",
    [
        (modules(snakemake=ENVIRONMENT, yaml=ENVIRONMENT), ""),
        (modules(snakemake=ENVIRONMENT, yaml=USER, jsonschema=USER), "jsonschema, yaml"),
        (modules(snakemake=ENVIRONMENT) | {"yaml.loader": SimpleNamespace(__file__=f"{USER}/yaml/loader.py")}, "yaml"),
        (modules(snakemake=USER, yaml=USER), ""),  # installed with pip --user, and so all of one kind
        (modules(snakemake=ENVIRONMENT, other=USER + "-of-another"), ""),
        (modules(snakemake=ENVIRONMENT) | {"sys": SimpleNamespace(), "odd": SimpleNamespace(__file__=None)}, ""),
    ],
)
def test_packages_of_the_users_folder_are_named(loaded, foreign):
    sentence = refusal(loaded, USER)
    assert sentence.startswith(f"Snakemake took {foreign} from {USER}") if foreign else sentence == ""
    assert not foreign or "PYTHONNOUSERSITE=1 snakemake" in sentence


def test_a_real_package_of_the_users_folder_is_found(tmp_path):
    """With a Python that looks there, as conda's does: not that of a virtual environment, but the one under it."""
    python = [sys._base_executable]
    code = "import sys, {}; sys.path.append(sys.argv[1]); from engine.packages import refusal; print(refusal())"

    def answer(*arguments: str, **more: str) -> str:
        environment = {"PYTHONUSERBASE": str(tmp_path), **more}
        return subprocess.run(
            [*python, "-c", *arguments], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    folder = Path(answer("import site; print(site.getusersitepackages())"))
    (folder / "stand_in").mkdir(parents=True)
    (folder / "stand_in/__init__.py").touch()
    scripts = str(ROOT / "workflow/scripts")
    assert answer(code.format("stand_in"), scripts).startswith(f"Snakemake took stand_in from {folder}")
    assert answer(code.format("json"), scripts) == ""
    assert answer(code.format("json"), scripts, PYTHONNOUSERSITE="1") == ""
