"""What a JSON schema does not allow in a YAML document, in sentences: for the settings and for the ledger of claims."""

import difflib
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from engine.privacy import public_value


def _is_number(_: object, value: object) -> bool:
    """JSON has neither NaN nor infinity; YAML has both, and they pass every bound."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_whole(_: object, value: object) -> bool:
    """8.0 is whole too."""
    return _is_number(_, value) and value == int(cast(float, value))


def _matches(_: object, pattern: str, value: object, __: object) -> Iterator[ValidationError]:
    """A pattern is for the whole text: Python's `$` lets a line break follow."""
    if isinstance(value, str) and not re.fullmatch(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


Validator = validators.extend(
    Draft202012Validator,
    {"pattern": _matches},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many({"number": _is_number, "integer": _is_whole}),
)

Address = Sequence[str | int]
"""Where a value stands: the keys, and in a list the index, that lead to it; empty for the whole document."""


def dotted(address: Address) -> str:
    """'ddpm.adam_decays.1' for the address (ddpm, adam_decays, 1)."""
    return ".".join(map(str, address))


def described(schema: dict[str, Any], address: Address) -> str:
    """What the schema says of the value at an address of keys; empty if it says nothing."""
    for key in address:
        schema = schema.get("properties", {}).get(key, {})
    return schema.get("description", "")


def schema_errors(
    document: object,
    schema: dict[str, Any],
    name: Callable[[Address], str] = dotted,
    root: str = "the file",
    advice: str = "write 1.0e-4 for 1e-4",
) -> list[str]:
    """One sentence for each value that the schema does not allow, each unknown key and each missing one.

    `name` turns the address of a value into what a reader calls it, `root` is the whole document's name, and `advice`
    is for a number that was read as text.
    """

    def called(address: Address) -> str:
        return name(address) if address else root

    def sentences(error: ValidationError) -> list[str]:
        address, value, rule = list(error.absolute_path), error.instance, cast("dict[str, Any]", error.schema)
        if error.validator == "additionalProperties":
            known = rule.get("properties", {})
            unknown = [key for key in cast("dict[str, Any]", value) if key not in known]
            return [f"{name([*address, key])} is not a known key{_hint(key, known)}" for key in unknown]
        wanted = rule.get("description")
        if not wanted and address and isinstance(address[-1], int):  # an entry of a list, described with the list
            wanted = described(schema, address[:-1])
        if not (address and wanted) or isinstance(value, dict):
            return [f"{called(address)}: {public_value(error.message)}"]
        text = isinstance(value, str) and error.validator == "type" and error.validator_value in ("number", "integer")
        hint = f". It was read as text: {advice}" if text else ""
        return [f"{called(address)} is {public_value(repr(value))}, but must be {wanted}{hint}"]

    if huge := [called(address) for address, value in _leaves(document) if _is_endless(value)]:
        return [f"{name} is a whole number of thousands of digits" for name in huge]
    found = [sentence for error in Validator(schema).iter_errors(document) for sentence in sentences(error)]
    return list(dict.fromkeys(found))  # a value may break two rules and have one description


def _leaves(value: object, address: Address = ()) -> Iterator[tuple[Address, object]]:
    """What a document holds that is neither a mapping nor a list, each with its address."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if parts is None:
        yield address, value
    else:
        for key, part in parts:
            yield from _leaves(part, [*address, key])


def _is_endless(value: object) -> bool:
    """Whether Python may refuse to print it."""
    return isinstance(value, int) and value.bit_length() > 10_000


def _hint(key: object, known: dict[str, Any]) -> str:
    near = difflib.get_close_matches(str(key), known, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; the keys here are {', '.join(known)}"
