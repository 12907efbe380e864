"""What is said of files of settings that Snakemake would misread, or end in a traceback on."""

import os

import pytest

from engine.settings_files import unreadable


def test_settings_in_another_encoding_are_named(tmp_path):
    sound, latin, wide = (tmp_path / f"{name}.yaml" for name in ("sound", "latin", "wide"))
    sound.write_text("agent: Zoë", encoding="utf-8")
    latin.write_text("agent: Zoë", encoding="latin-1")
    wide.write_text("agent: Zoë", encoding="utf-16")
    assert unreadable([str(sound)]) == ""
    missing, pipe = tmp_path / "missing.yaml", tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    assert f"settings {missing} cannot be read (No such file or directory)" in unreadable([str(sound), str(missing)])
    for file in (tmp_path, pipe):
        assert unreadable([str(sound), str(file)]).startswith(f"{file} is no file of settings, but a folder, a pipe")
    for file in (latin, wide):
        assert unreadable([str(sound), str(file)]).startswith(f"{file} is not text in UTF-8: save it")


@pytest.mark.parametrize(
    "text, said",
    [
        (
            "seed: 1\nagent: x\nseed: 2\n",
            ", line 3: 'seed' is there twice: it must be one document of YAML, with each key once",
        ),
        ("ddpm: {T: 20}\nddpm: {channels: 32}\n", ", line 2: 'ddpm' is there twice"),
        ("pde:\n  dt: 0.1\n  cells: 9\n  'dt': 0.2\n", ", line 4: 'dt' is there twice"),
        ('{"seed": 1, "pde": {"dt": 0.1, "dt": 0.2}}', ": 'dt' is there twice"),
        ("ddpm: &a {T: *a}\n", " has values within values without end: a section holds settings"),
        ("pde: {refinement: &a [16, *a]}\n", " has values within values without end"),
        ("seed: " + "[" * 5000 + "]" * 5000, " has values within values without end"),
        ("[" * 100_000, " has values within values without end"),
        ("seed: " + "9" * 5000, ": Exceeds the limit (4300 digits) for integer string conversion"),
        ("seed: 2025-13-45\n", ": month must be in 1..12"),
        ("seed: [1\n", ", line 2: expected ',' or ']'"),
        ("\tseed: 1\n", ", line 1: found character '\\t' that cannot start any token"),
        ("seed: \x07\n", ": unacceptable character #x0007"),
        ("seed: *unknown\n", ", line 1: found undefined alias 'unknown'"),
        ("seed: !!python/object/apply:os.getcwd []\n", ", line 1: could not determine a constructor for the tag"),
        ("? [1, 2]\n: 3\n", ", line 1: found unhashable key"),
        ("a: [&0 [1, 1], " + ", ".join(f"&{n} [*{n - 1}, *{n - 1}]" for n in range(1, 60)) + "]", " has values within"),
        ("", " holds no settings, as `seed: 1`: write some, or leave it out"),
        ("# nothing\n", " holds no settings"),
        ("- seed\n", " holds no settings"),
        ("[]", " holds no settings"),
        ("seed: 1\n---\nseed: 2\n", ", line 2: but found another document"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path, text, said):
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    assert unreadable([file]).startswith(f"{file}{said}")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffseed: 1\n",
        "base: &base {T: 20}\nddpm:\n  <<: *base\n  T: 30\n",
        "a: {<<: [{x: 1}, {x: 2}]}\n",
        "base: &base {T: 20}\nouter: {inner: &a {<<: *base, T: 30}}\nb: {<<: *a}\n",
        '{\n\t"seed": 1\n}',
        "'1': a\n1: b\n",
        "a: &x [1]\nb: *x\nc: *x\n",
    ],
)
def test_a_file_that_can_be_used_is_left_alone(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    assert unreadable([file]) == ""
