"""Files have the mode that the user's umask says, so that a group can share them."""

import os
import stat

import pytest

from engine.files import write_atomically, write_json


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600), (0o027, 0o640)])
def test_files_follow_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "atomic", b"x")
        write_atomically(tmp_path / "atomic", b"y")
        write_json(tmp_path / "json", {})
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("atomic", "json")] == [mode, mode]
    assert (tmp_path / "atomic").read_bytes() == b"y" and len(list(tmp_path.iterdir())) == 2
