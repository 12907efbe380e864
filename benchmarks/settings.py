"""The settings of a preset, as Snakemake has them."""

from pathlib import Path

import yaml
from snakemake.utils import update_config

from benchmarks import ROOT


def settings(preset: str) -> dict:
    """config.yaml with a preset of presets/, or a file of one's own, laid over it; `paper` is config.yaml itself."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    if preset == "paper":
        return config
    file = Path(preset) if preset.endswith((".yaml", ".yml")) else ROOT / "presets" / f"{preset}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(["paper", *(known.stem for known in (ROOT / "presets").glob("*.yaml"))]))
        raise SystemExit(f"there is no preset {preset}: name one of {known}, or a file that ends in .yaml")
    update_config(config, yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    return config
