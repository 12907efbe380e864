"""The locks of envs/ and benchmarks/: whole, hashed, in step with their short lists, and with what the rules import."""

import ast
import importlib.util
import os
import re
import subprocess
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
CONDA = ("learn", "live", "numerics", "paper", "provenance")


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


LOCKS = dict.fromkeys(("workflow", "notebooks", "tests", "peers"), requirements) | dict.fromkeys(CONDA, environment)


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


# ---- where the pins can be installed -------------------------------------------------------------------------------

UV = Path(sys.executable).with_name("uv")
WITHOUT_WHEEL = ("connection-pool", "stopit")  # pure Python, and built in a moment
LINUX, MAC = ("Linux", "x86_64", (2, 28), ()), ("Darwin", "arm64", (), (14, 1))


def lacks(platform: str, python: str, folder: Path) -> str:
    """What of the workflow's lock has no wheel for a platform and Python, as uv says it; empty if all have one."""
    lines = (ENVS / "workflow.txt").read_text(encoding="utf-8").splitlines()
    heads = [line.partition(" \\")[0] for line in lines if re.match("[a-z]", line)]
    (folder / "pins.txt").write_text("\n".join(h for h in heads if not h.startswith(WITHOUT_WHEEL)), encoding="utf-8")
    command = [UV, "pip", "compile", "--quiet", "--no-deps", "--only-binary", ":all:", "--python-platform", platform]
    done = subprocess.run(
        [*command, "--python-version", python, folder / "pins.txt"],
        env={**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"},
        capture_output=True,
        text=True,
    )
    if done.returncode and not re.search(r"no (usable )?wheels", done.stderr):
        pytest.skip(f"no answer from a package index: {done.stderr[-300:]}")
    return done.stderr if done.returncode else ""


@pytest.mark.parametrize(
    "platform, python",
    [("x86_64-manylinux_2_28", "3.13"), ("aarch64-manylinux_2_28", "3.11"), ("aarch64-apple-darwin", "3.12")],
)
def test_the_pins_have_packages_for_what_is_supported(platform, python, tmp_path):
    assert lacks(platform, python, tmp_path) == ""


def test_the_next_python_lacks_packages(tmp_path):
    """If this fails, envs/supported.py and the README can allow more."""
    assert "wheels" in lacks("x86_64-manylinux_2_28", "3.14", tmp_path)


def supported():
    spec = importlib.util.spec_from_file_location("supported", ENVS / "supported.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "python, cpython, system, parts, words",
    [
        ((3, 10), True, LINUX, 2, r"this is Python 3\.10: name one with make PYTHON="),
        ((2, 7), True, LINUX, 2, r"this is Python 2\.7"),
        ((3, 14), True, LINUX, 2, r"Python 3\.11, 3\.12 or 3\.13 is needed, and this is Python 3\.14"),
        ((3, 12), False, LINUX, 2, r"not the usual build of CPython"),
        ((3, 12), True, ("Linux", "x86_64", (2, 17), ()), 2, r"glibc 2\.28 or later.*has glibc 2\.17"),
        ((3, 12), True, ("Linux", "x86_64", (), ()), 2, r"another C library"),
        ((3, 12), True, ("Linux", "ppc64le", (2, 34), ()), 2, r"for Linux on ppc64le"),
        ((3, 12), True, ("Linux", "32 bits", (2, 34), ()), 2, r"for Linux on 32 bits"),
        ((3, 12), True, ("Darwin", "x86_64", (), (14, 1)), 2, r"for Darwin on x86_64: .*a Python for arm64"),
        ((3, 12), True, ("Darwin", "arm64", (), (13, 6)), 2, r"macOS 14 or later, and this is 13\.6"),
        ((3, 12), True, ("Windows", "AMD64", (), ()), 2, r"for Windows on AMD64"),
        ((3, 12), True, LINUX, 1, r"lacks its module ensurepip: install it"),
        ((3, 11), True, LINUX, 2, "^$"),
        ((3, 13), True, ("Linux", "aarch64", (2, 39), ()), 2, "^$"),
        ((3, 13), True, MAC, 2, "^$"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(python, cpython, system, parts, words):
    name, machine, glibc, macos = system
    sentence = supported().refusal(python, cpython, name, machine, glibc, macos, ["venv", "ensurepip"][:parts])
    assert re.search(words, sentence)
    assert "\n" not in sentence and not sentence.endswith(".")


def test_this_python_is_supported_and_make_asks():
    assert supported().refusal(*supported().here()) == ""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^\.venv/workflow: .*\n\t@\$\(PYTHON\) envs/supported\.py$", makefile, re.M)
