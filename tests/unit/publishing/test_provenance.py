"""A run's crate: valid by its profile's own validator, the same for the same files, and true."""

import json
import os
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from crates import altered, graph, problems

from engine.errors import UserError
from publishing import origin, provenance

END = datetime(2025, 8, 7, 12, 0, 0, tzinfo=UTC)


def read(file: str) -> dict:
    return yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run with one figure, drawn in the last minute before END; its folder's name has a space and an accent."""
    monkeypatch.chdir(ROOT)
    folder = tmp_path / "thèse de Zoë"
    figure, benchmark = folder / "figures/fig 1.png", folder / "benchmarks/figure_1.tsv"
    for file, content in ((figure, "a figure"), (benchmark, "s\th:m:s\n60.0\t0:01:00\n")):
        file.parent.mkdir(parents=True)
        file.write_text(content)
        os.utime(file, (END.timestamp(),) * 2)
    return provenance.Run(
        folder=folder,
        settings=(config := read("config.yaml")) | {"execution": {**config["execution"], "mirrors": ["/home/zoe"]}},
        schema=read("workflow/schemas/config.schema.yaml"),
        citation=read("CITATION.cff"),
        results=[figure],
        records=[benchmark],
        sources=[Path("Snakefile"), Path("LICENSE"), Path("workflow/rules/common.smk")],
        data=[{"url": "https://example.org/train-images.gz", "bytes": 3, "sha256": "ab" * 32}],
        packages={"python": "3.12.1", "numpy": "2.4.6"},
        machine={"processor": "abacus", "logical cores": 2},
        snakemake="9.27.1",
    )


@pytest.fixture
def written(run):
    provenance.describe(run).write(run.folder)
    return run.folder


def test_the_validator_finds_nothing_wrong(written):
    assert problems(written) == []
    assert altered(written) == []


WRONG = [
    ("#run", "instrument", "The Action MUST have an instrument property"),
    ("./", "license", "must specify a license"),
    ("./", "mainEntity", "The Main Workflow must be specified through a `mainEntity` property"),
    ("#parameter/ddpm.T", "additionalType", "FormalParameter MUST have an additionalType"),
]


@pytest.mark.parametrize("identifier, key, sentence", WRONG)
def test_the_validator_would_find_what_is_missing(written, identifier, key, sentence):
    file = written / "ro-crate-metadata.json"
    crate = json.loads(file.read_text(encoding="utf-8"))
    [entity] = [one for one in crate["@graph"] if one["@id"] == identifier]
    del entity[key]
    file.write_text(json.dumps(crate), encoding="utf-8")
    assert sentence in "".join(problems(written))


def test_a_changed_or_missing_file_is_found(written):
    (written / "figures/fig 1.png").write_text("another figure")
    assert altered(written) == ["figures/fig%201.png"]
    (written / "provenance/LICENSE").unlink()
    assert any("provenance/LICENSE" in problem for problem in problems(written))


def test_same_run_same_bytes(run, written):
    first = (written / "ro-crate-metadata.json").read_bytes()
    provenance.describe(run).write(run.folder)
    assert (written / "ro-crate-metadata.json").read_bytes() == first


def test_the_run_is_told_as_it_was(run, written):
    entities = graph(written)
    action = entities["#run"]
    assert action["startTime"] == "2025-08-07T11:59:00+00:00" and action["endTime"] == "2025-08-07T12:00:00+00:00"
    assert entities["./"]["datePublished"] == action["endTime"]
    assert action["instrument"] == entities["./"]["mainEntity"] == {"@id": "provenance/Snakefile"}
    assert {"@id": "https://example.org/train-images.gz"} in action["object"]
    assert [entry["@id"] for entry in action["result"]] == ["figures/fig%201.png"]
    assert entities["figures/fig%201.png"]["encodingFormat"] == "image/png"
    assert entities["#setting/ddpm.beta_T"]["value"] == 0.02
    assert entities["#parameter/ddpm.beta_T"]["additionalType"] == "Float"
    assert "variance schedule" in entities["#parameter/ddpm.beta_T"]["description"]
    assert entities["https://pypi.org/project/numpy/2.4.6/"]["softwareVersion"] == "2.4.6"
    assert entities[entities["./"]["citation"]["@id"]]["name"] == run.citation["preferred-citation"]["title"]


def test_settings_are_kept_whole_but_for_private_places(run, written):
    kept = yaml.safe_load((written / "provenance/run.yaml").read_text(encoding="utf-8"))
    assert kept == run.settings | {"execution": {**run.settings["execution"], "mirrors": []}}
    text = (written / "ro-crate-metadata.json").read_text(encoding="utf-8")
    assert "/home/zoe" not in text and str(run.folder.parent) not in text


def test_a_password_in_the_settings_is_not_kept(run, tmp_path, monkeypatch):
    for source in run.sources:
        (tmp_path / source).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / source).write_bytes(source.read_bytes())
    config = Path("config.yaml").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(
        config.replace("mirrors: []", "mirrors: ['https://zoe:t0p@host/m']"), encoding="utf-8"
    )
    provenance.describe(replace(run, sources=[*run.sources, Path("config.yaml")])).write(run.folder)
    kept = (run.folder / "provenance/config.yaml").read_text(encoding="utf-8")
    assert kept == config.replace("mirrors: []", "mirrors: ['https://***@host/m']")
    assert altered(run.folder) == []


def test_the_agent_is_anonymous_unless_named(run):
    def agent(**change) -> dict:
        provenance.describe(replace(run, **change)).write(run.folder)
        entities = graph(run.folder)
        return entities[entities["#run"]["agent"]["@id"]]

    assert agent()["name"] == "anonymous"
    assert agent(agent="Ada Lovelace")["name"] == "Ada Lovelace"
    assert agent(agent="https://orcid.org/0000-0001-0000-0000")["@id"] == "https://orcid.org/0000-0001-0000-0000"
    assert problems(run.folder) == []


def test_the_commit_is_this_folders_own(run, tmp_path):
    """Without git's own folder there is none, not even where a repository lies further up."""
    inner = tmp_path / "repository" / "unpacked"
    inner.mkdir(parents=True)
    (inner / "file").write_text("one")

    def git(*arguments: str) -> str:
        name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        done = subprocess.run(["git", *name, *arguments], cwd=inner.parent, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert origin.commit(inner.parent) is None
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "One")
    assert origin.commit(inner) is None
    assert origin.commit(inner.parent) == git("rev-parse", "HEAD")
    (inner / "file").write_text("two")
    assert origin.commit(inner.parent) == git("rev-parse", "HEAD") + ".dirty"
    assert origin.commit(inner.parent, apart=inner.name) == git("rev-parse", "HEAD")

    provenance.describe(replace(run, commit="abc")).write(run.folder)
    assert graph(run.folder)["provenance/Snakefile"]["version"] == f"{run.citation['version']}+abc"


def test_a_run_is_gathered_from_the_inputs_of_its_rule(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    folder = tmp_path / "results"
    for file in ("logs/a.log", "logs/describe_run.log", "benchmarks/b-1-of-2.tsv", "benchmarks/b-1-of-3.tsv", "c.csv"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("s\th:m:s\tio_in\n" if file.endswith(".tsv") else "")
    for file, content in (("data.json", [{"url": "u"}]), ("training.json", {"device": "CPU"})):
        (tmp_path / file).write_text(json.dumps(content))
    files = {
        "results": [folder / "c.csv"], "intermediate": ["d.json"], "shards": ["e.npz"], "sources": ["Snakefile"],
        "data": tmp_path / "data.json", "training": tmp_path / "training.json", "environments": ["envs/paper.in"],
        "schema": "workflow/schemas/config.schema.yaml", "citation": "CITATION.cff",
    }  # fmt: skip
    settings = read("config.yaml") | {"agent": "Ada"}
    run = provenance.gather(files, folder, settings, "a note", ["a", "b-?-of-2"])
    assert run.results == [folder / "c.csv", Path("d.json"), Path("e.npz")] and run.sources == [Path("Snakefile")]
    assert run.records == [folder / "benchmarks/b-1-of-2.tsv", folder / "logs/a.log"]
    assert (run.settings, run.agent, run.note, run.data) == (settings, "Ada", "a note", [{"url": "u"}])
    assert run.citation == read("CITATION.cff") and run.schema["title"] == "The experiment's settings"
    assert run.machine["trained on"] == "CPU" and run.snakemake == version("snakemake") and "typst" in run.packages


def test_packages_are_named_as_installed_else_as_pinned(tmp_path):
    (tmp_path / "some.in").write_text("# a comment\n-r other.in\nPyYAML==0.1\nnot_installed.here==7.0\n")
    found = provenance.packages([tmp_path / "some.in"])
    assert found.keys() == {"python", "pyyaml", "not-installed-here"}
    assert (found["pyyaml"], found["not-installed-here"]) == (version("pyyaml"), "7.0")


def test_packages_are_named_in_the_version_that_a_job_imports(tmp_path, monkeypatch):
    (tmp_path / "PyYAML-99.dist-info").mkdir()
    (tmp_path / "PyYAML-99.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: PyYAML\nVersion: 99\n")
    (tmp_path / "some.in").write_text("PyYAML==0.1\n")
    before = version("PyYAML")
    monkeypatch.syspath_prepend(tmp_path)  # of this process, as Snakemake puts its own packages on a script's path
    assert provenance.packages([tmp_path / "some.in"])["pyyaml"] == before
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert provenance.packages([tmp_path / "some.in"])["pyyaml"] == "99"


def test_stray_files_among_the_logs_and_benchmarks_are_not_listed(tmp_path):
    for file in ("logs/a.log", "logs/._a.log", "benchmarks/a.tsv", "benchmarks/._a.tsv"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"s\th:m:s\tmax_rss\n1.5\t0:00:01\t7\n")
    for name in (b"logs/caf\xe9.log", b"benchmarks/caf\xe9.tsv"):  # in another encoding than UTF-8
        (tmp_path / os.fsdecode(name)).write_bytes(b"s\th:m:s\t\n1\t2\t\n")
    (tmp_path / "benchmarks/notes.tsv").write_text("mine\n")
    (tmp_path / "benchmarks/empty.tsv").touch()
    (tmp_path / "benchmarks/folder.tsv").mkdir()
    (tmp_path / "logs/dangling.log").symlink_to("/nowhere")
    os.mkfifo(tmp_path / "benchmarks/pipe.tsv")
    assert provenance.records(tmp_path, ["*"]) == [tmp_path / "benchmarks/a.tsv", tmp_path / "logs/a.log"]


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e300", "-5", "soon"])
def test_a_benchmark_file_with_an_impossible_time_is_named(tmp_path, seconds):
    table = tmp_path / "a.tsv"
    table.write_text(f"s\th:m:s\n{seconds}\t-\n")
    with pytest.raises(UserError, match=r"a\.tsv"):
        provenance.times([table], [table])


def test_only_the_runs_own_settings_are_looked_through_for_passwords(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("config.yaml", "paper/config.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"mirrors: [http://me:t0psecret@h/]")
    (tmp_path / "paper/config.yaml").write_bytes(b"agent: caf\xe9")
    assert b"t0psecret" not in provenance._content(Path("config.yaml"))
    assert provenance._content(Path("paper/config.yaml")) == b"agent: caf\xe9"


def test_the_machine_is_described():
    machine = provenance.machine()
    assert machine["processor"] and machine["logical cores"] >= 1 and machine["memory in GiB"] > 0


@pytest.mark.parametrize("content", ["[]", "title: x\n", "- title: [\n", "\ufffe\x00"])
def test_a_citation_file_that_cannot_be_used_is_named(tmp_path, content):
    (tmp_path / "CITATION.cff").write_text(content, encoding="utf-8")
    files = {"schema": ROOT / "workflow/schemas/config.schema.yaml", "citation": tmp_path / "CITATION.cff"}
    with pytest.raises(UserError, match=r"CITATION\.cff is damaged, or is not YAML with authors, license"):
        provenance.gather(files, tmp_path, {}, "", "describe_run")
