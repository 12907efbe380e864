"""What the companion document and the report are told, and how the document writes numbers."""

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typst
from conftest import ROOT
from docutils.core import publish_parts

from engine.errors import UserError
from publishing import numbers as companion

CLAIMS = ROOT / "tests/helpers/claims.json"
TEXT = (ROOT / "paper" / "companion.typ").read_text(encoding="utf-8")


def test_kept_amplitude_for_a_constant_variance():
    assert np.allclose(companion.kept_amplitude(10, 0.19, 0.19), 0.9 ** np.arange(11))


def test_leading_modes_change_where_two_exponentials_cross():
    """On (0, pi) phi_1 and phi_2 hold a_1^2 e^{-2t} and 4 a_2^2 e^{-8t} of the norm: cross at ln(2 a_2 / a_1) / 3."""
    t = np.linspace(0, 2, 2001)
    amplitudes = np.stack(
        [np.full_like(t, 9.0), 0.1 * np.exp(-t), np.exp(-4 * t)], axis=1
    )  # that of phi_0 counts for none
    first, second = companion.leading_modes(t, amplitudes, np.array([0.0, 1.0, 4.0]))
    assert (first["k"], first["from"], second["k"], second["to"]) == (2, 0.0, 1, 2.0)
    assert first["to"] == second["from"] == pytest.approx(np.log(20) / 3, abs=1e-3)


def test_one_mode_leads_all_the_time():
    assert companion.leading_modes(np.array([0.0, 1.0]), np.array([[0.0, 1.0]] * 2), np.array([0.0, 1.0])) == [
        {"k": 1, "from": 0.0, "to": 1.0}
    ]


def test_costs_add_up_shards_and_know_what_was_not_measured(tmp_path):
    rows = {"b_rule": "2.0\t100.0\t1.5", "a_rule_1-of-2": "3.0\t200.0\t2.0", "a_rule_2-of-2": "4.0\t300.0\tNA"}
    for name, row in (rows | {"quick": "0.1\tNA\tNA"}).items():
        (tmp_path / f"{name}.tsv").write_text(f"s\tmax_rss\tcpu_time\n{row}\n")
    files = [tmp_path / f"{name}.tsv" for name in ("b_rule", "a_rule_1-of-2", "a_rule_2-of-2", "quick")]
    assert companion.costs(files) == [
        {"rule": "b_rule", "jobs": 1, "seconds": 2.0, "cpu_seconds": 1.5, "peak_mb": 100.0},
        {"rule": "a_rule", "jobs": 2, "seconds": 7.0, "cpu_seconds": None, "peak_mb": 300.0},
        {"rule": "quick", "jobs": 1, "seconds": 0.1, "cpu_seconds": None, "peak_mb": None},
    ]


def test_commonest_error():
    confusion = pd.DataFrame(np.diag([50] * 10))
    assert companion.commonest_error(confusion) is None
    confusion.iloc[5, 3], confusion.iloc[9, 4] = 7, 6
    assert companion.commonest_error(confusion) == {"true": 5, "found": 3, "count": 7}


def test_packages_of_the_short_lists():
    found = companion.packages([ROOT / "envs/paper.in", ROOT / "envs/workflow.in"])
    assert (
        found["typst"] == typst.__version__
        and "snakemake" in found
        and not any(name.startswith("-r") for name in found)
    )


def broken(tmp_path: Path, edit) -> Path:
    ledger = json.loads(CLAIMS.read_text(encoding="utf-8"))
    edit(ledger)
    (tmp_path / "claims.json").write_text(json.dumps(ledger))
    return tmp_path / "claims.json"


@pytest.mark.parametrize(
    "edit, sentence",
    [
        (lambda ledger: ledger.pop("claims"), "has no list of claims: delete it and run again"),
        (lambda ledger: ledger["claims"][1].pop("why"), r"claim 2 \(growth\) in .* lacks why: delete it"),
        (
            lambda ledger: ledger["claims"][0].update(verdict="maybe"),
            r"claim 1 \(leap\) .*'maybe', but must have confirmed or",
        ),
        (lambda ledger: ledger["claims"].append("text"), r"claim 5 .* lacks id, place"),
    ],
)
def test_a_broken_table_of_claims_is_said(tmp_path, edit, sentence):
    with pytest.raises(UserError, match=sentence):
        companion.read_claims(broken(tmp_path, edit))


def test_a_table_of_claims_that_is_missing_or_no_json_is_said(tmp_path):
    with pytest.raises(UserError, match="is not there: run the workflow"):
        companion.read_claims(tmp_path / "claims.json")
    (tmp_path / "claims.json").write_text('{"claims": [')
    with pytest.raises(UserError, match=r"is not JSON \(.*line 1.*delete it"):
        companion.read_claims(tmp_path / "claims.json")


def test_counts_of_verdicts_are_counted():
    assert list(companion.read_claims(CLAIMS)["counts"].values()) == [2, 1, 1]


def test_the_page_of_claims_has_every_claim_and_no_foreign_markup():
    page = companion.claims_page(companion.read_claims(CLAIMS), "Demo <note>")
    assert page.count("<tr>") == 5 and "set &lt;of nine&gt; &amp; no more" in page and "Demo &lt;note&gt;" in page


@pytest.mark.parametrize("name", sorted(set(re.findall(r'code: "([\w.]+)"', TEXT))))
def test_the_document_names_functions_that_exist(name):
    module, *path = name.split(".")
    found = importlib.import_module(f"diffusion.{module}")
    for part in path:
        found = getattr(found, part)
    assert callable(found)


def test_so_does_its_text():
    modules = {file.stem for file in (ROOT / "workflow/scripts/diffusion").glob("*.py")}
    names = [name for name in re.findall(r"`(\w+\.\w+)`", TEXT) if name.split(".")[0] in modules]
    assert len(names) > 10
    for name in names:
        module, function = name.split(".")
        assert hasattr(importlib.import_module(f"diffusion.{module}"), function), name


NUMBERS = [
    ("integer(12980033)", "12,980,033"),
    ("integer(-1000)", "−1,000"),
    ("integer(999)", "999"),
    ("fixed(0.9, 2)", "0.90"),
    ("fixed(-34.9858, 3)", "−34.986"),
    ("fixed(1234.5678, 1)", "1,234.6"),
    ("fixed(2, 0)", "2"),
    ("fixed(9.996, 2)", "10.00"),
    ("percent(0.9964, digits: 2)", "99.64%"),
    ("duration(59)", "59.0\u00a0s"),
    ("duration(90)", "1.5\u00a0min"),
    ("duration(10000)", "2.8\u00a0h"),
]


@pytest.mark.parametrize("code, text", NUMBERS)
def test_numbers_are_written_as_in_print(code, text):
    source = f'#import "/paper/format.typ": *\n#metadata({code}) <it>'
    assert json.loads(typst.query(source.encode(), "<it>", field="value", one=True, root=ROOT)) == text


@pytest.mark.parametrize(
    "value, digits, mantissa, power",
    [
        ("5.94e-3", 2, "5.94", "-3"),
        ("9.996e-5", 2, "1.00", "-4"),
        ("1.0e-4", 1, "1.0", "-4"),
        ("-2.5e7", 1, "−2.5", "7"),
    ],
)
def test_powers_of_ten(value, digits, mantissa, power):
    source = f'#import "/paper/format.typ": *\n#metadata(repr(scientific({value}, digits: {digits}))) <it>'
    written = json.loads(typst.query(source.encode(), "<it>", field="value", one=True, root=ROOT))
    assert re.search(rf"\[{re.escape(mantissa)}\].*\[10\].*{power.replace('-', '[-−]')}", written, re.S), written


def run_of(demo_note: str) -> dict:
    """A run's numbers, as far as captions use them."""
    return {
        "demo_note": demo_note,
        "settings": {"ddpm": {"T": 500}},
        "schedule": {"kept": [1.0, 0.08]},
        "training": {
            "training_images": 60000, "image_size": 32, "parameters": 3254177, "image_visits": 300000,
            "seconds": 2000.0, "device": "CPU with 2 threads, bfloat16", "first_loss": 0.5, "final_loss": 0.024,
        },
        "samples": {
            "samples": 500, "confidence_threshold": 0.9, "recognised_share": 0.861,
            "counts": {"0": 40, "1": 70, "2": 390},
        },
        "classifier": {"test_accuracy": 0.9964, "test_images": 10000},
        "pde": {
            "invariants": {"norm_drift": 7.8e-16},
            "convergence": [{"study": "space", "order": 1.999}, {"study": "time", "order": 1.991}],
            "growth_rates": [{"relative_error": 0.00077}],
            "leaders": [{"k": 2, "from": 0.0, "to": 0.5}, {"k": 1, "from": 0.5, "to": 4.0}],
        },
        "claims": {"counts": {"confirmed": 40, "not confirmed": 3, "not testable here": 11}},
    }  # fmt: skip


@pytest.mark.parametrize("demo_note", ["", "Demo on scikit-learn's 8×8 digits, not on MNIST"])
@pytest.mark.parametrize("caption", sorted((ROOT / "workflow/report").glob("*.rst")), ids=lambda file: file.stem)
def test_captions_of_the_report_take_the_runs_numbers(caption, demo_note):
    text = caption.read_text(encoding="utf-8")
    if "numbers.rst" not in text:
        pytest.skip("a caption without numbers")
    name = text.splitlines()[0]
    assert name == '.. include:: results/{{ snakemake.config["preset"] }}/numbers.rst'
    text = text.replace(name, companion.substitutions(run_of(demo_note)))
    body = publish_parts(text.replace("{{", "").replace("}}", ""), writer="html")["body"]
    assert "system-message" not in body and "|" not in body
    if demo_note:
        assert demo_note in body
    if caption.stem == "fig4":
        assert "500" in body and "86.1%" in body and "99.64%" in body and "from 40 (of “0”)" in body
