"""Rows a second of ``fast_apply`` beside Snorkel's appliers, in one run: ``python benchmarks/speed/apply_lfs.py``.

The texts are those of a WRENCH set, repeated up to 50,000 rows and made distinct by a number, so that nothing is gained
from repetitions. Snorkel's appliers run the labeling functions as one writes them by hand (``word in x.text.lower()``,
``re.search``), on the first rows only; rows a second do not depend on their number. Every vote is compared.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from snorkel.labeling import LabelingFunction, LFApplier, PandasLFApplier

from benchmarks.output import wrench_root
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.rules.rules import keyword_lf, rules_lf

ROWS, SNORKEL_ROWS, REPEATS = 50_000, 2_000, 3
KEYWORDS = ["my", "subscribe", "http", "please", "song", "check", "channel", "love", "video", "money"]
SETS = ["sms", "chemprot", "agnews_24k", "yelp_7.6k"]


def run(rows: int = ROWS, snorkel_rows: int = SNORKEL_ROWS) -> list[dict[str, Any]]:
    """Return rows with case, ours, other, ratio and unit."""
    root = wrench_root()
    keywords = [keyword_lf(word, [word], label=1) for word in KEYWORDS]
    by_hand = [LabelingFunction(word, _contains(word)) for word in KEYWORDS]
    found = _compare("10 keyword LFs (youtube)", keywords, by_hand, _texts(root / "youtube", rows), snorkel_rows)
    for name in SETS:
        described = [lf for lf in json.loads((root / name / "lfs.json").read_text()) if lf["rules"]]
        lfs = [rules_lf(lf["name"], lf["rules"]) for lf in described]
        by_hand = [LabelingFunction(lf["name"], _by_hand(lf["rules"])) for lf in described]
        found += _compare(f"{len(lfs)} LFs of {name}", lfs, by_hand, _texts(root / name, rows), snorkel_rows)
    return found


def _compare(
    case: str, lfs: list[Any], by_hand: list[LabelingFunction], texts: list[str], snorkel_rows: int
) -> list[dict[str, Any]]:
    frame = pd.DataFrame({"text": texts})
    head = frame.iloc[:snorkel_rows]
    points = [SimpleNamespace(text=text) for text in texts[:snorkel_rows]]
    timed: dict[str, list[float]] = {"ours": [], "PandasLFApplier": [], "LFApplier": []}
    for _ in range(REPEATS):
        votes, seconds = _timed(lambda: fast_apply(lfs, frame))
        timed["ours"].append(len(texts) / seconds)
        for name, applier, data in (("PandasLFApplier", PandasLFApplier, head), ("LFApplier", LFApplier, points)):
            expected, seconds = _timed(lambda: applier(by_hand).apply(data, progress_bar=False))  # noqa: B023
            timed[name].append(len(points) / seconds)
            if not np.array_equal(votes[: len(points)], expected):
                raise AssertionError(f"{case}: the votes differ from those of {name}")
    ours = median(timed.pop("ours"))
    return [
        {
            "case": f"{case}, {name}",
            "ours": ours,
            "other": median(speed),
            "ratio": ours / median(speed),
            "unit": "rows/s",
        }
        for name, speed in timed.items()
    ]


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def _texts(folder: Path, rows: int) -> list[str]:
    texts = [row["data"]["text"] for row in json.loads((folder / "train.json").read_text()).values()]
    return [f"{texts[i % len(texts)]} {i}" for i in range(rows)]


def _contains(word: str) -> Callable[[Any], int]:
    return lambda x: 1 if word in x.text.lower() else -1


def _by_hand(rules: list[dict[str, Any]]) -> Callable[[Any], int]:
    compiled = {
        rule["regex"]: re.compile(rule["regex"], re.I if rule["flags"] else 0) for rule in rules if "regex" in rule
    }
    token_sets = [set(rule.get("token", ())) for rule in rules]

    def vote(x: Any) -> int:
        text = x.text
        lowered = text.lower()
        for rule, tokens in zip(rules, token_sets, strict=True):
            if "regex" in rule and compiled[rule["regex"]].search(text):
                return rule["label"]
            if any(word in lowered for word in rule.get("substring", ())):
                return rule["label"]
            if tokens and not tokens.isdisjoint(lowered.split(" ")):
                return rule["label"]
        return -1

    return vote


if __name__ == "__main__":
    print(f"{'case':46}{'ours':>10}{'other':>10}{'ratio':>8}  unit   (Snorkel: {SNORKEL_ROWS:,} of {ROWS:,} rows)")
    for row in run():
        print(f"{row['case']:46}{row['ours']:10,.0f}{row['other']:10,.0f}{row['ratio']:8.1f}  {row['unit']}")
