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
from markupsafe import escape

from claims.ledger import counts_sentences
from engine.errors import UserError
from publishing import numbers as companion
from publishing.origin import pins
from publishing.rendering import render

CLAIMS = ROOT / "tests/helpers/claims.json"
TEMPLATES = ROOT / "workflow/scripts/publishing/templates"
TEXTS = {
    "diffusion": (ROOT / "paper" / "companion.typ").read_text(encoding="utf-8"),
    "beyond": "".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "paper/beyond").glob("*.typ"))),
}
"""Of both parts of the companion, by the room whose functions they name."""
CODES = sorted({(room, name) for room, text in TEXTS.items() for name in re.findall(r'code: "([\w.]+)"', text)})


@pytest.fixture
def files(tmp_path) -> dict:
    """The inputs of the rule gather_numbers, of a run with three samples and two modes."""

    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    t = np.linspace(0, 2, 201)
    modes = {
        "t": t,
        "amplitudes": np.stack([0 * t, np.exp(-t) / 10, np.exp(-4 * t)], 1),
        "eigenvalues": [0.0, 1.0, 4.0],
    }
    np.savez(tmp_path / "solution.npz", **modes)
    confusion = pd.DataFrame(np.diag([5] * 10), index=pd.Index(range(10), name="true"))
    return {
        "training": write("ddpm.json", '{"parameters": 12, "image_visits": 80}'),
        "history": write("history.csv", "step,loss,images_per_second\n1,1.0,30.0\n2,0.5,10.0\n3,0.25,20.0\n"),
        "classifier": write("classifier.json", '{"test_accuracy": 0.9}'),
        "confusion": write("confusion.csv", confusion.to_csv()),
        "categories": write("categories.csv", "index,label,confidence\n0,7,0.95\n1,7,0.5\n2,1,0.91\n"),
        "samples": write("summary.json", '{"samples": 3, "confidence_threshold": 0.9}'),
        "solution": str(tmp_path / "solution.npz"),
        "invariants": write("invariants.json", '{"C": 2.0}'),
        "convergence": write("convergence.csv", "study,order\nspace,\nspace,1.5\n"),
        "growth_rates": write("growth_rates.csv", "k,j\n1,2\n"),
        "network": write("network.json", '{"arithmetic": {"image_visits": 9000}, "other": {}}'),
        "images": write("samples.json", '{"figure_3": {"images": 9}, "figure_6": {"images": 9}, "other": {}}'),
        "claims": str(CLAIMS),
        "benchmarks": [write("train_ddpm.tsv", "s\tmax_rss\tcpu_time\n2.0\t100.0\t1.5\n")],
        "packages": [write("some.in", "# a comment\n-r other.in\nnumpy==2.0\n")],
        "records": [],
    }  # fmt: skip


SETTINGS = {
    "data": {"source": "mnist"},
    "ddpm": {"T": 10, "beta_1": 0.19, "beta_T": 0.19, "epochs": 5},
    "classifier": {"epochs": 2},
    "seed": 3,
}


def test_numbers_are_gathered_from_the_files_of_the_run(files):
    run = companion.gather(files, "mine", "a note", "train", SETTINGS)
    assert (run["preset"], run["demo_note"], run["weights"], run["settings"]) == ("mine", "a note", "train", SETTINGS)
    assert run["images"] == "MNIST"
    assert np.allclose(run["schedule"]["kept"], 0.9 ** np.arange(11))  # alpha_t = 0.81
    assert run["training"] == {
        "parameters": 12, "image_visits": 80, "first_loss": 1.0, "final_loss": 0.25, "images_per_second": 20.0,
    }  # fmt: skip
    assert run["classifier"] == {"test_accuracy": 0.9, "commonest_error": None}
    assert run["samples"]["median_confidence"] == 0.91
    rows = run["samples"]["by_label"]
    assert [row["label"] for row in rows] == list(range(10))
    assert (rows[7], rows[1]) == ({"label": 7, "count": 2, "recognised": 1}, {"label": 1, "count": 1, "recognised": 1})
    assert rows[0] == {"label": 0, "count": 0, "recognised": 0}
    assert [mode["k"] for mode in run["pde"]["leaders"]] == [2, 1]
    assert run["pde"]["convergence"] == [{"study": "space", "order": None}, {"study": "space", "order": 1.5}]
    assert run["pde"]["invariants"] == {"C": 2.0} and run["arithmetic"] == {"image_visits": 9000}
    assert run["costs"][0]["rule"] == "train_ddpm" and run["packages"] == {"numpy": "2.0"}
    assert run["claims"]["counts"] == COUNTS
    json.dumps(run, allow_nan=False)


def test_where_weights_were_shipped_the_settings_are_those_of_their_training(files, tmp_path):
    """Of the network they come from its record, whatever config.yaml has; the classifier was trained in the run."""
    trained = {"data": {"source": "mnist"}, "ddpm": SETTINGS["ddpm"] | {"epochs": 77, "start": "elsewhere"}}
    (tmp_path / "record.json").write_text(json.dumps({"settings": trained, "summary": {}}))
    run = companion.gather(files | {"records": [tmp_path / "record.json"]}, "mine", "", "shipped", SETTINGS)
    assert run["settings"] == SETTINGS | trained and run["settings"]["classifier"] == {"epochs": 2}


def test_a_record_that_lacks_a_setting_of_the_training_is_named(tmp_path):
    trained = {"ddpm": {key: value for key, value in SETTINGS["ddpm"].items() if key != "T"}}
    (tmp_path / "record.json").write_text(json.dumps({"settings": trained}))
    with pytest.raises(UserError, match=r"record\.json lacks ddpm\.T among the settings of the training: restore it"):
        companion.as_trained(SETTINGS, [tmp_path / "record.json"])


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


@pytest.mark.parametrize("content", ["", "s\tmax_rss\tcpu_time\n", "a\tb\n1\t2\n", "\0\1"])
def test_a_damaged_benchmark_file_is_named(tmp_path, content):
    (tmp_path / "a_rule.tsv").write_text(content)
    with pytest.raises(UserError, match=r"a_rule\.tsv is damaged, or is not a benchmark file"):
        companion.costs([tmp_path / "a_rule.tsv"])


def test_commonest_error():
    confusion = pd.DataFrame(np.diag([50] * 10))
    assert companion.commonest_error(confusion) is None
    confusion.iloc[5, 3], confusion.iloc[9, 4] = 7, 6
    assert companion.commonest_error(confusion) == {"true": 5, "found": 3, "count": 7}


def test_packages_of_the_short_lists():
    pinned = pins([ROOT / "envs/paper.in", ROOT / "envs/workflow.in"])
    assert pinned["typst"] == typst.__version__ and "snakemake" in pinned
    assert not any(name.startswith("-r") for name in pinned)


def broken(tmp_path: Path, edit) -> Path:
    ledger = json.loads(CLAIMS.read_text(encoding="utf-8"))
    edit(ledger)
    (tmp_path / "claims.json").write_text(json.dumps(ledger))
    return tmp_path / "claims.json"


@pytest.mark.parametrize(
    "edit, sentence",
    [
        (lambda ledger: ledger.pop("claims"), "has no list of claims: name results/"),
        (lambda ledger: ledger.pop("title"), "lacks title: name results/"),
        (lambda ledger: ledger["claims"][1].pop("why"), r"claim 2 \(growth\) in .* lacks why: name results/"),
        (
            lambda ledger: ledger["claims"][0].update(verdict="maybe"),
            r"claim 1 \(leap\) .*'maybe', but must have confirmed or",
        ),
        (
            lambda ledger: ledger["claims"][3].update(of="nobody"),
            r"\(cost\) .* the of 'nobody', but must have paper or",
        ),
        (lambda ledger: ledger["claims"].append("text"), r"claim 5 in .* is no claim, but 'text'"),
        (lambda ledger: ledger["claims"].append(5), r"claim 5 in .* is no claim, but 5"),
        (lambda ledger: ledger["claims"][0].update(of=[]), r"claim 1 .* has the of \[\], but must have"),
    ],
)
def test_a_broken_table_of_claims_is_said(tmp_path, edit, sentence):
    with pytest.raises(UserError, match=sentence):
        companion.read_claims(broken(tmp_path, edit))


def test_a_table_of_claims_that_is_missing_or_no_json_is_said(tmp_path):
    with pytest.raises(UserError, match="is not there: it is made by a run"):
        companion.read_claims(tmp_path / "claims.json")
    (tmp_path / "claims.json").write_text('{"claims": [')
    with pytest.raises(UserError, match=r"claims\.json is damaged, or is not JSON \(.*line 1.*delete it"):
        companion.read_claims(tmp_path / "claims.json")


COUNTS = {
    "paper": {"confirmed": 2, "not confirmed": 0, "not testable here": 1},
    "ours": {"confirmed": 0, "not confirmed": 1, "not testable here": 0},
}


def test_verdicts_are_counted_apart_for_the_paper_and_for_us():
    ledger = companion.read_claims(CLAIMS)
    assert ledger["counts"] == COUNTS and ledger["summary"] == counts_sentences(COUNTS)


def test_the_page_of_claims_has_every_claim_and_no_foreign_markup():
    ledger = companion.read_claims(CLAIMS)
    page = render(TEMPLATES / "claims.html", ledger=ledger, note="Demo <note>")
    assert page.count("<tr>") == 5 and "set &lt;of nine&gt; &amp; no more" in page and "Demo &lt;note&gt;" in page
    for claim in ledger["claims"]:
        assert f'<td class="{claim["verdict"].replace(" ", "-")}">{claim["verdict"]}</td>' in page
        assert all(escape(str(claim[key])) in page for key in companion.CLAIM if key != "kind")
    assert f"<p>{'. '.join(ledger['summary'])}.</p>" in page and "Revised 2026-11-25: It asked for seven." in page


@pytest.mark.parametrize("room, name", CODES, ids=[name for _, name in CODES])
def test_the_document_names_functions_that_exist(room, name):
    module, *path = name.split(".")
    found = importlib.import_module(f"{room}.{module}")
    for part in path:
        found = getattr(found, part)
    assert callable(found)


@pytest.mark.parametrize("room, least", [("diffusion", 10), ("beyond", 1)])
def test_so_does_its_text(room, least):
    modules = {file.stem for file in (ROOT / "workflow/scripts" / room).glob("*.py")}
    names = [name for name in re.findall(r"`(\w+\.\w+)`", TEXTS[room]) if name.split(".")[0] in modules]
    assert len(names) >= least
    for name in names:
        module, function = name.split(".")
        assert hasattr(importlib.import_module(f"{room}.{module}"), function), name


def test_numbers_beyond_the_paper_are_gathered_by_chapter(tmp_path):
    for part, seconds in (("one", 2.0), ("one_more", 3.5)):
        (tmp_path / f"explore_{part}.tsv").write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t100.0\t1.5\n")
        (tmp_path / f"{part}.json").write_text(f'{{"record": {{"n": {seconds}}}}}')
    files = {
        "claims": CLAIMS,
        "benchmarks": [tmp_path / "explore_one.tsv", tmp_path / "explore_one_more.tsv"],
        "measures": [tmp_path / "one.json", tmp_path / "one_more.json"],
    }
    parts = {"one": ["one", "one_more", "one_left_out"], "left_out": ["left_out"]}
    run = companion.gather_beyond(files, "mine", "a note", SETTINGS, parts)
    assert run["chapters"] == [{"name": "one", "parts": parts["one"], "seconds": 5.5}]
    assert run["records"] == {"one": {"record": {"n": 2.0}}, "one_more": {"record": {"n": 3.5}}}
    assert [line.split() for line in run["lines"]] == [["one", "5.5", "s"], ["all", "chapters", "5.5", "s"]]
    assert run["claims"]["counts"] == COUNTS and (run["preset"], run["demo_note"]) == ("mine", "a note")
    json.dumps(run, allow_nan=False)
    for job in ("make_eta0_10", "make_eta1_500", "make_t350"):
        (tmp_path / f"{job}.tsv").write_text("s\tmax_rss\tcpu_time\n4.0\t100.0\t1.5\n")
        files["benchmarks"].append(tmp_path / f"{job}.tsv")
    with_jobs = companion.gather_beyond(files, "mine", "", SETTINGS, parts, helpers={"one_more": "make"})
    assert with_jobs["chapters"][0]["seconds"] == 17.5


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
        "figures": {"figure_3": {"recognised": 7, "rate": 0.936, "chance": 0.894}},
        "claims": {"summary": ["43 statements of the paper: 40 confirmed", "11 statements of ours: 8 confirmed"]},
    }  # fmt: skip


@pytest.mark.parametrize("demo_note", ["", "Demo on scikit-learn's 8×8 digits, not on MNIST"])
@pytest.mark.parametrize("caption", sorted((ROOT / "workflow/report").glob("*.rst")), ids=lambda file: file.stem)
def test_captions_of_the_report_take_the_runs_numbers(caption, demo_note):
    text = caption.read_text(encoding="utf-8")
    if "numbers.rst" not in text:
        pytest.skip("a caption without numbers")
    name = text.splitlines()[0]
    assert name == '.. include:: results/{{ snakemake.config["preset"] }}/numbers.rst'
    text = text.replace(name, render(TEMPLATES / "numbers.rst", run=run_of(demo_note)))
    body = publish_parts(text.replace("{{", "").replace("}}", ""), writer="html")["body"]
    assert "system-message" not in body and "|" not in body
    if demo_note:
        assert demo_note in body
    if caption.stem == "fig3":
        assert "7 of them" in body and "rate of 93.6%" in body and "chance of\n0.89." in body
    if caption.stem == "fig4":
        assert "500" in body and "86.1%" in body and "99.64%" in body and "from 40 (of “0”)" in body
