"""Files of settings: what is wrong with one, told before Snakemake reads it, which would end in a traceback, or take
the last of several values without a word.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from engine.errors import UserError

DEPTH = 8
"""Settings have three levels; an alias that is named twice at each of many would be copied without end."""


def unreadable(files: Iterable[str | Path]) -> str:
    """One sentence on the first of these files that cannot be used: it is not there, no text in UTF-8, no YAML, or has
    a key twice. Else empty.
    """
    for file in files:
        if Path(file).exists() and not Path(file).is_file():
            return f"{file} is no file of settings, but a folder, a pipe or a device: write the settings into a file"
        try:
            text = Path(file).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return f"{file} is not text in UTF-8: save it in this encoding, which editors let you choose"
        except OSError as error:
            return f"the file of settings {file} cannot be read ({error.strerror}): name one that is there"
        try:
            if not isinstance(_read(text), dict):
                return f"{file} holds no settings, as `seed: 1`: write some, or leave it out"
        except yaml.MarkedYAMLError as error:
            line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
            return f"{file}{line}: {error.problem}: it must be one document of YAML, with each key once"
        except RecursionError:
            return f"{file} has values within values without end: a section holds settings, and they numbers or texts"
        except (yaml.YAMLError, ValueError) as error:  # signs that YAML forbids; impossible dates and numbers
            return f"{file}: {' '.join(str(error).split())}: it must be one document of YAML, with each key once"
    return ""


def load(file: Path) -> dict[str, Any]:
    """The content of a YAML file of this repository. Raises UserError, which names it, if it is left unusable, as by a
    merge.
    """
    with suppress(OSError, ValueError, yaml.YAMLError):
        if isinstance(content := yaml.safe_load(file.read_text(encoding="utf-8")), dict):
            return content
    raise UserError(unreadable([file]) or f"{file} cannot be read as YAML: restore it")


def _read(text: str) -> Any:
    """As Snakemake: JSON if it can be, which may have tabs where YAML has not."""
    try:
        content = json.loads(text, object_pairs_hook=_once_each)
    except json.JSONDecodeError:
        content = yaml.load(text, _OnceEach)  # a SafeLoader
    _walk(content)
    return content


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise yaml.MarkedYAMLError(problem=f"{next(key for key in keys if keys.count(key) > 1)!r} is there twice")
    return found


class _OnceEach(yaml.SafeLoader):
    """YAML demands that the keys of a mapping differ; PyYAML takes the last of equal ones."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in seen:
                    raise yaml.MarkedYAMLError(problem=f"{key.value!r} is there twice", problem_mark=key.start_mark)
                seen.add((key.tag, key.value))
        return node


def _walk(value: Any, depth: int = 0) -> None:
    """Raises RecursionError for a value that holds itself, or others deeper than DEPTH."""
    if depth > DEPTH:
        raise RecursionError
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _walk(one, depth + 1)
