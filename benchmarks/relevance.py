"""Rows of one domain among those of others: how well the score tells them apart, and what the threshold costs.

Writes benchmarks/results/relevance.json. For each domain as the target and 10 to 200 examples of it: the AUC of the
domain's rows (not among the examples) against all other rows of the pool, in twenty draws, with and without the base's
embeddings; the share of the domain's rows that stay and of the others that go at keep 0.95. BANKING77 is what the bar
is about; the rest shows that nothing is tuned to it. Then, how often rows go although all are of the domain. Last, for
descriptions that mean a part of a pool and for those that mean none: which are refused, and the AUC of the others.
"""

from __future__ import annotations

import csv
import json
import os
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from tunesmith.data.relevance.describe import LEARNT_ROWS, meant_by
from tunesmith.data.relevance.judge import DOUBT, Judged, line, lowest
from tunesmith.data.relevance.score import fit
from tunesmith.data.sample import spread
from tunesmith.models.embed import WordVectors

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
DRAWS, KEEP = 20, 0.95
EXAMPLES = (10, 25, 50, 200)
CASES = {  # name: (target, other sets, rows of the target in the pool, rows of each other)
    "banking": ("banking", ("dolly", "e2e", "stories"), 2000, 2000),
    "gsm8k": ("gsm8k", ("dolly", "e2e", "stories", "banking"), 2000, 2000),
    "restaurant": ("restaurant", ("dolly", "e2e", "stories", "banking"), 2000, 2000),
    "news": ("news", ("dolly", "e2e", "stories", "banking"), 2000, 2000),
    "dolly": ("dolly", ("gsm8k", "e2e", "stories", "banking"), 2000, 2000),
    "banking beside restaurant": ("banking", ("dolly", "e2e", "restaurant"), 2000, 2000),
    "banking, 94 % of the pool": ("banking", ("dolly", "e2e", "stories"), 9000, 200),
}

DESCRIBED = {
    "banking": (
        "customer questions to a retail bank about cards, transfers and accounts",
        "questions about bank cards, top-ups, cash withdrawals and exchange rates",
        "people asking why their card payment or transfer has failed",
        "customer support of a bank",
    ),
    "e2e": (
        "short descriptions of restaurants, pubs and coffee shops with price, food and customer rating",
        "restaurant reviews: where it is, what food it serves, whether it is family friendly",
        "places to eat in the city",
    ),
    "stories": (
        "short stories for small children about a little girl or boy and their friends, animals and toys",
        "simple tales with a happy ending in which mom and dad help",
        "bedtime stories for children",
    ),
    "restaurant": ("booking a table at a restaurant: day, time and number of people", "restaurant reservations"),
    "gsm8k": (
        "grade school math word problems: how many, how much money",
        "arithmetic problems about buying, selling and sharing things",
    ),
    "dolly": (
        "general knowledge questions about history, science, sport and geography",
        "instructions to brainstorm ideas or to summarise a text",
        "open questions and instructions",
    ),
    "": (
        "legal contracts between companies",
        "medical notes of patients in a hospital",
        "python source code with functions and classes",
        "chess openings and endgames",
        "prévisions météo en français pour Paris",
        "medieval castles in France",
        "orders of a pizza delivery service",
        "lattice quantum chromodynamics",
        "garden window river market engine letter",
        "tweets about football matches and transfers of players",
        "patents on semiconductor manufacturing",
        "complaints of airline customers about lost luggage and delayed flights",
        "job advertisements for nurses and engineers",
        "real estate listings of houses with garden",
        "poems about love and death",
        "Rezepte für Kuchen und Brot",
        "user reviews of mobile phones and laptops",
        "telecom customers asking about their mobile contract, roaming and invoices",
        "insurance claims after car accidents",
    ),
}
UNSEEN = {  # written when the bounds stood
    "banking": (
        "bank clients who lost a card, wait for a refund or want to change their PIN",
        "help with payments, cash machines, identity checks and currency exchange in a banking app",
    ),
    "e2e": (
        "sentences that recommend a coffee shop or pub near the river with cheap Italian, French or Japanese food",
        "venue descriptions with customer rating, price range and area",
    ),
    "stories": ("a boy and his dog play in the park, learn a lesson and go home to mom",),
    "": (
        "scientific abstracts about protein folding and gene expression",
        "questions of drivers about parking tickets and traffic fines",
        "hotel guests asking about rooms, breakfast and late check-out",
        "emails between colleagues that schedule meetings",
        "step by step cooking recipes with ingredients and oven temperatures",
        "song lyrics about summer, the sea and dancing",
        "bug reports of a web browser with stack traces",
        "parliamentary debates on taxes and the budget",
        "horoscopes for the week",
        "product descriptions of shoes and clothes in an online shop",
        "students asking a university about exams, courses and fees",
        "dialogues between a doctor and a patient about pain and drugs",
    ),
}
POOLS = {  # of descriptions; name: rows of each set
    "banking, dolly, e2e, stories": {"banking": 1000, "dolly": 1000, "e2e": 1000, "stories": 1000},
    "six sets": dict.fromkeys(("banking", "dolly", "e2e", "stories", "restaurant", "gsm8k"), 650),
    "banking 2 %": {"banking": 80, "dolly": 1300, "e2e": 1300, "stories": 1300},
    "banking 80 %": {"banking": 3200, "dolly": 300, "e2e": 250, "stories": 250},
    "banking alone": {"banking": 3000},
}


def sets():
    def lines(file, key):
        return [json.loads(line)[key] for line in (DATA / file).open(encoding="utf-8") if key in json.loads(line)]

    def cells(file, key):
        with (DATA / file).open(encoding="utf-8", newline="") as stream:
            return [row[key] for row in csv.DictReader(stream)]

    return {
        "banking": cells("banking77/train.csv", "text"),
        "dolly": lines("dolly6400/rows.jsonl", "instruction"),
        "e2e": cells("e2e_nlg/devset.csv", "ref"),
        "stories": lines("corpus_tinystories_lc/stories.jsonl", "text"),
        "gsm8k": lines("gsm8k/train.jsonl", "question"),
        "restaurant": lines("restaurant8k_slots/train_1.jsonl", "text"),
        "news": lines("onestop_english/sentence_pairs.jsonl", "adv"),
    }


def auc(above, below):
    ordered = np.sort(below)
    places = (np.searchsorted(ordered, above) + np.searchsorted(ordered, above, "right")) / 2
    return float(places.mean() / len(ordered))


def drawn(texts, case, examples, draw):
    target, others, own, each = case
    random = np.random.default_rng(draw)
    order = random.permutation(len(texts[target]))
    shown = [texts[target][at] for at in order[:examples]]
    pool = [texts[target][at] for at in order[examples : examples + own]]
    own = len(pool)
    for other in others:
        pool += [texts[other][at] for at in random.permutation(len(texts[other]))[:each]]
    return shown, pool, np.arange(len(pool)) < own


def measured(shown, pool, is_own, vectors):
    scorer = fit(shown, pool, vectors)
    scores = scorer(pool)
    kept = scores >= line(np.sort(scorer.held_out), KEEP)
    return auc(scores[is_own], scores[~is_own]), float(kept[is_own].mean()), float((~kept[~is_own]).mean())


def summary(found):
    scores, kept, gone = (list(column) for column in zip(*found, strict=True))
    return {
        "auc_by_draw": [round(one, 4) for one in scores],
        "auc_lowest": round(min(scores), 4),
        "domain_rows_kept": round(float(np.mean(kept)), 4),
        "domain_rows_kept_lowest": round(min(kept), 4),
        "draws_that_kept_less": int(sum(one < KEEP for one in kept)),
        "other_rows_removed": round(float(np.mean(gone)), 4),
    }


def false_alarms(texts):
    """How often rows would be removed from a pool that is wholly of the target's domain, and how many lie below."""
    found = {}
    for examples in (50, 200):
        below, alarms = [], 0
        for name in ("banking", "dolly", "gsm8k", "restaurant"):
            for draw in range(10):
                shown, pool, _ = drawn(texts, (name, (), 3000, 0), examples, draw)
                scorer = fit(shown, pool)
                judged = Judged(np.arange(len(pool)), scorer(pool), np.sort(scorer.held_out), KEEP)
                below.append(float((judged.scores < lowest(judged.held_out, KEEP)).mean()))
                alarms += judged.chance < DOUBT
        found[str(examples)] = {
            "pools": len(below),
            "alarms": int(alarms),
            "rows_below": round(float(np.mean(below)), 4),
        }
    return found


def described(texts, mix, vectors, descriptions, draw=0):
    """What becomes of each description in a pool; of those that mean a part of it, how well that part is found."""
    random = np.random.default_rng(draw)
    rows = [(name, at) for name, most in mix.items() for at in random.permutation(len(texts[name]))[:most]]
    pool, names = [texts[name][at] for name, at in rows], np.array([name for name, _ in rows])
    found = {"meaningful": {}, "meaningless": {}}
    for target in [*mix, ""]:
        for text in descriptions.get(target, ()):
            meant = meant_by(text, pool, vectors)
            own = {"refused": meant.doubt, "words": meant.words, "agreement": round(meant.agreement, 3)}
            if not meant.doubt and target and len(mix) > 1:
                shown = [meant.texts[at] for at in spread(np.arange(len(meant.texts)), LEARNT_ROWS)]
                scored = measured(shown, pool, names == target, vectors)
                names_of = ("auc", "domain_rows_kept", "other_rows_removed")
                own |= {name: round(one, 4) for name, one in zip(names_of, scored, strict=True)}
            found["meaningful" if target else "meaningless"][text] = own
            print(target or "-", text, own, flush=True)
    for kind in ("meaningful", "meaningless"):
        found[f"{kind}_accepted"] = f"{sum(not one['refused'] for one in found[kind].values())} of {len(found[kind])}"
    return found


def cost(texts, vectors):
    """CPU microseconds a row of 80 words, of which the score alone is one part and learning the other."""
    pool = [" ".join(texts["stories"][at % 4000].split()[:80]) for at in range(20_000)]
    shown = texts["banking"][:50]
    started = time.process_time()
    scorer = fit(shown, pool, vectors)
    learnt = time.process_time()
    for start in range(0, len(pool), 10_000):
        scorer(pool[start : start + 10_000])
    scored = time.process_time()
    return {
        "fit_s": round(learnt - started, 2),
        "score_us_a_row": round((scored - learnt) / len(pool) * 1e6, 1),
    }


def main() -> None:
    texts, vectors = sets(), WordVectors("nano")
    started = time.process_time()
    result = {"draws": DRAWS, "keep": KEEP, "cases": {}}
    for name, case in CASES.items():
        own = result["cases"][name] = {"rows": {case[0]: case[2], **dict.fromkeys(case[1], case[3])}}
        for examples in EXAMPLES:
            found = [drawn(texts, case, examples, draw) for draw in range(DRAWS)]
            own[str(examples)] = {
                "words": summary([measured(*one, None) for one in found]),
                "words_and_embeddings": summary([measured(*one, vectors) for one in found]),
            }
            print(name, examples, json.dumps(own[str(examples)]), flush=True)
    result["false_alarms"] = false_alarms(texts)
    print(result["false_alarms"])
    result["descriptions"] = {name: described(texts, mix, vectors, DESCRIBED) for name, mix in POOLS.items()}
    result["unseen_descriptions"] = described(texts, next(iter(POOLS.values())), vectors, UNSEEN, draw=1)
    result["cost"] = cost(texts, vectors)
    result["cpu_s"] = round(time.process_time() - started, 1)
    print(result["cost"], result["cpu_s"])
    (ROOT / "benchmarks" / "results" / "relevance.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
