"""SeenClasses: the rows on which attribute labelers are trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lol_lightning._lightning import LightningDataModule
from lol_lightning.data.dataset import leaves_one_row
from lol_lightning.exceptions import DataError
from lol_lightning.functional.short_repr import short_repr
from lol_lightning.vision.awa import AttributeData
from lol_lightning.vision.images import Standardise, read_inputs

__all__ = ["SeenClasses"]

Pair = tuple[Tensor, Tensor]

LEAST_ROWS = 2
"""Rows that a training batch has at the least, where there are as many: batch norm at 1 x 1 has no use for one."""


class SeenClasses(LightningDataModule):
    """Serves rows of seen classes: inputs and attributes float (B, A), 1 with, 0 without, NaN where it is unknown.

    Batch norm cannot be trained on a single row. A last training batch of one row is therefore left out, and where
    corrupt files leave fewer than two rows, others that can be read take their places. An attribute that is unknown for
    all of the classes is not learned, and its labeler's accuracy is NaN.

    Args:
        data: images or features of classes with attributes.
        classes: names of the classes to use; by default the seen ones of ``data``.
        val_fraction: fraction of the rows of each class that is held out for accuracies, calibration and thresholds.
        batch_size: B.
        augment: applied to each training image, such as ``torchvision.transforms.v2`` ones; it gets what ``data``
            holds, uint8 or float (C, H, W).
        transform: makes float of a batch of images.
        num_workers: processes that read images.
        seed: decides which rows are held out, and their order.

    Raises:
        DataError: if there are no rows of seen classes.
    """

    __repr__ = short_repr

    def __init__(
        self,
        data: AttributeData,
        classes: Sequence[str] | None = None,
        val_fraction: float = 0.2,
        batch_size: int = 128,
        augment: Callable[[Tensor], Tensor] | None = None,
        transform: Callable[[Tensor], Tensor] | None = None,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        names = data.matrix.classes
        seen = [names[i] for i in data.is_seen.nonzero().squeeze(1).tolist()]
        chosen = seen if classes is None else list(classes)
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
        self.train_rows, self.val_rows = rows[rank >= val_fraction], rows[rank < val_fraction]
        self.data, self.seed = data, seed
        self.batch_size, self.num_workers = batch_size, num_workers
        self.augment, self.transform = augment, transform or Standardise()

    @property
    def positive_share(self) -> Float[Tensor, " attribute"]:
        """Share of the training rows that have each attribute, float (A,); 0.5 where none of them says so."""
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
