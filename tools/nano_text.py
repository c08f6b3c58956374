"""Text that we write ourselves for pretraining nano: customers' messages and the small skills of a task model.

Everything is made from the word lists and sentence frames in this file and ``nano_words.py``, with a seed; nothing is
taken from a data set. An intent is an action or a trouble with a thing ("cancel" x "booking", "arrived broken" x
"parcel"), so thousands of intents share words, and the same intent is said in many ways. Rows are conversations.

Owns the kinds of rows and their mix. Does not own word lists (`nano_words`), tokens or training (`nano_pretrain`).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import nano_words as words

Message = dict[str, str]
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SLOT = re.compile(r"\{(\w+)\}")
_ASKING = frozenset(
    [
        "how",
        "what",
        "when",
        "where",
        "why",
        "which",
        "who",
        "can",
        "could",
        "is",
        "are",
        "am",
        "do",
        "does",
        "did",
        "will",
        "would",
        "may",
        "must",
        "should",
    ]
)


@dataclass(frozen=True)
class Intent:
    """What a customer wants: a label and the frames in which it is said; ``{x}`` stands for the thing."""

    label: str
    frames: tuple[str, ...]
    things: tuple[str, ...]
    topic: str


def _intents() -> list[Intent]:
    """Cross every action, trouble and question with the things it fits, then add the hand-written ones."""
    made = []
    for thing in words.THINGS:
        for act in words.ACTS:
            if act.fits & thing.kinds:
                label = act.label.replace("{x}", thing.label)
                made.append(Intent(label, act.frames, thing.names, thing.topic))
    made += [Intent(label, frames, ("it",), topic) for topic, label, frames in words.SINGLE]
    return made


INTENTS = _intents()
BY_TOPIC: dict[str, list[Intent]] = {}
for _intent in INTENTS:
    BY_TOPIC.setdefault(_intent.topic, []).append(_intent)


def expand(random_: random.Random, frame: str, **fixed: str) -> str:
    """Choose among ``[a|b|c]``, innermost first, and fill ``{slot}`` from the fixed values or the word lists."""
    while match := _CHOICE.search(frame):
        frame = frame[: match.start()] + random_.choice(match[1].split("|")) + frame[match.end() :]

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        return fixed[name] if name in fixed else expand(random_, random_.choice(words.SLOTS[name]))

    return re.sub(r"\s+", " ", _SLOT.sub(fill, frame)).strip()


def say(random_: random.Random, intent: Intent) -> str:
    """Return one way to say an intent, with or without greeting, reason, politeness, typos and capitals."""
    text = expand(random_, random_.choice(intent.frames), x=random_.choice(intent.things))
    asked = text.endswith("?") or text.split(" ")[0].lower().removesuffix("'s") in _ASKING
    if random_.random() < 0.22:
        text = expand(random_, random_.choice(words.OPENINGS)) + " " + text
    if random_.random() < 0.18:
        text = text.rstrip(".?! ") + ("? " if asked else ". ") + expand(random_, random_.choice(words.CLOSINGS))
    return _surface(random_, text, asked)


def _surface(random_: random.Random, text: str, asked: bool) -> str:
    style = random_.random()
    if style < 0.62:
        text = text[0].upper() + text[1:]
        text = re.sub(r"([.?!] )([a-z])", lambda m: m[1] + m[2].upper(), text)
        text = re.sub(r"\bi\b", "I", re.sub(r"\bi'", "I'", text))
    if style > 0.9:
        text = text.replace("'", "")
    if random_.random() < 0.08:
        text = _typo(random_, text)
    if not text.endswith((".", "?", "!")) and random_.random() < 0.75:
        text += "?" if asked else random_.choice(["."] * 5 + ["!"])
    elif random_.random() < 0.2:
        text = text.rstrip(".?!")
    return text


def _typo(random_: random.Random, text: str) -> str:
    place = random_.randrange(1, max(2, len(text) - 1))
    kind = random_.randrange(3)
    if kind == 0:
        return text[:place] + text[place + 1 :]
    if kind == 1:
        return text[:place] + text[place : place + 1] * 2 + text[place + 1 :]
    return text[: place - 1] + text[place : place + 1] + text[place - 1 : place] + text[place + 1 :]


def _turns(*contents: str, system: str | None = None) -> list[Message]:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(contents)]
    return ([{"role": "system", "content": system}] if system else []) + messages


def classification(random_: random.Random) -> list[Message]:
    """User: a message; assistant: its snake_case label. Sometimes the system turn lists labels or gives the task."""
    topic = random_.choice(list(BY_TOPIC))
    intent = random_.choice(BY_TOPIC[topic])
    style = random_.random()
    system = None
    if style < 0.3:
        system = expand(random_, random_.choice(words.CLASSIFY_PROMPTS))
    elif style < 0.45:
        others = random_.sample(BY_TOPIC[topic], min(random_.randint(2, 6), len(BY_TOPIC[topic])))
        labels = sorted({intent.label, *(one.label for one in others)})
        random_.shuffle(labels)
        system = expand(random_, random_.choice(words.CLASSIFY_PROMPTS)) + " Labels: " + ", ".join(labels)
    return _turns(say(random_, intent), intent.label, system=system)


def same_topic(random_: random.Random) -> list[Message]:
    """Two messages; assistant says yes if they mean the same, else no. Half the pairs are hard: same thing or act."""
    first = random_.choice(INTENTS)
    if random_.random() < 0.5:
        second = first
    elif random_.random() < 0.7:
        second = random_.choice(BY_TOPIC[first.topic])
    else:
        second = random_.choice(INTENTS)
    answer = "yes" if first.label == second.label else "no"
    question = random_.choice(words.SAME_QUESTIONS)
    return _turns(f"{say(random_, first)}\n{say(random_, second)}", answer, system=question)


def write_about(random_: random.Random) -> list[Message]:
    """Label in, message out."""
    intent = random_.choice(INTENTS)
    ask = expand(random_, random_.choice(words.WRITE_PROMPTS), label=intent.label)
    return _turns(ask, say(random_, intent))


def paraphrase(random_: random.Random) -> list[Message]:
    """The same wish in other words."""
    intent = random_.choice(INTENTS)
    return _turns(say(random_, intent), say(random_, intent), system=random_.choice(words.REPHRASE_PROMPTS))


def bulk_messages(random_: random.Random) -> list[Message]:
    """Several messages of one intent in a row, then its label: teaches what they have in common."""
    intent = random_.choice(INTENTS)
    lines = "\n".join("- " + say(random_, intent) for _ in range(random_.randint(2, 4)))
    return _turns(lines, intent.label, system=random_.choice(words.COMMON_PROMPTS))


def few_shot(random_: random.Random) -> list[Message]:
    """Messages with made-up tags; the last one takes the tag of its like: teaches to copy by meaning."""
    chosen = random_.sample(BY_TOPIC[random_.choice(list(BY_TOPIC))], 3)
    names = random_.sample(words.TAGS, 3)
    turns: list[str] = []
    shown = [(intent, name) for intent, name in zip(chosen, names, strict=True) for _ in range(random_.randint(1, 2))]
    random_.shuffle(shown)
    for intent, name in [*shown, random_.choice(list(zip(chosen, names, strict=True)))]:
        turns += [say(random_, intent), name]
    return _turns(*turns)


def chat(random_: random.Random) -> list[Message]:
    """A wish, an answer, thanks."""
    intent = random_.choice(INTENTS)
    thing = random_.choice(intent.things)
    answer = expand(random_, random_.choice(words.REPLIES), x=thing)
    turns = [say(random_, intent), answer[0].upper() + answer[1:]]
    if random_.random() < 0.4:
        turns += [expand(random_, random_.choice(words.THANKS)), expand(random_, random_.choice(words.WELCOMES))]
    system = expand(random_, random_.choice(words.AGENT_PROMPTS)) if random_.random() < 0.4 else None
    return _turns(*turns, system=system)


def extraction(random_: random.Random) -> list[Message]:
    """A text in which spans are known; assistant: the spans as compact JSON with sorted keys."""
    frame = expand(random_, random_.choice(words.SPAN_FRAMES)).replace("<", "{").replace(">", "}")
    spans = {
        name: expand(random_, random_.choice(words.SLOTS[words.SPAN_SLOTS[name]])) for name in _SLOT.findall(frame)
    }
    text = _SLOT.sub(lambda match: spans[match[1]], frame)
    lower = random_.random() < 0.25
    text = text.lower() if lower else text[0].upper() + text[1:]
    spans = {name: span.lower() if lower else span for name, span in spans.items()}
    found = {name: span for name, span in spans.items() if span in text}
    answer = json.dumps(found, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    style = random_.random()
    if style < 0.25:
        return _turns(text, answer, system=random_.choice(words.EXTRACT_PROMPTS))
    if style < 0.5:
        asked = random_.sample(sorted(words.SPAN_SLOTS), random_.randint(1, 3))
        wanted = {name: found[name] for name in asked if name in found}
        answer = json.dumps(wanted, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return _turns(f"{text}\n{random_.choice(['requested', 'slots', 'fields'])}: {', '.join(asked)}", answer)
    return _turns(text, answer)


def copying(random_: random.Random) -> list[Message]:
    """Echo, reverse, upper case, sort, count, find: the mechanics of copying."""
    items = [random_.choice(words.SLOTS[random_.choice(words.PLAIN_SLOTS)]) for _ in range(random_.randint(2, 6))]
    items = [expand(random_, item) for item in items]
    skill, act = random_.choice(_COPY_SKILLS)
    joined = random_.choice([", ", " ; ", "\n"]).join(items)
    return _turns(f"{skill}: {joined}", act(items))


_COPY_SKILLS = (
    ("repeat", lambda items: ", ".join(items)),
    ("echo", lambda items: " ".join(items)),
    ("reverse the list", lambda items: ", ".join(reversed(items))),
    ("first", lambda items: items[0]),
    ("last", lambda items: items[-1]),
    ("second", lambda items: items[1]),
    ("sort", lambda items: ", ".join(sorted(items))),
    ("upper case", lambda items: ", ".join(items).upper()),
    ("lower case", lambda items: ", ".join(items).lower()),
    ("as json", lambda items: json.dumps(items, ensure_ascii=False)),
    ("how many", lambda items: str(len(items))),
    ("longest", lambda items: max(items, key=len)),
)


def quiz(random_: random.Random) -> list[Message]:
    """A short question and its answer: kinds of things, opposites, small sums, calendar."""
    kind = random_.randrange(5)
    if kind == 0:
        group, members = random_.choice(list(words.GROUPS.items()))
        return _turns(f"What is {random_.choice(members)}?", group)
    if kind == 1:
        left, right = random_.choice(words.OPPOSITES)
        return _turns(random_.choice([f"What is the opposite of {left}?", f"opposite: {left}"]), right)
    if kind == 2:
        a, b = random_.randint(0, 20), random_.randint(0, 20)
        return _turns(f"What is {a} plus {b}?", str(a + b))
    if kind == 3:
        day = random_.randrange(7)
        return _turns(f"Which day comes after {words.DAYS[day]}?", words.DAYS[(day + 1) % 7])
    left, right = random_.choice(words.SYNONYMS)
    return _turns(random_.choice([f"Another word for {left}?", f"synonym: {left}"]), right)


MIX = (
    (classification, 34), (same_topic, 8), (write_about, 10), (paraphrase, 8), (bulk_messages, 7), (few_shot, 8),
    (chat, 8), (extraction, 11), (copying, 4), (quiz, 2),
)  # fmt: skip
"""Kinds of rows and their shares in percent."""


def conversations(seed: int, count: int) -> Iterator[list[Message]]:
    """Yield ``count`` conversations; the same seed gives the same ones."""
    random_ = random.Random(f"nano-text-{seed}")
    makers, weights = zip(*MIX, strict=True)
    for _ in range(count):
        yield random_.choices(makers, weights)[0](random_)


if __name__ == "__main__":
    import sys

    for row in conversations(0, int(sys.argv[1]) if len(sys.argv) > 1 else 20):
        print(json.dumps(row, ensure_ascii=False))
