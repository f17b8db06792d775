"""LoLClassifier: a network trained straight from labeling functions, as a LightningModule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics import MetricCollection

from lol_lightning._files.packed import pack, unpack
from lol_lightning._files.plain import check_fields
from lol_lightning._lightning import OptimizerLRScheduler, rank_zero_info
from lol_lightning.data.base import BaseDataModule, data_module_of
from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import ConfigurationError, DataError, check_choice
from lol_lightning.features import feature_space_from_state
from lol_lightning.losses._trainers import shards_parameters, trainer_of
from lol_lightning.losses.lol_loss import SHARES_WEIGHT, LoLLoss
from lol_lightning.losses.penalties import GradientPenalty, Penalty
from lol_lightning.losses.penalties.second_derivative import second_derivative
from lol_lightning.losses.weights import ClassWeighting, LFWeighting
from lol_lightning.models.epoch_means import EpochMeans
from lol_lightning.models.lazy_adam import LazyAdam
from lol_lightning.models.metrics import classification_metrics
from lol_lightning.models.model_file import check_room
from lol_lightning.models.predictor import Predictor
from lol_lightning.models.rank_state import own_state, random_state, restore_random_state, states_of_ranks
from lol_lightning.models.training_monitor import TrainingMonitor
from lol_lightning.networks import SparseMLP, evaluation_mode

__all__ = ["LoLClassifier"]

RANK_STATES = "lol_rank_states"
"""Key of checkpoints."""
_EXTRA = {"sizes": dict, "feature_space": dict | None}
LAZY_ROWS = 20_000
"""From this many features on, ``optimizer="auto"`` gives the default network row-sparse gradients and lazy Adam."""


class LoLClassifier(Predictor):
    """A classifier that is trained on the votes and gradients of labeling functions (Sam and Kolter, 2023).

    Batches are ``LoLBatch``. Sizes, weights and the feature space come from the trainer's data module where the
    arguments leave them open; they are part of every checkpoint, which therefore answers for new rows by itself.

    Args:
        network: maps features to logits float (B, K). ``None`` stands for the paper's multi-layer perceptron on sparse
            or dense rows. A ``SplitNetwork`` receives ``SparseRows``; any other network receives dense features, one
            batch at a time, and must be differentiable twice for ``method="lol"``.
        num_features: d, needed by the default network only.
        num_classes: K.
        hidden_sizes: hidden layers of the default network.
        dropout: of the default network.
        method: "lol" (Eq. 4), or "lol-simple" for the vote loss alone.
        penalty: ``GradientPenalty(...)``, ``ExamplePenalty(...)``, or their arguments as a mapping; see ``LoLLoss``.
        lf_weights: how much the votes of each LF count, see ``LoLLoss``.
        class_weights: how much votes for each class count, see ``LoLLoss``.
        class_shares: what the mean prediction is to match, see ``LoLLoss``.
        shares_weight: how much that counts, see ``LoLLoss``.
        optimizer: "adam", "lazy-adam" (touches only the rows of a sparse first layer that occur in the step), or
            "auto": lazy for the default network from 20,000 features on. For another one, override
            ``configure_optimizers``, or name a class on the command line.
        lr: learning rate.
        weight_decay: L2 penalty of the optimizer.
        seed: of the smoothing samples of a penalty that is built here.

    Raises:
        ConfigurationError: if an argument lies outside its range.

    Example:
        >>> import torch
        >>> model = LoLClassifier(num_features=5, num_classes=2)
        >>> model(torch.zeros(3, 5)).shape
        torch.Size([3, 2])
    """

    _SIZES: tuple[str, ...] = ("num_features", "num_classes")
    _TERMS: tuple[str, ...] = ("train_loss", "train_vote_loss", "train_penalty", "train_shares_loss")

    def __init__(
        self,
        network: nn.Module | None = None,
        num_features: int | None = None,
        num_classes: int | None = None,
        hidden_sizes: Sequence[int] = (64, 16),
        dropout: float = 0.2,
        method: Literal["lol", "lol-simple"] = "lol",
        penalty: Penalty | Mapping[str, Any] | None = None,
        lf_weights: LFWeighting | Sequence[float] | None = None,
        class_weights: ClassWeighting | Sequence[float] | None = None,
        class_shares: Literal["validation"] | Sequence[float] | None = "validation",
        shares_weight: float = SHARES_WEIGHT,
        optimizer: Literal["auto", "adam", "lazy-adam"] = "auto",
        lr: float = 1e-2,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_choice("method", method, ("lol", "lol-simple"))
        check_choice("optimizer", optimizer, ("auto", "adam", "lazy-adam"))
        if not 0 <= weight_decay < float("inf"):
            raise ConfigurationError(f"weight_decay = {weight_decay} must be a finite number, not below 0.")
        if not 0 < lr < float("inf"):
            raise ConfigurationError(f"lr = {lr} must be a finite number above 0.")
        self.save_hyperparameters(ignore=["network", "penalty"])
        self.hparams["hidden_sizes"] = list(hidden_sizes)
        if method == "lol-simple":
            if penalty is not None:
                rank_zero_info("method = 'lol-simple' is the vote loss alone: penalty= is left out.")
            self.lol = LoLLoss(False, lf_weights, class_weights, class_shares, shares_weight)
        else:
            if penalty is None or (isinstance(penalty, Mapping) and "class_path" not in penalty):
                penalty = {"seed": seed, **(penalty or {})}
            self.lol = LoLLoss(penalty, lf_weights, class_weights, class_shares, shares_weight)
        self.network = network
        self._monitor = TrainingMonitor()
        self._epoch_means = EpochMeans(self._TERMS)
        self._outputs_are_checked = False
        self._rank_states: list[dict[str, Tensor]] | None = None
        self.register_load_state_dict_pre_hook(_build_from)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_note_loaded)  # type: ignore[no-untyped-call]
        self._note_hparams()
        if num_classes is not None and (network is not None or num_features is not None):
            self._build()

    def configure_model(self) -> None:
        """Build the network, and take sizes, weights and the feature space from the trainer's data module.

        Lightning calls this after the data module's ``setup``, and without a trainer when it reloads a checkpoint:
        then ``load_state_dict`` builds the network.
        """
        trainer = trainer_of(self)
        if trainer is None:
            return
        data = data_module_of(trainer)
        if data is not None:
            self._take_sizes(data)
        if not self._is_built:
            self._build()
        if data is not None and trainer.state.fn == "fit":
            self._take_feature_space(data.feature_space)
        self.lol.configure(self)
        if trainer.state.fn == "fit":
            self._use_sparse_gradients(self._wants_sparse_gradients and self._may_send_sparse_gradients())
        self._note_hparams()

    def training_step(self, batch: LoLBatch, batch_idx: int) -> Tensor:
        """Return the loss of Eq. 4 for one batch, and log its terms."""
        if not self._outputs_are_checked:
            self._check_outputs(batch)
        terms = self.lol(self._network, batch, self.global_step)
        self._log_step(terms.logs(), len(batch))
        self._monitor.observe(terms, batch, self.lol, self.global_step, self._lf_names)
        if terms.measurement is not None and (self._monitor.due(self.global_step) or self._is_last_step()):
            voted, penalty, met = self._monitor.norms(self._network, terms)
            measured = {"train_met_demands": met, "train_gradient_ratio": penalty / voted.clamp(min=1e-12)}
            self.log_dict(measured, batch_size=len(batch))
        return terms.loss

    def on_train_epoch_end(self) -> None:
        """Log the mean of each term over the rows of the epoch, on all ranks."""
        reduce = partial(self.trainer.strategy.reduce, reduce_op="sum")
        means = self._epoch_means.pop(reduce if self.trainer.world_size > 1 else None)
        for name, mean in means.items():
            self.log(name, mean, prog_bar=name == "train_loss")

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Differentiate the loss; a network without a second derivative gets an error that says so."""
        with second_derivative():
            super().backward(loss, *args, **kwargs)

    def validation_step(self, batch: LoLBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log the loss and, where there are labels, the metrics of a validation batch."""
        self._evaluate(batch, "val", dataloader_idx)

    def test_step(self, batch: LoLBatch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Log the metrics of a test batch, which must have labels."""
        if batch.labels is None:
            raise DataError("test rows have no labels. Give them a label column, or call predict instead of test.")
        self._evaluate(batch, "test", dataloader_idx)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return Adam; it is lazy in the first layer where that layer's gradient is row-sparse.

        Raises:
            ConfigurationError: if weights are float16, in which Adam's denominators become 0.
        """
        hparams = self.hparams
        if any(parameter.dtype == torch.float16 for parameter in self.parameters()):
            raise ConfigurationError(
                "float16 is too small for Adam: in precision='16-true' its second moments become 0, and weights NaN. "
                "Use precision='16-mixed', 'bf16-mixed' or 'bf16-true', or override configure_optimizers."
            )
        return LazyAdam(self._parameter_groups(), lr=hparams["lr"], weight_decay=hparams["weight_decay"])

    def on_fit_start(self) -> None:
        """Use row-sparse gradients where the optimizer takes them, also in an overridden ``configure_optimizers``."""
        self._monitor.start()
        self._outputs_are_checked = False
        if not self.training:
            # A loaded model is; without dropout and, above all, without the penalty it would be another training.
            rank_zero_info("The model was in evaluation mode, as one that was loaded; it goes to training mode.")
            self.train()
        if self.trainer.world_size == 1:
            lazy = all(isinstance(optimizer, LazyAdam) for optimizer in self.trainer.optimizers)
            self._use_sparse_gradients(self._wants_sparse_gradients and lazy and not self._clips_by_value())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep random generators and the epoch's means where the state of the optimizer is kept, too."""
        if "optimizer_states" in checkpoint:
            checkpoint[RANK_STATES] = states_of_ranks(
                {**random_state(self.device), "epoch_means": self._epoch_means.state().cpu()}
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember random generators and the epoch's means until the training goes on."""
        self._rank_states = checkpoint.get(RANK_STATES)

    def on_train_start(self) -> None:
        """Go on with the random numbers of the checkpoint that is resumed, and log the numbers in force.

        Lightning logs the arguments as they were at construction.
        """
        state, self._rank_states = own_state(self._rank_states), None
        if state is not None and self.trainer.ckpt_path is not None:
            restore_random_state(state, self.device)
            self._epoch_means.load(state["epoch_means"].to(self.device))
        for logger in self.loggers:
            logger.log_hyperparams(dict(self.hparams))

    def on_train_end(self) -> None:
        """Warn where the fit ended otherwise than it should, and log what the penalty reached."""
        if shards_parameters(self.trainer.strategy):
            return
        with self.trainer.precision_plugin.forward_context():
            report = self._monitor.finish(self._network, self.lol)
        for logger in self.loggers if report else ():
            logger.log_metrics({f"end_{name}": value for name, value in report.items()}, step=self.global_step)

    def input_gradient(self, batch: LoLBatch, step: int = 0) -> Float[Tensor, "cls inspected"]:
        """Return the smoothed model's gradient on the batch's inspected features; see ``GradientPenalty``."""
        penalty = self.lol.penalty if isinstance(self.lol.penalty, GradientPenalty) else GradientPenalty()
        return penalty.input_gradient(self._network, batch, step)

    def get_extra_state(self) -> Tensor:
        """Return what is no tensor, packed as bytes: the sizes and the feature space."""
        sizes = {name: self.hparams[name] for name in self._SIZES}
        if self._packed is None or self._packed[0] != sizes:
            self._packed = sizes, pack({"sizes": sizes, "feature_space": self._space_state})
        return self._packed[1]

    def set_extra_state(self, state: Tensor) -> None:
        """Accept what ``get_extra_state`` returned; ``_build_from`` has taken it before the weights were loaded."""

    @property
    def _is_built(self) -> bool:
        return hasattr(self, "val_metrics")

    def _parameter_groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.parameters())}]

    def _build(self) -> None:
        hparams = self.hparams
        for name in ("num_classes",) if self.network is not None else ("num_features", "num_classes"):
            if hparams[name] is None:
                raise ConfigurationError(f"{name} is not known: give it, or fit with a data module that has it.")
        num_classes = hparams["num_classes"]
        if self.network is None:
            sizes = hparams["num_features"], num_classes, hparams["hidden_sizes"], hparams["dropout"]
            self.network = SparseMLP(*sizes, sparse_grad=self._wants_sparse_gradients)
        self.val_metrics, self.test_metrics = self._new_metrics("val"), self._new_metrics("test")

    def _new_metrics(self, stage: str) -> MetricCollection:
        return classification_metrics(self.hparams["num_classes"]).clone(prefix=f"{stage}_")

    def _take_sizes(self, data: BaseDataModule) -> None:
        sizes = {"num_features": data.num_features, "num_classes": data.num_classes, "num_lfs": data.num_lfs}
        self.hparams.update({name: sizes[name] for name in self._SIZES if self.hparams[name] is None})
        if data.num_classes != self.hparams["num_classes"]:
            raise ConfigurationError(
                f"the model has num_classes = {self.hparams['num_classes']}, but the data module has "
                f"{data.num_classes}."
            )

    @property
    def _wants_sparse_gradients(self) -> bool:
        optimizer, size = self.hparams["optimizer"], self.hparams["num_features"]
        return optimizer == "lazy-adam" or (optimizer == "auto" and size is not None and size >= LAZY_ROWS)

    def _may_send_sparse_gradients(self) -> bool:
        # Several processes must agree before there is an optimizer, and NCCL cannot reduce sparse gradients.
        own = getattr(self.configure_optimizers, "__func__", None) is LoLClassifier.configure_optimizers
        trainer = self.trainer
        if self._clips_by_value():
            rank_zero_info("Gradients that are clipped by value are dense, so that the optimizer is not lazy.")
            return False
        return trainer.world_size == 1 or (own and trainer.strategy.root_device.type == "cpu")

    def _clips_by_value(self) -> bool:
        # PyTorch cannot clip row-sparse gradients so.
        trainer = self.trainer
        return (
            bool(trainer.gradient_clip_val)
            and str(trainer.gradient_clip_algorithm).rpartition(".")[2].lower() == "value"
        )

    def _use_sparse_gradients(self, value: bool) -> None:
        if isinstance(self.network, SparseMLP):
            self.network.sparse_grad = value

    def _note_hparams(self) -> None:
        noted = self.lol.hparams()
        if noted["penalty"] is False:
            noted["penalty"] = None
        self.hparams.update(noted)

    def _log_step(self, terms: dict[str, Tensor], num_rows: int) -> None:
        """Log the terms of a step, as often as the trainer asks for, and take them into the means of the epoch."""
        self._epoch_means.add(terms, num_rows)
        if self._logs_now():
            for name, value in terms.items():
                self.log(name, value, batch_size=num_rows, prog_bar=name == "train_loss")

    def _logs_now(self) -> bool:
        # Lightning's bookkeeping of a logged value costs as much as a small network's step.
        every = getattr(self.trainer, "log_every_n_steps", 0) or 50
        return self.trainer.is_last_batch or (self.global_step + 1) % every == 0

    def _is_last_step(self) -> bool:
        trainer = trainer_of(self)
        if trainer is None:
            return False
        ends = trainer.is_last_batch and trainer.current_epoch + 1 == trainer.max_epochs
        return bool(ends or self.global_step + 1 == trainer.max_steps)

    def _lf_names(self) -> list[str]:
        data = data_module_of(trainer_of(self))
        return [] if data is None else data.lf_names

    def _check_outputs(self, batch: LoLBatch) -> None:
        """Send a batch through the network once in a fit, before a loss or a penalty fails on what comes out."""
        with torch.no_grad(), evaluation_mode(self._network):
            self._check_classes(self(batch.features))
        self._outputs_are_checked = True

    def _check_classes(self, logits: Tensor) -> None:
        num_classes = self.hparams["num_classes"]
        if logits.ndim == 2 and logits.shape[1] == num_classes:
            return
        raise ConfigurationError(
            f"the network returns {tuple(logits.shape)} for a batch; it must return logits (B, {num_classes}), one "
            f"column for each class, also for two classes: end it with Linear(..., {num_classes}), without softmax or "
            "sigmoid."
        )

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


def _build_from(model: LoLClassifier, state_dict: Mapping[str, Any], prefix: str, *_: Any) -> None:
    """Take sizes and feature space of a state dict, and build the network that its weights are loaded into."""
    packed = state_dict.get(prefix + "_extra_state")
    if packed is None:
        return
    extra = check_fields(unpack(packed, "the state of LoLClassifier"), _EXTRA, "the state of LoLClassifier")
    sizes = check_fields(extra["sizes"], dict.fromkeys(model._SIZES, int | None), "sizes in the state of LoLClassifier")
    if not model._is_built:
        check_room(
            {**model.hparams, **sizes}, {name: state_dict[name] for name in state_dict if name.startswith(prefix)}
        )
    space = None if extra["feature_space"] is None else feature_space_from_state(extra["feature_space"])
    # From here on nothing in the state can be wrong but the weights.
    model.hparams.update(sizes)
    if not model._is_built:
        model._build()
    if space is not None:
        model._space_state, model._packed, model.feature_space = extra["feature_space"], None, space


def _note_loaded(model: LoLClassifier, *_: Any) -> None:
    """Let the hyperparameters tell the numbers that are in force once a state is loaded."""
    model._note_hparams()
