"""EvaluatedPredictor: a predictor with losses and metrics on validation and test rows."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torchmetrics import MetricCollection

from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.losses import LoLLoss
from lol_lightning.models.metrics import classification_metrics
from lol_lightning.models.network_checks import (
    refuse_penalty_on_tokens,
    say_if_nothing_is_demanded,
    warn_of_probabilities,
)
from lol_lightning.models.predictor import Predictor
from lol_lightning.networks import evaluation_mode

__all__ = ["EvaluatedPredictor"]


class EvaluatedPredictor(Predictor):
    """A predictor that is validated and tested on labeled rows.

    A subclass sets ``lol``, the loss of rows without labels, and sets ``val_metrics`` and ``test_metrics`` to what
    ``_new_metrics`` returns, once it has its number of classes in ``hparams``.
    """

    lol: LoLLoss

    def __init__(self) -> None:
        super().__init__()
        self._outputs_are_checked = False

    def validation_step(self, batch: LoLBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log the loss and, where there are labels, the metrics of a validation batch."""
        self._evaluate(batch, "val", dataloader_idx)

    def test_step(self, batch: LoLBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log the metrics of a test batch, which must have labels."""
        if batch.labels is None:
            raise DataError("test rows have no labels. Give them a label column, or call predict instead of test.")
        self._evaluate(batch, "test", dataloader_idx)

    def _new_metrics(self, stage: str) -> MetricCollection:
        return classification_metrics(self.hparams["num_classes"]).clone(prefix=f"{stage}_")

    def _metrics_of(self, stage: str, dataloader_idx: int) -> MetricCollection:
        name = f"{stage}_metrics" + (f"_{dataloader_idx}" if dataloader_idx else "")
        if not hasattr(self, name):
            setattr(self, name, self._new_metrics(stage).to(self.device))
            # Lightning has listed the metrics of this module before.
            self._metric_attributes = None
        metrics: MetricCollection = getattr(self, name)
        return metrics

    def _evaluate(self, batch: LoLBatch, stage: str, dataloader_idx: int) -> None:
        logits = self(batch.features)
        self._check_classes(logits)
        log_loss = partial(self.log, f"{stage}_loss", batch_size=len(batch), prog_bar=True, sync_dist=True)
        if batch.labels is None:
            log_loss(self.lol.vote_loss(logits, batch))
            return
        if batch.labels.ndim != 1:
            raise DataError(
                f"labels have the shape {tuple(batch.labels.shape)}; LoLClassifier tells single classes apart, and "
                "needs one class id for each row."
            )
        log_loss(F.cross_entropy(logits, batch.labels))
        metrics = self._metrics_of(stage, dataloader_idx)
        metrics.update(logits, batch.labels)
        self.log_dict(metrics, batch_size=len(batch), prog_bar=True)

    def _check_outputs(self, batch: LoLBatch) -> None:
        """Send a batch through the network once in a fit, before a loss or a penalty fails on what comes out."""
        if self._outputs_are_checked:
            return
        if not isinstance(batch, LoLBatch):
            raise DataError(
                f"a batch is a {type(batch).__name__}, without the votes of labeling functions: fit with a data module "
                "of this package, such as MatrixDataModule(features, votes=votes) for tensors."
            )
        refuse_penalty_on_tokens(self.lol.penalty, batch.features)
        with torch.no_grad(), evaluation_mode(self._network):
            logits = self(batch.features)
        self._check_classes(logits)
        warn_of_probabilities(logits)
        say_if_nothing_is_demanded(self.lol.penalty, batch)
        self._outputs_are_checked = True

    def _check_classes(self, logits: Float[Tensor, "batch cls"]) -> None:
        num_classes = self.hparams["num_classes"]
        if logits.ndim == 2 and logits.shape[1] == num_classes:
            return
        raise ConfigurationError(
            f"the network returns {tuple(logits.shape)} for a batch; it must return logits (B, {num_classes}), one "
            f"column for each class, also for two classes: end it with Linear(..., {num_classes}), without softmax or "
            "sigmoid."
        )
