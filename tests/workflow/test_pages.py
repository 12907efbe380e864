"""The pages for readers: their links lead somewhere, and the README's tables name what is in the code."""

import re

import pytest
import yaml
from conftest import ROOT

PAGES = [
    "README.md",
    "ARTIFACT.md",
    "CONTRIBUTING.md",
    *(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md")),
]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def number(text: str, *patterns: str) -> list[int]:
    """The one number that each pattern finds in a page, its lines joined."""
    return [int(n) for pattern in patterns for [n] in [re.findall(pattern, " ".join(text.split()))]]


def test_the_typed_numbers_of_statements_are_those_of_the_ledger_and_of_the_shipped_run():
    """The gallery writes docs/README.md from that run. Of the demo the sums alone can be checked."""
    ledger = yaml.safe_load((ROOT / "paper/claims.yaml").read_text(encoding="utf-8"))["claims"]
    paper, ours = (sum(claim["of"] == origin for claim in ledger) for origin in ("paper", "ours"))
    gallery = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    shipped = number(
        gallery,
        r"(\d+) statements of the paper",
        r"paper: (\d+) confirmed",
        r"(\d+) not confirmed, \d+ not testable here\. \d",
        r"(\d+) not testable here\. \d",
        r"(\d+) statements of ours",
        r"ours: (\d+) confirmed",
    )
    assert shipped[0] == sum(shipped[1:4]) == paper and shipped[4] == ours
    assert shipped[:4] == number(
        README,
        r"Of (\d+) statements of the paper",
        r"this run confirms (\d+)",
        r"(\d+) are not confirmed",
        r"and (\d+) cannot",
    )
    artifact = (ROOT / "ARTIFACT.md").read_text(encoding="utf-8")
    assert shipped[:4] == number(
        artifact,
        r"of the (\d+) statements of the paper",
        r"The run confirmed (\d+) of",
        r"did not confirm (\d+)",
        r"could not test (\d+)",
    )
    assert shipped[5:] * 2 == number(README, r"all (\d+) of our own") + number(artifact, r"confirmed all (\d+) of ours")
    of_paper = number(
        artifact, r"(\d+) of the paper's \d+", r"confirmed, (\d+) are not", r"and (\d+) cannot be tested; of our"
    )
    of_ours = number(artifact, r"of our \d+, (\d+) are", r"and (\d+) cannot be tested\.")
    assert sum(of_paper) == paper == number(artifact, r"of the paper's (\d+)")[0]
    assert sum(of_ours) == ours == number(artifact, r"of our (\d+),")[0]


@pytest.mark.parametrize("page", [*PAGES, "results/README.md", "profiles/README.md", "weights/README.md"])
def test_links_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)", text) + re.findall(r'src="([^"]+)"', text):
        assert link.startswith("https://") or ((ROOT / page).parent / link).exists(), link


def defined(files: list[str]) -> set[str]:
    """The functions, classes and methods of Python files."""
    text = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    return set(re.findall(r"^\s*(?:def|class) (\w+)", text, re.M))


def test_the_table_from_the_paper_to_the_code_is_true():
    rows = re.findall(r"^\| [^|]+ \| [^|]+ \| (\[[^|]+\)) \| ([^|]+) \|$", README, re.M)
    assert len(rows) > 20
    for files, names in rows:
        found = defined(re.findall(r"\]\(([^)]+)\)", files))
        for name in re.findall(r"`([\w.]+)`", names):
            assert set(name.split(".")) <= found, f"{name} is not in {files}"


def test_the_table_of_figures_is_true():
    rows = re.findall(r"^\| \d, [^|]+ \| (\[[^|]+\)) \| `(\w+)` \|$", README, re.M)
    assert len(rows) == 7
    drawn = defined(["workflow/scripts/publishing/plots.py"])
    assert {function for _, function in rows} <= drawn


def test_the_commands_for_conda_have_the_locks_versions_and_the_platforms_are_told():
    page = (ROOT / "docs/conda.md").read_text(encoding="utf-8")
    lists = "".join((ROOT / "envs" / f"{name}.in").read_text(encoding="utf-8") for name in ("workflow", "learn"))
    named = re.findall(r"\b[\w-]+==[\d.]+", page + (ROOT / "profiles/README.md").read_text(encoding="utf-8"))
    assert len(named) == 3 and all(f"{pin}\n" in lists for pin in named)
    for words in ("glibc 2.28", "macOS 14", "Apple silicon"):
        assert words in page and words in README
