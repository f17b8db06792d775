"""The commands ``lol-lightning benchmark`` and ``lol-lightning report``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from lol_lightning._parsing import BriefParser, underscored
from lol_lightning.experiments.console import output_console
from lol_lightning.experiments.plan import Budget
from lol_lightning.experiments.report import print_results, write_report
from lol_lightning.experiments.results import read_knowledge, read_results
from lol_lightning.experiments.run import run_benchmark

__all__ = ["benchmark", "benchmark_parser", "report", "spelled"]

LISTS = ("data", "methods", "train_rows", "val_per_class")
"""Options that take several values."""


def benchmark(options: Sequence[str]) -> None:
    """Compare methods with the same budget of trials, and print the tables of the results.

    Args:
        options: of the command line; see ``benchmark_parser``.
    """
    console = output_console()
    settings = benchmark_parser().parse_args(spelled(options)).as_dict()
    settings.pop("config")
    budget = Budget(**{field.name: settings.pop(field.name) for field in fields(Budget)})
    run_benchmark(settings.pop("data"), budget=budget, console=console, **settings)
    output = settings["output"]
    print_results(read_results(output), console, knows=read_knowledge(output))
    console.print(f"All results: {output}; tables and pictures: lol-lightning report {output}")


def benchmark_parser() -> BriefParser:
    """Return the parser of ``benchmark``: data, the arguments of ``run_benchmark`` and those of its ``Budget``."""
    parser = BriefParser(
        prog="lol-lightning benchmark",
        description="Compare methods with equal budgets, chosen on validation rows; test rows are read at the end.",
    )
    parser.add_argument("--config", action="config", help="YAML file of options.")
    parser.add_argument("--data", type=list[str], required=True, help="WRENCH directories.")
    parser.add_function_arguments(run_benchmark, skip={"datasets", "budget", "console"})
    parser.add_class_arguments(Budget)
    parser.set_defaults(jobs=2, output="results.csv")
    return parser


def report(results: str, output: str | None = None, metric: str | None = None) -> None:
    """Write the tables of results as Markdown and their pictures as PNG.

    Args:
        results: CSV of a benchmark.
        output: directory of the files; that of the CSV by default.
        metric: of the tables and pictures: accuracy, macro_f1, mcc, nll, ece or max_logit of the test rows, or
            val_accuracy; by default the one by which trials were chosen.
    """
    frame, knows, console = read_results(results), read_knowledge(results), output_console()
    print_results(frame, console, metric, knows)
    directory = Path(results).parent if output is None else Path(output)
    for path in write_report(frame, directory, Path(results).stem, metric, knows):
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
        name, equals, value = options[position].partition("=")
        position += 1
        if not re.fullmatch(r"--[a-z][a-z_-]*", name):
            result.append(options[position - 1])
            continue
        name = underscored(name)
        values = [value] if equals else []
        while not equals and position < len(options) and not re.match(r"-\D", options[position]):
            values.append(options[position])
            position += 1
        result.append(name)
        if name[2:] in LISTS and not (len(values) == 1 and values[0].startswith("[")):
            result.append(json.dumps(values))
        else:
            result += values
    return result
