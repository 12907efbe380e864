"""Files: nothing that is not finite, damage told with the file's name, and the mode that the umask says."""

import errno
import math
import os
import stat

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine import files
from engine.checkpoints import StateFolder
from engine.errors import UserError
from engine.files import read_json, reading, write_atomically, write_json
from engine.tensors import read_tensors, write_tensors


def test_json_comes_back(tmp_path):
    content = {"a": [1, 2.5, None, True, "é"], "b": {}}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    write_json(tmp_path / "a.json", {"half a pair": "\ud800"})
    assert read_json(tmp_path / "a.json") == {"half a pair": "\ud800"}


@pytest.mark.parametrize(
    "content, address",
    [
        ({"pde": {"drift": math.nan}}, "pde.drift is nan"),
        ({"a": [1.0, {"b": math.inf}]}, "a.1.b is inf"),
        ({"a": (-math.inf,)}, "a.0 is -inf"),
    ],
)
def test_a_record_with_a_number_that_is_not_finite_is_not_written(tmp_path, content, address):
    with pytest.raises(UserError, match=rf"record\.json was not written, since its number {address}"):
        write_json(tmp_path / "record.json", content)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": NaN}', b"[Infinity]", b"\xff\xfe", b"\0" * 40, b"[" * 10**5])
def test_damaged_json_is_told_with_its_name(tmp_path, content):
    (tmp_path / "record.json").write_bytes(content)
    with pytest.raises(UserError, match=r"record\.json is damaged, or is not JSON"):
        read_json(tmp_path / "record.json")


def test_errors_of_the_disk_and_sentences_pass_unchanged(tmp_path):
    for error in (OSError(28, "No space left on device"), UserError("a sentence"), MemoryError()):
        with pytest.raises(type(error)) as raised, reading("file", "a table"):
            raise error
        assert raised.value is error


def test_tensors_come_back(tmp_path):
    there = {"w": torch.randn(3, 4).t(), "n": torch.tensor(7), "half": torch.ones(2, dtype=torch.bfloat16)}
    write_tensors(tmp_path / "w.safetensors", there)
    for back in (load_file(tmp_path / "w.safetensors"), read_tensors(tmp_path / "w.safetensors")):
        assert back.keys() == there.keys() and all(torch.equal(value, there[name]) for name, value in back.items())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_tensors_that_are_not_finite_are_neither_written_nor_read(tmp_path, value):
    bad = {"good": torch.zeros(2), "bad": torch.tensor([0.0, value])}
    with pytest.raises(UserError, match=r"bad holds NaN or infinity"):
        write_tensors(tmp_path / "w.safetensors", bad)
    assert list(tmp_path.iterdir()) == []
    save_file(bad, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"the weights in .*w\.safetensors are not finite \(bad holds"):
        read_tensors(tmp_path / "w.safetensors")


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 200, b"\xff" * 9])
def test_what_is_no_safetensors_file_is_told_with_its_name(tmp_path, content):
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"w\.safetensors is not a safetensors file, or is damaged"):
        read_tensors(tmp_path / "w.safetensors")


def test_a_full_disk_is_an_error_of_the_disk(monkeypatch):
    """/dev/full answers each write as a full disk does."""
    with pytest.raises(OSError, match="No space left"):
        write_tensors("/dev/full", {"w": torch.zeros(9)})


def test_no_script_writes_tensors_in_another_way():
    """The library's own function reports a full disk as an error that is no OSError."""
    from conftest import ROOT

    for file in (ROOT / "workflow").rglob("*.py"):
        assert "save_file" not in file.read_text(encoding="utf-8").replace("`save_file`", ""), file.name


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600), (0o027, 0o640)])
def test_files_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "atomic", b"x")
        write_atomically(tmp_path / "atomic", b"y")
        write_json(tmp_path / "json", {})
        write_tensors(tmp_path / "tensors", {"w": torch.zeros(2)})
        StateFolder(tmp_path, "a" * 16).save(1, {"w": torch.zeros(2)}, {})
    finally:
        os.umask(before)
    files = ["atomic", "json", "tensors", f"{'a' * 16}/000000001.safetensors"]
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in files] == [mode] * 4
    assert (tmp_path / "atomic").read_bytes() == b"y" and len(list(tmp_path.iterdir())) == 4


def test_a_link_goes_on_leading_to_the_file(tmp_path):
    (tmp_path / "link").symlink_to("file")
    for content in (b"first", b"second"):
        write_atomically(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == content
    assert {file.name for file in tmp_path.iterdir()} == {"link", "file"}


def test_what_is_no_file_stays_what_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, b"content")
    assert os.read(reader, 100) == b"content" and pipe.is_fifo()
    os.close(reader)
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        write_atomically(tmp_path, b"content")


def test_what_a_killed_job_left_is_removed_and_what_others_left_is_not(tmp_path):
    """Vim keeps unsaved changes of `claims.json` in `.claims.json.swp`."""
    others = {".claims.json.swp", ".claims.json.un~", ".claims.json.backup12", ".other.json.01234567"}
    for name in (*others, ".claims.json.0123abcd"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / ".claims.json.0123abce").mkdir()
    os.utime(tmp_path / ".claims.json.0123abce", (0, 0))
    (tmp_path / ".claims.json.76543210").touch()  # young: another may be writing it
    write_json(tmp_path / "claims.json", {})
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"claims.json", ".claims.json.76543210", ".claims.json.0123abce", *others}


def test_a_file_that_cannot_be_made_is_named_by_its_own_name(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, "Read-only file system", "a temporary")

    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(OSError, match="Read-only") as raised:
        write_atomically(tmp_path / "claims.json", b"x")
    assert raised.value.filename == str(tmp_path / "claims.json")
