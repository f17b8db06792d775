"""The command ``lol-lightning data``: where to get data sets, and one that is made on the spot."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lol_lightning._files.disk import make_directory_of, read_bytes, write_text
from lol_lightning.data.synthetic import LABEL_NAMES, synthetic_comments, synthetic_lfs
from lol_lightning.exceptions import DataError
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.rules.rule_types import RegexRule, Rule, SubstringRule, TokenRule

__all__ = ["SOURCES", "data", "write_comments"]

SOURCES = """\
Commands and configurations read WRENCH directories: train.json, valid.json, test.json and label.json hold texts, votes
and classes; lfs.json, where there is one, tells the rules of the labeling functions.

  Fourteen text sets and more: https://github.com/JieyuZ2/wrench (section "Datasets").
  The rules of six of them, in the form of lfs.json, are facts about these sets that the configurations expect beside
  the files; without lfs.json the votes count, and LFs have no gradients.

  lol-lightning data comments                              writes a set of generated comments to comments/
  lol-lightning fit --config comments                      trains on it
  lol-lightning fit --config youtube --data.root DIRECTORY trains on another set by a shipped configuration
"""


def data(directory: str | None = None, rows: int = 1000, seed: int = 0) -> None:
    """Say where data sets are, or write generated comments as a WRENCH directory.

    Args:
        directory: to write; without it nothing is written.
        rows: number of unlabeled training rows.
        seed: of the comments.
    """
    if directory is None:
        print(SOURCES, end="")
        return
    write_comments(Path(directory), rows, seed)
    print(f"Wrote {directory}: {rows} training rows, 200 for validation, 1000 for test, {len(synthetic_lfs())} LFs.")


def write_comments(directory: Path, rows: int, seed: int = 0) -> None:
    """Write ``synthetic_comments`` with the votes and rules of ``synthetic_lfs`` as a WRENCH directory.

    Raises:
        ConfigurationError: if ``rows`` is below 1.
        DataError: if a file cannot be written, or the directory holds another data set.
    """
    lfs, other_videos = synthetic_lfs(), (4, 5, 6, 7)
    splits = {
        "train": synthetic_comments(rows, seed=3 * seed),
        "valid": synthetic_comments(200, seed=3 * seed + 1, videos=other_videos),
        "test": synthetic_comments(1000, seed=3 * seed + 2, videos=other_videos),
    }
    contents: dict[str, Any] = {
        "label": dict(enumerate(LABEL_NAMES)),
        "lfs": [{"name": lf.name, "rules": [_plain(rule) for rule in lf.rules or ()]} for lf in lfs],
    }
    for name, frame in splits.items():
        votes = fast_apply(lfs, frame, progress_bar=False)
        contents[name] = {
            row: {"label": int(label), "weak_labels": votes[row].tolist(), "data": {"text": text}}
            for row, (text, label) in enumerate(zip(frame["text"], frame["label"], strict=True))
        }
    texts = {name: json.dumps(part, indent=None if name in splits else 2) + "\n" for name, part in contents.items()}
    _refuse_other_sets(directory, texts)
    for name, text in texts.items():
        path = directory / f"{name}.json"
        make_directory_of(path)
        write_text(path, text)


def _refuse_other_sets(directory: Path, texts: Mapping[str, str]) -> None:
    """Raise ``DataError`` if a directory holds another set, which would be written over."""
    for name in ("label", "lfs"):
        path = directory / f"{name}.json"
        if path.exists() and read_bytes(path, "a file of a WRENCH directory") != texts[name].encode():
            raise DataError(f"{directory} holds another data set ({path.name} differs); name another directory.")
    if (directory / "train.json").exists() and not (directory / "lfs.json").exists():
        raise DataError(f"{directory} holds another data set (train.json without lfs.json); name another directory.")


def _plain(rule: Rule) -> dict[str, Any]:
    if isinstance(rule, RegexRule):
        return {"label": rule.label, "regex": rule.pattern, "flags": "i" if int(rule.flags) & re.IGNORECASE else ""}
    if isinstance(rule, (SubstringRule, TokenRule)):
        kind = "substring" if isinstance(rule, SubstringRule) else "token"
        return {"label": rule.label, kind: list(rule.words)}
    return {"label": rule.label, "max_words": rule.max_words}  # type: ignore[attr-defined]
