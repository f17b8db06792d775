"""PredictionWriter: a callback that writes what ``Trainer.predict`` predicts to one CSV, in the order of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.distributed import all_gather_object

from lol_lightning._files.disk import make_directory_of, write_text
from lol_lightning._lightning import BasePredictionWriter, LightningModule, Trainer
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.functional.short_repr import short_repr

__all__ = ["PredictionWriter"]


class PredictionWriter(BasePredictionWriter):
    """Writes class probabilities to a CSV at the end of ``Trainer.predict``.

    Its columns are ``row`` (position among the rows to predict, from 0), ``class_0``, ``class_1``, ... and
    ``prediction``, the class of the highest probability. With several processes rank 0 writes the rows of all of them
    in order; rows that a distributed sampler repeats to give each process as many are written once. A file of the same
    name is replaced at the end, at once.

    Args:
        path: of the CSV; its directory is made where there is none.

    Raises:
        DataError: if the file cannot be written, or the model predicts something else than probabilities (B, K).
        ConfigurationError: if several processes read rows of which no loader tells the positions.

    Example:
        >>> trainer = Trainer(callbacks=[PredictionWriter("predictions.csv")])  # doctest: +SKIP
        >>> trainer.predict(model, data, return_predictions=False)  # doctest: +SKIP
    """

    __repr__ = short_repr

    def __init__(self, path: str | Path) -> None:
        super().__init__("batch")
        self.path = Path(path)
        self._rows: list[tuple[Sequence[int] | None, Tensor]] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make the directory: what cannot be written is better said before a long prediction than after it."""
        super().setup(trainer, pl_module, stage)
        if stage != "predict" or not trainer.is_global_zero:
            return
        make_directory_of(self.path)

    def on_predict_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget an earlier prediction, and refuse several loaders before they are read."""
        self._rows = []
        if isinstance(trainer.predict_dataloaders, (list, tuple)) and len(trainer.predict_dataloaders) > 1:
            raise ConfigurationError("predictions of several loaders do not fit into one CSV; predict one at a time.")

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Sequence[int] | None,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Keep the probabilities float (B, K) of a batch on the CPU."""
        if not isinstance(prediction, Tensor) or prediction.ndim != 2:
            shape = tuple(prediction.shape) if isinstance(prediction, Tensor) else type(prediction).__name__
            raise DataError(f"predict_step returned {shape}; a CSV needs class probabilities float (B, K).")
        self._rows.append((list(batch_indices) if batch_indices else None, prediction.detach().float().cpu()))

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the rows of all processes together, and write them."""
        parts: list[Any] = [self._rows]
        if trainer.world_size > 1:
            parts = [None] * trainer.world_size
            all_gather_object(parts, self._rows)
        self._rows = []
        if trainer.is_global_zero:
            write_text(self.path, _table(parts).to_csv(index_label="row"))


def _table(parts: Sequence[Sequence[tuple[Sequence[int] | None, Tensor]]]) -> pd.DataFrame:
    """Return probabilities and predictions by row, from the batches of each process."""
    batches = [batch for part in parts for batch in part]
    if not batches:
        raise DataError("there were no rows to predict.")
    probabilities = torch.cat([prediction for _, prediction in batches])
    if all(indices is not None for indices, _ in batches):
        rows = [row for indices, _ in batches for row in indices or ()]
    elif len(parts) == 1:
        rows = list(range(len(probabilities)))
    else:
        raise ConfigurationError(
            "the loader does not tell which rows each process read, so that they cannot be put in order: use a "
            "DataLoader that draws positions, or one process (devices=1)."
        )
    frame = pd.DataFrame(probabilities.numpy(), columns=[f"class_{k}" for k in range(probabilities.shape[1])])
    frame["prediction"] = probabilities.argmax(-1).numpy()
    frame.index = pd.Index(rows)
    return frame[~frame.index.duplicated()].sort_index()
