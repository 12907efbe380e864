"""Weights in a folder: whole, checked, and of a training that fits the settings; what a training may go on from."""

import json
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import torch
from networks import small_network
from safetensors.torch import load_file, save_file

from diffusion.classifier import Classifier, confusion_table
from engine.errors import UserError
from engine.files import read_json, sha256, write_json
from publishing.weights import (
    LARGEST_FILE,
    SUMS,
    about,
    checksums,
    join,
    refuse_large,
    refuse_other_settings,
    ship,
    split,
    take_start,
    unpack,
    write_start,
)

SETTINGS = {"data": {"source": "digits", "image_size": 8}, "ddpm": {"T": 20, "channels": 32}}
"""What the use of the weights depends on."""
LEARNED = {"data": SETTINGS["data"], "ddpm": SETTINGS["ddpm"] | {"epochs": 3, "start": ""}}
JUDGING = {"data": SETTINGS["data"], "classifier": {"epochs": 2}}


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_parts_are_of_like_size_and_give_the_network_again(parts):
    weights = small_network().state_dict()
    pieces = split(weights, parts)
    sizes = [sum(value.nbytes for value in piece.values()) for piece in pieces]
    largest = max(value.nbytes for value in weights.values())
    assert len(pieces) == parts and max(sizes) - min(sizes) <= largest
    again = join(pieces)
    assert list(again) == list(weights) and all(torch.equal(again[name], weights[name]) for name in weights)


def test_joined_weights_are_in_float32_whatever_the_parts():
    weights = {name: value.bfloat16() for name, value in small_network().state_dict().items()}
    assert {value.dtype for value in join(split(weights, 2)).values()} == {torch.float32}


def test_the_papers_network_fits_into_two_files():
    """12,980,033 parameters of two bytes; the largest single tensor has 256 x 512 x 3 x 3 of them."""
    assert (12_980_033 + 256 * 512 * 9) / 2 * 2 < LARGEST_FILE < 12_980_033 * 2


def test_a_file_too_large_is_refused(tmp_path):
    with (tmp_path / "w.safetensors").open("wb") as file:
        file.truncate(LARGEST_FILE)
        refuse_large(file.name)
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(UserError, match="too large to ship"):
        refuse_large(tmp_path / "w.safetensors")


TRAINING = {
    "steps": 50, "image_visits": 400, "seconds": 7.0, "last_loss": 0.5, "image_size": 8, "processes": 1,
    "device": "CPU with 2 threads", "torch": "2.11.0",
}  # fmt: skip


def without(record, name):
    return {key: value for key, value in record.items() if key != name}


@pytest.fixture
def models(tmp_path) -> dict[str, Path]:
    """The models/ of a run, as its trainings leave them."""
    folder = tmp_path / "models"
    folder.mkdir()
    save_file(small_network().state_dict(), folder / "ddpm.safetensors")
    save_file(Classifier().state_dict(), folder / "classifier.safetensors")
    sizes = {"parameters": 9, "training_images": 40}
    write_json(folder / "ddpm.json", sizes | TRAINING)
    write_json(folder / "classifier.json", sizes | {"test_accuracy": 0.9, "test_images": 10})
    (folder / "ddpm_history.csv").write_text(
        "step,images,loss,learning_rate,images_per_second,seconds\n50,400,0.5,0.001,57.1,7.0\n"
    )
    confusion_table(Classifier(), torch.zeros(2, 1, 8, 8), torch.tensor([0, 3]), torch.device("cpu")).to_csv(
        folder / "classifier_confusion.csv"
    )
    return {name: folder / f"{name}.safetensors" for name in ("ddpm", "classifier")}


@pytest.fixture
def shipped(models, tmp_path) -> Path:
    """A folder in the form of weights/."""
    origin = about("tiny", 7, models["ddpm"])
    ship(models, {"ddpm": LEARNED, "classifier": JUDGING}, origin, {}, tmp_path / "weights")
    return tmp_path / "weights"


def test_a_folder_has_both_models_with_their_records_and_their_sums(shipped, models):
    names = {file.name for file in shipped.iterdir()}
    assert names == {
        "ddpm-1-of-2.safetensors", "ddpm-2-of-2.safetensors", "ddpm.json", "ddpm_history.csv",
        "classifier.safetensors", "classifier.json", "classifier_confusion.csv", SUMS,
    }  # fmt: skip
    record = read_json(shipped / "ddpm.json")
    assert record["settings"] == LEARNED and record["summary"] == read_json(models["ddpm"].with_suffix(".json"))
    assert record["origin"].keys() == {"preset", "seed", "processor", "finished", "commit"} and "start" not in record
    done = subprocess.run(["sha256sum", "-c", SUMS], cwd=shipped, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count(": OK\n") == 7
    assert (shipped / SUMS).read_text() == checksums(shipped / name for name in names - {SUMS})


def test_a_training_that_went_on_names_the_record_that_it_began_with_if_there_is_one(models, tmp_path):
    settings = {"ddpm": LEARNED, "classifier": JUDGING}
    for start, told in (({"settings": LEARNED, "summary": {}}, True), ({"summary": {"steps": 0}}, False)):
        ship(models, settings, {}, start, tmp_path / "weights")
        record = read_json(tmp_path / "weights/ddpm.json")
        assert ("start" in record) == told and (not told or record["start"] == start)
    assert "start" not in read_json(tmp_path / "weights/classifier.json")


def test_what_was_shipped_is_unpacked(shipped, models):
    trained = unpack(shipped, "ddpm", SETTINGS)
    given = load_file(models["ddpm"])
    assert trained.tensors.keys() == given.keys()
    assert all(torch.equal(value, given[name].bfloat16().float()) for name, value in trained.tensors.items())
    assert trained.record == read_json(shipped / "ddpm.json") and trained.table == shipped / "ddpm_history.csv"
    classifier = unpack(shipped, "classifier", {"data": SETTINGS["data"]})
    given = load_file(models["classifier"])
    assert all(torch.equal(value, given[name]) for name, value in classifier.tensors.items())
    assert classifier.table == shipped / "classifier_confusion.csv"


def test_a_damaged_a_missing_and_an_unlisted_file_are_refused(shipped):
    damaged = shipped / "ddpm-2-of-2.safetensors"
    before = damaged.read_bytes()
    damaged.write_bytes(before[:-1] + b"!")
    with pytest.raises(UserError, match=r"ddpm-2-of-2\.safetensors is damaged or foreign.*restore"):
        unpack(shipped, "ddpm", SETTINGS)
    unpack(shipped, "classifier", {})  # the other model is whole
    damaged.unlink()
    with pytest.raises(UserError, match=r"ddpm-2-of-2\.safetensors is missing, though .*restore"):
        unpack(shipped, "ddpm", SETTINGS)
    (shipped / SUMS).write_text("no sums\nat all, in fact\n\n")
    with pytest.raises(UserError, match=r"lists no \.safetensors file of ddpm.*restore"):
        unpack(shipped, "ddpm", SETTINGS)


def test_only_the_settings_that_the_use_depends_on_are_refused_each_by_its_name(shipped):
    other = {"data": {"source": "digits", "image_size": 12}, "ddpm": {"T": 21, "channels": 32}}
    with pytest.raises(UserError) as error:
        unpack(shipped, "ddpm", other)
    for words in ("data.image_size is 12, but 8", "ddpm.T is 21, but 20"):
        assert words in str(error.value)
    assert "channels" not in str(error.value) and "epochs" not in str(error.value)
    with pytest.raises(UserError, match=r"data\.source is mnist, but None for them"):
        refuse_other_settings({}, {"data": {"source": "mnist"}}, shipped)


def test_a_training_starts_from_a_folder_with_its_record_and_its_history(shipped, tmp_path):
    start = take_start(shipped, sha256(shipped / SUMS), SETTINGS)
    write_start(start, *(tmp_path / name for name in ("start.safetensors", "start.json", "start.csv")))
    written = load_file(tmp_path / "start.safetensors")
    small_network().load_state_dict(written)
    assert all(torch.equal(written[name], value) for name, value in start.tensors.items())
    assert read_json(tmp_path / "start.json")["summary"]["steps"] == 50
    assert (tmp_path / "start.csv").read_text() == (shipped / "ddpm_history.csv").read_text()


def test_a_training_starts_from_a_bare_file_and_counts_from_nothing(models, tmp_path):
    start = take_start(models["ddpm"], sha256(models["ddpm"]), SETTINGS)
    write_start(start, *(tmp_path / name for name in ("start.safetensors", "start.json", "start.csv")))
    assert all(torch.equal(value, start.tensors[name]) for name, value in load_file(models["ddpm"]).items())
    assert read_json(tmp_path / "start.json") == {
        "summary": {"steps": 0, "image_visits": 0, "seconds": 0.0, "start_unknown": True}
    }
    assert len(pd.read_csv(tmp_path / "start.csv")) == 0


def test_a_start_that_is_missing_or_has_another_sum_is_refused(shipped, models, tmp_path):
    for start in (tmp_path / "nothing", tmp_path):
        with pytest.raises(UserError, match=r"ddpm\.start is .*, but there is no .*name a folder of weights"):
            take_start(start, "0" * 64, SETTINGS)
    for start, expected in ((shipped, ""), (shipped, "0" * 64), (models["ddpm"], sha256(shipped / SUMS))):
        place = start / SUMS if start.is_dir() else start
        with pytest.raises(UserError, match=f"has the SHA-256 {sha256(place)}, but ddpm.start_sha256 is '{expected}'"):
            take_start(start, expected, SETTINGS)
    sums = sha256(shipped / SUMS)
    with (shipped / "ddpm_history.csv").open("a") as file:
        file.write("more\n")
    with pytest.raises(UserError, match=r"ddpm_history\.csv is damaged or foreign"):
        take_start(shipped, sums, SETTINGS)


def test_a_start_that_does_not_fit_is_refused(shipped, models, tmp_path):
    wide = {"data": SETTINGS["data"], "ddpm": {"T": 20, "channels": 64}}
    with pytest.raises(UserError, match=r"ddpm\.channels is 64, but 32 for them"):
        take_start(shipped, sha256(shipped / SUMS), wide)
    with pytest.raises(
        UserError, match=r"another network than ddpm\.channels = 64 .* is float32 of the shape \(128, 32\)"
    ):
        take_start(models["ddpm"], sha256(models["ddpm"]), wide)
    save_file(small_network().state_dict() | {"more": torch.zeros(1)}, tmp_path / "more.safetensors")
    with pytest.raises(UserError, match=r"the tensor more is float32 of the shape \(1,\) in them, and missing here"):
        take_start(tmp_path / "more.safetensors", sha256(tmp_path / "more.safetensors"), SETTINGS)
    (tmp_path / "text.safetensors").write_text(json.dumps({"no": "tensors"}))
    with pytest.raises(UserError, match="is not a safetensors file"):
        take_start(tmp_path / "text.safetensors", sha256(tmp_path / "text.safetensors"), SETTINGS)


def test_a_start_is_the_same_wherever_the_folder_lies(shipped, tmp_path):
    moved = shutil.copytree(shipped, tmp_path / "dossier été")
    start = take_start(Path(moved), sha256(shipped / SUMS), SETTINGS)
    assert start.record == read_json(shipped / "ddpm.json")


def nan_in(tensors):
    name = next(name for name, value in tensors.items() if value.is_floating_point())
    return tensors | {name: torch.full_like(tensors[name], torch.nan)}


# What stands in a file whose sum in SHA256SUMS is that of the damaged content: file, content, what is said.
BEHIND_A_RIGHT_SUM = [
    ("ddpm.json", b"", "ddpm.json is damaged, or is not JSON"),
    ("ddpm.json", b"\xff\xfe", "ddpm.json is damaged, or is not JSON"),
    ("ddpm.json", b"[" * 100_000, "ddpm.json is damaged, or is not JSON"),
    ("ddpm.json", b"[]", "ddpm.json is damaged, or is not the record of a training of ddpm"),
    ("ddpm.json", b"null", "ddpm.json is damaged, or is not the record of a training of ddpm"),
    ("ddpm.json", b"{}", "ddpm.json is damaged, or is not the record of a training of ddpm"),
    ("ddpm.json", lambda it: it | {"settings": [1]}, "ddpm.json is damaged, or is not the record"),
    ("ddpm.json", lambda it: it | {"summary": {"steps": 3}}, "KeyError"),
    ("ddpm.json", lambda it: it | {"origin": None}, "ddpm.json is damaged, or is not the record"),
    (
        "ddpm.json",
        lambda it: it | {"summary": it["summary"] | {"steps": "many"}},
        "ddpm.json is damaged, or is not the re",
    ),
    ("ddpm.json", lambda it: it | {"summary": it["summary"] | {"seconds": -1}}, "seconds is -1"),
    ("ddpm.json", lambda it: it | {"summary": it["summary"] | {"device": ""}}, "device is ''"),
    ("ddpm.json", lambda it: it | {"summary": it["summary"] | {"torch": 2.1}}, r"torch is 2\.1"),
    ("ddpm.json", lambda it: it | {"summary": without(it["summary"], "device")}, "KeyError: 'device'"),
    ("ddpm.json", lambda it: it | {"summary": without(it["summary"], "processes")}, "KeyError: 'processes'"),
    ("ddpm.json", lambda it: it | {"summary": it["summary"] | {"steps": "700"}}, "steps is '700'"),
    ("ddpm.json", lambda it: it | {"summary": it["summary"] | {"steps": 7.5}}, "steps is 7.5"),
    ("ddpm.json", lambda it: it | {"summary": it["summary"] | {"image_visits": True}}, "image_visits is True"),
    ("ddpm.json", b'{"summary": {"last_loss": 1e999}}', "it holds 1e999"),
    ("ddpm.json", b'{"summary": {"last_loss": NaN}}', "it holds NaN"),
    (
        "ddpm_history.csv",
        b"step,images,loss,learning_rate,images_per_second,seconds\n1,2,nan,1,1,1\n",
        "it holds a number that is not finite",
    ),
    (
        "ddpm_history.csv",
        b"step,images,loss,learning_rate,images_per_second,seconds\n1,2,3,1,1e999,1\n",
        "it holds a number that is not finite",
    ),
    ("ddpm_history.csv", b"step,images,loss,learning_rate,images_per_second,seconds\n", "it has no rows"),
    (
        "ddpm_history.csv",
        b"step,images,loss,learning_rate,images_per_second,seconds\n1,2,-3,1,1,1\n",
        "it holds a negative number",
    ),
    (
        "ddpm_history.csv",
        b"step,images,loss,learning_rate,images_per_second,seconds\n2,2,3,1,1,1\n1,2,3,1,1,1\n",
        "its steps do not rise",
    ),
    ("ddpm.json", lambda it: it | {"origin": it["origin"] | {"commit": "../../x; rm <b>"}}, "its commit is none"),
    ("ddpm.json", lambda it: it | {"summary": it["summary"] | {"steps": 10**400}}, "steps is 1000"),
    (
        "ddpm-1-of-2.safetensors",
        lambda it: {name: value.double() * 1e200 for name, value in it.items()},
        "the weights, in float32, are not finite",
    ),
    (
        "ddpm-1-of-2.safetensors",
        lambda it: {name: value.to(torch.int32) for name, value in it.items()},
        "is int32 of the shape .* in them, and float32 of",
    ),
    ("ddpm_history.csv", b"", "ddpm_history.csv is damaged, or is not the table of a training"),
    ("ddpm_history.csv", b"step,images\n1,2\n", "ddpm_history.csv is damaged, or is not the table of a training"),
    ("ddpm_history.csv", b"\x00\xff,\n", "ddpm_history.csv is damaged, or is not the table of a training"),
    ("ddpm-1-of-2.safetensors", b"", "ddpm-1-of-2.safetensors is not a safetensors file, or is damaged"),
    ("ddpm-1-of-2.safetensors", b"x" * 99, "ddpm-1-of-2.safetensors is not a safetensors file, or is damaged"),
    ("ddpm-1-of-2.safetensors", nan_in, "ddpm-1-of-2.safetensors are not finite"),
    ("ddpm-1-of-2.safetensors", lambda it: {"a": torch.zeros(1)}, "are of another network"),
]


@pytest.mark.parametrize("name, content, said", BEHIND_A_RIGHT_SUM)
def test_damage_behind_a_right_checksum_is_told_with_the_files_name(shipped, name, content, said):
    file = shipped / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif file.suffix == ".json":
        write_json(file, content(read_json(file)))
    else:
        save_file(content(load_file(file)), file)
    (shipped / SUMS).write_text(checksums(one for one in shipped.iterdir() if one.name != SUMS))
    with pytest.raises(UserError, match=said):
        unpack(shipped, "ddpm", SETTINGS)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"0 ddpm.json", b"\n\n", b"a b c d\n"])
def test_a_damaged_list_of_sums_is_told(shipped, content):
    (shipped / SUMS).write_bytes(content)
    with pytest.raises(UserError, match=SUMS):
        unpack(shipped, "ddpm", SETTINGS)


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("classifier.json", lambda it: it | {"summary": it["summary"] | {"test_accuracy": 7.0}}, "test_accuracy is 7"),
        ("classifier_confusion.csv", lambda it: it.iloc[1:], "no row of counts for each of 10 digits"),
        ("classifier_confusion.csv", lambda it: it.assign(found_3=0.5), "no row of counts for each of 10 digits"),
        ("classifier_confusion.csv", lambda it: it.assign(true=17), "no row of counts for each of 10 digits"),
        ("classifier_confusion.csv", lambda it: it.assign(found_3=-1), "it holds a negative number"),
    ],
)
def test_a_classifiers_record_and_table_are_asked_for_sense_too(shipped, name, content, said):
    file = shipped / name
    if file.suffix == ".json":
        write_json(file, content(read_json(file)))
    else:
        content(pd.read_csv(file)).to_csv(file, index=False)
    (shipped / SUMS).write_text(checksums(one for one in shipped.iterdir() if one.name != SUMS))
    with pytest.raises(UserError, match=said):
        unpack(shipped, "classifier", {})
