"""The examples of the scorecard in a real browser: readable by everybody, filtered, and whole without the script."""

from __future__ import annotations

import polars as pl
import pytest

from browser import flaws, opened
from made import make_dataset
from tunesmith.train import stage as training

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compared(copied, tmp_path_factory):
    """Return the scorecard of a model that answers `card` to everything against one that answers `refund`, and a third."""
    ring = copied("classify", tmp_path_factory.mktemp("browse") / "home")
    pair = [("my card is lost", "card"), ("money back please", "refund")]
    one, other = (
        training.train(ring.recipe(), make_dataset(ring.workspace, [*[often] * 12, seldom], [often]), ring.workspace)
        for often, seldom in (pair, pair[::-1])
    )
    ring.model = one
    return ring.evaluate(production=other, baselines=["base", "linear"], gate={"against": []})


def page_of(card):
    return card.path / "scorecard.html"


def visible(page):
    return page.locator(".example:visible").count()


def test_everybody_can_read_it_and_nothing_is_asked_of_the_network(chromium, compared):
    """Bug: no contrast, a control without a name, a page wider than a phone, a font from elsewhere."""
    assert flaws(chromium, page_of(compared)) == []


@pytest.mark.parametrize("task", ["extract", "chat"])
def test_everybody_can_read_marked_words(chromium, arena, task):
    """Bug: the words marked in answers have no contrast, or the page is wider than a phone."""
    card = arena(task).evaluate(max_new_tokens=6, gate={"against": []})
    assert flaws(chromium, page_of(card)) == []


def test_filters_show_the_rows_that_they_name(chromium, compared):
    """Bug: a filter shows other rows than it says, or its count is of something else."""
    frame = pl.read_parquet(compared.path / "examples.parquet")
    beaten = frame.filter((pl.col("answer_production") != pl.col("expected")) & pl.col("correct"))
    with opened(chromium, page_of(compared)) as page:
        whole = visible(page)
        page.get_by_label("what happened").select_option("won")
        page.get_by_label("against").select_option("production")
        assert 0 < visible(page) == min(len(beaten), 8) < whole
        assert page.get_by_role("status").inner_text() == f"{visible(page)} of {whole} examples"
        assert {*page.locator(".example:visible > .text").all_inner_texts()} <= {*beaten["input"]}
        assert page.locator("[data-systems]:visible").count() == visible(page), "the others are out of the way"
        page.get_by_label("what happened").select_option("lost")
        assert visible(page) > 0
        assert not {*page.locator(".example:visible > .text").all_inner_texts()} & {*beaten["input"]}
        page.get_by_label("what happened").select_option("")
        page.get_by_label("against").select_option("")
        assert visible(page) == whole
        page.get_by_label("rows that are").select_option("label: refund")
        texts = page.locator(".example:visible .sides > div:first-child .text").all_inner_texts()
        assert texts and {*texts} == {"refund"}


def test_words_are_found_by_keys_alone(chromium, compared):
    """Bug: who has no mouse, or types in another case, finds nothing."""
    with opened(chromium, page_of(compared), 390) as page:
        whole = visible(page)
        page.get_by_label("what happened").focus()
        for _ in range(3):
            page.keyboard.press("Tab")
        page.keyboard.type("MONEY  back")
        assert 0 < visible(page) < whole
        assert all("money back" in one for one in page.locator(".example:visible > .text").all_inner_texts())
        page.keyboard.type(" and no row has this")
        assert visible(page) == 0 and page.get_by_role("status").inner_text() == f"0 of {whole} examples"


def test_without_scripts_everything_is_shown_and_no_dead_control(chromium, compared):
    """Bug: who forbids scripts sees an empty page, or filters that do nothing."""
    with opened(chromium, page_of(compared), java_script_enabled=False) as page:
        count = page.locator(".example").count()
        assert visible(page) == count > 0
        assert page.locator("#filters:visible").count() == 0
        assert page.locator("#found").inner_text() == f"{count} examples"
