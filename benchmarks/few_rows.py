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

from accuracy import SETS, Setting, resume
from jsonargparse import auto_cli
from timing import console

from lol_lightning.benchmark.report import print_results
from lol_lightning.benchmark.trials import Result, run_trials
from lol_lightning.demo import DEMO_METHODS, wrench_rows


def few_rows(
    root: str = "../shared/wrench",
    sets: list[str] = SETS,
    methods: tuple[str, ...] = DEMO_METHODS,
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
    groups = [
        [{"dataset": name, "rows": rows, "trials": trials, "method": method, "seed": seed}]
        for name in sets
        for seed in range(seeds)
        for method in methods
    ]
    frame = resume(Path(output), groups, partial(run_group, root), jobs)
    names = [field.name for field in fields(Result)]
    for name, lines in frame.groupby("dataset", sort=False):
        print_results([Result(**line) for line in lines[names].to_dict("records")], console, title=str(name))


def run_group(root: str, settings: list[Setting]) -> list[Setting]:
    """Run the trials of each setting: one method on the rows of one set and seed."""
    lines = []
    for setting in settings:
        data = wrench_rows(str(Path(root) / setting["dataset"]), setting["rows"], setting["seed"])
        result = run_trials(data, setting["method"], setting["seed"], setting["trials"])
        lines.append({**setting, **asdict(result)})
    return lines


if __name__ == "__main__":
    auto_cli(few_rows, as_positional=False)
