"""Methods side by side on one image task: equal random trials, chosen on validation, tested once."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng

from lol_lightning.baselines.pseudolabels import PSEUDOLABELS, pseudolabels
from lol_lightning.benchmark.trials import quiet, trainer
from lol_lightning.data.dataset import LoLDataLoader, LoLDataset
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.module import LoLClassifier
from lol_lightning.vision.datamodule import LoLImageDataModule
from lol_lightning.vision.penalty_weights import PenaltyWeighting

__all__ = ["METHODS", "Method", "Trial", "run_method", "sample_trials"]


@dataclass(frozen=True)
class Method:
    """How a method uses the labelers.

    Args:
        model: options of ``LoLClassifier``.
        penalty_weights: weighting of the labelers' gradients.
    """

    model: dict[str, Any] = field(default_factory=dict)
    penalty_weights: PenaltyWeighting = "uniform"


METHODS = {
    "lol-simple": Method({"method": "lol-simple"}),
    "lol": Method(penalty_weights="accuracy"),
    "lol-sw": Method({"lf_weights": "snorkel"}, "accuracy"),
    "lol-uniform": Method(),
    "lol-agreement": Method(penalty_weights="agreement"),
    "lol-simple-above-chance": Method({"method": "lol-simple", "lf_weights": "above-chance"}),
    "lol-above-chance": Method({"lf_weights": "above-chance"}, "accuracy"),
}
"""Losses over labels by name, beside the names in ``PSEUDOLABELS``.

"lol" has the defaults: a labeler's gradient counts by how much the labeler exceeds chance on the validation rows. In
"lol-uniform" all gradients count the same, as in the paper; in "lol-agreement" by how often the labeler agrees with the
others. In the methods that end in "above-chance", votes count as gradients do in "lol".
"""


@dataclass(frozen=True)
class Trial:
    """What a trial draws; methods without a gradient penalty leave ``alpha`` and ``c`` unused."""

    lr: float
    weight_decay: float
    alpha: float
    c: float
    seed: int


def sample_trials(seed: int, num_trials: int) -> list[Trial]:
    """Draw the configurations of one seed, the same ones for every method.

    Example:
        >>> sample_trials(0, 3)[:2] == sample_trials(0, 2)
        True
    """
    rng = np.random.default_rng(seed)

    def log_uniform(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    return [
        Trial(
            lr=log_uniform(1e-3, 1e-2),
            weight_decay=log_uniform(1e-5, 1e-2),
            alpha=log_uniform(1e-3, 1.0),
            c=log_uniform(0.2, 2.0),
            seed=int(rng.integers(2**31)),
        )
        for _ in range(num_trials)
    ]


def run_method(
    data: LoLImageDataModule, method: str, seed: int, trials: Iterable[Trial], max_epochs: int = 30, **options: Any
) -> dict[str, float]:
    """Fit every trial, choose one by validation accuracy, and read the test set once.

    Args:
        data: rows that are set up, with labels for validation and test.
        method: a key of ``METHODS`` or of ``PSEUDOLABELS``.
        seed: of the pseudolabels.
        trials: the configurations.
        max_epochs: of every fit; the last epoch counts.
        options: passed on to ``LoLClassifier``.

    Returns:
        ``val_accuracy``, ``test_accuracy``, ``test_macro_f1``, ``alpha`` and ``c`` of the chosen trial; ``seconds``.

    Raises:
        ConfigurationError: if the method is unknown or there is no trial.
    """
    if method not in METHODS and method not in PSEUDOLABELS:
        raise ConfigurationError(f"method {method!r} is not one of {[*PSEUDOLABELS, *METHODS]}.")
    start = time.perf_counter()
    how = METHODS.get(method, METHODS["lol-simple"])
    best: tuple[float, Trial, LoLClassifier] | None = None
    with quiet(), isolate_rng():
        if method in PSEUDOLABELS:
            fused = pseudolabels(method, data.train_votes, data.num_classes, seed)
            train = LoLDataset(
                data.dataset("train").features, fused[:, None, :], transform=data.dataset("train").transform
            )
        else:
            data.weight_penalties(how.penalty_weights)
            train = data.dataset("train")
        serve = _Served(data, train)
        for trial in trials:
            torch.manual_seed(trial.seed)
            model = LoLClassifier(
                num_features=data.num_features,
                num_classes=data.num_classes,
                gradient_unit=data.gradient_unit,
                **{**how.model, **asdict(trial), **options},
            )
            trainer(max_epochs=max_epochs, limit_val_batches=0).fit(model, datamodule=serve)
            (validated,) = trainer().validate(model, data.val_dataloader(), verbose=False)
            if best is None or validated["val_accuracy"] > best[0]:
                best = validated["val_accuracy"], trial, model
        if best is None:
            raise ConfigurationError("there must be at least one trial.")
        (tested,) = trainer().test(best[2], data.test_dataloader(), verbose=False)
    return {
        "val_accuracy": best[0],
        "test_accuracy": tested["test_accuracy"],
        "test_macro_f1": tested["test_macro_f1"],
        "alpha": best[1].alpha,
        "c": best[1].c,
        "seconds": time.perf_counter() - start,
    }


class _Served(pl.LightningDataModule):
    """The rows that a method trains on, and what LF weights are computed from."""

    def __init__(self, data: LoLImageDataModule, train: LoLDataset) -> None:
        super().__init__()
        self.num_classes, self.num_features = data.num_classes, data.num_features
        self.train_votes, self.val_votes, self.val_labels = data.train_votes, data.val_votes, data.val_labels
        self._train, self._batch_size = train, data.batch_size

    def train_dataloader(self) -> LoLDataLoader:
        return LoLDataLoader(self._train, batch_size=self._batch_size, shuffle=True)
