"""What machines read about this repository: citation, deposits, the workflow catalog."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from conftest import ROOT


def read(file: str) -> dict:
    return yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))


def validate_citation(file) -> subprocess.CompletedProcess:
    """cffconvert on a file, in an environment of its own from envs/citation.txt."""
    isolated = ["uv", "run", "--quiet", "--isolated", "--no-project", "--with-requirements", "envs/citation.txt"]
    done = subprocess.run(
        [sys.executable, "-m", *isolated, "cffconvert", "--validate", "--infile", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if "Failed to fetch" in done.stderr:
        pytest.skip("cffconvert cannot be installed: the package index is out of reach")
    return done


def test_citation_is_valid_by_cffconvert():
    done = validate_citation(ROOT / "CITATION.cff")
    assert done.returncode == 0, done.stderr
    assert "Citation metadata are valid according to schema version 1.2.0." in done.stdout


def test_cffconvert_would_find_an_error(tmp_path):
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\ntitle: No author, no message\n")
    done = validate_citation(tmp_path / "CITATION.cff")
    assert done.returncode != 0 and "'authors' is a required property" in done.stderr + done.stdout


def test_the_paper_is_cited_twice_alike():
    citation = read("CITATION.cff")
    preferred, [reference] = citation["preferred-citation"], citation["references"]
    assert {key: reference[key] for key in preferred} == preferred


def test_codemeta_says_what_the_citation_says():
    citation, codemeta = read("CITATION.cff"), json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))
    assert codemeta["@context"] == "https://w3id.org/codemeta/3.0"
    assert codemeta["name"] == citation["title"]
    assert codemeta["description"] == citation["abstract"]
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert codemeta["version"] == citation["version"] == package["version"]
    assert codemeta["keywords"] == citation["keywords"]
    assert codemeta["license"] == f"https://spdx.org/licenses/{citation['license']}"
    assert [author["name"] for author in codemeta["author"]] == [author["name"] for author in citation["authors"]]
    assert codemeta.get("codeRepository") == citation.get("repository-code")
    paper, article = citation["preferred-citation"], codemeta["referencePublication"]
    assert (article["@id"], article["name"]) == (f"https://doi.org/{paper['doi']}", paper["title"])
    assert [(one["givenName"], one["familyName"]) for one in article["author"]] == [
        (one["given-names"], one["family-names"]) for one in paper["authors"]
    ]


def test_licence_of_the_citation_is_the_licence():
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith(f"{read('CITATION.cff')['license']} License")


def test_the_catalog_is_told_the_truth():
    usage = read(".snakemake-workflow-catalog.yml")["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    assert set(usage["software-stack-deployment"]) == {"conda", "apptainer", "apptainer+conda"}
    rules = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "workflow/rules").glob("*.smk"))
    bases = [block for block in re.split(r"^rule ", rules, flags=re.M)[1:] if "script:" in block]
    assert usage["software-stack-deployment"]["conda"] == all("conda:" in block for block in bases)
    assert usage["software-stack-deployment"]["apptainer"] == ("container:" in rules)
    assert usage["report"] == ("report(" in rules)


def test_the_repository_is_laid_out_as_the_catalog_asks():
    """Its conditions for any workflow: a README with these two words, a Snakefile, rules in .smk files."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme and "workflow" in readme
    assert (ROOT / "Snakefile").is_file() and list((ROOT / "workflow/rules").glob("*.smk"))


def test_the_artifact_appendix_names_every_claim_in_its_group():
    """A table's row for each file of measures, with the ids of the claims that rest on it."""
    groups = {}
    for claim in read("paper/claims.yaml")["claims"]:
        groups.setdefault(claim.get("measure", "none").split(".")[0], set()).add(claim["id"])
    text = (ROOT / "ARTIFACT.md").read_text(encoding="utf-8").split("## The claims")[1]
    rows = dict(re.findall(r"^\| `?(\w+)`? \| (`[^|]*) \|", text, re.M))
    assert {group: set(re.findall(r"`([a-z-]+)`", ids)) for group, ids in rows.items()} == groups


def test_zenodo_says_what_the_citation_says():
    citation, zenodo = read("CITATION.cff"), json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    assert (zenodo["title"], zenodo["description"]) == (citation["title"], citation["abstract"])
    assert (zenodo["version"], zenodo["license"]) == (citation["version"], citation["license"])
    assert zenodo["keywords"] == citation["keywords"]
    assert [one["name"] for one in zenodo["creators"]] == [one["name"] for one in citation["authors"]]
    paper = citation["preferred-citation"]
    related = {one["identifier"] for one in zenodo["related_identifiers"]}
    assert related == {paper["doi"], *(one["value"] for one in paper["identifiers"])}


def test_codecheck_names_the_paper_and_files_that_exist():
    codecheck, paper = read("codecheck.yml"), read("CITATION.cff")["preferred-citation"]
    assert (ROOT / "codecheck.yml").read_text(encoding="utf-8").startswith("---\n")
    assert codecheck["version"] == "https://codecheck.org.uk/spec/config/2.0"
    assert codecheck["paper"]["title"] == paper["title"]
    names = [f"{one['given-names']} {one['family-names']}" for one in paper["authors"]]
    assert [author["name"] for author in codecheck["paper"]["authors"]] == names
    assert codecheck["paper"]["reference"] == f"https://doi.org/{paper['doi']}"
    files = [item["file"] for item in codecheck["manifest"]]
    assert {f"docs/fig{n}.png" for n in range(1, 8)} <= set(files)
    assert [file for file in files if not (ROOT / file).is_file()] == []
