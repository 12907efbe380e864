"""Weights that travel with the repository: whole, checked, and of the training that the settings describe."""

import subprocess

import pytest
import torch
from networks import small_network

from engine.errors import UserError
from publishing.weights import (
    LARGEST_FILE,
    card,
    checksums,
    folder_of_commit,
    join,
    refuse_large,
    refuse_other_settings,
    split,
    verify,
)


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


@pytest.fixture
def files(tmp_path):
    for name, content in (("b.bin", b"12345"), ("a.bin", b"")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "SHA256SUMS").write_text(checksums(tmp_path.glob("*.bin")))
    return tmp_path


def test_sums_are_those_of_sha256sum(files):
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=files, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "a.bin: OK\nb.bin: OK\n"
    verify(files.glob("*.bin"), files / "SHA256SUMS")


def test_a_damaged_and_an_unknown_file_are_refused(files):
    (files / "b.bin").write_bytes(b"12346")
    with pytest.raises(UserError, match=r"b\.bin is damaged or foreign.*restore"):
        verify(files.glob("*.bin"), files / "SHA256SUMS")
    (files / "c.bin").write_bytes(b"")
    with pytest.raises(UserError, match=r"c\.bin is not listed.*restore"):
        verify([files / "c.bin"], files / "SHA256SUMS")
    (files / "SHA256SUMS").write_text("no sums\nat all, in fact\n\n")
    with pytest.raises(UserError, match=r"a\.bin is not listed"):
        verify([files / "a.bin"], files / "SHA256SUMS")


def test_every_setting_of_another_training_is_named():
    shipped = {"ddpm": {"T": 500, "channels": 64, "adam_decays": [0.9, 0.999]}}
    refuse_other_settings(shipped, {"ddpm": dict(shipped["ddpm"])})
    other = {"ddpm": {"T": 400, "channels": 64, "adam_decays": [0.9, 0.99]}, "data": {"image_size": 28}}
    with pytest.raises(UserError) as error:
        refuse_other_settings(shipped, other)
    for words in ("ddpm.T is 400, but 500", "ddpm.adam_decays is [0.9, 0.99]", "data.image_size is 28, but None"):
        assert words in str(error.value)
    assert "channels" not in str(error.value)


def test_a_file_too_large_is_refused(tmp_path):
    with (tmp_path / "w.safetensors").open("wb") as file:
        file.truncate(LARGEST_FILE)
        refuse_large(file.name)
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(UserError, match="too large to ship"):
        refuse_large(tmp_path / "w.safetensors")


def test_weights_of_an_earlier_commit_are_found_whatever_the_folder_holds_now(tmp_path):
    repository, target = tmp_path / "clone", tmp_path / "target"
    (repository / "weights").mkdir(parents=True)
    file = repository / "weights/a.bin"

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
        return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout.strip()

    git("init")
    for content in ("first", "second"):
        file.write_text(content)
        git("add", "weights")
        git("commit", "-m", content)
    first = git("rev-parse", "HEAD~1")
    assert (folder_of_commit(first, repository, target) / "a.bin").read_text() == "first"
    assert file.read_text() == "second" and git("status", "--porcelain") == ""
    with pytest.raises(UserError, match=r"ddpm\.start is 1234567, but git does not give weights/.*1234567.*clone"):
        folder_of_commit("1234567", repository, target)


def record(batch_size: int, visits: int, **more) -> dict:
    return {
        "settings": {"data": {"source": "mnist"}, "ddpm": {"batch_size": batch_size}},
        "summary": {
            "parameters": 12, "training_images": 100, "image_size": 28, "steps": 50, "image_visits": visits,
            "seconds": 120.0, "last_loss": 0.5, "device": "CPU", "torch": "2",
        },
        "origin": {"seed": 1, "processor": f"P{batch_size}", "finished": "2000-01-01", "commit": f"{'0a' * 20}.dirty"},
    } | more  # fmt: skip


def test_card_has_the_settings_of_each_training_and_the_counts_of_all():
    run = {
        "samples": {"samples": 10, "recognised": 9, "confidence_threshold": 0.9},
        "classifier": {"test_accuracy": 0.99, "test_images": 100},
        "claims": {"claims": [{"id": "novel", "statement": "New.", "verdict": "confirmed", "detail": "All."}]},
        "arithmetic": {"image_visits": 9000},
    }
    alone = card(run, record(16, 300))
    assert "| `ddpm.batch_size` | 16 |\n" in alone and "3.0 passes" in alone and "ddpm.start" not in alone
    both = card(run, record(32, 900, start=record(16, 300)))
    assert "| `ddpm.batch_size` | 16 | 32 |\n" in both and "| processor | P16 | P32 |\n" in both
    assert "| 0a0a0a0.dirty | 0a0a0a0.dirty |\n" in both
    for words in (
        "There were 2 trainings",
        "9.0 passes",
        "90.0% (59.6% to 98.2%",
        "New. *Confirmed*: All.",
        "10 times",
    ):
        assert words in both
