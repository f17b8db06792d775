"""What probing finds on real labeling functions, what it costs, and how its error falls with the budget.

Usage: python benchmarks/speed/probing.py ../shared/wrench [--sets youtube imdb] [--seeds 3]

1. youtube's seven LFs with rules, written as plain Snorkel functions: what ``inspect_lfs`` finds.
2. Calls and seconds (of one process) to probe the whole training sets, beside the calls of one removal for each token.
3. Error of the probed strengths against the full probe, by the number of calls for each LF.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from snorkel.labeling import LabelingFunction

from benchmarks.wrench_lfs import plain_lf, read_set
from lol_lightning.inspection import inspect_lfs
from lol_lightning.inspection.probing._points import TextPoints
from lol_lightning.inspection.probing._probe_settings import ProbeSettings
from lol_lightning.inspection.probing._text_probe import Probe, probe_lf
from lol_lightning.inspection.probing._units import TextUnits
from lol_lightning.lfs.record import LFRecord
from lol_lightning.lfs.rules.rules import rules_lf

BUDGETS = (250, 500, 1000, 2000, 4000, 8000, 16000)
MIN_SUPPORT, MIN_VALUE = 10, 0.1
"""Strengths that are compared: rarer or weaker ones are no targets."""

console = Console()


def show_findings(root: Path) -> None:
    entries, points, votes = read_set(root, "youtube")
    data = pd.DataFrame({"text": [point.text for point in points]})
    lfs = [plain_lf(entry["name"], entry["rules"]) for entry in entries]
    started = time.process_time()
    summary = inspect_lfs(lfs, data, votes=votes, progress_bar=False).summary()
    title = f"youtube, plain LFs: inspected in {time.process_time() - started:.1f} s of processor time"
    show(title, summary[["Coverage", "Inspected", "Sources", "Agreement"]].rename_axis("LF").reset_index())


def show_costs(root: Path, name: str) -> None:
    entries, points, votes = read_set(root, name)
    corpus, units = TextPoints(points), TextUnits()
    num_tokens = np.array([len(units(text)) for text in corpus.texts])
    rows = []
    for i, entry in enumerate(entries):
        plain, plain_seconds = probed(plain_lf(entry["name"], entry["rules"]), corpus, votes[:, i])
        fast, fast_seconds = probed(rules_lf(entry["name"], entry["rules"]), corpus, votes[:, i])
        if plain.record.features != fast.record.features:
            raise ValueError(f"{entry['name']}: batches of known rules and plain calls found different features.")
        single = int(num_tokens[votes[:, i] >= 0].sum())
        rows.append([entry["name"], plain.documents, single, plain.calls, plain_seconds, fast_seconds, plain.strategy])
    columns = ["LF", "documents", "calls, each token", "calls, probed", "s, plain LF", "s, known rules", "strategy"]
    frame = pd.DataFrame(rows, columns=columns)
    frame.loc[len(frame)] = ["all", *frame.iloc[:, 1:6].sum(), ""]
    show(f"{name}: the whole training set of {len(points)} rows", frame)


def show_errors(root: Path, name: str, seeds: int) -> None:
    entries, points, votes = read_set(root, name)
    corpus = TextPoints(points)
    lfs = [rules_lf(entry["name"], entry["rules"]) for entry in entries]
    full = [probed(lf, corpus, votes[:, i])[0] for i, lf in enumerate(lfs)]
    rows = []
    for budget in BUDGETS:
        errors, calls, done = [], [], []
        for seed in range(seeds):
            for i, lf in enumerate(lfs):
                probe, _ = probed(lf, corpus, votes[:, i], max_calls=budget, seed=seed)
                errors.append(strength_errors(probe.record, full[i].record))
                calls.append(probe.calls)
                done.append(probe.documents / max(1, full[i].documents))
        joined = np.concatenate(errors)
        worst = np.mean([error.max(initial=0.0) for error in errors])
        rows.append([budget, np.mean(calls), f"{np.mean(done):.0%}", joined.mean(), worst, (joined < 0.1).mean()])
    columns = ["budget", "mean calls", "documents", "mean error", "max error of an LF", "share within 0.1"]
    show(
        f"{name}: error of {len(joined) // seeds} strengths, mean of {seeds} seeds", pd.DataFrame(rows, columns=columns)
    )


def strength_errors(record: LFRecord, full: LFRecord) -> np.ndarray:
    """Absolute errors of the strengths that the full probe found; one that is not found counts as 0."""
    found = {(f.term, f.label): f.value for f in record.features}
    wanted = [f for f in full.features if (f.support or 0) >= MIN_SUPPORT and abs(f.value) >= MIN_VALUE]
    return np.array([abs(found.get((f.term, f.label), 0.0) - f.value) for f in wanted])


def probed(lf: LabelingFunction, corpus: TextPoints, votes: np.ndarray, **settings: Any) -> tuple[Probe, float]:
    started = time.process_time()
    probe = probe_lf(lf, corpus, TextUnits(), settings=ProbeSettings(**settings), votes=votes)
    return probe, time.process_time() - started


def run(root: Path = Path("../shared/wrench"), max_rows: int = 1600) -> list[dict[str, Any]]:
    """Compare the default strategy with one removal for each token, found strengths equal; for ``make bench``."""
    results = []
    for name in ("youtube", "imdb"):
        entries, points, votes = read_set(root, name)
        corpus = TextPoints(points[:max_rows])
        lfs = [plain_lf(entry["name"], entry["rules"]) for entry in entries]
        totals = {}
        for strategy in ("auto", "every"):
            probes = [probed(lf, corpus, votes[:max_rows, i], strategy=strategy) for i, lf in enumerate(lfs)]
            totals[strategy] = sum(probe.calls for probe, _ in probes), sum(seconds for _, seconds in probes)
        for index, unit in enumerate(("calls", "s")):
            ours, other = totals["auto"][index], totals["every"][index]
            case = f"probing {len(lfs)} LFs of {name}, {len(corpus)} rows: halving against every token"
            results.append({"case": case, "ours": ours, "other": other, "ratio": other / ours, "unit": unit})
    return results


def show(title: str, frame: pd.DataFrame) -> None:
    table = Table(*frame.columns, title=title, title_justify="left")
    for row in frame.itertuples(index=False):
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--sets", nargs="+", default=["youtube", "imdb"])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    show_findings(arguments.root)
    for name in arguments.sets:
        show_costs(arguments.root, name)
        show_errors(arguments.root, name, arguments.seeds)
    show("the default strategy beside one removal for each token", pd.DataFrame(run(arguments.root)))


if __name__ == "__main__":
    main()
