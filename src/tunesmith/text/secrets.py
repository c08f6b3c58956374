"""Keys, tokens and passwords in text.

Owns the forms vendors give their keys, what is called a secret by its name (``password = ...``), and what only stands
in for one (``YOUR_API_KEY``, ``<token>``, values from documentation). Does not own what becomes of them (`redact`).
Each finder yields ``(start, end, kind)``; the kind is always ``SECRET``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    Found = tuple[int, int, str]

# Source: each vendor's documentation of its key formats, as collected in gitleaks' rules (MIT) and GitHub's list of
# secret scanning patterns.
VENDORS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(form + r"(?![A-Za-z0-9])"))
    for name, form in (
        ("AWS access key", r"(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{16}"),
        ("GitHub token", r"gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_[A-Za-z0-9_]{22,255}"),
        ("GitLab token", r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|oas|imt)-[A-Za-z0-9_-]{16,}"),
        ("Slack token", r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[0-9]-[A-Za-z0-9-]{20,}"),
        ("Stripe key", r"(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{20,}"),
        ("Anthropic key", r"sk-ant-[A-Za-z0-9_-]{16,}"),
        ("OpenAI key", r"sk-(?:proj-|svcacct-|admin-|None-|or-v1-)?[A-Za-z0-9_-]{20,}"),
        ("Google API key", r"AIza[A-Za-z0-9_-]{35}"),
        ("Google OAuth secret", r"GOCSPX-[A-Za-z0-9_-]{20,}|ya29\.[A-Za-z0-9_-]{20,}|1//0[A-Za-z0-9_-]{30,}"),
        ("Hugging Face token", r"(?:hf|api_org)_[A-Za-z0-9]{30,}"),
        ("Twilio key", r"(?:SK|AC)[0-9a-f]{32}"),
        ("SendGrid key", r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}"),
        ("Mailgun key", r"key-[0-9a-f]{32}"),
        ("Mailchimp key", r"[0-9a-f]{32}-us[0-9]{1,2}"),
        ("npm token", r"npm_[A-Za-z0-9]{30,}"),
        ("PyPI token", r"pypi-[A-Za-z0-9_-]{16,}"),
        ("JSON web token", r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
        ("Groq, xAI, Replicate key", r"gsk_[A-Za-z0-9]{20,}|xai-[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{30,}"),
        ("Perplexity, Fireworks, NVIDIA key", r"pplx-[A-Za-z0-9]{30,}|fw_[A-Za-z0-9]{20,}|nvapi-[A-Za-z0-9_-]{40,}"),
        ("DigitalOcean token", r"do[opr]_v1_[0-9a-f]{40,}"),
        ("Databricks token", r"dapi[0-9a-f]{32}(?:-[0-9])?"),
        ("Shopify token", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
        ("Square token", r"sq0[a-z]{3}-[A-Za-z0-9_-]{22,}|EAAA[A-Za-z0-9_-]{60}"),
        ("Telegram bot token", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{32,34}"),
        ("Discord token", r"[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}"),
        ("Linear, Notion, Figma key", r"lin_api_[A-Za-z0-9]{32,}|(?:secret|ntn)_[A-Za-z0-9]{40,}"
        r"|figd_[A-Za-z0-9_-]{30,}"),
        ("Grafana, Sentry token", r"glsa_[A-Za-z0-9_]{30,}|glc_[A-Za-z0-9+/=]{30,}|sntr[yu]s_[A-Za-z0-9+/=_]{30,}"),
        ("Vault, Terraform token", r"hv[sbr]\.[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}"),
        ("Docker, Postman, Atlassian", r"dckr_pat_[A-Za-z0-9_-]{20,}|PMAK-[0-9a-f]{24}-[0-9a-f]{34}"
        r"|ATATT3[A-Za-z0-9_=-]{50,}"),
        ("Facebook token", r"EAAC[A-Za-z0-9]{30,}"),
        ("age key", r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    )
)  # fmt: skip
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?P<body>(?:(?!-----)[\s\S]){24,20000})"
    r"(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----)?"
)
_WEBHOOK = re.compile(
    r"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9/_]{20,})"
    r"|discord(?:app)?\.com/api/webhooks/([0-9]{15,}/[A-Za-z0-9_-]{40,})"
)
_IN_URL = re.compile(r"://([^\s/:@\[\]<>\"']{0,100}):([^\s/@\[\]<>\"']{1,200})@(?=[\w\[])")
_PEOPLE = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "contraseña",
    "secret",
    "credential",
    "credentials",
)
_MACHINES = ("token", "apikey", "authorization", "bearer")
_SHORT = ("pass", "pwd", "psk", "cookie", "sig", "jwt", "dsn")
_KEYS = (
    "api", "access", "auth", "private", "secret", "account", "encryption", "signing", "license", "master", "shared",
    "storage", "service", "app", "consumer", "session", "webhook",
)  # fmt: skip


_STEMS = ("pass", "secret", "credential", "contrase", "token", "key", "authorization", "bearer", *_SHORT[1:])
"""What every name of a secret contains; a text with many signs is looked through for them first."""


def _backwards(words: tuple[str, ...]) -> str:
    return "|".join(word[::-1] for word in words)


_NAME_BACKWARDS = re.compile(  # read from the sign to the left, so that a text with many signs costs little
    r"\s{0,3}[\"'`\]*]{0,3}(?:(?:yek|nekot|eulav|esab|gnirts|rts|di|hsah|dorp|ved|tset|[0-9]{1,2})[_-]?){0,2}?"
    rf"(?P<word>{_backwards(_PEOPLE + _MACHINES)}|(?:{_backwards(_SHORT)})(?![a-z])"
    rf"|yek[_ .-]?(?:{_backwards(_KEYS)}))",
    re.IGNORECASE,
)
_ALONE_IN_URL = re.compile(r"://([A-Za-z0-9_-]{20,200})@(?=[\w\[])")
_ASSIGN = re.compile(r"[:=]")
_VALUE = re.compile(
    r"[:=>]?\*{0,2}\s{0,4}(?:(?:bearer|basic|token"
    r"|apikey)\s{1,2})?(?:(?P<quote>[\"'`])(?P<quoted>[^\"'`\n]{4,400})(?P=quote)"
    r"|(?P<bare>[^\s\"'`,;)}\[\]<>&|]{1,400}))",
    re.IGNORECASE,
)
_BARE_CHARS = 6
"""Fewest characters of a value without quotes."""
_TAIL = re.compile(
    r"(?:(?:[&;,|](?![\w.\[\]-]{1,40}[=:])|<(?![/A-Za-z!])|[)}\]>])+(?=[^\s\"'`,;)}\[\]<>&|]*[A-Za-z0-9])"
    r"[^\s\"'`,;)}\[\]<>&|]+)+"
)
"""What goes on with a password behind a sign that also parts values; ``&name=`` and ``;name=`` begin the next."""
_SAID = re.compile(
    r"(?:(?<![A-Za-z])(?:password|passwd|passwort|passphrase|passcode|pwd)(?:\s(?:for\s[\w.@ -]{1,40}?"
    r"|to\s[\w.@ -]{1,40}?))?"
    r"(?:\s(?:is|was|ist|to|as|now|changed to|set to|reset to|of|-)){1,2}[: ]{1,3}|--?(?:password|passwd)\s|PASSWORD\s)"
    r"[\"'`(<]?(?P<value>[^\s\"'`,;<>\[\]]{5,100})",
    re.IGNORECASE,
)
_STANDS_IN = re.compile(
    r"(?:your|my|the|some|any|insert|enter|put|add|use|paste|replace|change|example|sample|dummy|fake|mock"
    r"|placeholder|todo|fixme|redacted|hidden"
    r"|removed|masked|none|null|nil|true|false|undefined|empty|string|required|optional|invalid|incorrect|wrong"
    r"|correct|expired|default|foo|bar|baz"
    r"|test|testing|here|password|passwd|secret|token|key|admin|root|user|username|guest|login|process\.env"
    r"|os\.environ|os\.getenv|getenv|env\.|config"
    r"|settings|self|this|request|args|options|params|input|getpass|xxx|abc123|changeme|letmein|s3cr3t_here|lorem)"
    r"(?:[_\s.\-\[(\]{}):]|[a-z]*$|$)|.*(?:example|your[_-]|_here|-here|placeholder|changeme|change[_-]me"
    r"|redacted|xxxx|\*\*\*|\.\.\.|…|12345678$)"
    r"|[<\[{(%]|\$[{(A-Za-z_]|\{\{",
    re.IGNORECASE,
)
_EXPRESSION = re.compile(
    r"[A-Za-z_][\w.]*[(\[]|[A-Za-z_]+(?:\.[A-Za-z_]+)+$|[a-z_]+$|[A-Z_]+$|[A-Z][a-z]+$|[-+]?[0-9.,:%/-]+$"
    r"|https?://|[A-Za-z]+[.!?]$|/|[A-Za-z]+(?:[-_/][A-Za-z]+)+[.,!?]?$|\\"
)


_PLACEHOLDER = re.compile(r"\[[A-Z_]{2,20}(?:_[0-9]+)?\]")


def entropy(text: str) -> float:
    """Return the bits per character of a text's letters; 0 for an empty text.

    Source: Shannon 1948; thresholds for keys follow detect-secrets (3.0 for hexadecimal, 4.5 for base64 is too strict
    for values of 20 characters, which cannot have more than 4.3).
    """
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values())


def stands_in(value: str) -> bool:
    """Tell whether a value only shows where a secret would be: ``YOUR_API_KEY``, ``xxxx``, ``<token>``."""
    if _STANDS_IN.match(value) or _PLACEHOLDER.search(value) or len(set(value.lower())) < 4:
        return True
    letters = "".join(letter for letter in value.lower() if letter.isalnum())
    return (
        letters in "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz" or letters in "12345678901234567890"
    )


def is_random(value: str) -> bool:
    """Tell whether a value looks drawn at random, as keys are: 16 characters or more, letters and digits mixed."""
    mixed = any(letter.isdigit() for letter in value) and any(letter.isalpha() for letter in value)
    return len(value) >= 16 and mixed and entropy(value) >= 3.0 and not stands_in(value)


def is_password(value: str, quoted: bool) -> bool:
    """Tell whether a value that is called a password is one, and no word, expression or stand-in."""
    if stands_in(value) or (not quoted and _EXPRESSION.match(value)):
        return False
    kinds = [any(test(one) for one in value) for test in (str.isdigit, str.islower, str.isupper, _is_symbol)]
    if quoted and " " in value.strip():
        return sum(kinds) >= 3 and any(one.isdigit() for one in value)
    return (
        sum(kinds) >= 3
        or (sum(kinds) == 2 and (kinds[0] or (kinds[3] and len(value) >= 8)))
        or (len(value) >= 24 and kinds[0])
    )


def _is_symbol(letter: str) -> bool:
    return not letter.isalnum() and letter not in " _"


def vendor_token(text: str, start: int) -> int:
    """Return where the key of a vendor that begins at ``start`` ends, or -1 if none does."""
    for _, form in VENDORS:
        found = form.match(text, start)
        if found is not None:
            body = found[0]
            return -1 if len(set(body)) < 9 or stands_in(body) else found.end()
    return -1


def blocks(text: str) -> Iterator[Found]:
    """Yield private keys in PEM form; a header without a key is none."""
    for found in _PRIVATE_KEY.finditer(text):
        body = re.sub(r"\\n|\s", "", found["body"])
        if entropy(body) >= 3.5 and "..." not in body:
            yield found.start(), found.end(), "SECRET"


def in_urls(text: str) -> Iterator[Found]:
    """Yield name and password of URLs, ``scheme://name:password@host``, and secret paths of web hooks."""
    for found in _IN_URL.finditer(text):
        word = found[2]
        if (
            not _STANDS_IN.fullmatch(word)
            and word.lower() not in ("password", "pass", "pwd", "secret", found[1].lower())
            and word[0] not in "$<{%*"
        ):
            yield found.start(1), found.end(2), "SECRET"
    for found in _ALONE_IN_URL.finditer(text):
        if is_random(found[1]):
            yield found.start(1), found.end(1), "SECRET"
    for found in _WEBHOOK.finditer(text):
        group = 1 if found[1] else 2
        if not stands_in(found[group]):
            yield found.start(group), found.end(group), "SECRET"


def assigned(text: str) -> Iterator[Found]:
    """Yield values given to a name that means a secret: ``password = ...``, ``"api_key": "..."``."""
    if text.count("=") + text.count(":") > 4:
        lower = text.lower()
        if not any(stem in lower for stem in _STEMS):
            return
    for sign in _ASSIGN.finditer(text):
        name = _NAME_BACKWARDS.match(text[max(0, sign.start() - 40) : sign.start()][::-1])
        value = _VALUE.match(text, sign.end()) if name is not None else None
        if value is None or name is None:
            continue
        group = "quoted" if value["quoted"] is not None else "bare"
        people = _is_for_people(name["word"][::-1])
        body = value[group] if group == "quoted" else _bare(text, value.span(group), people)
        if group == "bare" and len(body) < _BARE_CHARS:
            continue
        if is_password(body, group == "quoted") if people else is_random(body) and not _EXPRESSION.match(body):
            yield value.start(group), value.start(group) + len(body), "SECRET"


def _bare(text: str, span: tuple[int, int], people: bool) -> str:
    """Return a value without quotes, less the signs of its sentence; passwords may hold what parts other values."""
    tail = _TAIL.match(text, span[1]) if people else None
    return text[span[0] : tail.end() if tail else span[1]].rstrip(".?*:")


def _is_for_people(word: str) -> bool:
    return word.lower() in (*_PEOPLE, "pass", "pwd", "psk")


def said(text: str) -> Iterator[Found]:
    """Yield passwords told in a sentence ("my password is ...") or given to a command."""
    for found in _SAID.finditer(text):
        value = _bare(text, found.span("value"), people=True).rstrip(".?:)*")
        if is_password(value, quoted=False) and (
            any(one.isdigit() for one in value) or sum(map(_is_symbol, value)) > 1
        ):
            yield found.start("value"), found.start("value") + len(value), "SECRET"
