"""How well tracing finds the literals of plain labeling functions: precision and recall against ``lfs.json``.

Usage: python benchmarks/accuracy/inspected_literals.py ../shared/wrench youtube sms chemprot
With ``--votes`` it compares the votes with and without tracing of every LF on every row instead.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.wrench_lfs import plain_lf, read_set
from lol_lightning.inspection.tracing._tracing import Tracer, trace_lfs
from lol_lightning.lfs.record import LFRecord

ALL_SETS = ("youtube", "sms", "chemprot", "agnews_24k", "yelp_7.6k", "imdb")


def literals_of(rules: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """Return the literals and their classes as a human reads them in ``lfs.json``, without a parser of patterns.

    In the alternations of sms, ``thanks.`` and ``thanks`` stand side by side.
    """
    literals = set()
    for rule in rules:
        words = [*rule.get("substring", ()), *rule.get("token", ()), *_words_of_pattern(rule.get("regex", ""))]
        literals |= {(word.strip().lower(), rule["label"]) for word in words if word.strip()}
    return literals


def _words_of_pattern(pattern: str) -> list[str]:
    """Split at ``.*`` and ``.{0,20}``, or take the alternatives in the brackets that hold words."""
    if "(" not in pattern:
        return re.split(r"\.\*|\.\{0,\d+\}", pattern)
    groups = [group for group in re.findall(r"\(([^()]*)\)", pattern) if not re.search(r"[\^$+]", group)]
    return [re.sub(r"\\(.)", r"\1", word) for group in groups for word in group.split("|")]


def literals_in(record: LFRecord) -> set[tuple[str, int]]:
    """Return the literals that a record finds, lowered, with the class that they speak for."""
    return {(f.term.strip().lower(), f.label) for f in record.features if f.kind != "length" and f.value > 0}


def as_words(literals: set[tuple[str, int]]) -> set[tuple[str, int]]:
    """Drop punctuation at the ends of literals: ``thanks.`` and ``thanks`` are one word."""
    return {(re.sub(r"^\W+|\W+$", "", term) or term, label) for term, label in literals}


def compare(root: Path, name: str, max_rows: int) -> tuple[float, float]:
    """Print precision and recall of each LF of a set, and return those of the set as a whole.

    They are counted on words, that is without punctuation at the ends; the last line gives them for the exact
    literals as well.
    """
    entries, points, votes = read_set(root, name)
    start = time.perf_counter()
    records = trace_lfs([plain_lf(e["name"], e["rules"]) for e in entries], points, max_rows=max_rows, votes=votes)
    seconds = time.perf_counter() - start
    counts, exact_counts = np.zeros(3), np.zeros(3)
    print(f"\n{name}: {len(entries)} LFs, {max_rows} rows each, {seconds:.1f} s")
    for entry, record in zip(entries, records, strict=True):
        true, traced = literals_of(entry["rules"]), literals_in(record)
        exact_counts += len(true & traced), len(traced), len(true)
        true, traced = as_words(true), as_words(traced)
        counts += len(true & traced), len(traced), len(true)
        differences = [f"missed {sorted(true - traced)[:5]}"] * bool(true - traced)
        differences += [f"added {sorted(traced - true)[:5]}"] * bool(traced - true)
        scores = f"{_fraction(true & traced, traced)} {_fraction(true & traced, true)}"
        print(f"  {entry['name']:<24} {scores}  {'; '.join([*differences, *record.notes])[:200]}")
    precision, recall = counts[0] / counts[1:].clip(min=1)
    print(f"  {'all, as words':<24} {precision:6.3f} {recall:6.3f}")
    print("  {:<24} {:6.3f} {:6.3f}".format("all, exact", *exact_counts[0] / exact_counts[1:].clip(min=1)))
    return precision, recall


def compare_votes(root: Path, name: str, every: int = 1) -> int:
    """Print and return how many votes of a set differ from those without tracing or from the published ones."""
    entries, points, published = read_set(root, name)
    points, published = points[::every], published[::every]
    lfs = [plain_lf(entry["name"], entry["rules"]) for entry in entries]
    tracers = [Tracer(lf) for lf in lfs]
    traced = np.array([[tracer.run(point)[0] for tracer in tracers] for point in points])
    plain = np.array([[lf(point) for lf in lfs] for point in points])
    differing = int(((traced != plain) | (traced != published)).sum())
    print(
        f"{name}: {differing} of {traced.size} votes differ ({traced.shape[0]} rows, {traced.shape[1]} LFs)", flush=True
    )
    return differing


def _fraction(part: set[Any], whole: set[Any]) -> str:
    return f"{len(part) / len(whole):6.3f}" if whole else f"{'-':>6}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("sets", nargs="*", default=["youtube", "sms", "chemprot"], help=f"of {', '.join(ALL_SETS)}")
    parser.add_argument("--max-rows", type=int, default=500)
    parser.add_argument("--votes", action="store_true", help="compare votes instead of literals")
    parser.add_argument("--every", type=int, default=1, help="compare the votes on every so manieth row only")
    arguments = parser.parse_args()
    for each in arguments.sets:
        if arguments.votes:
            compare_votes(arguments.root, each, arguments.every)
        else:
            compare(arguments.root, each, arguments.max_rows)
