"""The locks of envs/ and benchmarks/: whole, hashed, in step with their short lists, and with what the rules import."""

import ast
import re
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from modulefinder import ModuleFinder
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, rule_blocks
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = ROOT / "envs"
PLACES = {"peers": ROOT / "benchmarks"}
SCRIPTS = ROOT / "workflow" / "scripts"
CONDA = ("learn", "numerics", "paper", "provenance")


def short_list(name: str) -> dict[str, str]:
    """What a short list asks for, with the lists it includes: name to version."""
    wanted = {}
    for line in (PLACES.get(name, ENVS) / f"{name}.in").read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            wanted |= short_list(line.removeprefix("-r ").removesuffix(".in"))
        elif line and not line.startswith("#"):
            package, version = line.split("==")
            wanted[canonicalize_name(package)] = version
    return wanted


def pins(lines: list[str]) -> dict[str, set[tuple[str, str, tuple[str, ...]]]]:
    """A lock as name to (version, marker, hashes); a package may have a version for each of several Pythons."""
    found: dict[str, set] = {}
    for line in lines:
        head, *hashes = line.split("--hash=")
        requirement = Requirement(head.strip())
        (version,) = [s.version for s in requirement.specifier if s.operator == "=="]
        assert hashes, f"{requirement.name} has no hash"
        key = canonicalize_name(requirement.name)
        entry = (version, str(requirement.marker or ""), tuple(sorted(h.strip() for h in hashes)))
        found.setdefault(key, set()).add(entry)
    return found


def requirements(name: str) -> dict:
    text = (PLACES.get(name, ENVS) / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    return pins([line for line in text.splitlines() if line.strip() and not line.startswith("#")])


def environment(name: str) -> dict:
    content = yaml.safe_load((ENVS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert content["channels"] == ["conda-forge"]
    assert [entry.split("=")[0] for entry in content["dependencies"][:2]] == ["python", "pip"]
    return pins(content["dependencies"][2]["pip"])


LOCKS = dict.fromkeys(("workflow", "tests", "peers"), requirements) | dict.fromkeys(CONDA, environment)


@pytest.mark.parametrize("name", [*LOCKS, "citation"])
def test_lock_has_what_its_short_list_asks_for(name):
    lock = LOCKS.get(name, requirements)(name)
    for package, version in short_list(name).items():
        assert version in {pin for pin, _, _ in lock.get(package, set())}, f"run `make lock`: {package}=={version}"


@pytest.mark.parametrize("name", CONDA)
def test_conda_environments_have_the_workflows_versions(name):
    """Versions and hashes are the same; the markers may differ, since other packages ask for them."""
    workflow = requirements("workflow")
    for package, entries in environment(name).items():
        known = {(version, hashes) for version, _, hashes in workflow.get(package, set())}
        assert {(version, hashes) for version, _, hashes in entries} <= known, f"run `make lock`: {package} differs"


@pytest.mark.parametrize("name", LOCKS)
def test_lock_is_the_full_closure(name):
    """Every requirement of a locked package, as installed here, is locked too."""
    locked = LOCKS[name](name)
    for package in locked:
        try:
            needs = requires(package) or []
        except PackageNotFoundError:  # for another platform or Python
            continue
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert canonicalize_name(need.name) in locked, f"{package} needs {need.name}, which is not locked"


def imports(script: Path) -> set[str]:
    """Packages from outside that a script, or a module of ours that it reaches, imports."""
    finder = ModuleFinder(path=[str(SCRIPTS)])
    finder.run_script(str(script))
    files = [Path(m.__file__) for name, m in finder.modules.items() if m.__file__ and name != "__main__"]
    names = set()
    for file in [script, *files]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split(".")[0])
    ours = {path.stem for path in SCRIPTS.iterdir()}
    return names - ours - set(sys.stdlib_module_names)


def rules() -> list[tuple[str, str, str]]:
    """Every rule with a script, with its environment."""
    found = []
    for _, block in rule_blocks():
        if script := re.search(r"script:\s+\"../scripts/(\w+\.py)\"", block):
            conda = re.search(r"conda:\s+\"../../envs/(\w+)\.yaml\"", block)
            name = re.match(r"rule (\w+):", block)  # in a loop over rules the name is computed
            found.append((name[1] if name else script[1], script[1], conda[1]))
    return found


@pytest.mark.parametrize("rule, script, name", rules(), ids=[rule for rule, _, _ in rules()])
def test_environment_of_a_rule_has_all_that_its_script_imports(rule, script, name):
    """Snakemake adds its own packages to a script's path, which hides one that is missing: so it is asked for here."""
    distributions = packages_distributions()
    for module in imports(SCRIPTS / script):
        offered = {canonicalize_name(distribution) for distribution in distributions[module]}
        assert offered & set(short_list(name)), f"{script} imports {module}, which envs/{name}.in does not name"
