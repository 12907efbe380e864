"""The workflow run for real, small: every output, reruns, bad input at run time."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from hashlib import sha256
from importlib import resources

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import TINY, Checkout, planned
from crates import altered, graph, problems
from helpers import strokes
from pypdf import PdfReader
from safetensors.torch import load_file, save_file

from publishing.weights import join

PRESET = ("--configfile", "tiny.yaml")
CUT = ("unshare", "-n")
"""Before a command: it then runs in a network name space that has no way out."""


def can_be_cut() -> bool:
    return not subprocess.run([*CUT, "true"], capture_output=True).returncode


def run_again(checkout: Checkout, *more: str) -> set[str]:
    """The rules that would run now, with more settings files after the preset."""
    done = checkout.snakemake("-n", *PRESET, *more)
    assert done.returncode == 0, done.output
    return set(planned(done.output))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One tiny run on the embedded digits, in a folder whose name has spaces and accents; without a network, where it
    can be cut.
    """
    checkout = Checkout(tmp_path_factory.mktemp("runs") / "thèse de Zoë (été)")
    (checkout / "tiny.yaml").write_text(TINY)
    done = checkout.snakemake(*PRESET, prefix=CUT if can_be_cut() else ())
    assert done.returncode == 0, done.output
    return checkout


def test_every_promised_path_is_there(finished):
    results = finished / "results/tiny"
    for n in range(1, 8):
        assert (results / f"figures/fig{n}.pdf").read_bytes().startswith(b"%PDF")
        assert (results / f"figures/fig{n}.png").stat().st_size > 5000
        assert (results / f"figures/fig{n}.npz").is_file()
    for file in ("models/ddpm.safetensors", "models/classifier.safetensors", "figures/learning_curve.pdf"):
        assert (results / file).is_file()
    for rule in ("train_ddpm", "solve_pde", "figure_7", "generate_samples_3-of-3"):
        assert (results / f"logs/{rule}.log").is_file() and (results / f"benchmarks/{rule}.tsv").is_file()


def test_table_of_categories_is_what_the_classifier_says(finished):
    table = pd.read_csv(finished / "results/tiny/samples/categories.csv")
    assert list(table.columns) == ["index", "label", "confidence", *(f"p{label}" for label in range(10))]
    assert table["index"].tolist() == list(range(10))
    p = table[[f"p{label}" for label in range(10)]].to_numpy()
    assert np.allclose(p.sum(axis=1), 1) and (p.argmax(axis=1) == table["label"]).all()
    assert np.allclose(p.max(axis=1), table["confidence"])
    summary = json.loads((finished / "results/tiny/samples/summary.json").read_text())
    assert sum(summary["counts"].values()) == summary["samples"] == 10


def test_history_has_a_row_for_the_whole_training(finished):
    summary = json.loads((finished / "results/tiny/models/ddpm.json").read_text())
    history = pd.read_csv(finished / "results/tiny/models/ddpm_history.csv")
    assert summary["steps"] == int(0.05 * 1437 / 8) == history["step"].iloc[-1]


def test_every_claim_has_a_verdict_and_a_demo_says_of_which_it_cannot_speak(finished):
    table = json.loads((finished / "results/tiny/claims/claims.json").read_text(encoding="utf-8"))
    ledger = yaml.safe_load((finished / "paper/claims.yaml").read_text(encoding="utf-8"))["claims"]
    verdicts = {row["id"]: row["verdict"] for row in table["claims"]}
    assert list(verdicts) == [claim["id"] for claim in ledger]
    assert sum(sum(counts.values()) for counts in table["counts"].values()) == len(ledger)
    assert table["data"] == "digits" and table["demo_note"]
    assert all(verdicts[claim["id"]] == "not testable here" for claim in ledger if claim["data"] == "mnist")
    for row in table["claims"]:
        assert all(isinstance(row[key], str) and (row[key] or key in ("part", "revised")) for key in row), row["id"]
        if row["kind"] in ("algebra", "program"):
            assert row["verdict"] == "confirmed", row["id"]
    assert len(pd.read_csv(finished / "results/tiny/claims/claims.csv")) == len(ledger)


def test_training_gives_the_same_network_whatever_the_labels(finished, tmp_path):
    """What the claim `labels-unused` reads off the code, tried: the labels are shuffled, and the training run again."""
    shuffled = Checkout(tmp_path / "shuffled")
    (shuffled / "tiny.yaml").write_text(TINY)
    target, images = "results/tiny/models/ddpm.safetensors", "results/tiny/data/images.npz"
    assert shuffled.snakemake(*PRESET, "--", images).returncode == 0
    with np.load(shuffled / images) as file:
        arrays = dict(file)
    arrays["train_labels"] = np.random.default_rng(0).permutation(arrays["train_labels"])
    np.savez(shuffled / images, **arrays)
    done = shuffled.snakemake(*PRESET, "--", target)
    assert done.returncode == 0 and "prepare_images" not in planned(done.output), done.output
    assert (shuffled / target).read_bytes() == (finished / target).read_bytes()


@pytest.fixture
def other(finished, tmp_path):
    """Another checkout, with the weights that the finished run ships."""
    done = finished.snakemake(*PRESET, "--", "ship_weights")
    assert done.returncode == 0, done.output
    other = Checkout(tmp_path / "other")
    shutil.move(finished / "weights", other / "weights")
    (other / "tiny.yaml").write_text(TINY)
    return other


def test_weights_that_were_shipped_take_the_place_of_training(finished, other):
    """A run ships its weights; another takes them over, and refuses a damaged file and settings of another training."""
    (other / "shipped.yaml").write_text("ddpm: {weights: shipped}\nclassifier: {weights: shipped}\nseed: 7")
    settings = (*PRESET, "shipped.yaml")

    done = other.snakemake(*settings)
    assert done.returncode == 0 and not {"train_ddpm", "train_classifier"} & set(planned(done.output)), done.output
    results, first = other / "results/tiny", finished / "results/tiny"
    for model in ("ddpm", "classifier"):
        given, shipped = (load_file(folder / f"models/{model}.safetensors") for folder in (first, results))
        assert given.keys() == shipped.keys()
        for name, value in given.items():
            rounded = value.bfloat16().float() if model == "ddpm" else value
            assert shipped[name].dtype == value.dtype and torch.equal(shipped[name], rounded)
    for file in ("ddpm.json", "ddpm_history.csv", "classifier.json", "classifier_confusion.csv"):
        assert (results / "models" / file).read_bytes() == (first / "models" / file).read_bytes()
    text = "".join(page.extract_text() for page in PdfReader(results / "companion.pdf").pages)
    assert "the weights travel with the repository" in " ".join(text.split())
    assert problems(results) == [] and (results / "provenance/weights/SHA256SUMS").is_file()
    done = other.snakemake(*settings, "--", "write_card")
    assert done.returncode == 0, done.output
    card = (other / "weights/README.md").read_text(encoding="utf-8")
    assert "| `ddpm.batch_size` | 8 |" in card and "of 10 samples" in card and "of scikit-learn's 8×8 digits" in card

    (other / "more.yaml").write_text("ddpm: {epochs: 0.1}")
    assert other.snakemake(*settings, "more.yaml").returncode == 0  # what only the training depended on is free
    numbers = json.loads((results / "numbers.json").read_text(encoding="utf-8"))
    assert numbers["settings"]["ddpm"]["epochs"] == 0.05  # and told as it was in the training
    (other / "more.yaml").write_text("ddpm: {beta_T: 0.2}")
    done = other.snakemake(*settings, "more.yaml")
    assert done.returncode != 0 and "ddpm.beta_T is 0.2, but 0.3 for them" in done.output, done.output
    damaged = other / "weights/ddpm-2-of-2.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    done = other.snakemake(*settings)
    assert done.returncode != 0 and f"{damaged.relative_to(other.folder)} is damaged or foreign" in done.output
    assert "Traceback" not in done.output
    damaged.unlink()
    done = other.snakemake(*settings)
    assert done.returncode != 0 and "there is no weights/ddpm-2-of-2.safetensors" in done.output, done.output


def test_training_goes_on_from_a_folder_of_weights_without_a_history_of_git(other):
    """With next to no learning rate it ends with those weights; steps, visits, time and history are counted on."""
    first = json.loads((other / "weights/ddpm.json").read_text(encoding="utf-8"))
    rows = pd.read_csv(other / "weights/ddpm_history.csv")
    weights = join([load_file(file) for file in sorted((other / "weights").glob("ddpm-*.safetensors"))])
    start = {"start": "weights", "start_sha256": sha256((other / "weights/SHA256SUMS").read_bytes()).hexdigest()}
    (other / "start.yaml").write_text(yaml.safe_dump({"ddpm": start | {"learning_rate": 1.0e-12, "epochs": 0.1}}))

    done = other.snakemake(*PRESET, "start.yaml", "--", "ship_weights")
    assert done.returncode == 0, done.output
    ended = load_file(other / "results/tiny/models/ddpm.safetensors")
    assert ended.keys() == weights.keys()
    assert all(torch.allclose(ended[name], weights[name], rtol=0, atol=1e-9) for name in weights)
    record = json.loads((other / "weights/ddpm.json").read_text(encoding="utf-8"))
    assert record["start"] == first and record["settings"]["ddpm"].items() >= start.items()
    found, before, steps = record["summary"], first["summary"], int(0.1 * 1437 / 8)
    assert found["steps"] == before["steps"] + steps and found["seconds"] > before["seconds"]
    assert found["image_visits"] == before["image_visits"] + 8 * steps
    history = pd.read_csv(other / "weights/ddpm_history.csv")
    assert history.head(len(rows)).equals(rows)
    assert history[["step", "images", "seconds"]].iloc[-1].tolist() == [
        *(found[key] for key in ("steps", "image_visits", "seconds"))
    ]

    shutil.rmtree(other / "results")  # the weights that it began with are no more in weights/
    done = other.snakemake(*PRESET, "start.yaml", "--", "results/tiny/models/ddpm.json")
    assert done.returncode != 0 and f"but ddpm.start_sha256 is '{start['start_sha256']}'" in done.output, done.output
    start["start_sha256"] = sha256((other / "weights/SHA256SUMS").read_bytes()).hexdigest()
    (other / "start.yaml").write_text(yaml.safe_dump({"ddpm": start | {"channels": 64}}))
    done = other.snakemake(*PRESET, "start.yaml", "--", "results/tiny/models/ddpm.json")
    assert done.returncode != 0 and "ddpm.channels is 64, but 32 for them" in done.output, done.output
    (other / "start.yaml").write_text("ddpm: {start: elsewhere}")
    done = other.snakemake(*PRESET, "start.yaml", "--", "results/tiny/models/ddpm.json")
    assert done.returncode != 0 and "ddpm.start is elsewhere, but there is no elsewhere" in done.output, done.output
    assert "Traceback" not in done.output


def test_training_goes_on_from_a_bare_file_and_is_counted_from_there(other):
    file = other / "start.safetensors"
    save_file(join([load_file(part) for part in sorted((other / "weights").glob("ddpm-*.safetensors"))]), file)
    start = {"start": file.name, "start_sha256": sha256(file.read_bytes()).hexdigest()}
    (other / "start.yaml").write_text(yaml.safe_dump({"ddpm": start | {"learning_rate": 1.0e-12}}))
    done = other.snakemake(*PRESET, "start.yaml", "--", "results/tiny/models/ddpm.json")
    assert done.returncode == 0, done.output
    ended, begun = load_file(other / "results/tiny/models/ddpm.safetensors"), load_file(file)
    assert all(torch.allclose(ended[name], begun[name], rtol=0, atol=1e-9) for name in begun)
    assert json.loads((other / "results/tiny/models/ddpm.json").read_text())["steps"] == int(0.05 * 1437 / 8)
    assert len(pd.read_csv(other / "results/tiny/models/ddpm_history.csv")) == 1


def test_nothing_to_do_the_second_time_and_touching_is_not_editing(finished):
    assert run_again(finished) == set()
    later = time.time() + 5
    for module in (finished / "workflow/scripts/diffusion").glob("*.py"):
        os.utime(module, (later, later))
    assert run_again(finished) == set()


def test_a_file_servers_clock_that_is_hours_ahead_is_no_reason_to_run_again(finished):
    """One that is behind makes the results older than the scripts, which Snakemake takes for a change."""
    files = [file for file in (finished / "results/tiny").rglob("*") if file.is_file()]
    before = {file: file.stat().st_mtime for file in files}
    try:
        for file, then in before.items():
            os.utime(file, (then + 3 * 3600,) * 2)
        assert run_again(finished) == set()
    finally:
        for file, then in before.items():
            os.utime(file, (then, then))


def test_a_notebooks_backend_and_the_users_style_do_not_reach_a_job(finished, tmp_path):
    """Another backend would end in a traceback, this style needs LaTeX and draws on black; the bytes are the same."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: black\nsavefig.bbox: tight\n")
    results = finished / "results/tiny"
    figure, *records = (results / name for name in ("figures/fig7.png", "logs/figure_7.log", "benchmarks/figure_7.tsv"))
    files = [figure, figure.with_suffix(".pdf"), *records]
    before = {file: (file.read_bytes(), file.stat().st_mtime) for file in files}
    hostile = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
    }
    drawing = ("--forcerun", "figure_7", "--", "results/tiny/figures/fig7.png")
    done = finished.snakemake(*PRESET, *drawing, **hostile)
    assert done.returncode == 0 and "1 of 1 steps (100%) done" in done.output, done.output
    assert figure.read_bytes() == before[figure][0]
    for file, (content, then) in before.items():  # the run's crate has the sums of the records
        file.write_bytes(content)
        os.utime(file, (then, then))


def test_the_runs_crate_is_valid_and_whole(finished):
    results = finished / "results/tiny"
    assert problems(results) == []
    assert altered(results) == []
    entities = graph(results)
    made = {entry["@id"] for entry in entities["#run"]["result"]}
    for path in ("figures", "models", "samples", "pde"):
        for file in (results / path).rglob("*.*"):
            if file.is_file() and not {"ddpm_states", "classifier_states", "shards_states", "originals_states"} & set(
                file.parts
            ):
                assert file.relative_to(results).as_posix() in made
    [data] = [entity for entity in entities.values() if entity.get("name") == "digits.csv.gz"]
    assert (
        data["sha256"] == sha256((resources.files("sklearn.datasets.data") / "digits.csv.gz").read_bytes()).hexdigest()
    )
    assert entities["#setting/ddpm.T"]["value"] == 20


def test_the_crates_copy_of_the_workflow_plans_the_same_run(finished, tmp_path):
    """So a results folder alone says, and can do, all that made it."""
    shutil.copytree(finished / "results/tiny/provenance", tmp_path / "copy")
    again, first = (
        subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", "-n", "--forceall", *preset],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        for folder, preset in ((tmp_path / "copy", ("--configfile", "run.yaml")), (finished.folder, PRESET))
    )
    assert again.returncode == 0, again.stderr
    assert planned(again.stdout + again.stderr) == planned(first.stdout + first.stderr) != {}


OF_SAMPLES = {"measure_samples", "judge_claims"}
OF_PDE = {"measure_pde", "judge_claims"}
SAMPLING = {"generate_samples", "categorise_samples", "denoise_gaussians", "denoise_one_gaussian"}
SAMPLING |= {
    "denoise_training_image",
    "denoise_originals",
    "make_classroom",
    "figure_3",
    "figure_4",
    "figure_5",
    "figure_6",
} | OF_SAMPLES
DRAWING = {*(f"figure_{n}" for n in range(1, 8)), "learning_curve"}
TRAINING = SAMPLING | {"train_ddpm", "learning_curve", "measure_network"}
CLASSIFYING = {"train_classifier", "categorise_samples", "figure_4"} | OF_SAMPLES
PAPER = {"gather_numbers", "typeset_companion"}


def told(rules: set[str]) -> set[str]:
    """With the rules that tell of everything: the companion document (a drawing changes no number), the crate."""
    if rules <= {"make_classroom", "describe_run"}:
        return rules and rules | {"describe_run"}
    return rules | {"describe_run"} | ({"typeset_companion"} if rules <= DRAWING else PAPER)


EDITS = [
    ("workflow/scripts/diffusion/pde.py", {"solve_pde", "verify_pde", "make_classroom"} | DRAWING | OF_PDE),
    ("workflow/scripts/publishing/plots.py", DRAWING),
    ("workflow/scripts/diffusion/sampling.py", SAMPLING | {"measure_network", "measure_sde"}),
    ("workflow/scripts/diffusion/backward.py", SAMPLING | {"measure_network", "measure_sde", "check_algebra"}),
    ("workflow/scripts/diffusion/unet.py", TRAINING | {"measure_sde"}),
    ("workflow/scripts/diffusion/classifier.py", CLASSIFYING),
    ("workflow/scripts/diffusion/training.py", TRAINING),
    ("workflow/scripts/engine/checkpoints.py", TRAINING | CLASSIFYING),
    ("workflow/scripts/claims/forward.py", {"measure_forward", "judge_claims"}),
    ("workflow/scripts/claims/samples.py", OF_SAMPLES),
    ("workflow/scripts/claims/statistics.py", {"measure_forward"} | OF_SAMPLES),
    ("workflow/scripts/claims/pde.py", {"verify_pde"} | OF_PDE),
    ("workflow/scripts/diffusion/algebra.py", {"check_algebra", "judge_claims"}),
    ("workflow/scripts/claims/algebra.py", {"check_algebra", "judge_claims"}),
    ("workflow/scripts/claims/ledger.py", {"judge_claims"}),
    ("workflow/scripts/verify_pde.py", {"verify_pde"} | OF_PDE),
    ("paper/claims.yaml", {"judge_claims"}),
    ("workflow/scripts/publishing/numbers.py", PAPER),
    ("workflow/scripts/publishing/provenance.py", {"describe_run"}),
    ("workflow/scripts/publishing/classroom.py", {"make_classroom"}),
    ("workflow/scripts/publishing/templates/classroom.js", {"make_classroom"}),
    ("workflow/scripts/publishing/templates/claims.html", PAPER),
    ("workflow/scripts/publishing/rendering.py", {"make_classroom"} | PAPER),
]


@pytest.mark.parametrize("file, rules", EDITS, ids=[file.split("/")[-1] for file, _ in EDITS])
def test_editing_a_module_reruns_its_users(finished, file, rules):
    path = finished / file
    before, times = path.read_bytes(), (path.stat().st_atime, path.stat().st_mtime)
    try:
        path.write_bytes(before + b"\n# edited\n")
        os.utime(path, (time.time() + 5,) * 2)
        assert run_again(finished) == told(rules)
    finally:
        path.write_bytes(before)
        os.utime(path, times)  # of a script, unlike of an input, Snakemake asks the time


SETTINGS = [
    ("ddpm: {learning_rate: 1.0e-3}", TRAINING),
    ("classifier: {epochs: 2}", CLASSIFYING),
    ("samples: {originals: 4}", {"denoise_originals"} | OF_SAMPLES),
    ("samples: {confidence: 0.5}", {"categorise_samples", "figure_4"} | OF_SAMPLES),
    ("pde: {t_end: 5.0}", {"solve_pde", "figure_7", "make_classroom"} | OF_PDE),
    ("pde: {dt: 0.02}", {"solve_pde", "verify_pde", "figure_7", "make_classroom"} | OF_PDE),
    ("figures: {training_images: 20}", {"choose_training_images", "figure_1"}),
    ("execution: {gpus: 2}", set()),
    ("execution: {save_minutes: 3}", set()),
    ("execution: {batch_size: 7}", set()),
    ("execution: {mirrors: [/elsewhere]}", set()),
    ("execution: {threads: 1}", set()),
    ("execution: {shards: 2}", {"generate_samples", "categorise_samples", "figure_4"} | OF_SAMPLES),
    ("agent: Ada", {"describe_run"}),
]


@pytest.mark.parametrize("setting, rules", SETTINGS, ids=[setting for setting, _ in SETTINGS])
def test_a_setting_reruns_what_depends_on_it(finished, setting, rules):
    (finished / "more.yaml").write_text(setting)
    assert run_again(finished, "more.yaml") == told(rules)


def test_a_new_text_is_typeset_and_nothing_else_runs(finished):
    text = finished / "paper/companion.typ"
    before = text.read_bytes()
    try:
        text.write_bytes(before + b"\n// edited\n")
        assert run_again(finished) == {"typeset_companion", "describe_run"}
    finally:
        text.write_bytes(before)


COMPANION = "results/tiny/companion.pdf"


def test_the_companion_has_the_runs_numbers_and_says_that_it_is_a_demo(finished):
    pages = [re.sub(r"[-\u00ad]\s*", "", page.extract_text()) for page in PdfReader(finished / COMPANION).pages]
    pages = [re.sub(r"\s+", " ", page).replace("'", "’") for page in pages]  # one line without hyphens
    note = "Demo on scikitlearn’s 8×8 digits, not on MNIST"
    assert note in pages[0]
    text = " ".join(pages)
    for n in range(1, 8):
        caption = text.split(f"Figure {n}. ")[1]
        assert note in caption[:900], caption[:900]
    accuracy = json.loads((finished / "results/tiny/models/classifier.json").read_text())["test_accuracy"]
    claims = json.loads((finished / "results/tiny/claims/claims.json").read_text())
    assert f"{100 * accuracy:.2f}%" in pages[0]
    counts = claims["counts"]["paper"]
    verdicts = f"{counts['confirmed']} confirmed, {counts['not confirmed']} not confirmed"
    assert f"Of {sum(counts.values())} statements of the article, the verdicts of this run are: {verdicts}" in pages[0]
    assert PdfReader(finished / COMPANION).metadata.creation_date is None


def test_the_companion_is_the_same_bytes_when_it_is_made_again(finished):
    first = (finished / COMPANION).read_bytes()
    (finished / COMPANION).unlink()
    done = finished.snakemake(*PRESET, "--", COMPANION)
    assert done.returncode == 0, done.output
    assert (finished / COMPANION).read_bytes() == first


def test_a_broken_table_of_claims_is_said(finished):
    table = finished / "results/tiny/claims/claims.json"
    before, times = table.read_bytes(), (table.stat().st_atime, table.stat().st_mtime)
    kept = {name: (finished / f"results/tiny/{name}").read_bytes() for name in ("numbers.json", "companion.pdf")}
    try:
        table.write_text('{"claims": [')
        os.utime(table, (time.time() + 5,) * 2)
        done = finished.snakemake(*PRESET, "--", COMPANION)
        fails_with(done, r"error: results/tiny/claims/claims\.json is damaged, or is not JSON")
    finally:
        table.write_bytes(before)
        os.utime(table, times)
    done = finished.snakemake(*PRESET)
    assert done.returncode == 0, done.output
    assert {name: (finished / f"results/tiny/{name}").read_bytes() for name in kept} == kept


def test_the_report_is_one_file_with_all_figures_and_their_numbers(finished):
    done = finished.snakemake(*PRESET, "--report", "results/tiny/report.html")
    assert done.returncode == 0, done.output
    page = (finished / "results/tiny/report.html").read_text(encoding="utf-8")
    assert "Demo on scikit-learn" in page and "application/pdf" in page and "claims.html" in page
    for n in range(1, 8):
        assert f"fig{n}.png" in page
    accuracy = json.loads((finished / "results/tiny/models/classifier.json").read_text())["test_accuracy"]
    assert f"{100 * accuracy:.2f}%" in page and "include::" not in page  # the captions' numbers are filled in
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=.https?:", page), "it asks for something from the network"


def test_mnist_through_the_mirror_setting(tiny, mnist):
    """The same workflow on MNIST: download from a folder, 32 pixels, figures 1 and 2."""
    (tiny / "mnist.yaml").write_text(f"data: {{source: mnist, image_size: 32}}\nexecution: {{mirrors: ['{mnist}']}}")
    wanted = [f"results/tiny/figures/fig{n}.png" for n in (1, 2)]
    done = tiny.snakemake("--configfile", "tiny.yaml", "mnist.yaml", "--", *wanted)
    assert done.returncode == 0, done.output
    with np.load(tiny / "results/tiny/data/images.npz") as images:
        assert images["train_images"].shape == (60000, 1, 32, 32)


def test_another_source_of_images_is_one_entry_in_the_table(tiny, tmp_path):
    """Images that this test draws: fetched, checked, read, shown with a note, cited, and in verdicts and documents."""
    archives = strokes.write(tmp_path / "strokes")
    with (tiny / "workflow/scripts/diffusion/sources.py").open("a", encoding="utf-8") as table:
        table.write(strokes.ENTRY.format(train=200, test=40, archives=archives))
    (tiny / "strokes.yaml").write_text(
        f"data: {{source: strokes, image_size: 8}}\nclassifier: {{batch_size: 20}}\n"
        f"ddpm: {{images_per_epoch: 200}}\nexecution: {{mirrors: ['{tmp_path}/strokes']}}"
    )
    results, settings = tiny / "results/tiny", ("--configfile", "tiny.yaml", "strokes.yaml", "--")
    done = tiny.snakemake(*settings, "results/tiny/companion.pdf", "results/tiny/data/sources.json")
    assert done.returncode == 0, done.output
    assert "all four drawn strokes archives came from" in (results / "logs/download_images.log").read_text()
    with np.load(results / "data/images.npz") as images:
        assert images["train_images"].shape == (200, 1, 8, 8)
    cited = json.loads((results / "data/sources.json").read_text())
    assert [file["url"] for file in cited] == [f"https://example.org/strokes/{name}" for name in archives]
    numbers = json.loads((results / "numbers.json").read_text(encoding="utf-8"))
    assert (numbers["images"], numbers["demo_note"]) == ("drawn strokes", "Demo on drawn strokes, not on MNIST")
    details = [claim["detail"] for claim in numbers["claims"]["claims"]]
    assert any("is about MNIST, and this run's images are drawn strokes." in detail for detail in details)
    (tiny / "unknown.yaml").write_text("data: {source: scribbles}")
    done = tiny.snakemake("--configfile", "tiny.yaml", "unknown.yaml", "--dry-run")
    fails_with(done, "data.source is 'scribbles', but must be mnist, digits, or strokes, a source of images")


def test_after_fetch_nothing_needs_a_network(tiny, mnist):
    """All that reads MNIST's files, in a network name space that has no way out, once `fetch` has run; the other rules
    have run so in `finished`.
    """
    if not can_be_cut():
        pytest.skip("the network cannot be cut here: unshare -n is not allowed")
    (tiny / "mnist.yaml").write_text("data: {source: mnist}")
    (tiny / "mirror.yaml").write_text(f"execution: {{mirrors: ['{mnist}']}}")
    done = tiny.snakemake("--configfile", "tiny.yaml", "mnist.yaml", "mirror.yaml", "--", "fetch")
    assert done.returncode == 0, done.output
    wanted = [f"results/tiny/{file}" for file in ("figures/fig1.pdf", "figures/fig2.pdf", "data/sources.json")]
    reading = ("--configfile", "tiny.yaml", "mnist.yaml", "--", *wanted)
    rules = set(planned(tiny.snakemake("-n", *reading).output))
    assert {"prepare_images", "fingerprint_data"} <= rules and not {"download_images", "fetch"} & rules
    done = tiny.snakemake(*reading, prefix=CUT)
    assert done.returncode == 0, done.output
    assert all((tiny / file).is_file() for file in wanted)


def fails_with(done, sentence: str) -> None:
    assert done.returncode != 0
    assert re.search(sentence, done.output), done.output
    assert "Traceback" not in done.output, done.output


def test_no_mirror_answers(tiny):
    """As on a machine without a network: a folder that is not there, and torchvision's mirrors out of reach."""
    (tiny / "mnist.yaml").write_text(
        "data: {source: mnist}\nexecution: {mirrors: [/nowhere, $MIRROR, http://zoe:t0psecret@127.0.0.1:9/m]}"
    )
    variables = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9") | {"MIRROR": "/elsewhere"}
    done = tiny.snakemake("--configfile", "tiny.yaml", "mnist.yaml", "--", "results/tiny/data/images.npz", **variables)
    fails_with(
        done, r"error: no mirror provided all four MNIST archives intact \(/nowhere: .*/elsewhere: .*name a folder"
    )
    assert "http://***@127.0.0.1:9/m: " in done.output and "t0psecret" not in done.output
    assert "t0psecret" not in (tiny / "results/tiny/logs/download_images.log").read_text()
    assert not (tiny / "resources/mnist/train-images-idx3-ubyte.gz").exists()


def test_cuda_where_there_is_none(tiny):
    (tiny / "cuda.yaml").write_text("compute: {device: cuda}")
    done = tiny.snakemake(
        "--configfile", "tiny.yaml", "cuda.yaml", "--", "results/tiny/models/ddpm.json", CUDA_VISIBLE_DEVICES=""
    )
    fails_with(done, r"error: compute\.device is 'cuda', but PyTorch finds no CUDA device")
    assert not (tiny / "results/tiny/models/ddpm.json").exists()


def test_weeks_of_training_on_a_cpu_ask_for_a_plain_yes(tiny):
    (tiny / "paper.yaml").write_text("ddpm: {epochs: 1.0e+6}")
    done = tiny.snakemake("--configfile", "tiny.yaml", "paper.yaml", "--", "results/tiny/models/ddpm.json")
    fails_with(
        done, r"error: training will take about .* days on this CPU, but execution\.cpu_days allows 2: use a GPU"
    )


def test_a_full_disk_is_said_and_after_room_is_made_the_run_goes_on(tiny, mounted):
    mounted("-o", "size=64k")
    target = "results/tiny/data/images.npz"
    fails_with(
        tiny.snakemake(*PRESET, "--", target), r"error: rule prepare_images stopped.*the disk is full: free some"
    )
    assert not (tiny / target).exists()
    subprocess.run(["mount", "-o", "remount,size=100m", str(tiny / "results")], check=True)
    done = tiny.snakemake(*PRESET, "--", target)
    assert done.returncode == 0, done.output


def test_a_read_only_results_folder_is_said(tiny, mounted):
    mounted("-o", "ro")
    fails_with(tiny.snakemake(*PRESET), r"the folder .*results cannot be written to: make it writable")
