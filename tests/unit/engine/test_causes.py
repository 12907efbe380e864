import os
import resource

import pytest

from engine import causes
from engine.causes import FILES, hindrances, loading, of_silence, too_few_files

DIED = "CalledProcessError in file pde.smk, line 29:\nCommand 'python tmp.solve_pde.py' died with <Signals.{}: 9>.\n"


@pytest.fixture(autouse=True)
def environment():
    """The environment as it was, since loading() changes it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def limited(monkeypatch, **limits):
    """A shell with these limits, and no other."""
    names = {getattr(resource, name): value for name, value in limits.items()}
    infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(
        causes.resource, "getrlimit", lambda name: (names[name], names[name]) if name in names else infinite
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("libz.so.1: file too short"), "libz.so.1: file too short"),
        (ModuleNotFoundError("No module named 'numpy'"), "No module named 'numpy'"),
        (MemoryError(), "MemoryError"),
        (OSError("libtorch.so: failed to map segment"), "failed to map segment"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_one_sentence(monkeypatch, error, said):
    limited(monkeypatch)
    for name in ("LD_LIBRARY_PATH", "LD_PRELOAD"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as stopped, loading():
        raise error
    assert said in str(stopped.value) and "remove .venv" in str(stopped.value) and "\n" not in str(stopped.value)


def test_of_a_chain_of_errors_the_first_is_told():
    with pytest.raises(SystemExit, match=r"loaded \(libstdc\+\+\.so\.6: no such symbol\)"), loading():
        try:
            raise ImportError("libstdc++.so.6: no such symbol")
        except ImportError as cause:
            raise ImportError("\n\nIMPORTANT: PLEASE READ THIS\n\n") from cause


def test_a_package_that_is_not_there_is_no_fault_of_the_users_libraries(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/modules/lib")
    with pytest.raises(SystemExit, match=r"named .yaml..*install what is missing"), loading():
        raise ModuleNotFoundError("No module named 'yaml'")
    with pytest.raises(SystemExit, match="env -u LD_LIBRARY_PATH"), loading():
        raise ImportError("libz.so.1: file too short")


def test_packages_that_do_not_fit_one_another_are_told_and_our_own_errors_are_not(tmp_path, monkeypatch):
    (tmp_path / "a_foreign_package.py").write_text("raise ValueError('numpy.dtype size changed')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SystemExit, match=r"numpy\.dtype size changed"), loading():
        import a_foreign_package  # noqa: F401
    with pytest.raises(ValueError, match="ours"), loading():
        raise ValueError("ours")


def test_imports_find_no_setting_that_a_package_would_stop_at(monkeypatch):
    monkeypatch.setenv("NUMPY_MADVISE_HUGEPAGE", "x")
    with loading():
        assert "NUMPY_MADVISE_HUGEPAGE" not in os.environ


def test_ctrl_c_during_imports_is_no_traceback():
    with pytest.raises(SystemExit) as stopped, loading():
        raise KeyboardInterrupt
    assert stopped.value.code == 130


def test_libraries_of_the_users_and_limits_of_the_shell_are_named(monkeypatch):
    limited(monkeypatch, RLIMIT_AS=2 * causes.GIGABYTE)
    libraries, memory = hindrances({"LD_LIBRARY_PATH": "/opt/old/lib", "PATH": "/bin"})
    assert "LD_LIBRARY_PATH is set (/opt/old/lib)" in libraries and "env -u LD_LIBRARY_PATH" in libraries
    assert "2.0 GB" in memory
    limited(monkeypatch)
    assert hindrances({"PATH": "/bin", "LD_PRELOAD": ""}) == []


@pytest.mark.parametrize(
    ("allowed", "enough"), [(10, False), (FILES - 1, False), (FILES, True), (resource.RLIM_INFINITY, True)]
)
def test_too_few_open_files_are_told(monkeypatch, allowed, enough):
    limited(monkeypatch, RLIMIT_NOFILE=allowed)
    assert (not too_few_files()) is enough and (enough or str(allowed) in too_few_files())


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("SIGKILL", "memory"),
        ("SIGXCPU", "ulimit -t"),
        ("SIGTERM", "asked to"),
        ("SIGILL", "processor"),
        ("SIGBUS", "disk"),
    ],
)
def test_a_job_that_a_signal_ended_has_a_sentence(monkeypatch, name, word):
    monkeypatch.setattr(causes, "hindrances", list)
    (sentence,) = of_silence(DIED.format(name) * 3)
    assert word in sentence


def test_a_job_that_told_why_it_failed_gets_no_other_reason(monkeypatch):
    monkeypatch.setattr(causes, "hindrances", list)
    assert of_silence("Command 'python tmp.py' returned non-zero exit status 1.\n") == []


def test_packages_are_tried_where_something_hinders(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/old/lib")
    monkeypatch.setattr(causes, "PACKAGES", "import json")
    assert of_silence("") == []
    monkeypatch.setattr(causes, "PACKAGES", "raise ImportError('libgomp.so.1: file too short')")
    (sentence,) = of_silence("")
    assert "libgomp.so.1: file too short" in sentence and "/opt/old/lib" in sentence
    monkeypatch.setattr(causes, "PACKAGES", "import a_package_of_the_jobs_own_environment")
    assert of_silence("") == []


def test_packages_are_not_tried_where_nothing_hinders(monkeypatch):
    monkeypatch.setattr(causes, "hindrances", list)
    monkeypatch.setattr(causes, "PACKAGES", "raise ImportError")
    assert of_silence("") == []
