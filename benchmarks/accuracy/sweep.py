"""Sweeps over settings: they run in several processes, and go on from the CSV that they write."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from joblib import Parallel, delayed
from rich.progress import track

from benchmarks.output import console
from lol_lightning._lightning import isolate_rng
from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.experiments.training import fit, quiet, trainer
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.training_monitor import TrainingWarning

SETS = ["youtube", "sms", "chemprot", "agnews_24k", "yelp_7.6k", "imdb"]

Setting = dict[str, Any]


def fit_and_measure(
    data: LoLDataModule,
    make_model: Callable[[], LoLClassifier],
    seed: int,
    splits: Sequence[str] = ("val", "test"),
    decides: bool = True,
    **fitting: Any,
) -> dict[str, float]:
    """Train to the end, and return what Lightning logs of the trained model, and how many warnings the training gave.

    Args:
        data: rows; set up here unless they are ready.
        make_model: returns the classifier.
        seed: equal ones give equal weights, order of rows and dropout.
        splits: "val" and "test", whose metrics are returned.
        decides: whether the data module sets what the classifier leaves open; else it gives batches alone.
        **fitting: arguments of the Trainer of the fit.
    """
    with quiet(), isolate_rng():
        data.setup("fit")
        data.setup("test")
        torch.manual_seed(seed)
        model = make_model()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", TrainingWarning)
            trainer(limit_val_batches=0, **fitting).fit(model, data if decides else data.train_dataloader())
        measured: dict[str, float] = {}
        if "val" in splits:
            measured |= trainer().validate(model, data.val_dataloader(), verbose=False)[0]
        if "test" in splits:
            measured |= trainer().test(model, data.test_dataloader(), verbose=False)[0]
    return {**measured, "warnings": sum(issubclass(warning.category, TrainingWarning) for warning in caught)}


def scores(
    data: LoLDataModule, make_model: Callable[[], LoLClassifier], seed: int, max_epochs: int
) -> dict[str, float]:
    """Train on the batches alone, and return scores in percent; see ``fit_and_measure``."""
    measured = fit_and_measure(data, make_model, seed, decides=False, max_epochs=max_epochs)
    return {name: 100 * measured[name] for name in ("val_accuracy", "test_accuracy", "test_macro_f1")}


def checked_fit(
    make_model: Callable[[], LoLClassifier],
    train: LoLDataset,
    validation: Sequence[LoLBatch],
    batch_size: int,
    at: Sequence[int],
    seed: int,
) -> dict[str, float]:
    """Train with checks on validation rows; return the accuracies in percent of the best check and the last one."""
    with quiet(), isolate_rng():
        torch.manual_seed(seed)
        result = fit(make_model(), train, validation, batch_size, at)
    return {"best": 100 * max(result.scores), "last": 100 * result.scores[-1]}


def resume(
    path: Path, groups: Iterable[list[Setting]], run: Callable[[list[Setting]], list[Setting]], jobs: int
) -> pd.DataFrame:
    """Run the settings that a CSV does not hold yet, append what comes out, and return the lines of all settings.

    Args:
        path: the CSV; made if missing.
        groups: settings of equal keys; a group runs in one process, one after another.
        run: from settings to lines, each a setting with its scores.
        jobs: processes of one thread each.
    """
    groups = list(groups)
    wanted = pd.DataFrame([setting for group in groups for setting in group])
    keys = list(wanted.columns)
    written = set(pd.read_csv(path)[keys].itertuples(index=False, name=None)) if path.exists() else set()
    missing = [[s for s in group if tuple(s.values()) not in written] for group in groups]
    missing = [group for group in missing if group]
    path.parent.mkdir(parents=True, exist_ok=True)
    results = in_processes(run, missing, jobs, return_as="generator_unordered")
    for lines in track(results, path.stem, len(missing), console=console, transient=True):
        pd.DataFrame(lines).to_csv(path, mode="a", header=not path.exists(), index=False)
    return pd.read_csv(path).merge(wanted, on=keys)


def in_processes(function: Callable[[Any], Any], items: Iterable[Any], jobs: int, return_as: str = "list") -> Any:
    """Call a function on each item in processes of one thread each; results come as joblib's ``return_as`` says."""

    def in_one_thread(item: Any) -> Any:
        torch.set_num_threads(1)
        return function(item)

    return Parallel(n_jobs=jobs, return_as=return_as)(delayed(in_one_thread)(item) for item in items)
