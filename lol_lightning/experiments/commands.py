"""The commands ``lol-lightning benchmark`` and ``lol-lightning report``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lol_lightning.experiments.report import print_results, write_report
from lol_lightning.experiments.results import read_results
from lol_lightning.experiments.run import run_benchmark

__all__ = ["benchmark", "report", "spelled"]

LISTS = ("data", "methods", "train_rows", "val_per_class")
"""Options that take several values."""


def benchmark(
    data: list[str],
    methods: list[str] | None = None,
    seeds: int = 5,
    trials: int = 15,
    train_rows: int | str | list[int | str] = "all",
    val_per_class: int | str | list[int | str] = "all",
    whole_small_classes: bool = False,
    jobs: int = 2,
    output: str = "results.csv",
    storage: str | None = None,
    variants: dict[str, dict[str, Any]] | None = None,
    ranges: dict[str, list[float]] | None = None,
    inspected_rows: int | None = None,
    epochs: int = 50,
    max_steps: int = 1500,
    checks: int = 10,
    batch_size: int | None = None,
) -> None:
    """Compare methods with the same number of trials, chosen on validation accuracy, the test rows read at the end.

    Args:
        data: WRENCH directories.
        methods: mv, snorkel, t-mean, t-median, e2e, dawid-skene, lol-simple, lol, lol-sw, valsup, or variants.
        seeds: repetitions, each with other drawn rows, trials and networks.
        trials: hyperparameters tried for each method, set and seed, its defaults first.
        train_rows: number of unlabeled rows, or all; or several of these.
        val_per_class: number of labeled rows of each class that trials are chosen on, or all; or several of these.
        whole_small_classes: let a class with fewer rows give all it has.
        jobs: processes of one thread each.
        output: CSV of the results; a JSON beside it tells command, versions, machine and chosen hyperparameters.
        storage: SQLite file of all trials, beside the output by default; a run that was interrupted goes on from it.
        variants: methods with other options, by name.
        ranges: lowest and highest value to search, by argument, for all methods that tune it.
        inspected_rows: number of unlabeled rows to inspect LFs on where variants name sources of gradients.
        epochs: passes over the training rows in each trial.
        max_steps: most steps of a trial.
        checks: evaluations on the validation rows in each trial.
        batch_size: rows of a step, by default 32 up to 1,000 training rows and 128 above.
    """
    console = Console()
    try:
        run_benchmark(
            data,
            methods,
            seeds=seeds,
            trials=trials,
            train_rows=train_rows,
            val_per_class=val_per_class,
            whole_small_classes=whole_small_classes,
            jobs=jobs,
            output=output,
            storage=storage,
            variants=variants,
            ranges=ranges,
            inspected_rows=inspected_rows,
            epochs=epochs,
            max_steps=max_steps,
            checks=checks,
            batch_size=batch_size,
            console=console,
        )
    except KeyboardInterrupt:
        print("Interrupted; no finished trial is lost. The same command goes on from there.", file=sys.stderr)
        raise SystemExit(130) from None
    print_results(read_results(output), console)
    console.print(f"All results: {output}; tables and pictures: lol-lightning report {output}")


def report(results: str, output: str | None = None) -> None:
    """Write the tables of results as Markdown and their pictures as PNG.

    Args:
        results: CSV of a benchmark.
        output: directory of the files; that of the CSV by default.
    """
    frame, console = read_results(results), Console()
    print_results(frame, console)
    directory = Path(results).parent if output is None else Path(output)
    for path in write_report(frame, directory, Path(results).stem):
        console.print(f"Wrote {path}")


def spelled(options: Sequence[str]) -> list[str]:
    """Spell options as jsonargparse reads them: underscores in names, and lists in brackets.

    Example:
        >>> spelled(["--data", "a", "b", "--train-rows", "all", "100", "--jobs", "2"])
        ['--data', '["a", "b"]', '--train_rows', '["all", "100"]', '--jobs', '2']
    """
    result: list[str] = []
    position = 0
    while position < len(options):
        name, given, value = options[position].partition("=")
        position += 1
        if not re.fullmatch(r"--[a-z][a-z_-]*", name):
            result.append(options[position - 1])
            continue
        name = name.replace("-", "_").replace("__", "--", 1)
        values = [value] if given else []
        while not given and position < len(options) and not re.match(r"-\D", options[position]):
            values.append(options[position])
            position += 1
        result.append(name)
        if name[2:] in LISTS and not (len(values) == 1 and values[0].startswith("[")):
            result.append(json.dumps(values))
        else:
            result += values
    return result
