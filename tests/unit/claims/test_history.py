"""When a claim came into its ledger, and that a change of what it asks is told: compared with the file's history."""

import subprocess
from datetime import date, timedelta

import pytest
import yaml
from conftest import ROOT

FILES = ("paper/claims.yaml", "paper/beyond.yaml")
LEDGERS = {
    file: {claim["id"]: claim for claim in yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))["claims"]}
    for file in FILES
}
CLAIMS = [(file, claim) for file, ledger in LEDGERS.items() for claim in ledger.values()]
IDS = [claim["id"] for _, claim in CLAIMS]
A_DAY = timedelta(days=1)
"""A commit may follow what it commits, and clocks have zones."""


def asks(claim: dict) -> list:
    """A claim's condition with its bound; the number that it is put on may get another name."""
    return list(claim.get("holds", {}).values())


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


Version = tuple[date, dict[str, list]]


@pytest.fixture(scope="module")
def histories() -> dict[str, list[Version]]:
    """Each version of each ledger from the first on: its day, and what each claim asked for."""
    return {file: history(file, ledger) for file, ledger in LEDGERS.items()}


def history(file: str, ledger: dict[str, dict]) -> list[Version]:
    try:
        roots = git("rev-list", "--max-parents=0", "HEAD").split()
        commits = git("log", "--reverse", "--date-order", "--format=%H %as", "--", file).splitlines()
        shallow = git("rev-parse", "--is-shallow-repository").strip() == "true"
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no history of the ledger here: this is no git checkout")
    if shallow or not commits or commits[0].split()[0] in roots:
        pytest.skip("the history of the ledger is cut off here: fetch all of it with git fetch --unshallow")
    versions = []
    for commit, day in (line.split() for line in commits):
        claims = yaml.safe_load(git("show", f"{commit}:{file}"))["claims"]
        versions.append((date.fromisoformat(day), {claim["id"]: asks(claim) for claim in claims}))
    versions.append((max(day for day, _ in versions), {name: asks(claim) for name, claim in ledger.items()}))
    return versions


def day_of(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize("file, claim", CLAIMS, ids=IDS)
def test_since_is_the_day_of_the_first_version_with_the_claim(file, claim, histories):
    first = next(day for day, asked in histories[file] if claim["id"] in asked)
    assert abs(day_of(claim["since"]) - first) <= A_DAY


@pytest.mark.parametrize("file, claim", CLAIMS, ids=IDS)
def test_a_condition_that_changed_says_so(file, claim, histories):
    """`revised` is the day of the version after the last one that asked for something else."""
    asked = [(day, conditions[claim["id"]]) for day, conditions in histories[file] if claim["id"] in conditions]
    others = [n for n, (_, condition) in enumerate(asked) if condition != asks(claim)]
    if not others:
        return
    assert "revised" in claim, f"{claim['id']} asked for {asked[others[-1]][1]} before: tell it with `revised`"
    changed = asked[others[-1] + 1][0]
    assert abs(day_of(claim["revised"]["date"]) - changed) <= A_DAY
    assert day_of(claim["since"]) <= day_of(claim["revised"]["date"])
