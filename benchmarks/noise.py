"""Rules about noise and errors of single rows: recall by kind on injected defects, false alarms on clean data, cost.

Run: ``python benchmarks/noise.py``. Needs ../shared/data. Writes benchmarks/results/noise.json and prints it as tables.
Rows go through the product's own functions, in prepare's order: `Cleaner.clean`, `check_row`, `Noise.judge`, and
`Habits.trusts` once all rows of a set are counted. A row counts as caught if the rule meant for its defect removed,
repaired or flagged it.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import platform
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.data.check import check_row
from tunesmith.data.noise.clean import Cleaner
from tunesmith.data.noise.judge import Noise
from tunesmith.data.read.formats import alpaca
from tunesmith.data.rows import Row, RowFault
from tunesmith.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT / "tests"))
MEANT = {
    "mojibake": {"encoding"}, "html_leftover": {"html"}, "control_characters": {"control"}, "merged_instructions": {"merged"},
    "no_output_placeholder": {"no_answer"}, "empty_output": {"empty_answer"}, "no_input_placeholder": {"no_input"},
    "wrong_language": {"language"}, "truncated_output": {"truncated"}, "mismatched_output": {"mismatch"},
    "assistant_boilerplate": {"ai_disclaimer", "refusal"}, "image_request": {"image_request"}, "repetition_loop": {"repetition"},
    "missing_attachment": {"missing_attachment"}, "url_hallucination": {"unread_link"}, "output_echoes_instruction": {"echo"},
    "prompt_injection": {"injection"},
}  # fmt: skip
OTHERS = {"exact_duplicate", "near_duplicate", "contradictory_duplicate", "pii", "secret"}
COST_ROWS = 20_000


def judged(rows: Iterable[Row], task: str) -> list[dict[str, set[str]]]:
    """Return for each row which rules removed, flagged and repaired it. Personal data is left to its own benchmark."""
    recipe = Recipe(name="noise", task=task, data={"train": "x", "privacy": {"pii": "off", "secrets": "off"}})
    cleaner, noise = Cleaner(recipe), Noise(recipe)
    seen = []
    for row in rows:
        cleaner.repairs.clear()
        removed: set[str] = set()
        found = []
        try:
            cleaner.clean(row)
            check_row(row, recipe)
            found = noise.judge(row)
        except RowFault as fault:
            removed.add(fault.rule)
        seen.append((removed, found, {repair.rule for repair in cleaner.repairs}))
    out = []
    for removed, found, repaired in seen:
        held = [one for one in found if noise.habits.trusts(one.habit)]
        removed |= {one.rule for one in held if one.action == "remove"}
        out.append(
            {"removed": removed, "flagged": {one.rule for one in held if one.action == "flag"}, "repaired": repaired}
        )
    return out


def said(question: str, answer: str) -> Row:
    return Row([{"role": "user", "content": question}, {"role": "assistant", "content": answer}], row_id="r")


def lines(path: str) -> Iterator[dict[str, Any]]:
    with (DATA / path).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def table(path: str) -> Iterator[dict[str, str]]:
    with (DATA / path).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def literal(value: Any) -> Any:
    return ast.literal_eval(value) if isinstance(value, str) else value


# --- recall ----------------------------------------------------------------------------------------------------------


def injected() -> dict[str, Any]:
    records = list(lines("injected_defects/rows.jsonl"))
    results = judged([alpaca(record) for record in records], "chat")
    caught: dict[str, list[bool]] = defaultdict(list)
    clean = []
    for record, result in zip(records, results, strict=True):
        kind = record["defect"]
        if kind is None:
            clean.append(result)
        elif kind not in OTHERS:
            caught[kind].append(bool(MEANT[kind] & set().union(*result.values())))
    kinds = {kind: {"caught": sum(hits), "rows": len(hits)} for kind, hits in sorted(caught.items())}
    total = sum(one["caught"] for one in kinds.values()) / sum(one["rows"] for one in kinds.values())
    return {
        "kinds": kinds,
        "recall": round(total, 4),
        "lowest": min(one["caught"] / one["rows"] for one in kinds.values()),
        "untouched": rates(clean),
    }


def own_variants() -> dict[str, Any]:
    """Measure the tests' hand-written rows: other words for the same defects, and look-alikes that are right."""
    from noise_rows import BAD, FINE

    prose = [
        (f"What is rain number {one}?", f"Rain is water that falls from clouds, number {one}.") for one in range(1500)
    ]
    out = {}
    for rule in BAD:
        results = judged([said(*pair) for pair in [*BAD[rule], *FINE[rule], *prose]], "chat")
        hits = [rule in set().union(*result.values()) for result in results]
        bad, fine = hits[: len(BAD[rule])], hits[len(BAD[rule]) : len(BAD[rule]) + len(FINE[rule])]
        out[rule] = {"caught": sum(bad), "rows": len(bad), "look_alikes": len(fine), "look_alikes_caught": sum(fine)}
    return out


# --- false alarms ----------------------------------------------------------------------------------------------------


def rates(results: list[dict[str, set[str]]]) -> dict[str, Any]:
    def count(what: str) -> dict[str, int]:
        return dict(Counter(rule for result in results for rule in result[what]).most_common())

    rows = len(results)
    share = {
        what: round(sum(bool(result[what]) for result in results) / rows, 5)
        for what in ("removed", "flagged", "repaired")
    }
    return {
        "rows": rows,
        **share,
        "removed_by": count("removed"),
        "flagged_by": count("flagged"),
        "repaired_by": count("repaired"),
    }


def clean_sets() -> dict[str, Any]:
    out: dict[str, Any] = {}
    dolly = list(lines("dolly6400/rows.jsonl"))
    results = judged([said(one["instruction"], one["response"]) for one in dolly], "chat")
    out["dolly6400"] = rates(results)
    cut = [str(one["maybe_truncated"]) == "True" for one in dolly]
    flagged = ["truncated" in result["flagged"] for result in results]
    out["dolly6400"]["truncated"] = {
        "recall_of_maybe_truncated": round(sum(map(min, flagged, cut)) / sum(cut), 4),
        "flagged_of_the_others": round(
            sum(hit and not is_cut for hit, is_cut in zip(flagged, cut, strict=True)) / (len(cut) - sum(cut)), 4
        ),
    }
    out["gsm8k_train"] = rates(
        judged([said(one["question"], one["answer"]) for one in lines("gsm8k/train.jsonl")], "chat")
    )
    out["banking77_train"] = rates(
        judged([said(one["text"], one["category"]) for one in table("banking77/train.csv")], "classify")
    )
    slots = [said(one["text"], json.dumps(literal(one["slots"]))) for one in lines("restaurant8k_slots/train_1.jsonl")]
    out["restaurant8k_slots"] = rates(judged(slots, "extract"))
    out["e2e_nlg"] = rates(judged([said(one["mr"], one["ref"]) for one in table("e2e_nlg/devset.csv")], "chat"))
    out["self_instruct_seed"] = rates(judged(list(seed_tasks()), "chat"))
    out["humaneval"] = rates(
        judged(
            [said(one["prompt"], one["canonical_solution"]) for one in lines("humaneval/humaneval_half.jsonl")], "chat"
        )
    )
    out["bfcl"] = rates(judged([row for row, _ in calls()], "chat"))
    return out


def seed_tasks() -> Iterator[Row]:
    for one in lines("self_instruct_seed/seed_tasks.jsonl"):
        for instance in literal(one["instances"]):
            yield alpaca({"instruction": one["instruction"], "input": instance["input"], "output": instance["output"]})


def graded() -> dict[str, Any]:
    records = list(lines("gsm8k_graded/solutions.jsonl"))
    results = judged([said(one["question"], one["solution"]) for one in records], "chat")
    right = [str(one["is_correct"]) == "True" for one in records]
    wrong_sum = ["arithmetic" in result["flagged"] for result in results]
    by_model = {}
    for model in sorted({one["model"] for one in records}):
        own = [number for number, one in enumerate(records) if one["model"] == model]
        bad = [number for number in own if not right[number]]
        by_model[model] = {"wrong": len(bad), "with_wrong_arithmetic": sum(wrong_sum[number] for number in bad)}
    wrong = len(right) - sum(right)
    return {
        "wrong_solutions": wrong,
        "wrong_with_fault_found": round(
            sum(hit and not good for hit, good in zip(wrong_sum, right, strict=True)) / wrong, 4
        ),
        "right_with_fault_found": round(sum(map(min, wrong_sum, right)) / sum(right), 4),
        "by_model": by_model,
    }


# --- tool calls ------------------------------------------------------------------------------------------------------


def calls() -> Iterator[tuple[Row, dict[str, Any]]]:
    """Yield right calls of BFCL, with the arguments that can be spoilt."""
    for name in ("simple_python", "multiple"):
        for one in lines(f"bfcl/{name}.jsonl"):
            truth = literal(one["ground_truth"])
            functions = literal(one["function"])
            if not truth:
                continue
            tool, accepted = next(iter(truth[0].items()))
            schema = next(function["parameters"] for function in functions if function["name"] == tool)
            given = {key: [value for value in values if value != ""] for key, values in accepted.items()}
            arguments = {key: plain(values[0]) for key, values in given.items() if values}
            yield (
                called(literal(one["question"])[0], functions, tool, arguments),
                {"tool": tool, "arguments": arguments, "schema": schema},
            )


def plain(value: Any) -> Any:
    """Return an accepted value as a call has it: inside objects BFCL lists the accepted values of each key."""
    if isinstance(value, dict):
        return {key: plain(inner[0]) if isinstance(inner, list) and inner else inner for key, inner in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def called(messages: list[dict[str, Any]], functions: list[dict[str, Any]], tool: str, arguments: Any) -> Row:
    tools = [{"type": "function", "function": function} for function in functions]
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": tool, "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments)},
    }
    return Row([*messages, {"role": "assistant", "content": None, "tool_calls": [call]}], tools=tools, row_id="r")


def spoilt_calls() -> dict[str, Any]:
    """Spoil every right call in six ways and count which are found."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row, right in calls():
        prompt, functions = row.messages[:-1], [tool["function"] for tool in row.tools or []]
        tool, arguments, schema = right["tool"], right["arguments"], right["schema"]
        required = [key for key in schema.get("required", []) if key in arguments]
        numbers = [
            key for key, value in arguments.items() if isinstance(value, int | float) and not isinstance(value, bool)
        ]
        rows["unknown_tool"].append(called(prompt, functions, f"{tool}_v2", arguments))
        rows["invented_argument"].append(called(prompt, functions, tool, {**arguments, "verbosity_level": 3}))
        rows["broken_json"].append(called(prompt, functions, tool, json.dumps(arguments)[:-1]))
        if required:
            rows["missing_argument"].append(
                called(prompt, functions, tool, {key: value for key, value in arguments.items() if key != required[0]})
            )
        if numbers:
            rows["number_as_text"].append(
                called(prompt, functions, tool, {**arguments, numbers[0]: f"{arguments[numbers[0]]}"})
            )
        if arguments:
            rows["object_as_value"].append(
                called(prompt, functions, tool, {**arguments, next(iter(arguments)): {"value": 1}})
            )
    return {
        kind: {"caught": sum("tool_calls" in result["removed"] for result in judged(own, "chat")), "rows": len(own)}
        for kind, own in rows.items()
    }


# --- cost ------------------------------------------------------------------------------------------------------------


def invented(rows: int) -> Iterator[Row]:
    """Yield rows of about 84 invented words, a third of them question, as the harness of the duplicates makes them."""
    import random

    random.seed(11)
    syllables = [one + two for one in "bcdfghklmnprstvz" for two in "aeiou"]
    words = ["".join(random.choices(syllables, k=random.choice((1, 2, 2, 3, 3, 4)))) for _ in range(20_000)]
    for _ in range(rows):
        length = max(12, round(random.gauss(84, 20)))
        text = [random.choice(words) + ("," if random.random() < 0.1 else "") for _ in range(length)]
        yield said(" ".join(text[: length // 3]).capitalize() + "?", " ".join(text[length // 3 :]).capitalize() + ".")


def english(rows: int) -> list[Row]:
    """Return Dolly's rows joined until they have about 84 words, as many as asked for."""
    texts = [(one["instruction"], one["response"]) for one in lines("dolly6400/rows.jsonl")]
    joined = [(f"{one[0]} {other[0]}", f"{one[1]}\n{other[1]}") for one, other in pairwise(texts)]
    joined = [pair for pair in joined if 60 <= len(" ".join(pair).split()) <= 110 and " ".join(pair).isascii()]
    return [said(*joined[number % len(joined)]) for number in range(rows)]


def cost() -> dict[str, Any]:
    """Measure CPU microseconds a row of clean, check and noise together, redaction of personal data included and not.

    ``word_split_us`` is 7.3 in the harness of the duplicates (shared/research/data.md), on the same kind of machine when
    nothing else runs on it: costs are to be read against it.
    """
    out = {}
    for name, rows in (("invented words", list(invented(COST_ROWS))), ("english", english(COST_ROWS))):
        words = statistics.mean(len(" ".join(message["content"] for message in row.messages).split()) for row in rows)
        out[name] = {
            "rows": len(rows),
            "words": round(words, 1),
            "word_split_us": word_split(rows),
            **{f"pii_{pii}": steps(rows, pii) for pii in ("off", "redact")},
        }
    return out


def word_split(rows: list[Row]) -> float:
    """Return what `re.findall` of all words of a row costs: the measure of how fast the machine is just now."""
    texts = [" ".join(message["content"] for message in row.messages) for row in rows]
    runs = []
    for _ in range(3):
        started = time.process_time()
        for text in texts:
            re.findall(r"\w+", text.lower())
        runs.append((time.process_time() - started) / len(texts) * 1e6)
    return round(statistics.median(runs), 1)


def steps(rows: list[Row], pii: str) -> dict[str, float]:
    recipe = Recipe(name="noise", task="chat", data={"train": "x", "privacy": {"pii": pii}})
    runs = []
    for _ in range(3):
        cleaner, noise = Cleaner(recipe), Noise(recipe)
        times = [time.process_time()]
        for row in rows:
            cleaner.clean(row)
        times.append(time.process_time())
        for row in rows:
            check_row(row, recipe)
        times.append(time.process_time())
        for row in rows:
            noise.judge(row)
        times.append(time.process_time())
        runs.append([(after - before) / len(rows) * 1e6 for before, after in pairwise(times)])
    clean, check, judge = (round(statistics.median(one), 1) for one in zip(*runs, strict=True))
    return {"clean_us": clean, "check_us": check, "noise_us": judge, "all_us": round(clean + check + judge, 1)}


def main() -> None:
    result = {
        "injected_defects": injected(),
        "own_variants": own_variants(),
        "clean_sets": clean_sets(),
        "gsm8k_graded": graded(),
        "spoilt_tool_calls": spoilt_calls(),
        "cost_per_row": cost(),
        "machine": {
            "cpu": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_at_end": os.getloadavg()[0],
        },
        "date": datetime.now(UTC).date().isoformat(),
    }
    (ROOT / "benchmarks" / "results" / "noise.json").write_text(json.dumps(result, indent=1) + "\n")
    show(result)


def show(result: dict[str, Any]) -> None:
    print(f"{'injected defect':28}caught")
    for kind, one in result["injected_defects"]["kinds"].items():
        print(f"{kind:28}{one['caught']}/{one['rows']}")
    print(f"{'all':28}{result['injected_defects']['recall']}\n\n{'own variants of':28}caught   look-alikes caught")
    for rule, one in result["own_variants"].items():
        print(f"{rule:28}{one['caught']}/{one['rows']:<8}{one['look_alikes_caught']}/{one['look_alikes']}")
    print(f"\n{'clean data':22}{'rows':>7}{'removed':>9}{'flagged':>9}{'repaired':>9}  by rule")
    for name, one in {"injected: untouched": result["injected_defects"]["untouched"], **result["clean_sets"]}.items():
        print(
            f"{name:22}{one['rows']:>7}{one['removed']:>9.2%}{one['flagged']:>9.2%}{one['repaired']:>9.2%}  {one['removed_by']} {one['flagged_by']} {one['repaired_by']}"
        )
    print(
        f"\ndolly truncated: {result['clean_sets']['dolly6400']['truncated']}\ngsm8k_graded: {result['gsm8k_graded']}"
    )
    print(
        f"spoilt tool calls: {result['spoilt_tool_calls']}\n\nCPU us a row: {json.dumps(result['cost_per_row'], indent=1)}"
    )


if __name__ == "__main__":
    main()
