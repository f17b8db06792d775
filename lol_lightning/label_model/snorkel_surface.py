"""What Snorkel's LabelModel offers beside fitting and answering: its attributes, and the methods of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from snorkel.labeling.model.base_labeler import BaseLabeler
from snorkel.labeling.model.label_model import LabelModelConfig, TrainConfig
from torch import Tensor

from lol_lightning.exceptions import ConfigurationError, NotFittedError
from lol_lightning.label_model.vote_model import VoteModel
from lol_lightning.models.classifier import LoLClassifier

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SnorkelSurface", "check_device"]


def check_device(device: str) -> None:
    """Raise ``ConfigurationError`` if a device is no device, or CUDA is asked for and missing."""
    try:
        kind = torch.device(device).type
    except (RuntimeError, TypeError) as error:
        raise ConfigurationError(f"device = {device!r} is no device of PyTorch; use 'cpu' or 'cuda:0'.") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            f"device = {device!r}: device=cuda but CUDA not available. Here CUDA is not available."
        )


class SnorkelSurface(BaseLabeler):  # type: ignore[misc]
    """Attributes and methods of ``snorkel.labeling.model.LabelModel`` that read what was fitted.

    Notes:
        The parameters of this model are no ``torch.nn.Parameter``: ``mu`` and ``P`` are tensors made from the
        conditionals and the class balance, and changing them changes nothing.
    """

    config: LabelModelConfig
    vote_model_: VoteModel | None
    classifier_: LoLClassifier | None

    @property
    def p(self) -> Float[np.ndarray, " cls"]:
        """The class balance, float64 (K,)."""
        return self._fitted().class_balance.copy()

    @property
    def P(self) -> Float[Tensor, "cls cls"]:
        """The class balance as a diagonal matrix, float32 (K, K)."""
        return torch.diag(torch.from_numpy(self.p)).float()

    @property
    def mu(self) -> Float[Tensor, "lf_and_outcome cls"]:
        """The conditionals without abstentions in one matrix, float32 (m * K, K), as Snorkel stacks them."""
        table = self._fitted().conditionals[:, 1:]
        return torch.from_numpy(table.reshape(-1, table.shape[2]).copy()).float()

    @property
    def m(self) -> int:
        """Number of LFs."""
        return len(self._fitted().conditionals)

    @property
    def coverage(self) -> Float[np.ndarray, " lf"]:
        """Share of the training rows on which each LF voted, float64 (m,)."""
        return self._fitted().coverage.copy()

    @property
    def train_config(self) -> TrainConfig:
        """Snorkel's settings of the last ``fit``, also after ``load``."""
        return self._fitted().config

    @property
    def training(self) -> bool:
        """Whether the classifier is in training mode; False where there is none."""
        return self.classifier_ is not None and self.classifier_.training

    def train(self, mode: bool = True) -> Self:
        """Put the classifier, if there is one, into training mode; answers are the same in either."""
        if self.classifier_ is not None:
            self.classifier_.train(mode)
        return self

    def eval(self) -> Self:
        """Put the classifier, if there is one, into evaluation mode."""
        return self.train(False)

    def to(self, device: str | torch.device) -> Self:
        """Move the classifier, if there is one, and train later ones on ``device``.

        Raises:
            ConfigurationError: if there is no such device.
        """
        check_device(str(device))
        self.config = self.config._replace(device=str(device))
        if self.classifier_ is not None:
            self.classifier_.to(device)
        return self

    def _fitted(self) -> VoteModel:
        if self.vote_model_ is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted; call fit(L_train) or load(path) first.")
        return self.vote_model_
