"""The files that a run's data come from: their addresses, sizes and sums."""

from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files

from publishing.sources import fingerprints


def test_archives_are_named_by_the_address_that_they_come_from(tmp_path):
    for name, content in (("a.gz", b"first"), ("b.gz", b"")):
        (tmp_path / name).write_bytes(content)
    first, second = fingerprints("mnist", [tmp_path / "a.gz", str(tmp_path / "b.gz")])
    assert first["url"].startswith("https://") and first["url"].endswith("/a.gz") and second["url"].endswith("/b.gz")
    assert (first["bytes"], first["sha256"]) == (5, sha256(b"first").hexdigest())
    assert (second["bytes"], second["sha256"]) == (0, sha256(b"").hexdigest())


def test_the_digits_are_those_of_the_installed_scikit_learn():
    [digits] = fingerprints("digits", [])
    content = (files("sklearn.datasets.data") / "digits.csv.gz").read_bytes()
    assert (digits["bytes"], digits["sha256"]) == (len(content), sha256(content).hexdigest())
    assert f"/{version('scikit-learn')}/" in digits["url"] and digits["url"].endswith("/digits.csv.gz")
