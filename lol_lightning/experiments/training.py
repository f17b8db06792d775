"""One fit of a benchmark: a fixed number of steps, checked on the validation rows on the way."""

from __future__ import annotations

import copy
import itertools
import logging
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from lol_lightning._lightning import BACKEND, LightningModule, Trainer, pl
from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.loader import LoLDataLoader
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.metrics import SCORES, Score, confusion_matrix

__all__ = [
    "EVALUATION_BATCH",
    "Fit",
    "check_steps",
    "evaluate",
    "evaluation_batches",
    "fit",
    "outputs",
    "quiet",
    "score_of",
    "trainer",
]

EVALUATION_BATCH = 2048
"""Rows of a batch of validation or test; a few large ones cost least."""

_LOGGERS = (BACKEND, "lol_lightning")


@dataclass
class Fit:
    """What came out of a fit.

    Args:
        model: with the weights of its last step; ``restore_best`` gives it those of its best check.
        scores: of the validation rows, for each check.
        stopped: whether ``on_check`` ended it before its last step.
    """

    model: LoLClassifier
    scores: list[float] = field(default_factory=list)
    stopped: bool = False
    _weights: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    __repr__ = short_repr

    @property
    def best_check(self) -> int:
        """Number of the check with the best score, the first one of equals."""
        return int(np.argmax(self.scores))

    def note(self, score: float) -> None:
        """Add a check, and keep the weights where it is the best so far."""
        self.scores.append(score)
        if self.best_check == len(self.scores) - 1:
            self._weights = copy.deepcopy(self.model.state_dict())

    def restore_best(self) -> LoLClassifier:
        """Return the model with the weights of its best check."""
        self.model.load_state_dict(self._weights)
        return self.model


class _Passes(Sampler[list[int]]):
    """Batches of several passes over the rows, each in an order of its own, as one epoch.

    To Lightning, an epoch of a few steps costs as much as its steps do.
    """

    def __init__(self, num_rows: int, batch_size: int, num_steps: int) -> None:
        self.num_rows, self.batch_size, self.num_steps = num_rows, batch_size, num_steps
        self.generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))

    def __len__(self) -> int:
        return self.num_steps

    def __iter__(self) -> Iterator[list[int]]:
        return itertools.islice(self._batches(), self.num_steps)

    def _batches(self) -> Iterator[list[int]]:
        while True:
            order = torch.randperm(self.num_rows, generator=self.generator)
            yield from (batch.tolist() for batch in torch.split(order, self.batch_size))


class _Checks(pl.Callback):
    """Evaluates after certain numbers of steps."""

    def __init__(
        self,
        result: Fit,
        batches: Sequence[LoLBatch],
        at: Sequence[int],
        on_check: Callable[[int, float], bool],
        score: Score,
    ) -> None:
        self.result, self.batches, self.at, self.on_check, self.score = result, batches, set(at), on_check, score

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.global_step not in self.at:
            return
        self.result.note(evaluate(pl_module, self.batches, self.score))
        number = len(self.result.scores) - 1
        if self.on_check(number, self.result.scores[-1]):
            self.result.stopped = trainer.should_stop = True


def fit(
    model: LoLClassifier,
    train: LoLDataset,
    validation: Sequence[LoLBatch],
    batch_size: int,
    at: Sequence[int],
    on_check: Callable[[int, float], bool] = lambda number, score: False,
    score: Score = "accuracy",
) -> Fit:
    """Train on the CPU by ``Trainer.fit``; the order of the rows and dropout follow torch's global random state.

    Args:
        model: a classifier whose network is built.
        train: its rows, read in random order as often as the steps need.
        validation: labeled batches.
        batch_size: B.
        at: ascending numbers of steps after which the validation rows are scored; the last one is the end.
        on_check: from the check's number and score to whether the fit shall stop there.
        score: by which the best check is chosen.
    """
    result = Fit(model)
    loader = LoLDataLoader(train, batch_sampler=_Passes(len(train), batch_size, at[-1]))
    handler = signal.getsignal(signal.SIGINT)
    try:
        checks = _Checks(result, validation, at, on_check, score)
        trainer(max_epochs=1, callbacks=[checks]).fit(model, loader)
    except SystemExit:
        # Lightning switches Ctrl-C off and ends the process; whoever called may want to say something first.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from None
    return result


def check_steps(num_steps: int, num_checks: int) -> list[int]:
    """Spread checks evenly over the steps; the last one follows the last step.

    Example:
        >>> check_steps(100, 4), check_steps(3, 10)
        ([25, 50, 75, 100], [1, 2, 3])
    """
    return sorted({-(-num_steps * (i + 1) // num_checks) for i in range(num_checks)})


def evaluation_batches(dataset: LoLDataset, rows: np.ndarray) -> list[LoLBatch]:
    """Cut rows of a dataset into few large batches, once for many evaluations."""
    parts = (rows[start : start + EVALUATION_BATCH] for start in range(0, len(rows), EVALUATION_BATCH))
    return [dataset.__getitems__(part.tolist()) for part in parts]


@torch.no_grad()
def outputs(model: LightningModule, batches: Sequence[LoLBatch]) -> tuple[Tensor, Tensor]:
    """Return the logits of a model in evaluation mode, float (n, K), and the labels, int64 (n,)."""
    was_training = model.training
    model.eval()
    logits = torch.cat([model(batch.features) for batch in batches])
    model.train(was_training)
    return logits, torch.cat([cast(Tensor, batch.labels) for batch in batches])


def score_of(logits: Tensor, labels: Tensor, score: Score = "accuracy") -> float:
    """Score the classes of the highest logits."""
    return float(SCORES[score](confusion_matrix(logits.argmax(-1), labels, logits.shape[1])))


def evaluate(model: LightningModule, batches: Sequence[LoLBatch], score: Score = "accuracy") -> float:
    """Score a model in evaluation mode on labeled batches."""
    return score_of(*outputs(model, batches), score)


def trainer(**options: Any) -> Trainer:
    """Return a Trainer without what costs time in a fit of a second."""
    return Trainer(
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
    """Silence what Lightning and the data modules say at every fit; it would be said hundreds of times."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
