"""The whole default `tunesmith prepare` on 1,200 instructions with 22 kinds of planted defects, 25 each.

Run: ``python benchmarks/defects.py``. Needs ../shared/data/injected_defects. Writes benchmarks/results/defects.json.

A planted row counts as caught when it, or for copies its original, was removed, repaired or flagged by a rule meant for
its kind. Of the 650 untouched rows, which have faults of their own, those removed and those flagged are counted.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import polars as pl

from tunesmith.core.artifacts import Workspace
from tunesmith.core.estimates import wilson
from tunesmith.data.prepare import prepare
from tunesmith.recipe import Recipe

ROOT = Path(__file__).parents[1]
FILE = ROOT.parent / "shared" / "data" / "injected_defects" / "rows.jsonl"
MEANT = {
    "prompt_injection": {"injection"},
    "image_request": {"image_request", "missing_attachment"},
    "no_output_placeholder": {"no_answer", "empty_answer"},
    "mojibake": {"encoding"},
    "near_duplicate": {"near_duplicate", "duplicate"},
    "missing_attachment": {"missing_attachment"},
    "truncated_output": {"truncated"},
    "wrong_language": {"language"},
    "pii": {"pii"},
    "html_leftover": {"html", "furniture"},
    "contradictory_duplicate": {"conflict", "near_conflict"},
    "merged_instructions": {"merged"},
    "mismatched_output": {"mismatch"},
    "assistant_boilerplate": {"ai_disclaimer", "refusal"},
    "url_hallucination": {"unread_link", "url_answer"},
    "repetition_loop": {"repetition"},
    "secret": {"secret", "secrets", "pii"},
    "control_characters": {"control", "whitespace"},
    "output_echoes_instruction": {"echo"},
    "empty_output": {"empty_answer", "no_answer"},
    "exact_duplicate": {"duplicate"},
    "no_input_placeholder": {"no_input"},
}
COPIES = {"near_duplicate", "exact_duplicate", "contradictory_duplicate"}


def main() -> None:
    rows = [json.loads(line) for line in FILE.open()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "rows.jsonl").open("w") as out:
            for row in rows:
                out.write(json.dumps({key: row[key] for key in ("instruction", "input", "output")}) + "\n")
        recipe = Recipe(name="defects", task="chat", data={"train": ["rows.jsonl"]})
        dataset = prepare(recipe, Workspace(folder / "home"), recipe_dir=folder)
        removed = pl.read_parquet(dataset.path / "removed.parquet")
        kept = pl.concat([pl.read_parquet(dataset.path / f"{part}.parquet") for part in ("train", "valid", "test")])
        repairs = pl.read_parquet(dataset.path / "repairs.parquet")
    line_of = dict(pl.concat([kept.select("row_id", "line"), removed.select("row_id", "line")]).iter_rows())
    rules: dict[int, set[str]] = defaultdict(set)
    for row_id, rule in [*removed.select("row_id", "rule").iter_rows(), *repairs.select("row_id", "rule").iter_rows()]:
        rules[line_of[row_id]].add(rule)
    lines_of_source = defaultdict(list)
    for line, row in enumerate(rows, 1):
        lines_of_source[row["source_id"]].append(line)
    caught, planted, missed = Counter(), Counter(), defaultdict(list)
    for line, row in enumerate(rows, 1):
        if (kind := row["defect"]) is None:
            continue
        planted[kind] += 1
        lines = lines_of_source[row["source_id"]] if kind in COPIES else [line]
        if any(rules[one] & MEANT[kind] for one in lines):
            caught[kind] += 1
        else:
            missed[kind].append({"id": row["id"], "rules": sorted(rules[line])})
    sound = {line for line, row in enumerate(rows, 1) if row["defect"] is None}
    copied = {line for row in rows if row["defect"] in COPIES for line in lines_of_source[row["source_id"]]}
    gone = {line: rule for line, rule in removed.select("line", "rule").iter_rows() if line in sound - copied}
    only_flags = repairs.filter(pl.col("after").is_null())
    flagged = {line_of[row_id] for row_id in only_flags["row_id"]} & (sound - copied)
    result = {
        "rows": len(rows),
        "recall": {kind: wilson(caught[kind], planted[kind]).as_dict() for kind in sorted(planted)},
        "recall_over_all": wilson(caught.total(), planted.total()).as_dict(),
        "untouched": len(sound - copied),
        "removed_in_error": wilson(len(gone), len(sound - copied)).as_dict(),
        "removed_in_error_by": dict(Counter(gone.values())),
        "flagged_untouched": wilson(len(flagged), len(sound - copied)).as_dict(),
        "missed": missed,
    }
    (ROOT / "benchmarks" / "results" / "defects.json").write_text(json.dumps(result, indent=1) + "\n")
    for kind, one in result["recall"].items():
        print(f"{kind:28} {one['value']:.2f}")
    for name in ("recall_over_all", "removed_in_error", "flagged_untouched"):
        print(f"{name:28} {result[name]['value']:.4f}")
    print(json.dumps(result["missed"])[:1500])


if __name__ == "__main__":
    main()
