"""Snakemake's arguments: all files of settings and all single settings are given, and what is wrong is told."""

import pytest

from engine.arguments import arranged, is_dry
from engine.errors import UserError


@pytest.mark.parametrize(
    "given, expected",
    [
        ("-n", "-n"),
        ("--configfile a.yaml b.yaml --config x=1 -- all", "--configfile a.yaml b.yaml --config x=1 -- all"),
        ("--configfile a.yaml --configfile b.yaml -n", "-n --configfile a.yaml b.yaml"),
        ("--config x=1 --config y=2 -- fetch", "--config x=1 y=2 -- fetch"),
        ("--configfile=a.yaml --configfiles b.yaml -C x=1", "--configfile a.yaml b.yaml --config x=1"),
        ("-n -Cx=1 --config y=2", "-n --config x=1 y=2"),
        ("-j4 -np --configfile a.yaml", "-j4 -np --configfile a.yaml"),
        ("--configfile a.yaml fetch", "--configfile a.yaml -- fetch"),
        ("--configfile a.yaml --config x=1 fetch -n -- all", "-n --configfile a.yaml --config x=1 -- fetch all"),
        ("--cores 2 --forcerun solve_pde -- a.png", "--cores 2 --forcerun solve_pde -- a.png"),
        ("-- a -- b", "-- a b"),
        ("--configfile a.yaml -f results/x/fig7.pdf -- b", "-f --configfile a.yaml -- results/x/fig7.pdf b"),
        ("--configfile a.yaml results/x/fig7.pdf", "--configfile a.yaml -- results/x/fig7.pdf"),
        ("--configfile a.yaml ./results/x/claims.json", "--configfile a.yaml -- ./results/x/claims.json"),
        ("--configfile a.yaml results/x-5.yaml all", "--configfile a.yaml results/x-5.yaml -- all"),
        ("--configfile a.yaml mine", "--configfile a.yaml mine"),
        ("--configfile a.yaml weights/README.md", "--configfile a.yaml -- weights/README.md"),
        ("--configfile a.yaml results", "--configfile a.yaml -- results"),
        ("--configfile a.yaml {}/results/x/claims.json", "--configfile a.yaml -- {}/results/x/claims.json"),
    ],
)
def test_several_files_of_settings_and_single_ones_are_all_given(tmp_path, monkeypatch, given, expected):
    """Of `make laptop MNIST=... ARGS="--configfile mine.yaml"` Snakemake would take the last file alone."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "a.yaml",
        "b.yaml",
        "mine",
        "weights/README.md",
        "results/x/fig7.pdf",
        "results/x/claims.json",
        "results/x-5.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("seed: 1")
    assert arranged(given.format(tmp_path).split()) == expected.format(tmp_path).split()


@pytest.mark.parametrize(
    "given, said",
    [
        ("--configfile none.yaml", r"the file of settings none\.yaml cannot be read \(No such file"),
        ("--configfile .", r"\. is no file of settings, but a folder"),
        ("--config x=1 --config x=2", "--config has x twice"),
        ("--configfile", r"--configfile, or --config, has no value: write --configfile mine\.yaml"),
        ("--config -n -- fetch", "has no value"),
        ("-n --configfiles fetch", "the file of settings fetch cannot be read"),
        ("--configfile presets/TINY", "the file of settings presets/TINY cannot be read"),
        ("--configfile a.yaml B.YAML", "the file of settings B.YAML cannot be read"),
        ("--config= -n", "has no value"),
        ("--configfile a.yaml -n --configfile", "has no value"),
        ("--config x=1 --config fetch", "has no value"),
    ],
)
def test_arguments_that_snakemake_would_stumble_over_are_told(tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("seed: 1")
    with pytest.raises(UserError, match=said):
        arranged(given.split())


def test_a_dry_run_is_known_in_every_form():
    for dry in (
        "-n",
        "-np",
        "-pn",
        "--dry-run",
        "--dryrun",
        "--dry",
        "-e dryrun",
        "--executor=dryrun",
        "--exec dryrun",
    ):
        assert is_dry(["--configfile", "n.yaml", *dry.split()])
    assert not is_dry(["--configfile", "n.yaml", "--nolock", "--cores", "2", "-j4", "--config", "x=-n", "-e", "slurm"])
    assert not is_dry(["-Rnoise_image", "-sSnakefile", "-cuni", "-C", "agent=me -n you", "-e", "slurm", "dryrun"])
