"""LoLClassifier: a network trained straight from labeling functions, as a LightningModule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning._lightning import OptimizerLRScheduler, rank_zero_info
from lol_lightning.data.base import BaseDataModule, data_module_of
from lol_lightning.data.batch import LoLBatch
from lol_lightning.exceptions import ConfigurationError, check_choice, check_number
from lol_lightning.losses._trainers import shards_parameters, trainer_of
from lol_lightning.losses.lol_loss import SHARES_WEIGHT, LoLLoss
from lol_lightning.losses.penalties import GradientPenalty, Penalty
from lol_lightning.losses.penalties.second_derivative import keeping_graphs, second_derivative
from lol_lightning.losses.weights import ClassWeighting, LFWeighting
from lol_lightning.models._classifier_state import build_from, note_loaded, packed_state
from lol_lightning.models.checkpoint_io import use_careful_checkpoints
from lol_lightning.models.evaluation import EvaluatedPredictor
from lol_lightning.models.fine_tuning import FineTuning
from lol_lightning.models.lazy_adam import LazyAdam
from lol_lightning.models.network_checks import check_default_network, check_tokens, refuse_penalty_on_tokens
from lol_lightning.models.optimizers import (
    OptimizerName,
    check_settings,
    count_steps,
    groups_of,
    optimizer_of,
    take_usual_settings,
)
from lol_lightning.models.resumable import ResumableSteps
from lol_lightning.models.sparse_gradients import clips_by_value, may_be_sent, wants_sparse_gradients
from lol_lightning.models.training_monitor import TrainingMonitor
from lol_lightning.networks import SparseMLP, check_network, check_sizes
from lol_lightning.networks.pretrained import check_num_labels, load_by_name

__all__ = ["LoLClassifier"]


class LoLClassifier(EvaluatedPredictor, ResumableSteps):
    """A classifier that is trained on the votes and gradients of labeling functions (Sam and Kolter, 2023).

    Batches are ``LoLBatch``. Sizes, weights and the feature space come from the trainer's data module where the
    arguments leave them open; they are part of every checkpoint, which therefore answers for new rows by itself.

    Args:
        network: maps features to logits float (B, K). ``None`` stands for the paper's multi-layer perceptron on sparse
            or dense rows. A ``SplitNetwork`` receives ``SparseRows``; any other network receives dense features, one
            batch at a time, and must be differentiable twice for a ``GradientPenalty``. A network over tokens receives
            ``input_ids`` and what else its ``forward`` names (docs/transformers.md). The name or folder of a Hugging
            Face model stands for its pretrained weights with a new head.
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
        optimizer: "adam", "adamw", "lazy-adam" (touches only the rows of a sparse first layer that occur in the step),
            or "auto": lazy for the default network from 20,000 features on, "adamw" for one that is fine-tuned. For
            another one, override ``configure_optimizers``, or name a class on the command line.
        lr: learning rate; by default 0.01, for a network with pretrained weights 2e-5, and 2e-4 for its adapter.
        weight_decay: L2 penalty of the optimizer, in "adamw" apart from the gradient.
        fine_tuning: learning rates by layer, their schedule, and memory; ``FineTuning()`` by default for a network with
            pretrained weights.
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
        network: nn.Module | str | None = None,
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
        optimizer: OptimizerName = "auto",
        lr: float | None = None,
        weight_decay: float = 0.0,
        seed: int = 0,
        fine_tuning: FineTuning | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_choice("method", method, ("lol", "lol-simple"))
        check_settings(optimizer, lr, weight_decay)
        check_number("seed", seed, whole=True)
        if not isinstance(network, str):
            check_network(network)
        check_sizes(num_features, num_classes, hidden_sizes, dropout)
        self.save_hyperparameters(ignore=["network", "penalty", "fine_tuning"])
        self.hparams["hidden_sizes"] = list(hidden_sizes)
        if (tuning := FineTuning.of(fine_tuning)) is not None:
            self.hparams["fine_tuning"] = tuning.plain()
        if isinstance(network, str):
            # It is loaded once the number of classes is certain, and not at all where a checkpoint has its weights.
            self.hparams["network"], network = network, None
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
        self.register_load_state_dict_pre_hook(build_from)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(note_loaded)  # type: ignore[no-untyped-call]
        self._note_hparams()
        has_name = "network" in self.hparams
        if num_classes is not None and not has_name and (network is not None or num_features is not None):
            self._build()

    def configure_model(self) -> None:
        """Build the network, and take sizes, weights and the feature space from the trainer's data module.

        Lightning calls this after the data module's ``setup``, and without a trainer when it reloads a checkpoint:
        then ``load_state_dict`` builds the network.
        """
        trainer = trainer_of(self)
        if trainer is None:
            return
        # Only after this does Lightning read the checkpoint that a fit goes on from.
        use_careful_checkpoints(trainer)
        data = data_module_of(trainer)
        if data is not None:
            self._take_sizes(data)
        if not self._is_built:
            self._build()
        if data is not None and trainer.state.fn == "fit":
            self._take_feature_space(data.feature_space)
        self.lol.configure(self)
        if trainer.state.fn == "fit":
            if data is not None:
                check_tokens(self._network, data.dataset("train").features)
                refuse_penalty_on_tokens(self.lol.penalty, data.dataset("train").features)
            if (tuning := FineTuning.of(self.hparams.get("fine_tuning"))) is not None:
                tuning.prepare(self._network)
            own = getattr(self.configure_optimizers, "__func__", None) is not LoLClassifier.configure_optimizers
            self._use_sparse_gradients(wants_sparse_gradients(self.hparams) and may_be_sent(trainer, own))
        self._note_hparams()

    def training_step(self, batch: LoLBatch, batch_idx: int) -> Tensor:
        """Return the loss of Eq. 4 for one batch, and log its terms."""
        self._check_outputs(batch)
        is_measured = self._monitor.due(self.global_step) or self._is_last_step()
        # The compiler cannot read a change of its own stance, where it compiles the whole module.
        with keeping_graphs() if is_measured and not torch.compiler.is_compiling() else nullcontext():
            terms = self.lol(self._network, batch, self.global_step)
        self._log_step(terms.logs(), len(batch))
        self._monitor.observe(terms, batch, self.lol, self.global_step, self._lf_names)
        if terms.measurement is not None and is_measured:
            self.log_dict(self._monitor.measure(self._network, terms, self.global_step), batch_size=len(batch))
        return terms.loss

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Differentiate the loss; a network without a second derivative gets an error that says so."""
        with second_derivative():
            super().backward(loss, *args, **kwargs)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return Adam, lazy in the first layer where that layer's gradient is row-sparse; see ``fine_tuning``.

        Raises:
            ConfigurationError: if no parameter is trained, or weights are float16, in which Adam's denominators become
                0.
        """
        return optimizer_of(self)

    def on_fit_start(self) -> None:
        """Use row-sparse gradients where the optimizer takes them, also in an overridden ``configure_optimizers``."""
        self._monitor.start()
        self._outputs_are_checked = False
        if not (self.training and self._network.training):
            # A loaded model is; without dropout and, above all, without the penalty it would be another training.
            rank_zero_info("The model was in evaluation mode, as one that was loaded; it goes to training mode.")
            self.train()
        if self.trainer.world_size == 1:
            lazy = all(isinstance(optimizer, LazyAdam) for optimizer in self.trainer.optimizers)
            self._use_sparse_gradients(
                wants_sparse_gradients(self.hparams) and lazy and not clips_by_value(self.trainer)
            )

    def on_train_start(self) -> None:
        """Go on as the checkpoint says that is resumed, and count the steps that the learning rate follows."""
        super().on_train_start()
        count_steps(self.trainer, FineTuning.of(self.hparams.get("fine_tuning")))

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
        return packed_state(self)

    def set_extra_state(self, state: Tensor) -> None:
        """Accept what ``get_extra_state`` returned; ``build_from`` has taken it before the weights were loaded."""

    @property
    def _is_built(self) -> bool:
        return hasattr(self, "val_metrics")

    def _parameter_groups(self) -> list[dict[str, Any]]:
        return groups_of(self)

    def _build(self) -> None:
        hparams = self.hparams
        is_default = self.network is None and "network" not in hparams
        for name in ("num_features", "num_classes") if is_default else ("num_classes",):
            if hparams[name] is None:
                raise ConfigurationError(f"{name} is not known: give it, or fit with a data module that has it.")
        num_classes = hparams["num_classes"]
        if is_default:
            sizes = hparams["num_features"], num_classes, hparams["hidden_sizes"], hparams["dropout"]
            self.network = SparseMLP(*sizes, sparse_grad=wants_sparse_gradients(hparams))
        elif self.network is None:
            self.network = load_by_name(hparams["network"], num_classes)
        check_num_labels(self._network, num_classes)
        take_usual_settings(hparams, self._network)
        self._packed = None
        self.val_metrics, self.test_metrics = self._new_metrics("val"), self._new_metrics("test")

    def _take_sizes(self, data: BaseDataModule) -> None:
        sizes = {"num_features": data.num_features, "num_classes": data.num_classes, "num_lfs": data.num_lfs}
        self.hparams.update({name: sizes[name] for name in self._SIZES if self.hparams[name] is None})
        if self.network is None and "network" not in self.hparams and data.feature_space is not None:
            check_default_network(data.feature_space)
        if data.num_classes != self.hparams["num_classes"]:
            raise ConfigurationError(
                f"the model has num_classes = {self.hparams['num_classes']}, but the data module has "
                f"{data.num_classes}."
            )

    def _use_sparse_gradients(self, value: bool) -> None:
        if isinstance(self.network, SparseMLP):
            self.network.sparse_grad = value

    def _note_hparams(self) -> None:
        noted = self.lol.hparams()
        if noted["penalty"] is False:
            noted["penalty"] = None
        self.hparams.update(noted)

    def _is_last_step(self) -> bool:
        trainer = trainer_of(self)
        if trainer is None:
            return False
        ends = trainer.is_last_batch and trainer.current_epoch + 1 == trainer.max_epochs
        return bool(ends or self.global_step + 1 == trainer.max_steps)

    def _lf_names(self) -> list[str]:
        data = data_module_of(trainer_of(self))
        return [] if data is None else data.lf_names
