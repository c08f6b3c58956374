"""Personal data goes, whatever its form; order numbers, prices, dates and versions stay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.text.redact import IBAN_CHARS, iban_is_valid, luhn, redact


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mail jo.doe+tag@mail.example.co.uk, please", "mail [EMAIL], please"),
        ("<jo@x.org>", "<[EMAIL]>"),
        ("JO@X.ORG and ann@x.org", "[EMAIL] and [EMAIL]"),
        ("card 4111 1111 1111 1111 ok", "card [CARD] ok"),
        ("4111-1111-1111-1111", "[CARD]"),
        ("378282246310005", "[CARD]"),
        ("card 5555555555554444, cvv 123", "card [CARD], cvv 123"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN [IBAN]."),
        ("gb82west12345698765432", "[IBAN]"),
        ("from 192.168.0.17 today", "from [IP] today"),
        ("call +49 30 1234567 now", "call [PHONE] now"),
        ("call +1 (415) 555-0123", "call [PHONE]"),
        ("(415) 555-0123", "[PHONE]"),
        ("415-555-0123", "[PHONE]"),
        ("020 7946 0958", "[PHONE]"),
        ("07911 123456", "[PHONE]"),
        ("my phone number is 5550123", "my phone number is [PHONE]"),
        ("jo@x.org 192.168.0.17", "[EMAIL] [IP]"),
    ],
)
def test_personal_data_becomes_its_kind(text, wanted):
    """Bug: one of the usual ways to write it is not known."""
    assert redact(text)[0] == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "order 100234567",
        "order #4111111111111112",
        "invoice 2024-10-31, 12:30:45",
        "it costs 1,234,567.89 or 1.234.567,89",
        "version 1.2.3.4",
        "python 3.11.4 and 10.5",
        "between 1990 and 2024",
        "12345678901234567890123456789",
        "a@b and @jo and jo@",
        "room 0815",
        "DE89370400440532013001 is no account",
        "999.999.999.999",
        "tracking 1Z999AA10123456784",
        "uuid 550e8400-e29b-41d4-a716-446655440000",
        "[EMAIL] and [CARD]",
    ],
)
def test_other_numbers_stay(text):
    """Bug: what the task is about (order numbers, prices, dates) is wiped out."""
    assert redact(text) == (text, {})


def test_counts_are_by_kind():
    """Bug: the report says how much was found, wrongly."""
    text = "a@x.org b@x.org 4111111111111111 10.0.0.1"
    assert redact(text)[1] == {"EMAIL": 2, "CARD": 1, "IP": 1}


PIECES = st.sampled_from([
    "jo@x.org", "4111 1111 1111 1111", "DE89370400440532013000", "+49 30 1234567", "10.0.0.1", "call me at ", "phone: ",
    " ", "-", ".", "/", "(", ")", "@", "+", "0", "1", "4", "9", "12", "x", "é", "\n", "٣", "GB", "[EMAIL]",
])  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join) | st.text())
def test_redacting_twice_changes_nothing_more(text):
    """Bug: a placeholder makes the next number match, so training and capture see different text."""
    once, counts = redact(text)
    assert redact(once) == (once, {})
    assert (once == text) == (not counts)
    assert sum(once.count(f"[{kind}]") for kind in counts) >= sum(counts.values())


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789", min_size=12, max_size=18))
def test_one_wrong_digit_breaks_the_checksum(digits):
    """Bug: the check digit is not checked, or on the wrong side."""
    right = next(digits + last for last in "0123456789" if luhn(digits + last))
    assert sum(luhn(digits + last) for last in "0123456789") == 1
    for place in range(len(right)):
        changed = right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :]
        assert not luhn(changed)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(IBAN_CHARS)), st.text("ABCXYZ0123456789", min_size=40, max_size=40))
def test_every_country_s_accounts_are_found_whole(country, letters):
    """Bug: the last characters of an account stay, or another length passes."""
    body = letters[: IBAN_CHARS[country] - 4]
    account = next(
        f"{country}{check:02d}{body}" for check in range(2, 99) if iban_is_valid(f"{country}{check:02d}{body}")
    )
    assert redact(f"to {account}, please")[0] == "to [IBAN], please"
    spaced = " ".join(account[at : at + 4] for at in range(0, len(account), 4))
    assert redact(f"to {spaced}, please")[0] == "to [IBAN], please"
    assert not iban_is_valid(account + "0") and not iban_is_valid(account[:-1])


@pytest.mark.parametrize(
    "text", ["1 " * 50_000, "a" * 100_000 + "@", "0-" * 50_000, "x@" * 50_000, "a." * 50_000 + "1111", "GB12" * 25_000]
)
def test_long_odd_texts_do_not_take_long(text):
    """Bug: a pattern that tries every way to match: one request stops the gateway."""
    start = time.monotonic()
    redact(text)
    assert time.monotonic() - start < 5
