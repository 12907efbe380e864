"""The model card: the settings of each training, the counts of all, and how good the network is."""

import json

from conftest import ROOT

from publishing.card import card, facts, trainings

TEMPLATE = ROOT / "workflow/scripts/publishing/templates/card.md"


def record(batch_size: int, visits: int, **more) -> dict:
    return {
        "settings": {"data": {"source": "mnist"}, "ddpm": {"batch_size": batch_size}},
        "summary": {
            "parameters": 12, "training_images": 100, "image_size": 28, "steps": 50, "image_visits": visits,
            "seconds": 120.0, "last_loss": 0.5, "device": "CPU", "torch": "2",
        },
        "origin": {"seed": 1, "processor": f"P{batch_size}", "finished": "2000-01-01", "commit": f"{'0a' * 20}.dirty"},
    } | more  # fmt: skip


def test_card_has_the_settings_of_each_training_and_the_counts_of_all():
    run = {
        "samples": {"samples": 10, "recognised": 9, "confidence_threshold": 0.9},
        "classifier": {"test_accuracy": 0.99, "test_images": 100},
        "claims": {"claims": [{"id": "novel", "statement": "New.", "verdict": "confirmed", "detail": "All."}]},
        "arithmetic": {"image_visits": 9000},
    }
    alone = card(TEMPLATE, run, record(16, 300))
    assert "| `ddpm.batch_size` | 16 |\n" in alone and "3.0 passes" in alone and "ddpm.start" not in alone
    both = card(TEMPLATE, run, record(32, 900, start=record(16, 300)))
    assert "| `ddpm.batch_size` | 16 | 32 |\n" in both and "| processor | P16 | P32 |\n" in both
    assert "| 0a0a0a0.dirty | 0a0a0a0.dirty |\n" in both
    for words in (
        "There were 2 trainings",
        "9.0 passes",
        "90.0% (59.6% to 98.2%",
        "New. *Confirmed*: All.",
        "10 times",
    ):
        assert words in both


def test_the_records_of_weights_name_their_trainings_in_order_and_the_commits_that_some_began_with():
    """The network's first trainings went on from the weights of a commit; that record is kept as it was written."""
    text = json.loads((ROOT / "weights/ddpm.json").read_text(encoding="utf-8"))
    visits = [training["summary"]["image_visits"] for training in trainings(text)]
    assert visits == sorted(visits) and len(visits) == 4
    assert facts(text)["`ddpm.start`"] == "17d5b77"


def test_a_sum_is_shown_by_its_first_digits():
    training = record(16, 300)
    training["settings"]["ddpm"] |= {"start": "weights", "start_sha256": "0123456789abcdef" * 4}
    assert facts(training)["`ddpm.start`"] == "weights" and facts(training)["`ddpm.start_sha256`"] == "0123456"
