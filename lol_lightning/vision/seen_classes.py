"""Rows of seen classes, on which attribute labelers are trained, and the training itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from jaxtyping import Float, Int
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lol_lightning.data.dataset import leaves_one_row
from lol_lightning.exceptions import DataError
from lol_lightning.functional.attributes import Calibration
from lol_lightning.vision.awa import AttributeData
from lol_lightning.vision.images import Standardise, read_inputs
from lol_lightning.vision.labelers import AttributeLabelers, check_calibration

__all__ = ["SeenClasses", "train_labelers"]

Pair = tuple[Tensor, Tensor]

LEAST_ROWS = 2
"""Rows that a training batch has at the least, where there are as many: batch norm at 1 x 1 has no use for one."""


class SeenClasses(pl.LightningDataModule):
    """Serves rows of seen classes: inputs and attributes float (B, A), 1 with, 0 without, NaN where it is unknown.

    No training batch has but one row, which batch norm refuses: a last one of one row is left out, and where corrupt
    files leave fewer than two, rows that can be read take their places. An attribute that is unknown for all the
    classes is not learned, and its labeler's accuracy is NaN.

    Args:
        data: images or features of classes whose attributes are known.
        seen: names of the classes to use; by default those that ``data`` calls seen.
        val_share: share of the rows of each class that is held out for accuracies, calibration and thresholds.
        batch_size: B.
        augment: applied to each training image, such as ``torchvision.transforms.v2`` ones; it gets what ``data``
            holds, uint8 or float (C, H, W).
        transform: makes float of a batch of images.
        num_workers: processes that read images.
        seed: of the rows held out and of the order.

    Raises:
        DataError: if there are no rows of seen classes.
    """

    def __init__(
        self,
        data: AttributeData,
        seen: Sequence[str] | None = None,
        val_share: float = 0.2,
        batch_size: int = 128,
        augment: Callable[[Tensor], Tensor] | None = None,
        transform: Callable[[Tensor], Tensor] | None = None,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        names = data.matrix.classes
        chosen = [names[i] for i in data.seen.nonzero().squeeze(1).tolist()] if seen is None else list(seen)
        if not chosen:
            raise DataError("there are no seen classes to train attribute labelers on.")
        rows = data.rows_of(chosen)
        if data.test is not None:
            rows = rows[~data.test[rows]]
        generator = torch.Generator().manual_seed(seed)
        rows = rows[torch.randperm(len(rows), generator=generator)]
        # Held out class by class: the k-th row of a class goes to the one side or the other.
        rank = torch.zeros(len(rows))
        for cls in torch.unique(data.labels[rows]):
            of_class = data.labels[rows] == cls
            rank[of_class] = torch.arange(int(of_class.sum())) / of_class.sum()
        self.train_rows, self.val_rows = rows[rank >= val_share], rows[rank < val_share]
        self.data, self.seed = data, seed
        self.batch_size, self.num_workers = batch_size, num_workers
        self.augment, self.transform = augment, transform or Standardise()

    @property
    def positive_share(self) -> Float[Tensor, " attribute"]:
        """Share of the training rows that have each attribute, of those where it is known, float (A,); 0.5 if none."""
        return self.data.matrix.targets[self.data.labels[self.train_rows]].nanmean(0).nan_to_num(0.5)

    def train_dataloader(self) -> DataLoader[Any]:
        """Batches of training rows in random order, augmented."""
        dataset = _AttributeRows(self.data, self.train_rows, self.augment, self.transform, LEAST_ROWS)
        generator = torch.Generator().manual_seed(self.seed)
        drop_last = leaves_one_row(len(dataset), self.batch_size)
        return self._loader(dataset, shuffle=True, generator=generator, drop_last=drop_last)

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of held-out rows."""
        return self._loader(_AttributeRows(self.data, self.val_rows, None, self.transform))

    def _loader(self, dataset: _AttributeRows, **options: Any) -> DataLoader[Any]:
        return DataLoader(dataset, self.batch_size, collate_fn=_as_it_is, num_workers=self.num_workers, **options)


def _as_it_is(batch: Any) -> Any:
    return batch


class _AttributeRows(Dataset[Pair]):
    def __init__(
        self,
        data: AttributeData,
        rows: Int[Tensor, " row"],
        augment: Callable[[Tensor], Tensor] | None,
        transform: Callable[[Tensor], Tensor],
        least: int = 0,
    ) -> None:
        self.data, self.rows, self.augment, self.transform, self.least = data, rows, augment, transform, least

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: Sequence[int]) -> Pair:
        inputs, rows = self._read(torch.as_tensor(indices))
        least = min(self.least, len(indices))
        # Loaders must give as many batches as they say, so that corrupt files are replaced by those that come next.
        for step in range(1, len(self.rows)):
            if len(rows) >= least:
                break
            more, of_more = self._read(torch.as_tensor([(indices[-1] + step) % len(self.rows)]))
            inputs, rows = torch.cat([inputs, more]), torch.cat([rows, of_more])
        if least and not len(rows):
            raise DataError(f"none of the {len(self.rows)} images of seen classes can be decoded; mend some of them.")
        if self.augment is not None:
            inputs = torch.stack([self.augment(image) for image in inputs])
        return self.transform(inputs), self.data.matrix.targets[self.data.labels[rows]]

    def _read(self, places: Int[Tensor, " place"]) -> tuple[Tensor, Int[Tensor, " read"]]:
        """Inputs and rows at those of some places in the dataset that can be read."""
        rows = self.rows[places]
        inputs, kept = read_inputs(self.data.inputs, rows)
        return inputs, rows[kept]


def train_labelers(
    labelers: AttributeLabelers,
    data: SeenClasses,
    max_epochs: int = 15,
    calibration: Calibration = "platt",
    **trainer_options: Any,
) -> AttributeLabelers:
    """Train labelers on seen classes, calibrate them on the rows held out, and put them in evaluation mode.

    Args:
        labelers: trained in place.
        data: rows of seen classes.
        max_epochs: of the training.
        calibration: "platt", "temperature" or "none".
        trainer_options: passed on to ``Trainer``, which logs and keeps nothing by default.

    Returns:
        The labelers, on the CPU.

    Raises:
        ConfigurationError: if the calibration is unknown, or the labelers have no backbone for images.
        DataError: if no row was held out, or no image can be decoded.
    """
    check_calibration(calibration)
    options: dict[str, Any] = {name: False for name in ("logger", "enable_checkpointing", "enable_progress_bar")}
    options |= {"enable_model_summary": False, "devices": 1, "limit_val_batches": 0, **trainer_options}
    with isolate_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not have many workers")
        warnings.filterwarnings("ignore", "The number of training batches")
        # A frozen backbone is meant to be in evaluation mode.
        warnings.filterwarnings("ignore", r"Found .* module\(s\) in eval mode")
        torch.manual_seed(data.seed)
        pl.Trainer(max_epochs=max_epochs, **options).fit(labelers, datamodule=data)
    labelers = labelers.cpu().eval()
    pairs = []
    with torch.no_grad():
        for inputs, targets in data.val_dataloader():
            if len(targets):
                pairs.append((labelers(inputs), targets))
    if not pairs:
        raise DataError("no row of the seen classes that can be read was held out: raise val_share, or give more rows.")
    logits, targets = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    labelers.calibrate(logits, targets, calibration)
    return labelers
