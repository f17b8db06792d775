"""Few unlabeled rows: majority vote, Snorkel, LoL-simple and LoL with equal random trials on six WRENCH sets.

    python benchmarks/few_rows.py --root ../shared/wrench
    python benchmarks/few_rows.py --sets '[youtube, sms]' --seeds 3 --trials 4

Every method gets the same configurations on the same rows; one is chosen by validation accuracy, and the test set is
read once for each method and seed. Results are appended to the CSV as they come, and those that it already
holds are not computed again: an interrupted run goes on where it stopped.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from functools import partial
from pathlib import Path

import pandas as pd
from jsonargparse import auto_cli
from rich.console import Console

from lol_lightning.benchmark.report import print_results, track
from lol_lightning.benchmark.trials import METHODS, Result, compare
from lol_lightning.demo import wrench_rows

SETS = ("youtube", "sms", "chemprot", "agnews_24k", "yelp_7.6k", "imdb")


def few_rows(
    root: str = "../shared/wrench",
    sets: tuple[str, ...] = SETS,
    methods: tuple[str, ...] = METHODS,
    rows: int = 100,
    seeds: int = 5,
    trials: int = 12,
    jobs: int = 2,
    output: str = "benchmarks/results/few_rows.csv",
) -> None:
    """Compare methods on few unlabeled rows.

    Args:
        root: directory of the WRENCH sets.
        sets: names of directories in it.
        methods: which methods.
        rows: number of unlabeled training rows.
        seeds: repetitions.
        trials: random configurations for each method, set and seed.
        jobs: processes.
        output: CSV, one line for each set, method and seed.
    """
    console = Console()
    path = Path(output)
    path.parent.mkdir(parents=True, exist_ok=True)
    setting = {"rows": rows, "trials": trials}
    for name in sets:
        known = load(path, name, setting)
        tasks = [(s, m) for s in range(seeds) for m in methods if (s, m) not in known]
        results = compare(partial(wrench_rows, str(Path(root) / name), rows), tasks, trials, jobs)
        for result in track(results, len(tasks), name, console):
            line = pd.DataFrame([{"dataset": name, **setting, **asdict(result)}])
            line.to_csv(path, mode="a", header=not path.exists(), index=False)
        wanted = {(s, m) for s in range(seeds) for m in methods}
        print_results([r for key, r in load(path, name, setting).items() if key in wanted], console, title=name)


def load(path: Path, name: str, setting: dict[str, int]) -> dict[tuple[int, str], Result]:
    """Read the results of one set that were computed with this setting."""
    if not path.exists():
        return {}
    frame = pd.read_csv(path).query("dataset == @name and rows == @setting['rows'] and trials == @setting['trials']")
    results = [Result(**row) for row in frame[[f.name for f in fields(Result)]].to_dict("records")]
    return {(result.seed, result.method): result for result in results}


if __name__ == "__main__":
    auto_cli(few_rows, as_positional=False)
