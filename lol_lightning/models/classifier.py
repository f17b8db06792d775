"""LoLClassifier: a network trained straight from labeling functions, as a LightningModule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from jaxtyping import Float
from pytorch_lightning.utilities import rank_zero_info
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics import MetricCollection

from lol_lightning.data.batch import LoLBatch, SparseRows
from lol_lightning.exceptions import ConfigurationError, DataError, TargetsError, check_choice
from lol_lightning.functional.gradients import GradientUnit
from lol_lightning.functional.losses import PENALTIES, Penalty, Reduction, vote_loss
from lol_lightning.functional.votes import SHARES, Shares
from lol_lightning.losses.penalised import PenaltySettings, penalised, second_derivative
from lol_lightning.losses.penalty_watch import PenaltyWatch
from lol_lightning.losses.resolve import (
    PENALTY_DEFAULTS,
    WEIGHTS,
    ClassWeighting,
    check_penalty,
    defaults_of,
    resolve_penalty,
    resolve_weights,
)
from lol_lightning.losses.smoothed_model import Phi, Sampling, SmoothedModel, evaluation_mode
from lol_lightning.losses.weighting import LFWeighting, VotesForWeights
from lol_lightning.models.lazy_adam import LazyAdam
from lol_lightning.models.metrics import classification_metrics
from lol_lightning.networks.sparse_mlp import SparseMLP, as_input

__all__ = ["LoLClassifier"]

LAZY_ROWS = 20_000
"""From this many features on, ``optimizer="auto"`` gives the default network row-sparse gradients and lazy Adam."""


class LoLClassifier(pl.LightningModule):
    """A classifier that is trained on the votes and gradients of labeling functions (Sam and Kolter, 2023).

    Batches are ``LoLBatch``, with gradient targets that all rows share, or with targets of each row where the labelers
    are networks. Sizes that are not given come from the trainer's data module at the start of ``fit``.

    Args:
        network: maps features to logits float (B, K). ``None`` stands for the paper's multi-layer perceptron on sparse
            or dense rows. A ``SplitNetwork`` receives ``SparseRows``; any other network receives dense features, one
            batch at a time, and must be differentiable twice for ``method="lol"``.
        num_features: d, needed by the default network only.
        num_classes: K.
        hidden_sizes: hidden layers of the default network.
        dropout: of the default network.
        method: "lol" (Eq. 4), or "lol-simple" for the vote loss alone.
        alpha: weight of the gradient penalty, at least 0. ``None`` is what the data module has in ``model_defaults``,
            and else 1.
        c: the share of an LF's gradient that the model's must reach, per feature; above 0. ``None`` likewise, and else
            0.2.
        gradient_unit: unit of ``c``. "probability" as in Eq. 3, where 0.05 to 0.4 is in reach; "log-odds" takes the
            gradient of log h / (1 - h), where 1 to 12 is in reach.
        penalty: shape of the hinge: "square" (Eq. 3), "linear" or "exponential".
        penalty_reduction: "sum" over the features of an LF as in Eq. 3, or "mean", so that one alpha fits LFs of three
            words and of thousands.
        penalty_shares: how much each LF's penalty counts: "votes" as in Eq. 4, or "equal", so that what is known of an
            LF is used where it votes on few of the training rows, or on none.
        lf_weights: "uniform", "snorkel" (LoL-sw), "coverage", "accuracy" (on the labeled validation rows),
            "above-chance" (by how much that accuracy exceeds guessing), "agreement" (with the majority of the other
            LFs), or a weight for each LF. ``None`` is what the data module has in ``model_defaults``, and else
            "uniform".
        penalty_weights: the same for the LFs' penalties, not scaled to the mean 1. With "above-chance", LFs that are no
            better than guessing demand nothing. ``None`` is what the data module has in ``model_defaults``, and else
            what ``lf_weights`` is, as in Eq. 4.
        class_weights: how much votes for each class count, so that LFs which vote for a class far more often than it
            occurs do not teach just that: "validation" balances the votes to the classes' shares among the labeled
            validation rows of the data module, and does nothing where there are none; "balanced" to equal shares, as
            Snorkel's LabelModel does by default. Or a weight for each class, or ``None``.
        num_samples: t, number of smoothing samples a step.
        phi: chance of a feature in a smoothing sample: a float, "document-frequency", or "data" for rows of the batch.
            Targets of each row need no samples.
        sampling: how the samples are drawn: "stratified" shares each feature out evenly over them, "independent" draws
            each by itself, "fixed" takes the same stratified samples in every step.
        penalty_every: compute the penalty in every s-th step only, with s times the weight, so that its mean is kept.
        penalty_warmup: number of steps over which alpha rises from 0 to its value, in equal amounts.
        optimizer: "adam", "lazy-adam" (touches only the rows of a sparse first layer that occur in the step), or
            "auto": lazy for the default network from 20,000 features on. For another one, override
            ``configure_optimizers``, or name a class on the command line.
        lr: learning rate.
        weight_decay: L2 penalty of the optimizer.
        seed: of the smoothing samples.

    Raises:
        ConfigurationError: if an argument lies outside its range.

    Example:
        >>> model = LoLClassifier(num_features=5, num_classes=2)
        >>> model(torch.zeros(3, 5)).shape
        torch.Size([3, 2])

    Notes:
        The defaults differ from Eq. 3 and 4 in three things: they take the mean over an LF's features instead of the
        sum, let each LF's penalty count alike, and balance the votes where the shares of the classes are known.
        ``penalty_reduction="sum", penalty_shares="votes", class_weights=None`` is the paper to the letter. A demand on
        the probability presses less and less as the model grows sure, one on the log-odds alike at any time.

        The penalty's samples go through the network in evaluation mode after the batch went through it in training
        mode, and both end up in one loss, so that gradients are the same under DistributedDataParallel.
    """

    def __init__(
        self,
        network: nn.Module | None = None,
        num_features: int | None = None,
        num_classes: int | None = None,
        hidden_sizes: Sequence[int] = (64, 16),
        dropout: float = 0.2,
        method: Literal["lol", "lol-simple"] = "lol",
        alpha: float | None = None,
        c: float | None = None,
        gradient_unit: GradientUnit = "probability",
        penalty: Penalty = "square",
        penalty_reduction: Reduction = "mean",
        penalty_shares: Shares = "equal",
        lf_weights: LFWeighting | list[float] | None = None,
        penalty_weights: LFWeighting | list[float] | None = None,
        class_weights: ClassWeighting | list[float] | None = "validation",
        num_samples: int = 10,
        phi: Phi = "document-frequency",
        sampling: Sampling = "stratified",
        penalty_every: int = 1,
        penalty_warmup: int = 0,
        optimizer: Literal["auto", "adam", "lazy-adam"] = "auto",
        lr: float = 1e-2,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_choice("method", method, ("lol", "lol-simple"))
        check_choice("penalty", penalty, tuple(PENALTIES))
        check_choice("penalty_reduction", penalty_reduction, get_args(Reduction))
        check_choice("penalty_shares", penalty_shares, tuple(SHARES))
        check_choice("optimizer", optimizer, ("auto", "adam", "lazy-adam"))
        check_penalty(alpha, c)
        for name, value in (("weight_decay", weight_decay), ("penalty_warmup", penalty_warmup)):
            if not value >= 0:
                raise ConfigurationError(f"{name} = {value} must not be below 0.")
        for name, value in (("lr", lr), ("penalty_every", penalty_every)):
            if not value > 0:
                raise ConfigurationError(f"{name} = {value} must be above 0.")
        self.save_hyperparameters(ignore="network")
        self.hparams["hidden_sizes"] = list(hidden_sizes)
        self._smoothed_model = SmoothedModel(phi, num_samples, sampling, gradient_unit, seed)
        self._weights: dict[str, Tensor | None] = dict.fromkeys(WEIGHTS)
        self._penalty = resolve_penalty(self.hparams)
        self._watch = PenaltyWatch()
        self.network = network
        if num_classes is not None and (network is not None or num_features is not None):
            self._build()

    def setup(self, stage: str) -> None:
        """Take sizes and LF weights from the trainer's data module; called by Lightning on every rank."""
        if type(self.trainer.strategy).__name__ in ("FSDPStrategy", "ModelParallelStrategy"):
            raise ConfigurationError(
                "sharded parameters cannot be differentiated twice as the gradient penalty needs; use strategy='ddp'."
            )
        data = getattr(self.trainer, "datamodule", None)
        if not hasattr(self, "val_metrics"):
            for name in ("num_features", "num_classes"):
                self.hparams[name] = self.hparams[name] or getattr(data, name, None)
            self._build()
        known = getattr(data, "num_classes", None) or self.hparams["num_classes"]
        if known != self.hparams["num_classes"]:
            raise ConfigurationError(
                f"the model has num_classes = {self.hparams['num_classes']}, but the data module has {known}."
            )
        if stage == "fit":
            if isinstance(self.network, SparseMLP) and not self._takes_sparse_gradients():
                self.network.sparse_grad = False
            self._follow(data)

    def forward(self, features: Tensor | SparseRows) -> Float[Tensor, "batch cls"]:
        """Return the logits of a batch of features.

        Args:
            features: float (B, ...) or ``SparseRows`` (B, d).

        Returns:
            float (B, K).
        """
        return self._network(as_input(self._network, features))

    def training_step(self, batch: LoLBatch, batch_idx: int) -> Tensor:
        """Return the loss of Eq. 4 for one batch, and log its parts."""
        logs_now, hparams = self._logs_now(), self.hparams
        if not self._penalises(batch):
            loss = voted = self._vote_loss(self(batch.features), batch)
        else:
            shares, reduction = hparams["penalty_shares"], hparams["penalty_reduction"]
            how = PenaltySettings(
                self._penalty["c"], hparams["penalty"], self._weights["penalty_weights"], shares, reduction
            )
            num_classes = hparams["num_classes"]
            found = penalised(self._network, batch, self._smoothed_model, self.global_step, num_classes, how)
            voted = self._vote_loss(found.logits, batch)
            loss = voted + self._alpha() * found.penalty
            if logs_now:
                self._log("train_penalty", found.penalty, len(batch))
            if self._watch.due(self.global_step):
                satisfied = found.satisfied()
                with second_derivative():
                    ratio = self._watch.ratio(self._network, voted, loss - voted, satisfied)
                self._log("train_satisfied_hinges", satisfied, len(batch))
                self._log("train_gradient_ratio", ratio, len(batch))
        if logs_now:
            self._log("train_vote_loss", voted, len(batch))
            self._log("train_loss", loss, len(batch), prog_bar=True)
        return loss

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Differentiate the loss; a network without a second derivative gets an error that says so."""
        with second_derivative():
            super().backward(loss, *args, **kwargs)

    def validation_step(self, batch: LoLBatch, batch_idx: int) -> None:
        """Log the loss and, where labels are known, the metrics of a validation batch."""
        self._evaluate(batch, "val", self.val_metrics)

    def test_step(self, batch: LoLBatch, batch_idx: int) -> None:
        """Log the metrics of a test batch, whose labels must be known."""
        if batch.labels is None:
            raise DataError("test rows have no labels. Give them a label column, or call predict instead of test.")
        self._evaluate(batch, "test", self.test_metrics)

    def predict_step(self, batch: LoLBatch, batch_idx: int) -> Float[Tensor, "batch cls"]:
        """Return class probabilities, float (B, K)."""
        return self(batch.features).softmax(-1)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return Adam; it is lazy in the first layer where that layer's gradient is row-sparse."""
        hparams = self.hparams
        return LazyAdam(self._parameter_groups(), lr=hparams["lr"], weight_decay=hparams["weight_decay"])

    def input_gradient(self, batch: LoLBatch, step: int = 0) -> Float[Tensor, "cls inspected"]:
        """Return the smoothed model's gradient on the batch's inspected features, to look at.

        Args:
            batch: its gradient targets say which features are inspected.
            step: number that the smoothing samples are drawn for.

        Returns:
            float (K, F), in the ``gradient_unit`` per ``feature_scale``, columns as in
            ``batch.gradient_targets.features``.
        """
        if batch.gradient_targets is None:
            raise TargetsError("the batch has no gradient targets; fit on LFs whose inspected features are known.")
        with evaluation_mode(self._network):
            _, gradient = self._smoothed_model.logits_and_gradient(
                self._network, batch.gradient_targets, as_input(self._network, batch.features), step
            )
        return gradient.detach()

    @property
    def _network(self) -> nn.Module:
        if self.network is None:
            raise ConfigurationError("the model has no size yet: give num_features and num_classes, or fit it.")
        return self.network

    def _parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters())}]

    def _build(self) -> None:
        hparams = self.hparams
        for name in ("num_classes",) if self.network is not None else ("num_features", "num_classes"):
            if hparams[name] is None:
                raise ConfigurationError(f"{name} is not known: give it, or fit with a data module that has it.")
        num_classes = hparams["num_classes"]
        if self.network is None:
            optimizer = hparams["optimizer"]
            lazy = optimizer == "lazy-adam" or (optimizer == "auto" and hparams["num_features"] >= LAZY_ROWS)
            self.network = SparseMLP(
                hparams["num_features"], num_classes, hparams["hidden_sizes"], hparams["dropout"], sparse_grad=lazy
            )
        metrics = classification_metrics(num_classes)
        self.val_metrics = metrics.clone(prefix="val_")
        self.test_metrics = metrics.clone(prefix="test_")

    def _takes_sparse_gradients(self) -> bool:
        # An optimizer of the user's own takes dense gradients, and NCCL cannot reduce sparse ones.
        own = getattr(self.configure_optimizers, "__func__", None) is LoLClassifier.configure_optimizers
        device = self.trainer.strategy.root_device.type
        return own and (device == "cpu" or (device == "cuda" and self.trainer.world_size == 1))

    def _follow(self, data: Any) -> None:
        asked, defaults = self.hparams, defaults_of(data)
        self._penalty = resolve_penalty(asked, defaults)
        taken = [
            f"{name} = {self._penalty[name]:.3g}"
            for name in PENALTY_DEFAULTS
            if name in defaults and asked[name] is None
        ]
        if taken and asked["method"] == "lol":
            rank_zero_info(f"The data module says {', '.join(taken)}.")
        resolved = resolve_weights(asked, VotesForWeights.of(data, asked["num_classes"]), defaults)
        if isinstance(asked["class_weights"], str) and (classes := resolved["class_weights"]) is not None:
            rank_zero_info(f"Votes for the classes count {classes.round(2).tolist()} (class_weights).")
        options: dict[str, Any] = {"dtype": torch.get_default_dtype(), "device": self.device}
        self._weights = {
            name: None if weights is None else torch.tensor(weights, **options) for name, weights in resolved.items()
        }

    def _vote_loss(self, logits: Tensor, batch: LoLBatch) -> Tensor:
        return vote_loss(logits, batch.votes, self._weights["lf_weights"], self._weights["class_weights"])

    def _logs_now(self) -> bool:
        # Lightning's bookkeeping of a logged value costs as much as a small network's step.
        every = getattr(self.trainer, "log_every_n_steps", 0) or 50
        return self.trainer.is_last_batch or (self.global_step + 1) % every == 0

    def _penalises(self, batch: LoLBatch) -> bool:
        hparams = self.hparams
        targets = batch.gradient_targets if batch.example_targets is None else batch.example_targets
        if hparams["method"] == "lol-simple" or self._penalty["alpha"] == 0 or not targets:
            return False
        return self.global_step % hparams["penalty_every"] == 0

    def _alpha(self) -> float:
        hparams, step = self.hparams, self.global_step
        warmth = min(1.0, (step + 1) / max(hparams["penalty_warmup"], 1))
        return self._penalty["alpha"] * hparams["penalty_every"] * warmth

    def _evaluate(self, batch: LoLBatch, stage: str, metrics: MetricCollection) -> None:
        logits = self(batch.features)
        if batch.labels is None:
            self._log(f"{stage}_loss", self._vote_loss(logits, batch), len(batch), prog_bar=True)
            return
        self._log(f"{stage}_loss", F.cross_entropy(logits, batch.labels), len(batch), prog_bar=True)
        metrics.update(logits, batch.labels)
        self.log_dict(metrics, batch_size=len(batch), prog_bar=True)

    def _log(self, name: str, value: Tensor, batch_size: int, prog_bar: bool = False) -> None:
        self.log(name, value.detach(), batch_size=batch_size, prog_bar=prog_bar)
