"""Write the demo's examples: customer tickets of an invented web shop, realistically dirty, from one seed.

``python tools/write_tickets.py [FOLDER]`` writes ``tickets.csv`` (raw, dirty), ``live.jsonl`` (what customers ask
after the release, mostly the new intent ``gift_card``), ``live_test.jsonl`` (clean, held out) and ``recipe.yaml``.
Same seed, same bytes. E-mails, phones, cards and accounts are documentation and test numbers, nobody's.
Does not own the sentences (`ticket_phrases`).
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import ticket_phrases as phrases

SEED = 20260
NEW_INTENT = "gift_card"
OLD_INTENTS = tuple(sorted(set(phrases.FRAMES) - {NEW_INTENT}))
UNIQUE_ROWS = 1384
DUPLICATES = 92
CONFLICTS = 8
EMPTY_ROWS = 6
WRONG_LABEL_FRAC = 0.02
LIVE_NEW, LIVE_OLD, TEST_EACH = 118, 45, 60
DEMO = Path(__file__).parent.parent / "src" / "tunesmith" / "assets" / "demo"

_CARDS = ("4111 1111 1111 1111", "5555555555554444", "4012-8888-8888-1881", "3782 822463 10005")
_IBANS = ("GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "FR14 2004 1010 0505 0001 3M02 606")
_PII = (
    "You can reach me at {email}.",
    "My e-mail is {email}",
    "Call me on {phone} please.",
    "my number: {phone}",
    "Reply to {email} or {phone}.",
    "I paid with card {card}.",
    "The card was {card}, valid until 09/28.",
    "My account is {iban}.",
    "IBAN {iban}",
    "I was logged in from {ip}.",
)


@dataclass(frozen=True)
class Ticket:
    """One row of the file: who wrote what, and what the team filed it under."""

    customer: str
    text: str
    intent: str


def words(block: str) -> list[str]:
    """Return the entries of a phrase list, split at ``|`` and line ends."""
    return [entry.strip() for entry in re.split(r"[|\n]", block) if entry.strip()]


class Writer:
    """Writes tickets with one random source."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.slots: dict[str, Callable[[], str]] = {
            "p": self._pick(words(phrases.PRODUCTS)),
            "c": self._pick(words(phrases.CITIES)),
            "k": self._pick(words(phrases.COURIERS)),
            "t": self._pick(words(phrases.SPANS)),
            "d": self._pick(words(phrases.DAYS)),
            "f": self._pick(words(phrases.FUTURE)),
            "street": self._pick(words(phrases.STREETS)),
            "n": lambda: str(self.rng.randint(2, 6)),
            "m": self._money,
            "o": self._order,
            "name": self._name,
        }
        self.frames = {intent: block.splitlines() for intent, block in phrases.FRAMES.items()}
        self.context = phrases.CONTEXT.splitlines()
        self.greetings, self.sign_offs = words(phrases.GREETINGS), words(phrases.SIGN_OFFS)

    def _pick(self, choices: list[str]) -> Callable[[], str]:
        return lambda: self.rng.choice(choices)

    def _chance(self, frac: float) -> bool:
        return self.rng.random() < frac

    def _name(self) -> str:
        first, last = self.rng.choice(words(phrases.FIRST)), self.rng.choice(words(phrases.LAST))
        return first if self._chance(0.5) else f"{first} {last}"

    def _money(self) -> str:
        amount = self.rng.randint(6, 240) + self.rng.choice((0.0, 0.5, 0.9, 0.95, 0.99))
        return self.rng.choice((f"{amount:.2f} EUR", f"€{amount:.2f}", f"{int(amount)} euros", f"£{int(amount)}"))

    def _order(self) -> str:
        number = self.rng.randint(10_000, 99_999)
        return self.rng.choice((f"#{number}", f"TS-{number % 900 + 100}-{number}", f"{number}{number % 89 + 10}"))

    def fill(self, frame: str) -> str:
        """Fill a frame's slots and choose its alternatives."""
        frame = re.sub(r"\[([^\]]+)\]", lambda found: self.rng.choice(found[1].split("|")), frame)
        return re.sub(r"\{(\w+)\}", lambda found: self.slots[found[1]](), frame)

    def message(self, intent: str, frames: list[str] | None = None) -> str:
        """Write one clean message of an intent: perhaps a greeting, context, the request, context, a sign-off."""
        request = self.fill(self.rng.choice(frames or self.frames[intent]))
        parts = [self._ended(request)]
        if self._chance(0.42):
            parts.insert(self.rng.randint(0, 1), self._ended(self.fill(self.rng.choice(self.context))))
        if self._chance(0.12):
            parts.append(self._ended(self.fill(self.rng.choice(self.context))))
        if self._chance(0.3):
            parts.insert(0, self.rng.choice(self.greetings))
        if self._chance(0.22):
            parts.append(self.fill(self.rng.choice(self.sign_offs)))
        return self._mood(" ".join(parts))

    def _ended(self, sentence: str) -> str:
        if sentence[-1] in ".!?,:)" or self._chance(0.15):
            return sentence
        return sentence + "."

    def _mood(self, text: str) -> str:
        if self._chance(0.11):
            text = text.lower()
        elif self._chance(0.015):
            text = text.upper()
        if self._chance(0.05):
            text = text.rstrip(".") + self.rng.choice(("!!", "!!!", " :(", "...", "??"))
        while self._chance(0.16):
            text = self._typo(text)
        return text

    def _typo(self, text: str) -> str:
        """Swap, drop or double one letter inside a word."""
        places = [i for i in range(1, len(text) - 2) if text[i : i + 2].isalpha() and text[i - 1].isalpha()]
        if not places:
            return text
        at, kind = self.rng.choice(places), self.rng.randrange(3)
        pair = (text[at + 1] + text[at], text[at], text[at] + text[at : at + 2])[kind]
        return text[:at] + pair + text[at + 2 :]

    def personal(self) -> str:
        """Return a sentence with personal data."""
        name = re.sub(r"[^a-z]+", ".", self._name().lower()).strip(".")
        return self.rng.choice(_PII).format(
            email=f"{name}@{self.rng.choice(('example.com', 'mail.example.org', 'example.net'))}",
            phone=self.rng.choice(
                ("+44 7700 900{:03d}", "07700 900{:03d}", "+1 202-555-0{:03d}", "(202) 555-0{:03d}")
            ).format(self.rng.randint(100, 199)),
            card=self.rng.choice(_CARDS),
            iban=self.rng.choice(_IBANS),
            ip=f"203.0.113.{self.rng.randint(1, 254)}",
        )

    def dirt(self, text: str) -> str:
        """Add what web forms and exports add: personal data, HTML, mojibake, stray spaces."""
        if self._chance(0.09):
            text = f"{text} {self.personal()}"
        if self._chance(0.35):
            text = text.replace("'", "’")
        if self._chance(0.07):
            text = self._html(text)
        if self._chance(0.45) and not text.isascii():
            text = mojibake(text)
        if self._chance(0.05):
            text = text.replace(". ", self.rng.choice((".\n", ".\n\n", ".  ", ".\t")))
        return text

    def _html(self, text: str) -> str:
        style = self.rng.randrange(4)
        if style == 0:
            return f"<p>{text}</p>"
        if style == 1:
            return text.replace(". ", ".<br>") + "<br/>"
        if style == 2:
            return text.replace("'", "&#39;").replace(" and ", " &amp; ").replace(", ", ",&nbsp;") + "&nbsp;"
        return f'<div class="msg">{text}</div>'

    def customers(self) -> Iterator[str]:
        """Yield customer numbers for ever; many write more than once."""
        known: list[str] = []
        while True:
            if known and self._chance(0.45):
                yield self.rng.choice(known)
            else:
                known.append(f"C{len(known) + 1001}")
                yield known[-1]


def mojibake(text: str) -> str:
    """Return UTF-8 text read as Windows-1252, or the text itself where that cannot happen."""
    try:
        return text.encode("utf-8").decode("cp1252")
    except UnicodeDecodeError:
        return text


def normal(text: str) -> str:
    """Return text up to case and whitespace, the sameness of the demo's files."""
    return " ".join(text.lower().split())


def unique_tickets(writer: Writer, count: int) -> list[Ticket]:
    """Return clean tickets of the old intents, no two with the same text."""
    seen: set[str] = set()
    tickets: list[Ticket] = []
    customers = writer.customers()
    while len(tickets) < count:
        intent = OLD_INTENTS[len(tickets) % len(OLD_INTENTS)]
        text = writer.message(intent)
        if normal(text) not in seen:
            seen.add(normal(text))
            tickets.append(Ticket(next(customers), text, intent))
    writer.rng.shuffle(tickets)
    return tickets


def soiled(writer: Writer, tickets: list[Ticket]) -> list[Ticket]:
    """Return the tickets as the shop's export has them: dirt, wrong labels, duplicates, conflicts, empty texts."""
    rng = writer.rng
    rows = [replace(ticket, text=writer.dirt(ticket.text)) for ticket in tickets]
    for index in rng.sample(range(len(rows)), round(WRONG_LABEL_FRAC * len(rows))):
        rows[index] = replace(rows[index], intent=_other(rng, rows[index].intent))
    copies = [replace(row, text=_variant(rng, row.text)) for row in rng.sample(rows, DUPLICATES)]
    conflicts = [replace(row, intent=_other(rng, row.intent)) for row in rng.sample(rows, CONFLICTS)]
    empty = [replace(row, text=rng.choice(("", " ", "\n", "<p></p>"))) for row in rng.sample(rows, EMPTY_ROWS)]
    for extra in copies + conflicts + empty:
        rows.insert(rng.randrange(len(rows)), extra)
    return rows


def _other(rng: random.Random, intent: str) -> str:
    return rng.choice([other for other in OLD_INTENTS if other != intent])


def _variant(rng: random.Random, text: str) -> str:
    return rng.choice((text, text, text.lower(), f"  {text}", f"{text} \n", text.replace(" ", "  "), text.upper()))


def live(writer: Writer, known: set[str]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Return what is asked after the release and its held-out test; no text occurs twice or in ``known``.

    The test's gift-card sentences come from frames that the live messages never use.
    """
    frames = writer.frames[NEW_INTENT]
    for_test, for_live = frames[::3], [frame for index, frame in enumerate(frames) if index % 3]

    def rows(intent: str | None, count: int, own: list[str] | None) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        while len(found) < count:
            chosen = intent or OLD_INTENTS[len(found) % len(OLD_INTENTS)]
            text = writer.message(chosen, own)
            if normal(text) not in known:
                known.add(normal(text))
                found.append({"text": text, "intent": chosen})
        return found

    asked = rows(NEW_INTENT, LIVE_NEW, for_live) + rows(None, LIVE_OLD, None)
    held_out = rows(NEW_INTENT, TEST_EACH, for_test) + rows(None, TEST_EACH, None)
    writer.rng.shuffle(asked)
    writer.rng.shuffle(held_out)
    return asked, held_out


def csv_text(rows: list[Ticket]) -> str:
    """Return the tickets as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["ticket_id", "customer", "text", "intent"])
    for number, row in enumerate(rows, 1):
        writer.writerow([f"T{number:05d}", row.customer, row.text, row.intent])
    return out.getvalue()


def jsonl_text(rows: list[dict[str, str]]) -> str:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


RECIPE = """\
# The demo: customers' messages to an intent. Run it with: tunesmith run recipe.yaml
name: tickets
task: classify
base: nano                     # the small base model that comes with Tunesmith; runs on any CPU
seed: 0

data:
  train: tickets.csv           # about 1,500 rows as a help desk exports them: dirty on purpose
  columns: {input: text, target: intent, group: customer}   # a customer's messages stay on one side of the split
  clean: {encoding: repair, html: repair}                    # CafÃ© -> Café, <p>Hi</p> -> Hi
  privacy: {pii: redact}       # e-mails, phones, cards, accounts become [EMAIL], [PHONE], [CARD], [IBAN]
  split: {valid: 0.1, test: 0.2}

train:
  method: full                 # nano is small: train every weight
  epochs: 6                    # early stopping ends sooner when the validation loss no longer falls
  batch_tokens: 256            # answers are a few tokens, so this is about 60 messages a step
  schedule: {peak: 0.0004}     # chosen on the validation share; see docs/log.md

evaluate:
  baselines: [base, linear, majority]   # does tuning pay? measured against these
"""


def all_files() -> dict[str, str]:
    """Return the demo's files by name."""
    writer = Writer(SEED)
    clean = unique_tickets(writer, UNIQUE_ROWS)
    rows = soiled(writer, clean)
    asked, held_out = live(writer, {normal(ticket.text) for ticket in clean})
    return {
        "tickets.csv": csv_text(rows),
        "live.jsonl": jsonl_text(asked),
        "live_test.jsonl": jsonl_text(held_out),
        "recipe.yaml": RECIPE,
    }


def main() -> None:
    """Write the files into the demo's folder, or the one given."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in all_files().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{folder / name}: {len(text.encode()):,} bytes")


if __name__ == "__main__":
    main()
