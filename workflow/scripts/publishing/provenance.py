"""Where a run's results come from, as a Workflow Run RO-Crate: the workflow, its data and settings, the software, the
machine, the times, and each result with its SHA-256. The profile: https://w3id.org/ro/wfrun/workflow/0.5.
"""

import csv
import json
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib.metadata import version
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import psutil
import yaml
from rocrate.model import ContextEntity, Person, SoftwareApplication
from rocrate.rocrate import ROCrate

from engine.commands import answer
from engine.environment import is_utf8
from engine.files import read_json, reading, sha256
from engine.installation import normal
from engine.privacy import public
from publishing.origin import commit, pins, processor

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}  # not yet in RO-Crate 1.1's own vocabulary
COPY = "provenance"  # the crate's folder for the workflow and the settings
FORMATS = {
    ".cff": "application/yaml",
    ".css": "text/css",
    ".csv": "text/csv",
    ".gz": "application/gzip",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python",
    ".rst": "text/x-rst",
    ".safetensors": "application/octet-stream",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
}
VERSIONS = """
import importlib.metadata, json
print(json.dumps([(one.name, one.version) for one in importlib.metadata.distributions()]))
"""


@dataclass(frozen=True)
class Run:
    """What a run's crate records. Paths are relative to the folder that Snakemake works in; `data` holds url, bytes and
    sha256 of each file that the run started from; `packages` are name to version.
    """

    folder: Path
    settings: dict
    schema: dict
    citation: dict
    results: Sequence[Path]
    records: Sequence[Path]
    sources: Sequence[Path]
    data: Sequence[dict]
    packages: dict[str, str]
    machine: dict[str, str | int | float]
    snakemake: str
    commit: str | None = None
    agent: str = ""
    note: str = ""


def gather(files: Mapping[str, Any], folder: Path, settings: dict, note: str, jobs: Sequence[str]) -> Run:
    """What the crate of the run in `folder` tells, from the inputs of the rule describe_run by their names there.

    `jobs` are patterns of the names of the run's jobs, without that of the rule itself, whose log and benchmark file
    are still being written.
    """

    def content(name: str, *keys: str) -> dict:
        with reading(files[name], f"YAML with {', '.join(keys)}"):
            found = yaml.safe_load(Path(files[name]).read_text(encoding="utf-8"))
            return found | {key: found[key] for key in keys}  # an error if one is missing

    return Run(
        folder=folder,
        settings=settings,
        schema=content("schema", "properties"),
        citation=content("citation", "authors", "license", "preferred-citation", "title", "version"),
        results=[Path(file) for file in [*files["results"], *files["intermediate"], *files["shards"]]],
        records=records(folder, jobs),
        sources=[Path(file) for file in files["sources"]],
        data=read_json(files["data"]),
        packages=packages(files["environments"]),
        machine=machine() | {"trained on": read_json(files["training"])["device"]},
        snakemake=version("snakemake"),
        commit=commit(Path()),
        agent=settings["agent"],
        note=note,
    )


def records(folder: Path, jobs: Sequence[str]) -> list[Path]:
    """The logs and benchmark files of a run's jobs, by patterns of their names; what other settings left is not of the
    run. Files whose names are not UTF-8, and tables that are no benchmark files of Snakemake's, are not ours.
    """
    logs, tables = (
        [
            file
            for file in folder.glob(pattern)
            if file.is_file() and is_utf8(file.name) and any(fnmatchcase(file.stem, job) for job in jobs)
        ]
        for pattern in ("logs/[!.]*.log", "benchmarks/[!.]*.tsv")  # and no folder, link or pipe among them
    )
    return sorted([*logs, *(table for table in tables if table.read_bytes().startswith(b"s\th:m:s\t"))])


def packages(short_lists: Iterable[Path | str]) -> dict[str, str]:
    """Version of each package that the environments' short lists name: as a job imports it, else as pinned, since rules
    then run in environments of their own, made from these pins.
    """
    # A Python started anew finds what any job finds; this one also has Snakemake's own packages on its path.
    found = answer([sys.executable, "-c", VERSIONS]) or "[]"
    installed = {normal(name): version for name, version in reversed(json.loads(found))}  # the first one is imported
    pinned = pins(short_lists)
    return {"python": platform.python_version()} | {name: installed.get(name, pinned[name]) for name in pinned}


def machine() -> dict[str, str | int | float]:
    """This machine's processor, cores, memory in GiB, GPUs where nvidia-smi finds some, and operating system."""
    facts: dict[str, str | int | float] = {
        "processor": processor(),
        "logical cores": psutil.cpu_count() or 1,
        "memory in GiB": round(psutil.virtual_memory().total / 2**30, 1),
    }
    if gpus := answer(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]):
        facts["GPU"] = "; ".join(gpus.splitlines())
    return facts | {"operating system": f"{platform.system()} on {platform.machine()}"}


def times(benchmarks: Iterable[Path], results: Iterable[Path]) -> tuple[datetime, datetime]:
    """When the first job started, by Snakemake's benchmark files (written at a job's end, with its seconds), and when
    the last result was written.
    """
    starts = []
    for file in benchmarks:
        with reading(file, "a benchmark file"), file.open(encoding="utf-8", newline="") as content:
            seconds = sum(float(row["s"]) for row in csv.DictReader(content, delimiter="\t"))
            if not 0 <= seconds < file.stat().st_mtime:
                raise ValueError(f"a job cannot have taken {seconds} s")
        starts.append(file.stat().st_mtime - seconds)
    end = max(file.stat().st_mtime for file in results)
    return (
        datetime.fromtimestamp(min([*starts, end]), UTC).replace(microsecond=0),
        datetime.fromtimestamp(end, UTC).replace(microsecond=0),
    )


def flat(settings: dict, schema: dict, prefix: str = "") -> Iterator[tuple[str, object, str]]:
    """Each setting as its name (`ddpm.T`), its value, and what the schema says of it."""
    for key, value in settings.items():
        entry = schema.get("properties", {}).get(key, {})
        if isinstance(value, dict):
            yield from flat(value, entry, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value, entry.get("description", "")


def describe(run: Run) -> ROCrate:
    """The crate of a run, whose folder it becomes with `write(run.folder)`; that copies the workflow and the settings
    into the folder `provenance` beside the results.

    Its text is the same for the same run and files.
    """
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(TERMS)
    start, end = times([file for file in run.records if file.suffix == ".tsv"], run.results)
    author = _entity(crate, "#authors", "Organization", name=_names(run.citation["authors"]))
    licence = _entity(
        crate,
        f"https://spdx.org/licenses/{run.citation['license']}",
        "CreativeWork",
        name=run.citation["license"],
        description=f"The licence {run.citation['license']}, in full in {COPY}/LICENSE",
    )
    paper = _paper(crate, run.citation["preferred-citation"])
    workflow = _workflow(crate, run, author, licence)

    settings = run.settings | {"execution": {**run.settings["execution"], "mirrors": []}}  # which may be private
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    config = crate.add_file(
        StringIO(text),
        f"{COPY}/run.yaml",
        properties=_facts("run.yaml", "All settings of this run", text.encode()),
    )
    values = [_setting(crate, workflow, *setting) for setting in flat(settings, run.schema)]
    data = [
        crate.add_file(
            source["url"],
            properties={
                "name": source["url"].rsplit("/", 1)[1],
                "contentSize": str(source["bytes"]),
                "sha256": source["sha256"],
                "encodingFormat": _format(source["url"]),
            },
        )
        for source in run.data
    ]
    results = [_add(crate, run, file) for file in run.results]

    action = _entity(
        crate,
        "#run",
        "CreateAction",
        name=f"The run '{run.settings['preset']}'",
        description=f"Snakemake {run.snakemake} made the results from the settings in {COPY}/run.yaml",
        instrument=workflow,
        agent=_agent(crate, run.agent),
        startTime=start.isoformat(),
        endTime=end.isoformat(),
        actionStatus="http://schema.org/CompletedActionStatus",
        location=_place(crate, run.machine),
        object=[config, *data, *values],
        result=results,
    )
    for file in run.records:
        _add(crate, run, file)["about"] = action

    root = crate.root_dataset
    root["conformsTo"] = [
        _entity(crate, url, "CreativeWork", name=name, version=url.rsplit("/", 1)[1]) for url, name in PROFILES.items()
    ]
    crate.name = f"{run.citation['title']}: run '{run.settings['preset']}'"
    crate.description = " ".join(
        filter(None, ["Figures, tables and networks, with all that they were made from.", run.note and f"{run.note}."])
    )
    crate.license, crate.datePublished = licence, end
    root["author"] = root["publisher"] = author
    root["citation"], root["mentions"] = paper, action
    return crate


def _entity(crate: ROCrate, id: str, type: str, /, **properties) -> ContextEntity:
    """Add an entity that is not a file."""
    return crate.add(ContextEntity(crate, id, properties={"@type": type, **properties}))


def _workflow(crate: ROCrate, run: Run, author: ContextEntity, licence: ContextEntity):
    """The Snakefile as the crate's main entity, with the files that it consists of and the packages that it needs."""
    release = run.citation["version"] + (f"+{run.commit}" if run.commit else "")
    snakefile = Path("Snakefile")
    workflow = crate.add_workflow(
        BytesIO(snakefile.read_bytes()),  # as a copy the file would keep its mode, and not have that of the results
        f"{COPY}/Snakefile",
        main=True,
        lang="snakemake",
        lang_version=run.snakemake,
        properties={
            **_facts("Snakefile", run.citation["title"], snakefile.read_bytes()),
            "conformsTo": {"@id": BIOSCHEMAS},
            "version": release,
            "author": author,
            "license": licence,
        },
    )
    if url := run.citation.get("repository-code"):
        workflow["url"] = url
    _entity(crate, BIOSCHEMAS, "CreativeWork", name="Bioschemas ComputationalWorkflow", version="1.0")
    workflow["hasPart"] = [
        crate.add_file(
            BytesIO(content), place := f"{COPY}/{source.as_posix()}", properties=_facts(place, place, content)
        )
        for source, content in ((source, _content(source)) for source in run.sources if source != snakefile)
    ]
    workflow["softwareRequirements"] = [_software(crate, *package) for package in run.packages.items()]
    return workflow


def _content(source: Path) -> bytes:
    """A file of the workflow as the crate shows it: without a password, where someone wrote one into config.yaml."""
    content = source.read_bytes()
    return public(content.decode()).encode() if source == Path("config.yaml") else content


def _software(crate: ROCrate, name: str, version: str) -> SoftwareApplication:
    if name == "python":
        url = "https://www.python.org/"
        release = f"{url}downloads/release/python-{version.replace('.', '')}/"
    else:
        url = f"https://pypi.org/project/{name}/"
        release = f"{url}{version}/"
    return crate.add(SoftwareApplication(crate, release, {"name": name, "softwareVersion": version, "url": url}))


def _setting(crate: ROCrate, workflow, name: str, value: Any, description: str) -> ContextEntity:
    """A setting as the workflow's formal parameter, and the value that this run gave it."""
    one = value[0] if isinstance(value, list) and value else value
    kinds: dict[type, str] = {bool: "Boolean", int: "Integer", float: "Float"}
    given = _entity(crate, f"#setting/{name}", "PropertyValue", name=name, value=value)
    parameter = _entity(
        crate,
        f"#parameter/{name}",
        "FormalParameter",
        name=name,
        additionalType=kinds.get(type(one), "Text"),
        description=description,
        valueRequired=True,
        workExample=given,
    )
    if isinstance(value, list):
        parameter["multipleValues"] = True
    given["exampleOfWork"] = parameter
    workflow.append_to("input", parameter)
    return given


def _agent(crate: ROCrate, agent: str) -> Person:
    identifier = agent if agent.startswith("https://") else "#agent"
    return crate.add(Person(crate, identifier, properties={"name": agent or "anonymous"}))


def _place(crate: ROCrate, machine: dict[str, str | int | float]) -> ContextEntity:
    """The computer, as the place of the action: schema.org has no type for one, and gives places free properties."""
    facts = [
        _entity(crate, f"#machine/{name.replace(' ', '-')}", "PropertyValue", name=name, value=value)
        for name, value in machine.items()
    ]
    return _entity(crate, "#machine", "Place", name="The computer of this run", additionalProperty=facts)


def _paper(crate: ROCrate, paper: dict) -> ContextEntity:
    """The paper, from CITATION.cff's preferred citation."""
    authors = [
        crate.add(Person(crate, "#" + re.sub(r"\W+", "-", name), properties={"name": name}))
        for name in (_names([person]) for person in paper["authors"])
    ]
    return _entity(
        crate,
        f"https://doi.org/{paper['doi']}",
        "ScholarlyArticle",
        name=paper["title"],
        author=authors,
        datePublished=str(paper["year"]),
        isPartOf=f"{paper['journal']} {paper['volume']}({paper['issue']})",
        pageStart=str(paper["start"]),
        pageEnd=str(paper["end"]),
        identifier=", ".join(entry["value"] for entry in paper["identifiers"]),
    )


def _names(people: list[dict]) -> str:
    return ", ".join(one.get("name") or f"{one['given-names']} {one['family-names']}" for one in people)


def _add(crate: ROCrate, run: Run, file: Path):
    """A file of the results folder, where it lies."""
    place = file.relative_to(run.folder).as_posix()
    return crate.add_file(file, place, properties=_facts(place, place, file.read_bytes()))


def _facts(file: str, name: str, content: bytes) -> dict[str, str]:
    return {
        "name": name,
        "contentSize": str(len(content)),
        "sha256": sha256(content),
        "encodingFormat": _format(file),
    }


def _format(file: str) -> str:
    return FORMATS.get(Path(file).suffix, "text/plain")
