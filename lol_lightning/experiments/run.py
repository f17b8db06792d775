"""Run a benchmark: every method on every set and seed with equal trials, in several processes, resumable."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from joblib import Parallel, delayed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lol_lightning._files.locks import locked
from lol_lightning.exceptions import ConfigurationError, check_choice
from lol_lightning.experiments.data import Datasets, as_sets, forget
from lol_lightning.experiments.methods import as_methods
from lol_lightning.experiments.plan import Budget, Outcome, StudyPlan
from lol_lightning.experiments.results import Finished, ResultFiles, results_of
from lol_lightning.experiments.store import TrialStore
from lol_lightning.experiments.study import run_study
from lol_lightning.experiments.training import quiet
from lol_lightning.models.metrics import SCORES, Score

__all__ = ["run_benchmark"]

Size = int | str | None
_BUSY = "Wait for that run, or give another output."


def run_benchmark(
    datasets: Datasets,
    methods: Sequence[str] | None = None,
    *,
    budget: Budget | None = None,
    seeds: int | Sequence[int] = 5,
    train_rows: Size | Sequence[Size] = "all",
    val_per_class: Size | Sequence[Size] = "all",
    whole_small_classes: bool = False,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    ranges: Mapping[str, Sequence[float]] | None = None,
    inspected_rows: int | None = None,
    select_by: Score = "accuracy",
    encoder: str | None = None,
    jobs: int = 1,
    output: str | Path | None = None,
    storage: str | Path | None = None,
    console: Console | None = None,
) -> pd.DataFrame:
    """Compare methods with equal budgets, chosen on validation rows alone, the test rows read once for each study.

    A study is a method on a set and seed. Each spends the same ``budget`` on trials, which train the same network and
    are evaluated on the validation rows. See ``run_study`` for how trials are drawn and chosen. Nothing depends on how
    many processes run, or on where an earlier run was interrupted.

    Args:
        datasets: WRENCH directories, or by name WRENCH directories and functions from a seed to a data module.
        methods: keys of ``METHODS`` (mv, snorkel, t-mean, t-median, e2e, dawid-skene, lol-simple, lol, lol-sw, valsup)
            or of ``variants``; by default the variants, or all methods but "valsup".
        budget: what every method may spend on a study, see ``Budget``.
        seeds: how many, 0, 1, ..., or which; each has rows, trials and networks of its own.
        train_rows: number of unlabeled rows, drawn by the seed, or "all"; or several of these.
        val_per_class: number of labeled rows of each class, drawn by the seed, or "all" of the validation split; or
            several of these. Methods choose trials on them; "valsup" trains on 80% and chooses on 20% of them.
        whole_small_classes: let a class with fewer than ``val_per_class`` rows give all it has; an error otherwise.
        variants: methods with other options by name, see ``as_methods``.
        ranges: where to search, for all methods that tune an argument, such as ``{"lr": [1e-4, 1e-2]}``.
        inspected_rows: where a variant names ``sources``: number of unlabeled rows that the LFs are inspected on, the
            training rows by default.
        select_by: the score of the validation rows by which a trial's best check, trials and the trials to prune are
            chosen: "accuracy", or "macro_f1" or "mcc" (Matthews' correlation), which rare classes count in.
        encoder: name or folder of a pretrained encoder of the texts of directories, whose embeddings stand beside the
            words (``encoder_features``).
        jobs: processes of one thread each.
        output: CSV to write after each study, with a JSON beside it: command, versions, machine, chosen settings.
        storage: SQLite file of the trials, from which an interrupted run goes on; by default beside ``output``, none
            without it.
        console: shows the progress; nothing is shown without it.

    Returns:
        One row for each metric of each study: ``dataset``, ``method``, ``seed``, ``train_rows``, ``val_per_class``,
        ``metric`` (``test_accuracy`` and the others of ``METRICS``, and ``val_accuracy``, or the validation rows'
        score by which trials were chosen), ``value``, ``trials``, ``seconds``. Shares lie in [0, 1].

    Raises:
        ConfigurationError: if an argument lies outside its range, a method is unknown, Optuna is missing, or
            ``output`` holds results of other settings.
        DataError: if data are missing or have too few labels, another process writes to ``output``, or a file of
            results or trials is broken.

    Example:
        >>> results = run_benchmark(["wrench/youtube"], ["mv", "lol"], train_rows=100)  # doctest: +SKIP
        >>> results = run_benchmark({"mine": lambda seed: LoLDataModule(train, val, test, lfs=lfs)})  # doctest: +SKIP
        >>> results = run_benchmark(["wrench/sms"], ["lol"], budget=Budget(trials=1, epochs=10))  # doctest: +SKIP
    """
    budget = Budget() if budget is None else budget
    chosen, seeds = as_methods(None if methods is None else list(methods), variants, ranges), _seeds(seeds)
    check_choice("select_by", select_by, list(SCORES))
    if jobs < 1:
        raise ConfigurationError(f"jobs = {jobs} must be at least 1.")
    rows, per_class = _sizes("train_rows", train_rows), _sizes("val_per_class", val_per_class)
    if storage is None and output is not None:
        storage = Path(output).with_suffix(".sqlite")
    settings: dict[str, Any] = {
        "whole_small_classes": whole_small_classes,
        "inspect": any(method.sources is not None for method in chosen),
        "inspected_rows": inspected_rows,
        "select_by": select_by,
    }
    with quiet():
        sets = as_sets(datasets, encoder)
    plans = [
        StudyPlan(dataset, method, seed, size, labeled, budget, **settings)
        for dataset, size, seed, labeled, method in product(sets, rows, seeds, per_class, chosen)
    ]
    with locked(output, _BUSY) if output is not None else nullcontext():
        files = None
        if output is not None:
            # Sets may have different numbers of trials, which the results tell.
            shared = {**{name: value for name, value in vars(budget).items() if name != "trials"}, **settings}
            if encoder is not None:
                shared["encoder"] = encoder
            knows = {m.name: m.knows for m in chosen}
            files = ResultFiles(output, shared, {m.name: m.settings() for m in chosen}, knows)
        return _run_all(plans, storage, files, jobs, console)


def _run_all(
    plans: Sequence[StudyPlan],
    storage: str | Path | None,
    files: ResultFiles | None,
    jobs: int,
    console: Console | None,
) -> pd.DataFrame:
    """Run the studies that a store lacks, and write the results of all after each."""
    store = TrialStore(storage)
    finished, open_plans, done = _known(plans, store)
    try:
        for finished_now in _run(open_plans, storage, jobs, console, done, plans[0].budget.trials * len(plans)):
            finished.append(finished_now)
            if console is not None and not console.is_terminal:
                _tell(console, finished, len(plans))
            if files is not None:
                files.write(finished)
    finally:
        forget()
        store.close()
    if files is not None:
        files.write(finished)
    return results_of(finished)


def _tell(console: Console, finished: Sequence[Finished], total: int) -> None:
    """Print a line where there is no terminal for a progress bar."""
    plan, outcome = finished[-1]
    key = plan.key
    place = f"{key['dataset']}, {key['method']}, seed {key['seed']}"
    if key["train_rows"] != "all":
        place += f", {key['train_rows']} rows"
    if key["val_per_class"] != "all":
        place += f", {key['val_per_class']} labeled rows a class"
    score = f"validation {100 * outcome.metrics[f'val_{plan.select_by}']:.1f}%, {outcome.seconds:.0f} s"
    console.print(f"{len(finished)}/{total} {place}: {score}", soft_wrap=True)


def _known(plans: Sequence[StudyPlan], store: TrialStore) -> tuple[list[Finished], list[StudyPlan], int]:
    """Return the finished studies of a store, the plans of those that are not, and the number of finished trials."""
    finished, open_plans, done = [], [], 0
    trials = plans[0].budget.trials
    outcomes = store.outcomes(trials)
    for plan in plans:
        if (outcome := Outcome.of(outcomes.get(plan.name))) is not None:
            finished.append((plan, outcome))
            done += trials
        else:
            open_plans.append(plan)
            done += min(len(store.trials(plan.name)), trials) if plan.name in outcomes else 0
    return finished, open_plans, done


def _run(
    plans: Sequence[StudyPlan], storage: str | Path | None, jobs: int, console: Console | None, done: int, total: int
) -> Iterator[Finished]:
    """Run studies, and yield each with its outcome, in any order."""
    if not plans:
        return
    with tempfile.TemporaryDirectory() as directory, _one_thread():
        ticks = Path(directory) / "trials"
        ticks.touch()
        # By its inode, too: a process that still holds a file which was deleted must open the new one.
        arguments = ticks, storage and str(storage), storage and os.stat(storage).st_ino, os.getpid()
        tasks = (delayed(_run_one)(number, plan, *arguments) for number, plan in enumerate(plans))
        with _progress(console, ticks, done, total):
            for number, outcome in Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)(tasks):
                yield plans[number], outcome


def _run_one(
    number: int, plan: StudyPlan, ticks: Path, storage: str | None, inode: int | None, parent: int
) -> tuple[int, Outcome]:
    alone = os.getpid() == parent
    if not alone:
        # Whoever started the run ends it; this process must not outlive it and write beside the next run.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        torch.set_num_threads(1)

    def after_trial() -> None:
        if not alone and os.getppid() != parent:
            os._exit(1)
        with ticks.open("ab") as file:
            file.write(b".")

    return number, run_study(plan, _store(storage, inode), after_trial)


@lru_cache(maxsize=1)
def _store(storage: str | None, inode: int | None) -> TrialStore:
    return TrialStore(storage)


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _progress(console: Console | None, ticks: Path, done: int, total: int) -> Iterator[None]:
    """Show how many trials are finished: every process adds a byte to ``ticks`` for each."""
    if console is None:
        yield
        return
    columns = BarColumn(), MofNCompleteColumn(), TextColumn("trials"), TimeElapsedColumn(), TimeRemainingColumn()
    over = threading.Event()
    with Progress(*columns, console=console, transient=True, speed_estimate_period=3600) as progress:
        task = progress.add_task("", total=total, completed=done)

        def watch() -> None:
            while not over.wait(0.5):
                progress.update(task, completed=done + ticks.stat().st_size)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    chosen = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not chosen or min(chosen) < 0:
        raise ConfigurationError(f"seeds = {seeds!r}: at least one, and none below 0.")
    return chosen


def _sizes(name: str, sizes: Size | Sequence[Size]) -> list[int | None]:
    several = [sizes] if sizes is None or isinstance(sizes, int | str) else list(sizes)
    if not several:
        raise ConfigurationError(f"{name} = {sizes!r}: give a number or 'all'.")
    return [_size(name, size) for size in several]


def _size(name: str, size: Size) -> int | None:
    if size is None or size == "all":
        return None
    number = int(size) if str(size).isdecimal() else 0
    if number < 1:
        raise ConfigurationError(f"{name} = {size!r} must be a number from 1 on, or 'all'.")
    return number
