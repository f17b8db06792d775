"""Equal random trials: every method gets the same number of configurations, chosen on validation, tested once."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from joblib import Parallel, delayed
from pytorch_lightning.utilities.seed import isolate_rng

from lol_lightning.baselines.pseudolabels import PSEUDOLABELS, pseudolabels
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.dataset import LoLDataLoader, LoLDataset
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.module import LoLClassifier

__all__ = ["METHODS", "Configuration", "Result", "compare", "run_trials", "sample_configurations"]

METHODS = (*PSEUDOLABELS, "lol-simple", "lol")
"""Every method that can be compared; all train the same network with the same code."""


@dataclass(frozen=True)
class Configuration:
    """What a trial draws; methods without a gradient penalty leave ``alpha`` and ``c`` unused.

    Args:
        lr: learning rate.
        weight_decay: L2 penalty.
        alpha: weight of the gradient penalty.
        c: share of an LF's gradient that the model must reach.
        seed: of the network, the order of the rows and the smoothing samples.
    """

    lr: float
    weight_decay: float
    alpha: float
    c: float
    seed: int


@dataclass(frozen=True)
class Result:
    """The chosen trial of one method on one seed.

    Args:
        method: a member of ``METHODS``.
        seed: of the rows and the trials.
        val_accuracy: share in [0, 1], of the chosen trial.
        test_accuracy: share in [0, 1], of the chosen trial.
        test_macro_f1: in [0, 1], of the chosen trial.
        seconds: all trials together.
        lr: of the chosen trial, as ``weight_decay``, ``alpha`` and ``c``.
    """

    method: str
    seed: int
    val_accuracy: float
    test_accuracy: float
    test_macro_f1: float
    seconds: float
    lr: float
    weight_decay: float
    alpha: float
    c: float


def sample_configurations(seed: int, num_trials: int) -> list[Configuration]:
    """Draw the configurations of one seed, the same ones for every method.

    Example:
        >>> sample_configurations(0, 3)[:2] == sample_configurations(0, 2)
        True
    """
    rng = np.random.default_rng(seed)

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    return [
        Configuration(
            lr=log_uniform(1e-3, 3e-2),
            weight_decay=log_uniform(1e-6, 1e-2),
            alpha=log_uniform(1e-3, 3e-2),
            c=log_uniform(1.0, 5.0),
            seed=int(rng.integers(2**31)),
        )
        for _ in range(num_trials)
    ]


def run_trials(
    datamodule: LoLDataModule, method: str, seed: int, num_trials: int, max_epochs: int = 50, **model_options: Any
) -> Result:
    """Fit random configurations, choose one by validation accuracy, and read the test set once.

    Args:
        datamodule: rows with labels for validation and test.
        method: a member of ``METHODS``.
        seed: draws the configurations.
        num_trials: number of configurations.
        max_epochs: of every fit; the last epoch counts.
        model_options: passed on to ``LoLClassifier``.

    Returns:
        The chosen trial.

    Raises:
        ConfigurationError: if the method is unknown.
    """
    if method not in METHODS:
        raise ConfigurationError(f"method {method!r} is not one of {METHODS}.")
    start = time.perf_counter()
    with quiet(), isolate_rng():
        datamodule.setup("fit")
        datamodule.setup("test")
        train = training_data(datamodule, method, seed)
        options = {"method": "lol" if method == "lol" else "lol-simple", **model_options}
        best: tuple[float, Configuration, LoLClassifier] | None = None
        for configuration in sample_configurations(seed, num_trials):
            model = fit(train, datamodule, configuration, max_epochs, **options)
            (validated,) = trainer().validate(model, datamodule.val_dataloader(), verbose=False)
            if best is None or validated["val_accuracy"] > best[0]:
                best = validated["val_accuracy"], configuration, model
        if best is None:
            raise ConfigurationError(f"num_trials = {num_trials} must be at least 1.")
        val_accuracy, chosen, model = best
        (tested,) = trainer().test(model, datamodule.test_dataloader(), verbose=False)
    values = {key: value for key, value in asdict(chosen).items() if key != "seed"}
    seconds = time.perf_counter() - start
    return Result(method, seed, val_accuracy, tested["test_accuracy"], tested["test_macro_f1"], seconds, **values)


def compare(
    make_datamodule: Callable[[int], LoLDataModule],
    tasks: Iterable[tuple[int, str]],
    num_trials: int,
    num_jobs: int = 1,
    **options: Any,
) -> Iterator[Result]:
    """Run the trials of several seeds and methods in several processes.

    Args:
        make_datamodule: from a seed to the rows of that seed.
        tasks: pairs of a seed and a member of ``METHODS``.
        num_trials: configurations for each task.
        num_jobs: processes; each uses one thread.
        options: passed on to ``run_trials``.

    Yields:
        A result as soon as it is known, in any order.
    """

    def run(seed: int, method: str) -> Result:
        torch.set_num_threads(1)
        return run_trials(make_datamodule(seed), method, seed, num_trials, **options)

    parallel = Parallel(n_jobs=num_jobs, return_as="generator_unordered")
    yield from parallel(delayed(run)(seed, method) for seed, method in tasks)


def training_data(datamodule: LoLDataModule, method: str, seed: int) -> LoLDataset:
    """Return the rows that a method trains on: with the LFs' votes, or with one soft vote that fuses them."""
    dataset = cast(LoLDataset, datamodule.train_dataloader().dataset)
    if method not in PSEUDOLABELS:
        return dataset
    fused = pseudolabels(method, datamodule.train_votes, datamodule.num_classes, seed)
    return LoLDataset(dataset.features, fused[:, None, :])


def fit(
    train: LoLDataset, datamodule: LoLDataModule, configuration: Configuration, max_epochs: int, **options: Any
) -> LoLClassifier:
    """Train one classifier on the CPU."""
    torch.manual_seed(configuration.seed)
    model = LoLClassifier(
        num_features=datamodule.num_features, num_classes=datamodule.num_classes, **asdict(configuration), **options
    )
    loader = LoLDataLoader(train, batch_size=datamodule.batch_size, shuffle=True)
    trainer(max_epochs=max_epochs).fit(model, loader)
    return model


def trainer(**options: Any) -> pl.Trainer:
    """Return a Trainer without what costs time in a fit of a second."""
    return pl.Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what Lightning says at every fit; it would be said hundreds of times."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
