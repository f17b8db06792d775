"""Predictor: a network with the feature space that feeds it, which answers for new rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lol_lightning._files.checkpoints import CHECKPOINT, CHECKPOINT_CURE, is_local, read_checkpoint
from lol_lightning._files.disk import building, reading
from lol_lightning._files.state import write_archive
from lol_lightning._lightning import LightningModule, rank_zero_info
from lol_lightning.data.batch import Features, LoLBatch, features_to
from lol_lightning.data.feature_batches import feature_batches
from lol_lightning.exceptions import ConfigurationError, DataError, LoLError
from lol_lightning.features import FeatureSpace
from lol_lightning.models.model_file import MODEL, MODEL_CURE, check_checkpoint, model_state, read_model
from lol_lightning.networks import SparseMLP, logits_of
from lol_lightning.networks.pretrained import state_of_network

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Predictor"]


class Predictor(LightningModule):
    """A network with the feature space that feeds it.

    A subclass sets ``network``, and keeps sizes and feature space in its extra state, so that checkpoints and the
    files of ``save`` answer for new rows without training rows and LFs.
    """

    network: nn.Module | None

    def __init__(self) -> None:
        super().__init__()
        self.feature_space: FeatureSpace | None = None
        self._space_state: dict[str, Any] | None = None
        self._packed: tuple[dict[str, Any], Tensor] | None = None

    def forward(self, features: Features) -> Float[Tensor, "batch cls"]:
        """Return the logits of a batch of features.

        Args:
            features: float (B, ...), ``SparseRows`` (B, d) or a token dictionary.

        Returns:
            float (B, K).
        """
        return logits_of(self._network, features)

    def predict_step(self, batch: LoLBatch, batch_idx: int, dataloader_idx: int = 0) -> Float[Tensor, "batch cls"]:
        """Return class probabilities, float (B, K)."""
        return self(batch.features).softmax(-1)

    @torch.no_grad()
    def predict_proba(self, rows: Any, batch_size: int | None = None) -> Float[np.ndarray, "row cls"]:
        """Return class probabilities of new rows; neither LFs nor training rows are needed.

        Args:
            rows: texts, a DataFrame or data points, as the feature space reads them; or features float (n, ...), dense
                or sparse, or ``TokenRows``, in the form that the network was trained on.
            batch_size: rows of a forward pass; by default 4096, and 64 of texts as tokens.

        Returns:
            float64 (n, K), rows sum to 1.

        Raises:
            ConfigurationError: if rows are no features and the model has no feature space.
            DataError: if the rows do not fit the feature space or the network.
        """
        training = self.training
        self.eval()
        try:
            batches = feature_batches(rows, self.feature_space, batch_size)
            found = [self(features_to(features, self.device)).softmax(-1).cpu() for features in batches]
        finally:
            self.train(training)
        return torch.cat(found).double().numpy() if found else np.empty((0, self.hparams["num_classes"]))

    def predict(self, rows: Any, batch_size: int | None = None) -> np.ndarray:
        """Return the most probable class of each row, int64 (n,); see ``predict_proba``."""
        return self.predict_proba(rows, batch_size).argmax(1)

    def save(self, path: str | Path) -> None:
        """Write the trained model with its feature space to one file of plain arrays and JSON.

        A Hugging Face classifier is kept with its configuration, so that the file alone answers for new texts.

        Raises:
            ConfigurationError: if the network or the feature space is of a class of the user's own, which only its
                code can build; keep a Lightning checkpoint then, and give ``load_from_checkpoint`` the network.
        """
        write_archive(path, self.plain_state())

    def plain_state(self) -> dict[str, Any]:
        """Return what ``save`` writes: all of the trained model, in plain types and tensors.

        Raises:
            ConfigurationError: as ``save``.
        """
        if type(self._network) is not SparseMLP and state_of_network(self._network) is None:
            raise ConfigurationError(
                f"a network of the class {type(self._network).__name__} cannot be saved without its code. Save a "
                "Lightning checkpoint (Trainer.save_checkpoint), and reload it with "
                "load_from_checkpoint(path, network=...)."
            )
        if self.feature_space is not None and self._space_state is None:
            self.feature_space.state()  # Raises and says why.
        return model_state(dict(self.hparams), self.state_dict())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what ``save`` wrote; nothing in the file is executed.

        Raises:
            DataError: if the file is something else.
        """
        hparams, state_dict = read_model(path)
        with building(path, MODEL, MODEL_CURE):
            return cls.from_state(hparams, state_dict)

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path | IO[bytes], *args: Any, **kwargs: Any) -> Self:
        """Read a Lightning checkpoint; see Lightning's method. The file is checked before anything is built.

        Args:
            checkpoint_path: of a file of this machine; an open file or an address is left to Lightning.
            *args: of Lightning's method.
            **kwargs: of Lightning's method and of this class, such as ``network=``.

        Raises:
            DataError: if the file is missing, broken or something else.
            LoLError: if the model refuses an argument.
        """
        if not is_local(checkpoint_path):
            return super().load_from_checkpoint(checkpoint_path, *args, **kwargs)
        path = Path(cast(str, checkpoint_path))
        checkpoint = read_checkpoint(path)
        with reading(path, CHECKPOINT, CHECKPOINT_CURE):
            check_checkpoint(checkpoint)
        with building(path, CHECKPOINT, CHECKPOINT_CURE):
            return super().load_from_checkpoint(checkpoint_path, *args, **kwargs)

    @classmethod
    def from_state(cls, hparams: Mapping[str, Any], state_dict: Mapping[str, Any]) -> Self:
        """Build a model from its hyperparameters and state dict, in evaluation mode; no random number is drawn.

        Raises:
            DataError: if they do not fit each other, or are of another class.
        """
        try:
            with torch.random.fork_rng(devices=[]):
                model = cls(**hparams)
            model.load_state_dict(dict(state_dict))
        except LoLError as error:
            raise DataError(f"the model's state is broken: {error}") from error
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise DataError(f"the model's state is broken: {str(error).partition(chr(10))[0]}") from error
        return model.eval()

    def __repr__(self) -> str:
        sizes = {name: self.hparams.get(name) for name in ("num_classes", "num_features")}
        parts = {name: "?" if size is None else size for name, size in sizes.items()}
        parts["network"] = "open" if self.network is None else type(self.network).__name__
        parts["reads"] = "features" if self.feature_space is None else repr(self.feature_space)
        return f"{type(self).__name__}({', '.join(f'{name}={part}' for name, part in parts.items())})"

    @property
    def _network(self) -> nn.Module:
        if self.network is None:
            raise ConfigurationError("the model has no size yet: give num_features and num_classes, or fit it.")
        return self.network

    def _take_feature_space(self, space: FeatureSpace | None) -> None:
        if space is self.feature_space:
            return
        self.feature_space, self._packed = space, None
        try:
            self._space_state = None if space is None else space.state()
        except ConfigurationError as error:
            rank_zero_info(f"Checkpoints hold no feature space, so a reloaded model reads features only: {error}")
            self._space_state = None
