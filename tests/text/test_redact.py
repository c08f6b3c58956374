"""Personal data and secrets go, whatever their form; order numbers, prices, dates, hashes and versions stay."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personal_data import LOOKALIKES, POSITIVES
from personal_data import SECRETS as KEYS
from tunesmith.text.checksums import IBAN_CHARS, iban_is_valid, luhn, mod11_10, verhoeff
from tunesmith.text.redact import EVERYTHING, PII, SECRETS, Placeholders, find, redact

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mail jo.doe+tag@mail.example.co.uk, please", "mail [EMAIL], please"),
        ("<jo@x.org>", "<[EMAIL]>"),
        ("JO@X.ORG and ann@x.org", "[EMAIL] and [EMAIL_2]"),
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
        ("phones: 5550123, 5550145 or 5550123", "phones: [PHONE], [PHONE_2] or [PHONE]"),
        ("postgres://app:Zk4!pQ9w@db.internal/x", "postgres://[SECRET]@db.internal/x"),
        ('{"password": "b1ueM00n!", "n": 1}', '{"password": "[SECRET]", "n": 1}'),
    ],
)
def test_what_is_found_becomes_its_kind_and_the_rest_stays(text, wanted):
    """Bug: one of the usual ways to write it is not known, or more than it goes."""
    assert redact(text)[0] == wanted


@pytest.mark.parametrize(("text", "value", "kind"), [one for one in POSITIVES if one[1]])
def test_personal_data_goes(text, value, kind):
    """Bug: a country's form, a separator or the word before a number is not known."""
    redacted, counts = redact(text)
    assert value not in redacted
    assert set(counts) == {kind}


@pytest.mark.parametrize(("text", "value"), KEYS)
def test_secrets_go(text, value):
    """Bug: a key is trained into a model that anybody may ask for it."""
    redacted, counts = redact(text)
    assert value not in redacted
    assert counts["SECRET"] >= 1


@pytest.mark.parametrize("text", LOOKALIKES)
def test_what_only_looks_so_stays(text):
    """Bug: what the task is about (order numbers, prices, dates, versions, stand-ins for keys) is wiped out."""
    assert redact(text) == (text, {})


def test_the_sets_are_large_enough_to_mean_something():
    """Bug: somebody deletes the hard ones."""
    assert len(POSITIVES) + len(KEYS) >= 165
    assert len(LOOKALIKES) >= 230


def test_counts_are_by_kind():
    """Bug: the report says how much was found, wrongly."""
    text = "a@x.org b@x.org 4111111111111111 10.0.0.1"
    assert redact(text)[1] == {"EMAIL": 2, "CARD": 1, "IP": 1}
    assert redact("") == ("", {})


def test_kinds_are_chosen():
    """Bug: `pii: off` with `secrets: redact` wipes addresses out, or the other way round."""
    text = "jo@x.org has password = 'k3y-b0ard!'"
    assert redact(text, PII) == ("[EMAIL] has password = 'k3y-b0ard!'", {"EMAIL": 1})
    assert redact(text, SECRETS) == ("jo@x.org has password = '[SECRET]'", {"SECRET": 1})
    assert PII | SECRETS == EVERYTHING


# --- names in a conversation ------------------------------------------------------------------------------------------


def test_a_value_has_one_name_all_through_a_conversation():
    """Bug: the answer says [EMAIL] where the question has [EMAIL_2], so the model learns to mix them up."""
    said = [
        "from a@x.org to b@x.org",
        "Sent to B@X.ORG, not a@x.org; call 415-555-0123",
        "or (415) 555-0123 or 0171 2345678",
    ]
    names = Placeholders(said)
    assert [redact(text, placeholders=names)[0] for text in said] == [
        "from [EMAIL] to [EMAIL_2]",
        "Sent to [EMAIL_2], not [EMAIL]; call [PHONE]",
        "or [PHONE] or [PHONE_2]",
    ]


def test_names_in_use_are_not_given_to_another_value():
    """Bug: a row that was captured redacted and then corrected by hand has two people under one name."""
    said = ["[EMAIL] and [PHONE_3]", "now c@x.org, 415-555-0123"]
    names = Placeholders(said)
    assert redact(said[1], placeholders=names)[0] == "now [EMAIL_2], [PHONE_4]"
    assert redact("[EMAIL] or d@x.org")[0] == "[EMAIL] or [EMAIL_2]"


def test_a_text_with_one_value_reads_the_same_alone_and_in_its_conversation():
    """Bug: captured traffic, redacted a message at a time, differs from training data for most rows."""
    said = ["I am jo@x.org", "Thank you, jo@x.org"]
    names = Placeholders(said)
    assert [redact(text, placeholders=names)[0] for text in said] == [redact(text)[0] for text in said]


PIECES = st.sampled_from([
    "jo@x.org", "4111 1111 1111 1111", "DE89370400440532013000", "+49 30 1234567", "10.0.0.1", "call me at ", "phone: ",
    " ", "-", ".", "/", "(", ")", "@", "+", "0", "1", "4", "9", "12", "x", "é", "\n", "٣", "GB", "[EMAIL]", "[PHONE_2]",
    "password=", "k3y-b0ard!", "://a:", "ghp_Qw7Rt9Yp2Lk4Zx8Vb3NmQw7Rt9Yp2Lk4", "536-22-8745", "NHS ", "943 476 5919", ":", "=", "'",
    "fe80::1ff:fe23:4567", "born ", "DOB: 3 May 1988", "account number ", "00:1A:2B:3C:4D:5E", "#", "_",
])  # fmt: skip


@settings(max_examples=700, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join) | st.text())
def test_redacting_twice_changes_nothing_more(text):
    """Bug: a placeholder makes the next number match, so training and capture see different text."""
    once, counts = redact(text)
    assert redact(once) == (once, {})
    assert (once == text) == (not counts)
    assert all(f"[{kind}" in once for kind in counts)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25).map("".join))
def test_what_is_found_is_in_order_and_apart(text):
    """Bug: two finders claim the same characters, so text is doubled or lost."""
    spans = find(text)
    assert spans == sorted(spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert all(start < end for start, end, _ in spans)


# --- check digits -----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.text("0123456789", min_size=12, max_size=18))
def test_one_wrong_digit_breaks_the_checksum(digits):
    """Bug: the check digit is not checked, or on the wrong side."""
    right = next(digits + last for last in "0123456789" if luhn(digits + last))
    assert sum(luhn(digits + last) for last in "0123456789") == 1
    for place in range(len(right)):
        changed = right[:place] + str((int(right[place]) + 1) % 10) + right[place + 1 :]
        assert not luhn(changed)


@settings(max_examples=150, deadline=None)
@given(st.text("0123456789", min_size=10, max_size=11), st.integers(0, 10))
def test_verhoeff_and_iso_7064_see_swapped_and_wrong_digits(digits, place):
    """Bug: a table is off by one, so that an Aadhaar or a German tax id passes with a typing error."""
    for check, swaps in ((verhoeff, True), (mod11_10, False)):
        right = [digits + last for last in "0123456789" if check(digits + last)]
        assert len(right) == 1
        at = place % (len(digits) - 1)
        swapped = right[0][:at] + right[0][at + 1] + right[0][at] + right[0][at + 2 :]
        assert swapped == right[0] or not swaps or not check(swapped)
        assert not check(right[0][:at] + str((int(right[0][at]) + 3) % 10) + right[0][at + 1 :])


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


# --- cost -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "1 " * 20_000, "a" * 100_000 + "@", "0-" * 20_000, "x@" * 50_000, "a." * 50_000 + "1111", "GB12" * 25_000,
        "a@b.co " * 10_000, "password=" * 10_000, "a1" * 50_000, "-----BEGIN PRIVATE KEY-----" * 3_000, "://a:" * 20_000,
        ":1" * 50_000, "my password is " * 5_000, "phone " * 10_000 + "1", "[at]" * 20_000, "+1(" * 20_000, "1." * 30_000,
    ],
)  # fmt: skip
def test_long_odd_texts_do_not_take_long(text):
    """Bug: a pattern that tries every way to match: one request stops the gateway."""
    start = time.process_time()
    redact(text)
    assert time.process_time() - start < 5


def test_plain_text_costs_next_to_nothing():
    """Bug: every kind is looked for in every row, as when a row of English took 100 microseconds."""
    text = (
        "The car which went into production in 2007 is powered by a hand built engine made by trained people. " * 5
    )[:540]
    runs = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(300):
            redact(text)
        runs.append((time.process_time() - start) / 300 * 1e6)
    assert min(runs) < 40  # 8 where nothing else runs; benchmarks/privacy.py measures


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("password: Tr0ub4dor&3", "password: [SECRET]"),
        ("(password: Tr0ub4dor&3). Then go", "(password: [SECRET]). Then go"),
        ("password=Tr0ub4dor&3&user=x", "password=[SECRET]&user=x"),
        ("Server=x;Password=Ab9;c7x;User=sa", "Server=x;Password=[SECRET];User=sa"),
        ("login(password=Abc123x9,timeout=30)", "login(password=[SECRET],timeout=30)"),
        ("<p>password: Zt9kk!x3</p>", "<p>password: [SECRET]</p>"),
        ("password: hunter2x, then go", "password: [SECRET], then go"),
        ("Your password is hunter2x!", "Your password is [SECRET]"),
    ],
)
def test_a_password_goes_whole_and_what_follows_it_stays(text, redacted):
    """Bug: '[SECRET]&3' shows the end of a password, or the next parameter goes with it."""
    assert redact(text)[0] == redacted
