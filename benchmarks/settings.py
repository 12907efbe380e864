"""The settings of a preset, as Snakemake has them."""

from pathlib import Path

from snakemake.utils import update_config

from benchmarks import ROOT
from diffusion.sources import training_images
from engine.settings import declare, errors
from engine.settings_files import load, unreadable


def settings(preset: str) -> dict:
    """config.yaml with a preset of presets/, or a file of one's own, laid over it; `paper` is config.yaml itself. What
    cannot be used ends the program in a sentence.
    """
    file = ROOT / "presets" / f"{preset}.yaml"
    if preset.endswith((".yaml", ".yml")):
        file = Path(preset)
    if preset != "paper" and not file.is_file():
        known = ", ".join(sorted(["paper", *(known.stem for known in (ROOT / "presets").glob("*.yaml"))]))
        raise SystemExit(f"there is no preset {preset}: name one of {known}, or a file that ends in .yaml")
    files = [ROOT / "config.yaml", *([file] if preset != "paper" else [])]
    if sentence := unreadable(files):
        raise SystemExit(sentence)
    config: dict = {}
    for file in files:
        update_config(config, load(file))
    schema = load(ROOT / "workflow/schemas/config.schema.yaml")
    if found := errors(config, schema, training_images()):
        raise SystemExit(f"the settings of {' and '.join(map(str, files))} cannot be used:\n" + "\n".join(found))
    return declare(config, schema)
