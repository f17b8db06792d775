"""The labeling functions of a WRENCH set, written by hand as a user of Snorkel would."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from snorkel.labeling import LabelingFunction

ABSTAIN = -1


def read_set(root: Path, name: str) -> tuple[list[dict[str, Any]], list[SimpleNamespace], np.ndarray]:
    """Read the LFs that have rules, the training points and the published votes of these LFs, int (N, m)."""
    entries = json.loads((root / name / "lfs.json").read_text())
    rows = json.loads((root / name / "train.json").read_text()).values()
    with_rules = [position for position, entry in enumerate(entries) if entry["rules"] is not None]
    points = [SimpleNamespace(text=row["data"]["text"]) for row in rows]
    votes = np.array([row["weak_labels"] for row in rows])[:, with_rules]
    return [entries[position] for position in with_rules], points, votes


def plain_lf(name: str, rules: list[dict[str, Any]]) -> LabelingFunction:
    """Write an LF as a user of Snorkel would: ``in``, ``any``, loops over tokens, ``re.search``, ``len``."""
    if len(rules) > 1:
        return _ordered_lf(name, rules)
    label = rules[0]["label"]
    match rules[0]:
        case {"substring": [word]}:
            return LabelingFunction(name, lambda x: label if word in x.text.lower() else ABSTAIN)
        case {"substring": words}:
            return LabelingFunction(name, lambda x: label if any(w in x.text.lower() for w in words) else ABSTAIN)
        case {"token": words}:
            return LabelingFunction(name, lambda x: label if _has_token(x.text, words) else ABSTAIN)
        case {"regex": pattern, "flags": flags}:
            flag = re.I if flags == "i" else 0
            return LabelingFunction(name, lambda x: label if re.search(pattern, x.text, flags=flag) else ABSTAIN)
        case {"max_words": limit}:
            return LabelingFunction(name, lambda x: label if len(x.text.split()) < limit + 1 else ABSTAIN)
    raise ValueError(f"LF {name!r} has an unknown rule {rules[0]!r}.")


def _ordered_lf(name: str, rules: list[dict[str, Any]]) -> LabelingFunction:
    def vote(x: Any) -> int:
        text = x.text
        lowered = text.lower()
        for rule in rules:
            if "regex" in rule:
                if re.search(rule["regex"], text, flags=re.I if rule["flags"] == "i" else 0):
                    return rule["label"]
            elif "token" in rule:
                if _has_token(text, rule["token"]):
                    return rule["label"]
            else:
                for word in rule["substring"]:
                    if word in lowered:
                        return rule["label"]
        return ABSTAIN

    return LabelingFunction(name, vote)


def _has_token(text: str, words: list[str]) -> bool:
    tokens = text.lower().split(" ")
    return any(word in tokens for word in words)
