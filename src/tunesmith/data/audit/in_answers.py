"""Defects of an answer's text: what other models, exports and tired people leave there.

Owns how each is made. Does not own which rule is meant to find it (`defects`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tunesmith.data.noise.exchange import View
from tunesmith.data.noise.language import language_of

if TYPE_CHECKING:
    from tunesmith.data.audit.rows import Kit, Row

FOREIGN = {
    "de": "Das ist eine gute Frage, und die Antwort darauf hängt davon ab, was man mit dem Ergebnis machen will.",
    "fr": "C'est une bonne question, et la réponse dépend de ce que vous voulez faire avec le résultat plus tard.",
    "es": "Es una buena pregunta, y la respuesta depende de lo que usted quiera hacer con el resultado más tarde.",
    "en": "That is a good question, and the answer to it depends on what you want to do with the result later on.",
}


def nothing(row: Row, kit: Kit) -> str:
    """No text."""
    return kit.one_of("", " ", "\n")


def stand_in(row: Row, kit: Kit) -> str:
    """Words that stand where an answer should be."""
    return kit.one_of("N/A", "<no output>", "TODO", "[No answer provided]", "None provided.", "-")


def disclaimer(row: Row, kit: Kit) -> str:
    """The words of another assistant before the answer."""
    said = kit.one_of(
        "As an AI language model, I do not have personal opinions.",
        "As a large language model trained by OpenAI, I can tell you this.",
        "I'm just an AI assistant, but here is what I found.",
    )
    return f"{said} {row.answered}"


def refusal(row: Row, kit: Kit) -> str:
    """A refusal."""
    return kit.one_of(
        "I'm sorry, but I cannot help with that.",
        "I apologize, but I am unable to answer this question.",
        "Sorry, I can't assist with this request.",
        "Unfortunately, I do not have enough information to answer.",
    )


def loop(row: Row, kit: Kit) -> str | None:
    """The end of the answer over and over."""
    words = row.answered.split()
    if len(words) < 8:
        return None
    size = kit.chance.randrange(1, 6)
    return " ".join([*words[:12], *(words[4 : 4 + size] * (40 // size))])


def gibberish(row: Row, kit: Kit) -> str:
    """Letters at random."""
    return " ".join(
        "".join(kit.chance.choices("bcdfghjklmnpqrstvwxz", k=kit.chance.randrange(6, 12))) for _ in range(6)
    )


def foreign(row: Row, kit: Kit) -> str | None:
    """An answer in a language that is neither the question's nor one the recipe allows."""
    asked, allowed = language_of(View(row.asked)), kit.recipe.data.clean.languages or []
    if asked is None:
        return None
    languages = [code for code in FOREIGN if code != asked and code not in allowed]
    return FOREIGN[kit.chance.choice(languages)] if languages else None


def cut(row: Row, kit: Kit) -> str | None:
    """The first part of the answer, cut after a word that nobody ends with, or in a list."""
    words = row.answered.split()
    if len(words) < 20:
        return None
    kept = " ".join(words[: len(words) * 2 // 3]).rstrip(".,;:!?")
    return f"{kept} {kit.one_of('the', 'and', 'because of', 'with a')}"


def slot(row: Row, kit: Kit) -> str:
    """A slot that nobody filled in."""
    return kit.one_of(
        f"{row.answered} Best regards, [Your Name]",
        f"Dear {{customer_name}}, {row.answered}",
        f"{row.answered} It was on [insert date].",
        f"{row.answered} Lorem ipsum dolor sit amet.",
    )


def link(row: Row, kit: Kit) -> str:
    """Nothing but a link."""
    return f"https://www.{kit.one_of('infohub', 'learnmore', 'wikiguide')}.com/{kit.chance.randrange(10_000)}"


def echo(row: Row, kit: Kit) -> str | None:
    """The question again."""
    return kit.one_of(row.asked, f"The question is: {row.asked}") if len(row.asked.split()) >= 5 else None


def of_another(row: Row, kit: Kit) -> str | None:
    """The answer of another row."""
    return kit.other_answer(row.answered)


def long_of_another(row: Row, kit: Kit) -> str | None:
    """The answer of another row, of some length."""
    other = kit.other_answer(row.answered)
    return other if other and len(other.split()) >= 12 and len(row.asked.split()) >= 4 else None


def wrong_sum(row: Row, kit: Kit) -> str:
    """A sum that is wrong by one to nine."""
    one, other = kit.chance.randrange(3, 90), kit.chance.randrange(3, 90)
    return f"{row.answered} And {one} + {other} = {one + other + kit.chance.randrange(1, 10)}."


def second_task(row: Row, kit: Kit) -> str:
    """Another instruction, with its answer, behind the answer."""
    return row.answered + kit.one_of(
        "\n\nInstruction: Name three rivers.\nOutput: Rhine, Nile, Amazon.",
        "\n\n### Instruction:\nName a colour.\n\n### Response:\nBlue",
        "\nHuman: What is the tallest mountain?\nAssistant: Mount Everest.",
    )


def open_fence(row: Row, kit: Kit) -> str:
    """A block of code that is whole and left open."""
    return f"{row.answered}\n\n```python\n" + kit.one_of("print('done')\n", "total = 3\nprint(total)\n")


def other_label(row: Row, kit: Kit) -> str | None:
    """Another of the data's labels."""
    others = [label for label in kit.labels if label != row.answered]
    return kit.chance.choice(others) if others else None


def unknown_label(row: Row, kit: Kit) -> str:
    """A label that the recipe does not list."""
    label = kit.one_of(f"{row.answered}s", f"{row.answered}_new", f"not {row.answered}")
    return label if label not in (kit.recipe.data.labels.names or ()) else f"{label} ?"


def wrapped_json(row: Row, kit: Kit) -> str:
    """JSON in a block of code, or with a comma too many."""
    return kit.one_of(f"```json\n{row.answered}\n```", row.answered.rstrip().removesuffix("}") + ",}")


def no_json(row: Row, kit: Kit) -> str:
    """A sentence, or a list, where a JSON object should be."""
    return kit.one_of("The values are as given in the text.", "[1, 2]", row.answered[: len(row.answered) // 2])


def against_schema(row: Row, kit: Kit) -> str | None:
    """JSON without a field the recipe's schema requires, or with one of another type."""
    schema: dict[str, Any] = kit.recipe.data.clean.answer_schema or {}
    value = json.loads(row.answered)
    required = [name for name in schema.get("required", ()) if name in value]
    typed = [name for name, one in schema.get("properties", {}).items() if name in value and _is_typed(one)]
    if required:
        del value[kit.chance.choice(required)]
    elif typed:
        value[kit.chance.choice(typed)] = {"unexpected": [1]}
    else:
        return None
    return json.dumps(value)


def _is_typed(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") in ("string", "number", "integer", "boolean", "array")
