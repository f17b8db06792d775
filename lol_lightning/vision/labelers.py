"""Attribute labelers: one shared backbone, one head for each attribute, trained on seen classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from lol_lightning._lightning import LightningModule, OptimizerLRScheduler
from lol_lightning.exceptions import ConfigurationError, DataError, check_choice
from lol_lightning.functional.attributes import (
    Calibration,
    attribute_loss,
    balanced_accuracies,
    best_thresholds,
    calibrate,
)
from lol_lightning.vision.backbones import check_evaluation_mode, check_features
from lol_lightning.vision.seen_classes import SeenClasses

__all__ = ["AttributeLabelers", "check_calibration"]


class AttributeLabelers(LightningModule):
    """Detectors of attributes on a shared representation: each becomes a labeling function with a gradient.

    Batches are pairs of inputs and attributes float (B, A), 1 with the attribute, 0 without, NaN where it is unknown.
    ``SeenClasses`` serves them. After ``Trainer.fit`` come ``calibrate`` and ``eval``, as in ``train_labelers``.

    Args:
        attributes: A names, or their number; ``name_attributes`` then names them.
        backbone: maps inputs to a representation; any ``nn.Module``. ``None`` if the inputs are the representation.
        num_features: r, size of the representation.
        heads: maps the representation float (B, r) to logits float (B, A); a linear layer by default, whose gradients
            have a closed form.
        freeze_backbone: leave the backbone as it is, in evaluation mode.
        lr: learning rate.
        weight_decay: decoupled decay of the weights.

    Raises:
        ConfigurationError: if ``num_features`` is missing, or there is nothing to train.

    Example:
        >>> labelers = AttributeLabelers(["swims", "furry"], num_features=4).eval()
        >>> labelers.probabilities(torch.zeros(3, 4)).shape
        torch.Size([3, 2])
    """

    slope: Tensor
    """float (A,): scale of each head's logit, by calibration."""
    intercept: Tensor
    """float (A,): shift of each head's logit, by calibration."""
    thresholds: Tensor
    """float (A,): the probability from which on an attribute counts as present, chosen on seen classes."""
    val_accuracies: Tensor
    """float (A,): balanced accuracy of each labeler on held-out rows of seen classes; NaN before ``calibrate``."""
    positive_share: Tensor
    """float (A,): share of the training rows with each attribute, by which the loss is balanced."""

    def __init__(
        self,
        attributes: Sequence[str] | int,
        backbone: nn.Module | None = None,
        num_features: int | None = None,
        heads: nn.Module | None = None,
        freeze_backbone: bool = False,
        lr: float = 3e-3,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__()
        names = list(_numbered(attributes) if isinstance(attributes, int) else attributes)
        num_features = num_features or getattr(backbone, "num_features", None)
        if heads is None and num_features is None:
            raise ConfigurationError(
                "num_features is missing: give the size of the backbone's representation, which "
                "lol_lightning.vision.backbones.representation_size returns."
            )
        if not names:
            raise ConfigurationError("there are no attributes to learn.")
        self.save_hyperparameters({"attributes": names, "num_features": num_features})
        self.hparams.update({"freeze_backbone": freeze_backbone, "lr": lr, "weight_decay": weight_decay})
        self.attributes = tuple(names)
        self.backbone = nn.Identity() if backbone is None else backbone
        self.heads = nn.Linear(cast(int, num_features), len(names)) if heads is None else heads
        if freeze_backbone:
            self.backbone.requires_grad_(False)
            self.backbone.eval()
        size = len(names)
        self.register_buffer("slope", torch.ones(size))
        self.register_buffer("intercept", torch.zeros(size))
        self.register_buffer("thresholds", torch.full((size,), 0.5))
        self.register_buffer("val_accuracies", torch.full((size,), torch.nan))
        self.register_buffer("positive_share", torch.full((size,), 0.5))
        self._val_batches: list[tuple[Tensor, Tensor]] = []

    @property
    def is_calibrated(self) -> bool:
        """Whether the labelers are trained and calibrated, which is when their accuracies are there."""
        return not bool(self.val_accuracies.isnan().all())

    def train(self, mode: bool = True) -> AttributeLabelers:
        """Set the mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.hparams["freeze_backbone"]:
            self.backbone.eval()
        return self

    def name_attributes(self, names: Sequence[str]) -> None:
        """Name the attributes of labelers that were made with their number alone; other names must agree.

        Args:
            names: A names, those of the class-attribute matrix.

        Raises:
            ConfigurationError: if there are not as many, or they have other names or another order.
        """
        if self.attributes not in (tuple(names), _numbered(len(names))):
            raise ConfigurationError(
                f"the labelers have {len(self.attributes)} attributes and the matrix has {len(names)}; their names and "
                "order must be equal. Train labelers on this matrix."
            )
        self.attributes = tuple(names)
        self.hparams["attributes"] = list(names)

    def represent(self, inputs: Float[Tensor, "row ..."]) -> Float[Tensor, "row feature"]:
        """Return the representation float (B, r) that the heads read.

        Raises:
            ConfigurationError: if the inputs are images and there is no backbone.
        """
        if type(self.backbone) is nn.Identity:
            check_features(inputs)
        return self.backbone(inputs).flatten(1)

    def forward(self, inputs: Float[Tensor, "row ..."]) -> Float[Tensor, "row attribute"]:
        """Return the heads' logits float (B, A), not calibrated."""
        return self.heads(self.represent(inputs))

    def calibrated(self, representation: Float[Tensor, "row feature"]) -> Float[Tensor, "row attribute"]:
        """Return calibrated logits float (B, A) of a representation."""
        return self.slope * self.heads(representation) + self.intercept

    @torch.no_grad()
    def representations(
        self,
        inputs: Shaped[Tensor, "row ..."],
        transform: Callable[[Tensor], Tensor] | None = None,
        batch_size: int = 256,
    ) -> Float[Tensor, "row feature"]:
        """Return the representations of many inputs, float (n, r), without a graph.

        Args:
            inputs: (n, ...).
            transform: makes float of a batch of images.
            batch_size: rows that are computed at once.

        Raises:
            ConfigurationError: if a part of the labelers is in training mode, see ``check_evaluation_mode``.
        """
        check_evaluation_mode(self)
        representations = []
        for part in torch.split(inputs, batch_size):
            part = part.to(self.device)
            representations.append(self.represent(part if transform is None else transform(part)).cpu())
        return torch.cat(representations)

    def probabilities(
        self,
        inputs: Shaped[Tensor, "row ..."],
        transform: Callable[[Tensor], Tensor] | None = None,
        batch_size: int = 256,
    ) -> Float[Tensor, "row attribute"]:
        """Return the calibrated probability of each attribute, float (n, A) in [0, 1], as ``representations``."""
        return self.probabilities_of(self.representations(inputs, transform, batch_size))

    @torch.no_grad()
    def probabilities_of(self, representations: Float[Tensor, "row feature"]) -> Float[Tensor, "row attribute"]:
        """Return the calibrated probability of each attribute, float (n, A) in [0, 1], on representations."""
        return torch.sigmoid(self.calibrated(representations.to(self.device))).cpu()

    @torch.no_grad()
    def calibrate(
        self,
        logits: Float[Tensor, "row attribute"],
        targets: Float[Tensor, "row attribute"],
        method: Calibration = "platt",
    ) -> None:
        """Fit scale and shift of the logits to held-out rows of seen classes, and choose thresholds on them.

        Args:
            logits: float (n, A), what ``forward`` returns for those rows.
            targets: float (n, A), 1 with the attribute, 0 without, NaN where it is unknown.
            method: "platt" (scale and shift), "temperature" (scale) or "none".

        Raises:
            ConfigurationError: if the method is unknown.
            DataError: if the shapes differ.
        """
        check_calibration(method)
        if logits.shape != targets.shape or logits.shape[1] != len(self.attributes):
            raise DataError(
                f"logits {tuple(logits.shape)} and attributes {tuple(targets.shape)} must both have the shape "
                f"(n, {len(self.attributes)})."
            )
        slope, intercept = calibrate(logits, targets, method)
        probabilities = torch.sigmoid(slope * logits + intercept)
        thresholds = best_thresholds(probabilities, targets).nan_to_num(0.5).clamp(1e-3, 1 - 1e-3)
        accuracies = balanced_accuracies(probabilities >= thresholds, targets)
        for name, value in (("slope", slope), ("intercept", intercept), ("thresholds", thresholds)):
            getattr(self, name).copy_(value)
        self.val_accuracies.copy_(accuracies)

    def setup(self, stage: str) -> None:
        """Take the share of rows with each attribute from ``SeenClasses``, so that the loss is balanced."""
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, SeenClasses):
            self.positive_share.copy_(data.positive_share)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the balanced binary loss of one batch, over the attributes that are not NaN."""
        inputs, targets = batch
        loss = attribute_loss(self(inputs), targets, self.positive_share.to(targets))
        self.log("train_loss", loss.detach(), batch_size=len(targets))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log the loss of held-out rows, if any could be read, and keep their logits for the accuracies."""
        inputs, targets = batch
        if not len(targets):
            return
        logits = self(inputs)
        loss = attribute_loss(logits, targets, self.positive_share.to(targets))
        self.log("val_loss", loss, batch_size=len(targets))
        self._val_batches.append((logits, targets))

    def on_validation_epoch_end(self) -> None:
        """Log the mean balanced accuracy of the attributes."""
        if not self._val_batches:
            return
        logits, targets = (torch.cat(parts) for parts in zip(*self._val_batches, strict=True))
        self._val_batches.clear()
        self.log("val_accuracy", balanced_accuracies(logits > 0, targets).nanmean(), prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW over what is trained, with one cycle of the learning rate."""
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=self.hparams["lr"], weight_decay=self.hparams["weight_decay"])
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.hparams["lr"], total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def check_calibration(method: str) -> None:
    """Raise ``ConfigurationError`` if there is no such method of calibration."""
    check_choice("calibration", method, get_args(Calibration))


def _numbered(size: int) -> tuple[str, ...]:
    return tuple(f"attribute_{i}" for i in range(size))
