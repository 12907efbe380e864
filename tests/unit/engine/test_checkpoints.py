"""Files are whole or absent; a damaged or foreign state is passed over for the one before it."""

import logging
import os
from types import SimpleNamespace

import pytest
import torch

from engine import checkpoints
from engine.checkpoints import StateFolder, collect, experiment, fingerprint
from engine.device import CPU
from engine.errors import UserError
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


def alter_the_record(file):
    content = file.read_bytes()
    assert content.count(b"history") == 1
    file.write_bytes(content.replace(b"history", b"histary"))


def alter_the_recorded_step(file):
    content = file.read_bytes()
    assert content.count(b'"step":"3"') == 1
    file.write_bytes(content.replace(b'"step":"3"', b'"step":"4"'))


def swap_two_tensors_names(file):
    content = file.read_bytes()
    assert content.count(b'"w":') == content.count(b'"n":') == 1
    file.write_bytes(content.replace(b'"w":', b'"?":').replace(b'"n":', b'"w":').replace(b'"?":', b'"n":'))


def replace_by_an_older_one(file):
    file.write_bytes((file.parent / "000000002.safetensors").read_bytes())


DAMAGES = [
    truncate,
    empty,
    alter,
    replace_by_text,
    take_from_elsewhere,
    alter_the_record,
    alter_the_recorded_step,
    swap_two_tensors_names,
    replace_by_an_older_one,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_state_is_said_and_the_one_before_it_used(states, damage, caplog):
    damage(states.folder / "000000003.safetensors")
    with caplog.at_level(logging.WARNING):
        step, tensors, _ = states.load()
    assert step == 2 and torch.equal(tensors["n"], torch.tensor(2))
    assert "000000003.safetensors cannot be used" in caplog.text


def test_folders_and_pipes_among_the_states_are_none_and_stay(states):
    """As a notebook's server makes them; a pipe would be waited for."""
    for name in (".ipynb_checkpoints", "000000009.safetensors"):
        (states.folder / name).mkdir()
    os.mkfifo(states.folder / "000000008.safetensors")
    states.remove_partial()
    assert states.load()[0] == 3
    states.save(4, state(4), {})
    assert states.load()[0] == 4 and len(list(states.folder.iterdir())) == 5


def test_an_intact_state_that_lacks_what_it_must_hold_is_passed_over(states, caplog):
    """As of another version that has the same fingerprint; the one before it is used, and of none it is said."""
    states.save(4, state(4), {})  # without a history
    taken = []
    assert states.restore(lambda saved: taken.append((saved[0], saved[2]["history"]))) and taken == [(3, [3])]
    assert "the saved state after 4 lacks what it must hold (KeyError: 'history')" in caplog.text
    with pytest.raises(UserError, match=r"not what was saved there \(KeyError: 'rows'\): move that folder away"):
        states.restore(lambda saved: saved[2]["rows"])
    assert not StateFolder(states.parent, "b" * 16).restore(taken.append)


def test_nothing_to_go_on_from(tmp_path):
    assert StateFolder(tmp_path / "absent", "a" * 16).load() is None


def test_states_of_the_last_few_other_experiments_are_kept_and_other_files_too(states, tmp_path):
    (tmp_path / "notes").mkdir()
    others = [StateFolder(tmp_path, digit * 16) for digit in "bcdef"]
    for age, other in enumerate(others):
        other.save(1, state(1), {})
        os.utime(other.folder, (10**9 - age, 10**9 - age))
    states.remove_old_experiments()
    assert states.load()[0] == 3 and (tmp_path / "notes").exists()
    assert [other.folder.exists() for other in others] == [True, True, True, False, False]


def test_half_written_files_of_a_killed_job_are_removed(states):
    (states.folder / ".000000009.safetensors.x7").write_bytes(b"half")
    states.remove_partial()
    assert sorted(file.name for file in states.folder.iterdir()) == ["000000002.safetensors", "000000003.safetensors"]


def test_a_damaged_state_does_not_take_the_place_of_a_sound_one(states):
    alter(states.folder / "000000003.safetensors")
    step, tensors, record = states.load()
    states.save(step, tensors, record)
    assert [file.name for file in states.folder.iterdir()] == ["000000002.safetensors"]


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


CODE = """
def f(x):
    if x < 0:
        raise ValueError("too small")
    return x + 1
"""
THE_SAME = {
    "a comment": CODE + "# more\n",
    "a docstring": CODE.replace("    return", '    """What it does."""\n    return'),
    "the module's docstring": '"""What it is for."""\n' + CODE,
    "a word of an error": CODE.replace("too", "far too"),
    "a word of an error with a value in it": CODE.replace('"too small"', 'f"{x} is too small"'),
    "a line of the log": CODE.replace("    return", '    logger.info("adding to %s", x)\n    return'),
    "annotations": CODE.replace("(x)", "(x: int, /) -> int").replace(", /", ""),
    "the layout": CODE.replace("x + 1", "(x\n            + 1)"),
}
ANOTHER = {
    "a number": CODE.replace("1", "2"),
    "when an error is raised": CODE.replace("< 0", "<= 0"),
    "which error is raised": CODE.replace("ValueError", "KeyError"),
    "a default": CODE.replace("(x)", "(x=1)"),
    "a call that is no logger's": CODE.replace("    return", "    change(x)\n    return"),
    "a string": CODE.replace("1", "'1'"),
    "a name": CODE.replace("x", "y"),
    "a step more": CODE + "f(1)\n",
}


@pytest.mark.parametrize("change", [*THE_SAME, *ANOTHER])
def test_comments_and_docstrings_make_no_other_experiment(tmp_path, change):
    file = tmp_path / "code.py"
    file.write_text(CODE)
    before = fingerprint([file], {})
    file.write_text((THE_SAME | ANOTHER)[change])
    assert (fingerprint([file], {}) == before) == (change in THE_SAME)


def test_modules_that_only_speak_to_the_user_make_no_other_experiment(tmp_path):
    def name():
        files = [str(tmp_path / "engine" / module) for module in ("disk.py", "device.py")]
        snakemake = SimpleNamespace(scriptdir=str(tmp_path), input=files, params={"seed": 1})
        return experiment(snakemake, "train.py", CPU)

    (tmp_path / "engine").mkdir()
    for file in ("train.py", "engine/disk.py", "engine/device.py"):
        (tmp_path / file).write_text(CODE)
    before = name()
    (tmp_path / "engine/disk.py").write_text(CODE.replace("1", "2"))
    assert name() == before
    (tmp_path / "engine/device.py").write_text(CODE.replace("1", "2"))
    assert name() != before


def counting(calls):
    def process(indices, batch_size):
        for first in range(0, len(indices), batch_size):
            batch = torch.tensor(indices[first : first + batch_size]).float()
            for t in (1, 0):
                calls.append((t, batch.tolist()))
                yield t, batch * 10 ** (1 - t)

    return process


def test_batches_are_saved_as_they_finish(tmp_path):
    states, calls = StateFolder(tmp_path, "a" * 16), []

    def stopped(indices, batch_size):
        for t, x in counting(calls)(indices, batch_size):
            if t == 1 and 6 in x:  # in the middle of the last batch
                raise KeyboardInterrupt
            yield t, x

    with pytest.raises(KeyboardInterrupt):
        collect(stopped, range(7), 2, 2, states)
    assert states.load()[0] == 6
    calls.clear()
    assert collect(counting(calls), range(7), 2, 2, states).tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert calls == [(1, [6.0]), (0, [6.0])]
    calls.clear()
    assert collect(counting(calls), range(7), 2, 2, states).tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert calls == []


def test_many_samples_are_not_written_again_after_every_batch(tmp_path, monkeypatch):
    """Of a saving that takes as long as a batch, one in SAVING batches; and at the end."""
    states, saved, clock = StateFolder(tmp_path, "a" * 16), [], iter(range(10**6))
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: next(clock) / 3)  # three readings a batch with a saving
    monkeypatch.setattr(states, "save", lambda step, *_: saved.append(step))
    ends = collect(counting([]), range(200), 1, 2, states)
    assert len(ends) == 200 and saved[0] == 1 and saved[-1] == 200 and len(saved) < 40
