"""The ledger of the paper's claims, joined with what a run measured: one verdict for each claim."""

import textwrap
from collections import Counter
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from types import MappingProxyType

import yaml

from diffusion.sources import SOURCES
from engine.errors import UserError
from engine.files import reading
from engine.schemas import Address, schema_errors

CONFIRMED, NOT_CONFIRMED, NOT_TESTABLE = VERDICTS = ("confirmed", "not confirmed", "not testable here")
ORIGINS = {"paper": "statements of the paper", "ours": "statements of ours"}
"""Who makes a statement: the two are counted apart."""
OURS_TO_GET_RIGHT = ("algebra", "program")
"""Kinds of claims whose failure is an error of ours, where that of any other is a result."""
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
    with reading(file, "a ledger of claims in YAML"):
        ledger = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    form = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
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


def measured(claim: str, measure: str, records: Records) -> dict:
    """A claim's record. Raises UserError for one that nothing measures."""
    file, name = measure.split(".")
    record = records.get(file, {}).get(name)
    if record is None:
        known = sorted(f"{file}.{name}" for file, content in records.items() for name in content)
        raise UserError(f"claim {claim}: nothing measures {measure!r}; there are {', '.join(known)}")
    return record


def look_up(claim: str, measure: str, holds: dict, records: Records) -> tuple[dict, bool | None]:
    """A claim's record, and whether its condition holds: None if the run was too small to give the number.

    Raises UserError for a name that nothing measures, and for a number that is not finite.
    """
    record = measured(claim, measure, records)
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


def judge(claim: Claim, records: Records, data: str, left_out: Mapping[str, str] = MappingProxyType({})) -> dict:
    """One row of the table: the claim, its value in this run, its verdict, and the sentence that argues it.

    `data` is the run's source of images: a claim on one source, as MNIST, gets no verdict from a run on another.
    `left_out` names the files of records that the run was not asked for, each with the sentence that says so.
    """
    row = {key: claim[key] for key in ("id", "of", "place", "statement", "kind", "test", "since")}
    row["part"] = claim.get("measure", "").split(".")[0]
    row["revised"] = "{date}: {reason}".format_map(claim["revised"]) if "revised" in claim else ""

    def not_testable(reason: str, value: str = "not measured") -> dict:
        return row | {"value": value, "verdict": NOT_TESTABLE, "detail": reason}

    if reason := claim.get("untestable"):
        row |= {"threshold": "none", "why": "No verdict is given."}
        if "measure" not in claim:
            return not_testable(reason)
        record = measured(claim["id"], claim["measure"], records)
        return not_testable(fill(claim["id"], reason, record), fill(claim["id"], claim["shown"], record))
    row |= {"threshold": threshold(claim["holds"]), "why": claim["why"]}
    if reason := left_out.get(claim["measure"].split(".")[0]):
        return not_testable(reason)
    if needs := claim.get("needs"):
        record, fit = look_up(claim["id"], needs["measure"], needs["holds"], records)
        if not fit:
            return not_testable(fill(claim["id"], needs["otherwise"], record))
    record, holds = look_up(claim["id"], claim["measure"], claim["holds"], records)
    if holds is None:
        return not_testable("This run is too small to measure it.")
    value = fill(claim["id"], claim["shown"], record)
    detail = fill(claim["id"], claim["argument" if holds else "otherwise"], record)
    if claim["data"] not in ("any", data):
        about, images = (SOURCES[source].name for source in (claim["data"], data))
        reason = f"The statement is about {about}, and this run's images are {images}. On these: "
        return not_testable(reason + detail, value)
    return row | {"value": value, "verdict": CONFIRMED if holds else NOT_CONFIRMED, "detail": detail}


def training_sentence(records: Records) -> str:
    """What the run's training was, in one sentence."""
    sentence = "The network has {parameters:,} parameters; its training took {minutes:.0f} min on {device}"
    sentence += " and made {image_visits:,} image visits"
    training = records["network"]["training"]
    since = ", since its start from given weights, of whose own training nothing is known here"
    return sentence.format_map(training) + (since if training.get("start_unknown") else "") + "."


def count(rows: list[dict]) -> dict[str, dict[str, int]]:
    """How many rows have each verdict, by whose statements they are: {"paper": {"confirmed": n, ...}, "ours": ...}."""
    counts = Counter((row["of"], row["verdict"]) for row in rows)
    return {origin: {verdict: counts[origin, verdict] for verdict in VERDICTS} for origin in ORIGINS}


def counts_sentences(counts: dict[str, dict[str, int]]) -> list[str]:
    """The counts in words: '4 statements of the paper: 2 confirmed, 1 not confirmed, 1 not testable here', and ours."""
    return [
        _number(sum(counts[origin].values()), name)
        + ": "
        + ", ".join(f"{n} {verdict}" for verdict, n in counts[origin].items())
        for origin, name in ORIGINS.items()
    ]


def _number(n: int, statements: str) -> str:
    return f"{n} {statements.replace('statements', 'statement') if n == 1 else statements}"


def confirmed_by_kind(rows: list[dict]) -> str:
    """Of what kinds the confirmed statements are, for instance 'Confirmed: 21 algebra, 6 program, 3 count.'; empty if
    there are none. Those of algebra and on the program are no evidence of how well a network does.
    """
    kinds = Counter(row["kind"] for row in rows if row["verdict"] == CONFIRMED)
    return f"Confirmed: {', '.join(f'{n} {kind}' for kind, n in kinds.most_common())}." if kinds else ""


def judge_all(
    claims: list[Claim],
    records: Records,
    preset: str,
    data: str,
    demo_note: str,
    training: str,
    title: str = "The paper's claims",
    left_out: Mapping[str, str] = MappingProxyType({}),
) -> dict:
    """The whole table with its counts, as claims.json holds it; `training` says what the run's training was, and
    `left_out` is as in `judge`.
    """
    rows = [judge(claim, records, data, left_out) for claim in claims]
    return {
        "title": title,
        "preset": preset,
        "data": data,
        "demo_note": demo_note,
        "training": training,
        "counts": count(rows),
        "claims": rows,
    }


def errors(table: dict) -> list[str]:
    """The claims of algebra, and those about the program itself, that fail. (One that a run is too small or too coarse
    to test does not.)
    """
    return [
        str(row["id"])
        for row in table["claims"]
        if row["kind"] in OURS_TO_GET_RIGHT and row["verdict"] == NOT_CONFIRMED
    ]


def as_text(table: dict, width: int) -> str:
    """The table for a terminal of `width` columns: for each claim its verdict, the value and the argument; first the
    paper's statements, then ours.
    """
    marks = {CONFIRMED: "yes", NOT_CONFIRMED: "NO", NOT_TESTABLE: "-"}
    lines = [f"{table['title']}, by the run '{table['preset']}' on {table['data']}"]
    lines += filter(None, [table["demo_note"], table["training"]])
    for (origin, name), sentence in zip(ORIGINS.items(), counts_sentences(table["counts"]), strict=True):
        rows = [row for row in table["claims"] if row["of"] == origin]
        if not rows:
            continue
        lines += ["", name.capitalize(), ""]
        for row in rows:
            lines += [f"{marks[row['verdict']]:>3}  {row['id']} ({row['kind']}; {row['place']})"]
            for text in (row["statement"], f"{row['value']}; asked: {row['threshold']}", row["detail"]):
                lines += textwrap.wrap(text, width, initial_indent=" " * 5, subsequent_indent=" " * 7)
        lines += ["", f"{sentence}.", *textwrap.wrap(confirmed_by_kind(rows), width)]
    return "\n".join(lines)
