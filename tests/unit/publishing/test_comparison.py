"""A run beside its reference: a correct rerun agrees, another seed agrees, a spoilt run does not."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from engine.errors import UserError
from publishing.comparison import LEVEL, beside_reference, compare, write_reference

REFERENCE = {
    "parameters": {"kind": "exact", "value": 3_254_177},
    "error": {"kind": "rounding", "value": 1.4875192142972669e-03},
    "recognised": {"kind": "share", "count": 444, "total": 500},
    "categories": {"kind": "counts", "values": [53, 48, 52, 51, 49, 61, 70, 43, 39, 34]},
    "loss": {"kind": "factor", "value": 0.0366, "at_most": 1.1},
}


def differing(**changes):
    here = copy.deepcopy(REFERENCE)
    for name, values in changes.items():
        here[name] |= values
    return [line.name for line in compare(here, REFERENCE) if not line.agrees]


def test_a_run_agrees_with_itself():
    assert differing() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"error": {"value": 1.4875192142972669e-03 * (1 + 1e-9)}},
        {"recognised": {"count": 88, "total": 100}},
        {"categories": {"values": [48, 53, 60, 42, 49, 61, 55, 43, 49, 40]}},
        {"loss": {"value": 0.0380}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_another_correct_run_may_give_agrees(changes):
    assert differing(**changes) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"parameters": {"value": 3_254_178}},
        {"error": {"value": 1.4875192142972669e-03 * (1 + 1e-5)}},
        {"error": {"value": float("nan")}},
        {"recognised": {"count": 380}},
        {"categories": {"values": [500, 0, 0, 0, 0, 0, 0, 0, 0, 0]}},
        {"loss": {"value": 0.0320}},
        {"loss": {"value": float("nan")}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_no_correct_run_gives_differs(changes):
    assert differing(**changes) == list(changes)


def test_true_draws_fail_the_tests_of_chance_as_rarely_as_said():
    """Of 2,000 pairs of correct runs, a test at LEVEL fails 2 on average, more than 9 with a chance of 5e-5."""
    random, failures = np.random.default_rng(0), {"recognised": 0, "categories": 0}
    for _ in range(2000):
        pair = [
            {
                "recognised": {"kind": "share", "count": int(random.binomial(500, 0.89)), "total": 500},
                "categories": {"kind": "counts", "values": random.multinomial(500, [0.1] * 10).tolist()},
            }
            for _ in range(2)
        ]
        for line in compare(*pair):
            failures[line.name] += not line.agrees
    assert max(failures.values()) <= 9 and LEVEL == 1e-3


def test_a_run_of_another_form_is_refused():
    with pytest.raises(UserError, match="the reference has 'parameters', which this run has not"):
        list(compare({}, REFERENCE))
    with pytest.raises(UserError, match="a kind that is not known"):
        list(compare({"x": {}}, {"x": {"kind": "guess"}}))


@pytest.fixture
def run(tmp_path):
    """The files of a run, as far as a comparison reads them."""
    numbers = {
        "preset": "mine",
        "training": {
            "training_images": 100, "image_size": 8, "parameters": 7, "steps": 3, "image_visits": 24, "final_loss": 0.1,
            "device": "CPU with 2 threads, float32",
        },
        "schedule": {"kept": [1.0, 0.5]},
        "classifier": {"test_accuracy": 0.9, "test_images": 360},
        "samples": {"recognised": 88, "samples": 100, "counts": {str(label): 10 for label in range(10)}},
        "claims": {"claims": [{"kind": "algebra", "verdict": "confirmed"}]},
        "pde": {"convergence": [], "growth_rates": [{"relative_error": 1e-3}]},
    }  # fmt: skip
    (tmp_path / "run" / "claims").mkdir(parents=True)
    (tmp_path / "run" / "numbers.json").write_text(json.dumps(numbers))
    samples = {"nines": {"recognised": 80, "samples": 100}, "frechet": {"to_missing_digit": 0.5}}
    (tmp_path / "run" / "claims" / "samples.json").write_text(json.dumps(samples))
    return tmp_path / "run"


def test_a_run_that_became_the_reference_agrees_with_it_and_a_changed_one_does_not(run, tmp_path):
    write_reference(run, tmp_path / "mine.json")
    made = json.loads((tmp_path / "mine.json").read_text(encoding="utf-8"))
    assert made["preset"] == "mine" and made["made"]["device"] == "CPU with 2 threads, float32"
    lines, sentence = beside_reference(run, tmp_path / "mine.json")
    assert all(line.agrees for line in lines)
    assert sentence.startswith(f"{len(lines)} of {len(lines)} numbers agree with the reference, which was made on ")
    numbers = json.loads((run / "numbers.json").read_text(encoding="utf-8"))
    numbers["training"]["parameters"] = 8
    (run / "numbers.json").write_text(json.dumps(numbers))
    lines, sentence = beside_reference(run, tmp_path / "mine.json")
    assert [line.name for line in lines if not line.agrees] == ["parameters of the network"]
    assert sentence.startswith(f"{len(lines) - 1} of {len(lines)} ")


def test_a_preset_without_a_reference_is_told_so(run, tmp_path):
    with pytest.raises(UserError, match=r"there is no reference .*none\.json: only the presets in .* have one"):
        beside_reference(run, tmp_path / "none.json")


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"quantities": 7}', b'{"quantities": {"x": 1}}'])
def test_a_run_or_a_reference_that_cannot_be_compared_is_told_in_a_sentence(run, tmp_path, content):
    reference = tmp_path / "mine.json"
    write_reference(run, reference)
    for file in (reference, run / "claims/samples.json", run / "numbers.json"):
        before = file.read_bytes()
        file.write_bytes(content)
        command = [sys.executable, ROOT / "workflow/scripts/compare_run.py", run, reference]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr
        assert any(
            name in done.stderr for name in (["mine.json", "the reference has"] if file == reference else [str(run)])
        )
        file.write_bytes(before)


def test_a_run_that_is_not_there_is_told_in_a_sentence(run, tmp_path):
    write_reference(run, tmp_path / "mine.json")
    command = [sys.executable, ROOT / "workflow/scripts/compare_run.py", tmp_path / "none", tmp_path / "mine.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == f"error: {tmp_path}/none/numbers.json: No such file or directory\n"


def spoilt(*address, value):
    """A change of one number in numbers.json."""

    def change(numbers):
        *path, last = address
        for key in path:
            numbers = numbers[key]
        numbers[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        spoilt("samples", "counts", value={str(label): 0 for label in range(10)}),
        spoilt("samples", "counts", "3", value=-1),
        spoilt("samples", "counts", "3", value="ten"),
        spoilt("samples", "recognised", value=101),
        spoilt("classifier", "test_accuracy", value=2.0),
        spoilt("training", "final_loss", value="small"),
        spoilt("training", "parameters", value="many"),
    ],
)
def test_a_number_of_the_run_that_cannot_be_compared_is_no_fault_of_the_reference(run, tmp_path, change):
    write_reference(run, tmp_path / "mine.json")
    numbers = json.loads((run / "numbers.json").read_text(encoding="utf-8"))
    change(numbers)
    (run / "numbers.json").write_text(json.dumps(numbers))
    with pytest.raises(UserError, match=f"^{run} is damaged, or is not a run of this version"):
        beside_reference(run, tmp_path / "mine.json")


def test_a_reference_that_lacks_a_number_or_a_category_is_refused(run, tmp_path):
    reference = tmp_path / "mine.json"
    write_reference(run, reference)
    content = json.loads(reference.read_text(encoding="utf-8"))
    content["quantities"]["samples in each category"]["values"].pop()
    reference.write_text(json.dumps(content))
    with pytest.raises(UserError, match="has 10 parts in the run, but 9 in the reference"):
        beside_reference(run, reference)
    content["quantities"] = {}
    reference.write_text(json.dumps(content))
    with pytest.raises(UserError, match="the run has 'training images', which the reference has not"):
        beside_reference(run, reference)
