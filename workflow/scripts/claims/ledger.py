"""The ledger of the paper's claims, joined with what a run measured: one verdict for each claim."""

import textwrap
from collections import Counter
from math import isfinite
from pathlib import Path

import yaml

from engine.errors import UserError
from engine.schemas import Address, schema_errors

CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE = VERDICTS = ("confirmed", "not confirmed", "not testable here")
CONDITIONS = {
    "at_most": (lambda value, bound: value <= bound, "at most {}"),
    "at_least": (lambda value, bound: value >= bound, "at least {}"),
    "between": (lambda value, bound: bound[0] <= value <= bound[1], "between {} and {}"),
    "equals": (lambda value, bound: value == bound, "equal to {}"),
}

Claim = dict
Records = dict[str, dict[str, dict]]
"""What a run measured: file name without its ending, then record, then the record's numbers."""


def read_ledger(file: Path | str, schema: Path | str) -> list[Claim]:
    """The claims of a ledger. Raises UserError with one sentence for each entry that violates the schema."""
    ledger, form = (yaml.safe_load(Path(path).read_text(encoding="utf-8")) for path in (file, schema))
    claims = ledger.get("claims", []) if isinstance(ledger, dict) else []

    def name(address: Address) -> str:
        """'claim leap, key holds' for the address claims, 5, holds."""
        if len(address) < 2:
            return f"key {address[0]}"
        index = int(address[1])
        number, entry = f"number {index + 1}", claims[index]
        claim = f"claim {entry.get('id', number) if isinstance(entry, dict) else number}"
        return ", key ".join([claim, *map(str, address[2:])])

    sentences = schema_errors(ledger, form, name, root="the ledger")
    ids = Counter(claim["id"] for claim in claims if isinstance(claim, dict) and "id" in claim)
    sentences += [f"claim {name}: {n} entries have this id; give each its own" for name, n in ids.items() if n > 1]
    if sentences:
        raise UserError(f"{file} cannot be used: " + "; ".join(sentences))
    return claims


def look_up(claim: str, measure: str, holds: dict, records: Records) -> tuple[dict, bool | None]:
    """A claim's record, and whether its condition holds: None if the run was too small to give the number.

    Raises UserError for a name that nothing measures, and for a number that is not finite.
    """
    file, name = measure.split(".")
    record = records.get(file, {}).get(name)
    if record is None:
        known = sorted(f"{file}.{name}" for file, content in records.items() for name in content)
        raise UserError(f"claim {claim}: nothing measures {measure!r}; there are {', '.join(known)}")
    ((field, condition),) = holds.items()
    if field not in record:
        raise UserError(f"claim {claim}: {measure} has no number {field!r}; it has {', '.join(record)}")
    ((kind, bound),) = condition.items()
    if isinstance(record[field], float) and not isfinite(record[field]):
        raise UserError(f"claim {claim}: {measure} has {record[field]} for {field!r}, and no verdict is given on that")
    return record, None if record[field] is None else bool(CONDITIONS[kind][0](record[field], bound))


def threshold(holds: dict) -> str:
    """A condition as printed, for instance 'p value at least 0.01', or 'share, lower end, at least 0.5'."""
    ((field, condition),) = holds.items()
    ((kind, bound),) = condition.items()
    name = field.replace("_low", ", lower end,").replace("_high", ", upper end,").replace("_", " ")
    if isinstance(bound, bool):
        return name if bound else f"not {name}"
    bounds = [f"{b:,}" if isinstance(b, int) else f"{b:g}" for b in (bound if kind == "between" else [bound])]
    return f"{name} {CONDITIONS[kind][1].format(*bounds)}"


def fill(claim: str, sentence: str, record: dict) -> str:
    """The record's numbers put into a sentence of the ledger."""
    try:
        return sentence.format_map(record)
    except (KeyError, ValueError, TypeError, IndexError) as reason:
        raise UserError(f"claim {claim}: the sentence {sentence!r} cannot be filled in: {reason!r}") from None


def judge(claim: Claim, records: Records, data: str) -> dict:
    """One row of the table: the claim, its value in this run, its verdict, and the sentence that argues it.

    `data` is the run's source of images: a claim on MNIST gets no verdict from a run on other images.
    """
    row = {key: claim[key] for key in ("id", "place", "statement", "kind", "test")}

    def not_testable(reason: str, value: str = "not measured") -> dict:
        return row | {"value": value, "verdict": NOT_TESTABLE, "detail": reason}

    if "untestable" in claim:
        row |= {"threshold": "none", "why": "Nothing is measured."}
        return not_testable(claim["untestable"])
    row |= {"threshold": threshold(claim["holds"]), "why": claim["why"]}
    if needs := claim.get("needs"):
        record, fit = look_up(claim["id"], needs["measure"], needs["holds"], records)
        if not fit:
            return not_testable(fill(claim["id"], needs["otherwise"], record))
    record, holds = look_up(claim["id"], claim["measure"], claim["holds"], records)
    if holds is None:
        return not_testable("This run is too small to measure it.")
    value = fill(claim["id"], claim["shown"], record)
    detail = fill(claim["id"], claim["argument" if holds else "otherwise"], record)
    if claim["data"] == "mnist" and data != "mnist":
        reason = "The statement is about MNIST, and this run's images are scikit-learn's 8×8 digits. On these: "
        return not_testable(reason + detail, value)
    return row | {"value": value, "verdict": CONFIRMED if holds else NOT_CONFIRMED, "detail": detail}


def training_sentence(records: Records) -> str:
    """What the run's training was, in one sentence."""
    sentence = (
        "The network has {parameters:,} parameters; it saw {image_visits:,} images in {minutes:.0f} min on {device}."
    )
    return sentence.format_map(records["network"]["training"])


def judge_all(claims: list[Claim], records: Records, preset: str, data: str, demo_note: str, training: str) -> dict:
    """The whole table with its counts, as claims.json holds it; `training` says what the run's training was."""
    rows = [judge(claim, records, data) for claim in claims]
    counts = Counter(row["verdict"] for row in rows)
    return {
        "preset": preset,
        "data": data,
        "demo_note": demo_note,
        "training": training,
        "counts": {verdict: counts[verdict] for verdict in VERDICTS},
        "claims": rows,
    }


def failed_algebra(table: dict) -> list[str]:
    """The claims of algebra that are not confirmed: these are errors, all other such claims are results."""
    return [row["id"] for row in table["claims"] if row["kind"] == "algebra" and row["verdict"] != CONFIRMED]


def as_text(table: dict, width: int) -> str:
    """The table for a terminal of `width` columns: for each claim its verdict, the value and the argument."""
    marks = {CONFIRMED: "yes", NOT_CONFIRMED: "NO", NOT_TESTABLE: "-"}
    lines = []
    for row in table["claims"]:
        lines += [f"{marks[row['verdict']]:>3}  {row['id']} ({row['kind']}; {row['place']})"]
        for text in (row["statement"], f"{row['value']}; asked: {row['threshold']}", row["detail"]):
            lines += textwrap.wrap(text, width, initial_indent=" " * 5, subsequent_indent=" " * 7)
    counts = ", ".join(f"{n} {verdict}" for verdict, n in table["counts"].items())
    title = f"The paper's claims, by the run '{table['preset']}' on {table['data']}"
    return "\n".join(
        [
            title,
            *filter(None, [table["demo_note"], table["training"]]),
            "",
            *lines,
            "",
            f"{len(table['claims'])} claims: {counts}.",
        ]
    )
