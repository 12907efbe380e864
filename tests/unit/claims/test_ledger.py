"""The ledger's form, the verdicts in both outcomes, and the exit code of `make verify`."""

import json
import os
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

from claims.ledger import (
    as_text,
    counts_sentences,
    errors,
    judge,
    judge_all,
    look_up,
    read_ledger,
    threshold,
    training_sentence,
)
from engine.errors import UserError

LEDGER, SCHEMA = ROOT / "paper/claims.yaml", ROOT / "workflow/schemas/claims.schema.yaml"
CLAIM = {
    "id": "a-claim", "of": "paper", "place": "section 1", "statement": "It is so.", "kind": "count", "data": "any",
    "test": "Counted.", "since": "2026-11-24",
    "measure": "file.record", "holds": {"n": {"at_least": 3}}, "why": "Three is enough.", "shown": "{n} things",
    "argument": "There are {n}.", "otherwise": "There are only {n}.",
}  # fmt: skip


def records(n):
    return {"file": {"record": {"n": n, "holds": True}}}


def test_the_ledger_itself_can_be_used_and_covers_every_kind():
    claims = read_ledger(LEDGER, SCHEMA)
    assert {claim["kind"] for claim in claims} == {"algebra", "statistics", "count", "experiment", "cost", "program"}
    assert {claim["of"] for claim in claims} == {"paper", "ours"}
    assert all(set(claim["holds"]) == {"holds"} for claim in claims if claim["kind"] == "algebra")


def test_the_ledger_beyond_the_paper_has_the_same_form_and_is_ours_alone():
    claims = read_ledger(ROOT / "paper/beyond.yaml", SCHEMA)
    assert {claim["of"] for claim in claims} == {"ours"}
    assert not {claim["id"] for claim in claims} & {claim["id"] for claim in read_ledger(LEDGER, SCHEMA)}


CONDITIONS = [
    ({"at_most": 3}, [2, 3, -1.0], [3.1, 4], "n at most 3"),
    ({"at_least": 0.5}, [0.5, 7], [0.49, -1], "n at least 0.5"),
    ({"between": [1000, 2000]}, [1000, 1980.5, 2000], [999, 2001], "n between 1,000 and 2,000"),
    ({"equals": 205}, [205], [204, 206], "n equal to 205"),
    ({"equals": True}, [True], [False], "n"),
]  # fmt: skip


def test_ends_of_intervals_are_printed_as_such():
    assert threshold({"share_low": {"at_least": 0.5}}) == "share, lower end, at least 0.5"
    assert threshold({"p_value": {"at_most": 0.05}}) == "p value at most 0.05"


@pytest.mark.parametrize("condition, inside, outside, printed", CONDITIONS, ids=[printed for *_, printed in CONDITIONS])
def test_conditions_in_both_outcomes(condition, inside, outside, printed):
    assert threshold({"n": condition}) == printed
    for value in inside:
        assert look_up("a-claim", "file.record", {"n": condition}, records(value))[1] is True
    for value in outside:
        assert look_up("a-claim", "file.record", {"n": condition}, records(value))[1] is False


def test_verdict_and_argument_follow_the_number():
    row = judge(CLAIM, records(4), "mnist")
    assert (row["verdict"], row["value"], row["detail"]) == ("confirmed", "4 things", "There are 4.")
    assert row["threshold"] == "n at least 3" and row["why"] == "Three is enough."
    row = judge(CLAIM, records(2), "mnist")
    assert (row["verdict"], row["detail"]) == ("not confirmed", "There are only 2.")


def test_a_change_of_what_is_asked_is_told():
    assert judge(CLAIM, records(4), "mnist")["revised"] == ""
    row = judge(CLAIM | {"revised": {"date": "2026-11-25", "reason": "It asked for two."}}, records(4), "mnist")
    assert row["since"] == "2026-11-24" and row["revised"] == "2026-11-25: It asked for two."


def test_a_run_on_other_images_gives_no_verdict_on_mnist():
    row = judge(CLAIM | {"data": "mnist"}, records(4), "digits")
    assert row["verdict"] == "not testable here" and row["value"] == "4 things" and "MNIST" in row["detail"]
    assert judge(CLAIM | {"data": "mnist"}, records(4), "mnist")["verdict"] == "confirmed"
    assert judge(CLAIM, records(4), "digits")["verdict"] == "confirmed"


def test_what_a_run_must_have_been():
    needs = {"measure": "file.record", "holds": {"n": {"at_least": 500}}, "otherwise": "It had {n}."}
    row = judge(CLAIM | {"needs": needs}, records(4), "mnist")
    assert (row["verdict"], row["detail"]) == ("not testable here", "It had 4.")
    assert judge(CLAIM | {"needs": needs}, records(500), "mnist")["verdict"] == "confirmed"


def test_what_a_run_was_not_asked_for_is_not_testable():
    row = judge(CLAIM, {}, "mnist", left_out={"file": "Not asked for."})
    assert (row["verdict"], row["detail"], row["part"]) == ("not testable here", "Not asked for.", "file")
    assert judge(CLAIM, records(4), "mnist", left_out={"other": "Not asked for."})["verdict"] == "confirmed"


def test_what_is_not_measured_is_not_testable():
    assert judge(CLAIM, records(None), "mnist")["verdict"] == "not testable here"
    claim = {key: CLAIM[key] for key in ("id", "of", "place", "statement", "kind", "data", "test", "since")}
    row = judge(claim | {"untestable": "Nobody can."}, {}, "mnist")
    assert (row["verdict"], row["detail"], row["value"]) == ("not testable here", "Nobody can.", "not measured")


def test_what_gets_no_verdict_may_show_what_was_measured():
    claim = {key: CLAIM[key] for key in ("id", "of", "place", "statement", "kind", "data", "test", "since")}
    claim |= {"measure": "file.record", "shown": "{n} things", "untestable": "One draw of {n} decides nothing."}
    row = judge(claim, records(4), "mnist")
    assert (row["verdict"], row["value"]) == ("not testable here", "4 things")
    assert (row["detail"], row["threshold"]) == ("One draw of 4 decides nothing.", "none")
    with pytest.raises(UserError, match="nothing measures"):
        judge(claim | {"measure": "file.other"}, records(4), "mnist")


def broken(**changes):
    return {key: value for key, value in (CLAIM | changes).items() if value != "gone"}


UNTESTED = broken(**dict.fromkeys(("measure", "holds", "why", "shown", "argument", "otherwise"), "gone"))
UNTESTED |= {"untestable": "Nobody can."}
MISTAKES = [
    ([broken(), broken()], "claim a-claim: 2 entries have this id; give each its own"),
    ([broken(why="gone")], "claim a-claim: 'why' is a required property"),
    ([broken(of="nobody")], "claim a-claim, key of is 'nobody', but must be paper"),
    ([broken(since="gone")], "claim a-claim: 'since' is a required property"),
    ([broken(since="24 November")], "key since is '24 November', but must be a date in quotes, as \"2026-11-24\""),
    ([broken(revised={"date": "2026-11-24"})], "claim a-claim, key revised: 'reason' is a required property"),
    ([broken(kind="guess")], "claim a-claim, key kind is 'guess', but must be algebra, statistics"),
    ([broken(colour="red")], "claim a-claim, key colour is not a known key"),
    ([broken(holds={"n": {"above": 3}})], "claim a-claim, key holds, key n, key above is not a known key"),
    ([broken(holds={"n": {"at_most": 3, "at_least": 1}})], "key holds, key n"),
    ([broken(holds={"n": {"at_most": "1e-4"}})], "key at_most is '1e-4', but must be a number"),
    ([broken(measure="record")], "key measure is 'record', but must be a record of results/"),
    ([broken(untestable="Nobody can.")], "claim a-claim"),
    ([UNTESTED | {"measure": "file.record"}], "claim a-claim: 'shown' is a dependency of 'measure'"),
    ([broken(id="gone")], "claim number 1: 'id' is a required property"),
    ([], "key claims is [], but must be a list with one entry for each statement"),
]


@pytest.mark.parametrize("claims, sentence", MISTAKES, ids=[sentence for _, sentence in MISTAKES])
def test_mistakes_in_the_ledger_are_said_in_a_sentence(tmp_path, claims, sentence):
    (tmp_path / "claims.yaml").write_text(yaml.safe_dump({"claims": claims}))
    with pytest.raises(UserError) as error:
        read_ledger(tmp_path / "claims.yaml", SCHEMA)
    assert sentence in str(error.value)


@pytest.mark.parametrize("content", [b"claims:\n  - id: [\n", b"claims: \xff\n", b"claims: \x00\n"])
def test_a_ledger_that_is_no_yaml_is_named(tmp_path, content):
    (tmp_path / "claims.yaml").write_bytes(content)
    with pytest.raises(UserError, match=r"claims\.yaml is damaged, or is not a ledger of claims in YAML"):
        read_ledger(tmp_path / "claims.yaml", SCHEMA)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"measure": "file.other"}, "claim a-claim: nothing measures 'file.other'; there are file.record"),
        ({"measure": "other.record"}, "claim a-claim: nothing measures 'other.record'"),
        ({"holds": {"m": {"equals": 1}}}, "claim a-claim: file.record has no number 'm'; it has n, holds"),
        ({"shown": "{m}"}, "claim a-claim: the sentence '{m}' cannot be filled in"),
        ({"argument": "{n:%Q}"}, "cannot be filled in"),
    ],
)
def test_names_that_nothing_measures_are_said(changes, sentence):
    with pytest.raises(UserError) as error:
        judge(CLAIM | changes, records(4), "mnist")
    assert sentence in str(error.value)


def table(n: int = 4, holds: bool = True) -> dict:
    """Three claims: one that n decides, an identity, and one about the program, which is ours."""
    identity = CLAIM | {"id": "an-identity", "kind": "algebra", "holds": {"holds": {"equals": True}}}
    program = CLAIM | {"id": "our-program", "kind": "program", "of": "ours", "holds": {"n": {"at_most": 5}}}
    return judge_all(
        [CLAIM, program, identity],
        {"file": {"record": {"n": n, "holds": holds}}},
        "demo",
        "digits",
        "A demo",
        "A short training.",
    )


def test_the_papers_claims_and_ours_are_counted_apart():
    counts = table(n=2)["counts"]
    assert counts["paper"] == {"confirmed": 1, "not confirmed": 1, "not testable here": 0}
    assert counts["ours"] == {"confirmed": 1, "not confirmed": 0, "not testable here": 0}
    assert counts_sentences(counts)[0] == (
        "2 statements of the paper: 1 confirmed, 1 not confirmed, 0 not testable here"
    )


def test_table_prints_every_claim_the_papers_first():
    text = as_text(table(n=2), width=60)
    marks = ["A demo", "A short training.", "NO  a-claim", "yes  an-identity", "2 statements of the paper: 1 confirmed"]
    marks += ["Confirmed: 1 algebra."]
    marks += ["Statements of ours", "yes  our-program", "1 statement of ours: 1 confirmed", "Confirmed: 1 program."]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert max(map(len, text.splitlines()[4:])) <= 80


def test_the_training_is_told_in_a_sentence():
    training = {"parameters": 12_980_033, "image_visits": 30_000_000, "minutes": 34.6, "device": "a GPU"}
    expected = (
        "The network has 12,980,033 parameters; its training took 35 min on a GPU and made 30,000,000 image visits."
    )
    assert training_sentence({"network": {"training": training}}) == expected
    told = training_sentence({"network": {"training": training | {"start_unknown": True}}})
    assert told == expected[:-1] + ", since its start from given weights, of whose own training nothing is known here."


WRONG = [(4, True, []), (2, True, []), (4, False, ["an-identity"]), (6, True, ["our-program"])]


@pytest.mark.parametrize("n, holds, wrong", WRONG, ids=["all hold", "a finding", "algebra", "program"])
def test_verify_fails_for_wrong_algebra_or_program_and_for_no_finding(tmp_path, n, holds, wrong):
    whole = table(n, holds)
    assert errors(whole) == wrong
    (tmp_path / "claims.json").write_text(json.dumps(whole))
    done = subprocess.run(
        [sys.executable, ROOT / "workflow/scripts/show_claims.py", tmp_path / "claims.json"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == (1 if wrong else 0) and "a-claim" in done.stdout
    assert ", ".join(wrong) in done.stderr and bool(done.stderr) == bool(wrong)


def test_what_a_run_is_too_small_to_test_is_no_error_of_the_program():
    whole = table(4)
    [program] = [row for row in whole["claims"] if row["kind"] == "program"]
    for verdict, wrong in (("not testable here", []), ("not confirmed", ["our-program"])):
        program["verdict"] = verdict
        assert errors(whole) == wrong


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("condition", [condition for condition, *_ in CONDITIONS])
def test_there_is_no_verdict_on_a_number_that_is_not_finite(value, condition):
    with pytest.raises(UserError, match="no verdict is given on that"):
        look_up("a-claim", "file.record", {"n": condition}, records(value))


@pytest.mark.parametrize("holds, code", [(True, 0), (False, 1)])
def test_a_reader_may_stop_reading(tmp_path, holds, code):
    """As `head` does: no traceback, and the exit code stays."""
    (tmp_path / "claims.json").write_text(json.dumps(table(4, holds)))
    script = ROOT / "workflow/scripts/show_claims.py"
    given, taken = os.pipe()
    os.close(given)  # all that is written from now on finds no reader
    done = subprocess.run([sys.executable, script, tmp_path / "claims.json"], stdout=taken, stderr=subprocess.PIPE)
    os.close(taken)
    assert done.returncode == code and b"Error" not in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "content, sentence",
    [
        (None, "is not there: it is made by a run"),
        (b"", "is damaged, or is not JSON"),
        (b"\xff\xfe[", "is damaged, or is not JSON"),
        (b"[]", "has no list of claims"),
        (b'{"claims": []}', "lacks title, preset, data, demo_note, training"),
        (b'{"claims": [], "title": [], "preset": 1, "data": {}, "demo_note": 7, "training": null}', "is damaged"),
    ],
)
def test_a_table_that_cannot_be_shown_is_told_in_a_sentence(tmp_path, content, sentence):
    if content is not None:
        (tmp_path / "claims.json").write_bytes(content)
    script = ROOT / "workflow/scripts/show_claims.py"
    command = [sys.executable, script, tmp_path / "claims.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert str(tmp_path / "claims.json") in done.stderr and sentence in done.stderr

    (tmp_path / "claims.json").write_text(json.dumps(table(4, True)))
    (tmp_path / "numbers.json").write_bytes(content or b"{}")
    done = subprocess.run([*command, "--numbers", tmp_path / "numbers.json"], capture_output=True, text=True)
    assert (
        done.returncode == 1
        and done.stderr.startswith(f"error: {tmp_path}/numbers.json is damaged")
        and not done.stdout
    )
