"""The monitor's figures over rows in the store, on both databases."""

import json
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from rich.console import Console

from traffic import Traffic
from tunesmith.core import tables
from tunesmith.core.clock import now_utc
from tunesmith.monitor.report import FALSE_ALARM_FRAC, SHIFT_NEEDS, _shift, render, report

REFERENCE = {"refund": 60, "billing": 40}


def fill(store, counts, name="tickets"):
    """Add many requests at once, so many of each label."""
    traffic = Traffic(store, name)
    labels = [label for label, count in counts.items() for _ in range(count)]
    rows = [
        {
            "id": f"req-{name}-{number}", "at": traffic.at, "name": name, "model_id": "m", "messages": [], "label": label,
            "prompt_tokens": 1, "completion_tokens": 1, "latency_ms": 1.0, "status": 200,
        }
        for number, label in enumerate(labels)
    ]  # fmt: skip
    with store.writing() as connection:
        connection.execute(sa.insert(tables.requests), rows)


def test_the_figures(store):
    traffic = Traffic(store)
    ids = [traffic.ask(f"q{number}") for number in range(100)]
    traffic.ask("too long", None, status=400)
    traffic.ask("hung up", None, status=499)
    traffic.say(ids[0], rating=1)
    traffic.say(ids[1], rating=-1, correction="billing")
    found = report(store, "tickets", window_hours=24, reference=REFERENCE)
    assert found["requests"] == 102 and found["statuses"] == {"200": 100, "400": 1, "499": 1}
    assert found["errors"]["value"] == 1 / 101 and found["errors"]["n"] == 101  # a client that left is no error
    assert found["latency_ms"] == {"p50": 50.5, "p95": 95.0, "p99": 99.0}
    assert found["tokens"] == {"prompt": 1020, "completion": 204}
    assert found["feedback"]["given"]["value"] == 0.02 and found["feedback"]["given"]["low"] < 0.02
    assert found["feedback"]["corrected"]["value"] == found["feedback"]["rated_down"]["value"] == 0.5
    assert found["models"] == {"tickets-000000000000": 102}
    json.dumps(found, allow_nan=False)


def test_other_names_and_older_traffic_stay_out(store):
    traffic, other = Traffic(store), Traffic(store, "other")
    old = traffic.ask("old", at=now_utc() - timedelta(hours=30))
    traffic.say(old, rating=-1)
    other.correct("q", "billing")
    traffic.ask("new")
    found = report(store, "tickets", window_hours=24)
    assert found["requests"] == 1 and found["feedback"]["given"]["value"] == 0
    assert report(store, "tickets", window_hours=48)["requests"] == 2


def test_several_words_on_one_answer_are_one_opinion(store):
    # catches: a share of feedback above 1, a correction hidden by a later comment
    traffic = Traffic(store)
    request_id = traffic.correct("q", "billing")
    traffic.say(request_id, rating=-1)
    traffic.say(request_id, comment="and soon, please")
    feedback = report(store, "tickets", window_hours=24)["feedback"]
    assert [feedback[key]["value"] for key in ("given", "corrected", "rated_down")] == [1, 1, 1]
    assert feedback["given"]["n"] == feedback["corrected"]["n"] == 1


def test_no_traffic_is_no_division_by_zero(store):
    found = report(store, "tickets", window_hours=24, reference=REFERENCE)
    assert found["requests"] == 0 and found["latency_ms"] is None and found["errors"] is None
    assert found["labels"]["verdict"] == "too few answers"
    json.dumps(found, allow_nan=False)
    assert shown(found)


def test_free_text_has_no_label_shift(store):
    Traffic(store).ask("q", label=None)
    assert report(store, "tickets", window_hours=24)["labels"] is None


def test_a_shift_is_seen_and_its_labels_named(store):
    fill(store, {"refund": 50, "billing": 130, "lost card": 20})
    labels = report(store, "tickets", window_hours=24, reference=REFERENCE)["labels"]
    assert labels["verdict"] == "shifted" and labels["p"] < FALSE_ALARM_FRAC == labels["false_alarm_frac"]
    assert labels["total_variation"] == pytest.approx(0.35)
    assert labels["moved"] == {"refund": -0.35, "billing": 0.25, "lost card": 0.1}


def test_the_same_shares_are_no_shift(store):
    fill(store, {"refund": 120, "billing": 80})
    labels = report(store, "tickets", window_hours=24, reference=REFERENCE)["labels"]
    assert labels["verdict"] == "as in the test set" and labels["total_variation"] == 0 and labels["p"] == 1


def test_the_false_alarm_rate_is_as_stated():
    # unchanged traffic: p must be below FALSE_ALARM_FRAC about that often, also with rare labels
    generator = np.random.default_rng(7)
    shares = np.array([0.5, 0.3, 0.1, 0.06, 0.02, 0.01, 0.01])
    alarms = 0
    for _ in range(400):
        ours, theirs = generator.multinomial(200, shares), generator.multinomial(150, shares)
        seen = {str(k): int(n) for k, n in enumerate(ours) if n}
        alarms += _shift(seen, {str(k): int(n) for k, n in enumerate(theirs) if n})["verdict"] == "shifted"
    assert alarms <= 10  # expected 4; 11 or more has probability below 0.3 %


def test_few_answers_are_not_judged(store):
    fill(store, {"billing": SHIFT_NEEDS - 1})
    assert report(store, "tickets", window_hours=24, reference=REFERENCE)["labels"]["verdict"] == "too few answers"


def test_corrections_to_labels_nobody_knows(store):
    traffic = Traffic(store)
    for number in range(3):
        traffic.correct(f"gift {number}", "gift_card")
    traffic.correct("money", "billing")
    found = report(store, "tickets", window_hours=24, reference=REFERENCE)
    assert found["labels"]["unknown"] == {"gift_card": 3}
    assert "gift_card (3)" in shown(found)


def shown(found):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render(found))
    return capture.get()


def test_people_read_the_same_figures(store):
    fill(store, {"refund": 50, "billing": 150})
    text = shown(report(store, "tickets", window_hours=24, reference=REFERENCE))
    assert "200 in 24 hours" in text and "billing +35%" in text and "false alarms 1%" in text
