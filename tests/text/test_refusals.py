"""What declines is told from what answers, by its first words."""

import pytest

from tunesmith.text.refusals import declines


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("I'm sorry, but I can't help with that.", "unable"),
        ("Unfortunately, I am not able to provide this information.", "unable"),
        ("I don't know.", "unknown"),
        ("I have two brothers and a cat.", None),
        ("Sorry for the delay! Your parcel is on its way.", None),
        ("The shop cannot deliver on Sundays.", None),
        ("", None),
    ],
)
def test_first_words_decide(text, kind):
    assert declines(text.lower(), len(text.split())) == kind


def test_a_long_answer_goes_on_to_answer():
    text = "i'm sorry to hear that i can't help at once. " + "step by step " * 40
    assert declines(text, len(text.split())) is None
