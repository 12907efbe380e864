"""One address a claim: the record x.y of the ledger is the function y of claims/x.py."""

from importlib import import_module

import pytest
import yaml
from conftest import ROOT

LEDGER = [
    claim
    for name in ("claims", "beyond")
    for claim in yaml.safe_load((ROOT / f"paper/{name}.yaml").read_text(encoding="utf-8"))["claims"]
]
MEASURES = sorted(
    {entry["measure"] for claim in LEDGER for entry in (claim, claim.get("needs", {})) if "measure" in entry}
)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_record_is_a_function_of_that_name(measure):
    module, record = measure.split(".")
    assert callable(getattr(import_module(f"claims.{module}"), record, None)), f"claims/{module}.py has no {record}()"
