"""Promotion and rollback: gated, whole, remembered."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from tunesmith.core.artifacts import Plan
from tunesmith.core.errors import ArtifactError, GateError
from tunesmith.release.aliases import aliases, history, promote, resolve, rollback

FIRST, SECOND, THIRD = (f"tickets-{digit * 12}" for digit in "123")


@pytest.fixture
def card(workspace):
    def make(model_id, verdict):
        plan = Plan("tickets", "scorecard", {"verdict": verdict}, parents=(model_id, "tickets-dddddddddddd"))
        with workspace.draft(plan) as draft:
            draft.result = {"verdict": verdict, "reasons": ["0.61 is below 0.80"] if verdict != "pass" else []}
        return workspace.get(plan.id)

    return make


def test_promoting_keeps_the_one_before(store, card):
    promote(store, "tickets", FIRST, scorecard=card(FIRST, "pass"))
    promote(store, "tickets", SECOND, scorecard=card(SECOND, "pass"))
    assert resolve(store, "tickets") == resolve(store, "tickets@production") == SECOND
    assert resolve(store, "tickets@previous") == FIRST
    assert [(one.alias, one.model_id) for one in aliases(store)] == [("previous", FIRST), ("production", SECOND)]


def test_rollback_swaps_and_swaps_again(store, card):
    promote(store, "tickets", FIRST, scorecard=card(FIRST, "pass"))
    promote(store, "tickets", SECOND, scorecard=card(SECOND, "pass"))
    assert rollback(store, "tickets") == FIRST == resolve(store, "tickets")
    assert resolve(store, "tickets@previous") == SECOND
    assert rollback(store, "tickets") == SECOND == resolve(store, "tickets")


def test_a_model_that_left_production_does_not_come_back_by_itself(store, card):
    """Bug: running the old recipe again, or a nightly update, puts back what was replaced or rolled back."""
    for model_id in (FIRST, SECOND):
        promote(store, "tickets", model_id, scorecard=card(model_id, "pass"))
    with pytest.raises(GateError, match=f"was in production and was replaced by {SECOND}"):
        promote(store, "tickets", FIRST, scorecard=card(FIRST, "pass"))
    rollback(store, "tickets")
    with pytest.raises(GateError, match="was rolled back"):
        promote(store, "tickets", SECOND, scorecard=card(SECOND, "pass"))
    promote(store, "tickets", SECOND, scorecard=card(SECOND, "pass"), force=True)
    assert resolve(store, "tickets") == SECOND


@pytest.mark.parametrize("verdict", ["fail", "undecided"])
def test_the_gate_holds_production(store, card, verdict):
    promote(store, "tickets", FIRST, scorecard=card(FIRST, "pass"))
    with pytest.raises(GateError, match=rf"{verdict} \(0.61 is below 0.80\)") as caught:
        promote(store, "tickets", SECOND, scorecard=card(SECOND, verdict))
    assert caught.value.exit_code == 3
    assert resolve(store, "tickets") == FIRST and len(history(store, "tickets")) == 1


def test_never_evaluated_is_not_promoted(store):
    with pytest.raises(GateError, match="never evaluated"):
        promote(store, "tickets", FIRST)


def test_force_promotes_and_says_so(store, card):
    promote(store, "tickets", FIRST, scorecard=card(FIRST, "fail"), force=True)
    [move] = history(store, "tickets")
    assert move.reason == "forced (verdict fail)" and move.scorecard_id.startswith("tickets-")


def test_another_models_scorecard_opens_no_gate(store, card):
    with pytest.raises(ArtifactError, match=f"not about {SECOND}"):
        promote(store, "tickets", SECOND, scorecard=card(FIRST, "pass"), force=True)


def test_a_candidate_needs_no_gate_and_moves_nothing_else(store, card):
    promote(store, "tickets", FIRST, scorecard=card(FIRST, "pass"))
    promote(store, "tickets", SECOND, alias="candidate")
    assert resolve(store, "tickets@candidate") == SECOND
    assert resolve(store, "tickets") == FIRST and resolve(store, "tickets@previous") is None


def test_promoting_the_same_again_keeps_previous(store, card):
    # catches: production == previous after a second promote, so that rollback does nothing
    promote(store, "tickets", FIRST, scorecard=card(FIRST, "pass"))
    promote(store, "tickets", SECOND, scorecard=card(SECOND, "pass"))
    promote(store, "tickets", SECOND, scorecard=card(SECOND, "pass"))
    assert resolve(store, "tickets@previous") == FIRST and len(history(store, "tickets")) == 2


def test_nothing_to_go_back_to(store, card):
    with pytest.raises(ArtifactError, match="nothing named 'tickets'"):
        rollback(store, "tickets")
    promote(store, "tickets", FIRST, scorecard=card(FIRST, "pass"))
    with pytest.raises(ArtifactError, match="only ever had one"):
        rollback(store, "tickets")


def test_unknown_references_are_none(store):
    assert resolve(store, "tickets") is None and resolve(store, FIRST) is None and resolve(store, "") is None


@pytest.mark.parametrize(
    ("name", "alias"), [("Tickets", "production"), ("tickets", "a b"), ("", "x"), ("x", "previous")]
)
def test_words_that_cannot_be(store, name, alias):
    with pytest.raises(ArtifactError):
        promote(store, name, FIRST, alias=alias, force=True)


def test_history_tells_it_all(store, card):
    promote(store, "tickets", FIRST, scorecard=card(FIRST, "pass"))
    promote(store, "tickets", SECOND, scorecard=card(SECOND, "pass"))
    rollback(store, "tickets")
    promote(store, "other", THIRD, force=True)
    told = [(move.action, move.model_id, move.previous_id) for move in history(store, "tickets")]
    assert told == [("promote", FIRST, None), ("promote", SECOND, FIRST), ("rollback", FIRST, SECOND)]
    assert len(history(store)) == 4


def test_readers_never_see_half_a_promotion(store):
    promote(store, "tickets", FIRST, force=True)
    promote(store, "tickets", SECOND, force=True)

    def move(number):
        promote(store, "tickets", f"tickets-{number:012x}", force=True)

    def look(_):
        pointing = {one.alias: one.model_id for one in aliases(store)}
        return pointing["production"] != pointing["previous"]

    with ThreadPoolExecutor(6) as pool:
        moves = [pool.submit(move, number) for number in range(20)]
        looks = [pool.submit(look, number) for number in range(20)]
        assert all(one.result() for one in looks) and [one.result() for one in moves]
    chain = history(store, "tickets")
    assert all(after.previous_id == before.model_id for before, after in itertools.pairwise(chain))
