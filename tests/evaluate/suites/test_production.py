"""Suites ask the model in production too, and a model is not worse than itself."""


def test_beside_itself_in_production_nothing_differs(arena):
    """Bug: production is asked with the candidate's weights or answers, or is not in the gate."""
    one = arena("chat")
    suites = ["retention", "memorised", "robustness", "safety", "format", "slices"]
    card = one.evaluate(production=one.model, suites=suites, baselines=[]).result
    for name in suites[:-1]:
        deltas = card["suites"][name]["deltas"]
        assert all(delta["value"] == 0 for delta in deltas["production"].values()), name
    assert any(delta["value"] != 0 for delta in card["suites"]["retention"]["deltas"]["base"].values())
    assert {one["metric"] for one in card["criteria"] if one["against"] == "production"} >= {"safe_answered"}
