"""Snakemake's arguments, as its users mean them."""

import os
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from engine import settings_files
from engine.errors import UserError


def is_dry(arguments: Iterable[str]) -> bool:
    """Whether Snakemake only says what it would do; -n may stand among other options of one letter, and a long option
    may be cut short.
    """
    one = re.compile(r"-[npFfkq]*n[npFfkq]*|--dry[a-z-]*|(-e|--exe[a-z]*=)dryrun")
    words = list(arguments)
    executors = [word for option, word in pairwise(words) if re.fullmatch("-e|--exe[a-z]*", option)]
    return "dryrun" in executors or any(map(one.fullmatch, words))


def _holds_settings(file: str) -> bool:
    """Whether a word after --configfile means a file of settings, and not a target: a rule, or a result, which may be
    JSON too.
    """
    if file.lower().endswith((".yaml", ".yml")):
        return True
    is_result = Path("results") in Path(os.path.relpath(file)).parents
    return not is_result and (file.endswith(".json") or (Path(file).is_file() and not Path(file).suffix))


def arranged(arguments: Sequence[str]) -> list[str]:
    """Snakemake's arguments with all files of settings and all single settings together, since of several options
    --configfile, or --config, it takes the last one alone; and with what these would swallow, a target, at the end.

    Raises UserError for a file of settings that cannot be used, for an option without its value, and for a section that
    single settings have twice.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    lists: dict[str, list[str]] = {"--configfile": [], "--config": []}
    names = {"--configfile": "--configfile", "--configfiles": "--configfile", "--config": "--config", "-C": "--config"}
    others, targets, current = [], [], ""
    values: list[int] = []  # of each of these options, how many it has
    for argument in arguments[:end]:
        option, _, value = argument.partition("=") if argument.startswith("--") else (argument[:2], "", argument[2:])
        if argument.startswith("-"):
            current = names.get(option, "")
            if not current:
                others.append(argument)
            else:
                lists[current] += [value] if value else []
                values.append(1 if value else 0)
        elif (current == "--configfile" and values[-1] and not _holds_settings(argument)) or (
            current == "--config" and "=" not in argument
        ):
            targets.append(argument)
        elif current:
            lists[current].append(argument)
            values[-1] += 1
        elif others and others[-1] in ("-f", "-F", "--force", "--forceall"):  # these take no value
            targets.append(argument)
        else:
            others.append(argument)
    if not all(values):
        raise UserError("--configfile, or --config, has no value: write --configfile mine.yaml, or --config seed=1")
    if sentence := settings_files.unreadable(lists["--configfile"]):
        raise UserError(sentence)
    keys = [setting.partition("=")[0] for setting in lists["--config"]]
    if twice := [key for key in keys if keys.count(key) > 1]:
        raise UserError(
            f"--config has {twice[0]} twice, of which Snakemake would take the last (MNIST= sets execution too): put "
            "one of them into a file, for --configfile"
        )
    of_settings = [word for option, given in lists.items() if given for word in (option, *given)]
    rest = [*targets, *(argument for argument in arguments[end + 1 :] if argument != "--")]
    return [*others, *of_settings, *(["--", *rest] if rest else [])]
