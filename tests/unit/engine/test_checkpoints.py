"""Files are whole or absent; a damaged or foreign state is passed over for the one before it."""

import logging

import pytest
import torch

from engine.checkpoints import StateFolder, fingerprint
from engine.files import write_atomically


def state(value):
    return {"w": torch.full((100,), float(value)), "n": torch.tensor(value)}


@pytest.fixture
def states(tmp_path):
    folder = StateFolder(tmp_path, "a" * 16)
    for step in (1, 2, 3):
        folder.save(step, state(step), {"history": [step]})
    return folder


def test_the_newest_of_two_kept_states_is_loaded(states):
    assert len(list(states.folder.iterdir())) == 2
    step, tensors, record = states.load()
    assert (step, record) == (3, {"history": [3]}) and torch.equal(tensors["w"], state(3)["w"])


def truncate(file):
    file.write_bytes(file.read_bytes()[:-50])


def empty(file):
    file.write_bytes(b"")


def alter(file):
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)


def replace_by_text(file):
    file.write_text("not a state at all, but long enough to be read as a header")


def take_from_elsewhere(file):
    other = StateFolder(file.parent.parent, "b" * 16)
    other.save(3, state(9), {})
    (other.folder / file.name).replace(file)


@pytest.mark.parametrize("damage", [truncate, empty, alter, replace_by_text, take_from_elsewhere])
def test_a_bad_state_is_said_and_the_one_before_it_used(states, damage, caplog):
    damage(states.folder / "000000003.safetensors")
    with caplog.at_level(logging.WARNING):
        step, tensors, _ = states.load()
    assert step == 2 and torch.equal(tensors["n"], torch.tensor(2))
    assert "000000003.safetensors cannot be used" in caplog.text


def test_nothing_to_go_on_from(tmp_path):
    assert StateFolder(tmp_path / "absent", "a" * 16).load() is None


def test_states_of_other_experiments_are_removed_and_other_files_are_not(states, tmp_path):
    (tmp_path / "notes").mkdir()
    other = StateFolder(tmp_path, "c" * 16)
    other.save(1, state(1), {})
    states.remove_others()
    assert states.load()[0] == 3 and not other.folder.exists() and (tmp_path / "notes").exists()


def test_failed_write_leaves_the_old_content_and_nothing_else(tmp_path):
    file = tmp_path / "f"
    write_atomically(file, b"old")
    with pytest.raises(TypeError):
        write_atomically(file, "no bytes")
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


def test_fingerprint_sees_contents_and_settings(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("1"), b.write_text("2")
    name = fingerprint([a, b], {"x": 1, "y": 2})
    assert name == fingerprint([b, a], {"y": 2, "x": 1}) and len(name) == 16
    assert name != fingerprint([a, b], {"x": 2, "y": 1})
    b.write_text("3")
    assert name != fingerprint([a, b], {"x": 1, "y": 2})
